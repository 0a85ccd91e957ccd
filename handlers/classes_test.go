package handlers

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"belfry/scheduler"
)

// classWorld has the executor of classes.
func classWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, func(o *Options) { o.Executors = []string{"shell", "http", scheduler.ClassExecutor} })
	w.service.Executors[scheduler.ClassExecutor] = anyConfig{}
	return w
}

// anyConfig takes every configuration.
type anyConfig struct{ executor }

func (anyConfig) Check(json.RawMessage) error { return nil }

// TestClasses makes, changes and deletes a class, by the form and by JSON.
func TestClasses(t *testing.T) {
	w := classWorld(t)
	cookie := w.logIn("admin", adminPassword)
	form := url.Values{
		"name": {"jobs.reports.Monthly"}, "executor": {"shell"}, "template": {`{"command":"report {{args}}","env":{"API_TOKEN":"hunter2"}}`},
		"arguments": {"string: Month\r\nRegion"}, "example": {`["2026-11", "eu"]`}, "notes": {"Sends the report."},
	}
	rec := w.expect(http.StatusSeeOther, ask{method: "POST", path: "/settings/classes", form: form}.page().with("Cookie", cookie))
	at := rec.Header().Get("Location")
	got := decode[classOut](t, w.expect(http.StatusOK, ask{path: at, as: scheduler.Admin}))
	if got.Name != "jobs.reports.Monthly" || len(got.Arguments) != 2 || got.Arguments[0] != (classArgument{"string", "Month"}) || got.Arguments[1] != (classArgument{"", "Region"}) || got.Source != "" {
		t.Errorf("the class is %+v", got)
	}
	page := w.expect(http.StatusOK, ask{path: at, as: scheduler.Admin}.page()).Body.String()
	for _, want := range []string{"string: Month\nRegion", "report {{args}}", "Save"} {
		if !strings.Contains(page, want) {
			t.Errorf("the form has no %q", want)
		}
	}
	// What is wrong is beside its field, and nothing that was typed is lost.
	form.Set("name", "has blanks")
	form.Set("template", "nonsense")
	form.Set("example", `{"a":1}`)
	page = w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/settings/classes", form: form}.page().with("Cookie", cookie)).Body.String()
	for _, want := range []string{`id="class-name-error"`, `id="class-template-error"`, `id="class-example-error"`, "nonsense", "has blanks"} {
		if !strings.Contains(page, want) {
			t.Errorf("the refused form has no %s", want)
		}
	}
	w.expect(http.StatusUnprocessableEntity, ask{method: "PUT", path: at, as: scheduler.Admin, body: `{"executor":"nothing"}`})
	w.expect(http.StatusUnprocessableEntity, ask{method: "PUT", path: at, as: scheduler.Admin, body: `{"name":"other","executor":"noop"}`})
	w.expect(http.StatusNotFound, ask{method: "PUT", path: "/settings/classes/no.Such", as: scheduler.Admin, body: `{"executor":"noop"}`})
	w.expect(http.StatusNotFound, ask{method: "DELETE", path: "/settings/classes/simple_scheduler.jobs.shell_job.ShellJob", as: scheduler.Admin})
	w.expect(http.StatusOK, ask{method: "PUT", path: at, as: scheduler.Admin, body: `{"executor":"noop"}`})

	// A class that is built in gives way, and comes back.
	builtIn := "/settings/classes/simple_scheduler.jobs.shell_job.ShellJob"
	if page = w.expect(http.StatusOK, ask{path: builtIn, as: scheduler.Admin}.page()).Body.String(); !strings.Contains(page, "built in") || strings.Contains(page, "<textarea") {
		t.Error("a class that is built in has a form")
	}
	w.expect(http.StatusCreated, ask{method: "POST", path: "/settings/classes", as: scheduler.Admin, body: `{"name":"simple_scheduler.jobs.shell_job.ShellJob","executor":"noop"}`})
	if c, _, _ := w.service.Class("simple_scheduler.jobs.shell_job.ShellJob"); c.Executor != scheduler.ClassNoop {
		t.Errorf("it still runs %s", c.Executor)
	}
	w.expect(http.StatusNoContent, ask{method: "DELETE", path: builtIn, as: scheduler.Admin})
	if c, _, _ := w.service.Class("simple_scheduler.jobs.shell_job.ShellJob"); c.Executor != "shell" {
		t.Errorf("now it runs %s", c.Executor)
	}
	w.expect(http.StatusSeeOther, ask{method: "POST", path: at + "/delete", form: url.Values{}}.page().with("Cookie", cookie))

	rows := w.expect(http.StatusOK, ask{path: "/audit?action=class.", as: scheduler.Admin}).Body.String()
	if strings.Count(rows, `"action":"class.`) != 5 || strings.Contains(rows, "hunter2") {
		t.Errorf("the audit is %s", rows)
	}
}

// TestClassesOutlive: what was made is there after a start; what files declare comes
// first and is not changed here.
func TestClassesOutlive(t *testing.T) {
	w := classWorld(t)
	w.expect(http.StatusCreated, ask{method: "POST", path: "/settings/classes", as: scheduler.Admin, body: `{"name":"a.B","executor":"noop"}`})
	w.expect(http.StatusCreated, ask{method: "POST", path: "/settings/classes", as: scheduler.Admin, body: `{"name":"a.*","executor":"noop","notes":"the rest"}`})
	again := scheduler.New(scheduler.Options{Store: w.store, Executors: w.service.Executors})
	w.must(again.LoadClasses(t.Context()))
	for name, want := range map[string]string{"a.B": "a.B", "a.C": "a.*", "a.C.D": "a.*", "b.C": "", "a": ""} {
		if c, _, _ := again.Class(name); c.Name != want {
			t.Errorf("%s is %q, want %q", name, c.Name, want)
		}
	}
	again.DeclareClasses([]scheduler.JobClass{{Name: "a.B", Executor: "shell", Source: "x.ini:3"}})
	if c, _, _ := again.Class("a.B"); c.Source != "x.ini:3" {
		t.Errorf("a.B is %+v", c)
	}
	err := again.UpdateClass(t.Context(), scheduler.Server, scheduler.JobClass{Name: "a.B", Executor: "noop"})
	if scheduler.CodeOf(err) != scheduler.CodeConflict || !strings.Contains(err.Error(), "x.ini:3") {
		t.Errorf("a declared class: %v", err)
	}
}

// TestUnknownClass: a job made here names a class that there is.
func TestUnknownClass(t *testing.T) {
	w := classWorld(t)
	p := w.problem(w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: `{"name":"j","executor":"class","config":{"class":"no.Such"}}`}))
	if len(p.Errors) != 1 || p.Errors[0].Field != "config.class" || !strings.Contains(p.Errors[0].Message, "known are simple_scheduler.jobs.curl_job.CurlJob, ") {
		t.Errorf("it is refused with %+v", p.Errors)
	}
	form := url.Values{"name": {"j"}, "executor": {"class"}, "config.class": {"no.Such"}, "config.args": {"nonsense"}}
	cookie := w.logIn("admin", adminPassword)
	page := w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs", form: form}.page().with("Cookie", cookie)).Body.String()
	if !strings.Contains(page, "must be a JSON array") {
		t.Error("nothing is said of the arguments")
	}
	form.Set("config.class", "simple_scheduler.jobs.sample_job.AwesomeJob")
	form.Set("config.args", `["a<b", {"k": 1}, 12345678901234567890]`)
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/jobs", form: form}.page().with("Cookie", cookie))
	j, err := w.store.JobByName(t.Context(), "j")
	w.must(err)
	if got := string(j.Config); got != `{"args":["a<b",{"k":1},12345678901234567890],"class":"simple_scheduler.jobs.sample_job.AwesomeJob"}` && !strings.Contains(got, `12345678901234567890`) {
		t.Errorf("the configuration is %s", got)
	}
	page = w.expect(http.StatusOK, ask{path: "/jobs/j/edit", as: scheduler.Editor}.page()).Body.String()
	if !strings.Contains(page, `[&#34;a&lt;b&#34;,{&#34;k&#34;:1},12345678901234567890]`) {
		t.Error("the form does not have the arguments as they were")
	}
	// A job that has an unknown class already, as ndscheduler's clients make them, can be changed otherwise.
	if _, err := w.service.CreateJobTitled(t.Context(), scheduler.Server, scheduler.Draft{Name: "early", Executor: "class", Config: []byte(`{"class":"no.Such","args":[]}`)}, scheduler.OriginAPI); err != nil {
		t.Fatal(err)
	}
	w.expect(http.StatusOK, ask{method: "PUT", path: "/jobs/early", as: scheduler.Editor, body: `{"name":"early","executor":"class","config":{"class":"no.Such","args":[1]}}`})
	w.expect(http.StatusUnprocessableEntity, ask{method: "PUT", path: "/jobs/early", as: scheduler.Editor, body: `{"name":"early","executor":"class","config":{"class":"no.Other","args":[1]}}`})
	options := w.expect(http.StatusOK, ask{path: "/classes", as: scheduler.Editor}.htmx()).Body.String()
	if !strings.Contains(options, `<option value="simple_scheduler.jobs.shell_job.ShellJob">`) {
		t.Errorf("the form offers %s", options)
	}
}
