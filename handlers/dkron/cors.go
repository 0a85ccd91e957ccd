package dkron

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// allows reports whether pages of an origin may read answers, and as what.
func (a *API) allows(origin string) (as string, ok bool) {
	if origin == "" {
		return "", false
	}
	origins := a.Origins()
	if slices.ContainsFunc(origins, func(known string) bool { return strings.EqualFold(known, origin) }) {
		return origin, true
	}
	if slices.Contains(origins, "*") || a.Alone && a.Open {
		return "*", true
	}
	return "", false
}

// Admits reports whether a page of another site may send a request that changes
// something: one whose origin is named, or any that brings a token of its own
// where all may read. That everybody may do everything is no reason to let any
// page that somebody looks at run commands here.
func (a *API) Admits(c echo.Context) bool {
	as, ok := a.allows(c.Request().Header.Get(echo.HeaderOrigin))
	return ok && (as != "*" || c.Request().Header.Get(echo.HeaderAuthorization) != "")
}

// cors says to a browser what pages of other sites may read.
func (a *API) cors(c echo.Context) {
	h := c.Response().Header()
	h.Add(echo.HeaderVary, echo.HeaderOrigin)
	as, ok := a.allows(c.Request().Header.Get(echo.HeaderOrigin))
	if !ok {
		return
	}
	h.Set(echo.HeaderAccessControlAllowOrigin, as)
	h.Set(echo.HeaderAccessControlExposeHeaders, "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if as != "*" {
		h.Set(echo.HeaderAccessControlExposeHeaders, "Location, X-Total-Count, X-Whom, X-Request-Id")
	}
}

// options answers what may be done with a path, and a browser's preflight.
func (a *API) options(c echo.Context, methods []string) error {
	h := c.Response().Header()
	h.Set(echo.HeaderAllow, strings.Join(append(methods, http.MethodOptions), ", "))
	if h.Get(echo.HeaderAccessControlAllowOrigin) != "" {
		h.Set(echo.HeaderAccessControlAllowMethods, strings.Join(methods, ", "))
		h.Set(echo.HeaderAccessControlAllowHeaders, "Authorization, Content-Type, X-Dkron-Token")
		h.Set(echo.HeaderAccessControlMaxAge, "600")
	}
	return c.NoContent(http.StatusNoContent)
}
