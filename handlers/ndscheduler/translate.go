package ndscheduler

import (
	"encoding/json"
	"strings"
	"time"

	"belfry/scheduler"
	"belfry/scheduler/cron"
)

// hexID is one of our ids as this API writes it: 32 hexadecimal digits.
func hexID(id string) string { return strings.ReplaceAll(id, "-", "") }

// ownID is our id for one of this API's. What is none of these is none of ours, too.
func ownID(id string) string {
	if len(id) != 32 {
		return id
	}
	id = strings.ToLower(id)
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

// classOf are the class and the arguments of a job. Jobs that were not made by
// class have one that says what they are.
func classOf(j *scheduler.Job) (class string, args []json.RawMessage) {
	args = []json.RawMessage{}
	if j.Executor != scheduler.ClassExecutor {
		return "belfry." + j.Executor, args
	}
	var config struct {
		Class string            `json:"class"`
		Args  []json.RawMessage `json:"args"`
	}
	if json.Unmarshal(j.Config, &config) == nil && config.Args != nil {
		args = config.Args
	}
	return config.Class, args
}

func classConfig(class string, args []json.RawMessage) json.RawMessage {
	if args == nil {
		args = []json.RawMessage{}
	}
	b, err := json.Marshal(map[string]any{"class": class, "args": args})
	if err != nil {
		return nil
	}
	return b
}

// cronOf are the fields of a job's schedule; all empty when it has none, or one in
// a language without such fields.
func cronOf(j *scheduler.Job) CronWire {
	if len(j.Schedules) != 1 || j.Schedules[0].Grammar != cron.APScheduler.Name {
		return CronWire{}
	}
	v, err := cron.APValues(j.Schedules[0].Text)
	if err != nil {
		return CronWire{}
	}
	return CronWire{v["month"], v["day"], v["week"], v["day_of_week"], v["hour"], v["minute"]}
}

func (a *API) presentJob(j *scheduler.Job) jobWire {
	w := jobWire{JobID: hexID(j.ID), Name: j.Title(), CronWire: cronOf(j)}
	w.JobClass, w.PubArgs = classOf(j)
	if at, ok := a.Timetable.Next(j.ID); ok && j.Live() {
		w.runsNext(at, a.Zone)
	}
	return w
}

func presentRunJob(j *scheduler.Job) *runJobWire {
	class, args := classOf(j)
	return &runJobWire{hexID(j.ID), j.Title(), class, class, args, cronOf(j)}
}

// scheduledError is the state of what came due and did not run.
const scheduledError = "scheduled error"

// stateOf is what this API calls the state of an execution.
func stateOf(e *scheduler.Execution) string {
	switch e.State {
	case scheduler.Queued:
		return "scheduled"
	case scheduler.Failed:
		if strings.HasPrefix(e.Reason, scheduler.ClassFault) {
			return scheduledError
		}
		return "failed"
	case scheduler.TimedOut:
		return "timeout"
	case scheduler.Cancelled:
		return "stopped"
	case scheduler.Lost:
		return "interrupted"
	case scheduler.Skipped, scheduler.Missed:
		return scheduledError
	}
	return string(e.State) // running, succeeded
}

func updated(e *scheduler.Execution) time.Time {
	for _, t := range []time.Time{e.FinishedAt, e.StartedAt} {
		if !t.IsZero() {
			return t
		}
	}
	return e.QueuedAt
}

// newDraft is a job as ndscheduler's defaults have it: what it missed within an
// hour runs once, and three run at the same time at most.
func newDraft() scheduler.Draft {
	return scheduler.Draft{
		Enabled: true, Executor: scheduler.ClassExecutor, Concurrency: scheduler.Allow, MaxRunning: 3,
		CatchUp: scheduler.CatchUpLatest, CatchUpWindow: time.Hour,
	}
}
