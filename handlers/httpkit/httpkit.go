// Package httpkit is what Belfry's pages and its API dialects share of HTTP:
// who asks, names in paths, query parameters, bodies with limits. It decides
// nothing about jobs.
package httpkit

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
)

// StatusError is an error whose HTTP status does not follow from its code:
// something is wrong with the request itself, before any rule about jobs.
type StatusError struct {
	Status     int
	RetryAfter time.Duration // 0: none
	Err        *scheduler.Error
}

// Error returns the words of Err.
func (e *StatusError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *StatusError) Unwrap() error { return e.Err }

// Refuse makes a StatusError about the whole request.
func Refuse(status int, code scheduler.Code, format string, args ...any) error {
	return &StatusError{Status: status, Err: &scheduler.Error{Code: code, Message: fmt.Sprintf(format, args...)}}
}

// BadField makes a 400 about one field or parameter.
func BadField(field, format string, args ...any) error {
	return badFields([]scheduler.FieldError{{Field: field, Message: fmt.Sprintf(format, args...)}})
}

func badFields(fields []scheduler.FieldError) error {
	return &StatusError{Status: http.StatusBadRequest, Err: &scheduler.Error{
		Code: scheduler.CodeInvalid, Message: "the request cannot be understood", Fields: fields,
	}}
}

const principalKey = "belfry.principal"

// SetPrincipal records who asks.
func SetPrincipal(c echo.Context, p scheduler.Principal) { c.Set(principalKey, p) }

// Principal returns who asks; the zero Principal, who may nothing, if nobody
// was recorded.
func Principal(c echo.Context) scheduler.Principal {
	p, _ := c.Get(principalKey).(scheduler.Principal)
	return p
}

// Param returns a path parameter, decoded; a slash within it was encoded. echo
// leaves it encoded when the path contains an encoded slash, hands all remaining
// segments to the last parameter of a route, and matches empty segments: the last
// two are no names, so they are CodeNotFound, and so is what no database takes as
// text.
func Param(c echo.Context, name string) (string, error) {
	v := c.Param(name)
	if strings.Contains(v, "/") {
		return "", notFound()
	}
	if c.Request().URL.RawPath != "" {
		decoded, err := url.PathUnescape(v)
		if err != nil {
			return "", notFound()
		}
		v = decoded
	}
	if v == "" || len(v) > 1000 || strings.ContainsRune(v, 0) || !utf8.ValidString(v) {
		return "", notFound()
	}
	return v, nil
}

func notFound() error {
	return &scheduler.Error{Code: scheduler.CodeNotFound, Message: "there is nothing at this address"}
}

// plain reports whether a parameter is text that may be looked for, and why not.
func plain(v string, most int) string {
	switch {
	case !utf8.ValidString(v):
		return "is not valid UTF-8"
	case utf8.RuneCountInString(v) > most:
		return fmt.Sprintf("is too long: at most %d characters", most)
	case strings.ContainsFunc(v, unicode.IsControl):
		return "contains a control character"
	}
	return ""
}
