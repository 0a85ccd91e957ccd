package ndscheduler

import (
	"context"
	"encoding/json"
	"time"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// Service is what this dialect calls of the domain.
type Service interface {
	CreateJobTitled(ctx context.Context, by scheduler.Principal, d scheduler.Draft, origin scheduler.Origin) (scheduler.Job, error)
	UpdateJobTitled(ctx context.Context, by scheduler.Principal, j scheduler.Job, d scheduler.Draft) (scheduler.Job, error)
	SetEnabled(ctx context.Context, by scheduler.Principal, name string, enabled bool) (scheduler.Job, error)
	ResumeJob(ctx context.Context, by scheduler.Principal, name string) (scheduler.Job, error)
	DeleteJob(ctx context.Context, by scheduler.Principal, name string, force bool) error
	RunJob(ctx context.Context, by scheduler.Principal, name string, config json.RawMessage) (scheduler.Execution, error)
	StopExecution(ctx context.Context, by scheduler.Principal, id string) error
	Waiting(e *scheduler.Execution) string
	// Life tells which server process was alive at an instant.
	Life(ctx context.Context, at time.Time) (scheduler.Life, bool)
}

// Store is what it reads.
type Store interface {
	scheduler.JobStore
	scheduler.ExecutionStore
	scheduler.OutputStore
	ListAudit(ctx context.Context, f scheduler.AuditFilter) ([]scheduler.AuditEntry, scheduler.Total, error)
}

// Timetable knows what comes.
type Timetable interface {
	Next(jobID string) (at time.Time, ok bool)
}

// CORS says which pages of other sites may use this API; without Origins none.
type CORS struct {
	Origins     []string
	Credentials bool
}

// Options are what an API is made of.
type Options struct {
	Service   Service
	Store     Store
	Timetable Timetable
	Door      httpkit.Doorman
	CORS      func() CORS
	Now       func() time.Time
	Zone      *time.Location // of schedules
	Embedded  string         // the name of the server's own worker
	// Alone is for a listener that has nothing else.
	Alone bool
}

// API is the dialect.
type API struct{ Options }

// New makes the dialect.
func New(o Options) *API { return &API{o} }
