package db

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"belfry/scheduler"
)

// Runs lists the newest executions of a job that ended.
func (s *Store) Runs(ctx context.Context, jobID string, n int) ([]scheduler.Outcome, error) {
	var num int64
	found, err := get(ctx, s.read, "SELECT num FROM jobs WHERE id = $1", []any{jobID}, &num)
	if err != nil || !found {
		return nil, err
	}
	runs, err := outcomes(ctx, s.read, []int64{num}, "e.finished_at > 0", min(max(n, 1), scheduler.MaxPage))
	return runs[num], err
}

// DueByHour counts a job's executions that ended, by state and by the hour in
// which they were due. Each state is a branch of its own: an index then holds all
// that is looked at.
func (s *Store) DueByHour(ctx context.Context, jobID string, from time.Time) ([]scheduler.HourCount, error) {
	var branches []string
	for _, state := range scheduler.States {
		if state.Final() {
			branches = append(branches, "SELECT '"+string(state)+"' AS state, (e.due_at - $2) / 3600000000 AS hour, COUNT(*) AS n FROM executions e"+
				" WHERE e.job = (SELECT num FROM jobs WHERE id = $1) AND e.state = '"+string(state)+"' AND e.due_at >= $2 AND e.finished_at > 0 GROUP BY 2")
		}
	}
	list := []scheduler.HourCount{}
	err := each(ctx, s.read, strings.Join(branches, " UNION ALL "), []any{jobID, micros(from)}, func(rows *sql.Rows) error {
		var hour int64
		var c scheduler.HourCount
		err := rows.Scan((*string)(&c.State), &hour, &c.N)
		c.Hour = from.Add(time.Duration(hour) * time.Hour).UTC()
		list = append(list, c)
		return err
	})
	slices.SortStableFunc(list, func(a, b scheduler.HourCount) int { return a.Hour.Compare(b.Hour) })
	return list, err
}

// EndedWithin counts at most maxCount of a slot and a state, from the indexes alone:
// also what a job had that was deleted a moment ago.
func (s *Store) EndedWithin(ctx context.Context, edges []time.Time) ([]map[scheduler.State]scheduler.Total, error) {
	counts := make([]map[scheduler.State]scheduler.Total, max(len(edges)-1, 0))
	if len(counts) == 0 {
		return counts, nil
	}
	var args []any
	var slots, branches []string
	for i, t := range edges {
		args = append(args, micros(t))
		if i < len(counts) {
			slots = append(slots, fmt.Sprintf("(%d, %s, %s)", i, number(fmt.Sprint("$", i+1)), number(fmt.Sprint("$", i+2))))
		}
	}
	for _, state := range scheduler.States {
		at, cond := "e.queued_at", " AND e.finished_at > 0"
		switch {
		case !state.Final():
			continue
		case state == scheduler.Missed:
			at, cond = "e.due_at", "" // executions_missed says no more
		}
		branches = append(branches, fmt.Sprintf("SELECT k, '%[1]s', (SELECT COUNT(*) FROM (SELECT 1 AS one FROM executions e WHERE e.state = '%[1]s'%[2]s"+
			" AND %[3]s >= lo AND %[3]s < hi LIMIT %[4]d) c) FROM slots", state, cond, at, maxCount+1))
	}
	query := "WITH slots (k, lo, hi) AS (VALUES " + strings.Join(slots, ", ") + ") " + strings.Join(branches, " UNION ALL ")
	err := each(ctx, s.read, query, args, func(rows *sql.Rows) error {
		var k int
		var state scheduler.State
		var n int64
		err := rows.Scan(&k, (*string)(&state), &n)
		if n > 0 {
			if counts[k] == nil {
				counts[k] = map[scheduler.State]scheduler.Total{}
			}
			counts[k][state] = scheduler.Total{N: min(n, maxCount), Capped: n > maxCount}
		}
		return err
	})
	return counts, err
}

// MissedBetween lists what was missed, by due time.
func (s *Store) MissedBetween(ctx context.Context, from, to time.Time, limit int) ([]scheduler.Execution, error) {
	return executions(ctx, s.read, listed+"e.state = 'missed' AND e.due_at >= $1 AND e.due_at < $2 ORDER BY e.due_at, e.seq LIMIT "+number("$3"),
		micros(from), micros(to), max(limit, 0))
}
