package handlers

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

func TestHistory(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	for range 3 {
		w.finished("one", "x\n")
		w.clock.at = w.clock.at.Add(time.Second)
	}
	got := decode[historyOut](t, w.expect(http.StatusOK, ask{path: "/jobs/one/history", as: scheduler.Viewer}))
	if len(got.Runs) != 3 || got.Runs[0].Duration == nil || got.Runs[0].Attempt != 1 {
		t.Errorf("runs: %+v", got.Runs)
	}
	var n int64
	for _, d := range got.Days {
		n += d.Counts[scheduler.Succeeded]
	}
	if n != 3 {
		t.Errorf("days: %+v", got.Days)
	}
	cookie := w.logIn("admin", adminPassword)
	page := w.expect(http.StatusOK, ask{path: "/jobs/one"}.page().with("Cookie", cookie)).Body.String()
	for _, want := range []string{"Duration of the last 3 runs", "Started after it was due of the last 3 runs", "The last 53 weeks by day: it ran on ", "Bearer $TOKEN"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if fragment := w.expect(http.StatusOK, ask{path: "/jobs/one/history"}.htmx().with("Cookie", cookie)).Body.String(); !strings.HasPrefix(fragment, "<section") {
		t.Errorf("the fragment: %.100s", fragment)
	}
	if to := w.expect(http.StatusSeeOther, ask{path: "/jobs/one/history"}.page().with("Cookie", cookie)).Header().Get("Location"); to != "/jobs/one#history" {
		t.Errorf("a browser is sent to %q", to)
	}
}

// TestDays: hours belong to days of the zone, also where a day has 23 or 25.
func TestDays(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		first time.Time
		hours int
	}{
		{time.Date(2026, 3, 29, 0, 0, 0, 0, berlin), 23},
		{time.Date(2026, 10, 25, 0, 0, 0, 0, berlin), 25},
		{time.Date(2026, 11, 25, 0, 0, 0, 0, berlin), 24},
	} {
		var counts []scheduler.HourCount
		for i := range 48 {
			counts = append(counts, scheduler.HourCount{Hour: c.first.Add(time.Duration(i) * time.Hour).UTC(), State: scheduler.Succeeded, N: 1})
		}
		got := days(c.first, 2, counts)
		if n := got[0].N[scheduler.Succeeded]; n != int64(c.hours) {
			t.Errorf("%s has %d hours, want %d", c.first.Format(time.DateOnly), n, c.hours)
		}
	}
}

func TestRunWithChanges(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	cookie := w.logIn("admin", adminPassword)
	send := func(status int, form url.Values) string {
		return w.expect(status, ask{method: "POST", path: "/jobs/one/run", form: form}.page().with("Cookie", cookie)).Body.String()
	}
	send(http.StatusSeeOther, url.Values{"config.command": {"echo other"}, "config.env": {"A=b"}})
	list, _, err := w.store.ListExecutions(t.Context(), scheduler.ExecutionFilter{Limit: 1})
	w.must(err)
	var got map[string]any
	w.must(json.Unmarshal(list[0].Config, &got))
	if d := cmp.Diff(map[string]any{"command": "echo other", "env": map[string]any{"A": "b"}}, got); d != "" {
		t.Errorf("the run's configuration (-want +got):\n%s", d)
	}
	again := send(http.StatusUnprocessableEntity, url.Values{"config.command": {"echo other"}, "config.env": {"no value"}})
	if !strings.Contains(again, "is not a name") || !strings.Contains(again, "echo other") {
		t.Errorf("the form does not say what is wrong, or lost what was typed: %.2000s", again)
	}
}

func TestRetryWithChanges(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	e := w.finished("one", "")
	cookie := w.logIn("admin", adminPassword)
	path := "/executions/" + e.ID + "/retry"
	form := func() string {
		return w.expect(http.StatusOK, ask{path: path}.page().with("Cookie", cookie)).Body.String()
	}
	if html := form(); !strings.Contains(html, "Retry one with changes") || !strings.Contains(html, ">true</textarea>") {
		t.Errorf("the form has not what the execution ran: %.3000s", html)
	}
	send := func(status int, values url.Values) *httptest.ResponseRecorder {
		return w.expect(status, ask{method: "POST", path: path, form: values}.page().with("Cookie", cookie))
	}
	second := strings.TrimPrefix(send(http.StatusSeeOther, url.Values{"config.command": {"echo other"}, "config.env": {"A=b"}}).Header().Get("Location"), "/executions/")
	expect := func(id, want string) {
		t.Helper()
		got, err := w.store.Execution(t.Context(), id)
		w.must(err)
		if string(got.Config) != want {
			t.Errorf("attempt %d changes %s, expected %s", got.Attempt, got.Config, want)
		}
	}
	expect(second, `{"command":"echo other","env":{"A":"b"}}`)
	w.must(w.service.StopExecution(t.Context(), scheduler.Server, second))
	if html := form(); !strings.Contains(html, ">echo other</textarea>") {
		t.Error("the form has not what the last attempt was to run")
	}
	// What the attempt before changed stays changed, but for what this one changes.
	rec := w.expect(http.StatusAccepted, ask{method: "POST", path: path, as: scheduler.Editor, body: `{"config":{"env":null}}`})
	third := decode[idOut](t, rec).ID
	expect(third, `{"command":"echo other","env":null}`)
	w.must(w.service.StopExecution(t.Context(), scheduler.Server, third))
	if html := send(http.StatusUnprocessableEntity, url.Values{"config.command": {""}}).Body.String(); !strings.Contains(html, "Retry one with changes") {
		t.Error("a refusal does not show the form again")
	}
	w.problem(w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: path, as: scheduler.Editor, body: `{"config":{"command":""}}`}))
}

func TestChangedKeys(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{`{"a":1}`, `{"a":1}`, ``},
		{`{"a":1,"b":2}`, `{"a":3}`, `{"a":3,"b":null}`},
		{`{}`, `{"c":"x"}`, `{"c":"x"}`},
	} {
		if got := string(changedKeys(json.RawMessage(c.from), json.RawMessage(c.to))); got != c.want {
			t.Errorf("from %s to %s: %s, want %s", c.from, c.to, got, c.want)
		}
	}
	if got := shellQuoted("it's"); got != `'it'\''s'` {
		t.Errorf("quoted: %s", got)
	}
}
