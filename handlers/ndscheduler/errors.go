package ndscheduler

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// statuses are those of the domain's codes. This API has no 404 for ids, and says
// 400 to everything that a request is wrong about.
var statuses = map[scheduler.Code]int{
	scheduler.CodeInvalid: http.StatusBadRequest, scheduler.CodeUnauthenticated: http.StatusUnauthorized,
	scheduler.CodeForbidden: http.StatusForbidden, scheduler.CodeNotFound: http.StatusNotFound,
	scheduler.CodeConflict: http.StatusBadRequest, scheduler.CodeTooLarge: http.StatusRequestEntityTooLarge,
	scheduler.CodeRateLimited: http.StatusTooManyRequests, scheduler.CodeUnavailable: http.StatusServiceUnavailable,
}

// refuse makes a 400 with the servers' own words.
func refuse(message string) error {
	return httpkit.Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "%s", message)
}

// noSuch words what is not found as the servers do.
func noSuch(what, id string, err error) error {
	if scheduler.CodeOf(err) != scheduler.CodeNotFound {
		return err
	}
	return refuse(what + " not found: " + id)
}

// explain says what an error is in this API.
func explain(err error) (int, string) {
	var (
		domain  *scheduler.Error
		refused *httpkit.StatusError
		routing *echo.HTTPError
	)
	switch {
	case errors.As(err, &routing):
		return routing.Code, strings.ToLower(http.StatusText(routing.Code))
	case errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, "the request was given up"
	case !errors.As(err, &domain) || domain.Code == scheduler.CodeInternal:
		return http.StatusInternalServerError, "server side error; the server's log has the cause under this request's id"
	}
	status := statuses[domain.Code]
	if errors.As(err, &refused) {
		status = refused.Status
	}
	parts := []string{domain.Message}
	for _, f := range domain.Fields {
		parts = append(parts, fieldNames.Replace(f.Field)+" "+f.Message)
	}
	return status, strings.Join(parts, "; ")
}

// fieldNames are this API's words for fields of the domain.
var fieldNames = strings.NewReplacer("config.class", "job_class_string", "config.args", "pub_args", "display_name", "name")

// Error answers with an error. A browser that has not logged in is sent to do so.
func (a *API) Error(c echo.Context, err error) {
	status, message := explain(err)
	r := c.Request()
	if status == http.StatusUnauthorized && r.Method == http.MethodGet && strings.Contains(r.Header.Get(echo.HeaderAccept), "text/html") {
		_ = c.Redirect(http.StatusFound, "/login?next="+url.QueryEscape(r.URL.RequestURI()))
		return
	}
	_ = answer(c, status, errorWire{message}) // whoever asked has gone
}
