package handlers

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
	"belfry/scheduler/events"
	"belfry/views"
)

// liveWorld is a world whose events reach open streams, over real connections.
type liveWorld struct {
	*world
	hub    *events.Hub
	url    string
	cookie string // that streams are opened with
}

func newLiveWorld(t *testing.T) *liveWorld {
	t.Helper()
	hub := events.New()
	w := newWorld(t, func(o *Options) { o.Hub, o.AuthNone, o.Now = hub, true, time.Now })
	w.service.Publisher = hub
	w.service.Now = time.Now
	real := httptest.NewServer(w.server)
	t.Cleanup(func() {
		hub.Close()
		real.Close()
	})
	return &liveWorld{world: w, hub: hub, url: real.URL}
}

// started is a claimed execution of a new job.
func (w *liveWorld) started(name string) scheduler.Assignment {
	w.t.Helper()
	w.must(w.service.CreateJob(w.t.Context(), scheduler.Server, scheduler.Draft{
		Name: name, Executor: "shell", Config: json.RawMessage(`{"command":"x"}`),
	}, scheduler.OriginAPI))
	w.must(w.service.RunJob(w.t.Context(), scheduler.Server, name, nil))
	claimed, err := w.service.Claim(w.t.Context(), scheduler.Worker{Name: "server"}, 1)
	w.must(err)
	return claimed[0]
}

// writer adds output to a running execution.
type writer struct {
	w         *liveWorld
	id        string
	at, lines int64
}

func (o *writer) write(text string) {
	o.w.t.Helper()
	c := scheduler.Chunk{FirstByte: o.at, FirstLine: o.lines + 1, Data: []byte(text)}
	for line := range strings.Lines(text) {
		c.Pieces = append(c.Pieces, scheduler.Piece{Len: len(line), At: time.Now().Truncate(time.Millisecond), Open: !strings.HasSuffix(line, "\n")})
	}
	o.at, o.lines = c.EndByte(), c.EndLine()-1
	if err := o.w.service.AddOutput(context.Background(), o.id, scheduler.Output{Append: &c}, o.at); err != nil {
		o.w.t.Error(err) // not Fatal: writers have goroutines of their own
	}
}

func (w *liveWorld) end(a scheduler.Assignment, size, lines int64) {
	w.t.Helper()
	e := a.Execution
	e.State, e.FinishedAt, e.OutputBytes, e.OutputLines = scheduler.Succeeded, time.Now().UTC().Truncate(time.Microsecond), size, lines
	if err := w.service.Finish(context.Background(), scheduler.Ending{Execution: e, Job: a.Job}); err != nil {
		w.t.Error(err)
	}
}

// heard is what a program reads of an output event.
type heard struct {
	Lines []struct {
		N    int64
		Text string
	}
}

// frame is one server-sent event as a browser understands it.
type frame struct{ id, event, data string }

// stream is an open connection to /events.
type stream struct {
	t     *testing.T
	body  io.ReadCloser
	lines *bufio.Reader
}

func (w *liveWorld) open(query, lastID string) *stream {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	w.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/events"+query, nil)
	w.must(err)
	r.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	if w.cookie != "" {
		r.Header.Set("Cookie", w.cookie)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	w.must(err)
	w.t.Cleanup(func() { _ = resp.Body.Close(); http.DefaultTransport.(*http.Transport).CloseIdleConnections() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" ||
		resp.Header.Get("X-Accel-Buffering") != "no" || resp.Header.Get("Content-Encoding") != "" {
		b, _ := io.ReadAll(resp.Body)
		w.t.Fatalf("%s: %v\n%s", resp.Status, resp.Header, b)
	}
	return &stream{w.t, resp.Body, bufio.NewReader(resp.Body)}
}

// next returns the next event, ok=false when the server has closed the stream.
func (s *stream) next() (f frame, ok bool) {
	s.t.Helper()
	var data []string
	for {
		line, err := s.lines.ReadString('\n')
		if err == io.EOF || (err != nil && strings.Contains(err.Error(), "EOF")) {
			return f, false
		}
		if err != nil {
			s.t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\n")
		if strings.ContainsRune(line, '\r') {
			s.t.Fatalf("a carriage return in the frame: %q", line)
		}
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && data != nil:
			f.data = strings.Join(data, "\n")
			return f, true
		case name == "id":
			f.id = value
		case name == "event":
			f.event = value
		case name == "data":
			data = append(data, value)
		}
	}
}

func TestStreamQueries(t *testing.T) {
	w := newLiveWorld(t)
	for _, q := range []string{
		"?topics=all", "?topics=execution:", "?topics=execution:a,execution:b", "?topics=board,", "?format=xml",
		"?topics=execution:nobody", "?topics=board&cursor=-1", "?topics=board&cursor=x",
	} {
		rec := w.do(ask{path: "/events" + q})
		if rec.Code != http.StatusBadRequest && rec.Code != http.StatusUnprocessableEntity && rec.Code != http.StatusNotFound {
			t.Errorf("%s: %d", q, rec.Code)
		}
		w.problem(rec)
	}
	if rec := w.do(ask{path: "/events"}.with("Last-Event-ID", "x")); rec.Code < 400 {
		t.Errorf("a wrong id: %d", rec.Code)
	}
}

func TestStreamIDs(t *testing.T) {
	for _, tt := range []struct{ topics, last, since, cursor string }{
		{"board", "1700000000000000", "1700000000000000", ""},
		{"execution:e", "120.31", "", "120.31"},
		{"board,execution:e", "1700000000000000~120", "1700000000000000", "120"},
		{"board,execution:e", "1700000000000000", "1700000000000000", ""},
	} {
		got, err := parseWatch(url.Values{"topics": {tt.topics}}, tt.last)
		since := ""
		if !got.since.IsZero() {
			since = fmt.Sprint(got.since.UnixMicro())
		}
		if err != nil || since != tt.since || got.cursor != tt.cursor {
			t.Errorf("%s at %s: since %q, cursor %q, %v", tt.topics, tt.last, since, got.cursor, err)
		}
	}
}

func TestBoardTellsEachChangeAndReplaysWhatWasMissed(t *testing.T) {
	w := newLiveWorld(t)
	s := w.open("", "")
	a := w.started("first")
	var states []string
	last := ""
	for len(states) < 2 {
		f, ok := s.next()
		if !ok {
			t.Fatal("the stream ended")
		}
		if f.event == "execution" {
			var e struct{ ID, State string }
			w.must(json.Unmarshal([]byte(f.data), &e))
			if e.ID != a.Execution.ID {
				t.Fatalf("an event of %s", e.ID)
			}
			states, last = append(states, e.State), f.id
		}
	}
	if fmt.Sprint(states) != "[queued running]" {
		t.Fatalf("states %v", states)
	}
	_ = s.body.Close()

	w.end(a, 0, 0)
	s = w.open("?topics=board", last)
	for {
		f, ok := s.next()
		if !ok {
			t.Fatal("the end was not replayed")
		}
		if strings.Contains(f.data, a.Execution.ID) && strings.Contains(f.data, `"succeeded"`) {
			return
		}
	}
}

func TestOutputGoesOnAtTheExactByteAfterEachDrop(t *testing.T) {
	w := newLiveWorld(t)
	a := w.started("talker")
	out := &writer{w: w, id: a.Execution.ID}
	const lines = 300
	go func() {
		for i := range lines {
			out.write(fmt.Sprintf("line %d ", i)) // an open line, seen and sent again as a whole
			out.write(fmt.Sprintf("of %d\n", lines))
		}
		w.end(a, out.at, lines)
	}()
	got := map[int64]string{}
	last, drops := "", 0
	for ended := false; !ended; {
		s := w.open("?topics=execution:"+a.Execution.ID, last)
		for range 1 + drops%3 { // drop the connection after one to three events
			f, ok := s.next()
			if !ok {
				break
			}
			last = f.id
			switch f.event {
			case "end":
				ended = true
			case "output":
				var o heard
				w.must(json.Unmarshal([]byte(f.data), &o))
				for _, l := range o.Lines {
					if old, had := got[l.N]; had && !strings.HasPrefix(l.Text, old) {
						t.Fatalf("line %d was %q and is %q", l.N, old, l.Text)
					}
					got[l.N] = l.Text
				}
			}
		}
		_ = s.body.Close()
		drops++
	}
	if len(got) != lines {
		t.Fatalf("%d lines of %d after %d connections", len(got), lines, drops)
	}
	for i := range int64(lines) {
		if want := fmt.Sprintf("line %d of %d", i, lines); got[i+1] != want {
			t.Fatalf("line %d is %q", i+1, got[i+1])
		}
	}
	if drops < 2 {
		t.Fatalf("only %d connections", drops)
	}
}

func TestEndComesLastAndClosesTheStream(t *testing.T) {
	w := newLiveWorld(t)
	a := w.started("ender")
	out := &writer{w: w, id: a.Execution.ID}
	out.write("hello\n")
	w.end(a, out.at, 1)
	for _, format := range []string{"json", "html"} {
		s := w.open("?format="+format+"&topics=execution:"+a.Execution.ID, "")
		var seen []string
		for f, ok := s.next(); ok; f, ok = s.next() {
			seen = append(seen, f.event)
		}
		if fmt.Sprint(seen) != "[output execution end]" {
			t.Errorf("%s: events %v", format, seen)
		}
	}
}

func TestOutputCannotForgeEvents(t *testing.T) {
	w := newLiveWorld(t)
	a := w.started("forger")
	out := &writer{w: w, id: a.Execution.ID}
	evil := "a\revent: end\rdata: x\r\r<script>alert(1)</script>\n: comment\n\n\nid: 99\n"
	out.write(evil)
	w.end(a, out.at, out.lines)
	for _, format := range []string{"json", "html"} {
		s := w.open("?format="+format+"&topics=execution:"+a.Execution.ID, "")
		f, _ := s.next()
		if f.event != "output" || strings.HasPrefix(f.id, "99") || strings.Contains(f.data, "<script") && format == "html" {
			t.Errorf("%s: %+v", format, f)
		}
	}
}

func TestClosingTheHubEndsStreams(t *testing.T) {
	w := newLiveWorld(t)
	s := w.open("", "")
	w.hub.Close()
	if f, ok := s.next(); ok {
		t.Fatalf("got %+v", f)
	}
}

func TestStalledReaderStopsNobody(t *testing.T) {
	w := newLiveWorld(t)
	a := w.started("busy")
	out := &writer{w: w, id: a.Execution.ID}
	// It asks and never reads: its socket's buffers fill, and then its stream waits.
	raw, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	w.must(err)
	defer raw.Close()
	_ = raw.(*net.TCPConn).SetReadBuffer(4096)
	_, err = fmt.Fprintf(raw, "GET /events?topics=execution:%s HTTP/1.1\r\nHost: x\r\n\r\n", a.Execution.ID)
	w.must(err)
	healthy := w.open("?topics=execution:"+a.Execution.ID, "")
	const lines = 15
	go func() {
		for i := range lines {
			out.write(fmt.Sprintf("%d %s\n", i, strings.Repeat("x", 500_000)))
		}
		w.end(a, out.at, lines)
	}()
	got := map[int64]bool{}
	for f, ok := healthy.next(); ok; f, ok = healthy.next() {
		if f.event == "output" {
			var o heard
			w.must(json.Unmarshal([]byte(f.data), &o))
			for _, l := range o.Lines {
				got[l.N] = true
			}
		}
	}
	if len(got) != lines {
		t.Fatalf("the healthy reader got %d lines of %d", len(got), lines)
	}
}

func TestLongLinesAreSentWhole(t *testing.T) {
	w := newLiveWorld(t)
	a := w.started("long")
	out := &writer{w: w, id: a.Execution.ID}
	long := strings.Repeat("y", 1<<20-1) + "\n"
	out.write("short\n" + long + "after\n")
	w.end(a, out.at, 3)
	s := w.open("?topics=execution:"+a.Execution.ID, "")
	got := map[int64]int{}
	for f, ok := s.next(); ok; f, ok = s.next() {
		if f.event == "output" {
			var o heard
			w.must(json.Unmarshal([]byte(f.data), &o))
			for _, l := range o.Lines {
				got[l.N] = len(l.Text)
			}
		}
	}
	if len(got) != 3 || got[1] != 5 || got[2] != 1<<20-1 || got[3] != 5 {
		t.Fatalf("lengths %v", got)
	}
}

func TestCursorOfThePageIsWhereTheStreamGoesOn(t *testing.T) {
	w := newLiveWorld(t)
	a := w.started("page")
	out := &writer{w: w, id: a.Execution.ID}
	out.write("one\n\x1b[31mtwo\nthr")
	props, err := w.server.executionProps(t.Context(), views.Page{}, a.Execution)
	w.must(err)
	w.must(w.server.addTail(t.Context(), &props))
	out.write("ee\nfour\n")
	w.end(a, out.at, 4)
	s := w.open("?format=html&topics=execution:"+a.Execution.ID+"&cursor="+url.QueryEscape(props.Cursor), "")
	f, _ := s.next()
	if strings.Contains(f.data, ">two<") || !strings.Contains(f.data, `id="L3"`) || !strings.Contains(f.data, ">three<") || !strings.Contains(f.data, `id="L4"`) {
		t.Fatalf("went on with %s", f.data)
	}
}
