package handlers

import (
	"net/http"

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
