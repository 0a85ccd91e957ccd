package ofelia

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/scheduler/jobfile"
)

// Service is what this dialect calls of the domain.
type Service interface {
	CreateJob(ctx context.Context, by scheduler.Principal, d scheduler.Draft, origin scheduler.Origin) (scheduler.Job, error)
	UpdateJob(ctx context.Context, by scheduler.Principal, name string, version int64, d scheduler.Draft) (scheduler.Job, error)
	SetEnabled(ctx context.Context, by scheduler.Principal, name string, enabled bool) (scheduler.Job, error)
	Toggle(ctx context.Context, by scheduler.Principal, name string) (scheduler.Job, error)
	DeleteJob(ctx context.Context, by scheduler.Principal, name string, force bool) error
	RunJob(ctx context.Context, by scheduler.Principal, name string, config json.RawMessage) (scheduler.Execution, error)
	StopExecution(ctx context.Context, by scheduler.Principal, id string) error
	CheckJob(ctx context.Context, d scheduler.Draft) error
	Frozen() scheduler.Freeze
	Freeze(ctx context.Context, by scheduler.Principal, reason string, until time.Time) (scheduler.Freeze, error)
	Unfreeze(ctx context.Context, by scheduler.Principal) error
}

// Store is what it reads.
type Store interface {
	scheduler.JobStore
	scheduler.ExecutionStore
	scheduler.OutputStore
}

// Timetable knows what comes.
type Timetable interface {
	Next(jobID string) (at time.Time, ok bool)
	Upcoming(n int) []scheduler.Due
}

// Configuration is the server's, from files and as it was changed here.
type Configuration interface {
	// Global is the section of that name, by this API's keys and without secrets.
	Global() map[string]any
	// ChangeGlobal replaces some of its keys, for good. It needs the role admin.
	ChangeGlobal(ctx context.Context, by scheduler.Principal, keys map[string]json.RawMessage) error
	// Reload reads files and labels again. It needs the role admin. CodeInvalid: a
	// file is wrong, and nothing was changed.
	Reload(ctx context.Context, by scheduler.Principal) (scheduler.Applied, error)
	// Defaults are what holds for jobs that do not say.
	Defaults() jobfile.Global
}

// Options are what an API is made of.
type Options struct {
	Service       Service
	Store         Store
	Timetable     Timetable
	Executors     []string // kinds that jobs may have
	Hub           scheduler.Feed
	Door          httpkit.Doorman
	Configuration Configuration
	CORS          func() CORS
	Metrics       http.Handler
	MetricsAuth   bool // /metrics asks who one is
	// Ready says why the server is not ready, "" when it is.
	Ready func(context.Context) string
	// Docker is "connected", "disconnected" or "disabled".
	Docker    func(context.Context) string
	RateLimit int // requests a minute and client; 0: any
	RateBurst int // so many more at once
	Now       func() time.Time
}

// API is the dialect.
type API struct {
	Options
	limits  limits
	sockets sockets
	started time.Time
}

// New makes the dialect. Close it when requests have ended.
func New(o Options) *API {
	a := &API{Options: o, started: o.Now()}
	a.limits = limits{perMinute: o.RateLimit, burst: o.RateBurst, now: o.Now}
	a.sockets.api = a
	return a
}
