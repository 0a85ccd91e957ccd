package db

import (
	"context"
	"database/sql"
	"time"

	"belfry/scheduler"
)

// Job reads a job as this transaction sees it, and on PostgreSQL keeps it as it
// is until the transaction ends: what is decided from it stays true.
func (t *tx) Job(ctx context.Context, id string) (scheduler.Job, error) {
	if t.s.writer != nil {
		if num, ok := t.s.jobs.num(id); ok {
			return t.jobByNum(ctx, num, 0)
		}
	}
	var num, version int64
	found, err := get(ctx, t, "SELECT num, version FROM jobs WHERE id = $1"+t.s.dialect.update, []any{id}, &num, &version)
	if err != nil {
		return scheduler.Job{}, err
	}
	if !found {
		return scheduler.Job{}, noJob(id)
	}
	return t.jobByNum(ctx, num, version)
}

func noJob(id string) error { return notFound("there is no job %q", id) }

// jobByNum returns a job; version is the one that the row has, or 0 when the
// cache is the truth.
func (t *tx) jobByNum(ctx context.Context, num, version int64) (scheduler.Job, error) {
	if j, ok := t.s.jobs.get(num, version); ok {
		return j, nil
	}
	var j scheduler.Job
	err := each(ctx, t, "SELECT "+jobColumns+" FROM jobs WHERE num = $1", []any{num}, func(rows *sql.Rows) (err error) {
		j, err = scanJob(rows)
		return err
	})
	if err == nil && j.Num != num {
		err = notFound("there is no job number %d", num)
	}
	if err == nil {
		err = addDependencies(ctx, t, []*scheduler.Job{&j})
	}
	if err != nil {
		return j, err
	}
	// On PostgreSQL what this transaction wrote may still be taken back, and its
	// version given to another text.
	if t.s.writer != nil || !t.wrote {
		t.s.jobs.put(j)
	}
	return j, nil
}

// jobNum returns the number of a job that exists, and keeps it existing.
func (t *tx) jobNum(ctx context.Context, id string) (num int64, err error) {
	if t.s.writer != nil {
		if num, ok := t.s.jobs.num(id); ok {
			return num, nil
		}
	}
	found, err := get(ctx, t, "SELECT num FROM jobs WHERE id = $1"+t.s.dialect.share, []any{id}, &num)
	if err == nil && !found {
		err = noJob(id)
	}
	return num, err
}

// InsertJob stores j and sets its Num.
func (t *tx) InsertJob(ctx context.Context, j *scheduler.Job) error {
	var num int64
	_, err := get(ctx, t, "SELECT value + 1 FROM counters WHERE name = 'job_num'"+t.s.dialect.update, nil, &num)
	if err != nil {
		return err
	}
	fields, err := jobFields(j)
	if err != nil {
		return translate(err)
	}
	n, err := t.exec(ctx, `INSERT INTO jobs (id, name, name_key, search, display_name, notes, enabled, schedules,
		executor, config, concurrency, retries, retry_delay, retry_factor, retry_max_delay, timeout, grace,
		origin, version, created_at, updated_at, rules, starts_at, ends_at, paused_until, live_since, num)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
			$22, $23, $24, $25, $26, $27)
		ON CONFLICT DO NOTHING`, append(fields, num)...)
	if err != nil {
		return err
	}
	if n == 0 {
		return scheduler.ErrNameTaken
	}
	if _, err := t.exec(ctx, "UPDATE counters SET value = $1 WHERE name = 'job_num'", num); err != nil {
		return err
	}
	j.Num = num
	if err := t.insertLabels(ctx, j); err != nil {
		return err
	}
	if err := t.setDependencies(ctx, j); err != nil {
		return err
	}
	return t.setTriggers(ctx, j)
}

// UpdateJob stores j where its version is still j.Version-1.
func (t *tx) UpdateJob(ctx context.Context, j scheduler.Job) error {
	var version int64
	var name string
	var taken bool
	found, err := get(ctx, t, "SELECT num, version, name, EXISTS (SELECT 1 FROM jobs o WHERE o.name = $2 AND o.id <> $1) FROM jobs WHERE id = $1",
		[]any{j.ID, clean(j.Name)}, &j.Num, &version, &name, &taken)
	switch {
	case err != nil:
		return err
	case !found:
		return noJob(j.ID)
	case taken:
		return scheduler.ErrNameTaken
	}
	fields, err := jobFields(&j)
	if err != nil {
		return translate(err)
	}
	t.s.jobs.drop(j.ID)
	if name != clean(j.Name) {
		t.s.jobs.forget() // others are kept with the name of what they depend on
	}
	n, err := t.exec(ctx, `UPDATE jobs SET name = $2, name_key = $3, search = $4, display_name = $5, notes = $6,
		enabled = $7, schedules = $8, executor = $9, config = $10, concurrency = $11, retries = $12,
		retry_delay = $13, retry_factor = $14, retry_max_delay = $15, timeout = $16, grace = $17, origin = $18,
		version = $19, created_at = $20, updated_at = $21, rules = $22, starts_at = $23, ends_at = $24,
		paused_until = $25, live_since = $26 WHERE id = $1 AND version = $27`, append(fields, j.Version-1)...)
	if scheduler.CodeOf(err) == scheduler.CodeConflict {
		return scheduler.ErrNameTaken
	}
	if err == nil && n == 0 {
		return conflict("somebody else changed the job meanwhile: it has version %d now", version)
	}
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, "DELETE FROM job_labels WHERE job = $1", j.Num); err != nil {
		return err
	}
	if err := t.insertLabels(ctx, &j); err != nil {
		return err
	}
	if err := t.setDependencies(ctx, &j); err != nil {
		return err
	}
	if err := t.setTriggers(ctx, &j); err != nil {
		return err
	}
	_, err = t.exec(ctx, "UPDATE executions SET priority = $2, tags = $3 WHERE job = $1 AND finished_at = 0 AND state = 'queued'",
		j.Num, j.Priority, t.tagsOf(j.Tags))
	return err
}

// JobByName reads a job as this transaction sees it.
func (t *tx) JobByName(ctx context.Context, name string) (scheduler.Job, error) {
	var num, version int64
	found, err := get(ctx, t, "SELECT num, version FROM jobs WHERE name = $1"+t.s.dialect.share, []any{clean(name)}, &num, &version)
	if err != nil {
		return scheduler.Job{}, err
	}
	if !found {
		return scheduler.Job{}, noJob(name)
	}
	return t.jobByNum(ctx, num, version)
}

// LiveNow makes now the LiveSince of all jobs where it is later.
func (t *tx) LiveNow(ctx context.Context, now time.Time) error {
	n, err := t.exec(ctx, "UPDATE jobs SET live_since = $1, version = version + 1 WHERE live_since > $1", micros(now))
	if n > 0 {
		t.s.jobs.forget()
	}
	return err
}

// DeleteJob deletes the job. What is still queued of it is cancelled: nothing
// could claim it any more.
func (t *tx) DeleteJob(ctx context.Context, id string) error {
	var num int64
	var name string
	found, err := get(ctx, t, "SELECT num, name FROM jobs WHERE id = $1"+t.s.dialect.update, []any{id}, &num, &name)
	if err != nil {
		return err
	}
	if !found {
		return noJob(id)
	}
	if err := t.flush(); err != nil {
		return err
	}
	counts, err := countsOf(ctx, t, []int64{num})
	if err != nil {
		return err
	}
	var total [9]int64
	for i, s := range scheduler.States {
		total[i] = -counts[num][s]
	}
	if err := addTotals(ctx, t, 0, total); err != nil {
		return err
	}
	now := time.Now().UnixMicro()
	if _, err := t.exec(ctx, `UPDATE executions SET state = 'cancelled', reason = 'its job was deleted', finished_at = $2
		WHERE job = $1 AND finished_at = 0 AND state = 'queued'`, num, now); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "INSERT INTO job_purge (num, id, name, deleted_at) VALUES ($1, $2, $3, $4)",
		num, id, name, now); err != nil {
		return err
	}
	if err := t.untrigger(ctx, id); err != nil {
		return err
	}
	t.s.jobs.drop(id)
	_, err = t.exec(ctx, "DELETE FROM jobs WHERE num = $1", num)
	return err
}
