package db

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strconv"
	"strings"

	"belfry/scheduler"
)

// Job returns a job by id.
func (s *Store) Job(ctx context.Context, id string) (scheduler.Job, error) {
	return s.oneJob(ctx, "id = $1", id)
}

// JobByName returns a job by its exact name.
func (s *Store) JobByName(ctx context.Context, name string) (scheduler.Job, error) {
	return s.oneJob(ctx, "name = $1", name)
}

func (s *Store) oneJob(ctx context.Context, cond, arg string) (scheduler.Job, error) {
	list, err := s.someJobs(ctx, "SELECT "+jobColumns+" FROM jobs WHERE "+cond, arg)
	if err != nil {
		return scheduler.Job{}, err
	}
	if len(list) == 0 {
		return scheduler.Job{}, noJob(arg)
	}
	return list[0], nil
}

func (s *Store) someJobs(ctx context.Context, query string, args ...any) ([]scheduler.Job, error) {
	list := []scheduler.Job{}
	err := each(ctx, s.read, query, args, func(rows *sql.Rows) error {
		j, err := scanJob(rows)
		list = append(list, j)
		return err
	})
	if err != nil {
		return list, err
	}
	all := make([]*scheduler.Job, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	return list, addDependencies(ctx, s.read, all)
}

// jobOrders are the columns behind scheduler.JobSorts.
var jobOrders = map[string]string{
	"": "name_key", "name": "name_key", "created": "created_at", "updated": "updated_at",
	scheduler.JobsByLast: "COALESCE((SELECT last_due FROM job_stats WHERE job = jobs.num), 0)",
}

// ListJobs lists jobs. CodeInvalid: there is no such order.
func (s *Store) ListJobs(ctx context.Context, f scheduler.JobFilter) ([]scheduler.Job, scheduler.Total, error) {
	name, down := strings.CutPrefix(f.Sort, "-")
	order, ok := jobOrders[name]
	if !ok {
		return nil, scheduler.Total{}, scheduler.Invalid("sort", "jobs cannot be ordered by %q", name)
	}
	if len(f.Metadata) > scheduler.MaxMetadata {
		return nil, scheduler.Total{}, scheduler.Invalid("metadata", "at most %d entries: no job has more", scheduler.MaxMetadata)
	}
	direction := ""
	if down {
		direction = " DESC"
	}
	w := jobWhere(f)
	var total scheduler.Total
	if _, err := get(ctx, s.read, "SELECT COUNT(*) FROM jobs"+w.text(), w.args, &total.N); err != nil {
		return nil, total, err
	}
	limit, offset := page(f.Limit, f.Offset)
	list, err := s.someJobs(ctx, "SELECT "+jobColumns+" FROM jobs"+w.text()+
		" ORDER BY "+order+direction+", num"+direction+" LIMIT "+number(w.arg(limit))+" OFFSET "+number(w.arg(offset)), w.args...)
	return list, total, err
}

func jobWhere(f scheduler.JobFilter) *where {
	w := &where{}
	if f.Query != "" {
		w.add(`search LIKE ? ESCAPE '\'`, likePattern(f.Query))
	}
	if f.Enabled != nil {
		w.add("enabled = ?", *f.Enabled)
	}
	if f.Executor != "" {
		w.add("executor = ?", f.Executor)
	}
	if f.Origin != "" {
		w.add("origin = ?", string(f.Origin))
	} else {
		w.add("origin <> ?", string(scheduler.OriginTree))
	}
	if f.Tag != "" {
		w.add("num IN (SELECT job FROM job_labels WHERE kind = 't' AND name = ?)", clean(f.Tag))
	}
	for _, k := range slices.Sorted(maps.Keys(f.Metadata)) {
		w.add("num IN (SELECT job FROM job_labels WHERE kind = 'm' AND name = ? AND value = ?)", clean(k), clean(f.Metadata[k]))
	}
	if f.State != "" {
		w.add("num IN (SELECT job FROM job_stats WHERE last_state = ?)", string(f.State))
	}
	return w
}

// EachEnabledJob calls fn for every enabled job that has a schedule.
func (s *Store) EachEnabledJob(ctx context.Context, fn func(scheduler.JobTimes) error) error {
	var failed error
	err := each(ctx, s.read, "SELECT id, schedules, starts_at, ends_at, paused_until, live_since FROM jobs WHERE enabled = $1 AND schedules <> '"+noSchedules+"'",
		[]any{true}, func(rows *sql.Rows) error {
			var t scheduler.JobTimes
			var text string
			var starts, ends, paused, live int64
			err := rows.Scan(&t.ID, &text, &starts, &ends, &paused, &live)
			t.StartsAt, t.EndsAt, t.PausedUntil, t.LiveSince = fromMicros(starts), fromMicros(ends), fromMicros(paused), fromMicros(live)
			if err == nil {
				t.Schedules, err = readSchedules(text)
			}
			if err != nil {
				return err
			}
			failed = fn(t)
			return failed
		})
	if failed != nil {
		return failed // fn's own, as it is
	}
	return err
}

// placeholders returns "$first, …" for n arguments.
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(first+i))
	}
	return b.String()
}

// padded returns the values as arguments, the last one repeated up to a power of
// two: a query over any number of them is then one of few statements.
func padded[T any](values []T) []any {
	n := 1
	for n < len(values) {
		n *= 2
	}
	args := make([]any, 0, n)
	for _, v := range values {
		args = append(args, v)
	}
	for len(args) > 0 && len(args) < n {
		args = append(args, args[len(values)-1])
	}
	return args
}
