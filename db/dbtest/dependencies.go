package dbtest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

func dependencies(t *testing.T, s *db.Store) {
	a, b := addJob(t, s, "a"), addJob(t, s, "b")
	child := NewJob("child")
	child.DependsOn = []scheduler.Dependency{
		{JobID: a.ID, Job: "a", On: scheduler.OnSuccess}, {JobID: b.ID, Job: "b", On: scheduler.OnAny},
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.InsertJob(bg, &child) })
	if d := cmp.Diff(child.DependsOn, must(s.Job(bg, child.ID)).DependsOn); d != "" {
		t.Errorf("stored (-want +got):\n%s", d)
	}
	satisfied := func() (got []bool) {
		tx(t, s, func(tx scheduler.Tx) error {
			got = nil
			list, err := tx.Satisfied(bg, child.ID)
			for _, d := range list {
				got = append(got, d.Satisfied)
			}
			return err
		})
		return got
	}
	set := func(parent string, is bool) {
		tx(t, s, func(tx scheduler.Tx) error { return tx.Satisfy(bg, child.ID, parent, is) })
	}
	set(a.ID, true)
	if d := cmp.Diff([]bool{true, false}, satisfied()); d != "" {
		t.Errorf("a is fulfilled (-want +got):\n%s", d)
	}
	if got := must(s.Dependents(bg, a.ID)); len(got) != 1 || got[0] != (scheduler.Dependent{JobID: child.ID, Job: "child", On: scheduler.OnSuccess, Satisfied: true}) {
		t.Errorf("dependents of a: %+v", got)
	}
	// A change keeps what is fulfilled, where it is still asked for.
	child.Version, child.Notes = 2, "other"
	tx(t, s, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, child) })
	if d := cmp.Diff([]bool{true, false}, satisfied()); d != "" {
		t.Errorf("after a change (-want +got):\n%s", d)
	}
	child.Version, child.DependsOn[0].On = 3, scheduler.OnFailure
	tx(t, s, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, child) })
	if d := cmp.Diff([]bool{false, false}, satisfied()); d != "" {
		t.Errorf("after another condition (-want +got):\n%s", d)
	}
	set(a.ID, true)
	set(b.ID, true)
	tx(t, s, func(tx scheduler.Tx) error { return tx.Use(bg, child.ID) })
	if d := cmp.Diff([]bool{false, false}, satisfied()); d != "" {
		t.Errorf("used (-want +got):\n%s", d)
	}
	// Renaming a job renames what others say they depend on.
	a.Version, a.Name = 2, "renamed"
	tx(t, s, func(tx scheduler.Tx) error {
		if _, err := tx.Job(bg, child.ID); err != nil {
			return err
		}
		return tx.UpdateJob(bg, a)
	})
	if got := must(s.Job(bg, child.ID)).DependsOn; len(got) != 2 || got[0].Job != "renamed" {
		t.Errorf("after renaming: %+v", got)
	}
	err := s.InTx(bg, func(tx scheduler.Tx) error { return tx.DeleteJob(bg, a.ID) })
	wantCode(t, err, scheduler.CodeConflict)
	tx(t, s, func(tx scheduler.Tx) error {
		if err := tx.Release(bg, a.ID); err != nil {
			return err
		}
		return tx.DeleteJob(bg, a.ID)
	})
	if got := must(s.Job(bg, child.ID)); len(got.DependsOn) != 1 || got.DependsOn[0].JobID != b.ID || got.Version != 4 {
		t.Errorf("after deleting a: version %d, %+v", got.Version, got.DependsOn)
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.DeleteJob(bg, child.ID) })
	if got := must(s.Dependents(bg, b.ID)); len(got) != 0 {
		t.Errorf("dependents of b after deleting the child: %+v", got)
	}
	outcomes(t, s, b)
}

// outcomes: what ran, and how it ended last.
func outcomes(t *testing.T, s *db.Store, j scheduler.Job) {
	check := func(has bool, last scheduler.State, due int) {
		t.Helper()
		tx(t, s, func(tx scheduler.Tx) error {
			if is, err := tx.HasRun(bg, j.ID); err != nil || is != has {
				t.Errorf("has run: %v, %v; want %v", is, err, has)
			}
			if is, err := tx.LastOutcome(bg, j.ID); err != nil || is != last {
				t.Errorf("last outcome: %q, %v; want %q", is, err, last)
			}
			at0, err := tx.LastDue(bg, j.ID)
			if due >= 0 && !at0.Equal(at(due)) || due < 0 && !at0.IsZero() {
				t.Errorf("last due: %v, want second %d", at0, due)
			}
			return err
		})
	}
	check(false, "", -1)
	addExecution(t, s, NewExecution(j.ID, at(1)))
	check(true, "", 1)
	finish(t, s, claim(t, s, "w", at(2), 1)[0].Execution, scheduler.Failed, at(3))
	check(true, scheduler.Failed, 1)
	skipped := NewExecution(j.ID, at(4))
	skipped.State = scheduler.Skipped
	addExecution(t, s, skipped)
	manual := NewExecution(j.ID, at(5))
	manual.Trigger.Kind = scheduler.TriggerManual
	addExecution(t, s, manual)
	check(true, scheduler.Failed, 4)
}

func labels(t *testing.T, s *db.Store) {
	for _, name := range []string{"a", "b", "c"} {
		j := NewJob(name)
		if name != "c" {
			j.Tags, j.Metadata = []string{"gpu", "linux"}, map[string]string{"team": "data", "name": name}
		}
		tx(t, s, func(tx scheduler.Tx) error { return tx.InsertJob(bg, &j) })
		if d := cmp.Diff(j, must(s.Job(bg, j.ID))); d != "" {
			t.Errorf("stored (-want +got):\n%s", d)
		}
	}
	find := func(f scheduler.JobFilter) (names []string) {
		list, total, err := s.ListJobs(bg, f)
		ok(t, err)
		for _, j := range list {
			names = append(names, j.Name)
		}
		if int(total.N) != len(names) {
			t.Errorf("%+v: total %d of %v", f, total.N, names)
		}
		return names
	}
	for _, tt := range []struct {
		f    scheduler.JobFilter
		want []string
	}{
		{scheduler.JobFilter{Tag: "gpu"}, []string{"a", "b"}},
		{scheduler.JobFilter{Tag: "team"}, nil},
		{scheduler.JobFilter{Metadata: map[string]string{"team": "data"}}, []string{"a", "b"}},
		{scheduler.JobFilter{Metadata: map[string]string{"team": "data", "name": "b"}}, []string{"b"}},
		{scheduler.JobFilter{Tag: "linux", Metadata: map[string]string{"name": "c"}}, nil},
	} {
		if d := cmp.Diff(tt.want, find(tt.f)); d != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.f, d)
		}
	}
	b := must(s.JobByName(bg, "b"))
	b.Version, b.Tags, b.Metadata = 2, []string{"mac"}, nil
	tx(t, s, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, b) })
	if d := cmp.Diff([]string{"a"}, find(scheduler.JobFilter{Tag: "gpu"})); d != "" {
		t.Errorf("after a change (-want +got):\n%s", d)
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.DeleteJob(bg, b.ID) })
	if d := cmp.Diff([]string(nil), find(scheduler.JobFilter{Tag: "mac"})); d != "" {
		t.Errorf("after deleting (-want +got):\n%s", d)
	}
}

func settings(t *testing.T, s *db.Store) {
	for _, want := range []string{"", "one", "two", ""} {
		if want != "" {
			tx(t, s, func(tx scheduler.Tx) error { return tx.PutSetting(bg, "name", want) })
		} else {
			tx(t, s, func(tx scheduler.Tx) error { return tx.PutSetting(bg, "name", "") })
		}
		if got := must(s.Setting(bg, "name")); got != want {
			t.Errorf("setting %q, want %q", got, want)
		}
	}
	if got := must(s.Setting(bg, "never stored")); got != "" {
		t.Errorf("setting %q", got)
	}
}
