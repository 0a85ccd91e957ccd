package handlers

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
)

// mount adds a dialect's routes. HEAD comes with every GET that ends.
func (s *Server) mount(d httpkit.Dialect) {
	for _, r := range d.Routes() {
		handle := r.Handle
		if !r.Public {
			handle = s.authenticated(handle)
		}
		s.echo.Add(r.Method, r.Path, handle)
		if r.Method == http.MethodGet {
			s.echo.HEAD(r.Path, handle)
		}
	}
}

// uploads are our own addresses that take files.
var uploads = []string{"/jobs/import"}

// Alone makes a handler on which there is only one dialect, which owns every path:
// for a listener of its own. People are let in as by this server, with the same
// throttle; closing this server closes it.
func (s *Server) Alone(make func(httpkit.Doorman) httpkit.Dialect) http.Handler {
	d := make(s.door)
	alone := *s
	alone.dialects = []httpkit.Dialect{d}
	alone.serve()
	alone.mount(d)
	s.closing = append(s.closing, d)
	return &alone
}

// bodyLimit is how many bytes a request may send.
func (s *Server) bodyLimit(r *http.Request) int64 {
	if d, ok := s.dialectOf(r.URL.Path).(interface{ BodyLimit(*http.Request) int64 }); ok {
		return d.BodyLimit(r)
	}
	if slices.Contains(uploads, r.URL.Path) {
		return httpkit.MaxUpload
	}
	return httpkit.MaxBody
}

// dialectOf returns the dialect that a path belongs to, nil when it is one of ours.
func (s *Server) dialectOf(path string) httpkit.Dialect {
	for _, d := range s.dialects {
		if d.Owns(path) {
			return d
		}
	}
	return nil
}

// aroundDialects lets a dialect wrap all that is its own, also what it has no route
// for.
func (s *Server) aroundDialects(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if d := s.dialectOf(c.Request().URL.Path); d != nil {
			return d.Around(next)(c)
		}
		return next(c)
	}
}
