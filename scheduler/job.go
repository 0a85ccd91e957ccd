package scheduler

import (
	"encoding/json"
	"time"
)

// Concurrency says what a fire does while the job already has an active execution.
type Concurrency string

// The rules of concurrency.
const (
	Allow   Concurrency = "allow"   // run beside it
	Forbid  Concurrency = "forbid"  // skip, with the reason
	Queue   Concurrency = "queue"   // wait for its turn, oldest first
	Replace Concurrency = "replace" // cancel it, then run
)

// Concurrencies are the rules in the order pages show them.
var Concurrencies = []Concurrency{Allow, Forbid, Queue, Replace}

// CatchUp says what happens to due times that nothing could fire.
type CatchUp string

// The rules of catching up. What they do not run is recorded as missed.
const (
	CatchUpSkip   CatchUp = "skip"   // run none
	CatchUpLatest CatchUp = "latest" // run once, for the newest
	CatchUpAll    CatchUp = "all"    // run each, oldest first, at most maxCatchUp
)

// CatchUps are the rules in the order pages show them.
var CatchUps = []CatchUp{CatchUpSkip, CatchUpLatest, CatchUpAll}

// Condition says which outcome of another job's group counts for a dependency.
type Condition string

// The conditions. An execution that was skipped or missed is no outcome.
const (
	OnSuccess Condition = "success" // succeeded
	OnFailure Condition = "failure" // failed, timed out or lost
	OnAny     Condition = "any"     // either, or cancelled
)

// Conditions are all conditions in the order pages show them.
var Conditions = []Condition{OnSuccess, OnFailure, OnAny}

// Met reports whether a group that ended in state fulfils c.
func (c Condition) Met(state State) bool {
	switch state {
	case Succeeded:
		return c == OnSuccess || c == OnAny
	case Failed, TimedOut, Lost:
		return c == OnFailure || c == OnAny
	case Cancelled:
		return c == OnAny
	default:
		return false
	}
}

// Dependency is another job whose outcome a job waits for. People name the job;
// JobID is what the store keeps, so that renaming it changes nothing.
type Dependency struct {
	JobID string
	Job   string
	On    Condition
}

// Notify is one thing that is done when a group has ended. A key that is absent
// from Config has the value that the server's defaults give it.
type Notify struct {
	Kind   string          `json:"kind"`             // a key of Options.Senders: "mail", "slack", "save"
	On     Condition       `json:"on,omitempty"`     // which outcomes; empty is the defaults' word, or any
	Config json.RawMessage `json:"config,omitempty"` // that sender's, an object
}

// OutputLimit is how many bytes of a run's output are kept when it writes more
// than Head+Tail: the first and the last.
type OutputLimit struct {
	Head, Tail int64
}

// Retention bounds a job's history; a zero is no bound. The last success and the
// last failure are always kept.
type Retention struct {
	MaxAge   time.Duration
	MaxCount int
	MaxBytes int64 // of output
}

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
	Delay     time.Duration
	Factor    float64
	MaxDelay  time.Duration
	ExitCodes []int // retry only after these; empty: after every failure
}

// Origin says which door made a job.
type Origin string

// The origins.
const (
	OriginAPI   Origin = "api"
	OriginPage  Origin = "page"
	OriginDemo  Origin = "demo"
	OriginFile  Origin = "config"       // a configuration file
	OriginLabel Origin = "docker-label" // labels of a container
	OriginTree  Origin = "tree"         // it is a job of the tree, and lives there
)

// Origins are all origins in the order pages show them.
var Origins = []Origin{OriginPage, OriginAPI, OriginFile, OriginLabel, OriginDemo}

// Declared reports whether the definition is kept elsewhere: it is read only here,
// and Job.Source says where to change it.
func (o Origin) Declared() bool { return o == OriginFile || o == OriginLabel }

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
	MaxQueued   int // with Queue: how many may wait; a further one is skipped
	MaxRunning  int // at most this many run at once; 0: no limit of its own
	Priority    int // higher is claimed first
	Retries     int // further attempts after the first
	Retry       RetryPolicy
	Timeout     time.Duration // 0: none
	Grace       time.Duration // between SIGTERM and SIGKILL

	DependsOn  []Dependency // all of them, since it last ran for them
	Once       bool         // runs once by itself, as soon as its dependencies let it
	Ephemeral  bool         // is deleted with its history when a group of it has succeeded
	RunOnStart bool         // runs once whenever the server starts

	CatchUp       CatchUp
	CatchUpWindow time.Duration // how old a due time may be to be caught up
	Jitter        time.Duration // a fire starts up to this later, always as much for one name
	StartsAt      time.Time     // the schedules have no due time before; zero: no bound
	EndsAt        time.Time     // nor at or after this
	PausedUntil   time.Time     // nor before this

	Tags     []string          // what a worker must have to run it
	Copies   int               // run on so many workers that have the tags, or as many as there are
	Metadata map[string]string // what people and programs note; jobs can be filtered by it

	Triggers []Dependency // jobs that each of this job's outcomes of that kind starts, whatever they depend on
	Notify   []Notify     // what is done with each outcome

	OutputLimit OutputLimit
	Progress    string // an RE2 pattern whose last match in the output is the progress in percent
	Retention   Retention

	// Extra is what other systems' APIs keep of a job and nobody else understands,
	// by the API's name. In an update nil means: as it is stored.
	Extra map[string]json.RawMessage
}

// Job is a definition as stored.
type Job struct {
	ID  string // opaque, never reused
	Num int64  // counts up from 1, never reused
	Draft
	Origin    Origin
	Source    string    // of a declared job: the file with its line, or the container
	Version   int64     // counts up with each change
	LiveSince time.Time // when what decides about its due times was last changed
	CreatedAt time.Time
	UpdatedAt time.Time
}

// JobStats are a job's counters and last outcome.
type JobStats struct {
	Counts      map[State]int64
	Last        *Execution // the newest execution that left the queue; nil when none did
	Recent      []Outcome  // the newest executions that ended, newest first, at most 30
	MedianTook  time.Duration
	LastStarted time.Time // when the newest execution that ran began to; zero when none did
	LastSuccess time.Time
	LastFailure time.Time // what was missed never ran, and is none
}

// JobSummary is what a job's groups came to since its history was last cleared,
// whatever retention deletes, and who depends on it.
type JobSummary struct {
	Succeeded, Failed     int64 // groups that ended so; all but Succeeded is Failed
	SucceededAt, FailedAt time.Time
	Outcome               State    // of the last group, also of one that was cleared; "": none yet
	Dependents            []string // names of jobs, in order
}

// Outcome is one bar of a job's history.
type Outcome struct {
	ID        string
	State     State
	Attempt   int
	DueAt     time.Time
	StartedAt time.Time
	Took      time.Duration
}
