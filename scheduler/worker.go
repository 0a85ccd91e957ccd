package scheduler

import (
	"slices"
	"strings"
	"time"
)

// WorkerKind says how a worker gets what it runs.
type WorkerKind string

// The kinds of worker.
const (
	WorkerServer    WorkerKind = "server"    // the server's own
	WorkerRemote    WorkerKind = "remote"    // belfry worker
	WorkerCoalition WorkerKind = "coalition" // Coalition's protocol
)

// WorkerMode is what people decided about a worker.
type WorkerMode string

// The modes.
const (
	WorkerActive       WorkerMode = ""             // it gets work
	WorkerDraining     WorkerMode = "draining"     // it ends what it runs and gets nothing new
	WorkerDisconnected WorkerMode = "disconnected" // it may not come in; what it ran is lost
)

// WorkerPresence is what was last known of a worker.
type WorkerPresence string

// The presences.
const (
	WorkerOnline  WorkerPresence = "online"
	WorkerOffline WorkerPresence = "offline" // it took its leave, or was never heard of since it was cut off
	WorkerLost    WorkerPresence = "lost"    // it was not heard of for too long
)

// Worker is what may claim executions.
type Worker struct {
	Name     string
	Kind     WorkerKind
	Token    string // id of the token it came with; empty: none
	Epoch    int64  // counts its connections: the fence of what it claims; 0 for the server's own
	Mode     WorkerMode
	Presence WorkerPresence

	Tags []string
	// Rules, when there are any, say in which order it takes what demands tags: first
	// what demands only tags of the first rule, and so on; then what demands none.
	Rules [][]string
	Sleep Sleep
	Slots int
	Used  int // slots in use

	About       WorkerAbout
	ConnectedAt time.Time
	SeenAt      time.Time

	// Shuns is set for a claim when some jobs failed too often on it.
	Shuns bool
}

// WorkerAbout is what a worker says of itself and its machine. Zero values are
// unknown.
type WorkerAbout struct {
	Version     string        `json:"version,omitempty"`
	System      string        `json:"system,omitempty"`  // "linux/amd64"
	Address     string        `json:"address,omitempty"` // where it came from
	Load        float64       `json:"load"`              // processes that want to run, over one minute
	CPUs        int           `json:"cpus,omitempty"`
	MemoryFree  int64         `json:"memory_free,omitempty"` // bytes
	MemoryTotal int64         `json:"memory_total,omitempty"`
	Skew        time.Duration `json:"skew,omitempty"` // how far its clock is ahead of the server's
}

// Has reports whether the worker may run what demands tags. Those of Coalition
// take jobs of the tree only.
func (w *Worker) Has(tags []string) bool {
	if w.Kind == WorkerCoalition {
		return false
	}
	_, ok := w.Rule(tags)
	return ok
}

// Rule returns which of the worker's rules lets it run what demands tags: the
// first that has them all. What demands none comes behind all rules.
func (w *Worker) Rule(tags []string) (rule int, ok bool) {
	if len(tags) == 0 {
		return len(w.Rules), true
	}
	if len(w.Rules) == 0 {
		return 0, containsAll(w.Tags, tags)
	}
	rule = slices.IndexFunc(w.Rules, func(r []string) bool { return containsAll(r, tags) })
	return rule, rule >= 0
}

func containsAll(have, want []string) bool {
	return !slices.ContainsFunc(want, func(t string) bool { return !slices.Contains(have, t) })
}

// hasAny reports whether the worker has a tag at all.
func (w *Worker) hasTag(tag string) bool {
	if len(w.Rules) == 0 {
		return slices.Contains(w.Tags, tag)
	}
	return slices.ContainsFunc(w.Rules, func(r []string) bool { return slices.Contains(r, tag) })
}

// WorkerStatuses are the words of Status.
var WorkerStatuses = []string{"online", "draining", "asleep", "lost", "offline", "disconnected"}

// Status says in one word how it is with the worker at now: one of WorkerStatuses.
func (w *Worker) Status(now time.Time) string {
	switch {
	case w.Mode == WorkerDisconnected:
		return string(w.Mode)
	case w.Presence != WorkerOnline:
		return string(w.Presence)
	case w.Mode == WorkerDraining:
		return string(w.Mode)
	case w.Sleep.At(now):
		return "asleep"
	default:
		return string(WorkerOnline)
	}
}

// lostAfter is how long a worker may be silent. Found within a second more, which
// keeps the promise of thirty. Coalition's workers ping more seldom.
func (w *Worker) lostAfter() time.Duration {
	if w.Kind == WorkerCoalition {
		return time.Minute
	}
	return 25 * time.Second
}

// WorkerToken lets workers in. Its secret is shown once and stored as a SHA-256
// hash only.
type WorkerToken struct {
	ID         string
	Name       string
	Hash       string
	MadeBy     string
	CreatedAt  time.Time
	LastUsedAt time.Time // when a worker last connected with it
	RevokedAt  time.Time
}

// WorkerFailures is how often a job failed on a worker since it last succeeded
// there.
type WorkerFailures struct {
	Worker    string
	JobID     string
	Job       string // its name
	Failures  int
	LastAt    time.Time
	Execution string // the last
}

// MaxFailures is how often in a row a job may fail on one worker that dials in
// before that worker does not get it any more.
const MaxFailures = 3

// Blocked reports whether the worker does not get the job any more.
func (f *WorkerFailures) Blocked() bool { return f.Failures >= MaxFailures }

// Ready is what may be claimed now by whoever has the tags.
type Ready struct {
	Tags []string
	N    int
}

const (
	maxWorkerTags  = 100
	maxWorkerRules = 50
	maxSlots       = 10_000
)

// checkTags checks tags as they are written for jobs.
func (f *fields) checkTags(field string, tags []string) {
	if len(tags) > maxWorkerTags {
		f.add(field, "at most %d tags", maxWorkerTags)
		return
	}
	for _, t := range tags {
		if t == "" || strings.ContainsAny(t, ", \t\r\n") {
			f.add(field, "%q is not a tag: it is empty, or contains a space or a comma", cut(t, 40))
			continue
		}
		f.text(field, t, maxTag, false)
	}
}
