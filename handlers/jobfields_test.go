package handlers

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
	"belfry/views"
)

// wholeJob has a value that is not the default in every field.
const wholeJob = `{"name":"whole","display_name":"Whole","notes":"\na\r\nb","enabled":false,
	"schedules":[{"text":"0 5 * * *","zone":"Europe/Berlin"},{"text":"@hourly","zone":""},{"text":"TZ=UTC 1 1 * * *","zone":"Asia/Tokyo"}],
	"config":{"command":"x"},"concurrency":"queue","max_queued":7,"max_running":2,"priority":-3,"retries":4,
	"retry":{"delay":"5s","factor":1.5,"max_delay":"2m","exit_codes":[75,1]},"timeout":"30s","grace":"3s",
	"depends_on":[{"job":"one","on":"failure"},{"job":"made"}],"catch_up":"all","catch_up_window":"1h","jitter":"90s",
	"starts_at":"2026-01-02T03:04:05.123456Z","ends_at":"2099-01-02T03:04:05+02:00","paused_until":"2098-01-01T00:00:00Z",
	"tags":["linux","gpu"],"copies":3,"metadata":{"team":"web","multi":"a\nb"},"output_limit":{"head":1024,"tail":5},
	"progress":"(\\d+)%","retention":{"max_age":"7d","max_count":9,"max_bytes":1048576},
	"notify":[{"kind":"mail","on":"failure","config":{"password":"s3cret","to":"ops@example.com"}},{"kind":"mail"}]}`

func (w *world) whole() map[string]any {
	w.t.Helper()
	w.job("one")
	w.job("made")
	rec := w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: wholeJob})
	return decode[map[string]any](w.t, rec)
}

func TestEveryFieldOfJSON(t *testing.T) {
	w := newWorld(t)
	got := w.whole()
	for field, want := range map[string]string{
		"concurrency": `"queue"`, "max_queued": `7`, "max_running": `2`, "priority": `-3`, "retries": `4`,
		"retry":   `{"delay":"5s","exit_codes":[1,75],"factor":1.5,"max_delay":"2m0s"}`,
		"timeout": `"30s"`, "grace": `"3s"`, "once": `false`, "catch_up": `"all"`, "catch_up_window": `"1h0m0s"`, "jitter": `"1m30s"`,
		"depends_on": `[{"job":"one","on":"failure"},{"job":"made","on":"success"}]`,
		"starts_at":  `"2026-01-02T03:04:05.123456Z"`, "ends_at": `"2099-01-02T01:04:05.000000Z"`, "paused_until": `"2098-01-01T00:00:00.000000Z"`,
		"tags": `["gpu","linux"]`, "copies": `3`, "metadata": `{"multi":"a\nb","team":"web"}`, "output_limit": `{"head":1024,"tail":5}`,
		"progress": `"(\\d+)%"`, "retention": `{"max_age":"168h0m0s","max_bytes":1048576,"max_count":9}`,
		"notify":   `[{"config":{"password":"******","to":"ops@example.com"},"kind":"mail","on":"failure"},{"config":{},"kind":"mail","on":""}]`,
		"schedule": `"0 5 * * *"`, "timezone": `"Europe/Berlin"`,
	} {
		if b, err := json.Marshal(got[field]); err != nil || string(b) != want {
			t.Errorf("%s: %s, expected %s", field, b, want)
		}
	}
	read := decode[map[string]any](t, w.expect(http.StatusOK, ask{path: "/jobs/one", as: scheduler.Viewer}))
	if d := cmp.Diff([]any{"whole"}, read["dependents"]); d != "" {
		t.Error(d)
	}
	for field, want := range map[string]string{
		"max_queued": "100", "max_running": "0", "priority": "0", "depends_on": "[]", "once": "false", "catch_up": `"skip"`, "tags": "[]",
		"catch_up_window": `"24h0m0s"`, "starts_at": "null", "paused_until": "null", "copies": "1", "metadata": "{}", "progress": `""`,
		"retention": `{"max_age":"0s","max_bytes":0,"max_count":0}`, "output_limit": `{"head":10485760,"tail":94371840}`,
	} {
		if b, err := json.Marshal(read[field]); err != nil || string(b) != want {
			t.Errorf("the default of %s: %s, expected %s", field, b, want)
		}
	}
}

// TestWhatIsReadMayBeSentBack: nothing changes but the version.
func TestWhatIsReadMayBeSentBack(t *testing.T) {
	w := newWorld(t)
	w.whole()
	for _, name := range []string{"whole", "one"} {
		before := decode[map[string]any](t, w.expect(http.StatusOK, ask{path: "/jobs/" + name, as: scheduler.Viewer}))
		body, err := json.Marshal(before)
		w.must(err)
		w.expect(http.StatusOK, ask{method: "PUT", path: "/jobs/" + name, as: scheduler.Editor, body: string(body)})
		after := decode[map[string]any](t, w.expect(http.StatusOK, ask{path: "/jobs/" + name, as: scheduler.Viewer}))
		for _, m := range []map[string]any{before, after} {
			delete(m, "version")
			delete(m, "updated_at")
		}
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestTagsAsAnObject(t *testing.T) {
	w := newWorld(t)
	rec := w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: `{"name":"a","config":{"command":"x"},"tags":{"zone":"eu","gpu":""}}`})
	if d := cmp.Diff([]any{"gpu", "zone=eu"}, decode[map[string]any](t, rec)["tags"]); d != "" {
		t.Error(d)
	}
}

// TestWrongFields: each wrong value is said beside its field, in JSON and in the
// form.
func TestWrongFields(t *testing.T) {
	w := newWorld(t)
	w.job("parent")
	for _, c := range []struct{ field, json, form string }{
		{"concurrency", `"maybe"`, "maybe"},
		{"max_queued", `-1`, "-1"},
		{"max_queued", `99999999999`, "many"},
		{"max_running", `-1`, "-1"},
		{"priority", `1000001`, "1000001"},
		{"copies", `-1`, "1.5"},
		{"retry.exit_codes", "", "1, x"},
		{"depends_on", `[{"job":"nobody"}]`, "nobody success"},
		{"depends_on", `[{"job":"parent"},{"job":"parent"}]`, "parent\nparent any"},
		{"depends_on", `[{"job":"parent","on":"never"}]`, "parent never"},
		{"depends_on", `[{"job":"x"}]`, "x"},
		{"catch_up", `"some"`, "some"},
		{"catch_up_window", `"soon"`, "soon"},
		{"jitter", `"25h"`, "25h"},
		{"starts_at", `"tomorrow"`, "tomorrow"},
		{"ends_at", `"2026-13-01T00:00:00Z"`, "2026-13-01T00:00"},
		{"paused_until", `"1"`, "1"},
		{"tags", `["a b"]`, ""},
		{"metadata", `{"":"x"}`, "no value"},
		{"metadata", `{"k":"\u0000"}`, "{nonsense"},
		{"progress", `"("`, "("},
		{"progress", `"%"`, "%"},
		{"retention.max_age", `{"max_age":"long"}`, "999999999d"},
		{"retention.max_count", `{"max_count":-1}`, "-1"},
		{"retention.max_bytes", `{"max_bytes":-1}`, "much"},
		{"output_limit", `{"head":-1}`, ""},
		{"output_limit.head", "", "10 apples"},
	} {
		name, _, nested := strings.Cut(c.field, ".")
		if c.json != "" {
			body := fmt.Sprintf(`{"name":"x","config":{"command":"x"},%q:%s}`, name, c.json)
			p := w.problem(w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: body}))
			if len(p.Errors) == 0 || p.Errors[0].Field != c.field {
				t.Errorf("%s (%t): %+v", body, nested, p.Errors)
			}
		}
		if c.form != "" {
			form := url.Values{"name": {"x"}, "config.command": {"x"}, c.field: {c.form}}
			rec := w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs", as: scheduler.Editor, form: form}.page())
			id := `id="f-` + strings.ReplaceAll(c.field, ".", "-") + `-error"`
			if !strings.Contains(rec.Body.String(), id) {
				t.Errorf("%s=%q: nothing is said beside it", c.field, c.form)
			}
		}
	}
	for body, field := range map[string]string{
		`{"tags":7}`: "tags", `{"tags":[7]}`: "tags", `{"metadata":[]}`: "metadata", `{"depends_on":{}}`: "depends_on", `{"starts_at":7}`: "starts_at",
		`{"retry":{"exit_codes":["1"]}}`: "retry.exit_codes", `{"retention":{"age":"1h"}}`: "retention.age", `{"depends_on":[{"name":"x"}]}`: "depends_on.name",
	} {
		p := w.problem(w.expect(http.StatusBadRequest, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: body}))
		if len(p.Errors) != 1 || !strings.HasPrefix(p.Errors[0].Field, field) {
			t.Errorf("%s: %+v", body, p)
		}
	}
}

// controls are the form's fields as a browser would send them untouched.
func controls(page string) url.Values {
	form := url.Values{}
	inForm := page[strings.Index(page, "data-leave"):]
	for _, m := range regexp.MustCompile(`(?s)<(input|textarea|select)\b([^>]*)>(.*?)(?:</|<input|<label|<p|<datalist|$)`).FindAllStringSubmatch(inForm, -1) {
		attrs := map[string]string{}
		for _, a := range regexp.MustCompile(`([a-z-]+)(?:="([^"]*)")?`).FindAllStringSubmatch(m[2], -1) {
			attrs[a[1]] = unescape(a[2])
		}
		name := attrs["name"]
		_, checked := attrs["checked"]
		switch {
		case name == "" || (attrs["type"] == "checkbox" || attrs["type"] == "radio") && !checked:
		case m[1] == "textarea":
			text := strings.ReplaceAll(unescape(m[3]), "\r\n", "\n")
			form.Set(name, strings.ReplaceAll(strings.TrimPrefix(text, "\n"), "\n", "\r\n"))
		case m[1] == "select":
			continue
		default:
			form.Add(name, attrs["value"])
		}
	}
	for _, m := range regexp.MustCompile(`(?s)<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>`).FindAllStringSubmatch(inForm, -1) {
		all := regexp.MustCompile(`<option value="([^"]*)"( selected)?`).FindAllStringSubmatch(m[2], -1)
		form.Set(m[1], all[0][1])
		for _, o := range all {
			if o[2] != "" {
				form.Set(m[1], o[1])
			}
		}
	}
	return form
}

func unescape(s string) string {
	return strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}

// TestAnEditChangesOneField: what the page shows and nobody touched stays as it
// is, to the microsecond, the grammar and the line break.
func TestAnEditChangesOneField(t *testing.T) {
	w := newWorld(t)
	w.whole()
	before, err := w.store.JobByName(t.Context(), "whole")
	w.must(err)
	form := controls(w.expect(http.StatusOK, ask{path: "/jobs/whole/edit", as: scheduler.Editor}.page()).Body.String())
	for _, f := range formFields {
		if !form.Has(f.name) {
			t.Errorf("the page has no field %s", f.name)
		}
	}
	form.Set("display_name", "only this")
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/jobs/whole", as: scheduler.Editor, form: form}.page())
	after, err := w.store.JobByName(t.Context(), "whole")
	w.must(err)
	before.DisplayName = "only this"
	if d := cmp.Diff(before.Draft, after.Draft); d != "" {
		t.Error(d)
	}

	// Every field is read when it is changed.
	changed := url.Values{}
	maps.Copy(changed, form)
	for field, value := range map[string]string{
		"max_queued": "8", "max_running": "3", "priority": "4", "copies": "2", "jitter": "1s", "catch_up": "latest", "catch_up_window": "2h",
		"retry.exit_codes": "2 3,4", "depends_on": "made any\r\n\r\none\r\n", "starts_at": "2027-01-01T00:00", "ends_at": "", "paused_until": "2097-01-01T00:00:00",
		"tags": "a b,c", "metadata": "k=v=w\r\nteam=", "output_limit.head": "2 KiB", "output_limit.tail": "3M", "progress": `(\d)`,
		"retention.max_age": "30d", "retention.max_count": "", "retention.max_bytes": "1 GiB", "concurrency": "replace", "version": "2",
		"schedule": "TZ=Europe/Berlin 0 6 * * *\r\n@hourly",
	} {
		changed.Set(field, value)
	}
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/jobs/whole", as: scheduler.Editor, form: changed}.page())
	got, err := w.store.JobByName(t.Context(), "whole")
	w.must(err)
	want := after.Draft
	want.MaxQueued, want.MaxRunning, want.Priority, want.Copies, want.Jitter = 8, 3, 4, 2, time.Second
	want.CatchUp, want.CatchUpWindow, want.Retry.ExitCodes = scheduler.CatchUpLatest, 2*time.Hour, []int{2, 3, 4}
	want.DependsOn = []scheduler.Dependency{{JobID: jobID(w, "made"), Job: "made", On: scheduler.OnAny}, {JobID: jobID(w, "one"), Job: "one", On: scheduler.OnSuccess}}
	want.StartsAt, want.EndsAt, want.PausedUntil = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}, time.Date(2097, 1, 1, 0, 0, 0, 0, time.UTC)
	want.Tags, want.Metadata = []string{"a", "b", "c"}, map[string]string{"k": "v=w", "team": ""}
	want.OutputLimit, want.Progress = scheduler.OutputLimit{Head: 2048, Tail: 3 << 20}, `(\d)`
	want.Retention = scheduler.Retention{MaxAge: 30 * 24 * time.Hour, MaxBytes: 1 << 30}
	want.Concurrency = scheduler.Replace
	want.Schedules = []scheduler.Schedule{{Text: "0 6 * * *", Zone: "Europe/Berlin", Grammar: got.Schedules[0].Grammar}, after.Schedules[1]}
	if d := cmp.Diff(want, got.Draft); d != "" {
		t.Error(d)
	}
}

func jobID(w *world, name string) string {
	w.t.Helper()
	j, err := w.store.JobByName(w.t.Context(), name)
	w.must(err)
	return j.ID
}

func TestOnceByTheForm(t *testing.T) {
	w := newWorld(t)
	post := func(path string, form url.Values) {
		w.t.Helper()
		w.expect(http.StatusSeeOther, ask{method: "POST", path: path, as: scheduler.Editor, form: form}.page())
	}
	form := url.Values{"name": {"x"}, "config.command": {"x"}, "once": {"false", "true"}}
	post("/jobs", form)
	if j, err := w.store.JobByName(t.Context(), "x"); err != nil || !j.Once {
		t.Errorf("%t %v", j.Once, err)
	}
	post("/jobs/x", url.Values{"notes": {"n"}})
	if j, err := w.store.JobByName(t.Context(), "x"); err != nil || !j.Once || j.Notes != "n" || j.Executor != "shell" {
		t.Errorf("what was not sent is lost: %+v %v", j, err)
	}
	post("/jobs/x", url.Values{"once": {"false"}})
	if j, err := w.store.JobByName(t.Context(), "x"); err != nil || j.Once {
		t.Errorf("%t %v", j.Once, err)
	}
}

// TestFormSchedules: lines and the schedules that are stored.
func TestFormSchedules(t *testing.T) {
	berlin, tokyo := "Europe/Berlin", "Asia/Tokyo"
	stored := []scheduler.Schedule{{Text: "1 * * * *", Zone: berlin, Grammar: "other"}, {Text: "2  * * * *", Zone: tokyo, Grammar: "cron"}, {Text: "TZ=UTC 3 * * * *", Zone: berlin}}
	values := views.FormValues(scheduler.Draft{Schedules: stored})
	if got, want := values["schedule"], "1 * * * *\nTZ=Asia/Tokyo 2 * * * *\nTZ=UTC 3 * * * *"; got != want || values["timezone"] != berlin {
		t.Fatalf("%q in %q", got, values["timezone"])
	}
	first, second, third := stored[0], stored[1], stored[2]
	for name, c := range map[string]struct {
		text, zone string
		want       []scheduler.Schedule
	}{
		"untouched":         {values["schedule"], berlin, stored},
		"another zone":      {values["schedule"], "UTC", []scheduler.Schedule{{Text: first.Text, Zone: "UTC", Grammar: "other"}, second, {Text: "3 * * * *", Zone: "UTC"}}},
		"one removed":       {"TZ=Asia/Tokyo 2 * * * *\nTZ=UTC 3 * * * *", berlin, []scheduler.Schedule{second, third}},
		"moved":             {"TZ=Asia/Tokyo 2 * * * *\n1 * * * *", berlin, []scheduler.Schedule{second, first}},
		"one changed":       {"9 * * * *\nTZ=Asia/Tokyo 2 * * * *\nTZ=UTC 3 * * * *", berlin, []scheduler.Schedule{{Text: "9 * * * *", Zone: berlin, Grammar: "other"}, second, third}},
		"a line of its own": {"TZ=America/New_York 4 * * * *", berlin, []scheduler.Schedule{{Text: "4 * * * *", Zone: "America/New_York"}}},
		"none":              {" \n", berlin, nil},
	} {
		r := &jobRequest{}
		r.fromForm(url.Values{"schedule": {c.text}, "timezone": {c.zone}}, &scheduler.Job{Draft: scheduler.Draft{Schedules: stored}}, false)
		if d := cmp.Diff(c.want, r.draft.Schedules); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if zone := views.FormZone([]scheduler.Schedule{{Zone: berlin}, {}}); zone != "" {
		t.Errorf("the server's zone would be lost to %q", zone)
	}
}

// TestFormReadsWhatItShows: the form has a field for everything of a draft.
func TestFormReadsWhatItShows(t *testing.T) {
	known := []string{
		"Enabled", "Schedules", "Executor", "Config", "Once", "RunOnStart", "Ephemeral", "Notify", // read in their own ways
		"Extra", // nobody's: other APIs keep there what they were sent
	}
	d := reflect.TypeFor[scheduler.Draft]()
	for i := range d.NumField() {
		name := strings.ToLower(d.Field(i).Name)
		found := slices.ContainsFunc(formFields, func(f formField) bool {
			first, _, _ := strings.Cut(f.name, ".")
			return strings.ReplaceAll(first, "_", "") == name
		})
		if !found && !slices.Contains(known, d.Field(i).Name) {
			t.Errorf("no field for %s", d.Field(i).Name)
		}
	}
}

func TestJobsByTagAndMetadata(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{
		`{"name":"a","config":{"command":"x"},"tags":["gpu"],"metadata":{"team":"web","k.l":"1"}}`,
		`{"name":"b","config":{"command":"x"},"tags":["gpu","linux"],"metadata":{"team":"ops"}}`,
		`{"name":"c","config":{"command":"x"}}`,
	} {
		w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: body})
	}
	for query, want := range map[string]string{
		"tag=gpu": "a b", "tag=linux": "b", "tag=none": "", "metadata.team=web": "a", "metadata.team=web&metadata.k.l=1": "a",
		"metadata.team=web&metadata.k.l=2": "", "tag=gpu&metadata.team=ops": "b", "tag=&metadata.team=": "a b c",
	} {
		got := decode[listOut[jobOutForTest]](t, w.expect(http.StatusOK, ask{path: "/jobs?" + query, as: scheduler.Viewer}))
		var names []string
		for _, j := range got.Items {
			names = append(names, j.Name)
		}
		if said := strings.Join(names, " "); said != want {
			t.Errorf("?%s: %s, expected %s", query, said, want)
		}
	}
	page := w.expect(http.StatusOK, ask{path: "/jobs?tag=gpu&metadata.team=web", as: scheduler.Viewer}.page()).Body.String()
	for _, part := range []string{`value="gpu"`, `name="metadata.team" value="web"`, `href="/jobs?tag=gpu"`, "team=web"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	w.problem(w.expect(http.StatusBadRequest, ask{path: "/jobs?metadata.%00=x", as: scheduler.Viewer}))
}
