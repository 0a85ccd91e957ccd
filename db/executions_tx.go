package db

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"belfry/scheduler"
)

// ActiveExecutions lists what is queued or running of a job. On PostgreSQL it
// also keeps the job's other deciders waiting until this transaction ends, as
// SQLite's one writer does: "none is active" stays true while it matters.
func (t *tx) ActiveExecutions(ctx context.Context, jobID string, limit int) ([]scheduler.Execution, error) {
	if err := t.decide(ctx, jobID); err != nil {
		return nil, err
	}
	return executions(ctx, t, listed+`e.job = (SELECT num FROM jobs WHERE id = $1) AND e.finished_at = 0
		ORDER BY e.due_at, e.attempt LIMIT `+number("$2"), jobID, limit)
}

// decide keeps a job's other deciders waiting on PostgreSQL.
func (t *tx) decide(ctx context.Context, jobID string) error {
	if t.s.dialect.update == "" {
		return nil
	}
	var num int64
	_, err := get(ctx, t, "SELECT num FROM jobs WHERE id = $1"+t.s.dialect.update, []any{jobID}, &num)
	return err
}

// Occupancy counts a job's active executions; see ActiveExecutions for
// PostgreSQL.
func (t *tx) Occupancy(ctx context.Context, jobID string, turns int) (o scheduler.Occupancy, err error) {
	if err := t.decide(ctx, jobID); err != nil {
		return o, err
	}
	num, err := t.jobNum(ctx, jobID)
	if err != nil {
		return o, err
	}
	var first, due int64
	err = each(ctx, t, "SELECT seq, state, wait, due_at FROM executions WHERE job = $1 AND finished_at = 0 AND wait <> 'turn' AND wait >= ''",
		[]any{num}, func(rows *sql.Rows) error {
			var seq, at int64
			var state, wait string
			err := rows.Scan(&seq, &state, &wait, &at)
			switch {
			case scheduler.State(state) == scheduler.Running:
				o.Running++
			case scheduler.Wait(wait) == scheduler.WaitTime:
				o.Later++
			default:
				o.Ready++
			}
			if first == 0 || at < due {
				first, due = seq, at
			}
			return err
		})
	if err != nil {
		return o, err
	}
	_, err = get(ctx, t, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM executions WHERE job = $1 AND state = 'queued' AND wait = 'turn' LIMIT "+
		number("$2")+") q", []any{num, max(turns, 1)}, &o.Turn)
	if err != nil || o.Active() == 0 {
		return o, err
	}
	query, args := listed+"e.seq = $1", []any{first}
	if first == 0 {
		query, args = listed+"e.job = $1 AND e.state = 'queued' AND e.wait = 'turn' ORDER BY e.due_at, e.attempt LIMIT 1", []any{num}
	}
	list, err := executions(ctx, t, query, args...)
	if len(list) > 0 {
		o.First = list[0]
	}
	return o, err
}

// Waiting lists what waits for its time and may run now. On PostgreSQL nobody
// else gets the same.
func (t *tx) Waiting(ctx context.Context, now time.Time, limit int) ([]scheduler.Execution, error) {
	list, err := executions(ctx, t, listed+"e.state = 'queued' AND e.wait = 'time' AND e.run_at <= $1 ORDER BY e.run_at, e.seq LIMIT "+
		number("$2")+t.s.dialect.skipOf("e"), micros(now), limit)
	return list, err
}

// NextTurn returns the oldest execution of a job that waits for its turn.
func (t *tx) NextTurn(ctx context.Context, jobID string) (e scheduler.Execution, ok bool, err error) {
	list, err := executions(ctx, t, listed+`e.job = (SELECT num FROM jobs WHERE id = $1) AND e.state = 'queued' AND e.wait = 'turn'
		ORDER BY e.due_at, e.attempt LIMIT 1`, jobID)
	if err != nil || len(list) == 0 {
		return e, false, err
	}
	return list[0], true, nil
}

// SetWait says what a queued execution waits for.
func (t *tx) SetWait(ctx context.Context, id string, wait scheduler.Wait, reason string) error {
	_, err := t.exec(ctx, "UPDATE executions SET wait = $2, reason = $3 WHERE id = $1 AND state = 'queued'", id, string(wait), clean(reason))
	return err
}

// InsertExecution stores e unless (job, due time, attempt) exists.
func (t *tx) InsertExecution(ctx context.Context, e scheduler.Execution) (bool, error) {
	if !scheduler.State("").CanBecome(e.State) {
		return false, conflict("an execution cannot begin as %s", e.State)
	}
	job, err := t.jobNum(ctx, e.JobID)
	if err != nil {
		return false, err
	}
	e.FinishedAt = endTime(e)
	first := e.Group
	if first == e.ID {
		first = ""
	}
	n, err := t.exec(ctx, `INSERT INTO executions (id, job, state, attempt, due_at, run_at, queued_at, started_at,
		finished_at, trigger_kind, trigger_by, first_id, reason, wait, priority, tags, config)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING`,
		e.ID, job, string(e.State), e.Attempt, micros(e.DueAt), micros(e.RunAt), micros(cmp.Or(e.QueuedAt, e.DueAt)),
		micros(e.FinishedAt), string(e.Trigger.Kind), clean(e.Trigger.By), first, clean(e.Reason),
		string(e.Wait), e.Priority, t.tagsOf(e.Tags), clean(string(e.Config)))
	if err != nil || n == 0 {
		return false, err
	}
	if e.State.Final() {
		t.pending.end(job, "", e.State, micros(e.DueAt), int64(e.Attempt), micros(e.FinishedAt))
	} else {
		t.pending.change(job, "", e.State)
	}
	return true, nil
}

// endTime returns when e ended: an ending without a time would be an active row
// to the indexes.
func endTime(e scheduler.Execution) time.Time {
	if !e.State.Final() {
		return time.Time{}
	}
	if e.FinishedAt.IsZero() {
		return time.Now()
	}
	return e.FinishedAt
}

// Claim makes queued executions running. On PostgreSQL the rows that are chosen
// are locked, and those that somebody else has chosen are passed over; the state
// is asked for again where it changes, all the same.
func (t *tx) Claim(ctx context.Context, w scheduler.Worker, now time.Time, limit int) ([]scheduler.Assignment, error) {
	if limit < 1 {
		return nil, nil
	}
	worker, at := clean(w.Name), micros(now)
	var claimed []executionRow
	sets, err := t.claimable(ctx, &w)
	for _, tags := range sets {
		if err == nil {
			err = each(ctx, t, `SELECT seq, id, job, attempt, due_at, run_at, queued_at, trigger_kind, trigger_by, first_id, priority, config, `+
				t.s.dialect.version+` FROM executions WHERE state = 'queued' AND wait = '' AND tags = $1
				ORDER BY priority DESC, due_at, job, seq LIMIT `+number("$2")+t.s.dialect.skip, []any{tags, limit}, func(rows *sql.Rows) error {
				r := executionRow{started: at, tags: tags}
				r.State, r.Worker, r.Progress = scheduler.Running, worker, -1
				err := rows.Scan(&r.seq, &r.ID, &r.job, &r.Attempt, &r.due, &r.run, &r.queued, (*string)(&r.Trigger.Kind),
					&r.Trigger.By, &r.first, &r.Priority, &r.config, &r.version)
				claimed = append(claimed, r)
				return err
			})
		}
	}
	if len(sets) > 1 {
		slices.SortFunc(claimed, func(a, b executionRow) int {
			return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.due, b.due), cmp.Compare(a.job, b.job), cmp.Compare(a.seq, b.seq))
		})
		claimed = claimed[:min(len(claimed), limit)]
	}
	if err != nil || len(claimed) == 0 {
		return nil, err
	}
	if err := t.run(ctx, claimed, worker, at); err != nil {
		return nil, err
	}
	list := make([]scheduler.Assignment, 0, len(claimed))
	for i := range claimed {
		r := &claimed[i]
		j, err := t.jobByNum(ctx, r.job, r.version)
		if scheduler.CodeOf(err) == scheduler.CodeNotFound {
			// DeleteJob and InsertExecution see to it that this does not happen. If it
			// does, one stray row must not keep all others from running.
			t.s.log.Error("claimed an execution without a job", "execution", r.ID)
			continue
		}
		if err != nil {
			return nil, err
		}
		r.JobID, r.JobName = j.ID, j.Name
		list = append(list, scheduler.Assignment{Execution: r.execution(), Job: j})
		t.s.claims.put(r.ID, claim{r.seq, r.job, r.due, int64(r.Attempt)})
		t.pending.change(r.job, scheduler.Queued, scheduler.Running)
	}
	return list, nil
}

// claimable lists the sets of tags that queued executions demand and w has. No
// tags comes first; it is mostly the only one.
func (t *tx) claimable(ctx context.Context, w *scheduler.Worker) ([]string, error) {
	sets := []string{""}
	if t.s.writer != nil && !t.s.tagged.Load() {
		return sets, nil
	}
	for last := ""; ; {
		found, err := get(ctx, t, "SELECT tags FROM executions WHERE state = 'queued' AND wait = '' AND tags > $1 ORDER BY tags LIMIT 1",
			[]any{last}, &last)
		if err != nil || !found {
			return sets, err
		}
		if w.Has(splitTags(last)) {
			sets = append(sets, last)
		}
	}
}

// run makes the chosen executions running.
func (t *tx) run(ctx context.Context, chosen []executionRow, worker string, at int64) error {
	for part := range slices.Chunk(chosen, idsPerQuery) {
		seqs := make([]int64, len(part))
		for i := range part {
			seqs[i] = part[i].seq
		}
		args := append([]any{worker, at}, padded(seqs)...)
		n, err := t.exec(ctx, "UPDATE executions SET state = 'running', worker = $1, started_at = $2, reason = '' WHERE state = 'queued' AND seq IN ("+
			placeholders(3, len(args)-2)+")", args...)
		if err != nil {
			return err
		}
		if n != int64(len(part)) {
			return scheduler.Errorf(scheduler.CodeInternal, "%d executions were chosen and %d could be claimed", len(part), n)
		}
	}
	return nil
}

// Finish stores e's final state where its state is still from.
func (t *tx) Finish(ctx context.Context, e scheduler.Execution, from scheduler.State) error {
	if !e.State.Final() || !from.CanBecome(e.State) {
		return conflict("an execution that is %s cannot become %s", from, e.State)
	}
	at, ok := t.s.claims.take(e.ID)
	for {
		if !ok {
			found, err := get(ctx, t, "SELECT seq, job, due_at, attempt FROM executions WHERE id = $1",
				[]any{e.ID}, &at.seq, &at.job, &at.due, &at.attempt)
			if err != nil {
				return err
			}
			if !found {
				return noExecution(e.ID)
			}
		}
		finished, err := t.finish(ctx, e, from, at)
		if err != nil || finished {
			return err
		}
		if !ok {
			break
		}
		ok = false // the hint was wrong, perhaps
	}
	var is string
	if _, err := get(ctx, t, "SELECT state FROM executions WHERE id = $1", []any{e.ID}, &is); err != nil {
		return err
	}
	return conflict("the execution is not %s any more: it is %s", from, is)
}

// finish ends the execution that is stored at a place, if it is there and in the
// state. The state is written into the text: SQLite compiles a statement anew
// for each value of a parameter that decides which partial indexes it may use.
func (t *tx) finish(ctx context.Context, e scheduler.Execution, from scheduler.State, at claim) (bool, error) {
	var exit any
	if e.ExitCode != nil {
		exit = int64(*e.ExitCode)
	}
	finished := micros(endTime(e))
	n, err := t.exec(ctx, `UPDATE executions SET state = $3, reason = $4, finished_at = $5, exit_code = $6,
		signal = $7, peak_memory = $8, cpu_time = $9
		WHERE seq = $1 AND id = $2 AND state = '`+string(from)+`'`,
		at.seq, e.ID, string(e.State), clean(e.Reason), finished, exit, clean(e.Signal), e.PeakMemory, int64(e.CPUTime))
	if err == nil && n > 0 {
		t.pending.end(at.job, from, e.State, at.due, at.attempt, finished)
	}
	return n > 0, err
}

func noExecution(id string) error { return notFound("there is no execution %q", id) }
