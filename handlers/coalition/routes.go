// Package coalition is the HTTP API of Coalition, and the protocol of its workers:
// below /coalition, and at the root of a listener of its own. README.md says what it
// makes of what the document leaves open.
package coalition

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// Prefix is where the API is on the listener of the pages.
const Prefix = "/coalition"

// maxBody is how many bytes a request may send.
const maxBody = 8 << 20

// Routes is everything this dialect answers.
func (a *API) Routes() []httpkit.Route {
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	var routes []httpkit.Route
	add := func(method, path string, handle echo.HandlerFunc, public bool) {
		routes = append(routes, httpkit.Route{Method: method, Path: a.root() + path, Handle: handle, Public: public})
	}
	for _, api := range []string{"/api", "/api/webfrontend"} { // Coalition's own pages used the latter
		for _, r := range []struct {
			method, path string
			handle       echo.HandlerFunc
		}{
			{get, "/jobs", a.listJobs},
			{put, "/jobs", a.createJob},
			{post, "/jobs", a.editJobs},
			{del, "/jobs", a.deleteJobs},
			{get, "/jobs/:id", a.showJob},
			{get, "/jobs/:id/children", a.listChildren},
			{get, "/jobs/:id/dependencies", a.listDependencies},
			{post, "/jobs/:id/dependencies", a.setDependencies},
			{get, "/jobs/:id/childrendependencies", a.listChildDependencies},
			{get, "/jobs/:id/log", a.showLog},
			{get, "/jobs/where/", a.refuseWhere},
			{get, "/jobs/count/where/", a.refuseWhere},
			{post, "/resetjobs", a.resetJobs},
			{post, "/reseterrorjobs", a.resetErrorJobs},
			{post, "/startjobs", a.startJobs},
			{post, "/pausejobs", a.pauseJobs},
			{get, "/workers", a.listWorkers},
			{post, "/workers", a.editWorkers},
			{del, "/workers", a.deleteWorkers},
			{post, "/stopworkers", a.stopWorkers},
			{post, "/startworkers", a.startWorkers},
			{get, "/events", a.listEvents},
			{get, "/affinities", a.showAffinities},
			{post, "/affinities", a.setAffinities},
		} {
			add(r.method, api+r.path, r.handle, false)
		}
		for path, column := range map[string]scheduler.TreeColumn{
			"users": scheduler.TreeUsers, "states": scheduler.TreeByState, "workers": scheduler.TreeWorkers,
			"priorities": scheduler.TreePriorities, "affinities": scheduler.TreeAffinities,
		} {
			for _, method := range []string{get, post} {
				add(method, api+"/jobs/"+path+"/", a.listValues(column), false)
			}
		}
	}
	for _, method := range []string{get, post} {
		add(method, "/xmlrpc/addjob", a.addJob, false)
		add(method, "/workers/pickjob", a.pickJob, true)
		add(method, "/workers/heartbeat", a.heartbeat, true)
		add(method, "/workers/endjob", a.endJob, true)
	}
	if a.Alone {
		add(get, "/", a.toPages, true)
	}
	return routes
}

func (a *API) root() string {
	if a.Alone {
		return ""
	}
	return Prefix
}

// Owns reports whether a path is this dialect's.
func (a *API) Owns(path string) bool {
	return a.Alone || path == Prefix || strings.HasPrefix(path, Prefix+"/")
}

// BodyLimit is how many bytes a request may send.
func (a *API) BodyLimit(*http.Request) int64 { return maxBody }

// Around refuses what a page of another site makes a browser ask for: a GET may
// create a job here, or take one.
func (a *API) Around(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if r := c.Request(); r.Method == http.MethodGet && acts(r.URL.Path) && fromElsewhere(r) {
			return httpkit.Refuse(http.StatusForbidden, scheduler.CodeForbidden, "a page of another site may not do this")
		}
		return next(c)
	}
}

func acts(path string) bool {
	return strings.Contains(path, "/xmlrpc/") || strings.Contains(strings.TrimPrefix(path, Prefix+"/api"), "/workers/")
}

// fromElsewhere reports whether a browser sent r for a page of another site.
// Programs send none of these headers.
func fromElsewhere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		return r.Header.Get("Origin") != "" || r.Header.Get("Referer") != ""
	default:
		return true
	}
}

// Admits reports whether a page of another site may send this request.
func (a *API) Admits(echo.Context) bool { return false }

func (a *API) toPages(c echo.Context) error { return c.Redirect(http.StatusFound, a.Pages()) }
