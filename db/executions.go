package db

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

// executions runs a query that begins with listed or known.
func executions(ctx context.Context, q querier, query string, args ...any) ([]scheduler.Execution, error) {
	list := []scheduler.Execution{}
	err := each(ctx, q, query, args, func(rows *sql.Rows) error {
		e, err := scanExecution(rows)
		list = append(list, e)
		return err
	})
	return list, err
}

// Execution returns an execution; also one of a deleted job, until it is purged.
func (s *Store) Execution(ctx context.Context, id string) (scheduler.Execution, error) {
	list, err := executions(ctx, s.read, known+"e.id = $1", id)
	if err != nil {
		return scheduler.Execution{}, err
	}
	if len(list) == 0 {
		return scheduler.Execution{}, noExecution(id)
	}
	return list[0], nil
}

// Attempts lists the executions of e's group by attempt.
func (s *Store) Attempts(ctx context.Context, e scheduler.Execution) ([]scheduler.Execution, error) {
	list, err := executions(ctx, s.read, known+"e.first_id <> '' AND e.first_id = $1 ORDER BY e.attempt", e.Group)
	if err != nil {
		return nil, err
	}
	first, err := executions(ctx, s.read, known+"e.id = $1", e.Group)
	return append(first, list...), err
}

// ListExecutions lists executions, newest first unless f says otherwise: of one
// job by due time and attempt, of all by when they were queued. CodeInvalid: there
// is no such order.
func (s *Store) ListExecutions(ctx context.Context, f scheduler.ExecutionFilter) ([]scheduler.Execution, scheduler.Total, error) {
	limit, offset := page(f.Limit, f.Offset)
	p, err := planExecutions(f)
	if err != nil {
		return nil, scheduler.Total{}, err
	}
	total, err := s.countExecutions(ctx, f, p)
	if err != nil {
		return nil, scheduler.Total{}, err
	}
	if p.parts != nil && !total.Capped { // do not look for more than there is
		limit = int(min(int64(limit), max(total.N-int64(offset), 0)))
	}
	list, err := p.page(ctx, s.read, limit, offset)
	return list, total, err
}

func page(limit, offset int) (int, int) {
	if limit <= 0 || limit > scheduler.MaxPage {
		limit = scheduler.MaxPage
	}
	return limit, max(offset, 0)
}

// executionPlan is a filter as SQL: one branch per state, each of which an index
// delivers in order, so that the database merges them and reads no more rows
// than the page has. In an order of which the states are no part, there are parts
// instead, and the branches only count.
type executionPlan struct {
	branches []string
	parts    []executionPart
	order    string
	args     []any
	simple   bool // only job and states: the counters know the total
}

func planExecutions(f scheduler.ExecutionFilter) (executionPlan, error) {
	column, down := strings.CutPrefix(cmp.Or(f.Sort, "-queued"), "-")
	if column == "job" && f.JobID != "" { // which is the same of all
		column, down = "queued", true
	}
	direction := ""
	if down {
		direction = " DESC"
	}
	p := executionPlan{order: "queued_at" + direction + ", seq" + direction, simple: f.Trigger == "" && f.Worker == "" && f.Exit == nil && f.From.IsZero() && f.To.IsZero()}
	if f.JobID != "" {
		p.order = "due_at" + direction + ", attempt" + direction
	}
	if column != "queued" {
		if p.parts = executionParts(column, direction, executionWhere(f, true)); p.parts == nil {
			return executionPlan{}, scheduler.Invalid("sort", "executions cannot be ordered by %q", f.Sort)
		}
	}
	// Of one job the index by due time gives the order.
	w := executionWhere(f, f.JobID != "")
	p.args = w.args
	branch := func(cond string) {
		p.branches = append(p.branches, strings.Join(append(w.conds, cond), " AND "))
	}
	for _, s := range wanted(f.States) {
		if s.Final() {
			branch("e.state = '" + string(s) + "' AND e.finished_at > 0")
		} else {
			branch("e.state = '" + string(s) + "' AND e.finished_at = 0")
		}
	}
	switch {
	case len(f.States) == 0:
		branch("e.seq > 0")
	case len(p.branches) == 0: // only states that do not exist
		branch("e.seq < 0")
	}
	return p, nil
}

// executionWhere is a filter but for its states. ordered: another index gives the
// order; what is filtered by must not look better to the planner, which would sort
// what it finds.
func executionWhere(f scheduler.ExecutionFilter, ordered bool) where {
	var w where
	if f.JobID != "" {
		w.add("e.job = (SELECT num FROM jobs WHERE id = ?)", f.JobID)
	}
	trigger, worker, queued, exit := "e.trigger_kind", "e.worker", "e.queued_at", "e.exit_code"
	if ordered {
		trigger, worker, queued, exit = trigger+" || ''", worker+" || ''", queued+" + 0", exit+" + 0"
	}
	if f.Trigger != "" {
		w.add(trigger+" = ?", string(f.Trigger))
	}
	if f.Worker != "" {
		w.add(worker+" = ? AND e.worker <> ''", f.Worker)
	}
	if f.Exit != nil {
		w.add(exit+" = ?", *f.Exit)
		if *f.Exit != 0 {
			w.add("e.exit_code <> 0")
		}
	}
	if !f.From.IsZero() {
		w.add(queued+" >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		w.add(queued+" < ?", micros(f.To))
	}
	if ordered && len(f.States) > 0 {
		states := []string{"''"}
		for _, s := range wanted(f.States) {
			states = append(states, "'"+string(s)+"'")
		}
		w.add("e.state || '' IN (" + strings.Join(states, ", ") + ")")
	}
	return w
}

// wanted returns the valid states of a filter, once each.
func wanted(states []scheduler.State) []scheduler.State {
	var list []scheduler.State
	for _, s := range scheduler.States {
		if slices.Contains(states, s) {
			list = append(list, s)
		}
	}
	return list
}

// page reads a page of the list.
func (p *executionPlan) page(ctx context.Context, q querier, limit, offset int) ([]scheduler.Execution, error) {
	if p.parts == nil {
		return executions(ctx, q, p.list(), append(p.args, limit, offset)...)
	}
	paging := " LIMIT " + number("$"+strconv.Itoa(len(p.args)+1)) + " OFFSET " + number("$"+strconv.Itoa(len(p.args)+2))
	return inParts(p.parts, limit, offset,
		func(part executionPart, limit, offset int) ([]scheduler.Execution, error) {
			return executions(ctx, q, selectListed+part.rest()+" ORDER BY "+part.order+paging, append(p.args, limit, offset)...)
		},
		func(part executionPart) (n int, err error) {
			_, err = get(ctx, q, "SELECT COUNT(*)"+part.rest(), p.args, &n)
			return n, err
		})
}

func (p *executionPlan) list() string {
	n := len(p.args)
	var b strings.Builder
	for i, cond := range p.branches {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		b.WriteString(listed + cond)
	}
	b.WriteString(" ORDER BY " + p.order + " LIMIT " + number("$"+strconv.Itoa(n+1)) + " OFFSET " + number("$"+strconv.Itoa(n+2)))
	return b.String()
}

// maxCount is the most rows that a total counts one by one.
const maxCount = 10_000

func (s *Store) countExecutions(ctx context.Context, f scheduler.ExecutionFilter, p executionPlan) (scheduler.Total, error) {
	if p.simple {
		return s.countByState(ctx, f.JobID, f.States)
	}
	// Hardly ever are there deleted jobs, and without them the index alone counts.
	var deleted string
	var total scheduler.Total
	var any int64
	if found, err := get(ctx, s.read, "SELECT num FROM job_purge LIMIT 1", nil, &any); err != nil {
		return total, err
	} else if found {
		deleted = " AND e.job NOT IN (SELECT num FROM job_purge)"
	}
	for _, cond := range p.branches {
		var n int64
		_, err := get(ctx, s.read, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM executions e WHERE "+cond+deleted+
			" LIMIT "+strconv.Itoa(maxCount+1)+") c", p.args, &n)
		if err != nil {
			return total, err
		}
		if total.N += n; total.N > maxCount {
			return scheduler.Total{N: maxCount, Capped: true}, nil
		}
	}
	return total, nil
}

// ChangedSince lists what is active, and what ended at or after t.
func (s *Store) ChangedSince(ctx context.Context, t time.Time, limit int) ([]scheduler.Execution, error) {
	limit = max(limit, 0)
	list, err := executions(ctx, s.read, listed+
		"e.finished_at = 0 AND e.state = 'queued' ORDER BY e.queued_at, e.seq LIMIT "+number("$1"), limit)
	if err != nil {
		return nil, err
	}
	running, err := executions(ctx, s.read, listed+"e.finished_at = 0 AND e.state = 'running' ORDER BY e.queued_at, e.seq")
	if err != nil {
		return nil, err
	}
	ended, err := executions(ctx, s.read, listed+
		"e.finished_at > 0 AND e.finished_at >= $1 ORDER BY e.finished_at, e.seq LIMIT "+number("$2"), micros(t), limit)
	if err != nil {
		return nil, err
	}
	list = append(append(list, running...), ended...)
	slices.SortStableFunc(list, func(a, b scheduler.Execution) int { return changed(&a).Compare(changed(&b)) })
	return list[:min(len(list), limit)], nil
}

// changed returns when e came into its state.
func changed(e *scheduler.Execution) time.Time {
	return cmp.Or(e.FinishedAt, e.StartedAt, e.QueuedAt)
}

// RunningOn lists what is running on a worker, also of deleted jobs.
func (s *Store) RunningOn(ctx context.Context, worker string) ([]scheduler.Execution, error) {
	return executions(ctx, s.read, known+
		"e.finished_at = 0 AND e.state = 'running' AND e.worker = $1 ORDER BY e.queued_at, e.seq", worker)
}

// NextRunAt returns when the first that waits for its time may be claimed.
func (s *Store) NextRunAt(ctx context.Context) (time.Time, bool, error) {
	var at int64
	found, err := get(ctx, s.read, "SELECT run_at FROM executions WHERE state = 'queued' AND wait = 'time' ORDER BY run_at, seq LIMIT 1", nil, &at)
	return time.UnixMicro(at).UTC(), found, err
}
