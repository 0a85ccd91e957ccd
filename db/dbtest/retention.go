package dbtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

// ended adds an execution that ended in a state, due and ended at a second.
func ended(t *testing.T, s *db.Store, j scheduler.Job, second int, state scheduler.State) string {
	t.Helper()
	e := addExecution(t, s, NewExecution(j.ID, at(second)))
	for _, a := range claim(t, s, "w", at(second), 1) {
		c := scheduler.Chunk{FirstLine: 1, Data: []byte("0123456789\n"), Pieces: []scheduler.Piece{{Len: 11, At: at(second).Truncate(time.Millisecond)}}}
		tx(t, s, func(tx scheduler.Tx) error { return tx.SealOutput(bg, a.Execution.ID, c) })
		finish(t, s, a.Execution, state, at(second))
	}
	return e.ID
}

// retention: the oldest go first, and neither what is active nor the last success
// and the last bad end of a job.
func retention(t *testing.T, s *db.Store) {
	a, b := addJob(t, s, "a"), addJob(t, s, "b")
	names := map[string]string{}
	for i, state := range []scheduler.State{scheduler.Failed, scheduler.Succeeded, scheduler.Cancelled, scheduler.Failed, scheduler.Succeeded, scheduler.Cancelled} {
		for _, j := range []scheduler.Job{a, b} {
			names[ended(t, s, j, 10*i, state)] = fmt.Sprint(j.Name, " ", i, " ", state)
		}
	}
	retried := NewExecution(a.ID, at(0)) // the group of a's first is active again
	retried.Attempt = 2
	names[addExecution(t, s, retried).ID] = "a 0 again"

	left := func() (list []string) {
		all, _, err := s.ListExecutions(bg, scheduler.ExecutionFilter{})
		ok(t, err)
		for _, e := range all {
			list = append(list, names[e.ID])
		}
		recount(t, s, a, b)
		return list
	}
	expire := func(step func(tx scheduler.Tx) (scheduler.Expired, error)) (gone scheduler.Expired) {
		tx(t, s, func(tx scheduler.Tx) (err error) { gone, err = step(tx); return err })
		return gone
	}
	gone := expire(func(tx scheduler.Tx) (scheduler.Expired, error) { return tx.ExpireJob(bg, b.ID, at(100), 2) })
	if gone.N != 2 || gone.Bytes != 22 || !gone.Last.Equal(at(10)) {
		t.Errorf("the oldest two of b: %+v", gone)
	}
	if gone = expire(func(tx scheduler.Tx) (scheduler.Expired, error) { return tx.ExpireJob(bg, b.ID, at(100), 10) }); gone.N != 2 {
		t.Errorf("all others of b: %+v", gone)
	}
	// Of b the last failure and the last success stay.
	gone = expire(func(tx scheduler.Tx) (scheduler.Expired, error) { return tx.ExpireEnded(bg, time.Time{}, at(25), 10) })
	if gone.N != 2 { // a 1, a 2; a 0 is of an active group
		t.Errorf("what ended before second 25: %+v", gone)
	}
	want := []string{"a 5 cancelled", "b 4 succeeded", "a 4 succeeded", "b 3 failed", "a 3 failed", "a 0 again", "a 0 failed"}
	if d := cmp.Diff(want, left()); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
	if total, err := s.OutputTotal(bg, ""); err != nil || total != 6*11 {
		t.Errorf("output of all: %d, %v", total, err)
	}
	if total, err := s.OutputTotal(bg, b.ID); err != nil || total != 2*11 {
		t.Errorf("output of b: %d, %v", total, err)
	}
	b.Version, b.Retention = 2, scheduler.Retention{MaxCount: 7}
	tx(t, s, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, b) })
	for above, want := range map[int][]scheduler.History{
		0: {{JobID: b.ID, Keep: b.Retention, Count: 2}},
		3: {{JobID: a.ID, Count: 4}, {JobID: b.ID, Keep: b.Retention, Count: 2}},
		4: {{JobID: b.ID, Keep: b.Retention, Count: 2}},
	} {
		got, err := s.Histories(bg, above)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("histories above %d: %v (-want +got):\n%s", above, err, d)
		}
	}
	ok(t, s.Shrink(bg))
}

// recount compares the counters with the rows.
func recount(t *testing.T, s *db.Store, jobs ...scheduler.Job) {
	t.Helper()
	var n int64
	for _, j := range jobs {
		list, total, err := s.ListExecutions(bg, scheduler.ExecutionFilter{JobID: j.ID})
		ok(t, err)
		counts := map[scheduler.State]int64{}
		for _, e := range list {
			counts[e.State]++
		}
		if d := cmp.Diff(counts, must(s.JobStats(bg, []string{j.ID}, 0))[j.ID].Counts); d != "" || total.N != int64(len(list)) {
			t.Errorf("%s counts %d of %d (-rows +counters):\n%s", j.Name, total.N, len(list), d)
		}
		n += total.N
	}
	if _, total, err := s.ListExecutions(bg, scheduler.ExecutionFilter{Limit: 1}); err != nil || total.N != n {
		t.Errorf("all: %d, want %d, %v", total.N, n, err)
	}
}
