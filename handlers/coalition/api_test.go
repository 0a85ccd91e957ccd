package coalition

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// TestDocument: the requests of the document, as they are there, on an empty server.
func TestDocument(t *testing.T) {
	w := newWorld(t)
	id := w.ok("PUT", "/api/jobs", `{"parent": 0, "title": "Job 1", "command": "echo test", "dir": ".", "environment": "", "state": "WAITING", "retry": 10,
		"timeout": 10000, "priority": 1000, "affinity": "LINUX", "user": "render", "url": "http://localhost/image.png", "progress_pattern": "#%percent"}`)
	if id != "1" {
		t.Fatalf("the new id is %q", id)
	}
	rec := w.send("GET", "/api/jobs/1", "")
	if kind := rec.Header().Get("Content-Type"); kind != "application/json" {
		t.Errorf("it is %s", kind)
	}
	j := w.job(1)
	if j.Retry != 10 || j.Timeout != 10000 || j.Priority != 1000 || j.Affinity != "LINUX" || j.User != "render" || j.State != "WAITING" || j.PingTime != 0 {
		t.Errorf("%+v", j)
	}
	w.refused(400, "names and ids before a colon are texts in quotes", "POST", "/api/jobs", `{ 123: { "title": "Job renamed 123", } }`)
	if got := w.ok("POST", "/api/jobs", `{"1": {"title": "Job renamed 1", "command": "echo renamed"}}`); got != "1" {
		t.Errorf("edit: %q", got)
	}
	if j := w.job(1); j.Title != "Job renamed 1" || j.Command != "echo renamed" {
		t.Errorf("%+v", j)
	}
	w.worker("pickjob", "worker-1")
	for _, path := range []string{"/api/stopworkers", "/api/startworkers"} {
		if got := w.ok("POST", path, `["worker-1","worker-2"]`); got != "1" {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := w.ok("POST", "/api/workers", `{"worker-1": {"affinity": "LINUX", "active": 0}, "worker-2": {"affinity": "LINUX", "active": 0}}`); got != "1" {
		t.Errorf("workers: %q", got)
	}
	if got := w.worker("pickjob", "worker-1"); got != nothing {
		t.Errorf("one that is not active got %s", got)
	}
	w.ok("POST", "/api/startworkers", `["worker-1"]`)
	if got := w.worker("pickjob", "worker-1"); got != `(1, 'echo renamed', '.', 'render', '')` {
		t.Errorf("%s", got)
	}
	// worker-2 was never heard of: what it takes was kept for it.
	w.ok("PUT", "/api/jobs", `{"command":"x","affinity":"LINUX"}`)
	if got := w.worker("pickjob", "worker-2"); !strings.HasPrefix(got, "(2,") {
		t.Errorf("%s", got)
	}
	if got := w.ok("GET", "/api/events?job=1&worker=worker-1&howlong=60", ""); !strings.Contains(got, `"state":"WORKING"`) {
		t.Errorf("events: %s", got)
	}
	if got := w.ok("DELETE", "/api/jobs", "[1,2,3]"); got != "1" {
		t.Errorf("delete: %q", got)
	}
}

func TestLiteral(t *testing.T) {
	for text, want := range map[string]string{
		"":                  `''`,
		`it's "x" \n`:       `'it\'s "x" \\n'`,
		"a\nb\tc\r\x00\x7f": `'a\nb\tc\r\x00\x7f'`,
		"café":              `'caf\xc3\xa9'`,
	} {
		if got := literal(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestLostWorker: a worker that is silent for a minute has lost its job, and what
// it says later changes nothing.
func TestLostWorker(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/api/jobs", `{"command":"x","timeout":0}`)
	w.worker("pickjob", "w1")
	w.wait(50 * time.Second)
	if err := w.service.LookAfter(t.Context()); err != nil || w.job(1).State != "WORKING" {
		t.Errorf("after 50 s it is %s (%v)", w.job(1).State, err)
	}
	if w.worker("heartbeat", "w1", "jobId", "1", "log", "") != "true" {
		t.Error("a heartbeat is refused")
	}
	w.wait(61 * time.Second)
	if err := w.service.LookAfter(t.Context()); err != nil || w.job(1).State != "WAITING" {
		t.Fatalf("after 61 s it is %s (%v)", w.job(1).State, err)
	}
	var workers []workerWire
	if err := json.Unmarshal([]byte(w.ok("GET", "/api/workers", "")), &workers); err != nil || len(workers) != 1 || workers[0].State != "TIMEOUT" || workers[0].Error != 1 {
		t.Errorf("%+v (%v)", workers, err)
	}
	if got := w.ok("GET", "/api/events?job=1", ""); !strings.Contains(got, `"state":"ERROR"`) {
		t.Errorf("events: %s", got)
	}
	if got := w.worker("pickjob", "w2"); !strings.HasPrefix(got, "(1,") {
		t.Fatalf("another gets %s", got)
	}
	if w.worker("heartbeat", "w1", "jobId", "1", "log", "bGF0ZQo=") != "false" {
		t.Error("the lost one may go on")
	}
	w.worker("endjob", "w1", "jobId", "1", "errorCode", "1")
	if j := w.job(1); j.State != "WORKING" || j.Worker != "w2" || j.RunDone != 0 {
		t.Errorf("the lost one ended it: %+v", j)
	}
}

// TestForgottenWorker: what a worker runs that is deleted goes on while it is heard
// of, and waits again after a minute of silence, also when the server started anew.
func TestForgottenWorker(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world){
		"silent": func(*world) {},
		"heard": func(w *world) {
			if w.worker("heartbeat", "w1", "jobId", "1", "log", "") != "true" {
				t.Error("a heartbeat of one that was deleted is refused")
			}
		},
		"restarted": func(w *world) { w.start() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ok("PUT", "/api/jobs", `{"command":"x","timeout":0}`)
			w.worker("pickjob", "w1")
			w.ok("DELETE", "/api/workers", `["w1"]`)
			meanwhile(w)
			if err := w.service.LookAfter(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				after time.Duration
				state string
			}{{50 * time.Second, "WORKING"}, {11 * time.Second, "WAITING"}} {
				w.wait(c.after)
				if err := w.service.LookAfter(t.Context()); err != nil || w.job(1).State != c.state {
					t.Errorf("after %s more it is %s (%v), want %s", c.after, w.job(1).State, err, c.state)
				}
			}
			if w.worker("heartbeat", "w1", "jobId", "1", "log", "") != "false" {
				t.Error("the lost one may go on")
			}
			if got := w.worker("pickjob", "w2"); !strings.HasPrefix(got, "(1,") {
				t.Errorf("another gets %s", got)
			}
		})
	}
}

// TestOneJobEach: a worker that asks several times at once gets one job, as one
// that asks again does; what it evaluates is always what it can read.
func TestOneJobEach(t *testing.T) {
	w := newWorld(t)
	const asks = 8
	w.ok("PUT", "/api/jobs", `{}`)
	for range 2 * asks {
		w.ok("PUT", "/api/jobs", `{"parent":1,"command":"x"}`)
	}
	for _, when := range []string{"new", "known"} {
		var all sync.WaitGroup
		for range asks {
			all.Go(func() {
				if rec := w.send("GET", "/workers/pickjob?hostname=w1&load=[1]", ""); rec.Code != http.StatusOK || !strings.HasPrefix(rec.Body.String(), "(") {
					t.Errorf("%s: %d %s", when, rec.Code, rec.Body)
				}
			})
		}
		all.Wait()
		if n := w.job(1).TotalWorking; n != 1 {
			t.Errorf("%s: %d jobs work on it", when, n)
		}
		if got := w.workers()["w1"]; got.State != "WORKING" || got.Error != 0 {
			t.Errorf("%s: %+v", when, got)
		}
	}
	w.api.Service = replaced{w.api.Service}
	if got := w.worker("pickjob", "w1"); got != nothing {
		t.Errorf("one in whose place another came got %s", got)
	}
}

// replaced is a service to which somebody else came.
type replaced struct{ Service }

func (replaced) PollTree(context.Context, scheduler.WorkerToken, scheduler.TreePing) (scheduler.TreeJob, bool, error) {
	return scheduler.TreeJob{}, false, scheduler.ErrReplaced
}

// TestTimeout: it ends in an error and stays there.
func TestTimeout(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/api/jobs", `{"command":"x","timeout":10}`)
	w.worker("pickjob", "w1")
	w.wait(11 * time.Second)
	if err := w.service.EndOverdueTreeJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.worker("heartbeat", "w1", "jobId", "1", "log", "") != "false" || w.job(1).State != "ERROR" {
		t.Errorf("%+v", w.job(1))
	}
	if got := w.worker("pickjob", "w1"); got != nothing {
		t.Errorf("it is given again: %s", got)
	}
	list, _, err := w.store.ListExecutions(t.Context(), scheduler.ExecutionFilter{})
	if err != nil || len(list) != 1 || list[0].State != scheduler.TimedOut {
		t.Errorf("%+v (%v)", list, err)
	}
}

func TestProgressAndLog(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/api/jobs", `{"command":"x","progress_pattern":"#%percent"}`)
	w.worker("pickjob", "w1")
	w.worker("heartbeat", "w1", "jobId", "1", "log", "IzQwCg==") // #40
	if j := w.job(1); j.Progress == nil || *j.Progress != 0.4 || j.PingTime == 0 {
		t.Errorf("%+v", j)
	}
	// A line, and a character, in two parts; and what is no text at all.
	w.worker("heartbeat", "w1", "jobId", "1", "log", "Y2Fmww==")
	w.worker("heartbeat", "w1", "jobId", "1", "log", "qSDi/wo=")
	want, err := json.Marshal("#40\ncafé \uFFFD\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.ok("GET", "/api/jobs/1/log", ""); got != string(want) {
		t.Errorf("%s; want %s", got, want)
	}
	w.worker("endjob", "w1", "jobId", "1", "errorCode", "0")
	w.ok("POST", "/api/startjobs", "[1]")
	w.worker("pickjob", "w1")
	w.worker("heartbeat", "w1", "jobId", "1", "log", "YWdhaW4K")
	if got := w.ok("GET", "/api/jobs/1/log", ""); !strings.HasSuffix(got, `\nagain\n"`) {
		t.Errorf("two runs: %s", got)
	}
	if chunk, err := w.store.OutputTail(t.Context(), "none", 10); err != nil || len(chunk.Data) != 0 {
		t.Error(err)
	}
}

// TestBadInput: each gets words that say what is wrong.
func TestBadInput(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/api/jobs", `{}`)
	w.ok("PUT", "/api/jobs", `{"parent":1}`)
	w.ok("PUT", "/api/jobs", `{"parent":1,"command":"x"}`)
	for _, c := range []struct {
		status             int
		words, method, url string
		body               string
	}{
		{409, "is in the circle", "POST", "/api/jobs/3/dependencies", "[1]"},
		{409, "is in the circle", "POST", "/api/jobs/3/dependencies", "[3]"},
		{409, "cannot be moved into itself", "POST", "/api/jobs", `{"1":{"parent":2}}`},
		{409, "cannot be moved into itself", "POST", "/api/jobs", `{"1":{"parent":1}}`},
		{400, "timeout must be from 0", "PUT", "/api/jobs", `{"timeout":-1}`},
		{400, "priority must be a whole number", "PUT", "/api/jobs", `{"priority":"high"}`},
		{400, "progress_pattern must contain", "PUT", "/api/jobs", `{"command":"x","progress_pattern":"x"}`},
		{400, "contains a NUL", "PUT", "/api/jobs", `{"command":"\u0000"}`},
		{400, "title must be a text", "PUT", "/api/jobs", `{"title":[]}`},
		{400, "cannot become a group", "POST", "/api/jobs", `{"3":{"command":""}}`},
		{400, "follows from its jobs", "POST", "/api/jobs", `{"1":{"state":"FINISHED"}}`},
		{400, "WAITING starts a job", "POST", "/api/jobs", `{"3":{"state":"BOGUS"}}`},
		{400, "is no id of a job", "POST", "/api/jobs", `{"x":{}}`},
		{400, "is no id of a job", "POST", "/api/jobs", `{"3":{"title":"p"},"03":{"title":"q"}}`},
		{400, "must be a list of ids", "POST", "/api/resetjobs", `[1,"x"]`},
		{400, "must be a list of ids", "DELETE", "/api/jobs", `7`},
		{400, "must be a list of names", "POST", "/api/stopworkers", `[1]`},
		{400, "state must be WAITING", "GET", "/api/jobs?state=x", ``},
		{400, "is no number of an affinity", "POST", "/api/affinities", `{"x":"y"}`},
		{400, "cannot name an affinity", "POST", "/api/affinities", `{"1":"a,b"}`},
		{400, "# comes before a number", "PUT", "/api/jobs", `{"affinity":"#64"}`},
		{400, "is not valid JSON", "PUT", "/api/jobs", `{"a":1,}`},
		{404, "Web service not found.", "GET", "/api/jobs/users", ``},
		{400, "log must be base64", "POST", "/workers/heartbeat?hostname=w&jobId=1&log=%25", ``},
	} {
		w.refused(c.status, c.words, c.method, c.url, c.body)
	}
	w.refused(413, "at most 8388608", "PUT", "/api/jobs", `{"title":"`+strings.Repeat("x", maxBody)+`"}`)
	if got := w.job(1); got.Total != 2 { // the empty group counts as one
		t.Errorf("nothing may have changed: %+v", got)
	}
}

// TestCirclesAreOfTheWhole: one edit of a request may open the circle that another
// one would close, whichever has the smaller id.
func TestCirclesAreOfTheWhole(t *testing.T) {
	for _, group := range []string{"1", "2"} {
		w := newWorld(t)
		inside := map[string]string{"1": "2", "2": "1"}[group]
		for _, id := range []string{"1", "2"} {
			w.ok("PUT", "/api/jobs", map[bool]string{true: `{}`, false: `{"command":"x"}`}[id == group])
		}
		w.ok("POST", "/api/jobs/"+group+"/dependencies", "["+inside+"]")
		w.refused(409, "is in the circle", "POST", "/api/jobs", `{"`+inside+`":{"parent":`+group+`}}`)
		w.ok("POST", "/api/jobs", `{"`+inside+`":{"parent":`+group+`},"`+group+`":{"dependencies":[]}}`)
	}
}

// TestOffset: a list is read from an offset on, with a limit or without.
func TestOffset(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.ok("PUT", "/api/jobs", `{"command":"x"}`)
	}
	for query, want := range map[string]int{"offset=1": 3, "limit=0&offset=3": 1, "limit=2&offset=3": 1, "offset=4": 0, "": 4} {
		var list []map[string]any
		if err := json.Unmarshal([]byte(w.ok("GET", "/api/jobs?"+query, "")), &list); err != nil || len(list) != want {
			t.Errorf("%q: %d jobs, want %d (%v)", query, len(list), want, err)
		}
	}
}

// TestAllOrNone: an edit of several jobs of which one is wrong changes none.
func TestAllOrNone(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/api/jobs", `{"command":"x"}`)
	w.ok("PUT", "/api/jobs", `{"command":"x"}`)
	w.refused(400, "(job 2)", "POST", "/api/jobs", `{"1":{"title":"new"},"2":{"timeout":1,"parent":99}}`)
	if w.job(1).Title != "" {
		t.Error("the first was changed")
	}
}

// TestWhoMay: each role, and workers without a token.
func TestWhoMay(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/api/jobs", `{"command":"x"}`)
	w.worker("pickjob", "w1")
	for role, may := range map[scheduler.Role][]bool{
		scheduler.Viewer: {true, false, false, false}, scheduler.Operator: {true, true, false, false},
		scheduler.Editor: {true, true, true, false}, scheduler.Admin: {true, true, true, true},
	} {
		w.role = role
		for i, ask := range [][3]string{
			{"GET", "/api/jobs", ""}, {"POST", "/api/startjobs", "[1]"}, {"POST", "/api/jobs", `{"1":{"title":"x"}}`}, {"DELETE", "/api/workers", `["w1"]`},
		} {
			want := map[bool]int{true: 200, false: 403}[may[i]]
			if rec := w.send(ask[0], ask[1], ask[2]); rec.Code != want {
				t.Errorf("%s: %s %s: %d, want %d: %s", role, ask[0], ask[1], rec.Code, want, rec.Body)
			}
		}
		w.worker("pickjob", "w1")
	}
	w.role = scheduler.Admin
	w.serve(Options{})
	if rec := w.send("POST", "/coalition/workers/pickjob?hostname=w1", ""); rec.Code != http.StatusUnauthorized {
		t.Errorf("a worker without a token: %d", rec.Code)
	}
	_, secret, err := w.service.CreateWorkerToken(t.Context(), scheduler.Server, "farm")
	if err != nil {
		t.Fatal(err)
	}
	if rec := w.send("POST", "/coalition/workers/pickjob?hostname=w7", "", "Authorization", "Bearer "+secret); rec.Code != 200 {
		t.Errorf("a worker with a token: %d %s", rec.Code, rec.Body)
	}
	// A browser that somebody's page sent must not create a job, or take one.
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Referer", "http://evil.example/"}} {
		for _, path := range []string{"/coalition/xmlrpc/addjob?cmd=x", "/coalition/workers/pickjob?hostname=w"} {
			if rec := w.send("GET", path, "", header[0], header[1]); rec.Code != http.StatusForbidden {
				t.Errorf("%s with %s: %d", path, header[0], rec.Code)
			}
		}
	}
}

// TestFilters: every filter and value list.
func TestFilters(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/api/jobs", `{"title":"Scene"}`)
	for i := range 5 {
		w.ok("PUT", "/api/jobs", fmt.Sprintf(`{"parent":1,"title":"frame %d","command":"x","user":"u%d","priority":%d,"affinity":"linux"}`, i, i%2, i))
	}
	w.ok("POST", "/api/pausejobs", "[3]")
	w.worker("pickjob", "w1")
	for query, want := range map[string]int{
		"": 1, "?parent=1": 5, "?user=u1": 2, "?state=PAUSED": 1, "?state=waiting": 5, "?priority=4": 1, "?affinity=linux": 5, "?title=FRAME": 5,
		"?title=frame&limit=2&offset=4": 1, "?worker=w1": 0, "?user=": 1,
	} {
		var list []jobWire
		if err := json.Unmarshal([]byte(w.ok("GET", "/api/jobs"+query, "")), &list); err != nil || len(list) != want {
			t.Errorf("%s: %d jobs, want %d (%v)", query, len(list), want, err)
		}
	}
	w.ok("GET", "/api/webfrontend/jobs/1/children", "")
	if rec := w.send("GET", "/", ""); rec.Code != http.StatusFound || !strings.HasSuffix(rec.Header().Get("Location"), "/tree") {
		t.Errorf("the root: %d", rec.Code)
	}
}

// TestDeletedDependency: who waited for a deleted job does not wait any more.
func TestDeletedDependency(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/api/jobs", `{"command":"x"}`)
	w.ok("PUT", "/api/jobs", `{"command":"y","dependencies":[1]}`)
	if w.job(2).State != "PENDING" {
		t.Error("it does not wait")
	}
	w.ok("DELETE", "/api/jobs", "[1]")
	if j := w.job(2); j.State != "WAITING" || len(*j.Dependencies) != 0 {
		t.Errorf("%+v", j)
	}
}

// TestFleet: the worker is among the others while it works, and nothing else waits
// for it.
func TestFleet(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/api/jobs", `{"command":"x"}`)
	w.worker("pickjob", "w1")
	used := func() int {
		all, err := w.service.Workers(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0].Used
	}
	if used() != 1 {
		t.Errorf("it works and uses %d slots", used())
	}
	w.worker("endjob", "w1", "jobId", "1", "errorCode", "0")
	if used() != 0 {
		t.Errorf("it is idle and uses %d slots", used())
	}
	if got := w.service.Waiting(&scheduler.Execution{State: scheduler.Queued}); got != "no worker is online" {
		t.Errorf("another kind of job: %q", got)
	}
}

// audited counts rows of the audit.
func (w *world) audited(action string) int {
	w.t.Helper()
	list, _, err := w.store.ListAudit(w.t.Context(), scheduler.AuditFilter{Actions: []string{action}, Limit: scheduler.MaxPage})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(list)
}

// named lists the affinities that have names.
func (w *world) named() (names []string) {
	w.t.Helper()
	a, err := w.service.Affinities(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.DeleteFunc(a.Names[:], func(name string) bool { return name == "" })
}

// TestNewAffinities: what reads, and what is refused, gives no bit a name; what is
// done does, with a row in the audit.
func TestNewAffinities(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/api/jobs", `{"command":"x","affinity":"old"}`)
	for _, c := range []struct {
		role               scheduler.Role
		status             int
		method, path, body string
	}{
		{scheduler.Viewer, 200, "GET", "/api/jobs?affinity=aa", ""},
		{scheduler.Viewer, 403, "PUT", "/api/jobs", `{"command":"x","affinity":"bb"}`},
		{scheduler.Viewer, 403, "POST", "/api/jobs", `{"1":{"affinity":"cc"}}`},
		{scheduler.Viewer, 403, "GET", "/xmlrpc/addjob?cmd=x&affinity=dd", ""},
		{scheduler.Operator, 403, "POST", "/api/workers", `{"w1":{"affinity":"ee"}}`},
		{scheduler.Editor, 400, "PUT", "/api/jobs", `{"command":"x","affinity":"ff","parent":999}`},
		{scheduler.Editor, 400, "POST", "/api/jobs", `{"1":{"affinity":"gg","parent":999}}`},
		{scheduler.Editor, 400, "PUT", "/api/jobs", `{"command":"x","affinity":"hh,#64"}`},
	} {
		w.role = c.role
		rec := w.send(c.method, c.path, c.body)
		if rec.Code != c.status {
			t.Errorf("%s %s %s: %d %s, want %d", c.method, c.path, c.body, rec.Code, rec.Body, c.status)
		}
		if names := w.named(); !slices.Equal(names, []string{"old"}) {
			t.Errorf("after %s %s %s affinities are %v", c.method, c.path, c.body, names)
		}
	}
	w.role = scheduler.Editor
	if got := w.ok("GET", "/api/jobs?affinity=old,aa", ""); got != "[]" {
		t.Errorf("an affinity that nothing demands: %s", got)
	}
	if got := w.ok("GET", "/api/jobs?affinity=old", ""); !strings.HasPrefix(got, `[{"id":1,`) {
		t.Errorf("an affinity: %s", got)
	}
	before := w.audited("affinity.name")
	w.ok("POST", "/api/jobs", `{"1":{"affinity":"one,two"},"7":{"affinity":"nobody's"}}`)
	w.ok("POST", "/api/workers", `{"w1":{"affinity":"two,three\nold"}}`)
	if names := w.named(); !slices.Equal(names, []string{"old", "one", "two", "three"}) || w.job(1).Affinity != "one,two" {
		t.Errorf("affinities are %v, of the job %s", names, w.job(1).Affinity)
	}
	if n := w.audited("affinity.name") - before; n != 2 {
		t.Errorf("%d rows in the audit, want 2", n)
	}
}

// TestNamedAffinities: a name is what a job can demand, without what is around it.
func TestNamedAffinities(t *testing.T) {
	w := newWorld(t)
	w.ok("POST", "/api/affinities", `{"9":" lin ","10":" "}`)
	if names := w.named(); !slices.Equal(names, []string{"lin"}) {
		t.Errorf("affinities are %q", names)
	}
	w.ok("PUT", "/api/jobs", `{"command":"x","affinity":"lin"}`)
	if j := w.job(1); j.Affinity != "lin" || j.AffinityBits != 1<<8 {
		t.Errorf("%+v", j)
	}
}

// workers lists the workers that this API knows, by name.
func (w *world) workers() map[string]workerWire {
	w.t.Helper()
	var list []workerWire
	if err := json.Unmarshal([]byte(w.ok("GET", "/api/workers", "")), &list); err != nil {
		w.t.Fatal(err)
	}
	all := map[string]workerWire{}
	for _, one := range list {
		all[one.Name] = one
	}
	return all
}

// TestOtherWorkers: a worker that does not take jobs of the tree is none here, and
// what changes workers leaves it alone.
func TestOtherWorkers(t *testing.T) {
	w := newWorld(t)
	_, err := w.service.ConnectWorker(t.Context(), scheduler.WorkerToken{}, scheduler.Hello{Name: "native", Kind: scheduler.WorkerRemote, Tags: []string{"gpu"}, Slots: 2})
	if err != nil {
		t.Fatal(err)
	}
	want, err := w.service.SetWorkerRules(t.Context(), scheduler.Server, "native", scheduler.WorkerRules{Rules: [][]string{{"gpu"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]string{
		{"POST", "/api/workers", `{"native":{"active":0}}`},
		{"POST", "/api/workers", `{"native":{"affinity":""}}`},
		{"POST", "/api/workers", `{"native":{"affinity":"linux"}}`},
		{"POST", "/api/stopworkers", `["native"]`},
		{"POST", "/api/startworkers", `["native"]`},
		{"DELETE", "/api/workers", `["native","nobody"]`},
	} {
		if got := w.ok(c[0], c[1], c[2]); got != "1" {
			t.Errorf("%v: %s", c, got)
		}
		got, err := w.service.Worker(t.Context(), "native")
		if err != nil {
			t.Fatal(c, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v changed it (-want +got):\n%s", c, d)
		}
	}
}

// TestEditWorkers: changes of workers happen all or none, and what was not said of a
// worker stays.
func TestEditWorkers(t *testing.T) {
	w := newWorld(t)
	w.ok("POST", "/api/affinities", `{"1":"linux"}`)
	w.worker("pickjob", "hw1")
	w.worker("pickjob", "hw2")
	before := w.audited("worker.")
	for _, body := range []string{
		`{"hw1":{"active":0},"hw2":{"affinity":"nosuch"}}`,
		`{"hw1":{"affinity":"linux"},"hw2":{"affinity":"linux\nnosuch"}}`,
		`{"hw1":{"affinity":"linux","active":0},"later":{"affinity":"no,such"}}`,
		`{"hw1":{"active":0},"hw2":{"affinity":"two words"}}`,
	} {
		w.refused(400, "affinity", "POST", "/api/workers", body)
		if got := w.workers()["hw1"]; got.Active != 1 || got.Affinity != "" {
			t.Errorf("after %s it is %+v", body, got)
		}
	}
	if n := w.audited("worker.") - before; n != 0 {
		t.Errorf("%d rows in the audit of what was refused", n)
	}
	w.ok("POST", "/api/workers", `{"hw1":{"active":0},"hw2":{"affinity":"linux","active":false}}`)
	w.ok("POST", "/api/workers", `{"hw1":{"active":null}}`)
	if all := w.workers(); all["hw1"].Active != 1 || all["hw2"].Active != 0 || all["hw2"].Affinity != "linux" {
		t.Errorf("%+v", all)
	}
	if n := w.audited("worker.") - before; n != 4 {
		t.Errorf("%d rows in the audit, want 4", n)
	}
}
