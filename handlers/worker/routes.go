// Package worker is the server's side of the protocol by which belfry worker gets
// what it runs: docs/worker-protocol.md. Its wire types are in scheduler/remote,
// where the other side is.
package worker

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/scheduler/remote"
)

// Service is what this API calls of the domain.
type Service interface {
	AuthenticateWorker(ctx context.Context, secret string) (scheduler.WorkerToken, error)
	ConnectWorker(ctx context.Context, token scheduler.WorkerToken, h scheduler.Hello) (scheduler.WorkerSession, error)
	WorkerClaim(ctx context.Context, ws scheduler.WorkerSession, ask scheduler.ClaimAsk) ([]scheduler.Assignment, error)
	WorkerBeat(ctx context.Context, ws scheduler.WorkerSession, b scheduler.Beat) (scheduler.Orders, error)
	WorkerOutput(ctx context.Context, ws scheduler.WorkerSession, id string, out scheduler.Output, end int64) error
	WorkerFinish(ctx context.Context, ws scheduler.WorkerSession, r scheduler.Report) error
	WorkerLeave(ctx context.Context, ws scheduler.WorkerSession) error
}

// Options are what an API is made of.
type Options struct {
	Service Service
	Now     func() time.Time
	// Stopping is closed when the server stops: who waits is answered then.
	Stopping <-chan struct{}
}

// API is the worker protocol, as a server mounts it.
type API struct{ Options }

// New makes it.
func New(o Options) *API { return &API{o} }

// Routes is everything it answers. Each asks for a worker token itself.
func (a *API) Routes() []httpkit.Route {
	post := func(path string, handle func(echo.Context, scheduler.WorkerToken) error) httpkit.Route {
		return httpkit.Route{Method: http.MethodPost, Path: remote.Prefix + path, Handle: a.withToken(handle), Public: true}
	}
	return []httpkit.Route{
		post("/connect", a.connect),
		post("/claim", a.claim),
		post("/beat", a.beat),
		post("/output", a.output),
		post("/finish", a.finish),
		post("/leave", a.leave),
	}
}

// Owns reports whether a path is the protocol's, in any version.
func (a *API) Owns(path string) bool { return path == "/worker" || strings.HasPrefix(path, "/worker/") }

// Around does nothing more: workers come as often as they like.
func (a *API) Around(next echo.HandlerFunc) echo.HandlerFunc { return next }

// Admits lets no page of another site send anything.
func (a *API) Admits(echo.Context) bool { return false }

func (a *API) withToken(handle func(echo.Context, scheduler.WorkerToken) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		scheme, secret, _ := strings.Cut(c.Request().Header.Get(echo.HeaderAuthorization), " ")
		if !strings.EqualFold(scheme, "bearer") {
			return scheduler.Errorf(scheduler.CodeUnauthenticated, "send a worker token: Authorization: Bearer %s…", scheduler.WorkerTokenPrefix)
		}
		token, err := a.Service.AuthenticateWorker(c.Request().Context(), strings.TrimSpace(secret))
		if err != nil {
			return err
		}
		return handle(c, token)
	}
}
