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

// ended adds an execution that ends in a state a second after it was due, with so
// much output.
func ended(t *testing.T, s *db.Store, j scheduler.Job, due, attempt int, state scheduler.State, output int) scheduler.Execution {
	t.Helper()
	e := NewExecution(j.ID, at(due))
	e.Attempt = attempt
	if state == scheduler.Skipped || state == scheduler.Missed {
		e.State, e.FinishedAt = state, at(due+1)
		return addExecution(t, s, e)
	}
	addExecution(t, s, e)
	e = claim(t, s, "w", at(due), 1)[0].Execution
	if output > 0 {
		m := model{data: make([]byte, output), pieces: []scheduler.Piece{{Len: output, At: at(due).Truncate(time.Millisecond)}}}
		tx(t, s, func(tx scheduler.Tx) error { return tx.AppendOutput(bg, e.ID, m.chunk(0, int64(output))) })
	}
	return finish(t, s, e, state, at(due+1))
}

func expendable(t *testing.T, s *db.Store) {
	j, other, empty := addJob(t, s, "j"), addJob(t, s, "other"), addJob(t, s, "empty")
	ended(t, s, j, 0, 1, scheduler.Succeeded, 10)
	ended(t, s, j, 10, 1, scheduler.Succeeded, 20) // the last success
	ended(t, s, j, 20, 1, scheduler.Failed, 0)
	ended(t, s, j, 30, 1, scheduler.TimedOut, 0)
	ended(t, s, j, 40, 1, scheduler.Lost, 0) // the last failure, of a group that is active
	ended(t, s, j, 50, 1, scheduler.Skipped, 0)
	ended(t, s, j, 60, 1, scheduler.Missed, 0)
	ended(t, s, j, 70, 1, scheduler.Cancelled, 0) // the newest
	ended(t, s, other, 5, 1, scheduler.Succeeded, 0)

	retry := NewExecution(j.ID, at(40))
	retry.Attempt = 2
	addExecution(t, s, retry)
	addExecution(t, s, NewExecution(j.ID, at(80)))

	dues := func(list []scheduler.Record) (due []int) {
		t.Helper()
		for _, r := range list {
			due = append(due, int(r.FinishedAt.Sub(epoch)/time.Second)-1)
			if r.JobNum != j.Num {
				t.Errorf("job %d, want %d", r.JobNum, j.Num)
			}
		}
		return due
	}
	for _, c := range []struct {
		before, limit int
		want          []int
	}{
		{1000, 100, []int{0, 20, 30, 50, 60}},
		{1000, 2, []int{0, 20}},
		{50, 100, []int{0, 20, 30}},
		{0, 100, nil},
	} {
		if d := cmp.Diff(c.want, dues(must(s.Expendable(bg, j.Num, at(c.before), c.limit)))); d != "" {
			t.Errorf("before %d, at most %d (-want +got):\n%s", c.before, c.limit, d)
		}
	}
	if list := must(s.Expendable(bg, other.Num, at(1000), 10)); len(list) != 0 {
		t.Errorf("of a job with one execution: %v", list)
	}
	want := []scheduler.History{
		{JobNum: j.Num, Ended: 8}, {JobNum: other.Num, Ended: 1}, {JobNum: empty.Num},
	}
	if d := cmp.Diff(want, must(s.Histories(bg, 0, 10))); d != "" {
		t.Errorf("histories (-want +got):\n%s", d)
	}
	j.Version, j.Retention = 2, scheduler.Retention{MaxAge: time.Hour, MaxCount: 7, MaxBytes: 1 << 40}
	tx(t, s, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, j) })
	want[0].Retention = j.Retention
	if d := cmp.Diff(want[:1], must(s.Histories(bg, 0, 1))); d != "" {
		t.Errorf("the first history (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want[2:], must(s.Histories(bg, other.Num, 10))); d != "" {
		t.Errorf("histories behind the second (-want +got):\n%s", d)
	}
	for _, c := range []struct {
		job      int64
		from, to time.Time
		want     int64
	}{
		{0, time.Time{}, at(1000), 30},
		{0, at(1), at(11), 10},
		{j.Num, time.Time{}, at(1000), 30},
		{j.Num, at(2), at(1000), 20},
		{other.Num, time.Time{}, at(1000), 0},
	} {
		if got := must(s.KeptOutput(bg, c.job, c.from, c.to)); got != c.want {
			t.Errorf("output of job %d from %v to %v: %d bytes, want %d", c.job, c.from, c.to, got, c.want)
		}
	}
}

// deleteExecutions lets chance end executions and delete what may be deleted, and
// recounts.
func deleteExecutions(t *testing.T, s *db.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 5))
	var jobs []scheduler.Job
	for range 3 {
		jobs = append(jobs, addJob(t, s, NewID()))
	}
	states := scheduler.States[2:]
	due := 0
	for range 25 {
		for range 1 + r.IntN(5) {
			due++
			ended(t, s, jobs[r.IntN(len(jobs))], due, 1+r.IntN(3), states[r.IntN(len(states))], r.IntN(20))
		}
		var list []scheduler.Record
		for _, j := range jobs {
			list = append(list, must(s.Expendable(bg, j.Num, at(due+10), r.IntN(5)))...)
		}
		r.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
		gone := scheduler.Record{Key: 1 << 40, JobNum: jobs[0].Num}
		tx(t, s, func(tx scheduler.Tx) error {
			if err := tx.DeleteExecutions(bg, append(list, gone)); err != nil {
				return err
			}
			// Something ends in the same transaction.
			e := NewExecution(jobs[0].ID, at(100_000+due))
			e.State, e.FinishedAt = scheduler.Skipped, at(due)
			_, err := tx.InsertExecution(bg, e)
			return err
		})
		recountAll(t, s, jobs)
	}
	// What runs is not deleted, whatever is asked.
	addExecution(t, s, NewExecution(jobs[0].ID, at(1_000_000)))
	running := claim(t, s, "w", at(1_000_000), 1)[0].Execution
	var all []scheduler.Record
	for key := range int64(500) {
		all = append(all, scheduler.Record{Key: key, JobNum: jobs[0].Num})
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.DeleteExecutions(bg, all) })
	recountAll(t, s, jobs)
	if got := must(s.Execution(bg, running.ID)); got.State != scheduler.Running {
		t.Errorf("what was running is %s", got.State)
	}
}

// recountAll compares the counters with what is listed.
func recountAll(t *testing.T, s *db.Store, jobs []scheduler.Job) {
	t.Helper()
	all, total, err := s.ListExecutions(bg, scheduler.ExecutionFilter{Limit: 1000})
	ok(t, err)
	if total.N != int64(len(all)) {
		t.Fatalf("total %d, listed %d", total.N, len(all))
	}
	for _, state := range scheduler.States {
		count(t, s, all, scheduler.ExecutionFilter{States: []scheduler.State{state}})
		for _, j := range jobs {
			count(t, s, all, scheduler.ExecutionFilter{JobID: j.ID, States: []scheduler.State{state}})
		}
	}
	for _, h := range must(s.Histories(bg, 0, 1000)) {
		for _, j := range jobs {
			list := filtered(all, scheduler.ExecutionFilter{JobID: j.ID})
			list = slices.DeleteFunc(list, func(e scheduler.Execution) bool { return !e.State.Final() })
			if h.JobNum == j.Num && h.Ended != int64(len(list)) {
				t.Fatalf("%d ended, recounted %d", h.Ended, len(list))
			}
		}
	}
}

func expendableOutput(t *testing.T, s *db.Store) {
	a, b := addJob(t, s, "a"), addJob(t, s, "b")
	ended(t, s, a, 0, 1, scheduler.Succeeded, 100)
	ended(t, s, b, 1, 1, scheduler.Succeeded, 200) // the last success
	ended(t, s, a, 2, 1, scheduler.Succeeded, 0)
	ended(t, s, b, 3, 1, scheduler.Failed, 300)
	ended(t, s, b, 4, 1, scheduler.Failed, 400)
	ended(t, s, a, 5, 1, scheduler.Succeeded, 500)
	big := ended(t, s, a, 6, 1, scheduler.Cancelled, 600)
	ended(t, s, a, 7, 1, scheduler.Succeeded, 700)
	for _, limit := range []int{1, 3, 100} {
		var bytes []int64
		var after *scheduler.Record
		for range 20 {
			list, next, err := s.ExpendableOutput(bg, after, at(1000), limit)
			ok(t, err)
			for _, r := range list {
				bytes = append(bytes, r.Bytes)
			}
			if after = next; next == nil {
				break
			}
		}
		if d := cmp.Diff([]int64{100, 300, 500, 600}, bytes); d != "" {
			t.Errorf("%d at a time (-want +got):\n%s", limit, d)
		}
	}
	list, _, err := s.ExpendableOutput(bg, nil, at(3), 100)
	ok(t, err)
	if len(list) != 1 {
		t.Errorf("%d were due before second 3, want 1", len(list))
	}
	r := must(s.Expendable(bg, a.Num, at(1000), 100))[3]
	tx(t, s, func(tx scheduler.Tx) error {
		more, err := tx.DropOutput(bg, r, 1)
		if !more {
			t.Error("a whole step leaves nothing")
		}
		return err
	})
	tx(t, s, func(tx scheduler.Tx) error {
		more, err := tx.DropOutput(bg, r, 1)
		if more {
			t.Error("nothing leaves something")
		}
		return err
	})
	if c, err := s.OutputAt(bg, big.ID, 0, 10); len(c.Data) != 0 || err != nil {
		t.Errorf("output that was dropped: %v, %v", c, err)
	}
	if _, err := s.Shrink(bg); err != nil {
		t.Error(err)
	}
}
