package db

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

// explainer looks at the plan of every query before it runs it.
type explainer struct {
	querier
	t    *testing.T
	what string
	n    int
}

func (x *explainer) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	x.explain(ctx, query, args)
	return x.querier.query(ctx, query, args...)
}

func (x *explainer) exec(ctx context.Context, query string, args ...any) (int64, error) {
	x.explain(ctx, query, args)
	return x.querier.exec(ctx, query, args...)
}

func (x *explainer) explain(ctx context.Context, query string, args []any) {
	var plan []string
	err := each(ctx, x.querier, "EXPLAIN QUERY PLAN "+query, args, func(rows *sql.Rows) error {
		var id, parent, unused int
		var detail string
		err := rows.Scan(&id, &parent, &unused, &detail)
		plan = append(plan, detail)
		return err
	})
	if err != nil {
		x.t.Errorf("%s: %v", x.what, err)
	}
	x.n++
	for _, line := range plan {
		if bad(line) {
			x.t.Errorf("%s: %s\n  in\n%s\n  of\n%s", x.what, line, strings.Join(plan, "\n"), query)
		}
	}
}

// bad says that a step of a plan would read a whole large table, or sort.
func bad(step string) bool {
	if strings.Contains(step, "USE TEMP B-TREE FOR ORDER BY") || strings.Contains(step, "AUTOMATIC") {
		return true
	}
	for _, table := range []string{"e", "executions", "output_chunks", "audit", "d", "deliveries", "t", "tree", "tree_next", "tree_dependencies"} {
		// A scan along an index in the wanted order stops at the end of the page.
		if step == "SCAN "+table || strings.HasPrefix(step, "SCAN "+table+" ") && !strings.Contains(step, "USING") {
			return true
		}
	}
	return false
}

// TestPlans: no list, total or statistic of SQLite scans the executions or sorts
// more than it shows.
func TestPlans(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: filepath.Join(t.TempDir(), "x.db"), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	x := &explainer{querier: s.pool, t: t}
	s.read = x
	at := time.Unix(1, 0)
	code := func(n int) *int { return &n }
	states := func(list ...scheduler.State) []scheduler.State { return list }
	for _, f := range []scheduler.ExecutionFilter{
		{},
		{JobID: "j"},
		{States: states(scheduler.Queued)},
		{States: states(scheduler.Running)},
		{States: states(scheduler.Failed)},
		{States: states(scheduler.Failed, scheduler.Lost, scheduler.TimedOut, scheduler.Queued)},
		{JobID: "j", States: states(scheduler.Failed)},
		{JobID: "j", States: states(scheduler.Queued, scheduler.Failed, scheduler.Lost)},
		{Worker: "w"},
		{Trigger: scheduler.TriggerManual},
		{From: at},
		{To: at},
		{From: at, To: at.Add(time.Hour)},
		{From: at, To: at.Add(time.Hour), States: states(scheduler.Failed, scheduler.Lost)},
		{Worker: "w", States: states(scheduler.Failed)},
		{Trigger: scheduler.TriggerManual, States: states(scheduler.Failed), From: at},
		{Exit: code(0)},
		{Exit: code(7)},
		{Exit: code(7), States: states(scheduler.Failed, scheduler.Lost)},
		{Exit: code(7), From: at},
		{JobID: "j", Exit: code(7)},
		{JobID: "j", Worker: "w"},
		{JobID: "j", Trigger: scheduler.TriggerManual, From: at},
		{Sort: "queued"},
		{Sort: "queued", JobID: "j"},
		{Sort: "queued", JobID: "j", States: states(scheduler.Failed, scheduler.Queued)},
		{Sort: "queued", States: states(scheduler.Failed, scheduler.Lost, scheduler.Running)},
		{Sort: "queued", Worker: "w", States: states(scheduler.Failed)},
		{Sort: "queued", Trigger: scheduler.TriggerManual, From: at},
		{Sort: "queued", Exit: code(7)},
		{Sort: "job"},
		{Sort: "-job"},
		{Sort: "-job", JobID: "j"},
		{Sort: "job", States: states(scheduler.Failed, scheduler.Queued), Worker: "w"},
		{Sort: "started"},
		{Sort: "-started", States: states(scheduler.Running, scheduler.Lost), Worker: "w", Exit: code(7), From: at},
		{Sort: "ended"},
		{Sort: "-ended"},
		{Sort: "-ended", States: states(scheduler.Failed, scheduler.Lost)},
		{Sort: "-ended", Worker: "w", Trigger: scheduler.TriggerManual, Exit: code(7), From: at, To: at.Add(time.Hour)},
		{Sort: "duration"},
		{Sort: "-duration"},
		{Sort: "-duration", States: states(scheduler.Failed)},
		{Sort: "-duration", Worker: "w", Trigger: scheduler.TriggerManual, Exit: code(0), From: at, To: at.Add(time.Hour)},
	} {
		x.what = fmt.Sprintf("executions %+v", f)
		if _, _, err := s.ListExecutions(ctx, f); err != nil {
			t.Error(err)
		}
	}
	for what, run := range map[string]func() error{
		"execution":     func() error { _, err := s.Execution(ctx, "x"); _ = err; return nil },
		"attempts":      func() error { _, err := s.Attempts(ctx, scheduler.Execution{Group: "x"}); return err },
		"changed":       func() error { _, err := s.ChangedSince(ctx, at, 100); return err },
		"running":       func() error { _, err := s.RunningOn(ctx, "w"); return err },
		"next":          func() error { _, _, err := s.NextRunAt(ctx); return err },
		"audit":         func() error { _, _, err := s.ListAudit(ctx, scheduler.AuditFilter{Limit: 10}); return err },
		"claimable":     func() error { _, err := s.Claimable(ctx, 10); return err },
		"deliveries":    func() error { _, err := s.ListDeliveries(ctx, "x"); return err },
		"next delivery": func() error { _, _, err := s.NextDelivery(ctx); return err },
		"gap":           func() error { _, err := s.OutputGap(ctx, "x"); return err },
		"histories":     func() error { _, err := s.Histories(ctx, 5, 100); return err },
		"expendable": func() error {
			_, err := s.Expendable(ctx, 1, at, 100)
			return err
		},
		"expendable output": func() error { _, _, err := s.ExpendableOutput(ctx, nil, at, 100); return err },
		"kept output":       func() error { _, err := s.KeptOutput(ctx, 0, at, at); return err },
		"a job's output":    func() error { _, err := s.KeptOutput(ctx, 1, at, at); return err },
		"runs":              func() error { _, err := s.Runs(ctx, "x", 400); return err },
		"due by hour":       func() error { _, err := s.DueByHour(ctx, "x", at); return err },
		"missed":            func() error { _, err := s.MissedBetween(ctx, at, at, 100); return err },
		"ended within": func() error {
			_, err := s.EndedWithin(ctx, []time.Time{at, at.Add(time.Hour), at.Add(2 * time.Hour)})
			return err
		},
		"summaries": func() error { _, err := s.JobSummaries(ctx, []string{"j", "k"}); return err },
		"began":     func() error { _, err := s.StartedAt(ctx, "j", at); return err },
		"each output": func() error {
			return s.EachOutput(ctx, "x", 10, func(*scheduler.Chunk) error { return nil })
		},
		"tail": func() error { _, err := s.OutputTail(ctx, "x", 10); return err },
	} {
		x.what = what
		if err := run(); err != nil {
			t.Error(err)
		}
	}
	for _, f := range []scheduler.AuditFilter{
		{Object: "x"},
		{Actor: "x"},
		{Actions: []string{"job.run"}},
		{Actions: []string{"job.", "user.create"}},
		{Via: "page"},
		{Object: "x", Actor: "y", Actions: []string{"job.run"}, Via: "page"},
		{From: at, To: at},
		{Actor: "x", From: at},
		{Sort: "at", Actor: "x"},
		{Sort: "actor", Object: "x", From: at},
		{Sort: "-action", Actor: "x", Actions: []string{"job.run"}, Via: "page", To: at},
		{Sort: "object", Object: "x"},
		{Sort: "object", Below: scheduler.AuditEntry{ID: 1, Object: "x", At: at}},
	} {
		x.what = fmt.Sprintf("audit %+v", f)
		if _, _, err := s.ListAudit(ctx, f); err != nil {
			t.Error(err)
		}
	}
	x.what = "audit chain"
	if _, err := s.AuditChain(ctx, 5, 100); err != nil {
		t.Error(err)
	}
	if _, _, _, err := s.AuditLinks(ctx); err != nil {
		t.Error(err)
	}
	for _, sort := range []string{"", "-name", "created", "-updated"} {
		x.what = "jobs by " + sort
		if _, _, err := s.ListJobs(ctx, scheduler.JobFilter{Sort: sort}); err != nil {
			t.Error(err)
		}
	}
	// These begin with something that exists.
	x.what = "output"
	r := &outputReader{ctx: ctx, q: s.read, seq: 1}
	for _, cond := range []string{"first_byte <= $2 ORDER BY first_byte DESC", "last_line >= $2 ORDER BY last_line, first_byte", "first_byte = $2"} {
		if _, err := r.chunk(cond, 1); err != nil {
			t.Error(err)
		}
	}
	x.what = "statistics"
	if err := addStats(ctx, s.read, []int64{1, 2, 3}, 30, map[int64]string{}, map[string]scheduler.JobStats{}); err != nil {
		t.Error(err)
	}
	if err := addStarted(ctx, s.read, []int64{1, 2, 3}, map[int64]string{}, map[string]scheduler.JobStats{}); err != nil {
		t.Error(err)
	}
	x.what = "in transactions"
	s.tagged.Store(true) // so that claims look for tags
	s.copied.Store(true) // and for other copies
	err = s.write(ctx, func(t *tx) error {
		x := *x
		x.querier = t.querier
		t.querier = &x
		if _, err := t.ActiveExecutions(ctx, "j", 1); err != nil {
			return err
		}
		for _, w := range []scheduler.Worker{{Name: "w"}, {Name: "w", Shuns: true}} {
			if _, err := t.Claim(ctx, w, at, 5); err != nil {
				return err
			}
		}
		if _, err := t.Copies(ctx, "j", at); err != nil {
			return err
		}
		if _, err := t.Held(ctx, "x", "w", 1); scheduler.CodeOf(err) != scheduler.CodeNotFound {
			return err
		}
		j := scheduler.Job{ID: "plan", Draft: scheduler.Draft{Name: "plan"}}
		if err := t.InsertJob(ctx, &j); err != nil {
			return err
		}
		if err := t.DeleteExecutions(ctx, []scheduler.Record{{Key: 1, JobNum: j.Num}}); err != nil {
			return err
		}
		if _, err := t.DropOutput(ctx, scheduler.Record{Key: 1}, 5); err != nil {
			return err
		}
		if _, err := t.DeleteHistory(ctx, "plan", at, 5); err != nil {
			return err
		}
		if err := t.ClearSummary(ctx, "plan"); err != nil {
			return err
		}
		if _, err := t.Waiting(ctx, at, 5); err != nil {
			return err
		}
		if _, _, err := t.NextTurn(ctx, "j"); err != nil {
			return err
		}
		if _, err := t.LastOutcome(ctx, "j"); err != nil {
			return err
		}
		if _, err := t.ClaimDeliveries(ctx, at, at, 5); err != nil {
			return err
		}
		if err := t.SettleDelivery(ctx, scheduler.Delivery{ID: "d"}, 1); err != nil {
			return err
		}
		if _, err := t.LastDue(ctx, "j"); err != nil {
			return err
		}
		if _, err := t.Dependents(ctx, "j"); err != nil {
			return err
		}
		if _, err := t.Satisfied(ctx, "j"); err != nil {
			return err
		}
		_, err := t.PurgeDeleted(ctx, 5)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if x.n < 40 {
		t.Errorf("only %d queries were looked at", x.n)
	}
}
