package handlers

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
	"belfry/static"
)

// access says whom a route answers.
type access int

const (
	private access = iota // whoever has logged in, or has credentials
	public                // everybody
)

// route is one line of the table.
type route struct {
	method, path string
	handle       echo.HandlerFunc
	access       access
}

// routes is everything this server answers. HEAD comes with every GET but
// /events, which does not end. Forms can only POST, so what JSON does with PUT
// and DELETE has a path for them too.
func (s *Server) routes() []route {
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	return []route{
		{get, "/", s.showNow, private},
		{get, "/events", s.events, private},
		{get, "/search", s.search, private},
		{post, "/zone", s.setZone, private},
		{get, "/freeze", s.showFreeze, private},
		{post, "/freeze", s.freeze, private},
		{post, "/unfreeze", s.unfreeze, private},

		{get, "/jobs", s.listJobs, private},
		{post, "/jobs", s.createJob, private},
		{post, "/jobs/bulk", s.bulkJobs, private},
		{get, "/jobs/export", s.exportJobs, private},
		{get, "/jobs/import", s.showImport, private},
		{post, "/jobs/import", s.importJobs, private},
		{get, "/jobs/new", s.newJob, private},
		{get, "/jobs/preview", s.previewSchedule, private},
		{post, "/jobs/preview", s.previewSchedule, private},
		{get, "/jobs/:name", s.showJob, private},
		{put, "/jobs/:name", s.updateJob, private},
		{post, "/jobs/:name", s.updateJob, private},
		{del, "/jobs/:name", s.deleteJob, private},
		{post, "/jobs/:name/delete", s.deleteJob, private},
		{get, "/jobs/:name/edit", s.editJob, private},
		{get, "/jobs/:name/history", s.showHistory, private},
		{get, "/jobs/:name/run", s.showRun, private},
		{post, "/jobs/:name/run", s.runJob, private},
		{post, "/jobs/:name/enable", s.enableJob, private},
		{post, "/jobs/:name/disable", s.disableJob, private},
		{post, "/jobs/:name/pause", s.pauseJob, private},
		{post, "/jobs/:name/unpause", s.unpauseJob, private},

		{get, "/tree", s.showTree, private},
		{post, "/tree", s.createTreeJob, private},
		{post, "/tree/actions", s.actOnTree, private},
		{get, "/tree/:num", s.showTree, private},
		{put, "/tree/:num", s.editTreeJob, private},
		{post, "/tree/:num", s.editTreeJob, private},
		{get, "/calendar", s.showCalendar, private},

		{get, "/executions", s.listExecutions, private},
		{post, "/executions/bulk", s.bulkExecutions, private},
		{get, "/executions/:id", s.showExecution, private},
		{get, "/executions/:id/output", s.showOutput, private},
		{get, "/executions/:id/lines", s.showLines, private},
		{get, "/executions/:id/search", s.searchOutput, private},
		{post, "/executions/:id/stop", s.stopExecution, private},
		{get, "/executions/:id/retry", s.showRetry, private},
		{post, "/executions/:id/retry", s.retryExecution, private},
		{post, "/executions/:id/acknowledge", s.acknowledgeExecution, private},

		{get, "/audit", s.showAudit, private},
		{get, "/audit/export", s.exportAudit, private},
		{get, "/workers", s.listWorkers, private},
		{get, "/workers/tokens", s.listWorkerTokens, private},
		{post, "/workers/tokens", s.createWorkerToken, private},
		{del, "/workers/tokens/:id", s.revokeWorkerToken, private},
		{post, "/workers/tokens/:id/revoke", s.revokeWorkerToken, private},
		{post, "/workers/withhold", s.setWithholding, private},
		{get, "/workers/:name", s.showWorker, private},
		{del, "/workers/:name", s.forgetWorker, private},
		{post, "/workers/:name/forget", s.forgetWorker, private},
		{post, "/workers/:name/drain", s.setWorker(scheduler.WorkerDraining, "gets nothing new."), private},
		{post, "/workers/:name/resume", s.setWorker(scheduler.WorkerActive, "may work."), private},
		{post, "/workers/:name/disconnect", s.setWorker(scheduler.WorkerDisconnected, "is cut off."), private},
		{post, "/workers/:name/rules", s.setWorkerRules, private},
		{post, "/workers/:name/clear", s.clearWorker, private},

		{get, "/settings", s.showSettings, private},
		{get, "/settings/users", s.listUsers, private},
		{post, "/settings/users", s.createUser, private},
		{del, "/settings/users/:name", s.deleteUser, private},
		{post, "/settings/users/:name/delete", s.deleteUser, private},
		{post, "/settings/users/:name/role", s.setRole, private},
		{post, "/settings/users/:name/password", s.setPassword, private},
		{get, "/settings/tokens", s.listTokens, private},
		{post, "/settings/tokens", s.createToken, private},
		{del, "/settings/tokens/:id", s.revokeToken, private},
		{post, "/settings/tokens/:id/revoke", s.revokeToken, private},

		{get, "/settings/classes", s.listClasses, private},
		{post, "/settings/classes", s.createClass, private},
		{get, "/settings/classes/:name", s.showClass, private},
		{put, "/settings/classes/:name", s.updateClass, private},
		{post, "/settings/classes/:name", s.updateClass, private},
		{del, "/settings/classes/:name", s.deleteClass, private},
		{post, "/settings/classes/:name/delete", s.deleteClass, private},
		{get, "/classes", s.offerClasses, private},
		{get, "/settings/system", s.showSystem, private},
		{post, "/settings/backup", s.makeBackup, private},
		{get, "/settings/backups", s.listBackups, private},
		{get, "/settings/backups/:name", s.downloadBackup, private},
		{del, "/settings/backups/:name", s.deleteBackup, private},
		{post, "/settings/backups/:name/delete", s.deleteBackup, private},
		{get, "/account", s.showAccount, private},
		{post, "/account/password", s.changePassword, private},

		{get, "/settings/configuration", s.showConfiguration, private},
		{post, "/settings/configuration/reload", s.reloadConfiguration, private},
		{get, "/containers", s.listContainers, private},

		{get, "/login", s.showLogin, public},
		{post, "/login", s.logIn, public},
		{post, "/logout", s.logOut, public},

		{get, "/openapi.json", s.openAPI, public},
		{get, "/favicon.ico", s.favicon, public},
		{get, "/robots.txt", s.robots, public},
		{get, "/static/*", echo.WrapHandler(static.Handler()), public},
	}
}

func (s *Server) register(r route) {
	handle := r.handle
	if strings.Contains(r.path, ":") {
		handle = s.orOtherMethod(handle)
	}
	if r.access == private {
		handle = s.authenticated(handle)
	}
	s.echo.Add(r.method, r.path, handle)
	if r.method == http.MethodGet && r.path != "/events" {
		s.echo.HEAD(r.path, handle)
	}
}

// orOtherMethod refuses what reaches a route with a name at a word of the table, such as
// GET /jobs/bulk: nothing is called so, and the word answers other methods.
func (s *Server) orOtherMethod(handle echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		allow, word := s.fixed[c.Request().URL.Path]
		if !word {
			return handle(c)
		}
		c.Response().Header().Set(echo.HeaderAllow, strings.Join(allow, ", "))
		return echo.ErrMethodNotAllowed
	}
}

// fixedPaths are the addresses without names, with the methods that they answer.
func fixedPaths(routes []route) map[string][]string {
	fixed := map[string][]string{}
	for _, r := range routes {
		if strings.ContainsAny(r.path, ":*") {
			continue
		}
		if fixed[r.path] == nil {
			fixed[r.path] = []string{http.MethodOptions}
		}
		fixed[r.path] = append(fixed[r.path], r.method)
		if r.method == http.MethodGet {
			fixed[r.path] = append(fixed[r.path], http.MethodHead)
		}
	}
	return fixed
}
