package coalition

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
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

// world is this API on a real service and a real database.
type world struct {
	t       *testing.T
	store   *db.Store
	service *scheduler.Service
	api     *API
	echo    *echo.Echo
	role    scheduler.Role

	mu  sync.Mutex
	at  time.Time
	ids int
}

// quiet does nothing of what others do for a service.
type quiet struct{}

func (quiet) Put(scheduler.JobTimes) error       { return nil }
func (quiet) Remove(string)                      {}
func (quiet) Refresh()                           {}
func (quiet) Next(string) (at time.Time, _ bool) { return at, false }
func (quiet) Upcoming(int) []scheduler.Due       { return nil }
func (quiet) Wake()                              {}
func (quiet) Stop(string, string) bool           { return false }
func (quiet) Workers() []scheduler.Worker        { return nil }
func (quiet) Publish(scheduler.Event)            {}
func (quiet) Hash(p string) (string, error)      { return p, nil }
func (quiet) Matches(p, h string) bool           { return p == h }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, store: dbtest.Open(t), at: time.Date(2026, 11, 20, 21, 51, 57, 0, time.UTC), role: scheduler.Admin}
	w.start()
	return w
}

// start makes the service, as a start of the server does.
func (w *world) start() {
	w.service = scheduler.New(scheduler.Options{
		Store: w.store, Timetable: quiet{}, Launcher: quiet{}, Publisher: quiet{}, Passwords: quiet{}, Now: w.now,
		Rand: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler),
		NewID: func() string {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.ids++
			return fmt.Sprintf("019aa3e5-0000-7000-8000-%012d", w.ids)
		},
	})
	w.serve(Options{Alone: true, WorkersOpen: true})
}

// serve does what the server does with the dialect.
func (w *world) serve(o Options) {
	o.Service, o.Store, o.Now, o.Pages = w.service, w.store, w.now, func() string { return "http://127.0.0.1:8080/tree" }
	w.api = New(o)
	w.echo = echo.New()
	w.echo.HTTPErrorHandler = func(err error, c echo.Context) { w.api.Error(c, err) }
	w.echo.Use(w.api.Around)
	for _, r := range w.api.Routes() {
		w.echo.Add(r.Method, r.Path, func(c echo.Context) error {
			if !r.Public {
				httpkit.SetPrincipal(c, scheduler.Principal{Name: "test", Role: w.role, Via: scheduler.ViaToken})
			}
			return r.Handle(c)
		})
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(time.Microsecond) // no two things happen at once
	return w.at
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
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

// ok sends a request that must succeed and returns the body.
func (w *world) ok(method, path, body string) string {
	w.t.Helper()
	rec := w.send(method, path, body)
	if rec.Code != http.StatusOK {
		w.t.Fatalf("%s %s %s: %d %s", method, path, body, rec.Code, rec.Body)
	}
	return rec.Body.String()
}

// refused sends a request that must fail, with these words.
func (w *world) refused(status int, words, method, path, body string) {
	w.t.Helper()
	rec := w.send(method, path, body)
	var e struct{ Error string }
	if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || rec.Code != status || !strings.Contains(e.Error, words) {
		w.t.Errorf("%s %s %s: %d %s; want %d with %q", method, path, body, rec.Code, rec.Body, status, words)
	}
}

// worker says something as a worker does.
func (w *world) worker(what, host string, more ...string) string {
	w.t.Helper()
	form := url.Values{"hostname": {host}, "load": {"[12]"}, "free_memory": {"1000"}, "total_memory": {"2000"}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	rec := w.send("POST", "/workers/"+what, form.Encode(), "Content-type", "application/x-www-form-urlencoded", "Accept", "text/plain")
	if rec.Code != http.StatusOK {
		w.t.Fatalf("%s: %d %s", what, rec.Code, rec.Body)
	}
	return rec.Body.String()
}

func (w *world) job(id int) jobWire {
	w.t.Helper()
	var j jobWire
	if err := json.Unmarshal([]byte(w.ok("GET", fmt.Sprintf("/api/jobs/%d", id), "")), &j); err != nil {
		w.t.Fatal(err)
	}
	return j
}
