package dbtest

import (
	"fmt"
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
	e.Priority, e.Tags, e.Wait = -7, []string{"a", "b"}, scheduler.WaitTurn
	addExecution(t, s, e)
	if d := cmp.Diff(e, must(s.Execution(bg, e.ID))); d != "" {
		t.Errorf("queued (-stored +read):\n%s", d)
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.SetWait(bg, e.ID, scheduler.WaitNone, "its turn") })
	var got []scheduler.Assignment
	tx(t, s, func(tx scheduler.Tx) (err error) {
		got, err = tx.Claim(bg, scheduler.Worker{Name: "worker 1", Tags: []string{"b", "a", "x"}}, at(3), 5)
		return err
	})
	if len(got) != 1 {
		t.Fatalf("claimed %d, want 1", len(got))
	}
	e.State, e.Worker, e.StartedAt, e.Reason, e.Wait = scheduler.Running, "worker 1", at(3), "", scheduler.WaitNone
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

// claimOrder: by priority, due time and the job's number, and only what waits for
// nothing and whose tags the worker has.
func claimOrder(t *testing.T, s *db.Store) {
	if _, found, err := s.NextRunAt(bg); found || err != nil {
		t.Errorf("an empty store has something to run: %v", err)
	}
	first, second := addJob(t, s, "a"), addJob(t, s, "b")
	names := map[string]string{}
	add := func(name string, j scheduler.Job, due, priority int, tags ...string) {
		e := NewExecution(j.ID, at(due))
		e.Priority, e.Tags = priority, tags
		names[addExecution(t, s, e).ID] = name
	}
	add("late", first, 9, 0)
	add("same time, second job", second, 5, 0)
	add("same time, first job", first, 5, 0)
	add("urgent", second, 8, 10)
	add("urgent on gpu", second, 7, 10, "gpu", "linux")
	add("idle", second, 1, -10)
	add("elsewhere", first, 2, 99, "mac")
	later := NewExecution(first.ID, at(3))
	later.RunAt, later.Wait = at(60), scheduler.WaitTime
	names[addExecution(t, s, later).ID] = "waits for its time"
	turn := NewExecution(first.ID, at(4))
	turn.Wait = scheduler.WaitTurn
	names[addExecution(t, s, turn).ID] = "waits for its turn"
	w := scheduler.Worker{Name: "w", Tags: []string{"linux", "gpu", "amd64"}}
	var got []string
	take := func(limit int) {
		tx(t, s, func(tx scheduler.Tx) error {
			list, err := tx.Claim(bg, w, at(10), limit)
			for _, a := range list {
				got = append(got, names[a.Execution.ID])
			}
			return err
		})
	}
	for _, limit := range []int{0, 1, 3, 10, 10} {
		take(limit)
	}
	want := []string{"urgent on gpu", "urgent", "same time, first job", "same time, second job", "late", "idle"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("claimed (-want +got):\n%s", d)
	}
	if next, found, err := s.NextRunAt(bg); !found || err != nil || !next.Equal(at(60)) {
		t.Errorf("next run at %v, %v, %v", next, found, err)
	}
	tx(t, s, func(tx scheduler.Tx) error {
		if list, err := tx.Waiting(bg, at(59), 10); err != nil || len(list) != 0 {
			t.Errorf("waiting a second before: %v, %v", list, err)
		}
		list, err := tx.Waiting(bg, at(60), 10)
		if err != nil || len(list) != 1 || list[0].ID != later.ID {
			t.Errorf("waiting at its time: %v, %v", list, err)
		}
		e, found, err := tx.NextTurn(bg, first.ID)
		if err != nil || !found || e.ID != turn.ID {
			t.Errorf("next turn: %v %v, %v", e.ID, found, err)
		}
		o, err := tx.Occupancy(bg, first.ID, 5)
		if err != nil || o.Running != 2 || o.Ready != 1 || o.Later != 1 || o.Turn != 1 || o.First.DueAt != at(2) {
			t.Errorf("occupancy: %+v, %v", o, err)
		}
		if err := tx.SetWait(bg, later.ID, scheduler.WaitNone, ""); err != nil {
			return err
		}
		return tx.SetWait(bg, turn.ID, scheduler.WaitNone, "")
	})
	got = nil
	take(10)
	if d := cmp.Diff([]string{"waits for its time", "waits for its turn"}, got); d != "" {
		t.Errorf("claimed afterwards (-want +got):\n%s", d)
	}
}

// editQueued: what is queued follows its job's priority and tags.
func editQueued(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	e := addExecution(t, s, NewExecution(j.ID, at(0)))
	j.Version, j.Priority, j.Tags = 2, 5, []string{"gpu"}
	tx(t, s, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, j) })
	if got := must(s.Execution(bg, e.ID)); got.Priority != 5 || len(got.Tags) != 1 {
		t.Errorf("queued: priority %d, tags %v", got.Priority, got.Tags)
	}
	if got := claim(t, s, "w", at(1), 5); len(got) != 0 {
		t.Errorf("a worker without the tag claimed %v", got)
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
					list, err = tx.Claim(bg, scheduler.Worker{Name: worker}, at(n), 7)
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
