package worker

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/scheduler/remote"
)

// statuses are the HTTP statuses of the domain's codes.
var statuses = map[scheduler.Code]int{
	scheduler.CodeInvalid: http.StatusUnprocessableEntity, scheduler.CodeUnauthenticated: http.StatusUnauthorized,
	scheduler.CodeForbidden: http.StatusForbidden, scheduler.CodeNotFound: http.StatusNotFound,
	scheduler.CodeConflict: http.StatusConflict, scheduler.CodeTooLarge: http.StatusRequestEntityTooLarge,
	scheduler.CodeRateLimited: http.StatusTooManyRequests, scheduler.CodeUnavailable: http.StatusServiceUnavailable,
	scheduler.CodeInternal: http.StatusInternalServerError,
}

// Error answers with an error.
func (a *API) Error(c echo.Context, err error) {
	var (
		domain  *scheduler.Error
		refused *httpkit.StatusError
		routing *echo.HTTPError
	)
	status := 0
	switch {
	case errors.As(err, &routing):
		status, domain = routing.Code, &scheduler.Error{Code: scheduler.CodeNotFound, Message: "there is nothing at this address; is this worker of another version?"}
	case errors.Is(err, context.Canceled):
		domain = &scheduler.Error{Code: scheduler.CodeUnavailable, Message: "the request was given up"}
	case !errors.As(err, &domain) || domain.Code == scheduler.CodeInternal:
		domain = &scheduler.Error{Code: scheduler.CodeInternal, Message: "the server's log has the cause under this request's id"}
	case errors.As(err, &refused):
		status = refused.Status
	}
	if status == 0 {
		status = statuses[domain.Code]
	}
	out := remote.Problem{Error: remote.ProblemBody{Code: string(domain.Code), Message: domain.Message}}
	switch {
	case errors.Is(err, scheduler.ErrFenced):
		out.Error.Code = remote.CodeFenced
	case errors.Is(err, scheduler.ErrReplaced):
		out.Error.Code = remote.CodeReplaced
	}
	for _, f := range domain.Fields {
		if out.Error.Fields == nil {
			out.Error.Fields = map[string]string{}
		}
		out.Error.Fields[f.Field] = f.Message
	}
	_ = c.JSON(status, out) // whoever asked may have gone
}
