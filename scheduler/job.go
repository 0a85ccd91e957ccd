package scheduler

import (
	"encoding/json"
	"time"
)

// Concurrency says what a fire does while the job already has an active execution.
type Concurrency string

// The rules of concurrency.
const (
	Allow  Concurrency = "allow"  // run beside it
	Forbid Concurrency = "forbid" // skip, with the reason
)

// Schedule is when: text in a grammar, read in a zone.
type Schedule struct {
	Grammar string `json:"grammar,omitempty"` // a name cron.Lookup knows; empty is cron.Standard
	Text    string `json:"text"`
	Zone    string `json:"zone,omitempty"` // IANA name; empty is the server's zone
}

// RetryPolicy is the back-off between attempts: Delay before the second
// attempt, times Factor for each further one, at most MaxDelay, and up to 20 %
// more or less of it by chance.
type RetryPolicy struct {
	Delay    time.Duration
	Factor   float64
	MaxDelay time.Duration
}

// Origin says which door made a job.
type Origin string

// The origins.
const (
	OriginAPI  Origin = "api"
	OriginPage Origin = "page"
	OriginDemo Origin = "demo"
)

// Draft is what a person or program decides about a job. Normalize fills what
// was left empty, Validate says what is wrong; both are pure.
type Draft struct {
	Name        string
	DisplayName string
	Notes       string
	Enabled     bool
	Schedules   []Schedule
	Executor    string          // a key of the service's executors: "shell", "http"
	Config      json.RawMessage // that executor's configuration, an object
	Concurrency Concurrency
	Retries     int // further attempts after the first
	Retry       RetryPolicy
	Timeout     time.Duration // 0: none
	Grace       time.Duration // between SIGTERM and SIGKILL
}

// Job is a definition as stored.
type Job struct {
	ID  string // opaque, never reused
	Num int64  // counts up from 1, never reused
	Draft
	Origin    Origin
	Version   int64 // counts up with each change
	CreatedAt time.Time
	UpdatedAt time.Time
}

// JobStats are a job's counters and last outcome.
type JobStats struct {
	Counts      map[State]int64
	Last        *Execution // the newest execution that left the queue; nil when none did
	Recent      []Outcome  // the newest executions that ended, newest first, at most 30
	MedianTook  time.Duration
	LastSuccess time.Time
	LastFailure time.Time
}

// Outcome is one bar of a job's history.
type Outcome struct {
	ID        string
	State     State
	StartedAt time.Time
	Took      time.Duration
}
