package handlers

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// applied sends YAML and returns what became of it.
func (w *world) applied(query, text string) importOut {
	w.t.Helper()
	return decode[importOut](w.t, w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/import?format=belfry" + query, body: text, as: scheduler.Editor}.with("Content-Type", "application/yaml")))
}

func (w *world) exported(query string) string {
	w.t.Helper()
	rec := w.expect(http.StatusOK, ask{path: "/jobs/export" + query, as: scheduler.Viewer})
	if kind := rec.Header().Get("Content-Type"); kind != "application/yaml" {
		w.t.Errorf("it is %s", kind)
	}
	return rec.Body.String()
}

// TestExportIsTakenBack: what is exported changes nothing where it came from, and
// makes the same jobs elsewhere, whatever their texts are.
func TestExportIsTakenBack(t *testing.T) {
	w := newWorld(t)
	create := func(job map[string]any) {
		t.Helper()
		body, err := json.Marshal(job)
		w.must(err)
		w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", body: string(body), as: scheduler.Editor})
	}
	w.whole()
	create(map[string]any{"name": "plain", "schedule": "@daily", "config": map[string]any{"command": "true"}})
	for i, text := range []string{
		"a\nb\n", "a\n\n  b\n\n\n", " leading\n  more", "trailing \n\t", "\n", "\r\na\rb", "# no comment", "- x: y\n-", "yes", "null", "~", "1e3", "0x1f", "2026-01-01",
		"'", `"`, "\\n", "a: b", "a #b", "%TAG", "@x", "`", "<script>", "\u202eevil", "😀\u200b", "\u2028", "!!binary x", "*a", "&a", strings.Repeat("long words ", 180),
	} {
		create(map[string]any{
			"name": "text-" + string(rune('a'+i%26)) + strings.Repeat("x", i/26), "notes": text, "metadata": map[string]string{"k": strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(text)},
			"config": map[string]any{"argv": []string{"echo", text}, "env": map[string]string{"A": text}},
		})
	}
	text := w.exported("")
	before := w.audit()
	if again := w.applied("", text); again.Created+again.Changed+again.Refused != 0 || w.audit() != before {
		t.Fatalf("the same changes something: %v %+v\n%s", again, again.Items[len(again.Items)-1].Changes, text)
	}
	other := newWorld(t)
	text = strings.ReplaceAll(text, "******", "s3cret") // secrets are not exported
	if made := other.applied("", text); made.Refused != 0 || made.Changed != 0 {
		t.Fatalf("%+v", made)
	}
	if d := cmp.Diff(strings.ReplaceAll(text, "s3cret", "******"), other.exported("")); d != "" {
		t.Error(d)
	}
	if one := w.exported("?q=plain"); one != "jobs:\n  - name: plain\n    schedule: '@daily'\n    executor: shell\n    config:\n      command: \"true\"\n" {
		t.Errorf("%s", one)
	}
}

func TestApplyByHand(t *testing.T) {
	w := newWorld(t)
	text := func(s string) *string { return &s }
	got := w.applied("&preview=true", "# ours\njobs:\n- {name: a, schedule: 0 3 * * *, config: {command: echo hi}, retries: 2}\n---\njobs:\n- name: b\n  config: &c {command: x}\n- name: c\n  config: *c\n")
	if got.Created != 3 || got.Refused != 0 {
		t.Fatalf("%+v", got)
	}
	want := []differenceOut{
		{"config.command", nil, text("echo hi")},
		{"executor", nil, text("shell")},
		{"retries", nil, text("2")},
		{"schedules", nil, text(`[{"text":"0 3 * * *"}]`)},
	}
	if d := cmp.Diff(want, got.Items[0].Changes); d != "" {
		t.Error(d)
	}
	w.expect(http.StatusNotFound, ask{path: "/jobs/a", as: scheduler.Viewer})
	w.applied("", "jobs: [{name: a, config: {command: x}}]")
	got = w.applied("&preview=true", "jobs: [{name: a, config: {command: y}}]")
	if d := cmp.Diff([]differenceOut{{"config.command", text("x"), text("y")}}, got.Items[0].Changes); d != "" || got.Changed != 1 {
		t.Errorf("%+v %s", got, d)
	}
}

// TestWrongYAML: what is wrong is said with its line or its job, and the other jobs
// are taken.
func TestWrongYAML(t *testing.T) {
	w := newWorld(t)
	for body, words := range map[string]string{
		"jobs:\n- name: [": "line 2",
		"[1]":              "line 1: there must be a key",
		"x: 1":             `line 1: the key "x" is not known`,
		"jobs: 3":          "must be a list of jobs",
		"":                 "is required",
		"# nothing\n":      "has no jobs",
		"jobs: []":         "has no jobs",
		"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\njobs: []": `the key "a"`,
	} {
		rec := w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs/import?format=belfry", body: body, as: scheduler.Editor})
		if p := w.problem(rec); len(p.Errors) != 1 || p.Errors[0].Field != "file" || !strings.Contains(p.Errors[0].Message, words) {
			t.Errorf("%q: %+v", body, p)
		}
	}
	for body, words := range map[string]string{
		"name: a, schedul: x":                              "schedul",
		"schedule: x":                                      "name is required",
		"name: a, retries: many":                           "retries",
		"name: a, timeout: soon, config: {command: x}":     "timeout",
		"name: a, schedule: at noon, config: {command: x}": "schedule",
		"name: a, config: {1: x}":                          "key",
	} {
		got := w.applied("", "jobs:\n- {"+body+"}\n- {name: good, config: {command: x}}")
		if got.Refused != 1 || got.Items[0].Error == nil || !strings.Contains(*got.Items[0].Error, words) || got.Items[1].Action == scheduler.ImportRefuse {
			t.Errorf("%q: %+v", body, got)
			for _, i := range got.Items {
				if i.Error != nil {
					t.Log(*i.Error)
				}
			}
		}
	}
}

func (i importItem) String() string {
	if i.Error == nil {
		return i.Name
	}
	return i.Name + ": " + *i.Error
}

// TestYAMLIsJSON: what YAML has and JSON has not is a text or refused; nothing becomes
// something else.
func TestYAMLIsJSON(t *testing.T) {
	w := newWorld(t)
	got := w.applied("", "jobs:\n- {name: 2026-01-01, notes: 2026-01-01, metadata: {since: 2026-11-21 10:00:00}, config: {command: x, env: {D: 2026-01-01}}}\n"+
		"- &base {name: base, notes: &n said, config: {command: x}}\n- {<<: *base, name: merged}\n- {name: *n, config: {command: x}}\n- {name: twelve, config: {command: x}, retries: 0x0C, priority: +1_2}\n")
	if got.Created != 5 {
		t.Fatalf("%+v", got)
	}
	j := decode[jobOut](t, w.expect(http.StatusOK, ask{path: "/jobs/2026-01-01", as: scheduler.Viewer}))
	if j.Notes != "2026-01-01" || j.Metadata["since"] != "2026-11-21 10:00:00" || !strings.Contains(string(j.Config), `"D":"2026-01-01"`) {
		t.Errorf("%+v", j)
	}
	for name, ok := range map[string]func(jobOut) bool{
		"merged": func(j jobOut) bool { return j.Notes == "said" },
		"said":   func(j jobOut) bool { return j.Notes == "" },
		"twelve": func(j jobOut) bool { return j.Retries == 12 && j.Priority == 12 },
	} {
		if j := decode[jobOut](t, w.expect(http.StatusOK, ask{path: "/jobs/" + name, as: scheduler.Viewer})); !ok(j) {
			t.Errorf("%+v", j)
		}
	}
	for body, words := range map[string]string{
		"{name: a, notes: !!binary aGk=, config: {command: x}}":        "line 2: the tag !!binary is not taken",
		"{name: a, notes: !mine x, config: {command: x}}":              "line 2: the tag !mine is not taken",
		"{name: a, config: !mine {command: x}}":                        "line 2: the tag !mine is not taken",
		"{name: a, tags: !!set [x], config: {command: x}}":             "line 2: the tag !!set is not taken",
		"{name: a, config: {command: x}, retry: {factor: .inf}}":       "line 2: .inf is not a number",
		"{name: a, notes: 5, config: {command: x}}":                    "notes must be a text",
		"{name: a, name: b}":                                           "already defined",
		"&me {name: a, config: *me}":                                   "contains itself",
		"5":                                                            "line 2: a job must be an object",
		"{name: a, config: {command: x, env: {<<: {1: x}, y: \"1\"}}}": "has keys that are no texts",
	} {
		got := w.applied("&preview=true", "jobs:\n- "+body)
		if got.Refused != 1 || !strings.Contains(got.Items[0].String(), words) {
			t.Errorf("%q: %v", body, got.Items)
		}
	}
}

// TestYAMLNumbers: a number comes back with the digits it was sent with.
func TestYAMLNumbers(t *testing.T) {
	w := classWorld(t)
	const args = `[100000000000000000000,123456789012345678901234567890,-0,1.10,1e400,12345678901234567890,"100000000000000000000","1e400"]`
	w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", body: `{"name":"big","executor":"class","config":{"args":` + args + `,"class":"simple_scheduler.jobs.sample_job.AwesomeJob"}}`, as: scheduler.Editor})
	text := w.exported("")
	if again := w.applied("", text); again.Kept != 1 {
		t.Errorf("%+v %+v\n%s", again, again.Items[0].Changes, text)
	}
	other := classWorld(t)
	other.applied("", text)
	if j := decode[jobOut](t, other.expect(http.StatusOK, ask{path: "/jobs/big", as: scheduler.Viewer})); !strings.Contains(string(j.Config), args) {
		t.Errorf("%s\n%s", j.Config, text)
	}
}
