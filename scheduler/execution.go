package scheduler

import (
	"encoding/json"
	"slices"
	"time"
)

// State is where an execution is.
type State string

// The states. Queued and Running are active; the others are final.
const (
	Queued    State = "queued"    // waits for its time, or for a slot
	Running   State = "running"   // claimed by a worker
	Succeeded State = "succeeded" // ended as its executor expects
	Failed    State = "failed"    // ended otherwise
	TimedOut  State = "timed_out" // killed because it ran longer than the job's timeout
	Cancelled State = "cancelled" // stopped by somebody, or by the server's own end
	Lost      State = "lost"      // its worker or the server died while it ran
	Skipped   State = "skipped"   // its due time came, and the job's rules said no
	Missed    State = "missed"    // its due time came while nothing could fire it
)

// States lists every state in the order pages show them.
var States = []State{Queued, Running, Succeeded, Failed, TimedOut, Cancelled, Lost, Skipped, Missed}

// transitions is the whole life of an execution: from each state to the states
// that may follow; "" is "does not exist yet". The store refuses all else.
var transitions = map[State][]State{
	"":      {Queued, Skipped, Missed},
	Queued:  {Running, Cancelled, Skipped},
	Running: {Succeeded, Failed, TimedOut, Cancelled, Lost},
}

// CanBecome reports whether the transition from s to next is legal.
func (s State) CanBecome(next State) bool { return slices.Contains(transitions[s], next) }

// Final reports whether nothing follows s.
func (s State) Final() bool { return len(transitions[s]) == 0 }

// Active reports whether s is queued or running.
func (s State) Active() bool { return s == Queued || s == Running }

// Valid reports whether s is one of States.
func (s State) Valid() bool { return slices.Contains(States, s) }

// Bad reports whether s is an ending that somebody should look at.
func (s State) Bad() bool { return s == Failed || s == TimedOut || s == Lost || s == Missed }

// TriggerKind says what made an execution.
type TriggerKind string

// The kinds of trigger.
const (
	TriggerSchedule   TriggerKind = "schedule"
	TriggerManual     TriggerKind = "manual" // somebody in a page or on the command line
	TriggerAPI        TriggerKind = "api"    // a program with a token or Basic credentials
	TriggerRetry      TriggerKind = "retry"
	TriggerDependency TriggerKind = "dependency" // the end of another job, which By names
	TriggerStart      TriggerKind = "start"      // the server's
	TriggerTree       TriggerKind = "tree"       // a worker took the job from the tree
)

// TriggerKinds are all kinds in the order pages show them.
var TriggerKinds = []TriggerKind{TriggerSchedule, TriggerManual, TriggerAPI, TriggerRetry, TriggerDependency, TriggerStart, TriggerTree}

// Wait says what a queued execution waits for before a worker may claim it.
type Wait string

// What is waited for.
const (
	WaitNone Wait = ""     // nothing but a free slot
	WaitTime Wait = "time" // RunAt
	WaitTurn Wait = "turn" // the end of another execution of its job
)

// Trigger is why an execution exists. By names the user, token or job, or is empty.
type Trigger struct {
	Kind TriggerKind
	By   string
}

// Execution is one attempt to run a job. Times are UTC with microseconds; a
// zero time means "not yet" or "does not apply".
type Execution struct {
	ID      string
	JobID   string
	JobName string // the job's name now; kept when the job is deleted meanwhile
	State   State
	Reason  string
	Trigger Trigger
	Group   string // id of the first attempt; its own id when it is the first
	Attempt int    // from 1
	Copy    int    // from 0: of a fire that runs on several workers at once

	Wait     Wait     // while it is queued
	Priority int      // its job's, when it was queued
	Tags     []string // likewise

	DueAt      time.Time // what the schedule said; for a manual run, when it was asked for
	RunAt      time.Time // not to be claimed before: due, or the end of a retry's delay
	QueuedAt   time.Time
	StartedAt  time.Time
	FinishedAt time.Time

	// Config replaces keys of the job's configuration in this execution and its
	// retries: a JSON object, nil for nothing.
	Config json.RawMessage

	Worker     string
	ExitCode   *int   // nil unless a process or a server gave one (http: the status)
	Signal     string // "SIGKILL", empty when none ended it
	PeakMemory int64  // bytes, 0 unknown
	CPUTime    time.Duration

	OutputBytes int64 // with those that were cut out
	OutputLines int64
	Cut         Cut
	Progress    float64 // percent, by the job's pattern; -1: nothing matched
}

// Cut is the part of an output that was not kept: bytes From to To, zero when all
// was. Offsets and line numbers count it.
type Cut struct {
	From, To int64
}

// Elapsed returns how long the execution has run at now, or ran.
func (e *Execution) Elapsed(now time.Time) time.Duration {
	switch {
	case e.StartedAt.IsZero():
		return 0
	case e.FinishedAt.IsZero():
		return now.Sub(e.StartedAt)
	default:
		return e.FinishedAt.Sub(e.StartedAt)
	}
}
