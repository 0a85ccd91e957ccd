package scheduler_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"belfry/scheduler"
)

func toImport(name string, parents ...string) scheduler.Imported {
	d := scheduler.Draft{Name: name, Enabled: true, Executor: "sim", Config: json.RawMessage(`{"command":"x"}`)}
	for _, p := range parents {
		d.DependsOn = append(d.DependsOn, scheduler.Dependency{Job: p})
	}
	return scheduler.Imported{Draft: d}
}

// imported imports and returns what became of each job: "create a, refuse b: why".
func (p *past) imported(preview bool, list ...scheduler.Imported) string {
	p.t.Helper()
	steps, err := p.service.Import(bg, admin, list, scheduler.OriginAPI, preview)
	p.must(err)
	var all []string
	for i, s := range steps {
		if s.Draft.Name != strings.TrimSpace(list[i].Draft.Name) {
			p.t.Errorf("step %d is of %s", i, s.Draft.Name)
		}
		words := string(s.Action) + " " + s.Draft.Name
		if problem := s.Problem(); problem != "" {
			words += ": " + problem
		}
		all = append(all, words)
	}
	return strings.Join(all, ", ")
}

func (p *past) wantImport(want string, preview bool, list ...scheduler.Imported) {
	p.t.Helper()
	if got := p.imported(preview, list...); got != want {
		p.t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestImport(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	bad := toImport("bad")
	bad.Draft.Schedules = []scheduler.Schedule{{Text: "nonsense"}}
	refused := scheduler.Imported{Draft: scheduler.Draft{Name: "refused"}, Err: scheduler.Errorf(scheduler.CodeInvalid, "no reader took it")}
	list := []scheduler.Imported{toImport("c", "b"), toImport("b", "a"), toImport("a"), refused, toImport("orphan", "nobody"), toImport("a"), toImport("x", "y"), toImport("y", "x")}
	const made = `create c, create b, create a, refuse refused: no reader took it, refuse orphan: depends_on there is no job "nobody", refuse a: name comes twice, ` +
		`refuse x: depends_on there is no job "y", refuse y: depends_on there is no job "x"`
	for _, preview := range []bool{true, true, false} {
		p.wantImport(made, preview, list...)
		_, total, err := p.store.ListJobs(bg, scheduler.JobFilter{Limit: 1})
		p.must(err)
		if preview != (total.N == 0) {
			t.Errorf("preview %t stored %d jobs", preview, total.N)
		}
	}
	p.wantImport("keep c, keep b, keep a", false, list[:3]...)
	changed := toImport("b", "a")
	changed.Draft.Notes = "new"
	p.wantImport("change b, keep a", true, changed, toImport("a"))
	p.wantImport("change b, keep a", false, changed, toImport("a"))
	p.wantImport("keep b", false, changed)
	if got := p.imported(false, bad); !strings.HasPrefix(got, "refuse bad: schedule ") {
		t.Error(got)
	}
}

// TestImportOfMany goes over the bounds of transactions: parents come last.
func TestImportOfMany(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	var list []scheduler.Imported
	for i := range 450 {
		one := toImport(fmt.Sprintf("job-%03d", i))
		if i < 449 {
			one.Draft.DependsOn = []scheduler.Dependency{{Job: fmt.Sprintf("job-%03d", i+1)}}
		}
		list = append(list, one)
	}
	for _, c := range []struct {
		preview bool
		want    string
	}{{true, "create"}, {false, "create"}, {false, "keep"}} {
		got := p.imported(c.preview, list...)
		if strings.Count(got, c.want+" ") != 450 {
			t.Fatalf("%+v: %.500s", c, got)
		}
	}
}

// TestImportLeavesDeclaredJobsAlone: a file decides about those.
func TestImportLeavesDeclaredJobsAlone(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	p.declare(scheduler.Applied{Added: 1}, declared("file"))
	got := p.imported(false, toImport("file"))
	if !strings.HasPrefix(got, "refuse file: ") || !strings.Contains(got, "jobs.ini:1") {
		t.Error(got)
	}
}

func TestImportNeedsAnEditor(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	for _, role := range []scheduler.Role{scheduler.Viewer, scheduler.Operator} {
		for _, preview := range []bool{true, false} {
			_, err := p.service.Import(bg, scheduler.Principal{Name: "x", Role: role}, []scheduler.Imported{toImport("a")}, scheduler.OriginAPI, preview)
			if scheduler.CodeOf(err) != scheduler.CodeForbidden {
				t.Errorf("%s: %v", role, err)
			}
		}
	}
}

// TestClearHistory: what runs stays, and nothing fires again for what was deleted.
func TestClearHistory(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	p.job("j", scheduler.Retention{})
	p.job("other", scheduler.Retention{})
	for i := range 3 {
		p.ran(fmt.Sprint("j", i), "j", scheduler.Failed, 10)
	}
	p.ran("other", "other", scheduler.Succeeded, 10)
	p.made[p.start("j").Execution.ID] = "running"
	viewer := scheduler.Principal{Name: "x", Role: scheduler.Operator}
	if err := p.service.ClearHistory(bg, viewer, "j"); scheduler.CodeOf(err) != scheduler.CodeForbidden {
		t.Error(err)
	}
	if err := p.service.ClearHistory(bg, admin, "nobody"); scheduler.CodeOf(err) != scheduler.CodeNotFound {
		t.Error(err)
	}
	p.must(p.service.ClearHistory(bg, admin, "j"))
	p.want("after it was cleared", "other", "running")
	j, err := p.store.JobByName(bg, "j")
	p.must(err)
	all, err := p.store.JobSummaries(bg, []string{j.ID})
	p.must(err)
	if m := all[j.ID]; m.Failed != 0 || !m.FailedAt.IsZero() || m.Outcome != scheduler.Failed {
		t.Errorf("its summary is %+v", m)
	}
}

// TestPausedSubmissions: nothing is made or changed through any door; what is
// there can be run, switched and deleted.
func TestPausedSubmissions(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	p.job("j", scheduler.Retention{})
	for _, role := range []scheduler.Role{scheduler.Viewer, scheduler.Operator} {
		if err := p.service.PauseSubmissions(bg, scheduler.Principal{Name: "x", Role: role}, true); scheduler.CodeOf(err) != scheduler.CodeForbidden {
			t.Errorf("%s: %v", role, err)
		}
	}
	p.must(p.service.PauseSubmissions(bg, admin, true))
	j, err := p.store.JobByName(bg, "j")
	p.must(err)
	_, made := p.service.CreateJob(bg, admin, scheduler.Draft{Name: "new", Executor: "sim"}, scheduler.OriginPage)
	_, changed := p.service.UpdateJob(bg, admin, "j", 0, j.Draft)
	_, taken := p.service.Import(bg, admin, []scheduler.Imported{toImport("a")}, scheduler.OriginAPI, false)
	for _, err := range []error{made, changed, taken} {
		if scheduler.CodeOf(err) != scheduler.CodeUnavailable {
			t.Errorf("it answers %v", err)
		}
	}
	if _, err := p.service.SetEnabled(bg, admin, "j", true); err != nil {
		t.Error(err)
	}
	p.ran("run", "j", scheduler.Succeeded, 0)
	p.must(p.service.DeleteJob(bg, admin, "j", false))
	p.must(p.service.PauseSubmissions(bg, admin, false))
	p.job("other", scheduler.Retention{})
}

func TestStopServerIsForAdmins(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	stopped := 0
	stop := func() { stopped++ }
	if err := p.service.StopServer(bg, scheduler.Principal{Name: "x", Role: scheduler.Editor}, stop); scheduler.CodeOf(err) != scheduler.CodeForbidden || stopped != 0 {
		t.Error(err, stopped)
	}
	p.must(p.service.StopServer(bg, admin, stop))
	rows, _, err := p.store.ListAudit(bg, scheduler.AuditFilter{Limit: 10})
	p.must(err)
	if stopped != 1 || !slices.ContainsFunc(rows, func(r scheduler.AuditEntry) bool { return r.Action == "server.stop" }) {
		t.Errorf("stopped %d times, recorded %+v", stopped, rows)
	}
}

func TestDistinctNames(t *testing.T) {
	got := scheduler.DistinctNames([]string{"a", "b", "a", "a 2", "a", "b"})
	if want := []string{"a", "b", "a 3", "a 2", "a 4", "b 2"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
