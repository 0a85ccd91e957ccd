package scheduler_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

func declared(name string, change ...func(*scheduler.Declared)) scheduler.Declared {
	d := scheduler.Declared{
		Draft: scheduler.Draft{
			Name: name, Enabled: true, Executor: "sim", Config: json.RawMessage(`{"command":"x"}`),
			Schedules: []scheduler.Schedule{{Text: "@daily"}},
		},
		Source: "jobs.ini:1",
	}
	for _, c := range change {
		c(&d)
	}
	return d
}

func after(names ...string) func(*scheduler.Declared) {
	return func(d *scheduler.Declared) {
		for _, n := range names {
			d.DependsOn = append(d.DependsOn, scheduler.Dependency{Job: n, On: scheduler.OnSuccess})
		}
	}
}

func starts(on scheduler.Condition, names ...string) func(*scheduler.Declared) {
	return func(d *scheduler.Declared) {
		for _, n := range names {
			d.Triggers = append(d.Triggers, scheduler.Dependency{Job: n, On: on})
		}
	}
}

func (p *past) declare(want scheduler.Applied, list ...scheduler.Declared) {
	p.t.Helper()
	got, err := p.service.Declare(bg, admin, scheduler.Declaration{Origin: scheduler.OriginFile, Jobs: list})
	p.must(err)
	if got != want {
		p.t.Errorf("changed %+v, expected %+v", got, want)
	}
}

// refused expects that nothing changes, for reasons with these words.
func (p *past) refused(words []string, list ...scheduler.Declared) {
	p.t.Helper()
	before, _, err := p.store.ListJobs(bg, scheduler.JobFilter{})
	p.must(err)
	_, err = p.service.Declare(bg, admin, scheduler.Declaration{Origin: scheduler.OriginFile, Jobs: list})
	var bad scheduler.Refused
	if scheduler.CodeOf(err) != scheduler.CodeInvalid || !errors.As(err, &bad) {
		p.t.Errorf("answered %v", err)
		return
	}
	for _, w := range words {
		if !strings.Contains(bad.Error(), w) {
			p.t.Errorf("%q is not in:\n%s", w, bad)
		}
	}
	now, _, err := p.store.ListJobs(bg, scheduler.JobFilter{})
	p.must(err)
	if !slices.EqualFunc(before, now, func(a, b scheduler.Job) bool { return a.ID == b.ID && a.Version == b.Version }) {
		p.t.Errorf("the jobs were changed: %d before, %d now", len(before), len(now))
	}
}

// TestDeclaredJobsFollowTheirSource: what a file says is what there is, and what
// people did to its jobs stays.
func TestDeclaredJobsFollowTheirSource(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	p.job("ours", scheduler.Retention{})
	// Each names one that comes later.
	p.declare(scheduler.Applied{Added: 3}, declared("c", after("b", "ours")), declared("b", after("a")), declared("a", starts(scheduler.OnFailure, "ours")))
	p.declare(scheduler.Applied{}, declared("c", after("b", "ours")), declared("b", after("a")), declared("a", starts(scheduler.OnFailure, "ours")))

	if _, err := p.service.SetEnabled(bg, admin, "b", false); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"update": func() error {
			_, err := p.service.UpdateJob(bg, admin, "a", 0, declared("a").Draft)
			return err
		}(),
		"delete": p.service.DeleteJob(bg, admin, "c", true),
	} {
		if scheduler.CodeOf(err) != scheduler.CodeConflict || !strings.Contains(err.Error(), "jobs.ini:1") {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The order turns round, one is changed, one goes.
	p.declare(scheduler.Applied{Updated: 2, Removed: 1}, declared("a", after("b")), declared("b", func(d *scheduler.Declared) { d.Notes = "new" }))
	b, err := p.store.JobByName(bg, "b")
	p.must(err)
	if b.Enabled || b.Notes != "new" || b.Origin != scheduler.OriginFile {
		t.Errorf("b: enabled %v, notes %q, origin %s", b.Enabled, b.Notes, b.Origin)
	}
	if p.must(p.service.DeleteJob(bg, admin, "ours", false)); len(p.told) == 0 {
		t.Error("nobody was told")
	}

	p.refused([]string{"jobs.ini:1: job ", ": depends_on makes a cycle: ", "a → b"}, declared("a", after("b")), declared("b", after("a")))
	p.refused([]string{"cycle"}, declared("a", starts(scheduler.OnAny, "b")), declared("b", starts(scheduler.OnSuccess, "a")))
	p.refused([]string{"job b: schedule"}, declared("a"), declared("b", func(d *scheduler.Declared) { d.Schedules[0].Text = "nonsense" }),
		declared("b2", after("z")))
	p.refused([]string{`there is no job "z"`}, declared("a"), declared("b2", after("z")))
	p.refused([]string{"is defined already in jobs.ini:1"}, declared("a"), declared("a"))
	p.job("theirs", scheduler.Retention{})
	p.refused([]string{"there is a job of this name already"}, declared("theirs"))
	p.declare(scheduler.Applied{Removed: 2})
	if _, err := p.service.Declare(bg, scheduler.Principal{Name: "eve", Role: scheduler.Editor}); scheduler.CodeOf(err) != scheduler.CodeForbidden {
		t.Errorf("an editor may: %v", err)
	}
}

// TestOutcomesStartJobs: each outcome starts what it says, once.
func TestOutcomesStartJobs(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	manual := func(d *scheduler.Declared) { d.Schedules = nil }
	p.declare(scheduler.Applied{Added: 4}, declared("good", manual), declared("bad", manual), declared("always", manual),
		declared("first", manual, starts(scheduler.OnSuccess, "good"), starts(scheduler.OnFailure, "bad"), starts(scheduler.OnAny, "always")))
	for _, c := range []struct {
		state scheduler.State
		want  []string
	}{
		{scheduler.Succeeded, []string{"always", "good"}},
		{scheduler.Failed, []string{"always", "bad"}},
		{scheduler.Succeeded, []string{"always", "good"}},
	} {
		p.ran("", "first", c.state, 0)
		claimed, err := p.service.Claim(bg, scheduler.Worker{Name: "w"}, 10)
		p.must(err)
		var names []string
		for _, a := range claimed {
			names = append(names, a.Job.Name)
			if a.Execution.Trigger != (scheduler.Trigger{Kind: scheduler.TriggerDependency, By: "first"}) {
				t.Errorf("%s was started by %+v", a.Job.Name, a.Execution.Trigger)
			}
			end := scheduler.Ending{Execution: a.Execution, Job: a.Job}
			end.Execution.State, end.Execution.FinishedAt = scheduler.Succeeded, p.now
			p.must(p.service.Finish(bg, end))
		}
		if slices.Sort(names); !slices.Equal(names, c.want) {
			t.Errorf("after %s: %v, expected %v", c.state, names, c.want)
		}
	}
}

// TestRunWithAnotherConfiguration: it holds for that run and its retries only.
func TestRunWithAnotherConfiguration(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	_, err := p.service.CreateJob(bg, admin, scheduler.Draft{
		Name: "j", Executor: "sim", Config: json.RawMessage(`{"command":"x","dir":"/a"}`), Retries: 1,
	}, scheduler.OriginAPI)
	p.must(err)
	operator := scheduler.Principal{Name: "olga", Role: scheduler.Operator}
	if _, err := p.service.RunJob(bg, operator, "j", json.RawMessage(`{}`)); scheduler.CodeOf(err) != scheduler.CodeForbidden {
		t.Errorf("an operator runs something else: %v", err)
	}
	if _, err := p.service.RunJob(bg, admin, "j", json.RawMessage(`[1]`)); scheduler.CodeOf(err) != scheduler.CodeInvalid {
		t.Errorf("not an object: %v", err)
	}
	_, err = p.service.RunJob(bg, admin, "j", json.RawMessage(`{"command":"y","dir":null}`))
	p.must(err)
	for attempt := range 3 {
		if attempt == 2 {
			_, err := p.service.RunJob(bg, operator, "j", nil)
			p.must(err)
		}
		claimed, err := p.service.Claim(bg, scheduler.Worker{Name: "w"}, 1)
		p.must(err)
		want := `{"command":"y"}`
		if attempt == 2 {
			want = `{"command":"x","dir":"/a"}`
		}
		if got := string(claimed[0].Job.Config); got != want {
			t.Errorf("attempt %d ran %s", attempt, got)
		}
		end := scheduler.Ending{Execution: claimed[0].Execution, Job: claimed[0].Job}
		end.Execution.State, end.Execution.FinishedAt = scheduler.Failed, p.now
		p.must(p.service.Finish(bg, end))
		p.now = p.now.Add(time.Hour)
	}
}

// TestRunOnStart: enabled jobs that ask for it run when the server has started.
func TestRunOnStart(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	onStart := func(d *scheduler.Declared) { d.RunOnStart = true }
	p.declare(scheduler.Applied{Added: 3}, declared("a", onStart), declared("b"), declared("off", onStart))
	_, err := p.service.SetEnabled(bg, admin, "off", false)
	p.must(err)
	p.must(p.service.RunOnStart(bg))
	claimed, err := p.service.Claim(bg, scheduler.Worker{Name: "w"}, 10)
	p.must(err)
	if len(claimed) != 1 || claimed[0].Job.Name != "a" || claimed[0].Execution.Trigger.Kind != scheduler.TriggerStart {
		t.Errorf("ran %+v", claimed)
	}
}
