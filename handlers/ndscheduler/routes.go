// Package ndscheduler is the HTTP API of Nextdoor's ndscheduler: /api/v1, and on a
// listener of its own its login, too. README.md says what it makes of what that
// leaves open.
package ndscheduler

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
)

const prefix = "/api/v1"

// Routes is everything this dialect answers.
func (a *API) Routes() []httpkit.Route {
	all := a.below(prefix)
	if !a.Alone {
		return all
	}
	all = append(all, a.below("")...)
	return append(
		all,
		httpkit.Route{Method: http.MethodGet, Path: "/", Handle: a.showRoot, Public: true},
		httpkit.Route{Method: http.MethodGet, Path: "/login", Handle: a.showLogin, Public: true},
		httpkit.Route{Method: http.MethodPost, Path: "/login", Handle: a.logIn, Public: true},
		httpkit.Route{Method: http.MethodGet, Path: "/logout", Handle: a.logOut, Public: true},
	)
}

func (a *API) below(p string) []httpkit.Route {
	const get, post, put, del, patch, options = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions
	return []httpkit.Route{
		{Method: get, Path: p + "/jobs", Handle: a.listJobs},
		{Method: post, Path: p + "/jobs", Handle: a.createJob},
		{Method: get, Path: p + "/jobs/", Handle: withoutSlash, Public: true},
		{Method: get, Path: p + "/jobs/:id", Handle: a.showJob},
		{Method: get, Path: p + "/jobs/:id/", Handle: withoutSlash, Public: true},
		{Method: put, Path: p + "/jobs/:id", Handle: a.updateJob},
		{Method: del, Path: p + "/jobs/:id", Handle: a.deleteJob},
		{Method: patch, Path: p + "/jobs/:id", Handle: a.pauseJob},
		{Method: options, Path: p + "/jobs/:id", Handle: a.resumeJob},
		{Method: get, Path: p + "/executions", Handle: a.listExecutions},
		{Method: post, Path: p + "/executions", Handle: a.runNamed},
		{Method: get, Path: p + "/executions/", Handle: withoutSlash, Public: true},
		{Method: get, Path: p + "/executions/:id", Handle: a.showExecution},
		{Method: get, Path: p + "/executions/:id/", Handle: withoutSlash, Public: true},
		{Method: post, Path: p + "/executions/:id", Handle: a.runJob},
		{Method: del, Path: p + "/executions/:id", Handle: a.stopExecution},
		{Method: get, Path: p + "/logs", Handle: a.listLogs},
	}
}

// Owns reports whether a path is this dialect's.
func (a *API) Owns(path string) bool {
	return a.Alone || path == prefix || strings.HasPrefix(path, prefix+"/")
}

// Around answers what browsers ask before they let pages of other sites in. An
// OPTIONS that is not such a question resumes a job.
func (a *API) Around(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		allowed := a.allow(c)
		r := c.Request()
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			return next(c)
		}
		if allowed {
			h := c.Response().Header()
			h.Set(echo.HeaderAccessControlAllowMethods, "GET, POST, PUT, PATCH, DELETE, OPTIONS")
			h.Set(echo.HeaderAccessControlAllowHeaders, "Content-Type, Authorization")
		}
		return c.NoContent(http.StatusNoContent)
	}
}

// allow tells a browser that a page of another site may read the answer, if it may.
func (a *API) allow(c echo.Context) bool {
	o := a.CORS()
	if len(o.Origins) == 0 {
		return false
	}
	h := c.Response().Header()
	h.Add(echo.HeaderVary, echo.HeaderOrigin)
	as, ok := o.named(c.Request().Header.Get(echo.HeaderOrigin))
	if !ok {
		return false
	}
	h.Set(echo.HeaderAccessControlAllowOrigin, as)
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if o.Credentials && as != "*" {
		h.Set(echo.HeaderAccessControlAllowCredentials, "true")
	}
	return true
}

// named returns how an origin is allowed.
func (o CORS) named(origin string) (as string, ok bool) {
	for _, known := range o.Origins {
		if origin != "" && strings.EqualFold(known, origin) {
			return origin, true
		}
		if known == "*" {
			as, ok = "*", origin != ""
		}
	}
	return as, ok
}

// Admits reports whether a page of another site may send this request: one whose
// origin is named; any where all are allowed, if it brings credentials of its own.
func (a *API) Admits(c echo.Context) bool {
	as, ok := a.CORS().named(c.Request().Header.Get(echo.HeaderOrigin))
	return ok && (as != "*" || c.Request().Header.Get(echo.HeaderAuthorization) != "")
}

func withoutSlash(c echo.Context) error {
	to := *c.Request().URL
	to.Path, to.RawPath = strings.TrimRight(to.Path, "/"), ""
	if !strings.HasPrefix(to.Path, "/") || strings.HasPrefix(to.Path, "//") {
		return echo.ErrNotFound
	}
	return c.Redirect(http.StatusMovedPermanently, to.RequestURI())
}
