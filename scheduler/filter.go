package scheduler

import "time"

// MaxPage is the most rows one list answers.
const MaxPage = 1000

// JobFilter selects and orders jobs. The zero value selects all that are not in the
// tree, by name.
type JobFilter struct {
	Query    string // case-insensitive part of the name or display name
	Enabled  *bool
	Executor string
	Origin   Origin            // "": all but the jobs of the tree
	State    State             // of the newest execution that ended
	Tag      string            // one of its tags
	Metadata map[string]string // entries that it has, all of them
	Sort     string            // one of JobSorts or JobsByLast, "-" before it for descending; "" is "name"
	Limit    int               // 1 to MaxPage
	Offset   int
}

// JobSorts are the columns that jobs can be ordered by.
var JobSorts = []string{"name", "created", "updated"}

// JobsByLast orders jobs by when the newest execution that ended was due. No index has
// that order: it is for the few that have a State.
const JobsByLast = "last"

// ExecutionSorts are the columns that executions can be ordered by. What has no value
// in the column follows what has one, the newest first; by job are its executions
// the newest first.
var ExecutionSorts = []string{"queued", "job", "started", "ended", "duration"}

// ExecutionFilter selects executions, newest first (of one job: by due time and
// attempt; of all: by when they were made).
type ExecutionFilter struct {
	JobID   string
	States  []State
	Trigger TriggerKind
	Worker  string
	Exit    *int      // the code with which it ended; an HTTP job's is the status
	From    time.Time // queued at or after; zero: no bound
	To      time.Time // queued before; zero: no bound
	Sort    string    // one of ExecutionSorts, "-" before it for descending; "" is "-queued"
	Limit   int       // 1 to MaxPage
	Offset  int
}

// Total is how many rows a filter selects. When counting would cost too much,
// N is a lower bound and Capped says so.
type Total struct {
	N      int64
	Capped bool
}

// HourCount is how many executions ended in a state within the hour that
// starts at Hour (UTC).
type HourCount struct {
	Hour  time.Time
	State State
	N     int64
}
