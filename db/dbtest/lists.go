package dbtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

func executionLists(t *testing.T, s *db.Store) {
	code := func(n int) *int { return &n }
	a, b := addJob(t, s, "a"), addJob(t, s, "b")
	var all []scheduler.Execution // as they were made
	for i := range 40 {
		j := a
		if i%4 == 3 {
			j = b
		}
		e := NewExecution(j.ID, at(1000-i)) // due in the opposite order
		e.QueuedAt, e.RunAt = at(i), at(i)
		if i%5 == 0 {
			e.Trigger.Kind = scheduler.TriggerManual
		}
		all = append(all, addExecution(t, s, e))
	}
	for i, c := range claim(t, s, "w1", at(100), 20) {
		if state := []scheduler.State{scheduler.Succeeded, scheduler.Failed, ""}[i%3]; state != "" {
			c.Execution.ExitCode = code(7 * (i % 3))
			finish(t, s, c.Execution, state, at(200+i))
		}
	}
	claim(t, s, "w2", at(110), 5)
	for i := range 3 { // these end without having begun
		e := all[i]
		e.State, e.FinishedAt = scheduler.Cancelled, at(300-i)
		tx(t, s, func(tx scheduler.Tx) error { return tx.Finish(bg, e, scheduler.Queued) })
	}
	for i := range all {
		all[i] = must(s.Execution(bg, all[i].ID))
	}
	S := func(states ...scheduler.State) []scheduler.State { return states }
	for _, f := range []scheduler.ExecutionFilter{
		{},
		{JobID: a.ID},
		{JobID: b.ID},
		{JobID: "no such job"},
		{States: S(scheduler.Queued)},
		{States: S(scheduler.Running)},
		{States: S(scheduler.Failed)},
		{States: S(scheduler.Failed, scheduler.Queued, scheduler.Running)},
		{States: scheduler.States},
		{States: S("nonsense")},
		{States: S(scheduler.Lost)},
		{JobID: a.ID, States: S(scheduler.Succeeded)},
		{JobID: a.ID, States: S(scheduler.Queued, scheduler.Failed)},
		{Trigger: scheduler.TriggerManual},
		{Trigger: scheduler.TriggerManual, States: S(scheduler.Queued)},
		{Exit: code(0)},
		{Exit: code(7)},
		{Exit: code(8)},
		{Exit: code(7), States: S(scheduler.Failed)},
		{JobID: a.ID, Exit: code(7), Worker: "w1"},
		{Worker: "w1"},
		{Worker: "w2", States: S(scheduler.Running)},
		{Worker: "w3"},
		{From: at(10)},
		{To: at(10)},
		{From: at(10), To: at(20)},
		{From: at(5), To: at(25), States: S(scheduler.Failed)},
		{JobID: a.ID, From: at(10), Trigger: scheduler.TriggerManual},
		{Sort: "queued"},
		{Sort: "-queued"},
		{Sort: "queued", JobID: a.ID},
		{Sort: "queued", States: S(scheduler.Queued, scheduler.Failed), Trigger: scheduler.TriggerManual},
		{Sort: "queued", JobID: a.ID, States: S(scheduler.Queued, scheduler.Failed)},
		{Sort: "job"},
		{Sort: "-job"},
		{Sort: "-job", JobID: a.ID},
		{Sort: "job", States: S(scheduler.Running, scheduler.Failed)},
		{Sort: "job", States: S("nonsense")},
		{Sort: "started"},
		{Sort: "-started", States: S(scheduler.Queued, scheduler.Running, scheduler.Failed)},
		{Sort: "ended"},
		{Sort: "-ended"},
		{Sort: "-ended", JobID: a.ID},
		{Sort: "-ended", States: S(scheduler.Failed, scheduler.Queued)},
		{Sort: "ended", Trigger: scheduler.TriggerManual, From: at(5), To: at(30)},
		{Sort: "duration"},
		{Sort: "-duration"},
		{Sort: "-duration", JobID: b.ID, States: S(scheduler.Failed)},
		{Sort: "-duration", Worker: "w1", Exit: code(0)},
	} {
		want := filtered(all, f)
		for _, p := range [][2]int{{0, 0}, {7, 0}, {7, 7}, {9, 10}, {4, 15}, {1000, 35}} {
			f.Limit, f.Offset = p[0], p[1]
			list, total, err := s.ListExecutions(bg, f)
			ok(t, err)
			page := want[min(len(want), f.Offset):]
			if f.Limit > 0 {
				page = page[:min(len(page), f.Limit)]
			}
			if d := cmp.Diff(ids(page), ids(list)); d != "" || total.N != int64(len(want)) || total.Capped {
				t.Errorf("%+v: total %+v, want %d, and (-want +got):\n%s", f, total, len(want), d)
			}
		}
	}
	got, _, err := s.ListExecutions(bg, scheduler.ExecutionFilter{Limit: 1})
	ok(t, err)
	if d := cmp.Diff(all[39], got[0]); d != "" {
		t.Errorf("a listed execution (-want +got):\n%s", d)
	}
	if _, _, err := s.ListExecutions(bg, scheduler.ExecutionFilter{Sort: "queued_at; DROP TABLE jobs"}); scheduler.CodeOf(err) != scheduler.CodeInvalid {
		t.Errorf("an order that is not there: %v", err)
	}
}

// filtered does what ListExecutions promises, in memory.
func filtered(all []scheduler.Execution, f scheduler.ExecutionFilter) []scheduler.Execution {
	list := []scheduler.Execution{}
	for _, e := range all {
		if (f.JobID == "" || e.JobID == f.JobID) && (len(f.States) == 0 || slices.Contains(f.States, e.State)) &&
			(f.Trigger == "" || e.Trigger.Kind == f.Trigger) && (f.Worker == "" || e.Worker == f.Worker) && (f.Exit == nil || e.ExitCode != nil && *e.ExitCode == *f.Exit) &&
			(f.From.IsZero() || !e.QueuedAt.Before(f.From)) && (f.To.IsZero() || e.QueuedAt.Before(f.To)) {
			list = append(list, e)
		}
	}
	column, down := strings.CutPrefix(f.Sort, "-")
	slices.SortFunc(list, func(a, b scheduler.Execution) int {
		by := 0
		switch {
		case column == "job":
			by = strings.Compare(a.JobName, b.JobName)
			if by == 0 {
				return b.DueAt.Compare(a.DueAt)
			}
		case column == "started" && !a.StartedAt.IsZero() && !b.StartedAt.IsZero():
			by = a.StartedAt.Compare(b.StartedAt)
			if by == 0 { // as they were made
				by = a.QueuedAt.Compare(b.QueuedAt)
			}
		case column == "started" && a.StartedAt.IsZero() != b.StartedAt.IsZero():
			return b.StartedAt.Compare(a.StartedAt)
		case column == "ended" && !a.FinishedAt.IsZero() && !b.FinishedAt.IsZero():
			by = a.FinishedAt.Compare(b.FinishedAt)
		case column == "duration" && ran(a) && ran(b):
			by = int(a.FinishedAt.Sub(a.StartedAt) - b.FinishedAt.Sub(b.StartedAt))
		case column == "ended" && a.FinishedAt.IsZero() != b.FinishedAt.IsZero():
			return b.FinishedAt.Compare(a.FinishedAt)
		case column == "duration" && ran(a) != ran(b):
			if ran(a) {
				return -1
			}
			return 1
		case column == "ended", column == "started", column == "duration":
			return b.QueuedAt.Compare(a.QueuedAt)
		}
		if by != 0 && down {
			return -by
		} else if by != 0 {
			return by
		}
		if f.Sort == "queued" {
			a, b = b, a
		}
		if f.JobID != "" {
			return b.DueAt.Compare(a.DueAt)
		}
		return b.QueuedAt.Compare(a.QueuedAt)
	})
	return list
}

func ran(e scheduler.Execution) bool { return !e.StartedAt.IsZero() && !e.FinishedAt.IsZero() }

func cappedTotal(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	const n = 10_050
	for from := 0; from < n; from += 1000 {
		tx(t, s, func(tx scheduler.Tx) error {
			for i := from; i < min(from+1000, n); i++ {
				if _, err := tx.InsertExecution(bg, NewExecution(j.ID, at(i))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, c := range []struct {
		f    scheduler.ExecutionFilter
		want scheduler.Total
	}{
		{scheduler.ExecutionFilter{}, scheduler.Total{N: n}},
		{scheduler.ExecutionFilter{JobID: j.ID}, scheduler.Total{N: n}},
		{scheduler.ExecutionFilter{States: []scheduler.State{scheduler.Queued}}, scheduler.Total{N: n}},
		{scheduler.ExecutionFilter{Trigger: scheduler.TriggerSchedule}, scheduler.Total{N: 10_000, Capped: true}},
		{scheduler.ExecutionFilter{From: at(100)}, scheduler.Total{N: n - 100}},
	} {
		c.f.Limit = 1
		_, total, err := s.ListExecutions(bg, c.f)
		ok(t, err)
		if total != c.want {
			t.Errorf("%+v: total %+v, want %+v", c.f, total, c.want)
		}
	}
}

func attempts(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	first := addExecution(t, s, NewExecution(j.ID, at(0)))
	third, second := NewExecution(j.ID, at(0)), NewExecution(j.ID, at(0))
	second.Attempt, second.Group = 2, first.ID
	third.Attempt, third.Group = 3, first.ID
	addExecution(t, s, third)
	addExecution(t, s, second)
	addExecution(t, s, NewExecution(j.ID, at(1)))
	for _, e := range []scheduler.Execution{first, second, third} {
		if d := cmp.Diff([]string{first.ID, second.ID, third.ID}, ids(must(s.Attempts(bg, e)))); d != "" {
			t.Errorf("attempts of %d (-want +got):\n%s", e.Attempt, d)
		}
	}
}

func changedSince(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	for i := range 6 {
		addExecution(t, s, NewExecution(j.ID, at(i)))
	}
	c := claim(t, s, "w", at(10), 4)
	finish(t, s, c[0].Execution, scheduler.Succeeded, at(20))
	finish(t, s, c[1].Execution, scheduler.Failed, at(30))
	all, _, err := s.ListExecutions(bg, scheduler.ExecutionFilter{})
	ok(t, err)
	slices.Reverse(all) // 0 ended at 20, 1 ended at 30, 2 and 3 run since 10, 4 and 5 wait
	want := []string{all[4].ID, all[5].ID, all[2].ID, all[3].ID, all[1].ID}
	if d := cmp.Diff(want, ids(must(s.ChangedSince(bg, at(21), 100)))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	want = []string{all[4].ID, all[5].ID, all[2].ID, all[3].ID, all[0].ID, all[1].ID}
	if d := cmp.Diff(want, ids(must(s.ChangedSince(bg, at(20), 100)))); d != "" {
		t.Errorf("at the time (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want[:3], ids(must(s.ChangedSince(bg, at(20), 3)))); d != "" {
		t.Errorf("limited (-want +got):\n%s", d)
	}
}

func runningOn(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	for i := range 4 {
		addExecution(t, s, NewExecution(j.ID, at(i)))
	}
	one, two := claim(t, s, "one", at(9), 2), claim(t, s, "two", at(9), 1)
	finish(t, s, one[0].Execution, scheduler.Succeeded, at(10))
	if d := cmp.Diff([]string{one[1].Execution.ID}, ids(must(s.RunningOn(bg, "one")))); d != "" {
		t.Errorf("one (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{two[0].Execution.ID}, ids(must(s.RunningOn(bg, "two")))); d != "" {
		t.Errorf("two (-want +got):\n%s", d)
	}
	tx(t, s, func(tx scheduler.Tx) error {
		list, err := tx.ActiveExecutions(bg, j.ID, 10)
		if err == nil && (len(list) != 3 || list[0].ID != one[1].Execution.ID || list[2].State != scheduler.Queued) {
			t.Errorf("active: %v, want two that run and then one that waits", ids(list))
		}
		if short, _ := tx.ActiveExecutions(bg, j.ID, 1); len(short) != 1 {
			t.Errorf("%d active of at most 1", len(short))
		}
		return err
	})
}
