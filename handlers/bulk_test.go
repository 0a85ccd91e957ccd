package handlers

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

func TestBulkJobs(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	w.job("two")
	send := func(body string) bulkOut {
		return decode[bulkOut](t, w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/bulk", body: body, as: scheduler.Editor}))
	}
	got := send(`{"action":"disable","jobs":["one","nobody","two","one"]}`)
	if d := cmp.Diff([]string{"one", "two"}, got.Done); d != "" || len(got.Failed) != 1 || got.Failed[0].Name != "nobody" {
		t.Errorf("disabled %+v", got)
	}
	if j, _ := w.store.JobByName(t.Context(), "two"); j.Enabled {
		t.Error("two is still enabled")
	}
	if got = send(`{"action":"run","jobs":["two"]}`); len(got.Done) != 1 {
		t.Errorf("ran %+v", got)
	}
	for _, body := range []string{`{"action":"explode","jobs":["one"]}`, `{"action":"run","jobs":[]}`} {
		if rec := w.do(ask{method: "POST", path: "/jobs/bulk", body: body, as: scheduler.Editor}); rec.Code/100 != 4 {
			t.Errorf("%s: status %d", body, rec.Code)
		}
	}
	w.expect(http.StatusForbidden, ask{method: "POST", path: "/jobs/bulk", body: `{"action":"delete","jobs":["one"]}`, as: scheduler.Operator})

	// A page is asked before anything is deleted.
	cookie := w.logIn("admin", adminPassword)
	form := url.Values{"action": {"delete"}, "job": {"one", "two"}}
	page := w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/bulk", form: form}.page().with("Cookie", cookie)).Body.String()
	if _, err := w.store.JobByName(t.Context(), "one"); err != nil || !strings.Contains(page, "Delete 2 jobs?") {
		t.Errorf("deleted without a question: %v, %.500s", err, page)
	}
	form.Set("sure", "true")
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/jobs/bulk", form: form}.page().with("Cookie", cookie))
	if _, err := w.store.JobByName(t.Context(), "one"); scheduler.CodeOf(err) != scheduler.CodeNotFound {
		t.Errorf("not deleted: %v", err)
	}
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/jobs/bulk", form: url.Values{"action": {"run"}}}.page().with("Cookie", cookie))
}

func TestListsAsFiles(t *testing.T) {
	w := newWorld(t)
	_, err := w.service.CreateJob(t.Context(), scheduler.Server, scheduler.Draft{
		Name: "=1+2", Enabled: true, Executor: "shell", Config: []byte(`{"command":"x"}`), Metadata: map[string]string{"owner": "ops, \"night\""},
	}, scheduler.OriginAPI)
	w.must(err)
	w.job("other")
	read := func(path string) [][]string {
		rec := w.expect(http.StatusOK, ask{path: path, as: scheduler.Admin}.page())
		if !strings.HasPrefix(rec.Header().Get("Content-Disposition"), "attachment; filename=") {
			t.Errorf("%s: %v", path, rec.Header())
		}
		rows, err := csv.NewReader(rec.Body).ReadAll()
		w.must(err)
		return rows
	}
	rows := read("/jobs?limit=1&format=csv")
	if len(rows) != 2 || rows[1][0] != "'=1+2" || rows[1][11] != `ops, "night"` {
		t.Errorf("the page of jobs: %q", rows)
	}
	w.finished("other", "x\n")
	rows = read("/executions?format=csv&exit_code=0&state=succeeded&state=failed")
	if len(rows) != 2 || rows[1][1] != "other" || rows[1][2] != "succeeded" {
		t.Errorf("executions: %q", rows)
	}
	if rows = read("/executions?format=csv&exit_code=3"); len(rows) != 1 {
		t.Errorf("executions that ended with 3: %q", rows)
	}
	if rows = read("/settings/users?format=csv"); rows[1][0] != "admin" {
		t.Errorf("users: %q", rows)
	}
	read("/settings/tokens?format=csv")
	w.expect(http.StatusBadRequest, ask{path: "/jobs/other?format=csv", as: scheduler.Viewer})
	w.expect(http.StatusBadRequest, ask{path: "/executions?exit_code=x", as: scheduler.Viewer})
	if rec := w.expect(http.StatusOK, ask{path: "/jobs?format=json", as: scheduler.Viewer}.page()); !strings.HasPrefix(rec.Body.String(), `{"items":[`) {
		t.Errorf("JSON: %.100s", rec.Body)
	}
}

func TestZoneChoice(t *testing.T) {
	w := newWorld(t)
	w.clock.at = time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)
	_, err := w.service.CreateJob(t.Context(), scheduler.Server, scheduler.Draft{
		Name: "tokyo", Enabled: true, Executor: "shell", Config: []byte(`{"command":"x"}`), Schedules: []scheduler.Schedule{{Text: "0 0 1 1 *", Zone: "Asia/Tokyo"}},
	}, scheduler.OriginAPI)
	w.must(err)
	id := w.finished("tokyo", "x\n").ID
	cookie := w.logIn("admin", adminPassword)
	for choice, want := range map[string]string{"": "UTC", "utc": "UTC", "job": "Asia/Tokyo", "mine": "America/New_York"} {
		rec := w.expect(http.StatusSeeOther, ask{method: "POST", path: "/zone", form: url.Values{"zone": {choice}, "mine": {"America/New_York"}}}.page().with("Cookie", cookie))
		set, _, _ := strings.Cut(rec.Header().Get("Set-Cookie"), ";")
		for _, path := range []string{"/executions", "/executions?job=tokyo", "/executions/" + id, "/jobs", "/jobs/tokyo"} {
			page := w.expect(http.StatusOK, ask{path: path}.page().with("Cookie", cookie+"; "+set)).Body.String()
			if !strings.Contains(page, " "+want+`"`) {
				t.Errorf("%s with times of %q does not have them in %s", path, choice, want)
			}
		}
	}
	for _, form := range []url.Values{{"zone": {"mars"}}, {"zone": {"mine"}, "mine": {"../etc/passwd"}}, {"zone": {"mine"}, "mine": {"Local"}}} {
		if rec := w.do(ask{method: "POST", path: "/zone", form: form}.page().with("Cookie", cookie)); rec.Code/100 != 4 {
			t.Errorf("%v: status %d", form, rec.Code)
		}
	}
	// A cookie that anybody wrote is no reason to fail.
	w.expect(http.StatusOK, ask{path: "/jobs"}.page().with("Cookie", cookie+"; belfry_zone=Nowhere/Land"))
}

func TestSearch(t *testing.T) {
	w := newWorld(t)
	w.job("nightly")
	id := w.run("nightly")
	got := decode[searchOut](t, w.expect(http.StatusOK, ask{path: "/search?q=night", as: scheduler.Viewer}))
	if len(got.Jobs) != 1 || got.JobsTotal != 1 || len(got.Pages) != 0 {
		t.Errorf("found %+v", got)
	}
	if got = decode[searchOut](t, w.expect(http.StatusOK, ask{path: "/search?q=" + id, as: scheduler.Viewer})); len(got.Executions) != 1 {
		t.Errorf("an execution by its id: %+v", got)
	}
	if got = decode[searchOut](t, w.expect(http.StatusOK, ask{path: "/search?q=users", as: scheduler.Viewer})); len(got.Pages) != 0 {
		t.Errorf("a viewer is offered %+v", got.Pages)
	}
	if got = decode[searchOut](t, w.expect(http.StatusOK, ask{path: "/search?q=users", as: scheduler.Admin})); len(got.Pages) != 1 {
		t.Errorf("an admin is offered %+v", got.Pages)
	}
}
