package scheduler

import (
	"strings"
	"time"
)

// TreeState is where a job of the tree is, as people see it.
type TreeState string

// The states of the tree. What a job came to by itself is waiting, working,
// finished or error; pending and paused say what keeps it.
const (
	TreeWaiting  TreeState = "waiting"  // for a worker; of a group: nothing of it runs, and not all has ended
	TreePending  TreeState = "pending"  // for the end of what it depends on
	TreeWorking  TreeState = "working"  // a worker runs it, or something of the group
	TreeFinished TreeState = "finished" // it ended well, and all of a group did
	TreeError    TreeState = "error"    // it did not, or something of the group
	TreePaused   TreeState = "paused"   // by somebody
)

// TreeStates are all states in the order pages show them.
var TreeStates = []TreeState{TreeWorking, TreeError, TreeWaiting, TreePending, TreePaused, TreeFinished}

// Priorities of the tree order as a byte does. What is larger is kept as it was sent.
const (
	DefaultTreePriority = 1000
	maxTreeRank         = 255
)

// NoProgress is the progress of a job that never ran.
const NoProgress = -1

// TreeDraft is what a person or program decides about a job of the tree.
type TreeDraft struct {
	Parent      int64 // the Num of its group; 0: the root
	Title       string
	Command     string // "": a group
	Dir         string
	Environment string // NAME=value, a line each
	User        string // whose it is; a worker may run the command as that user
	URL         string
	Progress    string // see TreeProgress
	Priority    int64  // below 0 is 0; above 255 orders as 255
	Affinity    int64  // what a worker must offer, a bit each
	Timeout     time.Duration
	Retries     int // further runs after one that went wrong
	Paused      bool
}

// TreeJob is a job of the tree, or a group of such jobs.
type TreeJob struct {
	ID  string // of the Job
	Num int64  // the Job's
	TreeDraft
	State   TreeState // by itself: waiting, working, finished or error
	Blocked int       // of what it depends on, so many are not finished
	Deps    int       // it depends on so many

	Retry     int    // further runs that are left
	Worker    string // that ran it last
	Execution string // its last one
	StartedAt time.Time
	Took      time.Duration // its last run, of a group all last runs together
	PingAt    time.Time
	Deadline  time.Time // while it works: when its timeout ends it
	Runs      int       // that ended by themselves
	Done      float64   // 0 to 1 by its own words; NoProgress

	TreeCounts
	Place
}

// TreeCounts are a group's sums; zero of a job.
type TreeCounts struct {
	Finished, Errors, Working                       int64 // directly below, without groups that have jobs
	Total, TotalFinished, TotalErrors, TotalWorking int64 // of all below
}

// Place is what a job has from the groups above it, and itself.
type Place struct {
	Path        string // priorities from the root down, two hexadecimal digits each
	Mask        int64  // affinities
	HeldPaused  int    // so many are paused
	HeldBlocked int    // so many wait for a dependency
}

// IsGroup reports whether j is a group.
func (j *TreeJob) IsGroup() bool { return j.Command == "" }

// Depth is 0 at the root.
func (j *TreeJob) Depth() int { return len(j.Path)/2 - 1 }

// Held reports whether j or a group above keeps j from being taken.
func (j *TreeJob) Held() bool { return j.HeldPaused > 0 || j.HeldBlocked > 0 }

// Pending reports whether j waits for what it depends on.
func (j *TreeJob) Pending() bool { return j.State == TreeWaiting && j.Blocked > 0 }

// Ready reports whether nothing of its own keeps j from being taken.
func (j *TreeJob) Ready() bool {
	return !j.IsGroup() && j.State == TreeWaiting && !j.Paused && j.Blocked == 0
}

// Shown is j's state as people see it.
func (j *TreeJob) Shown() TreeState {
	switch {
	case j.Paused:
		return TreePaused
	case j.Pending():
		return TreePending
	default:
		return j.State
	}
}

// Completed is how far j is, 0 to 1; NoProgress: it never ran, or the group is empty.
func (j *TreeJob) Completed() float64 {
	if !j.IsGroup() {
		return j.Done
	}
	if j.Total == 0 {
		return NoProgress
	}
	return float64(j.TotalFinished) / float64(j.Total)
}

// Elapsed is how long the last run took, or has taken at now.
func (j *TreeJob) Elapsed(now time.Time) time.Duration {
	if j.State == TreeWorking && !j.IsGroup() {
		return max(now.Sub(j.StartedAt), 0)
	}
	return j.Took
}

// Rank is a priority as it orders among siblings.
func Rank(priority int64) int64 { return min(max(priority, 0), maxTreeRank) }

// Below is the place of a job below p: of the root when p is zero.
func (p Place) Below(d *TreeDraft, blocked int) Place {
	const digits = "0123456789abcdef"
	rank := Rank(d.Priority)
	p.Path += string([]byte{digits[rank>>4], digits[rank&15]})
	p.Mask |= d.Affinity
	if d.Paused {
		p.HeldPaused++
	}
	if blocked > 0 {
		p.HeldBlocked++
	}
	return p
}

// Key orders jobs by their paths, higher first: what is missing at its end counts
// as zero.
func (p Place) Key() string {
	key := p.Path
	for strings.HasSuffix(key, "00") && len(key)%2 == 0 {
		key = key[:len(key)-2]
	}
	return key
}

// Units are what j adds to the sums of the groups above.
func (j *TreeJob) Units() TreeCounts {
	switch {
	case j.Total > 0:
		return TreeCounts{Total: j.Total, TotalFinished: j.TotalFinished, TotalErrors: j.TotalErrors, TotalWorking: j.TotalWorking}
	case j.IsGroup():
		return TreeCounts{Total: 1}
	}
	c := TreeCounts{Total: 1}
	switch j.State {
	case TreeFinished:
		c.Finished, c.TotalFinished = 1, 1
	case TreeError:
		c.Errors, c.TotalErrors = 1, 1
	case TreeWorking:
		c.Working, c.TotalWorking = 1, 1
	}
	return c
}

// Add adds n times d.
func (c *TreeCounts) Add(d TreeCounts, n int64) {
	c.Finished, c.Errors, c.Working = c.Finished+n*d.Finished, c.Errors+n*d.Errors, c.Working+n*d.Working
	c.Total, c.TotalFinished = c.Total+n*d.Total, c.TotalFinished+n*d.TotalFinished
	c.TotalErrors, c.TotalWorking = c.TotalErrors+n*d.TotalErrors, c.TotalWorking+n*d.TotalWorking
}

// State is that of a group with these sums.
func (c *TreeCounts) State() TreeState {
	switch {
	case c.Total == 0:
		return TreeWaiting
	case c.TotalErrors > 0:
		return TreeError
	case c.TotalFinished == c.Total:
		return TreeFinished
	case c.TotalWorking > 0:
		return TreeWorking
	default:
		return TreeWaiting
	}
}

// take makes j run on a worker.
func (j *TreeJob) take(worker, execution string, now time.Time) {
	j.State, j.Worker, j.Execution = TreeWorking, worker, execution
	j.StartedAt, j.PingAt, j.Took, j.Done = now, now, 0, 0
	j.Deadline = time.Time{}
	if j.Timeout > 0 {
		j.Deadline = now.Add(j.Timeout)
	}
}

// leave ends j's run without an outcome: it waits again.
func (j *TreeJob) leave(now time.Time) {
	j.State, j.Took, j.Deadline = TreeWaiting, max(now.Sub(j.StartedAt), 0), time.Time{}
}

// end ends j's run; one that went wrong is tried again as often as j says.
func (j *TreeJob) end(succeeded bool, now time.Time) {
	j.leave(now)
	j.Runs++
	switch {
	case succeeded:
		j.State, j.Done = TreeFinished, 1
	case j.Retry > 0:
		j.Retry--
	default:
		j.State = TreeError
	}
}

// restart lets j run once more, whatever it came to.
func (j *TreeJob) restart() { j.State, j.Paused, j.Retry = TreeWaiting, false, j.Retries }

// reset forgets what j came to.
func (j *TreeJob) reset() { j.State, j.StartedAt, j.Retry = TreeWaiting, time.Time{}, j.Retries }

// TreeChange is a job of the tree as the transaction read it, and as it is to be.
type TreeChange struct{ Before, After TreeJob }

// TreeEdge says that Num depends on Dependency.
type TreeEdge struct{ Num, Dependency int64 }

// TreeSorts are the columns that jobs of the tree can be ordered by. What has not
// begun follows what has, by Num.
var TreeSorts = []string{"num", "started"}

// TreeFilter selects jobs of the tree. The zero value selects all, by Num.
type TreeFilter struct {
	Parent   *int64
	State    TreeState // as people see it
	User     *string
	Worker   *string
	Priority *int64
	Affinity *int64
	Query    string // case-sensitive part of the title
	Sort     string // one of TreeSorts, "-" before it for descending; "" is "num"
	Limit    int    // 0: all
	Offset   int
}

// TreeColumn is one whose different values can be listed.
type TreeColumn string

// The columns.
const (
	TreeUsers      TreeColumn = "user"
	TreeByState    TreeColumn = "state"
	TreeWorkers    TreeColumn = "worker"
	TreePriorities TreeColumn = "priority"
	TreeAffinities TreeColumn = "affinity"
)
