package dkron

import (
	"encoding/json"
	"reflect"
	"time"
)

// This API's JSON, in the order of keys that Dkron has. The names of these types
// are in its error messages.

// Job is a job, as it comes and as it goes.
type Job struct {
	ID             string           `json:"id"`
	Name           string           `json:"name"`
	DisplayName    string           `json:"displayname"`
	Timezone       string           `json:"timezone"`
	Schedule       string           `json:"schedule"`
	Owner          string           `json:"owner"`
	OwnerEmail     string           `json:"owner_email"`
	SuccessCount   int64            `json:"success_count"`
	ErrorCount     int64            `json:"error_count"`
	LastSuccess    optional         `json:"last_success"`
	LastError      optional         `json:"last_error"`
	Disabled       bool             `json:"disabled"`
	Tags           texts            `json:"tags"`
	Metadata       texts            `json:"metadata"`
	Retries        uint             `json:"retries"`
	DependentJobs  []string         `json:"dependent_jobs"`
	ParentJob      string           `json:"parent_job"`
	Processors     map[string]texts `json:"processors"`
	Concurrency    string           `json:"concurrency"`
	Executor       string           `json:"executor"`
	ExecutorConfig texts            `json:"executor_config"`
	Status         string           `json:"status"`
	Next           instant          `json:"next"`
	Ephemeral      bool             `json:"ephemeral"`
	StartsAt       optional         `json:"starts_at"`
	ExpiresAt      optional         `json:"expires_at"`
}

// text is a text; truth values and numbers are taken as what they look like.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	switch {
	case b[0] == '"' || string(b) == "null":
		return json.Unmarshal(b, (*string)(t))
	case b[0] == '{' || b[0] == '[':
		kind := map[byte]string{'{': "object", '[': "array"}[b[0]]
		return &json.UnmarshalTypeError{Value: kind, Type: reflect.TypeFor[string](), Struct: "Job"}
	default:
		*t = text(b)
		return nil
	}
}

type texts map[string]text

// optional is a time that may be absent: null.
type optional time.Time

// MarshalJSON implements json.Marshaler.
func (o optional) MarshalJSON() ([]byte, error) {
	if time.Time(o).IsZero() {
		return []byte("null"), nil
	}
	return instant(time.Time(o).UTC()).MarshalJSON()
}

// UnmarshalJSON takes what has no zone, and no seconds, as UTC.
func (o *optional) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil || s == "" {
		return err
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		local, short := time.Parse("2006-01-02T15:04", s)
		if short != nil {
			return err
		}
		at = local
	}
	*o = optional(at.UTC())
	return nil
}

// instant is a time; one that there is not is that of the year 1.
type instant time.Time

// MarshalJSON implements json.Marshaler.
func (i instant) MarshalJSON() ([]byte, error) {
	return time.Time(i).AppendFormat(nil, `"`+time.RFC3339Nano+`"`), nil
}

// UnmarshalJSON implements json.Unmarshaler. Nobody reads it: the server decides.
func (i *instant) UnmarshalJSON(b []byte) error { return (*optional)(i).UnmarshalJSON(b) }

type executionWire struct {
	ID         string  `json:"id"`
	JobName    string  `json:"job_name"`
	StartedAt  instant `json:"started_at"`
	FinishedAt instant `json:"finished_at"`
	Success    bool    `json:"success"`
	Output     string  `json:"output"`
	NodeName   string  `json:"node_name"`
	Group      int64   `json:"group"`
	Attempt    int     `json:"attempt"`
}

// listedWire is an execution in a job's list.
type listedWire struct {
	executionWire
	OutputTruncated bool `json:"output_truncated"`
}

type statusWire struct {
	Agent map[string]string `json:"agent"`
	Serf  map[string]string `json:"serf"`
	Tags  map[string]string `json:"tags"`
}

// leaderWire has Serf's names; the numbers of protocols are those of a Dkron.
type leaderWire struct {
	Name        string
	Addr        string
	Port        int
	Tags        map[string]string
	Status      int
	ProtocolMin int
	ProtocolMax int
	ProtocolCur int
	DelegateMin int
	DelegateMax int
	DelegateCur int
}

type memberWire struct {
	leaderWire
	ID         string `json:"id"`
	StatusText string `json:"statusText"`
}

type pausedWire struct {
	Paused bool `json:"paused"`
}

type healthWire struct {
	Status string   `json:"status"`
	Issues []string `json:"issues,omitempty"`
}

type statsWire struct {
	Stats []dayWire `json:"stats"`
}

type dayWire struct {
	Date         string `json:"date"`
	SuccessCount int64  `json:"success_count"`
	FailedCount  int64  `json:"failed_count"`
}
