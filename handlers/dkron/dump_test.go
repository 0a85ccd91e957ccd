package dkron

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// imported reads and stores a list of jobs, or with preview says what would be.
func (w *world) imported(raw string, preview bool) map[string]scheduler.ImportStep {
	w.t.Helper()
	list, err := Format(w.store, w.clock.now).Read(w.t.Context(), []byte(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	steps, err := w.service.Import(w.t.Context(), scheduler.Server, list, scheduler.OriginAPI, preview)
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]scheduler.ImportStep{}
	for _, s := range steps {
		all[s.Draft.Name] = s
	}
	return all
}

// TestImportOfARealList takes over what a real Dkron answered: what was sent is
// shown as it was, and the same import again changes nothing.
func TestImportOfARealList(t *testing.T) {
	w := newWorld(t)
	var raw string
	for _, e := range recorded(t) {
		if e.file == "400_jobs" {
			raw = e.answer
		}
	}
	var there []Job
	if err := json.Unmarshal([]byte(raw), &there); err != nil || len(there) < 15 {
		t.Fatal(len(there), err)
	}
	preview := w.imported(raw, true)
	for _, j := range there {
		if s := preview[j.Name]; s.Action != scheduler.ImportCreate {
			t.Errorf("%s: %s %s", j.Name, s.Action, s.Problem())
		}
	}
	if _, total, err := w.store.ListJobs(t.Context(), scheduler.JobFilter{Limit: 1}); total.N != 0 || err != nil {
		t.Errorf("the preview stored %d jobs, %v", total.N, err)
	}
	w.imported(raw, false)
	for _, j := range there {
		got := w.jobNamed(j.Name)
		if j.Processors == nil {
			j.Processors = map[string]texts{}
		}
		j.SuccessCount, j.ErrorCount, j.LastSuccess, j.LastError, j.Status, j.Next = 0, 0, optional{}, optional{}, "", instant{} // history stays there
		got.Next = instant{}
		want, _ := json.Marshal(j)
		have, _ := json.Marshal(got)
		if d := cmp.Diff(string(want), string(have)); d != "" {
			t.Errorf("%s: %s", j.Name, d)
		}
	}
	entries, _, err := w.store.ListAudit(t.Context(), scheduler.AuditFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range w.imported(raw, false) {
		if s.Action != scheduler.ImportKeep {
			t.Errorf("again: %s %s %s", name, s.Action, s.Problem())
		}
	}
	if after, _, err := w.store.ListAudit(t.Context(), scheduler.AuditFilter{Limit: 1000}); err != nil || len(after) != len(entries) {
		t.Errorf("the same import left %d audit rows, %v", len(after)-len(entries), err)
	}
}

func TestImportSaysWhatIsNotSupported(t *testing.T) {
	w := newWorld(t)
	const raw = `[
		{"name":"child","parent_job":"mother","schedule":"@daily","executor":"shell","executor_config":{"command":"true"}},
		{"name":"mother","schedule":"@daily","executor":"kafka","executor_config":{"topic":"x"},"owner_email":"me@example.com",
			"processors":{"slack":{"channel":"x"},"log":{"forward":"true"}}},
		{"name":"Capital","schedule":"@daily","executor":"shell","executor_config":{"command":"true"}},
		{"name":"orphan","parent_job":"nobody","executor":"shell","executor_config":{"command":"true"}},
		{"name":"old","schedule":"* * * * *","executor":"shell","executor_config":{"command":"true"}},
		{"name":"new","schedule":"@daily","executor":"shell","executor_config":{"command":"true"}}]`
	for _, preview := range []bool{true, false} {
		steps := w.imported(raw, preview)
		for name, want := range map[string]struct {
			action  scheduler.ImportAction
			problem string
			notes   []string
		}{
			"child":   {scheduler.ImportCreate, "", []string{"schedule does not fire"}},
			"mother":  {scheduler.ImportCreate, "", []string{`each run will fail: the executor "kafka" is not known here`, "processor slack is not known", "Nothing is mailed"}},
			"Capital": {scheduler.ImportRefuse, "name contains illegal character 'C'", nil},
			"orphan":  {scheduler.ImportRefuse, "nobody", nil},
			"old":     {scheduler.ImportRefuse, "expected exactly 6 fields, found 5", nil},
			"new":     {scheduler.ImportRefuse, "word of Belfry's own addresses", nil},
		} {
			s := steps[name]
			if s.Action != want.action || !strings.Contains(s.Problem(), want.problem) || len(s.Notes) != len(want.notes) {
				t.Errorf("%s: %s %q %q", name, s.Action, s.Problem(), s.Notes)
				continue
			}
			for i, note := range want.notes {
				if !strings.Contains(s.Notes[i], note) {
					t.Errorf("%s: %q, want %q", name, s.Notes[i], note)
				}
			}
		}
	}
	if j := w.jobNamed("mother"); j.Executor != "kafka" || j.ExecutorConfig["topic"] != "x" || !slices.Equal(j.DependentJobs, []string{"child"}) {
		t.Errorf("%+v", j)
	}
}

// TestImportKeepsWhatDkronDoesNotKnow of a job that was changed here since.
func TestImportKeepsWhatDkronDoesNotKnow(t *testing.T) {
	w := newWorld(t)
	const raw = `[{"name":"a","schedule":"@daily","executor":"shell","executor_config":{"command":"true"}}]`
	w.imported(raw, false)
	j, err := w.store.JobByName(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	d := j.Draft
	d.Notes, d.Priority, d.Notify = "ours", 7, []scheduler.Notify{{Kind: "mail", On: scheduler.OnFailure, Config: json.RawMessage(`{"to":"x"}`)}}
	if _, err := w.service.UpdateJob(t.Context(), scheduler.Server, "a", 0, d); err != nil {
		t.Fatal(err)
	}
	if s := w.imported(raw, false)["a"]; s.Action != scheduler.ImportKeep {
		t.Errorf("%s %s", s.Action, s.Problem())
	}
	if s := w.imported(strings.Replace(raw, "@daily", "@hourly", 1), false)["a"]; s.Action != scheduler.ImportChange {
		t.Errorf("%s %s", s.Action, s.Problem())
	}
	j, err = w.store.JobByName(t.Context(), "a")
	if err != nil || j.Notes != "ours" || j.Priority != 7 || len(j.Notify) != 1 || j.Schedules[0].Text != "@hourly" {
		t.Errorf("%+v, %v", j.Draft, err)
	}
}

// TestImportRefusesOneAlone: what cannot be read of a list leaves the others alone,
// and is said without the names of Go's types.
func TestImportRefusesOneAlone(t *testing.T) {
	w := newWorld(t)
	steps := w.imported(`[{"name":"good","schedule":"@daily","executor":"shell","executor_config":{"command":"true"}},
		{"name":"text","retries":"x"}, {"name":"negative","retries":-1}, {"name":5}, 5, {},
		{"name":"late","expires_at":"tomorrow"}, {"name":"deep","metadata":{"a":{}}}]`, true)
	for name, want := range map[string]string{
		"good": "", "text": "retries must be a whole number, not string", "negative": "retries must be a whole number, not number -1",
		"entry 4": "name must be a text in quotes, not number", "entry 5": "it must be an object, not number", "entry 6": "name",
		"late": `"tomorrow" is not a time`, "deep": "metadata must be a text in quotes, not object",
	} {
		s, ok := steps[name]
		if !ok || !strings.Contains(s.Problem(), want) || (want == "") != (s.Action == scheduler.ImportCreate) {
			t.Errorf("%s: %t %s %q, want %q", name, ok, s.Action, s.Problem(), want)
		}
	}
}

func TestImportRefusesWhatIsNoList(t *testing.T) {
	w := newWorld(t)
	for _, raw := range []string{``, `{}`, `[{"name":`, `[] []`, "\xff\xfe[", `"[]"`} {
		if list, err := Format(w.store, w.clock.now).Read(t.Context(), []byte(raw)); scheduler.CodeOf(err) != scheduler.CodeInvalid {
			t.Errorf("%q: %v, %v", raw, list, err)
		}
	}
	if list, err := Format(w.store, w.clock.now).Read(t.Context(), []byte("\xef\xbb\xbf[]\n")); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
	for from, want := range map[string]string{
		"http://d:8080": "http://d:8080/v1/jobs", "http://d:8080/": "http://d:8080/v1/jobs", "http://d/v1": "http://d/v1/jobs", "http://d/v1/jobs": "http://d/v1/jobs",
		"https://d/dkron/": "https://d/dkron/v1/jobs",
	} {
		if got := Format(nil, nil).List(from); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}
