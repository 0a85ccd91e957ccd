package db

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"belfry/scheduler"
)

const workerColumns = "name, kind, token, epoch, mode, presence, slots, tags, rules, sleep, about, connected_at, seen_at"

// ListWorkers lists all that connected and were not forgotten, by name.
func (s *Store) ListWorkers(ctx context.Context) ([]scheduler.Worker, error) {
	list := []scheduler.Worker{}
	err := each(ctx, s.read, "SELECT "+workerColumns+" FROM workers", nil, func(rows *sql.Rows) error {
		var w scheduler.Worker
		var tags, rules, sleep, about string
		var connected, seen int64
		err := rows.Scan(&w.Name, (*string)(&w.Kind), &w.Token, &w.Epoch, (*string)(&w.Mode), (*string)(&w.Presence),
			&w.Slots, &tags, &rules, &sleep, &about, &connected, &seen)
		if err != nil {
			return err
		}
		w.ConnectedAt, w.SeenAt = fromMicros(connected), fromMicros(seen)
		list = append(list, w)
		last := &list[len(list)-1]
		return errors.Join(json.Unmarshal([]byte(tags), &last.Tags), json.Unmarshal([]byte(rules), &last.Rules),
			json.Unmarshal([]byte(sleep), &last.Sleep), json.Unmarshal([]byte(about), &last.About))
	})
	sortFolded(list, func(w scheduler.Worker) string { return w.Name })
	return list, err
}

// PutWorker stores a worker under its name.
func (t *tx) PutWorker(ctx context.Context, w scheduler.Worker) error {
	var texts [4]string
	for i, v := range []any{w.Tags, w.Rules, w.Sleep, w.About} {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		texts[i] = clean(string(b))
	}
	_, err := t.exec(ctx, "INSERT INTO workers ("+workerColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, token = excluded.token, epoch = excluded.epoch,
			mode = excluded.mode, presence = excluded.presence, slots = excluded.slots, tags = excluded.tags,
			rules = excluded.rules, sleep = excluded.sleep, about = excluded.about,
			connected_at = excluded.connected_at, seen_at = excluded.seen_at`,
		clean(w.Name), string(w.Kind), w.Token, w.Epoch, string(w.Mode), string(w.Presence), w.Slots,
		texts[0], texts[1], texts[2], texts[3], micros(w.ConnectedAt), micros(w.SeenAt))
	return err
}

// DeleteWorker forgets a worker and what failed on it.
func (t *tx) DeleteWorker(ctx context.Context, name string) error {
	if _, err := t.exec(ctx, "DELETE FROM worker_failures WHERE worker = $1", clean(name)); err != nil {
		return err
	}
	_, err := t.exec(ctx, "DELETE FROM workers WHERE name = $1", clean(name))
	return err
}

const workerTokenColumns = "id, name, hash, made_by, created_at, last_used_at, revoked_at"

func (s *Store) workerTokens(ctx context.Context, query string, args ...any) ([]scheduler.WorkerToken, error) {
	list := []scheduler.WorkerToken{}
	err := each(ctx, s.read, query, args, func(rows *sql.Rows) error {
		var k scheduler.WorkerToken
		var created, used, revoked int64
		err := rows.Scan(&k.ID, &k.Name, &k.Hash, &k.MadeBy, &created, &used, &revoked)
		k.CreatedAt, k.LastUsedAt, k.RevokedAt = fromMicros(created), fromMicros(used), fromMicros(revoked)
		list = append(list, k)
		return err
	})
	return list, err
}

// WorkerTokenByHash returns a token, also one that was revoked.
func (s *Store) WorkerTokenByHash(ctx context.Context, hash string) (scheduler.WorkerToken, error) {
	list, err := s.workerTokens(ctx, "SELECT "+workerTokenColumns+" FROM worker_tokens WHERE hash = $1", clean(hash))
	if err == nil && len(list) == 0 {
		err = notFound("there is no such worker token")
	}
	if err != nil {
		return scheduler.WorkerToken{}, err
	}
	return list[0], nil
}

// ListWorkerTokens lists all tokens by name.
func (s *Store) ListWorkerTokens(ctx context.Context) ([]scheduler.WorkerToken, error) {
	list, err := s.workerTokens(ctx, "SELECT "+workerTokenColumns+" FROM worker_tokens ORDER BY created_at, id")
	sortFolded(list, func(k scheduler.WorkerToken) string { return k.Name })
	return list, err
}

// InsertWorkerToken stores a token.
func (t *tx) InsertWorkerToken(ctx context.Context, k scheduler.WorkerToken) error {
	n, err := t.exec(ctx, "INSERT INTO worker_tokens ("+workerTokenColumns+`, holds_name)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		k.ID, clean(k.Name), k.Hash, clean(k.MadeBy), micros(k.CreatedAt), micros(k.LastUsedAt), micros(k.RevokedAt), k.RevokedAt.IsZero())
	if err == nil && n == 0 {
		err = scheduler.ErrNameTaken
	}
	return err
}

// RevokeWorkerToken revokes a token; one that is revoked already stays as it is.
func (t *tx) RevokeWorkerToken(ctx context.Context, id string, at time.Time) error {
	n, err := t.exec(ctx, `UPDATE worker_tokens SET revoked_at = CASE WHEN revoked_at = 0 THEN $2 ELSE revoked_at END,
		holds_name = $3 WHERE id = $1`, id, micros(at), false)
	if err == nil && n == 0 {
		err = notFound("there is no worker token %q", id)
	}
	return err
}

// TouchWorkerToken notes that a worker connected with a token.
func (t *tx) TouchWorkerToken(ctx context.Context, id string, at time.Time) error {
	_, err := t.exec(ctx, "UPDATE worker_tokens SET last_used_at = $2 WHERE id = $1", id, micros(at))
	return err
}

// WorkerFailures lists what failed on workers, by worker and job.
func (s *Store) WorkerFailures(ctx context.Context) ([]scheduler.WorkerFailures, error) {
	list := []scheduler.WorkerFailures{}
	err := each(ctx, s.read, `SELECT f.worker, j.id, j.name, f.failures, f.last_at, f.execution FROM worker_failures f
		JOIN jobs j ON j.num = f.job ORDER BY f.worker, f.job`, nil, func(rows *sql.Rows) error {
		var f scheduler.WorkerFailures
		var last int64
		err := rows.Scan(&f.Worker, &f.JobID, &f.Job, &f.Failures, &last, &f.Execution)
		f.LastAt = fromMicros(last)
		list = append(list, f)
		return err
	})
	return list, err
}

// AddFailure counts a failure of a job on a worker.
func (t *tx) AddFailure(ctx context.Context, worker, jobID, executionID string, at time.Time) (n int, err error) {
	found, err := get(ctx, t, `INSERT INTO worker_failures (worker, job, failures, last_at, execution)
		SELECT $1, num, 1, CAST($3 AS BIGINT), $4 FROM jobs WHERE id = $2
		ON CONFLICT (worker, job) DO UPDATE SET failures = worker_failures.failures + 1, last_at = excluded.last_at, execution = excluded.execution
		RETURNING failures`, []any{clean(worker), jobID, micros(at), executionID}, &n)
	if found {
		t.wrote = true
	}
	return n, err
}

// ClearFailures forgets the failures of a job on a worker, or of all jobs.
func (t *tx) ClearFailures(ctx context.Context, worker, jobID string) error {
	if jobID == "" {
		_, err := t.exec(ctx, "DELETE FROM worker_failures WHERE worker = $1", clean(worker))
		return err
	}
	_, err := t.exec(ctx, "DELETE FROM worker_failures WHERE worker = $1 AND job = (SELECT num FROM jobs WHERE id = $2)", clean(worker), jobID)
	return err
}

// Claimable counts what may be claimed now, by the tags it demands: one look into
// the index for each set of tags, and one for each row up to limit.
func (s *Store) Claimable(ctx context.Context, limit int) (list []scheduler.Ready, err error) {
	tags := ""
	for {
		var n int
		_, err := get(ctx, s.read, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM executions WHERE state = 'queued' AND wait = '' AND tags = $1 LIMIT "+
			number("$2")+") q", []any{tags, limit}, &n)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			list = append(list, scheduler.Ready{Tags: splitTags(tags), N: n})
		}
		if s.writer != nil && !s.tagged.Load() {
			return list, nil
		}
		found, err := get(ctx, s.read, "SELECT tags FROM executions WHERE state = 'queued' AND wait = '' AND tags > $1 ORDER BY tags LIMIT 1",
			[]any{tags}, &tags)
		if err != nil || !found {
			return list, err
		}
	}
}

// Held returns how much output is stored of an execution that runs on a worker.
func (t *tx) Held(ctx context.Context, executionID, worker string, fence int64) (bytes int64, err error) {
	var by, state string
	var is int64
	found, err := get(ctx, t, "SELECT worker, state, fence, output_bytes FROM executions WHERE id = $1"+t.s.dialect.update,
		[]any{executionID}, &by, &state, &is, &bytes)
	switch {
	case err != nil:
		return 0, err
	case !found:
		return 0, noExecution(executionID)
	case by != clean(worker) || is != fence:
		return 0, conflict("the execution is not this worker's")
	case scheduler.State(state) != scheduler.Running:
		return 0, conflict("the execution is not running any more: it is %s", state)
	}
	return bytes, nil
}

// Copies lists the newest attempt of each copy of a fire.
func (t *tx) Copies(ctx context.Context, jobID string, due time.Time) ([]scheduler.Execution, error) {
	all, err := executions(ctx, t, listed+"e.job = (SELECT num FROM jobs WHERE id = $1) AND e.due_at = $2", jobID, micros(due))
	slices.SortFunc(all, func(a, b scheduler.Execution) int { // they are few
		return cmp.Or(cmp.Compare(a.Copy, b.Copy), cmp.Compare(b.Attempt, a.Attempt))
	})
	return slices.CompactFunc(all, func(a, b scheduler.Execution) bool { return a.Copy == b.Copy }), err
}
