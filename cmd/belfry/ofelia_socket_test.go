package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// socketEvent is what a WebSocket says.
type socketEvent struct {
	Type      string
	Timestamp string
	Payload   object
	raw       []byte
}

// listening is an open WebSocket.
type listening struct {
	t      *testing.T
	conn   *websocket.Conn
	events chan socketEvent
	end    chan error // receives why it ended
}

// dial opens a WebSocket with the client's headers.
func (o *asker) dial(query string) (*websocket.Conn, *http.Response, error) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 20*time.Second)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, o.s.url+"/api/ws"+query, &websocket.DialOptions{HTTPHeader: o.header})
	if conn != nil {
		conn.SetReadLimit(1 << 20)
		o.t.Cleanup(func() { _ = conn.CloseNow() })
	}
	return conn, resp, err
}

// listen opens a WebSocket and reads it until the test ends.
func (o *asker) listen() *listening {
	o.t.Helper()
	conn, _, err := o.dial("")
	if err != nil {
		o.t.Fatal(err)
	}
	l := &listening{t: o.t, conn: conn, events: make(chan socketEvent, 100_000), end: make(chan error, 1)}
	done := make(chan struct{})
	o.t.Cleanup(func() { _ = conn.CloseNow(); <-done })
	go func() {
		defer close(done)
		for {
			_, b, err := conn.Read(context.Background())
			if err != nil {
				l.end <- err
				return
			}
			e := socketEvent{raw: b}
			if err := json.Unmarshal(b, &e); err != nil {
				l.end <- err
				return
			}
			l.events <- e
		}
	}()
	return l
}

// next is the next event; it fails after half a minute.
func (l *listening) next() socketEvent {
	l.t.Helper()
	select {
	case e := <-l.events:
		return e
	case err := <-l.end:
		l.t.Fatalf("the WebSocket ended: %v", err)
	case <-time.After(30 * time.Second):
		l.t.Fatal("no event within half a minute")
	}
	return socketEvent{}
}

// TestOfeliaEvents: all eight types, from the moment of the handshake on, each with
// the object that the document's list has.
func TestOfeliaEvents(t *testing.T) {
	t.Parallel()
	d := theDocument(t)
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	l := admin.listen()
	list, _ := d.operations["jobs"].Response.(object)["jobs"].([]any)
	of := func(more object) any {
		one := maps.Clone(exampleFor(list, object{"type": "local"}).(object))
		maps.Copy(one, more)
		return object{"type": "", "timestamp": "2024-01-01T00:00:00Z", "payload": one}
	}
	heard := map[string]bool{}
	expect := func(kind string, more object, check object) {
		t.Helper()
		e := l.next()
		heard[e.Type] = true
		example := of(more)
		if strings.HasPrefix(kind, "scheduler.") {
			example = object{"type": "", "timestamp": "2024-01-01T00:00:00Z", "payload": object{"running": true}}
		}
		if e.Type != kind {
			t.Fatalf("heard %s, want %s", e.raw, kind)
		}
		for _, difference := range d.differences(kind, example, said{t: t, what: kind, body: e.raw}.exact()) {
			t.Errorf("%s in %s", difference, e.raw)
		}
		for key, want := range check {
			if text(e.Payload[key]) != text(want) {
				t.Errorf("%s: %s is %s, want %s", kind, key, text(e.Payload[key]), text(want))
			}
		}
	}
	id := func(id string) object { return object{"executionId": id} }
	uuid := object{"executionId": "550e8400-e29b-41d4-a716-446655440001"}

	admin.create("job", "@daily", "true", nil)
	expect("job.added", nil, object{"name": "job", "status": "pending", "lastRun": nil, "enabled": true})
	admin.want(200, "PUT", "/api/job/job", object{"schedule": "@hourly"})
	expect("job.updated", nil, object{"schedule": "@hourly"})
	admin.want(200, "PATCH", "/api/job/job/toggle", nil)
	expect("job.updated", nil, object{"enabled": false, "nextRun": nil})
	good := admin.start("job", nil)
	expect("job.started", uuid, maps.Collect(maps.All(merged(id(good), object{"status": "running"}).(object))))
	expect("job.completed", uuid, merged(id(good), object{"status": "success"}).(object))
	bad := admin.start("job", object{"command": "false"})
	expect("job.started", uuid, id(bad))
	expect("job.failed", uuid, merged(id(bad), object{"status": "failed"}).(object))
	long := admin.start("job", object{"command": "sleep 60"})
	expect("job.started", uuid, id(long))
	admin.want(200, "POST", "/api/execution/"+long+"/stop", nil)
	expect("job.failed", uuid, merged(id(long), object{"status": "stopped"}).(object))
	admin.want(200, "POST", "/api/scheduler/stop", nil)
	expect("scheduler.stopped", nil, object{"running": false})
	admin.want(200, "POST", "/api/scheduler/start", nil)
	expect("scheduler.started", nil, object{"running": true})
	admin.want(200, "DELETE", "/api/job/job", nil)
	expect("job.removed", nil, object{"name": "job"})
	if len(heard) != 8 {
		t.Errorf("heard %v", slices.Sorted(maps.Keys(heard)))
	}
}

// TestOfeliaEventsOfDeletedJobs: the end of a run whose job was deleted meanwhile is
// told, and what was removed is told as it was.
func TestOfeliaEventsOfDeletedJobs(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	l := admin.listen()
	expect := func(kind, status string, check object) {
		t.Helper()
		e := l.next()
		if e.Type != kind {
			t.Fatalf("heard %s, want %s", e.raw, kind)
		}
		if e.Payload["name"] != "job" || e.Payload["status"] != status || e.Payload["command"] != "sleep 60" || e.Payload["schedule"] != "@daily" {
			t.Errorf("%s, want it %s", e.raw, status)
		}
		for key, want := range check {
			if text(e.Payload[key]) != text(want) {
				t.Errorf("%s: %s is %s, want %s", kind, key, text(e.Payload[key]), text(want))
			}
		}
	}
	admin.create("job", "@daily", "sleep 60", nil)
	expect("job.added", "pending", nil)
	id := admin.start("job", nil)
	expect("job.started", "running", nil)
	ran := admin.until(id, func(e ofeliaExecution) bool { return e.Status == "running" }).StartTime
	admin.want(200, "DELETE", "/api/job/job", nil)
	expect("job.removed", "running", object{"lastRun": ran, "executionId": nil})
	expect("job.failed", "stopped", object{"lastRun": ran, "executionId": id})

	// One that ran to its end, and a deletion that comes after it.
	admin.create("job", "@daily", "sleep 60", nil)
	expect("job.added", "pending", nil)
	id = admin.start("job", object{"command": "true"})
	expect("job.started", "running", nil)
	expect("job.completed", "success", nil)
	ran = admin.ended(id).StartTime
	admin.want(200, "DELETE", "/api/job/job", nil)
	expect("job.removed", "success", object{"lastRun": ran})

	// One that goes with the end of its run.
	page := admin.with("Accept", "application/json")
	page.want(201, "POST", "/jobs", object{"name": "job", "schedule": "@daily", "executor": "shell", "config": object{"command": "sleep 60"}, "ephemeral": true})
	expect("job.added", "pending", nil)
	id = admin.start("job", object{"command": "true"})
	expect("job.started", "running", nil)
	kinds := map[string]string{}
	for range 2 {
		e := l.next()
		kinds[e.Type], _ = e.Payload["status"].(string)
	}
	if kinds["job.removed"] != "success" || kinds["job.completed"] != "success" {
		t.Errorf("the end of %s, whose job goes with it: %v", id, kinds)
	}
}

// TestOfeliaSocketCredentials: a token in the address, a header, or a cookie; no
// other site's page, unless [cors] names it; and no longer than the token is good.
func TestOfeliaSocketCredentials(t *testing.T) {
	t.Parallel()
	f := newINI(t, "[cors]\nallowed-origins = https://app.example.com\n")
	s := ofeliaServer(t, t.TempDir(), "--config", f.path)
	nobody, admin := s.nobody(t), s.admin(t)
	token := url.QueryEscape(strings.TrimPrefix(admin.header.Get("Authorization"), "Bearer "))
	own := s.url
	for _, x := range []struct {
		what   string
		as     *asker
		query  string
		status int
	}{
		{"nobody", nobody, "", 401},
		{"nonsense", nobody, "?token=nonsense", 401},
		{"a token in the address", nobody, "?token=" + token, 101},
		{"a header", admin, "", 101},
		{"Basic", nobody.with("Authorization", basic("admin", "secret")), "", 101},
		{"an API token in the address", nobody, "?token=" + s.cli("", "token", "create", "--role", "viewer", "v"), 101},
		{"the pages of this server", admin.with("Origin", own), "", 101},
		{"pages of another site", admin.with("Origin", "https://evil.example.com"), "", 403},
		{"pages of another site with a token", nobody.with("Origin", "https://evil.example.com"), "?token=" + token, 403},
		{"pages of a site that is allowed", nobody.with("Origin", "https://app.example.com"), "?token=" + token, 101},
		{"the same host by http", nobody.with("Origin", "http://app.example.com"), "?token=" + token, 403},
		{"another port", nobody.with("Origin", "https://app.example.com:8443"), "?token=" + token, 403},
		{"no origin at all", nobody.with("Origin", "null"), "?token=" + token, 403},
	} {
		conn, resp, err := x.as.dial(x.query)
		if resp == nil || resp.StatusCode != x.status || (err == nil) != (x.status == 101) {
			t.Errorf("%s: %v %v, want %d", x.what, resp, err, x.status)
			continue
		}
		if conn != nil {
			_ = conn.Close(websocket.StatusNormalClosure, "")
			continue
		}
		b, _ := io.ReadAll(resp.Body)
		said{t: t, what: x.what, status: resp.StatusCode, header: resp.Header, body: b}.
			refusal(x.status, map[int]string{401: "UNAUTHORIZED", 403: "FORBIDDEN"}[x.status])
	}
	admin.refused(400, "VALIDATION_ERROR", "GET", "/api/ws", nil)
	if strings.Contains(s.log.String(), token[:20]) {
		t.Error("the token of an address is in the log")
	}
}

// TestOfeliaSocketHandshake: a bad one is refused in the envelope, and says why.
func TestOfeliaSocketHandshake(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	upgrade := s.admin(t).with("Connection", "Upgrade").with("Upgrade", "websocket")
	good := upgrade.with("Sec-WebSocket-Version", "13").with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	for _, x := range []struct {
		as   *asker
		says string
	}{
		{upgrade, "version"},
		{upgrade.with("Sec-WebSocket-Version", "13"), "missing Sec-WebSocket-Key"},
		{good.with("Sec-WebSocket-Key", "short"), "16 byte"},
		{good.with("Sec-WebSocket-Version", "12"), "only 13"},
		{good.with("Connection", "keep-alive"), "Connection"},
		{good.with("Upgrade", "h2c"), "handshake"},
	} {
		a := x.as.do("GET", "/api/ws", nil)
		if got := a.refusal(400, "VALIDATION_ERROR"); !strings.Contains(got, x.says) || strings.Contains(got, "failed to accept") {
			t.Errorf("%v says %s, without %s", x.as.header, got, x.says)
		}
		if version := a.header.Get("Sec-WebSocket-Version"); x.says == "only 13" && version != "13" {
			t.Errorf("another version is told of version %q", version)
		}
	}
}

// TestOfeliaSocketIsSpokenTo: what a client sends is passed over, whatever it is,
// unless one message is far too long.
func TestOfeliaSocketIsSpokenTo(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	l := admin.listen()
	for _, m := range []struct {
		kind websocket.MessageType
		text string
	}{
		{websocket.MessageText, `{"type":"ping"}`},
		{websocket.MessageText, ""},
		{websocket.MessageBinary, "\x00\xff"},
		{websocket.MessageText, strings.Repeat("x", 60_000)},
	} {
		if err := l.conn.Write(t.Context(), m.kind, []byte(m.text)); err != nil {
			t.Fatalf("%.20q: %v", m.text, err)
		}
	}
	if err := l.conn.Ping(t.Context()); err != nil { // it answers, so it has read all that
		t.Errorf("ping: %v", err)
	}
	admin.create("job", "@daily", "true", nil)
	if e := l.next(); e.Type != "job.added" {
		t.Errorf("heard %s", e.raw)
	}
	if err := l.conn.Write(t.Context(), websocket.MessageText, []byte(strings.Repeat("x", 70_000))); err != nil {
		t.Fatal(err)
	}
	if err := <-l.end; websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("a message of 70,000 bytes ended the WebSocket with %v", err)
	}
}

// TestOfeliaSocketsEndWithTheServer: its clients are told.
func TestOfeliaSocketsEndWithTheServer(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	l := s.admin(t).listen()
	s.terminate()
	err := <-l.end
	if websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the WebSocket ended with %v", err)
	}
}

// starts are how long a server's executions waited from being due to their start.
func (o *asker) starts(job string) (late []time.Duration) {
	o.t.Helper()
	for offset := 0; ; offset += 1000 {
		var list struct {
			Items []struct {
				Due     time.Time  `json:"due_at"`
				Started *time.Time `json:"started_at"`
			}
		}
		o.with("Accept", "application/json").want(200, "GET", fmt.Sprintf("/executions?job=%s&limit=1000&offset=%d", job, offset), nil).into(&list)
		for _, e := range list.Items {
			if e.Started != nil {
				late = append(late, e.Started.Sub(e.Due))
			}
		}
		if len(list.Items) < 1000 {
			slices.Sort(late)
			return late
		}
	}
}

func p99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }

// memory is what a process holds of the machine's, in bytes.
func (s *server) memory() int64 {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "status"))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return kb << 10
}

// TestOfeliaStalledSocket: of twenty clients one takes nothing. The others hear of
// every execution that the store has, runs start as soon as without any client, the
// server does not grow, and the stalled one is sent away.
func TestOfeliaStalledSocket(t *testing.T) {
	s := ofeliaServer(t, t.TempDir(), "--slots", "20")
	admin := s.admin(t)
	const runs = 150
	// load makes runs of a job, some at once, and returns how long they waited.
	load := func(job string) []time.Duration {
		t.Helper()
		admin.create(job, "@manual", "true", nil)
		ids := []string{}
		for i := range runs {
			if ids = append(ids, admin.start(job, nil)); len(ids) == 5 || i == runs-1 {
				for _, id := range ids {
					admin.ended(id)
				}
				ids = ids[:0]
			}
		}
		return admin.starts(job)
	}
	without := load("without")

	var listeners []*listening
	for range 19 {
		listeners = append(listeners, admin.listen())
	}
	stalled := admin.stall()
	before := s.memory()
	with := load("with")
	// What a client does not take fills its connection before anybody notices: a
	// job with a long command gets there with few events.
	admin.create("long", "@manual", "echo "+strings.Repeat("x", 30_000), nil)
	changes := 0
	toggle := func() {
		for range 300 {
			admin.want(200, "PATCH", "/api/job/long/toggle", nil)
			changes++
		}
	}
	toggle()
	late := load("late")
	admin.eventually("the client that takes nothing is sent away", stalled.gone)
	between := s.memory()
	toggle()
	after := s.memory()
	stalled.cut()
	t.Logf("start latency p99: %v without clients, %v with 20, %v while one of them blocks; memory %d MB before, %d MB when it was sent away, %d MB after as many events again",
		p99(without), p99(with), p99(late), before>>20, between>>20, after>>20)
	for _, p := range []time.Duration{p99(with), p99(late)} {
		if p > 4*p99(without)+100*time.Millisecond {
			t.Errorf("clients delay runs: p99 %v, without them %v", p, p99(without))
		}
	}
	// What the database and the collector hold for a while is in it, too.
	if between > before+128<<20 || after > between+48<<20 {
		t.Errorf("the server grew from %d MB to %d MB, and then to %d MB", before>>20, between>>20, after>>20)
	}

	ran := map[string]bool{}
	for _, job := range []string{"with", "late"} {
		for _, e := range admin.history(job) {
			ran[e.ExecutionID] = true
		}
	}
	if len(ran) != 2*runs {
		t.Fatalf("the store has %d executions, want %d", len(ran), 2*runs)
	}
	for i, l := range listeners {
		started, completed, updated := map[string]int{}, map[string]int{}, 0
		for len(completed) < 2*runs || updated < changes {
			e := l.next()
			id, _ := e.Payload["executionId"].(string)
			switch e.Type {
			case "job.started":
				started[id]++
			case "job.completed":
				if completed[id]++; started[id] != 1 || completed[id] != 1 || !ran[id] {
					t.Errorf("client %d: %s completed %d times, and was started %d times", i, id, completed[id], started[id])
				}
			case "job.updated":
				updated++
			case "job.added":
			default:
				t.Errorf("client %d heard %s", i, e.raw)
			}
		}
		if len(started) != 2*runs || len(completed) != 2*runs || updated != changes {
			t.Errorf("client %d heard of %d starts, %d ends and %d changes; want %d, %d and %d", i, len(started), len(completed), updated, 2*runs, 2*runs, changes)
		}
	}
}

// stalledSocket is a client that has shaken hands, and takes nothing any more.
type stalledSocket struct {
	o    *asker
	conn net.Conn
}

// stall opens one, with as small a buffer as the system has.
func (o *asker) stall() *stalledSocket {
	o.t.Helper()
	dialer := net.Dialer{Timeout: 20 * time.Second}
	conn, err := dialer.DialContext(o.t.Context(), "tcp", strings.TrimPrefix(o.s.url, "http://"))
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(1); err != nil {
		o.t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /api/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: %s\r\n\r\n", o.header.Get("Authorization"))
	status := make([]byte, len("HTTP/1.1 101"))
	if _, err := io.ReadFull(conn, status); err != nil || string(status) != "HTTP/1.1 101" {
		o.t.Fatalf("%q, %v", status, err)
	}
	return &stalledSocket{o, conn}
}

// gone reports whether the server has one client less than was opened.
func (c *stalledSocket) gone() bool {
	return strings.Contains(string(c.o.want(200, "GET", "/metrics", nil).body), "\nbelfry_websocket_clients 19\n")
}

// cut checks that its connection is closed: what is sent to a closed one comes back
// as an error. A close frame could only follow all that the client has not taken;
// one that is slow gets it, as the tests of handlers/ofelia show.
func (c *stalledSocket) cut() {
	c.o.t.Helper()
	c.o.eventually("the stalled client's connection is cut", func() bool {
		_, err := c.conn.Write([]byte{0x8a, 0x80, 0, 0, 0, 0}) // a pong
		return err != nil
	})
}
