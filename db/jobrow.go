package db

import (
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"belfry/scheduler"
)

// jobColumns are a job's columns in the order of scanJob.
const jobColumns = `num, id, name, display_name, notes, enabled, schedules, executor, config, concurrency,
	retries, retry_delay, retry_factor, retry_max_delay, timeout, grace, origin, version, created_at, updated_at`

func scanJob(rows *sql.Rows) (scheduler.Job, error) {
	var j scheduler.Job
	var schedules, config string
	var delay, maxDelay, timeout, grace, created, updated int64
	err := rows.Scan(&j.Num, &j.ID, &j.Name, &j.DisplayName, &j.Notes, &j.Enabled, &schedules, &j.Executor, &config,
		&j.Concurrency, &j.Retries, &delay, &j.Retry.Factor, &maxDelay, &timeout, &grace, &j.Origin, &j.Version,
		&created, &updated)
	if err != nil {
		return j, err
	}
	if config != "" {
		j.Config = json.RawMessage(config)
	}
	j.Retry.Delay, j.Retry.MaxDelay = time.Duration(delay), time.Duration(maxDelay)
	j.Timeout, j.Grace = time.Duration(timeout), time.Duration(grace)
	j.CreatedAt, j.UpdatedAt = fromMicros(created), fromMicros(updated)
	j.Schedules, err = readSchedules(schedules)
	return j, err
}

func readSchedules(text string) (list []scheduler.Schedule, err error) {
	if text == noSchedules {
		return nil, nil
	}
	err = json.Unmarshal([]byte(text), &list)
	return list, err
}

const noSchedules = "[]"

// jobFields are the values that insert and update share, in the order of
// jobAssigned.
func jobFields(j *scheduler.Job) ([]any, error) {
	schedules := noSchedules
	if len(j.Schedules) > 0 {
		b, err := json.Marshal(j.Schedules)
		if err != nil {
			return nil, err
		}
		schedules = string(b)
	}
	name, display := clean(j.Name), clean(j.DisplayName)
	return []any{
		j.ID, name, fold(name), fold(name + "\n" + display), display, clean(j.Notes), j.Enabled, clean(schedules),
		clean(j.Executor), clean(string(j.Config)), string(j.Concurrency), j.Retries, int64(j.Retry.Delay),
		j.Retry.Factor, int64(j.Retry.MaxDelay), int64(j.Timeout), int64(j.Grace), string(j.Origin), j.Version,
		micros(j.CreatedAt), micros(j.UpdatedAt),
	}, nil
}

// fold makes text comparable without regard to case, in the same way on both
// databases.
func fold(s string) string { return strings.ToLower(s) }

// likePattern makes a LIKE pattern, with \ as escape, that finds text anywhere.
func likePattern(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(fold(clean(text))) + "%"
}
