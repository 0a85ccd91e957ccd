package db

import (
	"context"
	"database/sql"
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
	runs, err := s.outcomes(ctx, []int64{num}, "e.finished_at > 0", min(max(n, 1), scheduler.MaxPage))
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

// MissedBetween lists what was missed. It is noticed after it was due, so that
// the index by when rows were made is good for due times, too.
func (s *Store) MissedBetween(ctx context.Context, from, to time.Time, limit int) ([]scheduler.Execution, error) {
	return executions(ctx, s.read, listed+"e.state = 'missed' AND e.finished_at > 0 AND e.queued_at >= $1 AND e.due_at + 0 >= $1 AND e.due_at + 0 < $2"+
		" ORDER BY e.queued_at, e.seq LIMIT "+number("$3"), micros(from), micros(to), max(limit, 0))
}
