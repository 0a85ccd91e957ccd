package ndscheduler

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
	cors    CORS
	role    scheduler.Role
	how     map[string]ending // of a job's runs, by its name; otherwise they succeed
}

// ending is how a run ends.
type ending struct {
	state          scheduler.State
	reason, signal string
	stderr, result string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, store: dbtest.Open(t), clock: &clock{at: time.Date(2026, 11, 20, 21, 46, 22, 0, time.UTC)},
		role: scheduler.Admin, how: map[string]ending{},
	}
	times := &timetable{jobs: map[string]scheduler.JobTimes{}, now: w.clock.now}
	executors := map[string]scheduler.Executor{"shell": anything{}, "http": anything{}, scheduler.ClassExecutor: anything{}}
	ids := 0
	var mu sync.Mutex
	w.service = scheduler.New(scheduler.Options{
		Store: w.store, Timetable: times, Launcher: launcher{}, Publisher: launcher{}, Executors: executors,
		Now: w.clock.now, Rand: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler),
		NewID: func() string {
			mu.Lock()
			defer mu.Unlock()
			ids++
			return fmt.Sprintf("019aa3e5-0000-7000-8000-%012d", ids)
		},
	})
	if err := w.service.BeginLife(t.Context(), "vm", 20645); err != nil {
		t.Fatal(err)
	}
	w.api = New(Options{
		Service: w.service, Store: w.store, Timetable: times, CORS: func() CORS { return w.cors },
		Now: w.clock.now, Zone: time.UTC, Embedded: "server", Alone: true,
	})
	w.serve()
	return w
}

// serve does what the server does with a dialect, for somebody with w.role.
func (w *world) serve() {
	w.echo = echo.New()
	w.echo.HTTPErrorHandler = func(err error, c echo.Context) { w.api.Error(c, err) }
	w.echo.Use(w.api.Around)
	for _, r := range w.api.Routes() {
		handle := func(c echo.Context) error {
			httpkit.SetPrincipal(c, scheduler.Principal{Name: "test", Role: w.role, Via: scheduler.ViaToken})
			return r.Handle(c)
		}
		w.echo.Add(r.Method, r.Path, handle)
		if r.Method == http.MethodGet {
			w.echo.HEAD(r.Path, handle)
		}
	}
}

// send sends a request a millisecond after the one before; headers are in pairs.
func (w *world) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	w.clock.pass(time.Millisecond)
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.echo.ServeHTTP(rec, r)
	return rec
}

// want sends a request that must be answered with a status, and decodes the answer.
func (w *world) want(status int, method, path, body string, headers ...string) (out map[string]any) {
	w.t.Helper()
	rec := w.send(method, path, body, headers...)
	if rec.Code != status {
		w.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, rec.Code, rec.Body, status)
	}
	if rec.Body.Len() > 0 {
		if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
			w.t.Fatalf("%v in %s", err, rec.Body)
		}
	}
	return out
}

// add makes a job and returns its id.
func (w *world) add(body string) string {
	w.t.Helper()
	id, _ := w.want(http.StatusCreated, "POST", "/api/v1/jobs", body)["job_id"].(string)
	return id
}

// work runs everything that is queued.
func (w *world) work() {
	w.t.Helper()
	claimed, err := w.service.Claim(w.t.Context(), scheduler.Worker{Name: "server"}, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range claimed {
		w.clock.pass(5 * time.Millisecond)
		how, set := w.how[a.Job.Title()]
		if !set {
			how = ending{state: scheduler.Succeeded, result: "null"}
		}
		end := scheduler.Ending{Execution: a.Execution, Job: a.Job}
		e := &end.Execution
		e.State, e.Reason, e.Signal, e.FinishedAt = how.state, how.reason, how.signal, w.clock.now()
		chunk := scheduler.Chunk{FirstLine: 1}
		write := func(stream scheduler.Stream, text string) {
			for line := range strings.Lines(text) {
				chunk.Data = append(chunk.Data, line...)
				chunk.Pieces = append(chunk.Pieces, scheduler.Piece{Len: len(line), Stream: stream, At: w.clock.now().Truncate(time.Millisecond)})
			}
		}
		write(scheduler.Stdout, "out\n")
		write(scheduler.Stderr, how.stderr)
		if how.result != "" {
			write(scheduler.System, scheduler.ResultMark+"\n"+how.result+"\n")
		}
		end.Output.Append = &chunk
		e.OutputBytes, e.OutputLines = int64(len(chunk.Data)), int64(len(chunk.Pieces))
		if err := w.service.Finish(w.t.Context(), end); err != nil {
			w.t.Fatal(err)
		}
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

func (launcher) Wake()                       {}
func (launcher) Stop(string, string) bool    { return true }
func (launcher) Publish(scheduler.Event)     {}
func (launcher) Workers() []scheduler.Worker { return nil }

// anything is an executor that takes every configuration.
type anything struct{}

func (anything) Check(json.RawMessage) error { return nil }
func (anything) Execute(context.Context, scheduler.Task, scheduler.OutputWriter) scheduler.Result {
	panic("the test is the worker")
}
