package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// TestJobsOfPrograms walks through a job's life as a program sees it.
func TestJobsOfPrograms(t *testing.T) {
	w := newWorld(t)
	rec := w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: `{"name":"backup","schedule":"0 2 * * *",
		"timezone":"Europe/Berlin","executor":"shell","config":{"command":"tar c /srv"},"concurrency":"forbid","retries":2,"timeout":"30s","enabled":true}`})
	made := decode[jobOutForTest](t, rec)
	want := jobOutForTest{
		Name: "backup", Enabled: true, Schedule: "0 2 * * *", Timezone: "Europe/Berlin", Executor: "shell", Concurrency: "forbid",
		Retries: 2, Timeout: "30s", Grace: "10s", Origin: "api", Version: 1, Config: map[string]any{"command": "tar c /srv"},
		Schedules: []scheduleOut{{"0 2 * * *", "Europe/Berlin", "cron"}}, Retry: retryOut{"1s", 2, "1h0m0s", []int{}},
	}
	if d := cmp.Diff(want, made); d != "" {
		t.Error(d)
	}
	if rec.Header().Get("Location") != "/jobs/backup" || rec.Header().Get("ETag") != `"1"` {
		t.Errorf("Location %q, ETag %q", rec.Header().Get("Location"), rec.Header().Get("ETag"))
	}

	// What was read can be changed and sent back, with what only the server decides.
	read := decode[map[string]any](t, w.expect(http.StatusOK, ask{path: "/jobs/backup", as: scheduler.Viewer}))
	if read["next_at"] == nil {
		t.Error("no next_at")
	}
	read["notes"] = "changed"
	body, err := json.Marshal(read)
	w.must(err)
	put := ask{method: "PUT", path: "/jobs/backup", as: scheduler.Editor, body: string(body)}
	if got := decode[jobOutForTest](t, w.expect(http.StatusOK, put)); got.Version != 2 {
		t.Errorf("version %d", got.Version)
	}
	w.problem(w.expect(http.StatusConflict, put)) // the body's version is 1
	replaced := ask{method: "PUT", path: "/jobs/backup", as: scheduler.Editor, body: `{"config":{"command":"x"}}`}
	w.problem(w.expect(http.StatusPreconditionFailed, replaced.with("If-Match", `"1"`)))
	w.problem(w.expect(http.StatusBadRequest, replaced.with("If-Match", `nonsense`)))
	got := decode[jobOutForTest](t, w.expect(http.StatusOK, replaced.with("If-Match", `"2"`)))
	if got.Retries != 0 || got.Schedule != "" || got.Name != "backup" || !got.Enabled {
		t.Errorf("PUT is no replacement: %+v", got)
	}

	if got := decode[jobOutForTest](t, w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/backup/disable", as: scheduler.Operator})); got.Enabled {
		t.Error("it is enabled")
	}
	if got := decode[jobOutForTest](t, w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/backup/enable", as: scheduler.Operator})); !got.Enabled {
		t.Error("it is disabled")
	}
	rec = w.expect(http.StatusAccepted, ask{method: "POST", path: "/jobs/backup/run", as: scheduler.Operator})
	if id := decode[idOut](t, rec).ID; id == "" || rec.Header().Get("Location") != "/executions/"+id {
		t.Errorf("run: id %q, Location %q", id, rec.Header().Get("Location"))
	}
	w.expect(http.StatusNoContent, ask{method: "DELETE", path: "/jobs/backup", as: scheduler.Editor})
	w.expect(http.StatusNotFound, ask{path: "/jobs/backup", as: scheduler.Viewer})
	w.expect(http.StatusNotFound, ask{method: "DELETE", path: "/jobs/backup", as: scheduler.Editor})
}

// jobOutForTest is what of jobOut does not depend on the time.
type jobOutForTest struct {
	Name, Schedule, Timezone, Executor, Concurrency, Timeout, Grace, Origin string
	Enabled                                                                 bool
	Retries                                                                 int
	Version                                                                 int64
	Config                                                                  map[string]any
	Schedules                                                               []scheduleOut
	Retry                                                                   retryOut
}

func TestSeveralSchedules(t *testing.T) {
	w := newWorld(t)
	create := func(body string) ask {
		return ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: body}
	}
	got := decode[jobOutForTest](t, w.expect(http.StatusCreated, create(`{"name":"a","config":{"command":"x"},
		"schedules":[{"text":"@hourly","zone":"UTC"},{"text":"0 5 * * *","grammar":"cron"}]}`)))
	if d := cmp.Diff([]scheduleOut{{"@hourly", "UTC", "cron"}, {"0 5 * * *", "", "cron"}}, got.Schedules); d != "" {
		t.Error(d)
	}
	for _, body := range []string{
		`{"name":"b","config":{"command":"x"},"schedule":"@daily","schedules":[{"text":"@hourly"}]}`,
		`{"name":"b","config":{"command":"x"},"timezone":"UTC","schedules":[{"text":"@hourly"}]}`,
		`{"name":"b","config":{"command":"x"},"schedules":[{"text":""}]}`,
		`{"name":"b","config":{"command":"x"},"schedules":[{"text":"@hourly","grammar":"klingon"}]}`,
	} {
		w.problem(w.expect(http.StatusUnprocessableEntity, create(body)))
	}
}

// TestAllThatIsWrongAtOnce: what cannot be read and what is not allowed come in
// one answer, and nothing is stored.
func TestAllThatIsWrongAtOnce(t *testing.T) {
	w := newWorld(t)
	rec := w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: `{"name":"","schedule":"x",
		"config":{},"grace":"soon","retry":{"delay":"5"},"retries":-1}`})
	var fields []string
	for _, e := range w.problem(rec).Errors {
		fields = append(fields, e.Field)
	}
	slices.Sort(fields)
	if d := cmp.Diff([]string{"config.command", "grace", "name", "retries", "retry.delay", "schedule"}, fields); d != "" {
		t.Error(d)
	}
	if got := decode[listOut[jobOutForTest]](t, w.expect(http.StatusOK, ask{path: "/jobs", as: scheduler.Viewer})); got.Total != 0 {
		t.Error("it was stored")
	}
}

// TestSentBackUnchanged: what was read is no change, whatever is empty in it.
func TestSentBackUnchanged(t *testing.T) {
	w := newWorld(t)
	w.job("other")
	w.job("third")
	for name, body := range map[string]string{
		"least": `{"name":"least","config":{"command":"x"}}`,
		"related": `{"name":"related","schedule":"@daily","config":{"command":"x","env":{"B":"1","A":"2"}},"tags":["b","a"],"metadata":{"k":"v"},
			"depends_on":[{"job":"other"}],"triggers":[{"job":"third","on":"any"}],"notify":[{"kind":"mail"}],"retry":{"exit_codes":[2,1]}}`,
	} {
		w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: body})
		read := w.expect(http.StatusOK, ask{path: "/jobs/" + name, as: scheduler.Editor}).Body.String()
		for range 2 {
			w.expect(http.StatusOK, ask{method: "PUT", path: "/jobs/" + name, as: scheduler.Editor, body: read})
			w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/" + name + "/unpause", as: scheduler.Editor})
		}
		j, err := w.store.JobByName(t.Context(), name)
		if err != nil || j.Version != 1 {
			t.Errorf("%s has version %d, %v", name, j.Version, err)
		}
		rows, _, err := w.store.ListAudit(t.Context(), scheduler.AuditFilter{Object: name, Limit: 10})
		if err != nil || len(rows) != 1 {
			t.Errorf("%s has %d audit rows, %v", name, len(rows), err)
		}
	}
}

// TestOwnersOfAnyText: the list's own link to an owner's jobs finds them, whatever the
// owner is called.
func TestOwnersOfAnyText(t *testing.T) {
	w := newWorld(t)
	for i, owner := range []string{"a\nb", "a\tb", "a\r\nb", strings.Repeat("ä", 2000), `"&=#+%`} {
		name := fmt.Sprint("job-", i)
		body, err := json.Marshal(map[string]any{
			"name": name, "executor": "shell", "config": map[string]string{"command": "true"}, "metadata": map[string]string{"owner": owner},
		})
		w.must(err)
		w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: string(body)})
		page := w.expect(http.StatusOK, ask{path: "/jobs?q=" + name, as: scheduler.Viewer}.page()).Body.String()
		link := regexp.MustCompile(`href="(/jobs\?metadata\.owner=[^"]*)"`).FindStringSubmatch(page)
		if link == nil {
			t.Fatalf("no link to the owner %.20q", owner)
		}
		got := decode[listOut[jobOutForTest]](t, w.expect(http.StatusOK, ask{path: link[1], as: scheduler.Viewer}))
		if len(got.Items) != 1 || got.Items[0].Name != name {
			t.Errorf("%.20q: %+v", owner, got.Items)
		}
	}
}

func TestListOfJobs(t *testing.T) {
	w := newWorld(t)
	if rec := w.expect(http.StatusOK, ask{path: "/jobs", as: scheduler.Viewer}); strings.TrimSpace(rec.Body.String()) != `{"items":[],"total":0}` {
		t.Errorf("nothing is %s", rec.Body)
	}
	for _, name := range []string{"beta", "alpha", "gamma"} {
		w.job(name)
	}
	w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/beta/disable", as: scheduler.Operator})
	for query, want := range map[string]string{
		"":                              "alpha beta gamma of 3",
		"sort=-name":                    "gamma beta alpha of 3",
		"sort=created":                  "beta alpha gamma of 3",
		"limit=2":                       "alpha beta of 3",
		"limit=2&offset=2":              "gamma of 3",
		"offset=100":                    " of 3",
		"q=AM":                          "gamma of 1",
		"q=%25":                         " of 0",
		"enabled=false":                 "beta of 1",
		"executor=http":                 " of 0",
		"executor=shell&enabled=true":   "alpha gamma of 2",
		"state=failed":                  " of 0",
		"q=&limit=&sort=&enabled=":      "alpha beta gamma of 3",
		"something=else&limit=1&origin": "alpha of 3",
		"q=&q=AM&q=":                    "gamma of 1",
	} {
		got := decode[listOut[jobOutForTest]](t, w.expect(http.StatusOK, ask{path: "/jobs?" + query, as: scheduler.Viewer}))
		var names []string
		for _, j := range got.Items {
			names = append(names, j.Name)
		}
		if said := fmt.Sprintf("%s of %d", strings.Join(names, " "), got.Total); said != want {
			t.Errorf("?%s: %s, expected %s", query, said, want)
		}
	}
}

// TestJobForm walks through a job's life as a page sees it.
func TestJobForm(t *testing.T) {
	w := newWorld(t)
	cookie := w.logIn("admin", adminPassword)
	post := func(path string, form url.Values) ask {
		return ask{method: "POST", path: path, form: form}.page().with("Cookie", cookie)
	}
	form := url.Values{
		"name": {"web"}, "enabled": {"true"}, "schedule": {"61 * * * *"}, "timezone": {"Europe/Berlin"}, "executor": {"shell"},
		"config.command": {"line one\r\nline two"}, "config.env": {"A=1\r\nB=x=y"}, "config.url": {"of the other executor"},
		"config.dir": {""}, "retries": {"many"}, "retry.delay": {"5"}, "timeout": {"30s"}, "notes": {"<b>kept</b>"},
	}
	rec := w.expect(http.StatusUnprocessableEntity, post("/jobs", form))
	for _, part := range []string{`>61 * * * *</textarea>`, "line one", "B=x=y", "&lt;b&gt;kept", `value="many"`, "must be a whole number", "is not a duration", `id="f-schedule-error"`, "minute"} {
		if !strings.Contains(rec.Body.String(), part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	form.Set("schedule", "*/5 * * * *")
	form.Set("retries", "3")
	form.Set("retry.delay", "5s")
	rec = w.expect(http.StatusSeeOther, post("/jobs", form))
	if rec.Header().Get("Location") != "/jobs/web" {
		t.Errorf("to %q", rec.Header().Get("Location"))
	}
	j, err := w.store.JobByName(t.Context(), "web")
	w.must(err)
	if got, want := string(j.Config), `{"command":"line one\nline two","env":{"A":"1","B":"x=y"}}`; got != want {
		t.Errorf("config %s", got)
	}
	if !j.Enabled || j.Retries != 3 || j.Origin != scheduler.OriginPage || j.Timeout.String() != "30s" {
		t.Errorf("%+v", j)
	}
	if rec := w.expect(http.StatusUnprocessableEntity, post("/jobs", form)); !strings.Contains(rec.Body.String(), "is taken") {
		t.Error("a taken name is not beside its field")
	}

	// An edit from an old version loses nothing that was typed, and overwrites nothing.
	edit := w.expect(http.StatusOK, ask{path: "/jobs/web/edit"}.page().with("Cookie", cookie))
	if !strings.Contains(edit.Body.String(), `name="version" value="1"`) {
		t.Error("the form has no version")
	}
	form.Set("version", "1")
	form.Set("notes", "first")
	w.expect(http.StatusSeeOther, post("/jobs/web", form))
	form.Set("notes", "second")
	rec = w.expect(http.StatusConflict, post("/jobs/web", form))
	for _, words := range []string{"changed by somebody else", "second", `Notes</a>: <span dir="auto">first`, `href="/jobs/web/edit"`, `name="version" value="2"`} {
		if !strings.Contains(rec.Body.String(), words) {
			t.Errorf("the conflict is not shown, or what was typed is lost: no %q", words)
		}
	}
	form.Set("version", "2") // as that form has it
	form.Set("name", "renamed")
	form.Del("enabled")
	if rec := w.expect(http.StatusSeeOther, post("/jobs/web", form)); rec.Header().Get("Location") != "/jobs/renamed" {
		t.Errorf("renamed to %q", rec.Header().Get("Location"))
	}
	if j, err = w.store.JobByName(t.Context(), "renamed"); err != nil || j.Enabled {
		t.Errorf("%+v %v", j, err)
	}
	w.expect(http.StatusSeeOther, post("/jobs/renamed/delete", nil))
}

// TestFormKeepsWhatItDoesNotShow: a job made by a program has more than the form
// can show, and saving the form does not lose it.
// TestClone: the copy has everything but the name, also what forms do not show.
func TestClone(t *testing.T) {
	w := newWorld(t)
	w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: `{"name":"a","schedule":"@daily","config":{"command":"x"},
		"notify":[{"kind":"mail","on":"failure","config":{"to":"a@example.com","host":"mail.example.com","password":"letmein"}}]}`})
	page := w.expect(http.StatusOK, ask{path: "/jobs/new?from=a", as: scheduler.Editor}.page()).Body.String()
	if !strings.Contains(page, `name="from" value="a"`) || strings.Contains(page, "hidden\"") && strings.Contains(page, "password") {
		t.Error("the form does not say whose copy it is, or shows a secret")
	}
	form := url.Values{"from": {"a"}, "name": {""}, "executor": {"shell"}, "config.command": {"x"}, "schedule": {"@daily"}, "enabled": {"true"}}
	post := ask{method: "POST", path: "/jobs", as: scheduler.Editor, form: form}.page()
	if rec := w.expect(http.StatusUnprocessableEntity, post); !strings.Contains(rec.Body.String(), `name="from" value="a"`) {
		t.Error("a refused form forgets whose copy it is")
	}
	form.Set("name", "b")
	w.expect(http.StatusSeeOther, post)
	a, err := w.store.JobByName(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.store.JobByName(t.Context(), "b")
	if err != nil || cmp.Diff(a.Notify, b.Notify) != "" || len(b.Notify) != 1 {
		t.Errorf("the copy has %+v, %v", b.Notify, err)
	}
}

func TestFormKeepsWhatItDoesNotShow(t *testing.T) {
	w := newWorld(t)
	w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: `{"name":"api","executor":"shell",
		"config":{"argv":["a","b c"],"env":{"X":"two\nlines"},"future":7},"schedules":[{"text":"@hourly"},{"text":"@daily","zone":"UTC"}]}`})
	stored, err := w.store.JobByName(t.Context(), "api")
	w.must(err)
	form := url.Values{
		"name": {"api"}, "executor": {"shell"}, "schedule": {"@weekly\r\nTZ=UTC @daily"}, "config.command": {""},
		"config.argv": {"a\r\nb c"}, "config.env": {"X=two\r\nlines"},
	}
	w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/api", as: scheduler.Editor, form: form})
	j, err := w.store.JobByName(t.Context(), "api")
	w.must(err)
	var before, after map[string]any
	w.must(json.Unmarshal(stored.Config, &before))
	w.must(json.Unmarshal(j.Config, &after))
	if d := cmp.Diff(before, after); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]scheduler.Schedule{{Text: "@weekly"}, {Text: "@daily", Zone: "UTC"}}, j.Schedules); d != "" {
		t.Error(d)
	}
	form.Set("config.env", "X=1\nX=2")
	p := w.problem(w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs/api", as: scheduler.Editor, form: form}))
	if len(p.Errors) != 1 || p.Errors[0].Field != "config.env" {
		t.Errorf("%+v", p)
	}
}

func TestPreview(t *testing.T) {
	w := newWorld(t)
	got := decode[previewOut](t, w.expect(http.StatusOK, ask{path: "/jobs/preview?schedule=30+2+*+*+*&timezone=Europe/Berlin", as: scheduler.Viewer}))
	if len(got.Fires) != 5 || len(got.Meaning) != 1 || !strings.Contains(got.Fires[0].At, "T02:30:00+0") {
		t.Errorf("%+v", got)
	}
	w.problem(w.expect(http.StatusUnprocessableEntity, ask{path: "/jobs/preview?schedule=nonsense", as: scheduler.Viewer}))
	form := url.Values{"schedule": {"@hourly\r\n@daily"}, "timezone": {"Mars/Olympus"}}
	rec := w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/preview", form: form, as: scheduler.Viewer}.htmx())
	if !strings.Contains(rec.Body.String(), "Mars/Olympus") {
		t.Errorf("the zone is not said to be wrong: %s", rec.Body)
	}
}

// What the clocks do to a schedule stands beside the fire, in the page and in JSON.
func TestPreviewMarksTheChangeOfClocks(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		now                  time.Time
		schedule, fire, note string
	}{
		{time.Date(2027, 3, 26, 12, 0, 0, 0, time.UTC), "30 2 * * *", "2027-03-28T03:00:00+02:00", "02:30 does not exist on this day (clocks go forward): fires at 03:00"},
		{time.Date(2027, 3, 26, 12, 0, 0, 0, time.UTC), "0 30 2 * * *", "2027-03-28T03:00:00+02:00", "02:30 does not exist on this day (clocks go forward): fires at 03:00"},
		{time.Date(2027, 10, 29, 12, 0, 0, 0, time.UTC), "30 2 * * *", "2027-10-31T02:30:00+02:00", "02:30 happens twice on this day: fires at the first"},
	} {
		w.clock.at = c.now
		path := "/jobs/preview?timezone=Europe/Berlin&schedule=" + url.QueryEscape(c.schedule)
		for _, f := range decode[previewOut](t, w.expect(http.StatusOK, ask{path: path, as: scheduler.Viewer})).Fires {
			want := ""
			if f.At == c.fire {
				want = c.note
			}
			if f.Note != want {
				t.Errorf("%s: the fire of %s says %q, want %q", c.schedule, f.At, f.Note, want)
			}
		}
		if page := w.expect(http.StatusOK, ask{path: path, as: scheduler.Viewer}.page()).Body.String(); strings.Count(page, c.note) != 1 {
			t.Errorf("%s: the page does not say once that %s: %s", c.schedule, c.note, page)
		}
	}
}

func TestMultipartForm(t *testing.T) {
	w := newWorld(t)
	body := "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nmulti\r\n--x\r\nContent-Disposition: form-data; name=\"config.command\"\r\n\r\ntrue\r\n--x--\r\n"
	a := ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: body}.with("Content-Type", "multipart/form-data; boundary=x")
	if got := decode[jobOutForTest](t, w.expect(http.StatusCreated, a)); got.Name != "multi" || !got.Enabled {
		t.Errorf("%+v", got)
	}
}

func TestToggleForHtmx(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	rec := w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/one/disable", as: scheduler.Operator}.htmx())
	if !strings.HasPrefix(strings.TrimSpace(rec.Body.String()), "<tr") {
		t.Errorf("not a row: %.200s", rec.Body)
	}
	rec = w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/one/run", as: scheduler.Operator}.htmx())
	if !strings.Contains(rec.Body.String(), "/executions/") {
		t.Errorf("no link to the execution: %.300s", rec.Body)
	}
	rec = w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/one/delete", as: scheduler.Editor}.htmx())
	if rec.Header().Get("HX-Redirect") != "/jobs" {
		t.Errorf("after the deletion to %q", rec.Header().Get("HX-Redirect"))
	}
}

// TestNamesInPaths: names are people's, and come back as they went in.
func TestNamesInPaths(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"100%", "a b", "ünïcödé 猫", "a+b", "a?b", "a#b", "a&b=c", "%2F", "..a", "a;b", "'", `"`, "<script>", "a/b", "../x"} {
		w.job(name)
		path := "/jobs/" + url.PathEscape(name)
		if got := decode[jobOutForTest](t, w.expect(http.StatusOK, ask{path: path, as: scheduler.Viewer})); got.Name != name {
			t.Errorf("%q came back as %q", name, got.Name)
		}
		rec := w.expect(http.StatusAccepted, ask{method: "POST", path: path + "/run", as: scheduler.Operator})
		id := decode[idOut](t, rec).ID
		list := decode[listOut[struct{ ID, Job string }]](t, w.expect(http.StatusOK, ask{path: "/executions?job=" + url.QueryEscape(name), as: scheduler.Viewer}))
		if len(list.Items) != 1 || list.Items[0].ID != id || list.Items[0].Job != name {
			t.Errorf("%q: %+v", name, list)
		}
		w.expect(http.StatusNoContent, ask{method: "DELETE", path: path, as: scheduler.Editor})
	}
	for _, name := range []string{`a\b`, "new", "preview", ".", "..", "", " ", "a\nb", strings.Repeat("x", 201)} {
		body, err := json.Marshal(map[string]any{"name": name, "config": map[string]string{"command": "x"}})
		w.must(err)
		w.problem(w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: string(body)}))
	}
}

// TestFormFieldsAreRead: every field of a configuration that the page has is one
// that its post is read for.
func TestFormFieldsAreRead(t *testing.T) {
	w := newWorld(t)
	rec := w.expect(http.StatusOK, ask{path: "/jobs/new", as: scheduler.Editor}.page())
	found := 0
	for _, m := range regexp.MustCompile(`name="(config|docker-[a-z]+)\.([^"]+)"`).FindAllStringSubmatch(rec.Body.String(), -1) {
		found++
		known := configFields[m[1]]
		if m[1] == "config" {
			known = slices.Concat(configFields["shell"], configFields["http"], configFields[scheduler.ClassExecutor])
		}
		if !slices.Contains(known, m[2]) {
			t.Errorf("%s is not read", m[0])
		}
	}
	if found < 60 {
		t.Errorf("the form has %d fields of configurations", found)
	}
}

func TestFormOfARequest(t *testing.T) {
	w := newWorld(t)
	form := url.Values{
		"name": {"web"}, "executor": {"http"}, "config.url": {"https://example.com/"}, "config.headers": {"Accept: a/b\r\nX-A: 1:2"},
		"config.expect_codes": {"200, 300-305"}, "config.follow_redirects": {"false"}, "config.insecure_skip_verify": {"true"},
		"config.max_body": {"1000"}, "config.command": {"of the other executor"}, "config.timeout": {"5s"},
	}
	w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, form: form})
	j, err := w.store.JobByName(t.Context(), "web")
	w.must(err)
	want := `{"expect_codes":["200","300-305"],"follow_redirects":false,"headers":{"Accept":"a/b","X-A":"1:2"},` +
		`"insecure_skip_verify":true,"max_body":1000,"timeout":"5s","url":"https://example.com/"}`
	if string(j.Config) != want {
		t.Errorf("config %s", j.Config)
	}
}

// TestFormTakesSizes of memory as people write them.
func TestFormTakesSizes(t *testing.T) {
	w := newWorld(t)
	values := url.Values{"name": {"big"}, "executor": {"shell"}, "config.command": {"true"}, "config.memory_limit": {"64 MiB"}, "config.user": {"nobody"}, "config.group": {"daemon"}, "ephemeral": {"false", "true"}}
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/jobs", form: values, as: scheduler.Editor}.page())
	j, err := w.store.JobByName(t.Context(), "big")
	w.must(err)
	if got := string(j.Config); got != `{"command":"true","group":"daemon","memory_limit":67108864,"user":"nobody"}` || !j.Ephemeral {
		t.Errorf("%s, ephemeral %t", got, j.Ephemeral)
	}
	page := w.expect(http.StatusOK, ask{path: "/jobs/big/edit", as: scheduler.Editor}.page()).Body.String()
	if !strings.Contains(page, `value="64 MiB"`) {
		t.Error("the limit is not shown as it was typed")
	}
	values.Set("config.memory_limit", "much")
	values.Set("name", "other")
	if page := w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs", form: values, as: scheduler.Editor}.page()).Body.String(); !strings.Contains(page, "is not a size") {
		t.Error("what is wrong with the limit is not said")
	}
}

// TestFormReadsSchedulesAsTheirSystemDoes: what came from another system goes on
// being read in its language, in the preview, when it is changed, and in a copy.
func TestFormReadsSchedulesAsTheirSystemDoes(t *testing.T) {
	w := newWorld(t)
	w.must(w.service.CreateJob(t.Context(), scheduler.Server, scheduler.Draft{
		Name: "theirs", Executor: "shell", Config: json.RawMessage(`{"command":"true"}`),
		Schedules: []scheduler.Schedule{{Text: "@minutely", Grammar: "dkron"}},
	}, scheduler.OriginAPI))
	for _, path := range []string{"/jobs/theirs/edit", "/jobs/new?from=theirs"} {
		page := w.expect(http.StatusOK, ask{path: path, as: scheduler.Editor}.page()).Body.String()
		if !strings.Contains(page, `name="grammar" value="dkron"`) || strings.Contains(page, "is unknown") || !strings.Contains(page, "every minute") {
			t.Errorf("%s: no preview in that language", path)
		}
	}
	form := url.Values{"name": {"theirs"}, "executor": {"shell"}, "config.command": {"true"}, "schedule": {"@every 0s\n@minutely"}, "timezone": {""}, "grammar": {"dkron"}}
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/jobs/theirs", form: form, as: scheduler.Editor}.page())
	form.Set("name", "copy")
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/jobs", form: form, as: scheduler.Editor}.page())
	for _, name := range []string{"theirs", "copy"} {
		j, err := w.store.JobByName(t.Context(), name)
		w.must(err)
		if len(j.Schedules) != 2 || j.Schedules[0].Grammar != "dkron" || j.Schedules[1].Grammar != "dkron" {
			t.Errorf("%s: %+v", name, j.Schedules)
		}
	}
	if page := w.expect(http.StatusOK, ask{path: "/jobs/preview?schedule=@minutely", as: scheduler.Editor}.page()).Body.String(); !strings.Contains(page, "is unknown") {
		t.Error("without a language it is ours")
	}
	form.Set("grammar", "klingon")
	form.Set("name", "worf")
	w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs", form: form, as: scheduler.Editor}.page())
}
