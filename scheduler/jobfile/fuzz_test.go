package jobfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rendered writes jobs and globals as an INI file that means the same.
func rendered(set *Set) string {
	var b strings.Builder
	b.WriteString("[global]\n")
	renderFields(&b, globalFields, &set.Global)
	b.WriteString("[cors]\n")
	renderFields(&b, corsFields, &set.CORS)
	for _, j := range set.Jobs {
		typ, _ := TypeOf(j.Executor)
		fmt.Fprintf(&b, "[%s %s]\n", typ.Section(), quoted(j.Name))
		var given []field[*draft]
		for _, f := range typ.fields() {
			if _, ok := j.where[f.key]; ok {
				given = append(given, f)
			}
		}
		renderFields(&b, given, open(&j.Draft))
	}
	return b.String()
}

func renderFields[T any](b *strings.Builder, rows []field[T], of T) {
	for i := range rows {
		f := &rows[i]
		if f.key == "log-level" && f.get(of) == "" {
			continue
		}
		for _, line := range iniTexts(f.kind, f.get(of)) {
			fmt.Fprintf(b, "%s = %s\n", f.key, quoted(line))
		}
	}
}

func iniTexts(k kind, v any) []string {
	switch v := v.(type) {
	case []string:
		return v
	case time.Duration:
		if k == millis {
			return []string{strconv.FormatInt(v.Milliseconds(), 10)}
		}
		return []string{v.String()}
	}
	return []string{fmt.Sprint(v)}
}

func quoted(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
	return `"` + strings.ReplaceAll(s, "${", "$${") + `"`
}

// unplaced is a set without the places where things stand.
func unplaced(set *Set) *Set {
	s := *set
	s.Files, s.Jobs, s.where = nil, nil, nil
	for _, j := range set.Jobs {
		s.Jobs = append(s.Jobs, Job{Draft: j.Draft})
	}
	return &s
}

func checkStable(t *testing.T, set *Set) {
	t.Helper()
	again, err := Parse("again.ini", rendered(set), env)
	if err != nil {
		t.Fatalf("what was accepted is refused when it is written again:\n%v\n%s", err, rendered(set))
	}
	if diff := cmp.Diff(unplaced(set), unplaced(again), cmp.AllowUnexported(Set{}, Job{})); diff != "" {
		t.Fatalf("means something else when it is written again:\n%s\n%s", diff, rendered(set))
	}
}

// FuzzParse: nothing makes the parser panic, problems name their place, and what
// is accepted can be written again, as INI and as JSON, with the same meaning.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.ini")
	if err != nil || len(files) == 0 {
		f.Fatal("no examples", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("[job-exec \"a\"]\nschedule=@daily\ncommand='x \\\n; y'\nenvironment=A=\"b\"\nretry-delay-ms=70000\nslack-only-on-error=no\n")
	f.Add("\ufeff[job-http `a`]\r\nschedule: TZ=UTC 0 0 * * MON#1\r\nheader=a:b\nurl=https://u:${NAME}@h/$${x}\nexpect-code = 1,, 2\n")
	f.Add("[global]\nmax-runtime=1h\ndocker-filters=\"a\"\n[docker]\nevents=0\n[cors]\nmax-age=5\n[job-run \"b\\\"c\"]\nschedule=@none\npull=no\nannotations=a=\nstop-timeout=1ns")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := Parse("fuzz.ini", text, env)
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatal(err)
		}
		if err != nil {
			for _, p := range problems {
				if p.File != "fuzz.ini" || p.Line < 1 || p.Line > strings.Count(text, "\n")+1 || p.Message == "" {
					t.Errorf("%+v", p)
				}
			}
			return
		}
		checkStable(t, set)
		for _, j := range set.Jobs {
			d := j.Draft
			var back map[string]json.RawMessage
			if err := json.Unmarshal(encode(JSON(d)), &back); err != nil {
				t.Fatal(err)
			}
			if err := Merge(&d, back, nil); err != nil || !cmp.Equal(d, j.Draft) {
				t.Errorf("changed by its own JSON: %v\n%s", err, cmp.Diff(j.Draft, d))
			}
		}
	})
}

// The examples are in the manner of Ofelia's documentation and of files found in
// public repositories.
func TestExamples(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.ini")
	for _, name := range files {
		set, err := Load([]string{name}, env, nil)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		checkStable(t, set)
		var b strings.Builder
		for _, j := range set.Jobs {
			fmt.Fprintf(&b, "%s %s\n%s\n", filepath.Base(j.Source), j.Executor, j.Config)
		}
		want, err := os.ReadFile(strings.TrimSuffix(name, ".ini") + ".txt")
		if err != nil {
			t.Errorf("%v; have\n%s", err, b.String())
			continue
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}
