package ndscheduler

import (
	"encoding/json"
	"time"
)

// This API's JSON: every key that the document or the real servers have, in the
// order of the servers.

type errorWire struct {
	Error string `json:"error"`
}

// CronWire are the fields of a schedule that this API has. Its name is
// exported so that errors leave it out: see scheduler.WrongType.
type CronWire struct {
	Month     string `json:"month"`
	Day       string `json:"day"`
	Week      string `json:"week"`
	DayOfWeek string `json:"day_of_week"`
	Hour      string `json:"hour"`
	Minute    string `json:"minute"`
}

type jobWire struct {
	JobID    string            `json:"job_id"`
	Name     string            `json:"name"`
	NextRun  string            `json:"next_run_time"`
	JobClass string            `json:"job_class_string"`
	PubArgs  []json.RawMessage `json:"pub_args"`
	CronWire

	next time.Time
}

func (w *jobWire) runsNext(at time.Time, zone *time.Location) {
	w.next, w.NextRun = at, at.In(zone).Format("2006-01-02T15:04:05-07:00")
}

// runJobWire is a job within an execution: the document says job_class_string,
// the servers task_name.
type runJobWire struct {
	JobID    string            `json:"job_id"`
	Name     string            `json:"name"`
	TaskName string            `json:"task_name"`
	JobClass string            `json:"job_class_string"`
	PubArgs  []json.RawMessage `json:"pub_args"`
	CronWire
}

type jobsWire struct {
	Jobs []jobWire `json:"jobs"`
}

type jobIDWire struct {
	JobID string `json:"job_id"`
}

type executionIDWire struct {
	ExecutionID string `json:"execution_id"`
}

type executionWire struct {
	ExecutionID   string      `json:"execution_id"`
	State         string      `json:"state"`
	Hostname      *string     `json:"hostname"`
	PID           *int        `json:"pid"`
	TaskID        *string     `json:"task_id"` // always null, as there
	Description   *string     `json:"description"`
	Result        *string     `json:"result"`
	ScheduledTime stamp       `json:"scheduled_time"`
	UpdatedTime   stamp       `json:"updated_time"`
	Job           *runJobWire `json:"job,omitempty"` // absent when it was deleted
}

type executionsWire struct {
	Executions []executionWire `json:"executions"`
}

type logWire struct {
	JobID       string  `json:"job_id"`
	JobName     string  `json:"job_name"`
	Event       string  `json:"event"`
	User        string  `json:"user"`
	CreatedTime stamp   `json:"created_time"`
	Description *string `json:"description"`
}

type logsWire struct {
	Logs []logWire `json:"logs"`
}

// stamp is a time as this API writes it: ISO 8601 in UTC with microseconds.
type stamp time.Time

// MarshalJSON implements json.Marshaler.
func (t stamp) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000000+00:00"`), nil
}
