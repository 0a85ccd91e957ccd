// Package ofelia is the HTTP API of Ofelia's documentation: /api, /health and
// /metrics. README.md says what it makes of what that leaves open.
package ofelia

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
)

// Routes is everything this dialect answers.
func (a *API) Routes() []httpkit.Route {
	const get, post, put, del, patch = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch
	return []httpkit.Route{
		{Method: post, Path: "/api/login", Handle: a.login, Public: true},
		{Method: post, Path: "/api/refresh", Handle: a.refresh},
		{Method: post, Path: "/api/logout", Handle: a.logout},

		{Method: get, Path: "/api/jobs", Handle: a.listJobs},
		{Method: post, Path: "/api/jobs", Handle: a.createJob},
		{Method: get, Path: "/api/job/:name", Handle: a.showJob},
		{Method: put, Path: "/api/job/:name", Handle: a.updateJob},
		{Method: del, Path: "/api/job/:name", Handle: a.deleteJob},
		{Method: post, Path: "/api/job/:name/run", Handle: a.runJob},
		{Method: patch, Path: "/api/job/:name/toggle", Handle: a.toggleJob},

		{Method: get, Path: "/api/execution/:id", Handle: a.showExecution},
		{Method: post, Path: "/api/execution/:id/stop", Handle: a.stopExecution},
		{Method: get, Path: "/api/execution/:id/logs", Handle: a.showLogs},

		{Method: get, Path: "/api/scheduler/status", Handle: a.schedulerStatus},
		{Method: post, Path: "/api/scheduler/start", Handle: a.startScheduler},
		{Method: post, Path: "/api/scheduler/stop", Handle: a.stopScheduler},
		{Method: post, Path: "/api/scheduler/reload", Handle: a.reload},

		{Method: get, Path: "/api/config", Handle: a.showConfig},
		{Method: patch, Path: "/api/config/global", Handle: a.patchGlobal},

		{Method: get, Path: "/api/ws", Handle: a.socket, Public: true}, // it has its own ways to say who asks
		{Method: get, Path: "/health/liveness", Handle: a.liveness, Public: true},
		{Method: get, Path: "/health/readiness", Handle: a.readiness, Public: true},
		{Method: get, Path: "/metrics", Handle: a.metrics, Public: !a.MetricsAuth},
	}
}

// Owns reports whether a path is this dialect's. /api/v1 is another one's.
func (a *API) Owns(path string) bool {
	return isAPI(path) || strings.HasPrefix(path, "/health/") || path == "/metrics"
}

func isAPI(path string) bool {
	return (path == "/api" || strings.HasPrefix(path, "/api/")) && path != "/api/v1" && !strings.HasPrefix(path, "/api/v1/")
}

// Around limits the rate, and answers browsers of other sites as configured.
func (a *API) Around(next echo.HandlerFunc) echo.HandlerFunc {
	limited := a.limits.around(next)
	return func(c echo.Context) error {
		if !isAPI(c.Request().URL.Path) {
			return next(c)
		}
		if done, err := a.cors(c); done || err != nil {
			return err
		}
		return limited(c)
	}
}
