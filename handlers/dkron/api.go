package dkron

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// Service is what this dialect calls of the domain.
type Service interface {
	CreateJob(ctx context.Context, by scheduler.Principal, d scheduler.Draft, origin scheduler.Origin) (scheduler.Job, error)
	UpdateJob(ctx context.Context, by scheduler.Principal, name string, version int64, d scheduler.Draft) (scheduler.Job, error)
	Toggle(ctx context.Context, by scheduler.Principal, name string) (scheduler.Job, error)
	DeleteJob(ctx context.Context, by scheduler.Principal, name string, force bool) error
	RunJob(ctx context.Context, by scheduler.Principal, name string, config json.RawMessage) (scheduler.Execution, error)
	ClearHistory(ctx context.Context, by scheduler.Principal, name string) error
	Import(ctx context.Context, by scheduler.Principal, list []scheduler.Imported, origin scheduler.Origin, preview bool) ([]scheduler.ImportStep, error)
	SubmissionsPaused() bool
	PauseSubmissions(ctx context.Context, by scheduler.Principal, paused bool) error
	StopServer(ctx context.Context, by scheduler.Principal, stop func()) error
}

// Store is what it reads.
type Store interface {
	scheduler.JobStore
	scheduler.ExecutionStore
	scheduler.OutputStore
	ListDeliveries(ctx context.Context, executionID string) ([]scheduler.Delivery, error)
}

// Timetable knows what comes.
type Timetable interface {
	Next(jobID string) (at time.Time, ok bool)
}

// Options are what an API is made of.
type Options struct {
	Service   Service
	Store     Store
	Timetable Timetable
	// Workers are those that are online; the one that is called Embedded is this
	// server's own.
	Workers  func() []scheduler.Worker
	Embedded string
	Node     string // what this server is called
	ID       string // a name for this server that no other one has
	Version  string
	// Address is where this server can be reached.
	Address func() (host string, port int)
	// Origins are those whose pages may use this API; * is all of them.
	Origins func() []string
	// Ready says why the server is not ready, "" when it is.
	Ready func(context.Context) string
	// Stop ends this server. It returns at once.
	Stop func()
	Now  func() time.Time
	Zone *time.Location // of schedules that name none

	// Alone is set for a listener of its own: every path is this API's, as with
	// Dkron. Open lets any page read there: authentication is switched off.
	Alone, Open bool
	Pages       func() string // where the pages are, for Alone
	Metrics     http.Handler  // likewise
	MetricsAuth bool
}

// API is the dialect.
type API struct {
	Options
	table []httpkit.Route
}

// New makes the dialect.
func New(o Options) *API {
	if o.Zone == nil {
		o.Zone = time.Local
	}
	a := &API{Options: o}
	a.table = a.Routes()
	return a
}
