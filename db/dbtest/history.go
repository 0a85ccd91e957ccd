package dbtest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

func histories(t *testing.T, s *db.Store) {
	j, other := addJob(t, s, "j"), addJob(t, s, "other")
	addExecution(t, s, NewExecution(other.ID, at(0)))
	for i := range 6 {
		addExecution(t, s, NewExecution(j.ID, at(1800*i)))
	}
	waits := addExecution(t, s, NewExecution(j.ID, at(20_000)))
	states := []scheduler.State{scheduler.Succeeded, scheduler.Failed, scheduler.Succeeded}
	for i, c := range claim(t, s, "w", at(10_000), 20) {
		if c.Execution.ID != waits.ID {
			finish(t, s, c.Execution, states[i%len(states)], at(10_010))
		}
	}
	for _, due := range []int{1000, 1100, 5000} {
		e := NewExecution(j.ID, at(due))
		e.State, e.FinishedAt, e.QueuedAt = scheduler.Missed, at(due+5000), at(due+5000)
		addExecution(t, s, e)
	}

	runs, err := s.Runs(bg, j.ID, 4)
	ok(t, err)
	var due []time.Time
	for _, r := range runs {
		due = append(due, r.DueAt)
		if r.Attempt != 1 || r.State != scheduler.Missed && r.Took != 10*time.Second {
			t.Errorf("a run is %+v", r)
		}
	}
	if d := cmp.Diff([]time.Time{at(9000), at(7200), at(5400), at(5000)}, due); d != "" {
		t.Errorf("the newest runs were due (-want +got):\n%s", d)
	}
	if none, err := s.Runs(bg, "no such job", 4); err != nil || len(none) != 0 {
		t.Errorf("runs of no job: %v, %v", none, err)
	}

	// The hours begin where the reader's day does, not where UTC's hours do.
	counts, err := s.DueByHour(bg, j.ID, at(900))
	ok(t, err)
	var all int64
	for _, c := range counts {
		all += c.N
		if c.Hour.Sub(at(900))%time.Hour != 0 {
			t.Errorf("an hour begins at %v", c.Hour)
		}
	}
	if all != 8 { // what was due at 0 is before
		t.Errorf("%d executions were counted: %+v", all, counts)
	}
	if i := slices.IndexFunc(counts, func(c scheduler.HourCount) bool { return c.State == scheduler.Missed }); i < 0 ||
		counts[i].N != 2 || !counts[i].Hour.Equal(at(900)) {
		t.Errorf("missed in the first hour: %+v", counts)
	}

	missed, err := s.MissedBetween(bg, at(1050), at(6000), 10)
	ok(t, err)
	if len(missed) != 2 || !missed[0].DueAt.Equal(at(1100)) || !missed[1].DueAt.Equal(at(5000)) {
		t.Errorf("missed: %+v", missed)
	}
	if missed, _ = s.MissedBetween(bg, at(0), at(9000), 1); len(missed) != 1 {
		t.Errorf("at most one of what was missed: %d", len(missed))
	}

	// What ran counts where it was queued, what was missed where it was due.
	ended, err := s.EndedWithin(bg, []time.Time{at(900), at(1050), at(2000), at(6000), at(6001)})
	ok(t, err)
	var got [][2]int64
	for _, slot := range ended {
		var n int64
		for state, total := range slot {
			if n += total.N; total.Capped {
				t.Errorf("%d %s are more than are counted", total.N, state)
			}
		}
		got = append(got, [2]int64{n, slot[scheduler.Missed].N})
	}
	if d := cmp.Diff([][2]int64{{1, 1}, {2, 1}, {3, 1}, {0, 0}}, got); d != "" {
		t.Errorf("ended and missed by slot (-want +got):\n%s", d)
	}
	if none, err := s.EndedWithin(bg, []time.Time{at(0)}); err != nil || len(none) != 0 {
		t.Errorf("no slot: %v, %v", none, err)
	}
}
