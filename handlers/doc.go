// Package handlers is Belfry's web application and its native JSON. One URL is
// one handler for both: it reads the request, calls the service once, and
// respond renders what the client can read: a page, a fragment for htmx, JSON.
//
//   - server.go, routes.go: what there is; middleware.go: what all of it has
//   - auth.go, login.go, sessions.go, throttle.go: who asks
//   - jobs.go, jobform.go, executions.go, output.go, users.go, tokens.go, now.go
//   - present.go: the JSON's shapes; errors.go: codes to statuses; render.go
//   - stream.go: what pages are told while they are open
package handlers
