package dbtest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

func executionsWhole(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	e := NewExecution(j.ID, at(0))
	e.JobName, e.Attempt, e.Group, e.RunAt, e.QueuedAt = j.Name, 2, "another", at(1), at(2)
	e.Trigger = scheduler.Trigger{Kind: scheduler.TriggerRetry, By: "anna"}
	addExecution(t, s, e)
	if d := cmp.Diff(e, must(s.Execution(bg, e.ID))); d != "" {
		t.Errorf("queued (-stored +read):\n%s", d)
	}
	got := claim(t, s, "worker 1", at(3), 5)
	if len(got) != 1 {
		t.Fatalf("claimed %d, want 1", len(got))
	}
	e.State, e.Worker, e.StartedAt = scheduler.Running, "worker 1", at(3)
	if d := cmp.Diff(scheduler.Assignment{Execution: e, Job: must(s.Job(bg, j.ID))}, got[0]); d != "" {
		t.Errorf("claimed (-want +got):\n%s", d)
	}
	if d := cmp.Diff(e, must(s.Execution(bg, e.ID))); d != "" {
		t.Errorf("running (-stored +read):\n%s", d)
	}
	code := 137
	e.State, e.Reason, e.FinishedAt = scheduler.Failed, "exit code 137", at(4)
	e.ExitCode, e.Signal, e.PeakMemory, e.CPUTime = &code, "SIGKILL", 1<<33, 1234567*time.Nanosecond
	tx(t, s, func(tx scheduler.Tx) error { return tx.Finish(bg, e, scheduler.Running) })
	if d := cmp.Diff(e, must(s.Execution(bg, e.ID))); d != "" {
		t.Errorf("finished (-stored +read):\n%s", d)
	}
	_, err := s.Execution(bg, "no such id")
	wantCode(t, err, scheduler.CodeNotFound)
}

func fireOnce(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	var wg sync.WaitGroup
	var mu sync.Mutex
	inserted := 0
	for range 8 {
		wg.Go(func() {
			var ok bool
			err := s.InTx(bg, func(tx scheduler.Tx) (err error) {
				ok, err = tx.InsertExecution(bg, NewExecution(j.ID, at(0)))
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if ok {
				inserted++
			}
		})
	}
	wg.Wait()
	if inserted != 1 {
		t.Errorf("one fire was inserted %d times", inserted)
	}
	// Another attempt, time or job is another execution.
	again := NewExecution(j.ID, at(0))
	again.Attempt = 2
	addExecution(t, s, again)
	addExecution(t, s, NewExecution(j.ID, at(1)))
	addExecution(t, s, NewExecution(addJob(t, s, "k").ID, at(0)))
	if _, total, err := s.ListExecutions(bg, scheduler.ExecutionFilter{}); err != nil || total.N != 4 {
		t.Errorf("%d executions, %v; want 4", total.N, err)
	}
}

func transitions(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	for i, state := range append([]scheduler.State{"nonsense"}, scheduler.States...) {
		e := NewExecution(j.ID, at(1000+i))
		e.State, e.FinishedAt = state, at(1)
		err := s.InTx(bg, func(tx scheduler.Tx) error { _, err := tx.InsertExecution(bg, e); return err })
		if legal := scheduler.State("").CanBecome(state); legal != (err == nil) {
			t.Errorf("beginning as %s: %v", state, err)
		}
	}
	for i, to := range scheduler.States {
		if to == scheduler.Running {
			continue // by Claim
		}
		queued := addExecution(t, s, NewExecution(j.ID, at(2000+i)))
		queued.State, queued.FinishedAt = to, at(1)
		err := s.InTx(bg, func(tx scheduler.Tx) error { return tx.Finish(bg, queued, scheduler.Queued) })
		if legal := scheduler.Queued.CanBecome(to); legal != (err == nil) {
			t.Errorf("queued to %s: %v", to, err)
		} else if !legal {
			wantCode(t, err, scheduler.CodeConflict)
		}
	}
	e := addExecution(t, s, NewExecution(j.ID, at(0)))
	fin := func(to, from scheduler.State) error {
		e.State, e.FinishedAt = to, at(5)
		return s.InTx(bg, func(tx scheduler.Tx) error { return tx.Finish(bg, e, from) })
	}
	wantCode(t, fin(scheduler.Succeeded, scheduler.Running), scheduler.CodeConflict) // it is still queued
	claim(t, s, "w", at(0), 1)
	wantCode(t, fin(scheduler.Cancelled, scheduler.Queued), scheduler.CodeConflict) // it runs
	ok(t, fin(scheduler.Succeeded, scheduler.Running))
	wantCode(t, fin(scheduler.Lost, scheduler.Running), scheduler.CodeConflict) // it has ended
	e.ID = NewID()
	wantCode(t, fin(scheduler.Succeeded, scheduler.Running), scheduler.CodeNotFound)
}

func claimOrder(t *testing.T, s *db.Store) {
	if _, found, err := s.NextRunAt(bg); found || err != nil {
		t.Errorf("an empty store has something to run: %v", err)
	}
	j := addJob(t, s, "j")
	var want []string
	for _, sec := range []int{5, 1, 4, 2, 3} {
		e := NewExecution(j.ID, at(100+sec))
		e.RunAt = at(sec)
		addExecution(t, s, e)
	}
	all, _, err := s.ListExecutions(bg, scheduler.ExecutionFilter{})
	ok(t, err)
	slices.SortFunc(all, func(a, b scheduler.Execution) int { return a.RunAt.Compare(b.RunAt) })
	want = ids(all)
	if next, found, err := s.NextRunAt(bg); !found || err != nil || !next.Equal(at(1)) {
		t.Errorf("next run at %v, %v, %v", next, found, err)
	}
	if got := claim(t, s, "w", at(0), 10); len(got) != 0 {
		t.Errorf("claimed %d before their time", len(got))
	}
	if got := claim(t, s, "w", at(9), 0); len(got) != 0 {
		t.Errorf("claimed %d of at most 0", len(got))
	}
	var got []string
	for range 3 {
		for _, a := range claim(t, s, "w", at(4), 3) {
			got = append(got, a.Execution.ID)
		}
	}
	if d := cmp.Diff(want[:4], got); d != "" {
		t.Errorf("claimed until second 4 (-want +got):\n%s", d)
	}
	if next, _, _ := s.NextRunAt(bg); !next.Equal(at(5)) {
		t.Errorf("next run at %v, want %v", next, at(5))
	}
}

func claimOnce(t *testing.T, s *db.Store) {
	const n = 400
	j := addJob(t, s, "j")
	tx(t, s, func(tx scheduler.Tx) error {
		for i := range n {
			if _, err := tx.InsertExecution(bg, NewExecution(j.ID, at(i))); err != nil {
				return err
			}
		}
		return nil
	})
	var mu sync.Mutex
	by := map[string]string{}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			worker := fmt.Sprint("w", w)
			for empty := 0; empty < 3; {
				var list []scheduler.Assignment
				err := s.InTx(bg, func(tx scheduler.Tx) (err error) {
					list, err = tx.Claim(bg, worker, at(n), 7)
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				if len(list) == 0 {
					empty++
				}
				mu.Lock()
				for _, a := range list {
					if other, twice := by[a.Execution.ID]; twice {
						t.Errorf("%s was claimed by %s and %s", a.Execution.ID, other, worker)
					}
					by[a.Execution.ID] = worker
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(by) != n {
		t.Errorf("claimed %d of %d", len(by), n)
	}
	for id, worker := range by {
		if e := must(s.Execution(bg, id)); e.Worker != worker || e.State != scheduler.Running {
			t.Fatalf("%s is %s on %s, claimed by %s", id, e.State, e.Worker, worker)
		}
	}
}
