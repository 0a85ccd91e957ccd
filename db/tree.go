package db

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"belfry/scheduler"
)

// treeColumns are a job's of the tree in the order of scanTree, with what it has
// from the group above.
const treeColumns = `t.num, t.id, t.parent, t.title, t.command, t.dir, t.environment, t.owner, t.url, t.progress_pattern,
	t.priority, t.mask, t.timeout, t.retries, t.retry_left, t.state, t.paused, t.blocked, t.deps, t.worker, t.execution,
	t.started_at, t.took, t.ping_at, t.deadline, t.runs, t.progress, t.finished, t.errors, t.working, t.total,
	t.total_finished, t.total_errors, t.total_working,
	COALESCE(p.path, ''), COALESCE(p.h_mask, 0), COALESCE(p.held_paused, 0), COALESCE(p.held_blocked, 0)`

const fromTree = " FROM tree t LEFT JOIN tree p ON p.num = t.parent WHERE "

const selectTree = "SELECT " + treeColumns + fromTree

func scanTree(rows *sql.Rows) (scheduler.TreeJob, error) {
	var j scheduler.TreeJob
	var timeout, started, took, ping, deadline int64
	var above scheduler.Place
	err := rows.Scan(&j.Num, &j.ID, &j.Parent, &j.Title, &j.Command, &j.Dir, &j.Environment, &j.User, &j.URL, &j.Progress,
		&j.Priority, &j.Affinity, &timeout, &j.Retries, &j.Retry, (*string)(&j.State), &j.Paused, &j.Blocked, &j.Deps,
		&j.Worker, &j.Execution, &started, &took, &ping, &deadline, &j.Runs, &j.Done, &j.Finished, &j.Errors, &j.Working, &j.Total,
		&j.TotalFinished, &j.TotalErrors, &j.TotalWorking, &above.Path, &above.Mask, &above.HeldPaused, &above.HeldBlocked)
	j.Timeout, j.Took = time.Duration(timeout), time.Duration(took)*time.Microsecond
	j.StartedAt, j.PingAt, j.Deadline = fromMicros(started), fromMicros(ping), fromMicros(deadline)
	j.Place = above.Below(&j.TreeDraft, j.Blocked)
	return j, err
}

func treeJobs(ctx context.Context, q querier, query string, args ...any) ([]scheduler.TreeJob, error) {
	list := []scheduler.TreeJob{}
	err := each(ctx, q, query, args, func(rows *sql.Rows) error {
		j, err := scanTree(rows)
		list = append(list, j)
		return err
	})
	return list, err
}

// TreeJob returns a job of the tree.
func (s *Store) TreeJob(ctx context.Context, num int64) (scheduler.TreeJob, error) {
	list, err := treeJobs(ctx, s.read, selectTree+"t.num = $1", num)
	if err == nil && len(list) == 0 {
		err = notFound("there is no job %d in the tree", num)
	}
	if err != nil {
		return scheduler.TreeJob{}, err
	}
	return list[0], nil
}

// treeStates are the conditions of what people see.
var treeStates = map[scheduler.TreeState]string{
	scheduler.TreePaused:   "t.paused",
	scheduler.TreePending:  "NOT t.paused AND t.state = 'waiting' AND t.blocked > 0",
	scheduler.TreeWaiting:  "NOT t.paused AND t.state = 'waiting' AND t.blocked = 0",
	scheduler.TreeWorking:  "NOT t.paused AND t.state = 'working'",
	scheduler.TreeFinished: "NOT t.paused AND t.state = 'finished'",
	scheduler.TreeError:    "NOT t.paused AND t.state = 'error'",
}

// ListTree lists jobs of the tree. CodeInvalid: there is no such order.
func (s *Store) ListTree(ctx context.Context, f scheduler.TreeFilter) ([]scheduler.TreeJob, int64, error) {
	w := &where{}
	w.add("t.num > 0")
	if f.Parent != nil {
		w.add("t.parent = ?", *f.Parent)
	}
	if f.State != "" {
		w.add(cmp.Or(treeStates[f.State], "t.num < 0"))
	}
	if f.User != nil {
		w.add("t.owner = ?", *f.User)
	}
	if f.Worker != nil {
		w.add("t.worker = ?", *f.Worker)
	}
	if f.Priority != nil {
		w.add("t.priority = ?", *f.Priority)
	}
	if f.Affinity != nil {
		w.add("t.mask = ?", *f.Affinity)
	}
	if f.Query != "" {
		w.add(`lower(t.title) LIKE ? ESCAPE '\'`, likePattern(f.Query))
	}
	parts, err := treeParts(f.Sort)
	if err != nil {
		return nil, 0, err
	}
	conds, args := w.text(), slices.Clone(w.args)
	paging := " LIMIT " + number(w.arg(0)) + " OFFSET " + number(w.arg(0))
	count := func(p treePart) (n int, err error) {
		_, err = get(ctx, s.read, "SELECT COUNT(*) FROM tree t"+conds+p.cond, args, &n)
		return n, err
	}
	total, limit, offset := -1, math.MaxInt32, max(f.Offset, 0)
	if f.Limit > 0 || offset > 0 {
		if total, err = count(treePart{}); err != nil {
			return nil, 0, err
		}
		limit = cmp.Or(max(f.Limit, 0), limit)
	}
	list, err := inParts(parts, limit, offset, func(p treePart, limit, offset int) ([]scheduler.TreeJob, error) {
		return treeJobs(ctx, s.read, "SELECT "+treeColumns+" FROM tree t LEFT JOIN tree p ON p.num = t.parent"+conds+p.cond+" ORDER BY "+p.order+paging,
			append(slices.Clone(args), limit, offset)...)
	}, count)
	if total < 0 {
		total = len(list)
	}
	return list, int64(total), err
}

// treePart is a part of a list of the tree, in the order of an index.
type treePart struct{ cond, order string }

// treeParts are the lists behind scheduler.TreeSorts.
func treeParts(sort string) ([]treePart, error) {
	column, down := strings.CutPrefix(cmp.Or(sort, "num"), "-")
	direction := ""
	if down {
		direction = " DESC"
	}
	switch column {
	case "num":
		return []treePart{{"", "t.num" + direction}}, nil
	case "started":
		return []treePart{
			{" AND t.started_at > 0", "t.started_at" + direction + ", t.num" + direction},
			{" AND t.started_at = 0", "t.num"},
		}, nil
	}
	return nil, scheduler.Invalid("sort", "the tree cannot be ordered by %q", sort)
}

// TreeDependencies lists what a job depends on.
func (s *Store) TreeDependencies(ctx context.Context, num int64) ([]scheduler.TreeJob, error) {
	return treeJobs(ctx, s.read, selectTree+"t.num IN (SELECT dependency FROM tree_dependencies WHERE num = $1) ORDER BY t.num", num)
}

// TreeEdges lists the dependencies of the jobs directly below one.
func (s *Store) TreeEdges(ctx context.Context, parent int64) ([]scheduler.TreeEdge, error) {
	return treeEdges(ctx, s.read, `SELECT d.num, d.dependency FROM tree t CROSS JOIN tree_dependencies d
		WHERE t.parent = $1 AND t.deps > 0 AND d.num = t.num ORDER BY t.num, d.dependency`, parent)
}

func treeEdges(ctx context.Context, q querier, query string, args ...any) ([]scheduler.TreeEdge, error) {
	var list []scheduler.TreeEdge
	err := each(ctx, q, query, args, func(rows *sql.Rows) error {
		var e scheduler.TreeEdge
		err := rows.Scan(&e.Num, &e.Dependency)
		list = append(list, e)
		return err
	})
	return list, err
}

// treeAbove names a job and the groups it is in: num and level, 0 is the job.
const treeAbove = `WITH RECURSIVE above (num, parent, level) AS (
	SELECT num, parent, 0 FROM tree WHERE num = $1
	UNION ALL SELECT g.num, g.parent, above.level + 1 FROM above JOIN tree g ON g.num = above.parent) `

// TreeAncestors lists the groups that a job is in.
func (s *Store) TreeAncestors(ctx context.Context, num int64) ([]scheduler.TreeJob, error) {
	list, err := treeJobs(ctx, s.read, treeAbove+"SELECT "+treeColumns+` FROM above a CROSS JOIN tree t LEFT JOIN tree p ON p.num = t.parent
		WHERE t.num = a.num AND a.level > 0`, num)
	slices.SortFunc(list, func(a, b scheduler.TreeJob) int { return a.Depth() - b.Depth() })
	return list, err
}

// TreeTop adds up the jobs at the root.
func (s *Store) TreeTop(ctx context.Context) (c scheduler.TreeCounts, err error) {
	_, err = get(ctx, s.read, `SELECT COALESCE(SUM(CASE WHEN total > 0 THEN total ELSE 1 END), 0),
		COALESCE(SUM(CASE WHEN is_group THEN total_finished WHEN state = 'finished' THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN is_group THEN total_errors WHEN state = 'error' THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN is_group THEN total_working WHEN state = 'working' THEN 1 ELSE 0 END), 0)
		FROM tree WHERE parent = 0`, nil, &c.Total, &c.TotalFinished, &c.TotalErrors, &c.TotalWorking)
	return c, err
}

// TreeValues lists the different values of a column.
func (s *Store) TreeValues(ctx context.Context, column scheduler.TreeColumn) ([]any, error) {
	expr, ok := map[scheduler.TreeColumn]string{
		scheduler.TreeUsers: "owner", scheduler.TreeWorkers: "worker", scheduler.TreePriorities: "priority", scheduler.TreeAffinities: "mask",
		scheduler.TreeByState: "CASE WHEN state = 'waiting' AND blocked > 0 AND NOT paused THEN 'pending' WHEN paused THEN 'paused' ELSE state END",
	}[column]
	if !ok {
		return nil, scheduler.Invalid("column", "there is no column %q", string(column))
	}
	list := []any{}
	err := each(ctx, s.read, "SELECT "+expr+" AS v FROM tree GROUP BY 1 ORDER BY MIN(num)", nil, func(rows *sql.Rows) error {
		switch column {
		case scheduler.TreePriorities, scheduler.TreeAffinities:
			var n int64
			err := rows.Scan(&n)
			list = append(list, n)
			return err
		case scheduler.TreeByState:
			var state scheduler.TreeState
			err := rows.Scan((*string)(&state))
			list = append(list, state)
			return err
		default:
			var text string
			err := rows.Scan(&text)
			list = append(list, text)
			return err
		}
	})
	return list, err
}

// NextTreeJob returns the job that a worker gets next.
func (s *Store) NextTreeJob(ctx context.Context, rules []int64) (int64, bool, error) {
	return nextTreeJob(ctx, s.read, rules)
}

// nextTreeJob reads one row for each set of affinities that ready jobs have: they
// are few. The sets come first, so that a poll that finds nothing reads one row.
func nextTreeJob(ctx context.Context, q querier, rules []int64) (num int64, ok bool, err error) {
	type candidate struct {
		mask, first int64
		key         string
	}
	var all []candidate
	for last := int64(-1); ; {
		var c candidate
		found, err := get(ctx, q, "SELECT h_mask, key, first FROM tree_next WHERE held = 0 AND h_mask > $1 ORDER BY h_mask, key DESC, first LIMIT 1",
			[]any{last}, &c.mask, &c.key, &c.first)
		if err != nil {
			return 0, false, err
		}
		if !found {
			break
		}
		all, last = append(all, c), c.mask
	}
	for _, rule := range append(slices.Clone(rules), 0) {
		best := -1
		for i, c := range all {
			if c.mask&rule != c.mask || (c.mask == 0) != (rule == 0) {
				continue
			}
			if best < 0 || c.key > all[best].key || (c.key == all[best].key && c.first < all[best].first) {
				best = i
			}
		}
		if best >= 0 {
			return all[best].first, true, nil
		}
	}
	return 0, false, nil
}

// TreeOverdue lists jobs whose deadline has come.
func (s *Store) TreeOverdue(ctx context.Context, now time.Time, limit int) ([]int64, error) {
	return numbers(ctx, s.read, "SELECT num FROM tree WHERE deadline > 0 AND deadline <= $1 ORDER BY deadline LIMIT "+number("$2"), micros(now), limit)
}

// TreeWorkingOn lists the jobs that a worker runs.
func (s *Store) TreeWorkingOn(ctx context.Context, worker string) ([]int64, error) {
	return numbers(ctx, s.read, "SELECT num FROM tree WHERE worker = $1 AND state = 'working' AND NOT is_group ORDER BY num", worker)
}

// TreeAtWork lists the workers that run any.
func (s *Store) TreeAtWork(ctx context.Context) ([]string, error) {
	var list []string
	err := each(ctx, s.read, "SELECT DISTINCT worker FROM tree WHERE state = 'working' AND NOT is_group ORDER BY worker", nil, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		list = append(list, name)
		return err
	})
	return list, err
}

func numbers(ctx context.Context, q querier, query string, args ...any) ([]int64, error) {
	var list []int64
	err := each(ctx, q, query, args, func(rows *sql.Rows) error {
		var n int64
		err := rows.Scan(&n)
		list = append(list, n)
		return err
	})
	return list, err
}

// TreeRuns lists executions of the tree's jobs.
func (s *Store) TreeRuns(ctx context.Context, f scheduler.TreeRunFilter) ([]scheduler.TreeRun, error) {
	w := &where{}
	// Of one job, or worker, its own index is the better one.
	kind := "e.trigger_kind"
	order := "e.queued_at"
	if f.Num > 0 || f.Worker != "" {
		kind += " || ''"
	}
	if f.Num > 0 {
		w.add("e.job = ?", f.Num)
		order = "e.due_at"
	}
	if f.Worker != "" {
		worker := "e.worker"
		if f.Num > 0 {
			worker += " || ''"
		}
		w.add(worker+" = ? AND e.worker <> ''", f.Worker)
	}
	w.add(kind+" = ?", string(scheduler.TriggerTree))
	if !f.Since.IsZero() {
		w.add(order+" > ?", micros(f.Since))
	}
	tie := "e.seq"
	if f.Num > 0 {
		tie = "e.attempt"
	}
	list := []scheduler.TreeRun{}
	err := each(ctx, s.read, `SELECT e.seq, e.job, COALESCE((SELECT title FROM tree WHERE num = e.job), ''), e.worker, e.state, e.started_at, e.finished_at
		FROM executions e`+w.text()+fmt.Sprintf(" ORDER BY %s DESC, %s DESC LIMIT ", order, tie)+number(w.arg(f.Limit)), w.args, func(rows *sql.Rows) error {
		var r scheduler.TreeRun
		var started, finished int64
		err := rows.Scan(&r.Seq, &r.Num, &r.Title, &r.Worker, (*string)(&r.State), &started, &finished)
		if r.Start = fromMicros(started); finished > started {
			r.Took = time.Duration(finished-started) * time.Microsecond
		}
		list = append(list, r)
		return err
	})
	return list, err
}

// TreeWorkers returns what is kept of workers of the tree.
func (s *Store) TreeWorkers(ctx context.Context) (map[string]scheduler.TreeWorker, error) {
	all := map[string]scheduler.TreeWorker{}
	err := each(ctx, s.read, "SELECT name, rules, finished, errors, last_job, last_run, since FROM tree_workers", nil, func(rows *sql.Rows) error {
		var name string
		var since int64
		var w scheduler.TreeWorker
		err := rows.Scan(&name, &w.Rules, &w.Finished, &w.Errors, &w.LastJob, &w.LastRun, &since)
		w.Since = fromMicros(since)
		all[name] = w
		return err
	})
	return all, err
}

// TreeExecutions lists the executions of a job, oldest first.
func (s *Store) TreeExecutions(ctx context.Context, num int64) ([]string, error) {
	list := []string{}
	err := each(ctx, s.read, `SELECT id FROM executions WHERE job = $1 AND EXISTS (SELECT 1 FROM tree WHERE num = $1)
		ORDER BY due_at, attempt`, []any{num}, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		list = append(list, id)
		return err
	})
	return list, err
}
