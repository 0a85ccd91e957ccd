package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// outcomes maps the domain's codes to statuses, and to the heading of the page
// that says so.
var outcomes = map[scheduler.Code]struct {
	status  int
	heading string
}{
	scheduler.CodeInvalid:         {http.StatusUnprocessableEntity, "That is not valid"},
	scheduler.CodeUnauthenticated: {http.StatusUnauthorized, "Log in first"},
	scheduler.CodeForbidden:       {http.StatusForbidden, "You may not do that"},
	scheduler.CodeNotFound:        {http.StatusNotFound, "There is nothing here"},
	scheduler.CodeConflict:        {http.StatusConflict, "That is not possible now"},
	scheduler.CodeTooLarge:        {http.StatusRequestEntityTooLarge, "That is too large"},
	scheduler.CodeRateLimited:     {http.StatusTooManyRequests, "Too many attempts"},
	scheduler.CodeUnavailable:     {http.StatusServiceUnavailable, "Belfry cannot do that at the moment"},
	scheduler.CodeInternal:        {http.StatusInternalServerError, "Something went wrong"},
}

// failure is an error as any client may see it.
type failure struct {
	status  int
	code    scheduler.Code
	heading string
	detail  string
	fields  []scheduler.FieldError
}

// explain says what an error is to a client. What has no words for people
// becomes CodeInternal, without its own words.
func explain(err error) failure {
	var (
		domain  *scheduler.Error
		refused *httpkit.StatusError
		routing *echo.HTTPError
	)
	switch {
	case errors.As(err, &routing):
		domain = &scheduler.Error{Code: scheduler.CodeNotFound, Message: "there is nothing at this address"}
		if routing.Code == http.StatusMethodNotAllowed {
			domain = &scheduler.Error{Code: scheduler.CodeInvalid, Message: "this address does not answer this method"}
		}
		refused = &httpkit.StatusError{Status: routing.Code}
	case errors.Is(err, context.Canceled):
		domain = &scheduler.Error{Code: scheduler.CodeUnavailable, Message: "the request was given up"}
	case !errors.As(err, &domain) || domain.Code == scheduler.CodeInternal:
		domain = &scheduler.Error{Code: scheduler.CodeInternal, Message: "the server's log has the cause under this request's id"}
	default:
		errors.As(err, &refused)
	}
	known, ok := outcomes[domain.Code]
	if !ok {
		known = outcomes[scheduler.CodeInternal]
	}
	f := failure{known.status, domain.Code, known.heading, domain.Message, domain.Fields}
	if refused != nil {
		f.status = refused.Status
	}
	return f
}

// renderError answers with an error: a problem document, a page, or what htmx
// can use.
func (s *Server) renderError(err error, c echo.Context) {
	f := explain(err)
	if f.status >= http.StatusInternalServerError {
		level := slog.LevelError
		if f.code == scheduler.CodeUnavailable { // it was decided so, or passes
			level = slog.LevelWarn
		}
		s.Log.LogAttrs(c.Request().Context(), level, "request failed",
			slog.String("id", requestID(c)), slog.String("path", c.Request().URL.Path), slog.Any("error", err))
	}
	if c.Response().Committed {
		return // too late to say it
	}
	retryAfter(c, err)
	if d := s.dialectOf(c.Request().URL.Path); d != nil {
		if f.status == http.StatusUnauthorized {
			challenge(c)
		}
		d.Error(c, err)
		return
	}
	how := accepted(c.Request())
	if f.status == http.StatusUnauthorized && how != asJSON {
		s.sendToLogin(c, how)
		return
	}
	if f.status == http.StatusUnauthorized {
		challenge(c)
	}
	props := views.ErrorProps{
		Page: s.page(c, f.heading, views.NavNone), Status: f.status, Heading: f.heading,
		Detail: sentence(f), RequestID: requestID(c),
	}
	err = respond(c, f.status, answer{
		page: views.ErrorPage(props), fragment: views.ErrorFragment(props),
		json: problemOf(f, requestID(c)), mime: "application/problem+json",
	})
	if err != nil {
		s.Log.Error("answer with an error", "id", requestID(c), "error", err)
	}
}

// sentence joins what is wrong for a page that has no fields to put it beside.
func sentence(f failure) string {
	var b strings.Builder
	b.WriteString(f.detail)
	for _, field := range f.fields {
		b.WriteString("; " + field.Field + " " + field.Message)
	}
	return b.String()
}

// challenge says how to authenticate. A page's own script must not be offered
// Basic: the browser would open its password box.
func challenge(c echo.Context) {
	h := c.Response().Header()
	h.Add(echo.HeaderWWWAuthenticate, `Bearer realm="belfry"`)
	if c.Request().Header.Get("Sec-Fetch-Mode") == "" {
		h.Add(echo.HeaderWWWAuthenticate, `Basic realm="belfry", charset="UTF-8"`)
	}
}

// sendToLogin sends a browser to the login page, and from there back to the page
// it was on.
func (s *Server) sendToLogin(c echo.Context, how rendering) {
	r := c.Request()
	back := r.URL.RequestURI()
	if how == asFragment {
		back = localPart(r.Header.Get("HX-Current-URL"))
	} else if r.Method != http.MethodGet && r.Method != http.MethodHead {
		back = localPart(r.Referer())
	}
	to := "/login"
	if back = localPath(back); back != "/" {
		to += "?next=" + url.QueryEscape(back)
	}
	if how == asFragment {
		c.Response().Header().Set("HX-Redirect", to)
		_ = c.NoContent(http.StatusUnauthorized)
		return
	}
	_ = c.Redirect(http.StatusSeeOther, to)
}

// localPart is what an address of our own names here.
func localPart(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "/"
	}
	return u.RequestURI()
}

// localPath returns path when it is one of this server, else "/". Browsers read
// a backslash as a slash, drop tabs and line breaks, and take // for a host.
func localPath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || len(path) > 2000 ||
		strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return "/"
	}
	u, err := url.Parse(path)
	if err != nil || u.Host != "" || u.Scheme != "" || u.Path == "/login" || u.Path == "/logout" {
		return "/"
	}
	return path
}
