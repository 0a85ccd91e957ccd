package coalition

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// statuses are those of the domain's codes.
var statuses = map[scheduler.Code]int{
	scheduler.CodeInvalid: http.StatusBadRequest, scheduler.CodeUnauthenticated: http.StatusUnauthorized,
	scheduler.CodeForbidden: http.StatusForbidden, scheduler.CodeNotFound: http.StatusNotFound,
	scheduler.CodeConflict: http.StatusConflict, scheduler.CodeTooLarge: http.StatusRequestEntityTooLarge,
	scheduler.CodeRateLimited: http.StatusTooManyRequests, scheduler.CodeUnavailable: http.StatusServiceUnavailable,
	scheduler.CodeInternal: http.StatusInternalServerError,
}

// notFound is what a real Coalition says.
const notFound = "Web service not found."

var errNotFound = &scheduler.Error{Code: scheduler.CodeNotFound, Message: notFound}

// bad is a request that cannot be understood.
func bad(format string, args ...any) error {
	return httpkit.Refuse(http.StatusBadRequest, scheduler.CodeInvalid, format, args...)
}

// explain says what an error is in this API.
func explain(err error) (status int, words string) {
	var domain *scheduler.Error
	var refused *httpkit.StatusError
	var routing *echo.HTTPError
	switch {
	case errors.As(err, &routing):
		return http.StatusNotFound, notFound // also for a method that an address does not answer
	case errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, "the request was given up"
	case !errors.As(err, &domain) || domain.Code == scheduler.CodeInternal || statuses[domain.Code] == 0:
		return http.StatusInternalServerError, "the server's log has the cause under this request's X-Request-Id"
	}
	status, words = statuses[domain.Code], domain.Message
	if errors.As(err, &refused) {
		status = refused.Status
	}
	var wrong []string
	for _, f := range domain.Fields {
		wrong = append(wrong, f.Field+" "+f.Message)
	}
	if len(wrong) > 0 {
		words += ": " + strings.Join(wrong, "; ")
	}
	return status, words
}

// Error answers with an error.
func (a *API) Error(c echo.Context, err error) {
	status, words := explain(err)
	if status == http.StatusUnauthorized {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Basic realm="Coalition login"`)
	}
	b, err := encode(map[string]string{"error": words})
	if err != nil {
		b = []byte(`{"error":""}`)
	}
	_ = c.Blob(status, echo.MIMEApplicationJSON, b) // whoever asked has gone
}
