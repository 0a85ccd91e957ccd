package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

func TestFreezeOfPrograms(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	now := func() freezeOut {
		return decode[freezeOut](t, w.expect(http.StatusOK, ask{path: "/freeze", as: scheduler.Viewer}))
	}
	if f := now(); f.Frozen || f.Reason != "" || !time.Time(f.Since).IsZero() {
		t.Errorf("%+v", f)
	}
	for body, field := range map[string]string{
		`{"until":"soon"}`: "until", `{"until":"-1h"}`: "until", `{"until":"2001-01-01T00:00:00Z"}`: "until", `{"reason":"\u0000"}`: "reason",
	} {
		p := w.problem(w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/freeze", as: scheduler.Operator, body: body}))
		if len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
	made := decode[freezeOut](t, w.expect(http.StatusOK, ask{method: "POST", path: "/freeze", as: scheduler.Operator, body: `{"reason":"moving","until":"90m"}`}))
	if f := now(); f != made || !f.Frozen || f.Reason != "moving" || f.By != "test operator" || !time.Time(f.Until).Equal(time.Time(f.Since).Add(90*time.Minute)) {
		t.Errorf("%+v, then %+v", made, f)
	}
	w.problem(w.expect(http.StatusConflict, ask{method: "POST", path: "/freeze", as: scheduler.Operator}))
	e := decode[executionOut](t, w.expect(http.StatusOK, ask{path: "/executions/" + w.run("one"), as: scheduler.Viewer}))
	if !strings.HasPrefix(e.Reason, "everything is paused since") || !strings.HasSuffix(e.Reason, ": moving") {
		t.Errorf("it waits because %q", e.Reason)
	}
	if f := decode[freezeOut](t, w.expect(http.StatusOK, ask{method: "POST", path: "/unfreeze", as: scheduler.Operator})); f.Frozen || now().Frozen {
		t.Errorf("%+v", f)
	}
	w.problem(w.expect(http.StatusConflict, ask{method: "POST", path: "/unfreeze", as: scheduler.Operator}))
	w.expect(http.StatusOK, ask{method: "POST", path: "/freeze", as: scheduler.Operator}) // without a body
}

func TestFreezeOfPages(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	cookie := w.logIn("admin", adminPassword)
	page := func(method, path string, form url.Values) ask {
		return ask{method: method, path: path, form: form}.page().with("Cookie", cookie)
	}
	rec := w.expect(http.StatusUnprocessableEntity, page("POST", "/freeze", url.Values{"reason": {"the <disk>"}, "until": {"soon"}}))
	for _, part := range []string{`<dialog id="pause-all" aria-labelledby="pause-all-q" open`, `value="the &lt;disk&gt;"`, `value="soon"`, `id="pause-all-until-error"`} {
		if !strings.Contains(rec.Body.String(), part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	w.expect(http.StatusSeeOther, page("POST", "/freeze", url.Values{"reason": {"the <disk>"}, "until": {""}}))
	viewer := w.token(scheduler.Viewer)
	for _, path := range []string{"/", "/jobs", "/jobs/one", "/jobs/new", "/executions", "/settings/users", "/jobs/nobody"} {
		if body := w.do(page("GET", path, nil)).Body.String(); !strings.Contains(body, "Everything is paused") || !strings.Contains(body, "the &lt;disk&gt;") || !strings.Contains(body, `action="/unfreeze"`) {
			t.Errorf("%s does not say it", path)
		}
		body := w.do(ask{path: path}.page().with("Authorization", "Bearer "+viewer)).Body.String()
		if strings.Contains(body, `action="/unfreeze"`) || strings.Contains(body, `action="/freeze"`) {
			t.Errorf("%s offers it to a viewer", path)
		}
	}
	rec = w.expect(http.StatusSeeOther, page("POST", "/unfreeze", nil).with("Referer", "http://example.com/jobs/one?x=1"))
	if to := rec.Header().Get("Location"); to != "/jobs/one?x=1" {
		t.Errorf("back to %q", to)
	}
	if body := w.expect(http.StatusOK, page("GET", "/jobs", nil)).Body.String(); strings.Contains(body, "Everything is paused") {
		t.Error("it is still said")
	}
}

func TestPauseOfAJob(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	pause := func(body string) ask {
		return ask{method: "POST", path: "/jobs/one/pause", as: scheduler.Operator, body: body}
	}
	for _, body := range []string{`{}`, `{"until":""}`, `{"until":"soon"}`, `{"until":"-1s"}`, `{"until":"2001-01-01T00:00:00Z"}`} {
		p := w.problem(w.expect(http.StatusUnprocessableEntity, pause(body)))
		if len(p.Errors) != 1 || p.Errors[0].Field != "until" {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
	until := func(rec interface{ Result() *http.Response }) time.Time {
		j, err := w.store.JobByName(t.Context(), "one")
		w.must(err)
		return j.PausedUntil
	}
	if got := until(w.expect(http.StatusOK, pause(`{"until":"2097-01-01T01:00:00+01:00"}`))); !got.Equal(time.Date(2097, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("until %s", got)
	}
	if got, want := until(w.expect(http.StatusOK, pause(`{"until":"2h"}`))), w.clock.now().Add(2*time.Hour); got.Sub(want).Abs() > time.Second {
		t.Errorf("until %s, expected %s", got, want)
	}
	page := w.expect(http.StatusOK, ask{path: "/jobs/one", as: scheduler.Operator}.page()).Body.String()
	if !strings.Contains(page, "paused until") || !strings.Contains(page, `action="/jobs/one/unpause"`) {
		t.Error("the page does not say it")
	}
	if got := until(w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/one/unpause", as: scheduler.Operator})); !got.IsZero() {
		t.Errorf("until %s", got)
	}
	rec := w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs/one/pause", as: scheduler.Operator, form: url.Values{"until": {"soon"}}}.page())
	if !strings.Contains(rec.Body.String(), `id="pause-job-until-error"`) || !strings.Contains(rec.Body.String(), `value="soon"`) {
		t.Error("what is wrong is not beside the field")
	}
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/jobs/one/pause", as: scheduler.Operator, form: url.Values{"until": {"2097-01-01 10:00"}}}.page())
	w.expect(http.StatusNotFound, ask{method: "POST", path: "/jobs/nobody/pause", as: scheduler.Operator, body: `{"until":"1h"}`})
}

func TestDeleteWhatOthersDependOn(t *testing.T) {
	w := newWorld(t)
	w.job("parent")
	w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: `{"name":"child","config":{"command":"x"},"depends_on":[{"job":"parent"}]}`})
	for _, path := range []string{"/jobs/parent", "/jobs/parent?force=false", "/jobs/parent?force="} {
		p := w.problem(w.expect(http.StatusConflict, ask{method: "DELETE", path: path, as: scheduler.Editor}))
		if !strings.Contains(p.Detail, "child") {
			t.Errorf("%s: %s", path, p.Detail)
		}
	}
	w.problem(w.expect(http.StatusBadRequest, ask{method: "DELETE", path: "/jobs/parent?force=yes", as: scheduler.Editor}))
	page := w.expect(http.StatusOK, ask{path: "/jobs/parent", as: scheduler.Editor}.page()).Body.String()
	if !strings.Contains(page, `name="force"`) || !strings.Contains(page, `href="/jobs/child"`) {
		t.Error("the dialog does not name the dependents")
	}
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/jobs/parent/delete", as: scheduler.Editor, form: url.Values{"force": {"true"}}}.page())
	j := decode[jobOut](t, w.expect(http.StatusOK, ask{path: "/jobs/child", as: scheduler.Viewer}))
	if len(j.DependsOn) != 0 {
		t.Errorf("it still depends on %v", j.DependsOn)
	}
}

// TestWhyItWaits: what is queued says why it waits now, in JSON and on pages.
func TestWhyItWaits(t *testing.T) {
	w := newWorld(t)
	w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: `{"name":"gpu","config":{"command":"x"},"tags":["gpu"],"priority":5}`})
	id := w.run("gpu")
	e := decode[map[string]any](t, w.expect(http.StatusOK, ask{path: "/executions/" + id, as: scheduler.Viewer}))
	const why = "no worker with tags gpu is online"
	if e["reason"] != why || e["wait"] != "" || e["priority"] != 5.0 || e["progress"] != nil || e["run_at"] == nil || len(e["tags"].([]any)) != 1 {
		t.Errorf("%v", e)
	}
	w.clock.pass(12 * time.Second)
	for _, path := range []string{"/", "/executions", "/jobs/gpu", "/executions/" + id} {
		if body := w.expect(http.StatusOK, ask{path: path, as: scheduler.Viewer}.page()).Body.String(); !strings.Contains(body, why) || !strings.Contains(body, ">12 s</span>") {
			t.Errorf("%s does not say why it waits", path)
		}
	}
}

func TestOfADependency(t *testing.T) {
	w := newWorld(t)
	w.job("parent one")
	w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: `{"name":"child","config":{"command":"x"},"depends_on":[{"job":"parent one","on":"any"}]}`})
	w.finished("parent one", "")
	list := decode[listOut[executionOut]](t, w.expect(http.StatusOK, ask{path: "/executions?trigger=dependency", as: scheduler.Viewer}))
	if len(list.Items) != 1 || list.Items[0].Job != "child" || *list.Items[0].Trigger.By != "parent one" {
		t.Fatalf("%+v", list)
	}
	for _, path := range []string{"/executions", "/executions/" + list.Items[0].ID, "/jobs/child"} {
		if body := w.expect(http.StatusOK, ask{path: path, as: scheduler.Viewer}.page()).Body.String(); !strings.Contains(body, `href="/jobs/parent%20one"`) {
			t.Errorf("%s has no link to the parent", path)
		}
	}
}
