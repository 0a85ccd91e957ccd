package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"belfry/scheduler"
)

// TestSaveAndRun: a form's buttons save, save and run, and test.
func TestSaveAndRun(t *testing.T) {
	w := newWorld(t)
	cookie := w.logIn("admin", adminPassword)
	send := func(status int, path string, form url.Values) (to, body string) {
		rec := w.expect(status, ask{method: "POST", path: path, form: form}.page().with("Cookie", cookie))
		return rec.Header().Get("Location"), rec.Body.String()
	}
	newest := func() scheduler.Execution {
		list, _, err := w.store.ListExecutions(t.Context(), scheduler.ExecutionFilter{Limit: 1})
		w.must(err)
		return list[0]
	}
	form := func(name, then string) url.Values {
		return url.Values{"name": {name}, "executor": {"shell"}, "config.command": {"echo " + then}, "enabled": {"true"}, "then": {then}}
	}
	if to, _ := send(http.StatusSeeOther, "/jobs", form("a", "run")); to != "/executions/"+newest().ID {
		t.Errorf("create and run leads to %s", to)
	}
	to, _ := send(http.StatusSeeOther, "/jobs", form("b", "test"))
	j, err := w.store.JobByName(t.Context(), "b")
	w.must(err)
	if to != "/jobs/b/edit" || j.Enabled || newest().JobName != "b" {
		t.Errorf("a test of a new job leads to %s; enabled: %t, ran: %s", to, j.Enabled, newest().JobName)
	}
	changed := form("a", "test")
	changed.Set("config.command", "echo only now")
	if to, _ = send(http.StatusSeeOther, "/jobs/a", changed); to != "/executions/"+newest().ID || string(newest().Config) != `{"command":"echo only now"}` {
		t.Errorf("a test leads to %s, with %s", to, newest().Config)
	}
	if j, err = w.store.JobByName(t.Context(), "a"); err != nil || string(j.Config) != `{"command":"echo run"}` {
		t.Errorf("a test saved %s, %v", j.Config, err)
	}
	changed.Set("executor", "http")
	if _, body := send(http.StatusUnprocessableEntity, "/jobs/a", changed); !strings.Contains(body, "save it first") || !strings.Contains(body, "echo only now") {
		t.Errorf("a test of another executor: %.500s", body)
	}
}
