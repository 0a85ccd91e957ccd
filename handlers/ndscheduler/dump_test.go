package ndscheduler

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// in makes a zone the server's for a test.
func in(t *testing.T, name string) {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	was := time.Local
	time.Local = zone
	t.Cleanup(func() { time.Local = was })
}

// TestImport takes over what a real server answered.
func TestImport(t *testing.T) {
	in(t, "UTC")
	w := newWorld(t)
	f := Format(w.service)
	var raw []byte
	for _, e := range recorded(t, "nextdoor") {
		if e.file == "117-jobs-list-end" {
			raw = []byte(e.answer)
		}
	}
	read := func() []scheduler.Imported {
		t.Helper()
		list, err := f.Read(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	by := scheduler.Principal{Name: "ann", Role: scheduler.Editor}
	steps, err := w.service.Import(t.Context(), by, read(), scheduler.OriginAPI, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if s.Action != scheduler.ImportCreate || len(s.Notes) > 0 {
			t.Errorf("%s: %s %v %s", s.Draft.Name, s.Action, s.Notes, s.Problem())
		}
	}
	want := parse(t, string(raw)).(*object).get("jobs").([]any)
	list := parse(t, w.send("GET", "/api/v1/jobs", "").Body.String()).(*object).get("jobs").([]any)
	if len(list) != len(want) {
		t.Fatalf("%d jobs, want %d", len(list), len(want))
	}
	byName := map[any]*object{}
	for _, v := range list {
		o := v.(*object)
		byName[o.get("name")] = o
	}
	for _, v := range want {
		o := v.(*object)
		got := byName[o.get("name")]
		if got == nil {
			t.Errorf("%s is missing", o.get("name"))
			continue
		}
		got.set("job_id", o.get("job_id"))
		if d := cmp.Diff(o, got); d != "" {
			t.Errorf("%s: %s", o.get("name"), d)
		}
	}
	steps, err = w.service.Import(t.Context(), by, read(), scheduler.OriginAPI, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if s.Action != scheduler.ImportKeep {
			t.Errorf("again %s: %s", s.Draft.Name, s.Action)
		}
	}
}

func TestImportNotes(t *testing.T) {
	in(t, "Europe/Berlin")
	w := newWorld(t)
	list, err := Format(w.service).Read(t.Context(), []byte(`[
		{"job_id": "b", "name": "same", "job_class_string": "simple_scheduler.jobs.shell_job.ShellJob", "pub_args": ["true"], "minute": "5", "next_run_time": "2026-11-20T22:05:00+01:00"},
		{"job_id": "a", "name": "same", "job_class_string": "no.Such", "pub_args": [], "minute": "5", "next_run_time": ""},
		{"job_id": "c", "name": "same 2", "job_class_string": "no.Such", "minute": "5"},
		{"job_id": "d", "name": "utc", "job_class_string": "no.Such", "hour": "5", "next_run_time": "2026-11-21T05:00:00+00:00"},
		{"job_id": "e", "name": "far", "job_class_string": "no.Such", "hour": "5", "next_run_time": "2026-11-21T05:00:00-05:00"},
		{"job_id": "f", "name": "never", "job_class_string": "no.Such", "month": "2", "day": "30", "next_run_time": ""},
		{"job_id": "g", "name": "none", "job_class_string": "no.Such"},
		{"job_id": "h", "name": "classless", "minute": "1"},
		{"job_id": "i", "name": "week", "job_class_string": "no.Such", "minute": "1", "week": "3"},
		{"job_id": "j", "name": "wrong", "job_class_string": "no.Such", "minute": "99"}
	]`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		name, display, zone string
		enabled             bool
		words               string // of the notes, or the error
	}{
		{"same", "", "", false, "no job class no.Such here, so each run will fail until there is; known are simple_scheduler"},
		{"same 3", "same", "", true, ""},
		{"same 2", "", "", true, "no job class"},
		{"utc", "", "UTC", true, "Its times are UTC there"},
		{"far", "", "", true, "set the job's time zone"},
		{"never", "", "", true, "Its schedule never comes."},
		{"none", "", "", true, "it has no schedule"},
		{"classless", "", "", true, "it has no job_class_string"},
		{"week", "", "", true, "week 3 of the year"},
		{"wrong", "", "", true, "99"},
	} {
		got := list[i]
		zone := ""
		if len(got.Draft.Schedules) > 0 {
			zone = got.Draft.Schedules[0].Zone
		}
		words := strings.Join(got.Notes, " ")
		if got.Err != nil {
			words = got.Err.Error()
		}
		if got.Draft.Name != want.name || got.Draft.DisplayName != want.display || zone != want.zone || got.Draft.Enabled != want.enabled ||
			!strings.Contains(words, want.words) || (words == "") != (want.words == "") {
			t.Errorf("%d is %q %q %q %t %q, want %+v", i, got.Draft.Name, got.Draft.DisplayName, zone, got.Draft.Enabled, words, want)
		}
	}
	for _, wrong := range []string{"", "x", "{}", `{"jobs": 5}`, `[] x`} {
		if _, err := Format(w.service).Read(t.Context(), []byte(wrong)); scheduler.CodeOf(err) != scheduler.CodeInvalid || strings.Contains(err.Error(), "Go") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	for server, want := range map[string]string{
		"http://x:8888": "http://x:8888/api/v1/jobs", "http://x/": "http://x/api/v1/jobs", "http://x/api/v1": "http://x/api/v1/jobs", "http://x/api/v1/jobs": "http://x/api/v1/jobs",
	} {
		if got := Format(nil).List(server); got != want {
			t.Errorf("%s is asked at %s", server, got)
		}
	}
}

// TestImportRefusesOneAlone: what cannot be read of a list leaves the others alone,
// and is said without the names of Go's types.
func TestImportRefusesOneAlone(t *testing.T) {
	w := newWorld(t)
	list, err := Format(w.service).Read(t.Context(), []byte(`{"jobs": [
		{"job_id": "a", "name": "good", "job_class_string": "simple_scheduler.jobs.shell_job.ShellJob", "pub_args": ["true"], "minute": "5"},
		{"job_id": "b", "name": "args", "job_class_string": "x.Y", "pub_args": "x", "minute": "5"},
		{"job_id": "c", "name": "minute", "job_class_string": "x.Y", "minute": 5},
		{"job_id": "d", "name": 5}, 5]}`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, one := range list {
		got[one.Draft.Name] = ""
		if one.Err != nil {
			got[one.Draft.Name] = one.Err.Error()
		}
	}
	if d := cmp.Diff(map[string]string{
		"good": "", "args": "pub_args must be a list, not string", "minute": "minute must be a text in quotes, not number",
		"entry 4": "name must be a text in quotes, not number", "entry 5": "it must be an object, not number",
	}, got); d != "" {
		t.Error(d)
	}
}
