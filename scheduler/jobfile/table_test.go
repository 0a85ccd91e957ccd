package jobfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// sample is a field's value: as lines of an INI file, and in JSON. Neither is the
// default.
type sample struct {
	ini  []string
	json any
}

func one(s string) sample { return sample{[]string{s}, s} }

func oneAs(s string, v any) sample { return sample{[]string{s}, v} }

// samples has a value for every row of the table, by key, or by type and key.
var samples = map[string]sample{
	"schedule":             one("TZ=Europe/Berlin 0 30 4 ? * MON#1"),
	"run-on-startup":       oneAs("true", true),
	"history-limit":        oneAs("12", 12),
	"max-retries":          oneAs("3", 3),
	"retry-delay-ms":       oneAs("1500", 1500),
	"retry-exponential":    oneAs("false", false),
	"retry-max-delay-ms":   oneAs("5000", 5000),
	"depends-on":           {[]string{"first", "the second"}, []string{"first", "the second"}},
	"on-success":           {[]string{"good"}, []string{"good"}},
	"on-failure":           {[]string{"bad", "worse"}, []string{"bad", "worse"}},
	"no-overlap":           oneAs("yes", true),
	"max-runtime":          oneAs("1h30m", int64(90*time.Minute)),
	"save-folder":          one("/var/log/jobs"),
	"save-only-on-error":   oneAs("true", true),
	"slack-webhook":        one("https://hooks.slack.com/services/T0/B0/secret"),
	"slack-only-on-error":  oneAs("on", true),
	"smtp-host":            one("mail.example.org"),
	"smtp-port":            oneAs("587", 587),
	"smtp-user":            one("robot"),
	"smtp-password":        one("pass word"),
	"smtp-tls-skip-verify": oneAs("1", true),
	"email-to":             one("a@example.org, b@example.org"),
	"email-from":           one("belfry@example.org"),
	"email-subject":        one("Job failed"),
	"mail-only-on-error":   oneAs("true", true),

	"container":      one("db"),
	"image":          one("alpine:3.20"),
	"container-name": one("backup-run"),
	"command":        one(`sh -c "date; true # done"`),
	"entrypoint":     one("/bin/tini --"),
	"user":           one("1000:1000"),
	"tty":            oneAs("true", true),
	"delete":         oneAs("false", false),
	"pull":           one("never"),
	"network":        one("backend"),
	"hostname":       one("worker-1"),
	"working-dir":    one("/srv"),
	"dir":            one("/tmp/work"),
	"volume":         {[]string{"data:/data", "/srv:/srv:ro"}, []string{"data:/data", "/srv:/srv:ro"}},
	"volumes-from":   {[]string{"web"}, []string{"web"}},
	"environment":    {[]string{"B=x=y", "A="}, []string{"A=", "B=x=y"}},
	"env-file":       {[]string{"/etc/a.env", "/etc/b.env"}, []string{"/etc/a.env", "/etc/b.env"}},
	"annotations":    {[]string{"team=ops", "a.b/c=d"}, []string{"a.b/c=d", "team=ops"}},
	"stop-signal":    one("SIGINT"),
	"stop-timeout":   oneAs("25s", int64(25*time.Second)),
	"privileged":     oneAs("true", true),

	"url":             one("https://example.org/health"),
	"method":          one("POST"),
	"header":          {[]string{"x-b: 2", "Accept:text/plain"}, []string{"Accept: text/plain", "X-B: 2"}},
	"body":            one(`{"a": "b"}`),
	"timeout":         oneAs("5s", int64(5*time.Second)),
	"expect-code":     one("200-299,304"),
	"expect-body":     one("ok$"),
	"tls-skip-verify": oneAs("true", true),
}

// plain reads JSON into the types that json.Unmarshal gives, so that values can be
// compared whatever made them.
func plain(t *testing.T, v any) any {
	t.Helper()
	var out any
	if err := json.Unmarshal(encode(v), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func object1(t *testing.T, text string) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func noVariables(string) (string, bool) { return "", false }

func mustParse(t *testing.T, text string) *Set {
	t.Helper()
	set, err := Parse("jobs.ini", text, noVariables)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return set
}

// ini writes one job with the lines of one field.
func ini(typ Type, f *field[*draft], s sample) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s \"job\"]\n", typ.Section())
	if f.key != "schedule" {
		b.WriteString("schedule = @daily\n")
	}
	for _, v := range s.ini {
		fmt.Fprintf(&b, "%s = %s\n", f.key, v)
	}
	return b.String()
}

func eachField(t *testing.T, check func(t *testing.T, typ Type, f *field[*draft], s sample)) {
	for _, typ := range Types {
		rows := typ.fields()
		for i := range rows {
			t.Run(string(typ)+"/"+rows[i].key, func(t *testing.T) {
				s, ok := samples[rows[i].key]
				if !ok {
					t.Fatalf("the table has the key %s, but this test has no value for it", rows[i].key)
				}
				check(t, typ, &rows[i], s)
			})
		}
	}
}

// Every key of every type means the same in an INI file, in a label and in JSON,
// and JSON shows what was set.
func TestEveryFieldThereAndBack(t *testing.T) {
	eachField(t, func(t *testing.T, typ Type, f *field[*draft], s sample) {
		g := DefaultGlobal()
		g.AllowHostJobsFromLabels = true
		fromINI := mustParse(t, ini(typ, f, s)).Jobs[0].Draft

		secret := f.mask != nil && !cmp.Equal(f.mask(f.kind.toJSON(f.get(open(&fromINI)))), f.kind.toJSON(f.get(open(&fromINI))))
		if shown := JSON(fromINI)[f.jsonKey()]; !secret && !cmp.Equal(plain(t, shown), plain(t, s.json)) {
			t.Errorf("JSON shows %v, want %v", shown, s.json)
		}
		untouched := JSON(New(typ, &g))[f.jsonKey()]
		if cmp.Equal(plain(t, untouched), plain(t, s.json)) {
			t.Errorf("the value of the test, %v, is the default", s.json)
		}

		given := map[string]json.RawMessage{
			"name": encode("job"), "type": encode(string(typ)), "schedule": encode("@daily"), f.jsonKey(): encode(s.json),
		}
		fromJSON, err := Create(given, &g, nil)
		if err != nil {
			t.Fatal(err)
		}
		if f.key == "retry-delay-ms" {
			fromJSON.Retry.MaxDelay = fromINI.Retry.MaxDelay
		}
		if diff := cmp.Diff(fromINI, fromJSON); diff != "" {
			t.Errorf("INI (-) and JSON (+) differ:\n%s", diff)
		}

		c := Container{Name: "box", Labels: labels(typ, f, s)}
		jobs, problems := Labels([]Container{c}, &g)
		if len(problems) > 0 || len(jobs) != 1 {
			t.Fatal(problems.Error())
		}
		if typ == Exec && f.key != "container" {
			d := open(&jobs[0].Draft)
			d.configure("container", "")
			d.close()
		}
		if diff := cmp.Diff(fromINI, jobs[0].Draft); diff != "" {
			t.Errorf("INI (-) and label (+) differ:\n%s", diff)
		}
	})
}

func labels(typ Type, f *field[*draft], s sample) map[string]string {
	prefix := "ofelia." + typ.Section() + ".job."
	all := map[string]string{"ofelia.enabled": "true", prefix + "schedule": "@daily"}
	all[prefix+f.key] = s.ini[0]
	if f.kind == list {
		all[prefix+f.key] = string(encode(s.ini))
	}
	return all
}

// What GET shows can be sent back by PUT without changing anything, secrets
// included; and setting a value back to what it was leaves no trace in JSON.
func TestEveryFieldComesBack(t *testing.T) {
	eachField(t, func(t *testing.T, typ Type, f *field[*draft], s sample) {
		d := mustParse(t, ini(typ, f, s)).Jobs[0].Draft
		before := d
		shown := JSON(d)
		var back map[string]json.RawMessage
		if err := json.Unmarshal(encode(shown), &back); err != nil {
			t.Fatal(err)
		}
		if err := Merge(&d, back, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, d); diff != "" {
			t.Errorf("changed by its own JSON:\n%s", diff)
		}
		g := DefaultGlobal()
		untouched := JSON(New(typ, &g))
		if f.key == "schedule" || typ == Local && f.key == "command" {
			return // have no default to go back to
		}
		if err := Merge(&d, map[string]json.RawMessage{f.jsonKey(): encode(untouched[f.jsonKey()])}, nil); err != nil {
			t.Fatal(err)
		}
		want := JSON(d)
		if got := want[f.jsonKey()]; !cmp.Equal(got, untouched[f.jsonKey()]) {
			t.Errorf("is %v after it was set to the default %v", got, untouched[f.jsonKey()])
		}
	})
}

func TestEveryFieldRefusesTheWrongType(t *testing.T) {
	wrong := map[kind][]string{
		text: {"1", "true", "null", "[]", "{}"}, number: {`"1"`, "1.5", "true", "null", "1e99"},
		yesNo: {`"true"`, "1", "null"}, list: {`"a"`, "null", "[1]", `["a",null]`, "{}"},
		duration: {`"soon"`, "1.5", "true", "null", "-1", `"-1s"`, `"10"`}, millis: {`"1s"`, "1.5", "-1", "99999999999999999999", "9223372036854775807", "null"},
		codes: {"true", "null", "[]"}, pulling: {`"perhaps"`, "1", "null"},
	}
	eachField(t, func(t *testing.T, typ Type, f *field[*draft], s sample) {
		d := mustParse(t, ini(typ, f, s)).Jobs[0].Draft
		before := encode(JSON(d))
		for _, raw := range wrong[f.kind] {
			err := Merge(&d, map[string]json.RawMessage{f.jsonKey(): json.RawMessage(raw)}, nil)
			var e *scheduler.Error
			if !errors.As(err, &e) || e.Code != scheduler.CodeInvalid || len(e.Fields) != 1 || e.Fields[0].Field != f.jsonKey() {
				t.Errorf("%s: %v", raw, err)
			}
		}
		if after := encode(JSON(d)); string(before) != string(after) {
			t.Errorf("a refused merge changed the job:\n%s\n%s", before, after)
		}
	})
}

// No two fields of a type may have the same key in any spelling.
func TestKeysAreDifferent(t *testing.T) {
	check := func(where string, keys []string) {
		seen := map[string]bool{}
		for _, k := range keys {
			if seen[normal(k)] {
				t.Errorf("%s has %s twice", where, k)
			}
			seen[normal(k)] = true
			if _, foreign := otherwise[normal(k)]; foreign && k != "slackURL" {
				t.Errorf("%s has %s, which is said to be unsupported", where, k)
			}
		}
	}
	for _, typ := range Types {
		var inis, jsons []string
		for _, f := range typ.fields() {
			inis, jsons = append(append(inis, f.key), f.also...), append(jsons, f.jsonKey())
		}
		check(string(typ), inis)
		check(string(typ)+" in JSON", jsons)
	}
	var inis, jsons []string
	for _, f := range globalFields {
		inis, jsons = append(append(inis, f.key), f.also...), append(jsons, f.jsonKey())
	}
	check("global", slices.DeleteFunc(inis, func(k string) bool { return k == "slack-url" }))
	check("global in JSON", jsons)
}

func TestSamplesHaveAField(t *testing.T) {
	known := map[string]bool{}
	for _, f := range jobFields {
		known[f.key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(samples)) {
		if !known[key] {
			t.Errorf("a value for %s, which the table does not have", strconv.Quote(key))
		}
	}
}
