package handlers

import (
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v4"

	"belfry/static"
)

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
