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

// TestTreePlans: what workers and changes of one job ask of the tree reads no more
// than it needs, however many jobs there are; which job is next is the first row of
// an index.
func TestTreePlans(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: filepath.Join(t.TempDir(), "x.db"), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	x := &explainer{querier: s.pool, t: t}
	at := time.Unix(1, 0)
	one := int64(1)
	err = s.write(ctx, func(t *tx) error {
		y := *x
		y.querier, y.what = t.querier, "changes of the tree"
		add := func(d scheduler.TreeDraft, on ...int64) (scheduler.TreeJob, error) {
			num, err := t.NextJobNum(ctx)
			if err != nil {
				return scheduler.TreeJob{}, err
			}
			j := scheduler.Job{ID: fmt.Sprint("tree", num), Draft: scheduler.Draft{Name: fmt.Sprint("tree", num)}}
			if err := t.InsertJob(ctx, &j); err != nil {
				return scheduler.TreeJob{}, err
			}
			made := scheduler.TreeJob{ID: j.ID, Num: j.Num, TreeDraft: d, State: scheduler.TreeWaiting, Done: scheduler.NoProgress}
			return made, t.InsertTree(ctx, made, on)
		}
		group, err := add(scheduler.TreeDraft{})
		if err != nil {
			return err
		}
		t.querier = &y
		first, err := add(scheduler.TreeDraft{Parent: group.Num, Command: "x"})
		if err != nil {
			return err
		}
		second, err := add(scheduler.TreeDraft{Parent: group.Num, Command: "x"}, first.Num)
		if err != nil {
			return err
		}
		if _, _, err := t.NextTreeJob(ctx, []int64{1}); err != nil {
			return err
		}
		for _, num := range []int64{group.Num, first.Num} {
			list, err := t.TreeJobs(ctx, []int64{num})
			if err != nil {
				return err
			}
			is := list[0]
			is.State, is.Paused, is.Priority, is.StartedAt = scheduler.TreeFinished, true, 5, at
			if err := t.UpdateTree(ctx, scheduler.TreeChange{Before: list[0], After: is}); err != nil {
				return err
			}
		}
		if err := t.SetTreeDependencies(ctx, second.Num, nil); err != nil {
			return err
		}
		if _, err := t.TreeHolds(ctx, group.Num, first.Num); err != nil {
			return err
		}
		if _, err := t.TreeRequires(ctx, first.Num); err != nil {
			return err
		}
		return t.DeleteTree(ctx, first.Num)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.read = x
	for what, run := range map[string]func() error{
		"job":      func() error { _, err := s.TreeJob(ctx, 1); return err },
		"next":     func() error { _, _, err := s.NextTreeJob(ctx, []int64{1, 2}); return err },
		"children": func() error { _, _, err := s.ListTree(ctx, scheduler.TreeFilter{Parent: &one, Limit: 5}); return err },
		"began last": func() error {
			_, _, err := s.ListTree(ctx, scheduler.TreeFilter{Parent: &one, Sort: "-started", Limit: 5})
			return err
		},
		"last": func() error {
			_, _, err := s.ListTree(ctx, scheduler.TreeFilter{Parent: &one, Sort: "-num", Limit: 5})
			return err
		},
		"ancestors": func() error { _, err := s.TreeAncestors(ctx, 1); _ = err; return nil },
		"edges":     func() error { _, err := s.TreeEdges(ctx, 1); return err },
		"overdue":   func() error { _, err := s.TreeOverdue(ctx, at, 5); return err },
		"working":   func() error { _, err := s.TreeWorkingOn(ctx, "w"); return err },
		"at work":   func() error { _, err := s.TreeAtWork(ctx); return err },
		"events":    func() error { _, err := s.TreeRuns(ctx, scheduler.TreeRunFilter{Since: at, Limit: 5}); return err },
		"of a job": func() error {
			_, err := s.TreeRuns(ctx, scheduler.TreeRunFilter{Num: 1, Worker: "w", Limit: 5})
			return err
		},
		"of one": func() error { _, err := s.TreeRuns(ctx, scheduler.TreeRunFilter{Worker: "w", Limit: 5}); return err },
		"log":    func() error { _, err := s.TreeExecutions(ctx, 1); return err },
	} {
		x.what = what
		if err := run(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	var plan []string
	err = each(ctx, s.pool, "EXPLAIN QUERY PLAN SELECT h_mask, key, first FROM tree_next WHERE held = 0 AND h_mask > $1 ORDER BY h_mask, key DESC, first LIMIT 1",
		[]any{-1}, func(rows *sql.Rows) error {
			var id, parent, unused int
			var detail string
			err := rows.Scan(&id, &parent, &unused, &detail)
			plan = append(plan, detail)
			return err
		})
	if want := "SEARCH tree_next USING COVERING INDEX tree_next_order (h_mask>?)"; err != nil || strings.Join(plan, "\n") != want {
		t.Errorf("which is next: %q (%v), want %q", plan, err, want)
	}
}
