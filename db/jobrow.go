package db

import (
	"database/sql"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"belfry/scheduler"
)

// jobColumns are a job's columns in the order of scanJob.
const jobColumns = `num, id, name, display_name, notes, enabled, schedules, executor, config, concurrency,
	retries, retry_delay, retry_factor, retry_max_delay, timeout, grace, origin, version, created_at, updated_at,
	rules, starts_at, ends_at, paused_until, live_since`

// rules are what the column of that name holds.
type rules struct {
	MaxQueued  int                `json:"max_queued,omitempty"`
	MaxRunning int                `json:"max_running,omitempty"`
	Priority   int                `json:"priority,omitempty"`
	ExitCodes  []int              `json:"exit_codes,omitempty"`
	Depends    bool               `json:"depends,omitempty"` // there are rows in job_dependencies
	Starts     bool               `json:"starts,omitempty"`  // there are rows in job_triggers
	Once       bool               `json:"once,omitempty"`
	Ephemeral  bool               `json:"ephemeral,omitempty"`
	OnStart    bool               `json:"on_start,omitempty"`
	Source     string             `json:"source,omitempty"`
	CatchUp    scheduler.CatchUp  `json:"catch_up,omitempty"`
	Window     time.Duration      `json:"window,omitempty"`
	Jitter     time.Duration      `json:"jitter,omitempty"`
	Tags       []string           `json:"tags,omitempty"`
	Copies     int                `json:"copies,omitempty"`
	Metadata   map[string]string  `json:"metadata,omitempty"`
	OutputHead int64              `json:"output_head,omitempty"`
	OutputTail int64              `json:"output_tail,omitempty"`
	Progress   string             `json:"progress,omitempty"`
	KeepAge    time.Duration      `json:"keep_age,omitempty"`
	KeepCount  int                `json:"keep_count,omitempty"`
	KeepBytes  int64              `json:"keep_bytes,omitempty"`
	Notify     []scheduler.Notify `json:"notify,omitempty"`

	Extra map[string]json.RawMessage `json:"extra,omitempty"`
}

// plain are the rules of most jobs: ” in the column, for speed.
var plain = rules{
	MaxQueued: scheduler.DefaultMaxQueued, CatchUp: scheduler.CatchUpSkip, Window: scheduler.DefaultCatchUpWindow, Copies: 1,
	OutputHead: scheduler.DefaultOutputLimit.Head, OutputTail: scheduler.DefaultOutputLimit.Tail,
}

func writeRules(d *scheduler.Job) (string, error) {
	r := rules{
		MaxQueued: d.MaxQueued, MaxRunning: d.MaxRunning, Priority: d.Priority, ExitCodes: d.Retry.ExitCodes,
		Depends: len(d.DependsOn) > 0, Starts: len(d.Triggers) > 0, Once: d.Once, Ephemeral: d.Ephemeral, OnStart: d.RunOnStart, Source: d.Source, CatchUp: d.CatchUp, Window: d.CatchUpWindow, Jitter: d.Jitter,
		Tags: d.Tags, Copies: d.Copies, Metadata: d.Metadata, OutputHead: d.OutputLimit.Head, OutputTail: d.OutputLimit.Tail,
		Progress: d.Progress, KeepAge: d.Retention.MaxAge, KeepCount: d.Retention.MaxCount, KeepBytes: d.Retention.MaxBytes,
		Notify: d.Notify, Extra: d.Extra,
	}
	if reflect.DeepEqual(r, plain) {
		return "", nil
	}
	b, err := json.Marshal(r)
	return clean(string(b)), err
}

// readRules fills in d. One empty dependency stands for those that
// addDependencies reads, and one empty trigger likewise.
func readRules(text string, d *scheduler.Job) error {
	r := plain
	if text != "" {
		r = rules{}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return err
		}
	}
	d.MaxQueued, d.MaxRunning, d.Priority, d.Retry.ExitCodes = r.MaxQueued, r.MaxRunning, r.Priority, r.ExitCodes
	d.Once, d.RunOnStart, d.Source, d.CatchUp, d.CatchUpWindow, d.Jitter = r.Once, r.OnStart, r.Source, r.CatchUp, r.Window, r.Jitter
	d.Tags, d.Copies, d.Metadata, d.Progress = r.Tags, r.Copies, r.Metadata, r.Progress
	d.OutputLimit = scheduler.OutputLimit{Head: r.OutputHead, Tail: r.OutputTail}
	d.Retention = scheduler.Retention{MaxAge: r.KeepAge, MaxCount: r.KeepCount, MaxBytes: r.KeepBytes}
	d.Notify, d.Ephemeral, d.Extra = r.Notify, r.Ephemeral, r.Extra
	if r.Depends {
		d.DependsOn = make([]scheduler.Dependency, 1)
	}
	if r.Starts {
		d.Triggers = make([]scheduler.Dependency, 1)
	}
	return nil
}

// scanJob leaves dependencies and triggers to addDependencies; see readRules.
func scanJob(rows *sql.Rows) (scheduler.Job, error) {
	var j scheduler.Job
	var schedules, config, rules string
	var delay, maxDelay, timeout, grace, created, updated, starts, ends, paused, live int64
	err := rows.Scan(&j.Num, &j.ID, &j.Name, &j.DisplayName, &j.Notes, &j.Enabled, &schedules, &j.Executor, &config,
		&j.Concurrency, &j.Retries, &delay, &j.Retry.Factor, &maxDelay, &timeout, &grace, &j.Origin, &j.Version,
		&created, &updated, &rules, &starts, &ends, &paused, &live)
	if err != nil {
		return j, err
	}
	if config != "" {
		j.Config = json.RawMessage(config)
	}
	j.Retry.Delay, j.Retry.MaxDelay = time.Duration(delay), time.Duration(maxDelay)
	j.Timeout, j.Grace = time.Duration(timeout), time.Duration(grace)
	j.CreatedAt, j.UpdatedAt = fromMicros(created), fromMicros(updated)
	j.StartsAt, j.EndsAt, j.PausedUntil, j.LiveSince = fromMicros(starts), fromMicros(ends), fromMicros(paused), fromMicros(live)
	if err := readRules(rules, &j); err != nil {
		return j, err
	}
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
	rules, err := writeRules(j)
	if err != nil {
		return nil, err
	}
	name, display := clean(j.Name), clean(j.DisplayName)
	return []any{
		j.ID, name, fold(name), fold(name + "\n" + display), display, clean(j.Notes), j.Enabled, clean(schedules),
		clean(j.Executor), clean(string(j.Config)), string(j.Concurrency), j.Retries, int64(j.Retry.Delay),
		j.Retry.Factor, int64(j.Retry.MaxDelay), int64(j.Timeout), int64(j.Grace), string(j.Origin), j.Version,
		micros(j.CreatedAt), micros(j.UpdatedAt),
		rules, micros(j.StartsAt), micros(j.EndsAt), micros(j.PausedUntil), micros(j.LiveSince),
	}, nil
}

// fold makes text comparable without regard to case, in the same way on both
// databases.
func fold(s string) string { return strings.ToLower(s) }

// likePattern makes a LIKE pattern, with \ as escape, that finds text anywhere.
func likePattern(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(fold(clean(text))) + "%"
}
