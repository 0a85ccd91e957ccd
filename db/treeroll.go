package db

import (
	"context"
	"database/sql"

	"belfry/scheduler"
)

// treeRoll gathers what follows from changes of jobs, and writes it in one go: a
// thousand changed jobs of one group change the group once.
type treeRoll struct {
	t       *tx
	groups  map[int64]*groupDelta
	next    map[nextKey]bool // rows of tree_next to be found anew
	flips   map[int64]int    // jobs that became finished (1), or are not any more (-1)
	rebuild []int64          // groups whose path, affinity or place changed
}

// groupDelta is what changed directly below a group.
type groupDelta struct {
	counts scheduler.TreeCounts
	took   int64 // microseconds
	starts bool  // the start of something changed
}

// nextKey names a row of tree_next.
type nextKey struct{ parent, mask, rank int64 }

func newRoll(t *tx) *treeRoll {
	return &treeRoll{t: t, groups: map[int64]*groupDelta{}, next: map[nextKey]bool{}, flips: map[int64]int{}}
}

func (r *treeRoll) group(num int64) *groupDelta {
	if r.groups[num] == nil {
		r.groups[num] = &groupDelta{}
	}
	return r.groups[num]
}

func (r *treeRoll) touch(j *scheduler.TreeJob) {
	r.next[nextKey{j.Parent, j.Affinity, scheduler.Rank(j.Priority)}] = true
}

// add counts j n times in the group that it is in.
func (r *treeRoll) add(j *scheduler.TreeJob, n int64) {
	if j.Parent == 0 {
		return
	}
	g := r.group(j.Parent)
	g.counts.Add(j.Units(), n)
	g.took += n * j.Took.Microseconds()
	g.starts = g.starts || !j.StartedAt.IsZero()
}

// change stores one job, and notes what follows.
func (r *treeRoll) change(ctx context.Context, was, is *scheduler.TreeJob) error {
	if is.IsGroup() {
		if _, err := r.t.exec(ctx, updateTreeGroup, treeFields(is)...); err != nil {
			return err
		}
		moved := was.Parent != is.Parent
		if moved {
			r.add(was, -1)
			r.add(is, 1)
		}
		switch {
		case moved || was.Affinity != is.Affinity || scheduler.Rank(was.Priority) != scheduler.Rank(is.Priority):
			r.rebuild = append(r.rebuild, is.Num)
		case was.Paused != is.Paused:
			return r.hold(ctx, is.Num, "held_paused", sign(is.Paused))
		}
		return nil
	}
	args := append(treeFields(is), string(is.State), micros(is.StartedAt), is.Took.Microseconds())
	if _, err := r.t.exec(ctx, updateTreeJob, args...); err != nil {
		return err
	}
	if was.Parent != is.Parent || was.State != is.State || was.Took != is.Took || !was.StartedAt.Equal(is.StartedAt) {
		r.add(was, -1)
		r.add(is, 1)
	}
	if was.Ready() {
		r.touch(was)
	}
	if is.Ready() {
		r.touch(is)
	}
	r.flip(is.Num, was.State, is.State)
	return nil
}

func sign(up bool) int {
	if up {
		return 1
	}
	return -1
}

func (r *treeRoll) flip(num int64, was, is scheduler.TreeState) {
	if before, now := was == scheduler.TreeFinished, is == scheduler.TreeFinished; before != now {
		r.flips[num] += sign(now)
	}
}

// hold adds n to how many groups hold what is in a group, and in those below.
func (r *treeRoll) hold(ctx context.Context, num int64, column string, n int) error {
	below := groupsBelow + "SELECT num FROM g"
	if _, err := r.t.exec(ctx, "UPDATE tree SET "+column+" = "+column+" + $2 WHERE num IN ("+below+")", num, n); err != nil {
		return err
	}
	_, err := r.t.exec(ctx, "UPDATE tree_next SET held = held + $2 WHERE parent IN ("+below+")", num, n)
	return err
}

// flush writes everything that follows.
func (r *treeRoll) flush(ctx context.Context) error {
	for _, num := range r.rebuild {
		if err := r.inherit(ctx, num); err != nil {
			return err
		}
	}
	if err := r.sum(ctx); err != nil {
		return err
	}
	for num, n := range r.flips {
		if err := r.release(ctx, num, n); err != nil {
			return err
		}
	}
	for key := range r.next {
		if err := r.find(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// groupRow is what sum reads of a group.
type groupRow struct {
	job     scheduler.TreeJob
	started int64
	took    int64
}

// sum adds what changed to the groups, the deepest first, each of which changes the
// one above it.
func (r *treeRoll) sum(ctx context.Context) error {
	rows := map[int64]*groupRow{}
	for len(r.groups) > 0 {
		var deepest *groupRow
		for num := range r.groups {
			if rows[num] == nil {
				row, err := r.read(ctx, num)
				if err != nil {
					return err
				}
				rows[num] = row
			}
			if deepest == nil || rows[num].job.Depth() > deepest.job.Depth() {
				deepest = rows[num]
			}
		}
		d := r.groups[deepest.job.Num]
		delete(r.groups, deepest.job.Num)
		if deepest.job.ID == "" {
			continue // it is gone
		}
		if err := r.apply(ctx, deepest, d); err != nil {
			return err
		}
	}
	return nil
}

func (r *treeRoll) read(ctx context.Context, num int64) (*groupRow, error) {
	row := &groupRow{job: scheduler.TreeJob{Num: num}}
	j := &row.job
	_, err := get(ctx, r.t, `SELECT id, parent, path, state, finished, errors, working, total, total_finished, total_errors, total_working, started_at, took
		FROM tree WHERE num = $1`, []any{num}, &j.ID, &j.Parent, &j.Path, (*string)(&j.State), &j.Finished, &j.Errors, &j.Working,
		&j.Total, &j.TotalFinished, &j.TotalErrors, &j.TotalWorking, &row.started, &row.took)
	return row, err
}

func (r *treeRoll) apply(ctx context.Context, g *groupRow, d *groupDelta) error {
	before, started := g.job, g.started
	g.job.Add(d.counts, 1)
	g.job.State = g.job.TreeCounts.State()
	g.took += d.took
	if d.starts {
		g.started = 0
		_, err := get(ctx, r.t, "SELECT started_at FROM tree WHERE parent = $1 AND started_at > 0 ORDER BY started_at LIMIT 1", []any{g.job.Num}, &g.started)
		if err != nil {
			return err
		}
	}
	j := &g.job
	_, err := r.t.exec(ctx, `UPDATE tree SET state = $2, finished = $3, errors = $4, working = $5, total = $6, total_finished = $7,
		total_errors = $8, total_working = $9, started_at = $10, took = $11 WHERE num = $1`,
		j.Num, string(j.State), j.Finished, j.Errors, j.Working, j.Total, j.TotalFinished, j.TotalErrors, j.TotalWorking, g.started, g.took)
	if err != nil {
		return err
	}
	r.flip(j.Num, before.State, j.State)
	if j.Parent == 0 {
		return nil
	}
	above := r.group(j.Parent)
	above.counts.Add(before.Units(), -1)
	above.counts.Add(j.Units(), 1)
	above.took += d.took
	above.starts = above.starts || started != g.started
	return nil
}

// release tells those that depend on a job that it is finished, or not any more.
func (r *treeRoll) release(ctx context.Context, num int64, n int) error {
	if n == 0 {
		return nil
	}
	waiting, err := numbers(ctx, r.t, "SELECT num FROM tree_dependencies WHERE dependency = $1", num)
	if err != nil {
		return err
	}
	for _, w := range waiting {
		if err := r.block(ctx, w, -n); err != nil {
			return err
		}
	}
	return nil
}

// block adds n to how many dependencies a job waits for.
func (r *treeRoll) block(ctx context.Context, num int64, n int) error {
	if n == 0 {
		return nil
	}
	var key nextKey
	var group bool
	var blocked int
	// The conditions are those of TreeJob.Ready.
	found, err := get(ctx, r.t, `UPDATE tree SET blocked = blocked + $2,
		ready = (NOT is_group AND state = 'waiting' AND NOT paused AND blocked + $2 = 0)
		WHERE num = $1 RETURNING parent, mask, rank, is_group, blocked`, []any{num, n}, &key.parent, &key.mask, &key.rank, &group, &blocked)
	if err != nil || !found {
		return err
	}
	r.t.wrote = true
	if !group {
		r.next[key] = true
		return nil
	}
	if was := blocked - n; (was > 0) != (blocked > 0) {
		return r.hold(ctx, num, "held_blocked", sign(blocked > 0))
	}
	return nil
}

// find stores anew which job of a row of tree_next is the first.
func (r *treeRoll) find(ctx context.Context, k nextKey) error {
	var first int64
	found, err := get(ctx, r.t, "SELECT num FROM tree WHERE ready AND parent = $1 AND mask = $2 AND rank = $3 ORDER BY num LIMIT 1",
		[]any{k.parent, k.mask, k.rank}, &first)
	if err != nil {
		return err
	}
	if !found {
		_, err = r.t.exec(ctx, "DELETE FROM tree_next WHERE parent = $1 AND mask = $2 AND rank = $3", k.parent, k.mask, k.rank)
		return err
	}
	above, err := r.place(ctx, k.parent)
	if err != nil {
		return err
	}
	p := above.Below(&scheduler.TreeDraft{Priority: k.rank, Affinity: k.mask}, 0)
	_, err = r.t.exec(ctx, `INSERT INTO tree_next (parent, mask, rank, first, h_mask, held, key) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (parent, mask, rank) DO UPDATE SET first = excluded.first, h_mask = excluded.h_mask, held = excluded.held, key = excluded.key`,
		k.parent, k.mask, k.rank, first, p.Mask, p.HeldPaused+p.HeldBlocked, p.Key())
	return err
}

// place is what jobs in a group have from it; zero of the root.
func (r *treeRoll) place(ctx context.Context, group int64) (p scheduler.Place, err error) {
	if group != 0 {
		_, err = get(ctx, r.t, "SELECT path, h_mask, held_paused, held_blocked FROM tree WHERE num = $1", []any{group},
			&p.Path, &p.Mask, &p.HeldPaused, &p.HeldBlocked)
	}
	return p, err
}

// inherit writes what a group, and all groups below it, have from those above.
func (r *treeRoll) inherit(ctx context.Context, num int64) error {
	var d scheduler.TreeDraft
	var blocked int
	found, err := get(ctx, r.t, "SELECT parent, priority, mask, paused, blocked FROM tree WHERE num = $1", []any{num},
		&d.Parent, &d.Priority, &d.Affinity, &d.Paused, &blocked)
	if err != nil || !found {
		return err
	}
	above, err := r.place(ctx, d.Parent)
	if err != nil {
		return err
	}
	p := above.Below(&d, blocked)
	if _, err := r.t.exec(ctx, "UPDATE tree SET path = $2, h_mask = $3, held_paused = $4, held_blocked = $5 WHERE num = $1",
		num, p.Path, p.Mask, p.HeldPaused, p.HeldBlocked); err != nil {
		return err
	}
	err = each(ctx, r.t, "SELECT mask, rank FROM tree_next WHERE parent = $1", []any{num}, func(rows *sql.Rows) error {
		k := nextKey{parent: num}
		err := rows.Scan(&k.mask, &k.rank)
		r.next[k] = true
		return err
	})
	if err != nil {
		return err
	}
	below, err := numbers(ctx, r.t, "SELECT num FROM tree WHERE parent = $1 AND is_group ORDER BY num", num)
	for _, g := range below {
		if err == nil {
			err = r.inherit(ctx, g)
		}
	}
	return err
}
