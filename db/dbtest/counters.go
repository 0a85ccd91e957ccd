package dbtest

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

// counters lets chance insert, claim, finish, skip and delete, and compares every
// total with a count by hand.
func counters(t *testing.T, s *db.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var jobs []scheduler.Job
	for range 5 {
		jobs = append(jobs, addJob(t, s, NewID()))
	}
	var running []scheduler.Execution
	ends := []scheduler.State{scheduler.Succeeded, scheduler.Failed, scheduler.TimedOut, scheduler.Cancelled, scheduler.Lost}
	for step := range 150 {
		// Several things in one transaction, so that they meet in one delta.
		next := slices.Clone(running)
		gone := -1
		tx(t, s, func(tx scheduler.Tx) error {
			next, gone = slices.Clone(running), -1
			for range 1 + r.IntN(6) {
				switch r.IntN(6) {
				case 0, 1:
					e := NewExecution(jobs[r.IntN(len(jobs))].ID, at(step))
					e.Attempt = 1 + r.IntN(1000)
					if r.IntN(4) == 0 {
						e.State, e.FinishedAt = []scheduler.State{scheduler.Skipped, scheduler.Missed}[r.IntN(2)], at(step+3600*r.IntN(3))
					}
					if _, err := tx.InsertExecution(bg, e); err != nil {
						return err
					}
				case 2, 3:
					list, err := tx.Claim(bg, scheduler.Worker{Name: "w"}, at(step), 1+r.IntN(3))
					if err != nil {
						return err
					}
					for _, a := range list {
						next = append(next, a.Execution)
					}
				case 4:
					if len(next) == 0 {
						continue
					}
					i := r.IntN(len(next))
					e := next[i]
					next = slices.Delete(next, i, i+1)
					e.State, e.FinishedAt = ends[r.IntN(len(ends))], at(step+3600*r.IntN(3))
					if err := tx.Finish(bg, e, scheduler.Running); err != nil {
						return err
					}
				case 5:
					if gone >= 0 || r.IntN(8) > 0 {
						continue
					}
					gone = r.IntN(len(jobs))
					if err := tx.DeleteJob(bg, jobs[gone].ID); err != nil {
						return err
					}
					fresh := NewJob(NewID())
					if err := tx.InsertJob(bg, &fresh); err != nil {
						return err
					}
					jobs = slices.Clone(jobs)
					jobs[gone] = fresh
				}
			}
			return nil
		})
		running = next
	}
	all, total, err := s.ListExecutions(bg, scheduler.ExecutionFilter{Limit: 1000})
	ok(t, err)
	if total.N != int64(len(all)) {
		t.Errorf("total %d, listed %d", total.N, len(all))
	}
	idList := []string{"no such job"}
	for _, j := range jobs {
		idList = append(idList, j.ID)
	}
	stats, err := s.JobStats(bg, idList, 30)
	ok(t, err)
	if len(stats) != len(jobs) {
		t.Errorf("%d jobs have statistics, want %d", len(stats), len(jobs))
	}
	for _, state := range scheduler.States {
		count(t, s, all, scheduler.ExecutionFilter{States: []scheduler.State{state}})
		for _, j := range jobs {
			count(t, s, all, scheduler.ExecutionFilter{JobID: j.ID, States: []scheduler.State{state}})
		}
	}
	for _, j := range jobs {
		count(t, s, all, scheduler.ExecutionFilter{JobID: j.ID})
		want := map[scheduler.State]int64{}
		var last *scheduler.Execution
		list := filtered(all, scheduler.ExecutionFilter{JobID: j.ID})
		slices.SortStableFunc(list, func(a, b scheduler.Execution) int {
			if c := b.DueAt.Compare(a.DueAt); c != 0 {
				return c
			}
			return b.Attempt - a.Attempt
		})
		for i, e := range list {
			want[e.State]++
			if last == nil && e.State != scheduler.Queued {
				last = &list[i]
			}
		}
		if d := cmp.Diff(want, stats[j.ID].Counts); d != "" {
			t.Errorf("counts (-recounted +kept):\n%s", d)
		}
		if d := cmp.Diff(last, stats[j.ID].Last); d != "" {
			t.Errorf("last (-recounted +kept):\n%s", d)
		}
	}
}

func count(t *testing.T, s *db.Store, all []scheduler.Execution, f scheduler.ExecutionFilter) {
	t.Helper()
	want := len(filtered(all, f))
	f.Limit = 1
	if _, total, err := s.ListExecutions(bg, f); err != nil || total.N != int64(want) {
		t.Errorf("%+v: total %d, %v; recounted %d", f, total.N, err, want)
	}
}

func jobStats(t *testing.T, s *db.Store) {
	j, idle := addJob(t, s, "j"), addJob(t, s, "idle")
	ends := []scheduler.State{scheduler.Succeeded, scheduler.Succeeded, scheduler.Failed, scheduler.TimedOut, scheduler.Succeeded, scheduler.Cancelled}
	for i, state := range ends {
		addExecution(t, s, NewExecution(j.ID, at(i*100)))
		a := claim(t, s, "w", at(i*100), 1)
		finish(t, s, a[0].Execution, state, at(i*100+10*(i+1))) // took 10, 20, 30 … seconds
	}
	addExecution(t, s, NewExecution(j.ID, at(1000)))
	runs := claim(t, s, "w", at(1000), 1)[0].Execution
	addExecution(t, s, NewExecution(j.ID, at(2000)))
	// An older fire that ends late does not become the last outcome.
	late := NewExecution(j.ID, at(5))
	late.State, late.FinishedAt = scheduler.Missed, at(3000)
	addExecution(t, s, late)

	stats, err := s.JobStats(bg, []string{j.ID, idle.ID, "no such job"}, 3)
	ok(t, err)
	if len(stats) != 2 {
		t.Errorf("statistics of %d jobs, want 2", len(stats))
	}
	got := stats[j.ID]
	if got.Last == nil || got.Last.ID != runs.ID || got.Last.JobName != "j" {
		t.Errorf("last: %+v, want the running one", got.Last)
	}
	var recent []scheduler.State
	for _, o := range got.Recent {
		recent = append(recent, o.State)
	}
	if d := cmp.Diff([]scheduler.State{scheduler.Cancelled, scheduler.Succeeded, scheduler.TimedOut}, recent); d != "" {
		t.Errorf("recent (-want +got):\n%s", d)
	}
	if o := got.Recent[0]; o.Took != 60*time.Second || !o.StartedAt.Equal(at(500)) || o.ID == "" {
		t.Errorf("newest outcome: %+v", o)
	}
	if got.MedianTook != 20*time.Second { // of 10, 20 and 50
		t.Errorf("median %v, want 20s", got.MedianTook)
	}
	if !got.LastSuccess.Equal(at(450)) || !got.LastFailure.Equal(at(340)) { // what was missed is none
		t.Errorf("last success %v and failure %v, want %v and %v", got.LastSuccess, got.LastFailure, at(450), at(340))
	}
	if !got.LastStarted.Equal(at(1000)) {
		t.Errorf("last started %v, want %v", got.LastStarted, at(1000))
	}
	want := map[scheduler.State]int64{
		scheduler.Succeeded: 3, scheduler.Failed: 1, scheduler.TimedOut: 1, scheduler.Cancelled: 1,
		scheduler.Missed: 1, scheduler.Running: 1, scheduler.Queued: 1,
	}
	if d := cmp.Diff(want, got.Counts); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
	if z := stats[idle.ID]; z.Last != nil || len(z.Recent) != 0 || z.MedianTook != 0 || !z.LastSuccess.IsZero() || len(z.Counts) != 0 {
		t.Errorf("a job that never ran: %+v", z)
	}
	list, _, err := s.ListJobs(bg, scheduler.JobFilter{State: scheduler.Cancelled})
	ok(t, err)
	if len(list) != 1 {
		t.Errorf("%d jobs whose last outcome was cancelled, want 1", len(list))
	}
	hours, err := s.Ended(bg, at(0))
	ok(t, err)
	var n int64
	for _, h := range hours {
		n += h.N
		if h.Hour.Minute() != 0 || h.Hour.Location() != time.UTC {
			t.Errorf("an hour begins at %v", h.Hour)
		}
	}
	if n != 7 {
		t.Errorf("%d ended since then, want 7", n)
	}
	if hours, _ := s.Ended(bg, at(7200)); len(hours) != 0 {
		t.Errorf("ended in the future: %v", hours)
	}
}

// lastStarted: what never ran does not hide when a job ran last, whether that run
// goes on or has ended.
func lastStarted(t *testing.T, s *db.Store) {
	fire := func(j scheduler.Job, due int, state scheduler.State) {
		e := NewExecution(j.ID, at(due))
		e.State, e.FinishedAt = state, at(due)
		addExecution(t, s, e)
	}
	read := func(j scheduler.Job) scheduler.JobStats {
		stats, err := s.JobStats(bg, []string{j.ID}, 0)
		ok(t, err)
		return stats[j.ID]
	}
	never, busy := addJob(t, s, "never ran"), addJob(t, s, "busy")
	fire(never, 5000, scheduler.Missed)
	if got := read(never); !got.LastStarted.IsZero() || !got.LastFailure.IsZero() || got.Last == nil || got.Last.State != scheduler.Missed {
		t.Errorf("a job that was only missed: %+v", got)
	}
	addExecution(t, s, NewExecution(busy.ID, at(5000)))
	e := claim(t, s, "w", at(5000), 1)[0].Execution
	fire(busy, 5001, scheduler.Skipped)
	fire(busy, 5002, scheduler.Missed)
	check := func(state scheduler.State) {
		t.Helper()
		if got := read(busy); !got.LastStarted.Equal(at(5000)) || got.Last.State != scheduler.Missed || got.Counts[state] != 1 {
			t.Errorf("%s behind two that never ran: %+v", state, got)
		}
	}
	check(scheduler.Running)
	finish(t, s, e, scheduler.Lost, at(5003))
	check(scheduler.Lost)
	// A transaction sees what it has written itself.
	tx(t, s, func(tx scheduler.Tx) error {
		late := NewExecution(busy.ID, at(5004))
		late.State, late.FinishedAt = scheduler.Skipped, at(5004)
		if _, err := tx.InsertExecution(bg, late); err != nil {
			return err
		}
		got, err := tx.JobStats(bg, busy.ID)
		if got.Last == nil || got.Last.ID != late.ID || got.Counts[scheduler.Skipped] != 2 || !got.LastStarted.Equal(at(5000)) {
			t.Errorf("within a transaction: %+v", got)
		}
		if none, err := tx.JobStats(bg, "no such job"); err != nil || none.Last != nil {
			t.Errorf("of no job: %+v, %v", none, err)
		}
		return err
	})
}
