package handlers

import (
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v4"

	"belfry/static"
)

type healthOut struct {
	Status string     `json:"status"`
	Checks []checkOut `json:"checks"`
}

type checkOut struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
}

// liveness says that the process answers; nothing else is worth a restart.
func (s *Server) liveness(c echo.Context) error {
	return respondJSON(c, http.StatusOK, answer{json: healthOut{"ok", []checkOut{}}})
}

// readiness says whether requests make sense: the database answers, and nothing
// is being stopped.
func (s *Server) readiness(c echo.Context) error {
	out, status := healthOut{"ready", []checkOut{}}, http.StatusOK
	if s.Ready == nil {
		return respondJSON(c, status, answer{json: out})
	}
	for _, check := range s.Ready(c.Request().Context()) {
		out.Checks = append(out.Checks, checkOut{check.Name, check.Problem == "", check.Problem})
		if check.Problem != "" {
			out.Status, status = "not ready", http.StatusServiceUnavailable
		}
	}
	return respondJSON(c, status, answer{json: out})
}

//go:embed openapi.json
var openAPIDocument []byte

// openAPI describes the native JSON to programs.
func (s *Server) openAPI(c echo.Context) error {
	return blob(c, http.StatusOK, echo.MIMEApplicationJSON, openAPIDocument)
}

// favicon is what browsers ask for where there is no page to name the icon.
func (s *Server) favicon(c echo.Context) error {
	return c.Redirect(http.StatusFound, static.URL("favicon.svg"))
}

// robots keeps crawlers out.
func (s *Server) robots(c echo.Context) error {
	return c.String(http.StatusOK, "User-agent: *\nDisallow: /\n")
}
