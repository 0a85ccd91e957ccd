package scheduler

import (
	"context"
	"time"
)

// TreeStore reads the tree.
type TreeStore interface {
	// TreeJob returns a job of the tree. CodeNotFound: there is none.
	TreeJob(ctx context.Context, num int64) (TreeJob, error)
	// ListTree lists jobs of the tree by Num, and says how many there are in all.
	ListTree(ctx context.Context, f TreeFilter) ([]TreeJob, int64, error)
	// TreeDependencies lists what a job depends on, by Num; nothing of one that does
	// not exist.
	TreeDependencies(ctx context.Context, num int64) ([]TreeJob, error)
	// TreeEdges lists the dependencies of the jobs directly below one.
	TreeEdges(ctx context.Context, parent int64) ([]TreeEdge, error)
	// TreeAncestors lists the groups that a job is in, from the root down.
	TreeAncestors(ctx context.Context, num int64) ([]TreeJob, error)
	// TreeValues lists the different values of a column, in order of appearance: a
	// string, a TreeState, or a number (int64).
	TreeValues(ctx context.Context, column TreeColumn) ([]any, error)
	// TreeTop adds up the jobs at the root as if they were a group.
	TreeTop(ctx context.Context) (TreeCounts, error)
	// NextTreeJob returns the Num of the job that a worker gets next; ok=false when
	// there is none for it. rules are what the worker offers, the first first: a job
	// fits a rule that has all of its bits. Jobs without affinity come after the last
	// rule. Among those of one rule the higher path comes first, then the lower Num.
	NextTreeJob(ctx context.Context, rules []int64) (num int64, ok bool, err error)
	// TreeOverdue lists jobs that work and whose deadline is not after an instant.
	TreeOverdue(ctx context.Context, now time.Time, limit int) ([]int64, error)
	// TreeWorkingOn lists the jobs that a worker runs.
	TreeWorkingOn(ctx context.Context, worker string) ([]int64, error)
	// TreeAtWork lists the workers that run any.
	TreeAtWork(ctx context.Context) ([]string, error)
	// TreeRuns lists executions of the tree's jobs that a worker took, newest first.
	TreeRuns(ctx context.Context, f TreeRunFilter) ([]TreeRun, error)
	// TreeWorkers returns what is kept of workers of the tree, by name.
	TreeWorkers(ctx context.Context) (map[string]TreeWorker, error)
	// TreeExecutions lists the executions of a job, oldest first.
	TreeExecutions(ctx context.Context, num int64) ([]string, error)
}

// TreeWorker is what is kept of a worker that takes jobs of the tree.
type TreeWorker struct {
	Rules    string // affinities, a line for each rule
	Finished int64
	Errors   int64
	LastJob  int64 // Num; 0: none
	LastRun  int64 // Seq of its last run; 0: none
	Since    time.Time
}

// TreeRunFilter selects runs; zero fields are no condition.
type TreeRunFilter struct {
	Num    int64
	Worker string
	Since  time.Time // began after
	Limit  int
}

// TreeRun is an execution as a worker's event.
type TreeRun struct {
	Seq    int64 // counts up over all executions
	Num    int64
	Title  string
	Worker string
	State  State
	Start  time.Time
	Took   time.Duration // 0 while it runs
}

// TreeTx is what a transaction may do to the tree. It keeps what follows from a
// change by steps of the tree's depth, however many jobs there are: the sums and
// states of the groups above, who waits for whom, and which job is next. Until the
// transaction ends nobody else changes the tree.
type TreeTx interface {
	// TreeJobs returns those of the jobs that exist, in the order asked for.
	TreeJobs(ctx context.Context, nums []int64) ([]TreeJob, error)
	// TreeBelow lists all jobs below one, groups before what is in them.
	TreeBelow(ctx context.Context, num int64) ([]TreeJob, error)
	// TreeRequires lists the dependencies of a job, of all groups it is in, and of all
	// below it: what has to end before it can. The dependencies of groups that hold
	// both it and other are of no matter.
	TreeRequires(ctx context.Context, num int64) ([]TreeEdge, error)
	// TreeHolds reports whether a job is another one, or in that group, however deep.
	TreeHolds(ctx context.Context, group, num int64) (bool, error)
	// NextJobNum is the Num that InsertJob gives next in this transaction.
	NextJobNum(ctx context.Context) (int64, error)
	// InsertTree stores a job of the tree whose Job is stored. What it depends on and
	// does not exist is left out.
	InsertTree(ctx context.Context, j TreeJob, dependsOn []int64) error
	// UpdateTree stores changes of different jobs. A group's state and all counters
	// follow from the jobs; they are not of what changes.
	UpdateTree(ctx context.Context, changes ...TreeChange) error
	// SetTreeDependencies replaces what a job depends on, without what does not exist.
	SetTreeDependencies(ctx context.Context, num int64, on []int64) error
	// DeleteTree deletes a job and all below it; their Jobs stay. What depended on
	// them does not any more.
	DeleteTree(ctx context.Context, num int64) error
	// NextTreeJob is TreeStore's as this transaction sees it.
	NextTreeJob(ctx context.Context, rules []int64) (num int64, ok bool, err error)
	// TreeSetting returns what PutSetting stored under name, "" when nothing, as this
	// transaction sees it.
	TreeSetting(ctx context.Context, name string) (string, error)
	// KeepTreeRules stores the rules of a worker, which need not exist.
	KeepTreeRules(ctx context.Context, worker, rules string) error
	// GreetTreeWorker notes when a worker came for the first time since it was
	// forgotten, and returns its rules.
	GreetTreeWorker(ctx context.Context, worker string, now time.Time) (rules string, err error)
	// CountTreeRun counts a run of a worker that ended well or not.
	CountTreeRun(ctx context.Context, worker string, well bool) error
	// ForgetTreeWorker makes all but the rules of a worker zero.
	ForgetTreeWorker(ctx context.Context, worker string) error
	// Begin makes a queued execution of a job of the tree run on a worker, and is the
	// worker's last.
	Begin(ctx context.Context, executionID, worker string, now time.Time) error
}
