package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
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
	// Dialects are other systems' APIs, each made with what lets its clients in.
	Dialects []func(httpkit.Doorman) httpkit.Dialect
	// Load says how busy this server's worker is; nil hides it.
	Load func() (busy, slots int)
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
}

// ExecutionService is what the pages of executions call.
type ExecutionService interface {
	RunJob(ctx context.Context, by scheduler.Principal, name string, config json.RawMessage) (scheduler.Execution, error)
	RetryExecution(ctx context.Context, by scheduler.Principal, id string, config json.RawMessage) (scheduler.Execution, error)
	StopExecution(ctx context.Context, by scheduler.Principal, id string) error
	Waiting(e *scheduler.Execution) string
}

// FreezeService pauses everything.
type FreezeService interface {
	Frozen() scheduler.Freeze
	Freeze(ctx context.Context, by scheduler.Principal, reason string, until time.Time) (scheduler.Freeze, error)
	Unfreeze(ctx context.Context, by scheduler.Principal) error
}

// UserService is what the settings call.
type UserService interface {
	CreateUser(ctx context.Context, by scheduler.Principal, name, password string, role scheduler.Role) (scheduler.User, error)
	SetPassword(ctx context.Context, by scheduler.Principal, name, password string) error
	SetRole(ctx context.Context, by scheduler.Principal, name string, role scheduler.Role) error
	DeleteUser(ctx context.Context, by scheduler.Principal, name string) error
	CreateToken(ctx context.Context, by scheduler.Principal, name string, role scheduler.Role, ttl time.Duration) (scheduler.Token, string, error)
	RevokeToken(ctx context.Context, by scheduler.Principal, id string) error
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

// Service is the use cases; *scheduler.Service has them.
type Service interface {
	JobService
	ExecutionService
	FreezeService
	UserService
	SessionService
}

// Store is what pages read.
type Store interface {
	scheduler.JobStore
	scheduler.ExecutionStore
	scheduler.OutputStore
	ListDeliveries(ctx context.Context, executionID string) ([]scheduler.Delivery, error)
	scheduler.UserStore
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
	marks    markTable
	relays   relays
	door     *door
	dialects []httpkit.Dialect
}

// New makes a server.
func New(o Options) (*Server, error) {
	o.defaults()
	s := &Server{
		Options: o, echo: echo.New(), sessions: newSessions(o),
		throttle: newThrottle(o.Now), crossing: http.NewCrossOriginProtection(),
		frames: newFrames(), relays: relays{open: map[relayKey]*relay{}}, searcher: logsearch.NewSearcher(o.Store, views.TerminalText),
	}
	s.door = &door{server: s, ttl: o.TokenTTL}
	s.echo.HTTPErrorHandler = s.renderError
	s.echo.IPExtractor = clientAddress(o.TrustedProxies)
	s.echo.Use(s.observe, s.recoverPanics, s.secure, s.aroundDialects, limitBody, s.refuseCrossOrigin)
	for _, r := range s.routes() {
		s.register(r)
	}
	for _, make := range o.Dialects {
		d := make(s.door)
		s.dialects = append(s.dialects, d)
		s.mount(d)
	}
	return s, nil
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
	for _, d := range s.dialects {
		if c, ok := d.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}
