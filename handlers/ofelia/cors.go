package ofelia

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

// CORS says which pages of other sites may use this API. The zero value allows
// none.
type CORS struct {
	Origins     []string // scheme://host[:port], or * for all without credentials
	Methods     []string
	Headers     []string
	Credentials bool
	MaxAge      int // seconds
}

// exposed are headers of answers that scripts may read.
const exposed = "Location, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id"

// allows reports whether pages of an origin may read answers, and as what.
func (o CORS) allows(origin string) (as string, ok bool) {
	if slices.ContainsFunc(o.Origins, func(known string) bool { return strings.EqualFold(known, origin) }) {
		return origin, true
	}
	if slices.Contains(o.Origins, "*") {
		return "*", true
	}
	return "", false
}

// Admits reports whether a page of another site may send this request: one whose
// origin is named; any where all are allowed, if it brings a token of its own: no
// browser adds that by itself.
func (a *API) Admits(c echo.Context) bool {
	as, ok := a.CORS().allows(c.Request().Header.Get(echo.HeaderOrigin))
	return ok && (as != "*" || tokenOf(c.Request()) != "")
}

// cors says to a browser what pages of other sites may do, and answers its
// preflight.
func (a *API) cors(c echo.Context) (done bool, err error) {
	o := a.CORS()
	r, h := c.Request(), c.Response().Header()
	origin := r.Header.Get(echo.HeaderOrigin)
	if len(o.Origins) == 0 {
		return false, nil
	}
	h.Add(echo.HeaderVary, echo.HeaderOrigin)
	as, ok := o.allows(origin)
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	if !ok || origin == "" {
		if preflight {
			a.limits.preflight(c)
			return true, c.NoContent(http.StatusNoContent) // without the headers: the browser refuses
		}
		return false, nil
	}
	h.Set(echo.HeaderAccessControlAllowOrigin, as)
	if o.Credentials && as != "*" {
		h.Set(echo.HeaderAccessControlAllowCredentials, "true")
	}
	// The page's own protection says same-origin; whom the configuration names may
	// embed what it may read.
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if !preflight {
		h.Set(echo.HeaderAccessControlExposeHeaders, exposed)
		return false, nil
	}
	a.limits.preflight(c)
	h.Set(echo.HeaderAccessControlAllowMethods, strings.Join(o.Methods, ", "))
	h.Set(echo.HeaderAccessControlAllowHeaders, strings.Join(o.Headers, ", "))
	if o.MaxAge > 0 {
		h.Set(echo.HeaderAccessControlMaxAge, strconv.Itoa(o.MaxAge))
	}
	return true, c.NoContent(http.StatusNoContent)
}
