package db

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

const (
	maxRecent   = 30
	medianOver  = 20 // runs that succeeded
	idsPerQuery = 512
	jobsPerPart = 16 // whose newest executions one statement reads
)

// JobStats answers for each of ids that exists.
func (s *Store) JobStats(ctx context.Context, ids []string, recent int) (map[string]scheduler.JobStats, error) {
	return jobStats(ctx, s.read, ids, recent)
}

// JobStats answers for one job as this transaction sees it.
func (t *tx) JobStats(ctx context.Context, id string) (scheduler.JobStats, error) {
	if err := t.flush(); err != nil {
		return scheduler.JobStats{}, err
	}
	stats, err := jobStats(ctx, t, []string{id}, 0)
	return stats[id], err
}

func jobStats(ctx context.Context, q querier, ids []string, recent int) (map[string]scheduler.JobStats, error) {
	stats := make(map[string]scheduler.JobStats, len(ids))
	idOf := make(map[int64]string, len(ids))
	var nums []int64
	for part := range slices.Chunk(ids, idsPerQuery) {
		args := padded(part)
		err := each(ctx, q, `SELECT j.num, j.id, COALESCE(s.last_success_at, 0), COALESCE(s.last_failure_at, 0)
			FROM jobs j LEFT JOIN job_stats s ON s.job = j.num WHERE j.id IN (`+placeholders(1, len(args))+")",
			args, func(rows *sql.Rows) error {
				var num, success, failure int64
				var id string
				err := rows.Scan(&num, &id, &success, &failure)
				stats[id] = scheduler.JobStats{LastSuccess: fromMicros(success), LastFailure: fromMicros(failure)}
				nums, idOf[num] = append(nums, num), id
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	for part := range slices.Chunk(nums, jobsPerPart) {
		if err := addStats(ctx, q, part, min(recent, maxRecent), idOf, stats); err != nil {
			return nil, err
		}
	}
	return stats, nil
}

// addStats fills in the counts, the last execution, the recent outcomes and the
// median of a few jobs.
func addStats(ctx context.Context, q querier, nums []int64, recent int, idOf map[int64]string, stats map[string]scheduler.JobStats) error {
	counts, err := countsOf(ctx, q, nums)
	if err != nil {
		return err
	}
	last, err := executions(ctx, q, perJob(listed+"e.job = $1 AND e.state <> 'queued'", 1, len(padded(nums))), padded(nums)...)
	if err != nil {
		return err
	}
	limit := max(recent, medianOver)
	ended, err := outcomes(ctx, q, nums, "e.finished_at > 0", limit)
	if err != nil {
		return err
	}
	// Mostly the newest outcomes hold enough successes for the median already.
	succeeded := make(map[int64][]scheduler.Outcome, len(nums))
	var search []int64
	for _, num := range nums {
		for _, o := range ended[num] {
			if o.State == scheduler.Succeeded && len(succeeded[num]) < medianOver {
				succeeded[num] = append(succeeded[num], o)
			}
		}
		if len(succeeded[num]) < medianOver && len(ended[num]) == limit {
			search = append(search, num)
		}
	}
	if len(search) > 0 {
		more, err := outcomes(ctx, q, search, "e.finished_at > 0 AND e.state = 'succeeded'", medianOver)
		if err != nil {
			return err
		}
		for _, num := range search {
			succeeded[num] = more[num]
		}
	}
	for _, num := range nums {
		st := stats[idOf[num]]
		st.Counts = counts[num]
		st.Recent = ended[num][:min(len(ended[num]), max(recent, 0))]
		st.MedianTook = median(succeeded[num])
		stats[idOf[num]] = st
	}
	for i := range last {
		st := stats[last[i].JobID]
		st.Last, st.LastStarted = &last[i], last[i].StartedAt
		stats[last[i].JobID] = st
	}
	var idle []int64 // jobs whose last execution never ran: an earlier one may have
	for _, num := range nums {
		if st := stats[idOf[num]]; st.Last != nil && st.LastStarted.IsZero() {
			idle = append(idle, num)
		}
	}
	return addStarted(ctx, q, idle, idOf, stats)
}

// addStarted fills in when the newest execution began that ran. There may be very
// many newer ones that were skipped or missed, so it looks by state.
func addStarted(ctx context.Context, q querier, nums []int64, idOf map[int64]string, stats map[string]scheduler.JobStats) error {
	if len(nums) == 0 {
		return nil
	}
	for _, state := range []scheduler.State{
		scheduler.Running, scheduler.Succeeded, scheduler.Failed, scheduler.TimedOut, scheduler.Cancelled, scheduler.Lost,
	} {
		ended := "e.finished_at > 0"
		if state == scheduler.Running {
			ended = "e.finished_at = 0"
		}
		found, err := outcomes(ctx, q, nums, ended+" AND e.started_at > 0 AND e.state = '"+string(state)+"'", 1)
		if err != nil {
			return err
		}
		for num, list := range found {
			st := stats[idOf[num]]
			if at := list[0].StartedAt; at.After(st.LastStarted) {
				st.LastStarted = at
				stats[idOf[num]] = st
			}
		}
	}
	return nil
}

// perJob puts n times a query for one job ($1 is its number) together, each of
// which takes the newest rows through the index: one round trip for all.
func perJob(query string, limit, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		b.WriteString("SELECT * FROM (" + strings.ReplaceAll(query, "$1", "$"+strconv.Itoa(i+1)) +
			" ORDER BY e.due_at DESC, e.attempt DESC LIMIT " + strconv.Itoa(limit) + ") q" + strconv.Itoa(i))
	}
	return b.String()
}

// outcomes returns the newest executions of each job that fulfil cond, newest
// first.
func outcomes(ctx context.Context, q querier, nums []int64, cond string, limit int) (map[int64][]scheduler.Outcome, error) {
	args := padded(nums)
	for i := len(nums); i < len(args); i++ {
		args[i] = int64(0) // no job: the padding must not answer twice
	}
	found := make(map[int64][]scheduler.Outcome, len(nums))
	err := each(ctx, q, perJob("SELECT e.job, e.id, e.state, e.attempt, e.due_at, e.started_at, e.finished_at FROM executions e WHERE e.job = $1 AND "+cond,
		limit, len(args)), args, func(rows *sql.Rows) error {
		var job, due, started, finished int64
		var o scheduler.Outcome
		err := rows.Scan(&job, &o.ID, (*string)(&o.State), &o.Attempt, &due, &started, &finished)
		o.DueAt, o.StartedAt = fromMicros(due), fromMicros(started)
		if started != 0 {
			o.Took = time.Duration(finished-started) * time.Microsecond
		}
		found[job] = append(found[job], o)
		return err
	})
	return found, err
}

func median(list []scheduler.Outcome) time.Duration {
	if len(list) == 0 {
		return 0
	}
	took := make([]time.Duration, len(list))
	for i, o := range list {
		took[i] = o.Took
	}
	slices.Sort(took)
	mid := len(took) / 2
	if len(took)%2 == 0 {
		return (took[mid-1] + took[mid]) / 2
	}
	return took[mid]
}

// countsOf counts the executions of jobs by state: those that ended from the
// jobs' counters, the active ones from their index.
func countsOf(ctx context.Context, q querier, nums []int64) (map[int64]map[scheduler.State]int64, error) {
	counts := make(map[int64]map[scheduler.State]int64, len(nums))
	for _, n := range nums {
		counts[n] = map[scheduler.State]int64{}
	}
	args := padded(nums)
	in := " IN (" + placeholders(1, len(args)) + ")"
	err := each(ctx, q, "SELECT job, succeeded, failed, timed_out, cancelled, lost, skipped, missed FROM job_stats WHERE job"+in,
		args, func(rows *sql.Rows) error {
			var job int64
			var n [7]int64
			err := rows.Scan(&job, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6])
			for i, state := range scheduler.States[2:] {
				if n[i] != 0 {
					counts[job][state] = n[i]
				}
			}
			return err
		})
	if err != nil {
		return nil, err
	}
	err = each(ctx, q, "SELECT job, state, COUNT(*) FROM executions WHERE finished_at = 0 AND job"+in+" GROUP BY job, state",
		args, func(rows *sql.Rows) error {
			var job, n int64
			var state string
			err := rows.Scan(&job, &state, &n)
			counts[job][scheduler.State(state)] = n
			return err
		})
	return counts, err
}

// countByState returns the total of a list that is filtered by job and states
// only, from the counters.
func (s *Store) countByState(ctx context.Context, jobID string, states []scheduler.State) (scheduler.Total, error) {
	counts, err := s.stateCounts(ctx, jobID)
	var total scheduler.Total
	for state, n := range counts {
		if len(states) == 0 || slices.Contains(states, state) {
			total.N += n
		}
	}
	return total, err
}

func (s *Store) stateCounts(ctx context.Context, jobID string) (map[scheduler.State]int64, error) {
	if jobID != "" {
		var num int64
		found, err := get(ctx, s.read, "SELECT num FROM jobs WHERE id = $1", []any{jobID}, &num)
		if err != nil || !found {
			return nil, err
		}
		counts, err := countsOf(ctx, s.read, []int64{num})
		return counts[num], err
	}
	counts := map[scheduler.State]int64{}
	err := each(ctx, s.read, "SELECT queued, running, succeeded, failed, timed_out, cancelled, lost, skipped, missed FROM execution_totals",
		nil, func(rows *sql.Rows) error {
			var n [9]int64
			err := rows.Scan(&n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7], &n[8])
			for i, state := range scheduler.States {
				counts[state] += n[i]
			}
			return err
		})
	return counts, err
}

// Ended counts what ended since the hour of t.
func (s *Store) Ended(ctx context.Context, t time.Time) ([]scheduler.HourCount, error) {
	since := micros(t)
	list := []scheduler.HourCount{}
	err := each(ctx, s.read, "SELECT hour, state, n FROM execution_hours WHERE hour >= $1 ORDER BY hour, state",
		[]any{since - since%microsPerHour}, func(rows *sql.Rows) error {
			var hour int64
			var c scheduler.HourCount
			err := rows.Scan(&hour, (*string)(&c.State), &c.N)
			c.Hour = fromMicros(hour)
			if n := len(list); n > 0 && list[n-1].Hour.Equal(c.Hour) && list[n-1].State == c.State {
				list[n-1].N += c.N // another shard
				return err
			}
			list = append(list, c)
			return err
		})
	return list, err
}
