package dkron

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"belfry/db"
	"belfry/db/dbtest"
	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is this API on a real service and a real database. Only what runs jobs and
// wakes up by itself is not real: a test says how runs end.
type world struct {
	t       *testing.T
	store   *db.Store
	service *scheduler.Service
	api     *API
	echo    *echo.Echo
	clock   *clock
	stopped int
	how     map[string]ending // of a job's runs, by its name; otherwise they succeed
}

// ending is how a run ends.
type ending struct {
	state     scheduler.State
	code      int // of a process or a server; negative: none
	signal    string
	reason    string
	stdout    string
	stderr    string // comes after stdout
	heads     string // Belfry's own words, before all
	errsFirst int    // in attempts before this one stderr comes first
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, store: dbtest.Open(t), clock: &clock{at: time.Date(2026, 11, 20, 21, 46, 44, 0, time.UTC)}, how: map[string]ending{}}
	times := &timetable{jobs: map[string]scheduler.JobTimes{}, now: w.clock.now}
	executors := map[string]scheduler.Executor{}
	for _, kind := range []string{"shell", "http", "unsupported"} {
		executors[kind] = anything{}
	}
	senders := map[string]scheduler.Sender{}
	for _, kind := range []string{"log", "files", "syslog", "fluent", "mail"} {
		senders[kind] = anything{}
	}
	ids := 0
	var mu sync.Mutex
	w.service = scheduler.New(scheduler.Options{
		Store: w.store, Timetable: times, Launcher: launcher{}, Publisher: launcher{}, Executors: executors, Senders: senders,
		Now: w.clock.now, Rand: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler),
		NewID: func() string {
			mu.Lock()
			defer mu.Unlock()
			ids++
			return fmt.Sprintf("019aa3e5-0000-7000-8000-%012d", ids)
		},
	})
	w.api = New(Options{
		Service: w.service, Store: w.store, Timetable: times, Workers: launcher{}.Workers, Embedded: "server", Node: "bench1", ID: "this-one",
		Version: "devel", Address: func() (string, int) { return "127.0.0.1", 18868 }, Origins: func() []string { return nil },
		Ready: func(context.Context) string { return "" }, Stop: func() { w.stopped++ }, Now: w.clock.now, Zone: time.UTC,
		Alone: true, Open: true, Pages: func() string { return "http://127.0.0.1:8080/" },
		Metrics: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprintln(rw, "belfry_up 1")
		}),
	})
	w.echo = serve(w.api)
	return w
}

// serve does what the server does with a dialect, for everybody.
func serve(a *API) *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) { a.Error(c, err) }
	e.Use(a.Around)
	for _, r := range a.Routes() {
		handle := func(c echo.Context) error {
			httpkit.SetPrincipal(c, scheduler.Principal{Name: "test", Role: scheduler.Admin, Via: scheduler.ViaToken})
			return r.Handle(c)
		}
		e.Add(r.Method, r.Path, handle)
		if r.Method == http.MethodGet {
			e.HEAD(r.Path, handle)
		}
	}
	return e
}

// send sends a request; headers are in pairs.
func (w *world) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.echo.ServeHTTP(rec, r)
	return rec
}

// ok sends a request that must succeed.
func (w *world) ok(method, path, body string) *httptest.ResponseRecorder {
	w.t.Helper()
	rec := w.send(method, path, body)
	if rec.Code >= 300 {
		w.t.Fatalf("%s %s %s: %d %s", method, path, body, rec.Code, rec.Body)
	}
	return rec
}

// jobNamed reads a job through the API.
func (w *world) jobNamed(name string) (j Job) {
	w.t.Helper()
	w.decode(w.ok("GET", "/v1/jobs/"+name, ""), &j)
	return j
}

func (w *world) executionsOf(name, query string) (list []listedWire) {
	w.t.Helper()
	w.decode(w.ok("GET", "/v1/jobs/"+name+"/executions"+query, ""), &list)
	return list
}

func (w *world) decode(rec *httptest.ResponseRecorder, into any) {
	w.t.Helper()
	if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
		w.t.Fatalf("%v in %s", err, rec.Body)
	}
}

// claim begins what is queued.
func (w *world) claim() []scheduler.Assignment {
	w.t.Helper()
	w.clock.pass(time.Millisecond)
	claimed, err := w.service.Claim(w.t.Context(), scheduler.Worker{Name: "server", Tags: ServerTags}, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	return claimed
}

// finish ends a run as the test wants it.
func (w *world) finish(a scheduler.Assignment) {
	w.t.Helper()
	w.clock.pass(5 * time.Millisecond)
	how, set := w.how[a.Job.Name]
	if !set {
		how = ending{state: scheduler.Succeeded, stdout: "hello dkron\n"}
	}
	end := scheduler.Ending{Execution: a.Execution, Job: a.Job}
	e := &end.Execution
	e.State, e.Reason, e.Signal, e.FinishedAt = how.state, how.reason, how.signal, w.clock.now()
	if how.code >= 0 && how.signal == "" {
		e.ExitCode = &how.code
	}
	if e.Attempt < how.errsFirst {
		how.stdout, how.stderr = how.stderr, how.stdout
	}
	chunk := scheduler.Chunk{FirstLine: 1}
	for _, p := range []struct {
		stream scheduler.Stream
		text   string
	}{{scheduler.System, how.heads}, {scheduler.Stdout, how.stdout}, {scheduler.Stderr, how.stderr}} {
		for line := range strings.Lines(p.text) {
			chunk.Data = append(chunk.Data, line...)
			chunk.Pieces = append(chunk.Pieces, scheduler.Piece{Len: len(line), Stream: p.stream, At: w.clock.now().Truncate(time.Millisecond), Open: !strings.HasSuffix(line, "\n")})
		}
	}
	if len(chunk.Data) > 0 {
		end.Output.Append = &chunk
		e.OutputBytes, e.OutputLines = int64(len(chunk.Data)), int64(len(chunk.Pieces))
	}
	if err := w.service.Finish(w.t.Context(), end); err != nil {
		w.t.Fatal(err)
	}
}

// work runs everything that is queued, and what follows from it, retries too.
func (w *world) work() {
	w.t.Helper()
	for {
		claimed := w.claim()
		for _, a := range claimed {
			w.finish(a)
		}
		if len(claimed) > 0 {
			continue
		}
		at, ok, err := w.store.NextRunAt(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if !ok {
			return
		}
		w.clock.pass(max(0, at.Sub(w.clock.now())))
	}
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// timetable knows the next due time without waking anybody.
type timetable struct {
	mu   sync.Mutex
	jobs map[string]scheduler.JobTimes
	now  func() time.Time
}

func (tt *timetable) Refresh()                     {}
func (tt *timetable) Upcoming(int) []scheduler.Due { return nil }

func (tt *timetable) Put(t scheduler.JobTimes) error {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	tt.jobs[t.ID] = t
	return nil
}

func (tt *timetable) Remove(id string) {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	delete(tt.jobs, id)
}

func (tt *timetable) Next(id string) (time.Time, bool) {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	due, err := tt.jobs[id].Parse()
	if err != nil {
		return time.Time{}, false
	}
	return due.Next(tt.now())
}

type launcher struct{}

func (launcher) Wake()                    {}
func (launcher) Stop(string, string) bool { return true }
func (launcher) Publish(scheduler.Event)  {}
func (launcher) Workers() []scheduler.Worker {
	return []scheduler.Worker{{Name: "server", Slots: 4, Tags: ServerTags}, {Name: "far", Slots: 2, Tags: []string{"role=web"}}}
}

// anything is an executor and a sender that takes every configuration.
type anything struct{}

func (anything) Check(json.RawMessage) error                        { return nil }
func (anything) Complete(json.RawMessage) bool                      { return true }
func (anything) Secrets() []string                                  { return nil }
func (anything) Targets() []string                                  { return nil }
func (anything) Send(context.Context, scheduler.Notification) error { return nil }
func (anything) Execute(context.Context, scheduler.Task, scheduler.OutputWriter) scheduler.Result {
	panic("the test is the worker")
}
