package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"belfry/db"
	"belfry/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server on a real service and a real database. Only what runs
// processes and wakes up by itself is not real.
type world struct {
	t       *testing.T
	store   *db.Store
	service *scheduler.Service
	server  *Server
	clock   *clock
	log     *lockedBuffer
	tokens  map[scheduler.Role]string
}

const adminPassword = "correct horse battery"

func newWorld(t *testing.T, adjust ...func(*Options)) *world {
	t.Helper()
	store, err := db.Open(t.Context(), db.Options{Path: filepath.Join(t.TempDir(), "belfry.db")})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: store, clock: &clock{at: time.Now()}, log: &lockedBuffer{}, tokens: map[scheduler.Role]string{}}
	times := &timetable{jobs: map[string][]scheduler.Schedule{}, now: w.clock.now}
	w.service = scheduler.New(scheduler.Options{
		Store: store, Timetable: times, Launcher: launcher{}, Publisher: publisher{},
		Executors: map[string]scheduler.Executor{"shell": executor{}, "http": executor{}},
		Senders:   map[string]scheduler.Sender{"mail": sender{}},
		Passwords: passwords{}, Now: w.clock.now, NewID: newIDs(), Log: slog.New(slog.DiscardHandler),
	})
	o := Options{
		Service: w.service, Store: store, Timetable: times, Hub: idleHub{}, Version: "test", Now: w.clock.now, Zone: time.UTC,
		Configuration: &configuration{}, Containers: containers, Imports: []scheduler.ImportFormat{lineFormat, YAML()},
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	for _, f := range adjust {
		f(&o)
	}
	if w.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.server.Close()
		_ = store.Close()
	})
	w.must(w.service.FirstUser(t.Context(), "admin", adminPassword))
	return w
}

// must fails the test on the error that comes last.
func (w *world) must(results ...any) {
	w.t.Helper()
	if err, ok := results[len(results)-1].(error); ok && err != nil {
		w.t.Fatal(err)
	}
}

// token is the secret of a token with the role.
func (w *world) token(role scheduler.Role) string {
	w.t.Helper()
	if w.tokens[role] == "" {
		_, secret, err := w.service.CreateToken(w.t.Context(), scheduler.Server, "test "+string(role), role, 0)
		w.must(err)
		w.tokens[role] = secret
	}
	return w.tokens[role]
}

// ask is a request and what it looks like.
type ask struct {
	method, path string
	header       map[string]string
	form         url.Values
	body         string // JSON unless header says otherwise
	as           scheduler.Role
	from         string
}

// page makes the request a browser's.
func (a ask) page() ask { return a.with("Accept", "text/html,application/xhtml+xml,*/*;q=0.8") }

// htmx makes the request htmx's.
func (a ask) htmx() ask { return a.with("HX-Request", "true") }

func (a ask) with(name, value string) ask {
	header := map[string]string{name: value}
	for k, v := range a.header {
		header[k] = v
	}
	a.header = header
	return a
}

// do sends a request and returns its answer.
func (w *world) do(a ask) *httptest.ResponseRecorder {
	w.t.Helper()
	var body io.Reader
	kind := ""
	switch {
	case a.form != nil:
		body, kind = strings.NewReader(a.form.Encode()), "application/x-www-form-urlencoded"
	case a.body != "":
		body, kind = strings.NewReader(a.body), "application/json"
	}
	if a.method == "" {
		a.method = http.MethodGet
	}
	r := httptest.NewRequestWithContext(w.t.Context(), a.method, a.path, body)
	r.RemoteAddr = a.from
	if a.from == "" {
		r.RemoteAddr = "192.0.2.1:1234"
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if a.as != "" {
		r.Header.Set("Authorization", "Bearer "+w.token(a.as))
	}
	for k, v := range a.header {
		r.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	return rec
}

// expect sends a request and fails unless the status is the one expected.
func (w *world) expect(status int, a ask) *httptest.ResponseRecorder {
	w.t.Helper()
	rec := w.do(a)
	if rec.Code != status {
		w.t.Fatalf("%s %s: status %d, expected %d\n%.2000s", a.method, a.path, rec.Code, status, rec.Body)
	}
	return rec
}

// logIn returns the cookie of a new session, as a header.
func (w *world) logIn(name, password string) string {
	w.t.Helper()
	rec := w.expect(http.StatusSeeOther, ask{method: "POST", path: "/login", form: url.Values{"username": {name}, "password": {password}}})
	for _, c := range rec.Result().Cookies() {
		if c.Name == w.server.sessions.Cookie.Name {
			return c.Name + "=" + c.Value
		}
	}
	w.t.Fatal("the login set no cookie")
	return ""
}

// job creates a job as an editor.
func (w *world) job(name string) {
	w.t.Helper()
	w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: fmt.Sprintf(
		`{"name":%q,"schedule":"0 2 * * *","timezone":"Europe/Berlin","executor":"shell","config":{"command":"true"}}`, name)})
}

// worker connects a worker and returns its token.
func (w *world) worker(name string, tags ...string) scheduler.WorkerToken {
	w.t.Helper()
	t, _, err := w.service.CreateWorkerToken(w.t.Context(), scheduler.Server, "token of "+name)
	w.must(err)
	_, err = w.service.ConnectWorker(w.t.Context(), t, scheduler.Hello{Name: name, Kind: scheduler.WorkerRemote, Tags: tags, Slots: 2})
	w.must(err)
	return t
}

// run queues an execution and returns its id.
func (w *world) run(name string) string {
	w.t.Helper()
	rec := w.expect(http.StatusAccepted, ask{method: "POST", path: "/jobs/" + url.PathEscape(name) + "/run", as: scheduler.Operator})
	return decode[map[string]string](w.t, rec)["id"]
}

// finished runs a job to its end with the output.
func (w *world) finished(name, output string) scheduler.Execution {
	w.t.Helper()
	return w.ended(name, output, scheduler.Succeeded)
}

func (w *world) ended(name, output string, state scheduler.State) scheduler.Execution {
	w.t.Helper()
	id := w.run(name)
	ctx := w.t.Context()
	claimed, err := w.service.Claim(ctx, scheduler.Worker{Name: "local"}, 10)
	w.must(err)
	for _, a := range claimed {
		if a.Execution.ID != id {
			continue
		}
		e := a.Execution
		code := 0
		e.State, e.FinishedAt, e.ExitCode = state, w.clock.now().UTC().Truncate(time.Microsecond), &code
		end := scheduler.Ending{Execution: e, Job: a.Job, Output: scheduler.Output{Append: chunkOf(output, w.clock.now())}}
		if end.Output.Append != nil {
			end.Execution.OutputBytes, end.Execution.OutputLines = int64(len(output)), int64(strings.Count(output, "\n"))
		}
		w.must(w.service.Finish(ctx, end))
		return end.Execution
	}
	w.t.Fatal("the execution was not claimed")
	return scheduler.Execution{}
}

// chunkOf is output of whole lines, alternating between the streams.
func chunkOf(output string, at time.Time) *scheduler.Chunk {
	if output == "" {
		return nil
	}
	c := &scheduler.Chunk{FirstLine: 1, Data: []byte(output)}
	for line := range strings.Lines(output) {
		c.Pieces = append(c.Pieces, scheduler.Piece{
			Len: len(line), Stream: scheduler.Stream(len(c.Pieces) % 2), At: at.UTC().Truncate(time.Millisecond),
			Open: !strings.HasSuffix(line, "\n"),
		})
	}
	return c
}

func decode[T any](t *testing.T, rec *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Fatalf("not JSON: %v\n%.500s", err, rec.Body)
	}
	return v
}

// problem checks that an answer is a problem document and returns it.
func (w *world) problem(rec *httptest.ResponseRecorder) problemOut {
	w.t.Helper()
	if kind := rec.Header().Get("Content-Type"); kind != "application/problem+json" {
		w.t.Fatalf("status %d with %q, expected a problem document\n%.500s", rec.Code, kind, rec.Body)
	}
	p := decode[problemOut](w.t, rec)
	if p.Status != rec.Code || p.Title == "" || p.Detail == "" || !strings.HasSuffix(p.Instance, rec.Header().Get("X-Request-Id")) {
		w.t.Errorf("the problem is not complete: %+v", p)
	}
	return p
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

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newIDs makes ids that order by time, like the real ones.
func newIDs() func() string {
	var mu sync.Mutex
	n := 0
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprintf("01900000-0000-7000-8000-%012d", n)
	}
}

// passwords hashes fast.
type passwords struct{}

func (passwords) Hash(p string) (string, error) { return "hash of " + p, nil }
func (passwords) Matches(p, hash string) bool   { return hash == "hash of "+p }

type launcher struct{}

func (launcher) Wake()                    {}
func (launcher) Stop(string, string) bool { return true }
func (launcher) Workers() []scheduler.Worker {
	return []scheduler.Worker{{Name: "server", Slots: 4}}
}

// configuration is one of one file, or none while problem says why.
type configuration struct{ problem error }

func (c *configuration) State() ConfigurationState {
	state := ConfigurationState{
		Names: []string{"/etc/belfry/*.ini"}, Files: []string{"/etc/belfry/jobs.ini"}, Loaded: time.Now(), Jobs: 3,
		Global: map[string]any{"slackChannel": "#ops", "dockerFilters": []string{}}, Labels: []string{"container web: ofelia.job-local.x: no"},
	}
	if c.problem != nil {
		state.Refused = []string{c.problem.Error()}
	}
	return state
}

func (c *configuration) Reload(context.Context, scheduler.Principal) (scheduler.Applied, error) {
	return scheduler.Applied{Added: 1}, c.problem
}

func containers(context.Context) ([]Container, error) {
	return []Container{{"web", "nginx:1", "running"}, {"db", "postgres:15", "exited"}}, nil
}

type publisher struct{}

func (publisher) Publish(scheduler.Event) {}

// executor knows what both of the real ones know, roughly.
type executor struct{}

func (executor) Check(config json.RawMessage) error {
	var c struct {
		Command, Dir, User, Umask, Stdin, Shell, URL, Method, Body string
		Argv, ExpectCodes                                          []string
		Env, Headers                                               map[string]string
	}
	if err := json.Unmarshal(config, &c); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return scheduler.Invalid(strings.ToLower(wrong.Field), "has the wrong type")
		}
		return err
	}
	if c.Command == "" && len(c.Argv) == 0 && c.URL == "" {
		return scheduler.Invalid("command", "is required")
	}
	return nil
}

func (executor) Execute(context.Context, scheduler.Task, scheduler.OutputWriter) scheduler.Result {
	return scheduler.Result{State: scheduler.Succeeded}
}

// timetable knows the next due time without waking anybody.
type timetable struct {
	mu   sync.Mutex
	jobs map[string][]scheduler.Schedule
	now  func() time.Time
}

func (tt *timetable) Refresh() {}

func (tt *timetable) Put(t scheduler.JobTimes) error {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	tt.jobs[t.ID] = t.Schedules
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
	var next time.Time
	for _, s := range tt.jobs[id] {
		parsed, err := s.Parse()
		if err != nil {
			continue
		}
		if at, ok := parsed.Next(tt.now()); ok && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, !next.IsZero()
}

func (tt *timetable) Upcoming(n int) []scheduler.Due {
	tt.mu.Lock()
	ids := make([]string, 0, len(tt.jobs))
	for id := range tt.jobs {
		ids = append(ids, id)
	}
	tt.mu.Unlock()
	var due []scheduler.Due
	for _, id := range ids {
		if at, ok := tt.Next(id); ok {
			due = append(due, scheduler.Due{JobID: id, At: at})
		}
	}
	slices.SortFunc(due, func(a, b scheduler.Due) int { return a.At.Compare(b.At) })
	return due[:min(n, len(due))]
}

// idleHub is a feed of a server on which nothing happens and which is stopping,
// so that streams end by themselves.
type idleHub struct{}

func (idleHub) Subscribe(bool, []string) scheduler.Subscription {
	done := make(chan struct{})
	close(done)
	return idleSubscription{done}
}

type idleSubscription struct{ done chan struct{} }

func (idleSubscription) Wake() <-chan struct{}   { return nil }
func (s idleSubscription) Done() <-chan struct{} { return s.done }
func (idleSubscription) Take() scheduler.Update  { return scheduler.Update{} }
func (idleSubscription) Close()                  {}

// UnmarshalJSON reads what MarshalJSON writes; only tests need it.
func (t *instant) UnmarshalJSON(b []byte) error { return (*time.Time)(t).UnmarshalJSON(b) }
