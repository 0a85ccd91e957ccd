package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"
	"github.com/r3labs/sse/v2"

	"belfry/handlers/httpkit"
	"belfry/handlers/logsearch"
	"belfry/scheduler"
	"belfry/views"
)

// Options are what a Server is made of.
type Options struct {
	Service   Service
	Store     Store
	Timetable Timetable
	Hub       Hub

	// AuthNone lets everybody do everything.
	AuthNone bool
	// SecureCookies is for servers that browsers reach by HTTPS only.
	SecureCookies bool
	// SessionLifetime is how long a login lasts; 0 is a week.
	SessionLifetime time.Duration
	// TokenTTL is how long a login through an API lasts; 0 is DefaultTokenTTL.
	TokenTTL time.Duration
	// TrustedProxies may say in X-Forwarded-For who the client is.
	TrustedProxies []netip.Prefix

	Version   string
	Executors []string         // the kinds of job there are; nil is shell and http
	Now       func() time.Time // nil is time.Now
	Zone      *time.Location   // for times on pages; nil is time.Local
	Log       *slog.Logger     // nil is slog.Default
	// Configuration is what files and labels say.
	Configuration Configuration
	// Containers lists what a Docker engine has.
	Containers func(context.Context) ([]Container, error)
	// Imports are the other systems whose jobs can be taken over.
	Imports []scheduler.ImportFormat
	// Dialects are other systems' APIs, each made with what lets its clients in.
	Dialects []func(httpkit.Doorman) httpkit.Dialect
	// DatabaseKind is what the store is: "SQLite" or "PostgreSQL".
	DatabaseKind string
	// Backups are copies of the database; nil where it has its own tools for them.
	Backups Backups
	// Settings are what the server was started with, name and value, without secrets.
	Settings [][2]string
}

// JobService is what the pages of jobs call.
type JobService interface {
	CreateJob(ctx context.Context, by scheduler.Principal, d scheduler.Draft, origin scheduler.Origin) (scheduler.Job, error)
	UpdateJob(ctx context.Context, by scheduler.Principal, name string, version int64, d scheduler.Draft) (scheduler.Job, error)
	SetEnabled(ctx context.Context, by scheduler.Principal, name string, enabled bool) (scheduler.Job, error)
	DeleteJob(ctx context.Context, by scheduler.Principal, name string, force bool) error
	PauseJob(ctx context.Context, by scheduler.Principal, name string, until time.Time) (scheduler.Job, error)
	PreviewSchedules(schedules []scheduler.Schedule, n int) (scheduler.Preview, error)
	MaskNotify(all []scheduler.Notify) []scheduler.Notify
	CountFires(ctx context.Context, edges []time.Time, keep int) (scheduler.FireCounts, error)
	FiresWithin(ctx context.Context, from, to time.Time, limit int) ([]scheduler.JobFires, int, error)
}

// ExecutionService is what the pages of executions call.
type ExecutionService interface {
	RunJob(ctx context.Context, by scheduler.Principal, name string, config json.RawMessage) (scheduler.Execution, error)
	RetryExecution(ctx context.Context, by scheduler.Principal, id string, config json.RawMessage) (scheduler.Execution, error)
	StopExecution(ctx context.Context, by scheduler.Principal, id string) error
	Waiting(e *scheduler.Execution) string
	Acknowledge(ctx context.Context, by scheduler.Principal, id string) error
	Acknowledged(ctx context.Context) (map[string]scheduler.Acknowledgement, error)
}

// FreezeService pauses everything.
type FreezeService interface {
	Frozen() scheduler.Freeze
	Freeze(ctx context.Context, by scheduler.Principal, reason string, until time.Time) (scheduler.Freeze, error)
	Unfreeze(ctx context.Context, by scheduler.Principal) error
}

// ImportService stores jobs of other systems.
type ImportService interface {
	Import(ctx context.Context, by scheduler.Principal, list []scheduler.Imported, origin scheduler.Origin, preview bool) ([]scheduler.ImportStep, error)
}

// UserService is what the settings call.
type UserService interface {
	CreateUser(ctx context.Context, by scheduler.Principal, name, password string, role scheduler.Role) (scheduler.User, error)
	SetPassword(ctx context.Context, by scheduler.Principal, name, password string) error
	SetRole(ctx context.Context, by scheduler.Principal, name string, role scheduler.Role) error
	DeleteUser(ctx context.Context, by scheduler.Principal, name string) error
	CreateToken(ctx context.Context, by scheduler.Principal, name string, role scheduler.Role, ttl time.Duration) (scheduler.Token, string, error)
	RevokeToken(ctx context.Context, by scheduler.Principal, id string) error
	Backup(ctx context.Context, by scheduler.Principal, action scheduler.BackupAction, do func(context.Context) (file string, err error)) error
	Lateness() (p50, p99 time.Duration, fires int)
}

// SessionService is what says who asks.
type SessionService interface {
	Authenticate(ctx context.Context, name, password string) (scheduler.User, error)
	LogIn(ctx context.Context, u scheduler.User, from, agent string, lifetime time.Duration) (scheduler.Login, error)
	Secret(ctx context.Context, name string) ([]byte, error)
	LogOut(ctx context.Context, by scheduler.Principal, loginID string) error
	LoginPrincipal(ctx context.Context, loginID, from string) (scheduler.Principal, error)
	TokenPrincipal(ctx context.Context, secret, from string) (scheduler.Principal, error)
}

// TreeService is what the pages of the tree call.
type TreeService interface {
	CreateTreeJob(ctx context.Context, by scheduler.Principal, d scheduler.TreeDraft, affinities string, dependsOn []int64) (scheduler.TreeJob, error)
	EditTreeJobs(ctx context.Context, by scheduler.Principal, edits map[int64]scheduler.TreeEdit) error
	StartTreeJobs(ctx context.Context, by scheduler.Principal, nums []int64) error
	PauseTreeJobs(ctx context.Context, by scheduler.Principal, nums []int64) error
	ResetTreeJobs(ctx context.Context, by scheduler.Principal, nums []int64, onlyErrors bool) error
	DeleteTreeJobs(ctx context.Context, by scheduler.Principal, nums []int64) error
	Affinities(ctx context.Context) (scheduler.Affinities, error)
}

// Service is the use cases; *scheduler.Service has them.
type Service interface {
	TreeService
	JobService
	ExecutionService
	FreezeService
	ImportService
	UserService
	SessionService
	ClassService
	WorkerService
}

// Store is what pages read.
type Store interface {
	scheduler.JobStore
	scheduler.TreeStore
	scheduler.ExecutionStore
	scheduler.OutputStore
	ListDeliveries(ctx context.Context, executionID string) ([]scheduler.Delivery, error)
	Size(ctx context.Context) (int64, error)
	scheduler.UserStore
	ListWorkerTokens(ctx context.Context) ([]scheduler.WorkerToken, error)
}

// Timetable knows what comes.
type Timetable interface {
	Next(jobID string) (at time.Time, ok bool)
	Upcoming(n int) []scheduler.Due
}

// Server is the web application and the native JSON, as an http.Handler.
type Server struct {
	Options
	echo     *echo.Echo
	sessions *scs.SessionManager
	throttle *throttle
	crossing *http.CrossOriginProtection
	frames   *sse.Server
	searcher *logsearch.Searcher
	marks    *markTable
	relays   *relays
	door     *door
	fixed    map[string][]string // addresses without names, and their methods
	dialects []httpkit.Dialect
	started  time.Time
	viewers  *atomic.Int64     // of open event streams
	closing  []httpkit.Dialect // these, and those that are served alone
}

// New makes a server.
func New(o Options) (*Server, error) {
	o.defaults()
	s := &Server{
		Options: o, sessions: newSessions(o),
		throttle: newThrottle(o.Now), crossing: http.NewCrossOriginProtection(),
		frames: newFrames(), started: o.Now(), viewers: new(atomic.Int64),
		relays: &relays{open: map[relayKey]*relay{}}, marks: &markTable{}, searcher: logsearch.NewSearcher(o.Store, views.TerminalText),
	}
	s.door = &door{server: s, ttl: o.TokenTTL}
	s.serve()
	routes := s.routes()
	s.fixed = fixedPaths(routes)
	for _, r := range routes {
		s.register(r)
	}
	for _, make := range o.Dialects {
		d := make(s.door)
		s.dialects = append(s.dialects, d)
		s.mount(d)
	}
	s.closing = s.dialects
	return s, nil
}

// serve makes what answers requests, still without addresses.
func (s *Server) serve() {
	s.echo = echo.New()
	s.echo.HTTPErrorHandler = s.renderError
	s.echo.IPExtractor = clientAddress(s.TrustedProxies)
	s.echo.Use(s.observe, s.recoverPanics, s.secure, s.aroundDialects, s.limitBody, s.refuseCrossOrigin)
}

func (o *Options) defaults() {
	if o.SessionLifetime == 0 {
		o.SessionLifetime = 7 * 24 * time.Hour
	}
	if o.TokenTTL == 0 {
		o.TokenTTL = DefaultTokenTTL
	}
	if o.Executors == nil {
		o.Executors = []string{"shell", "http"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// Close lets go of what the server holds. Requests must have ended.
func (s *Server) Close() error {
	s.frames.Close()
	var err error
	for _, d := range s.closing {
		if c, ok := d.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}
