package db

import (
	"database/sql"
	"encoding/json"
	"time"

	"belfry/scheduler"
)

// executionColumns are the columns of an executions row e in the order of
// executionRow.
const executionColumns = `e.seq, e.id, e.job, e.state, e.attempt, e.due_at, e.run_at, e.queued_at, e.started_at,
	e.finished_at, e.trigger_kind, e.trigger_by, e.first_id, e.worker, e.reason, e.exit_code, e.signal,
	e.peak_memory, e.cpu_time, e.output_bytes, e.output_lines, e.wait, e.priority, e.tags, e.progress, e.cut_from, e.cut_to,
	e.config, e.copy`

// listed joins the jobs that exist; executions of deleted ones drop out. CROSS
// JOIN is a plain join to PostgreSQL, and to SQLite the order to begin with the
// executions, in the order that their index gives.
const listed = selectListed + fromListed

const (
	selectListed = "SELECT " + executionColumns + ", j.id, j.name"
	fromListed   = " FROM executions e CROSS JOIN jobs j WHERE j.num = e.job AND "
)

// known is like listed, with the executions of deleted jobs.
const known = "SELECT " + executionColumns + `, COALESCE(j.id, p.id, ''), COALESCE(j.name, p.name, '')
	FROM executions e LEFT JOIN jobs j ON j.num = e.job LEFT JOIN job_purge p ON p.num = e.job WHERE `

// executionRow is where a row is scanned to.
type executionRow struct {
	scheduler.Execution
	seq, job                            int64
	due, run, queued, started, finished int64
	first, tags, config                 string
	exit                                sql.NullInt64
	cpu                                 int64
	version                             int64 // of the job, where it is asked for
}

func (r *executionRow) dest() []any {
	return []any{
		&r.seq, &r.ID, &r.job, (*string)(&r.State), &r.Attempt, &r.due, &r.run, &r.queued, &r.started,
		&r.finished, (*string)(&r.Trigger.Kind), &r.Trigger.By, &r.first, &r.Worker, &r.Reason, &r.exit, &r.Signal,
		&r.PeakMemory, &r.cpu, &r.OutputBytes, &r.OutputLines, (*string)(&r.Wait), &r.Priority, &r.tags, &r.Progress,
		&r.Cut.From, &r.Cut.To, &r.config, &r.Copy,
	}
}

// execution returns the scanned row.
func (r *executionRow) execution() scheduler.Execution {
	e := r.Execution
	e.DueAt, e.RunAt, e.QueuedAt = fromMicros(r.due), fromMicros(r.run), fromMicros(r.queued)
	e.StartedAt, e.FinishedAt = fromMicros(r.started), fromMicros(r.finished)
	e.CPUTime = time.Duration(r.cpu)
	e.Tags = splitTags(r.tags)
	e.Group = r.first
	if e.Group == "" {
		e.Group = e.ID
	}
	if r.config != "" {
		e.Config = json.RawMessage(r.config)
	}
	if r.exit.Valid {
		code := int(r.exit.Int64)
		e.ExitCode = &code
	}
	return e
}

// scanExecution scans executionColumns and the job's id and name.
func scanExecution(rows *sql.Rows) (scheduler.Execution, error) {
	var r executionRow
	if err := rows.Scan(append(r.dest(), &r.JobID, &r.JobName)...); err != nil {
		return scheduler.Execution{}, err
	}
	return r.execution(), nil
}
