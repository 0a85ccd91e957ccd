// Package dkron is the HTTP API of Dkron: /v1 and /health. README.md says what it
// makes of what the document leaves open, and where it differs from a real Dkron.
package dkron

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
)

// Routes is everything this dialect answers.
func (a *API) Routes() []httpkit.Route {
	const get, post, put, del, patch = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch
	routes := []httpkit.Route{
		{Method: get, Path: "/v1", Handle: a.showStatus},
		{Method: get, Path: "/v1/", Handle: a.showStatus},
		{Method: get, Path: "/v1/members", Handle: a.listMembers},
		{Method: get, Path: "/v1/leader", Handle: a.showLeader},
		{Method: get, Path: "/v1/isleader", Handle: a.isLeader},
		{Method: post, Path: "/v1/leave", Handle: a.leave},
		{Method: get, Path: "/v1/busy", Handle: a.listBusy},
		{Method: get, Path: "/v1/stats", Handle: a.showStats},
		{Method: get, Path: "/v1/pause", Handle: a.showPause},
		{Method: post, Path: "/v1/pause", Handle: a.pause},
		{Method: post, Path: "/v1/unpause", Handle: a.unpause},
		{Method: post, Path: "/v1/restore", Handle: a.restore},

		{Method: get, Path: "/v1/jobs", Handle: a.listJobs},
		{Method: post, Path: "/v1/jobs", Handle: a.saveJob},
		{Method: patch, Path: "/v1/jobs", Handle: a.saveJob},
		{Method: get, Path: "/v1/jobs/:job", Handle: a.showJob},
		{Method: put, Path: "/v1/jobs/:job", Handle: a.saveJob},
		{Method: post, Path: "/v1/jobs/:job", Handle: a.runJob},
		{Method: del, Path: "/v1/jobs/:job", Handle: a.deleteJob},
		{Method: post, Path: "/v1/jobs/:job/run", Handle: a.runJob},
		{Method: post, Path: "/v1/jobs/:job/toggle", Handle: a.toggleJob},
		{Method: get, Path: "/v1/jobs/:job/executions", Handle: a.listExecutions},
		{Method: del, Path: "/v1/jobs/:job/executions", Handle: a.deleteExecutions},
		{Method: get, Path: "/v1/jobs/:job/executions/:execution", Handle: a.showExecution},
	}
	for i := range routes {
		routes[i].Handle = a.signed(routes[i].Handle)
	}
	routes = append(routes, httpkit.Route{Method: get, Path: "/health", Handle: a.showHealth, Public: true})
	if !a.Alone {
		return routes
	}
	return append(
		routes,
		httpkit.Route{Method: get, Path: "/", Handle: a.signed(a.showRoot), Public: true},
		httpkit.Route{Method: get, Path: "/ui", Handle: a.signed(a.showPages), Public: true},
		httpkit.Route{Method: get, Path: "/ui/*", Handle: a.signed(a.showPages), Public: true},
		httpkit.Route{Method: get, Path: "/metrics", Handle: a.signed(a.showMetrics), Public: !a.MetricsAuth},
	)
}

// signed names this server in the answer.
func (a *API) signed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set("X-Whom", a.Node)
		return next(c)
	}
}

// Owns reports whether a path is this dialect's.
func (a *API) Owns(path string) bool {
	return a.Alone || path == "/health" || path == "/v1" || strings.HasPrefix(path, "/v1/")
}

// BodyLimit is how many bytes a request may send: a restore sends all jobs.
func (a *API) BodyLimit(r *http.Request) int64 {
	if strings.TrimSuffix(r.URL.Path, "/") == "/v1/restore" {
		return httpkit.MaxUpload
	}
	return httpkit.MaxBody
}

// Around takes this API's own header for a token, answers browsers of other
// sites, and sends what ends in a slash to where it has none.
func (a *API) Around(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if token := r.Header.Get("X-Dkron-Token"); token != "" && r.Header.Get(echo.HeaderAuthorization) == "" {
			r.Header.Set(echo.HeaderAuthorization, "Bearer "+token)
		}
		a.cors(c)
		slash := strings.HasSuffix(r.URL.Path, "/") && r.URL.Path != "/" && r.URL.Path != "/v1/"
		if r.Method != http.MethodOptions && !slash {
			return next(c)
		}
		methods := a.methods(strings.TrimSuffix(r.URL.Path, "/"))
		switch {
		case len(methods) == 0:
			return echo.ErrNotFound
		case r.Method == http.MethodOptions:
			return a.options(c, methods)
		default:
			return redirect(c)
		}
	}
}

func redirect(c echo.Context) error {
	u := *c.Request().URL
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
	status := http.StatusTemporaryRedirect
	if m := c.Request().Method; m == http.MethodGet || m == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	return c.Redirect(status, u.RequestURI())
}

// methods are those that a path answers.
func (a *API) methods(path string) (all []string) {
	for _, r := range a.table {
		if !matches(r.Path, path) {
			continue
		}
		all = append(all, r.Method)
		if r.Method == http.MethodGet {
			all = append(all, http.MethodHead)
		}
	}
	return all
}

func matches(pattern, path string) bool {
	for {
		p, pRest, pMore := strings.Cut(pattern, "/")
		q, qRest, qMore := strings.Cut(path, "/")
		if p != q && (!strings.HasPrefix(p, ":") || q == "") || pMore != qMore {
			return false
		}
		if !pMore {
			return true
		}
		pattern, path = pRest, qRest
	}
}
