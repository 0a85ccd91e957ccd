package scheduler

// EventKind says what happened.
type EventKind uint8

// The kinds of event.
const (
	ExecutionChanged EventKind = iota + 1 // Execution holds it as it is now
	OutputGrew                            // ExecutionID has more output in the store
	JobChanged                            // Job was made, changed, or deleted, as Change says
	FreezeChanged                         // everything was paused, or goes on: Frozen
	TreeChanged                           // something in the tree did
	WorkerChanged                         // Worker came, left, or says something new of itself
)

// Change says what happened to a job.
type Change uint8

// The changes.
const (
	JobAdded Change = iota + 1
	JobUpdated
	JobRemoved
)

// Event is a hint that something in the store changed, published after the
// commit. Whoever needs the truth reads the store.
type Event struct {
	Kind        EventKind
	Execution   *Execution // shared: read only
	ExecutionID string
	JobID       string
	Job         *Job // JobChanged: as it is now, or was; ExecutionChanged: as it was, if it is deleted; shared: read only
	Change      Change
	Stats       *JobStats // JobRemoved: what its executions were when it was deleted; shared: read only
	Frozen      bool
	Worker      string // its name
	End         int64  // OutputGrew: the output's length in bytes now
}

// Feed is where readers of events come from.
type Feed interface {
	// Subscribe begins a subscription to all changes of executions and jobs (board)
	// and to the named executions with their output. What is published from now on
	// is seen; call Close when done.
	Subscribe(board bool, executions []string) Subscription
}

// Subscription is one reader of events, for one goroutine.
type Subscription interface {
	// Wake receives a value when there is something to Take.
	Wake() <-chan struct{}
	// Done is closed when the server is stopping.
	Done() <-chan struct{}
	// Take returns what happened since the last Take.
	Take() Update
	Close()
}

// Update is what a Subscription has missed since its last Take.
type Update struct {
	Events  []Event // of the board, oldest first
	Lagged  bool    // some events of the board are gone: read the store
	Touched bool    // a named execution changed, or has more output
}
