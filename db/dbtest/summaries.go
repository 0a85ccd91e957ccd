package dbtest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

func summary(t *testing.T, s *db.Store, j scheduler.Job) scheduler.JobSummary {
	t.Helper()
	all, err := s.JobSummaries(bg, []string{j.ID, "no such job"})
	ok(t, err)
	if len(all) != 1 {
		t.Errorf("%d summaries, want 1", len(all))
	}
	return all[j.ID]
}

// summaries: what groups came to, and who depends on a job.
func summaries(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	if d := cmp.Diff(scheduler.JobSummary{}, summary(t, s, j)); d != "" {
		t.Errorf("of a new job: %s", d)
	}
	for _, o := range []struct {
		state scheduler.State
		at    time.Time
	}{
		{scheduler.Succeeded, at(10)},
		{scheduler.Failed, at(30)},
		{scheduler.TimedOut, at(20)},
		{scheduler.Succeeded, at(5)},
		{scheduler.Skipped, at(40)},
	} {
		e := addExecution(t, s, NewExecution(j.ID, o.at))
		if scheduler.OnAny.Met(o.state) {
			e = claim(t, s, "w", at(60), 1)[0].Execution
		}
		from := e.State
		e.State, e.FinishedAt = o.state, at(60)
		tx(t, s, func(tx scheduler.Tx) error {
			if err := tx.Finish(bg, e, from); err != nil {
				return err
			}
			return tx.CountOutcome(bg, j.ID, o.state, o.at)
		})
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.CountOutcome(bg, "no such job", scheduler.Failed, at(1)) })
	want := scheduler.JobSummary{Succeeded: 2, Failed: 2, SucceededAt: at(10), FailedAt: at(30), Outcome: scheduler.Succeeded}
	if d := cmp.Diff(want, summary(t, s, j)); d != "" {
		t.Errorf("after outcomes (-want +got):\n%s", d)
	}
	for _, name := range []string{"b", "A", "c"} {
		child := NewJob(name)
		child.DependsOn = []scheduler.Dependency{{JobID: j.ID, Job: "j", On: scheduler.OnSuccess}}
		tx(t, s, func(tx scheduler.Tx) error { return tx.InsertJob(bg, &child) })
	}
	want.Dependents = []string{"A", "b", "c"}
	if d := cmp.Diff(want, summary(t, s, j)); d != "" {
		t.Errorf("with dependents (-want +got):\n%s", d)
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.ClearSummary(bg, j.ID) })
	want = scheduler.JobSummary{Outcome: scheduler.Succeeded, Dependents: want.Dependents}
	if d := cmp.Diff(want, summary(t, s, j)); d != "" {
		t.Errorf("begun anew (-want +got):\n%s", d)
	}
	var ids []string
	for range 700 {
		ids = append(ids, NewID())
	}
	if all, err := s.JobSummaries(bg, append(ids, j.ID)); err != nil || len(all) != 1 {
		t.Errorf("of many: %d, %v", len(all), err)
	}
}

// deleteHistory leaves what is active, what began later, and other jobs.
func deleteHistory(t *testing.T, s *db.Store) {
	j, other := addJob(t, s, "j"), addJob(t, s, "jj")
	for i := range 5 {
		for _, job := range []scheduler.Job{j, other} {
			addExecution(t, s, NewExecution(job.ID, at(i*100)))
		}
		for _, a := range claim(t, s, "w", at(i*100), 2) {
			finish(t, s, a.Execution, scheduler.Succeeded, at(i*100+1))
		}
	}
	addExecution(t, s, NewExecution(j.ID, at(50)))
	running := claim(t, s, "w", at(50), 1)[0].Execution
	rounds := 0
	for more := true; more; rounds++ {
		tx(t, s, func(tx scheduler.Tx) (err error) {
			more, err = tx.DeleteHistory(bg, j.ID, at(301), 2)
			return err
		})
	}
	if rounds < 2 {
		t.Errorf("%d rounds of two deleted four", rounds)
	}
	left, total, err := s.ListExecutions(bg, scheduler.ExecutionFilter{JobID: j.ID})
	ok(t, err)
	if total.N != 2 || len(left) != 2 || left[0].State != scheduler.Succeeded || !left[0].DueAt.Equal(at(400)) || left[1].ID != running.ID {
		t.Errorf("left of %d: %+v", total.N, left)
	}
	if _, total, err := s.ListExecutions(bg, scheduler.ExecutionFilter{JobID: other.ID}); err != nil || total.N != 5 {
		t.Errorf("of the other job are left %d, %v", total.N, err)
	}
}

// startedAt finds runs by the instant they began, however long they had waited.
func startedAt(t *testing.T, s *db.Store) {
	j, other := addJob(t, s, "j"), addJob(t, s, "other")
	for i, job := range []scheduler.Job{j, j, j, other} {
		addExecution(t, s, NewExecution(job.ID, at(i)))
	}
	addExecution(t, s, NewExecution(j.ID, at(-7*24*3600))) // waited for a week
	claim(t, s, "w", at(60), 10)
	list, err := s.StartedAt(bg, j.ID, at(60))
	ok(t, err)
	if len(list) != 3 {
		t.Errorf("%d began then, want 3: %+v", len(list), list)
	}
	for _, e := range list {
		if e.JobID != j.ID || !e.StartedAt.Equal(at(60)) {
			t.Errorf("%+v", e)
		}
	}
	if list, err := s.StartedAt(bg, j.ID, at(61)); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	late := addJob(t, s, "late")
	addExecution(t, s, NewExecution(late.ID, at(0)))
	claim(t, s, "w", at(8*24*3600), 1)
	if list, err := s.StartedAt(bg, late.ID, at(8*24*3600)); err != nil || len(list) != 1 {
		t.Errorf("what waited long: %+v, %v", list, err)
	}
}
