package db

import (
	"context"
	"slices"
	"time"

	"belfry/scheduler"
)

// lockTree keeps everybody else from changing the tree until the transaction ends:
// its sums are read, added to, and written. SQLite has one writer anyway.
func (t *tx) lockTree(ctx context.Context) error {
	if t.s.dialect.update == "" || t.treeLocked {
		return nil
	}
	t.treeLocked = true
	var n int64
	_, err := get(ctx, t, "SELECT value FROM counters WHERE name = 'tree'"+t.s.dialect.update, nil, &n)
	return err
}

// TreeJobs returns those of the jobs that exist.
func (t *tx) TreeJobs(ctx context.Context, nums []int64) ([]scheduler.TreeJob, error) {
	if err := t.lockTree(ctx); err != nil {
		return nil, err
	}
	list := make([]scheduler.TreeJob, 0, len(nums))
	for _, num := range nums {
		found, err := treeJobs(ctx, t, selectTree+"t.num = $1", num)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, nil
}

// groupsBelow names a job and all groups below it. What follows begins with them:
// CROSS JOIN is a plain join to PostgreSQL, and to SQLite that order.
const groupsBelow = `WITH RECURSIVE g (num, level) AS (
	SELECT num, 0 FROM tree WHERE num = $1
	UNION ALL SELECT t.num, g.level + 1 FROM g JOIN tree t ON t.parent = g.num AND t.is_group) `

// TreeBelow lists all jobs below one, groups before what is in them.
func (t *tx) TreeBelow(ctx context.Context, num int64) ([]scheduler.TreeJob, error) {
	if err := t.lockTree(ctx); err != nil {
		return nil, err
	}
	list, err := treeJobs(ctx, t, groupsBelow+"SELECT "+treeColumns+` FROM g CROSS JOIN tree t LEFT JOIN tree p ON p.num = t.parent
		WHERE t.parent = g.num`, num)
	slices.SortFunc(list, func(a, b scheduler.TreeJob) int {
		if a.Depth() != b.Depth() {
			return a.Depth() - b.Depth()
		}
		return int(a.Num - b.Num)
	})
	return list, err
}

// TreeRequires lists what has to end before a job can.
func (t *tx) TreeRequires(ctx context.Context, num int64) ([]scheduler.TreeEdge, error) {
	if err := t.lockTree(ctx); err != nil {
		return nil, err
	}
	above, err := treeEdges(ctx, t, treeAbove+"SELECT d.num, d.dependency FROM above a CROSS JOIN tree_dependencies d WHERE d.num = a.num", num)
	if err != nil {
		return nil, err
	}
	below, err := treeEdges(ctx, t, groupsBelow+`SELECT d.num, d.dependency FROM g CROSS JOIN tree t CROSS JOIN tree_dependencies d
		WHERE t.parent = g.num AND t.deps > 0 AND d.num = t.num`, num)
	return append(above, below...), err
}

// TreeHolds reports whether a job is another one, or in that group.
func (t *tx) TreeHolds(ctx context.Context, group, num int64) (bool, error) {
	if err := t.lockTree(ctx); err != nil {
		return false, err
	}
	var n int64
	return get(ctx, t, treeAbove+"SELECT num FROM above WHERE num = $2 LIMIT 1", []any{num, group}, &n)
}

// NextJobNum is the Num that InsertJob gives next.
func (t *tx) NextJobNum(ctx context.Context) (num int64, err error) {
	if err := t.lockTree(ctx); err != nil {
		return 0, err
	}
	_, err = get(ctx, t, "SELECT value + 1 FROM counters WHERE name = 'job_num'"+t.s.dialect.update, nil, &num)
	return num, err
}

// NextTreeJob returns the job that a worker gets next.
func (t *tx) NextTreeJob(ctx context.Context, rules []int64) (int64, bool, error) {
	if err := t.lockTree(ctx); err != nil {
		return 0, false, err
	}
	return nextTreeJob(ctx, t, rules)
}

// Begin makes a queued execution run on a worker.
func (t *tx) Begin(ctx context.Context, id, worker string, now time.Time) error {
	var at claim
	found, err := get(ctx, t, `UPDATE executions SET state = 'running', worker = $2, started_at = $3, reason = '', wait = ''
		WHERE id = $1 AND state = 'queued' RETURNING seq, job, due_at, attempt`, []any{id, clean(worker), micros(now)}, &at.seq, &at.job, &at.due, &at.attempt)
	if err != nil {
		return err
	}
	t.wrote = true
	if !found {
		return conflict("the execution is not queued any more")
	}
	t.s.claims.put(id, at)
	t.pending.change(at.job, scheduler.Queued, scheduler.Running)
	_, err = t.exec(ctx, `INSERT INTO tree_workers (name, last_job, last_run) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET last_job = excluded.last_job, last_run = excluded.last_run`, clean(worker), at.job, at.seq)
	return err
}

// TreeSetting returns what PutSetting stored, "" when nothing.
func (t *tx) TreeSetting(ctx context.Context, name string) (value string, err error) {
	if err := t.lockTree(ctx); err != nil {
		return "", err
	}
	_, err = get(ctx, t, "SELECT value FROM settings WHERE name = $1", []any{name}, &value)
	return value, err
}

// KeepTreeRules stores the rules of a worker.
func (t *tx) KeepTreeRules(ctx context.Context, worker, rules string) error {
	_, err := t.exec(ctx, "INSERT INTO tree_workers (name, rules) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET rules = excluded.rules",
		clean(worker), clean(rules))
	return err
}

// GreetTreeWorker notes when a worker came first.
func (t *tx) GreetTreeWorker(ctx context.Context, worker string, now time.Time) (rules string, err error) {
	_, err = get(ctx, t, `INSERT INTO tree_workers (name, since) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE
		SET since = CASE WHEN tree_workers.since = 0 THEN excluded.since ELSE tree_workers.since END RETURNING rules`,
		[]any{clean(worker), micros(now)}, &rules)
	t.wrote = true
	return rules, err
}

// CountTreeRun counts a run of a worker.
func (t *tx) CountTreeRun(ctx context.Context, worker string, well bool) error {
	column := "errors"
	if well {
		column = "finished"
	}
	_, err := t.exec(ctx, "UPDATE tree_workers SET "+column+" = "+column+" + 1 WHERE name = $1", clean(worker))
	return err
}

// ForgetTreeWorker makes all but the rules of a worker zero.
func (t *tx) ForgetTreeWorker(ctx context.Context, worker string) error {
	_, err := t.exec(ctx, "UPDATE tree_workers SET finished = 0, errors = 0, last_job = 0, last_run = 0, since = 0 WHERE name = $1", clean(worker))
	return err
}

// treeFields are the values of what a job decides and came to by itself, in the
// order of updateTree.
func treeFields(j *scheduler.TreeJob) []any {
	return []any{
		j.Num, j.Parent, clean(j.Title), clean(j.Command), clean(j.Dir), clean(j.Environment), clean(j.User), clean(j.URL), clean(j.Progress),
		j.Priority, scheduler.Rank(j.Priority), j.Affinity, int64(j.Timeout), j.Retries, j.Retry, j.Paused, j.Ready(),
		clean(j.Worker), j.Execution, micros(j.PingAt), micros(j.Deadline), j.Runs, j.Done,
	}
}

const (
	updateTree = `UPDATE tree SET parent = $2, title = $3, command = $4, dir = $5, environment = $6, owner = $7, url = $8,
		progress_pattern = $9, priority = $10, rank = $11, mask = $12, timeout = $13, retries = $14, retry_left = $15, paused = $16,
		ready = $17, worker = $18, execution = $19, ping_at = $20, deadline = $21, runs = $22, progress = $23`
	updateTreeJob   = updateTree + ", state = $24, started_at = $25, took = $26 WHERE num = $1"
	updateTreeGroup = updateTree + " WHERE num = $1"
)

// UpdateTree stores changes of jobs of the tree.
func (t *tx) UpdateTree(ctx context.Context, changes ...scheduler.TreeChange) error {
	if err := t.lockTree(ctx); err != nil {
		return err
	}
	r := newRoll(t)
	for i := range changes {
		if err := r.change(ctx, &changes[i].Before, &changes[i].After); err != nil {
			return err
		}
	}
	return r.flush(ctx)
}

// InsertTree stores a job of the tree.
func (t *tx) InsertTree(ctx context.Context, j scheduler.TreeJob, dependsOn []int64) error {
	if err := t.lockTree(ctx); err != nil {
		return err
	}
	on, blocked, err := t.unfinished(ctx, dependsOn)
	if err != nil {
		return err
	}
	j.Deps, j.Blocked = len(on), blocked
	_, err = t.exec(ctx, `INSERT INTO tree (num, parent, title, command, dir, environment, owner, url, progress_pattern, priority, rank, mask,
		timeout, retries, retry_left, paused, ready, worker, execution, ping_at, deadline, runs, progress, state, started_at, took, id, is_group,
		blocked, deps)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30)`,
		append(treeFields(&j), string(j.State), micros(j.StartedAt), j.Took.Microseconds(), j.ID, j.IsGroup(), j.Blocked, j.Deps)...)
	if err != nil {
		return err
	}
	if err := t.insertTreeDependencies(ctx, j.Num, on); err != nil {
		return err
	}
	r := newRoll(t)
	if j.IsGroup() {
		r.rebuild = append(r.rebuild, j.Num)
	}
	if j.Ready() {
		r.touch(&j)
	}
	r.add(&j, 1)
	return r.flush(ctx)
}

// unfinished returns those of the jobs that exist, and how many of them are not
// finished.
func (t *tx) unfinished(ctx context.Context, nums []int64) (exist []int64, n int, err error) {
	for _, num := range nums {
		var state string
		found, err := get(ctx, t, "SELECT state FROM tree WHERE num = $1", []any{num}, &state)
		if err != nil {
			return nil, 0, err
		}
		if !found || slices.Contains(exist, num) {
			continue
		}
		exist = append(exist, num)
		if scheduler.TreeState(state) != scheduler.TreeFinished {
			n++
		}
	}
	return exist, n, nil
}

func (t *tx) insertTreeDependencies(ctx context.Context, num int64, on []int64) error {
	for _, dep := range on {
		if _, err := t.exec(ctx, "INSERT INTO tree_dependencies (num, dependency) VALUES ($1, $2)", num, dep); err != nil {
			return err
		}
	}
	return nil
}

// SetTreeDependencies replaces what a job depends on.
func (t *tx) SetTreeDependencies(ctx context.Context, num int64, on []int64) error {
	list, err := t.TreeJobs(ctx, []int64{num})
	if err != nil || len(list) == 0 {
		return err
	}
	exist, blocked, err := t.unfinished(ctx, on)
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, "DELETE FROM tree_dependencies WHERE num = $1", num); err != nil {
		return err
	}
	if err := t.insertTreeDependencies(ctx, num, exist); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "UPDATE tree SET deps = $2 WHERE num = $1", num, len(exist)); err != nil {
		return err
	}
	r := newRoll(t)
	if err := r.block(ctx, num, blocked-list[0].Blocked); err != nil {
		return err
	}
	return r.flush(ctx)
}

// DeleteTree deletes a job and all below it.
func (t *tx) DeleteTree(ctx context.Context, num int64) error {
	below, err := t.TreeBelow(ctx, num)
	if err != nil {
		return err
	}
	top, err := t.TreeJobs(ctx, []int64{num})
	if err != nil || len(top) == 0 {
		return err
	}
	r := newRoll(t)
	r.add(&top[0], -1)
	for _, j := range append(below, top...) {
		waiting, err := numbers(ctx, t, "SELECT num FROM tree_dependencies WHERE dependency = $1", j.Num)
		if err != nil {
			return err
		}
		for _, d := range waiting {
			if _, err := t.exec(ctx, "DELETE FROM tree_dependencies WHERE num = $1 AND dependency = $2", d, j.Num); err != nil {
				return err
			}
			if _, err := t.exec(ctx, "UPDATE tree SET deps = deps - 1 WHERE num = $1", d); err != nil {
				return err
			}
			if j.State != scheduler.TreeFinished {
				if err := r.block(ctx, d, -1); err != nil {
					return err
				}
			}
		}
		if j.IsGroup() {
			if _, err := t.exec(ctx, "DELETE FROM tree_next WHERE parent = $1", j.Num); err != nil {
				return err
			}
		}
	}
	for _, j := range append(below, top...) {
		if _, err := t.exec(ctx, "DELETE FROM tree WHERE num = $1", j.Num); err != nil {
			return err
		}
		if j.Ready() {
			r.touch(&j)
		}
	}
	return r.flush(ctx)
}
