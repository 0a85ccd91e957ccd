package ofelia

import (
	"encoding/json"
	"time"
)

// This API's JSON: the keys of its document, spelled as there. What is ours beside
// them is listed in README.md, and a test compares.

type errorWire struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Details map[string]any `json:"details"`
}

// stamp is a time as this API writes it: RFC 3339 in UTC; zero is null.
type stamp time.Time

// MarshalJSON implements json.Marshaler.
func (t stamp) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(t).UTC().AppendFormat(nil, `"`+time.RFC3339Nano+`"`), nil
}

type loginWire struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

type tokenWire struct {
	Token   string `json:"token"`
	Expires stamp  `json:"expires"`
}

// jobsWire is the list of jobs; a job is an object made by translate.go, because
// its keys depend on its type.
type jobsWire struct {
	Jobs    []map[string]any `json:"jobs"`
	Total   int64            `json:"total"`
	Running int64            `json:"running"`
}

type metricsWire struct {
	TotalRuns       int64 `json:"totalRuns"`
	SuccessfulRuns  int64 `json:"successfulRuns"`
	FailedRuns      int64 `json:"failedRuns"`
	AverageDuration int64 `json:"averageDuration"` // nanoseconds
	LastSuccess     stamp `json:"lastSuccess"`
	LastFailure     stamp `json:"lastFailure"`
}

// historyWire is an execution in a job's history.
type historyWire struct {
	ExecutionID string  `json:"executionId"`
	StartTime   stamp   `json:"startTime"`
	EndTime     stamp   `json:"endTime"`
	Duration    *int64  `json:"duration"` // nanoseconds; null: it has not ended, or never ran
	Status      string  `json:"status"`
	Output      string  `json:"output"` // its end, at most outputBytes
	Error       *string `json:"error"`
}

type executionWire struct {
	ExecutionID string  `json:"executionId"`
	Job         string  `json:"job"`
	StartTime   stamp   `json:"startTime"`
	EndTime     stamp   `json:"endTime"`
	Duration    *int64  `json:"duration"`
	Status      string  `json:"status"`
	Output      string  `json:"output"`
	Error       *string `json:"error"`
	ExitCode    *int    `json:"exitCode"`
}

// runRequest changes what one run does. Its members are read as those of a job.
type runRequest struct {
	Command     json.RawMessage `json:"command"`
	Environment json.RawMessage `json:"environment"`
}

type runWire struct {
	ExecutionID string `json:"executionId"`
	Job         string `json:"job"`
	StartTime   stamp  `json:"startTime"`
	Status      string `json:"status"`
}

type updatedWire struct {
	Name    string `json:"name"`
	Updated bool   `json:"updated"`
	Message string `json:"message"`
}

type deletedWire struct {
	Name    string `json:"name"`
	Deleted bool   `json:"deleted"`
	Message string `json:"message"`
}

type toggleRequest struct {
	Enabled json.RawMessage `json:"enabled"` // true, false, or not there
}

type toggledWire struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	Message string `json:"message"`
}

type stoppedWire struct {
	ExecutionID string `json:"executionId"`
	Stopped     bool   `json:"stopped"`
	Message     string `json:"message"`
}

type logsWire struct {
	ExecutionID string     `json:"executionId"`
	Logs        []lineWire `json:"logs"`
	NextOffset  *int64     `json:"nextOffset,omitempty"` // where to go on; absent: this is the end so far
}

type lineWire struct {
	Timestamp stamp  `json:"timestamp"`
	Level     string `json:"level"` // info: standard output and Belfry's own words; error: standard error
	Message   string `json:"message"`
}

type statusWire struct {
	Running     bool      `json:"running"`
	StartTime   stamp     `json:"startTime"`
	Uptime      int64     `json:"uptime"` // seconds
	TotalJobs   int64     `json:"totalJobs"`
	ActiveJobs  int64     `json:"activeJobs"`
	RunningJobs int64     `json:"runningJobs"`
	NextJob     *nextWire `json:"nextJob"`
}

type nextWire struct {
	Name          string `json:"name"`
	ScheduledTime stamp  `json:"scheduledTime"`
}

type schedulerWire struct {
	Running bool   `json:"running"`
	Message string `json:"message"`
}

type reloadWire struct {
	Reloaded    bool   `json:"reloaded"`
	JobsAdded   int    `json:"jobsAdded"`
	JobsUpdated int    `json:"jobsUpdated"`
	JobsRemoved int    `json:"jobsRemoved"`
	Message     string `json:"message"`
}

type livenessWire struct {
	Status    string `json:"status"`
	Timestamp stamp  `json:"timestamp"`
}

type readinessWire struct {
	Ready     bool   `json:"ready"`
	Scheduler string `json:"scheduler"`
	Docker    string `json:"docker"`
	Database  string `json:"database"`
	Reason    string `json:"reason,omitempty"` // while it is not ready
}

type configWire struct {
	Global map[string]any              `json:"global"`
	Jobs   map[string][]map[string]any `json:"jobs"` // by type
}

type eventWire struct {
	Type      string         `json:"type"`
	Timestamp stamp          `json:"timestamp"`
	Payload   map[string]any `json:"payload"`
}

// rawObject is a JSON object whose keys are read elsewhere.
type rawObject map[string]json.RawMessage
