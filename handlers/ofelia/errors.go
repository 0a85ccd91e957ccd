package ofelia

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// The codes of this API's errors.
const (
	codeUnauthorized      = "UNAUTHORIZED"
	codeForbidden         = "FORBIDDEN"
	codeJobNotFound       = "JOB_NOT_FOUND"
	codeExecutionNotFound = "EXECUTION_NOT_FOUND"
	codeInvalidSchedule   = "INVALID_SCHEDULE"
	codeValidation        = "VALIDATION_ERROR"
	codeConflict          = "CONFLICT"
	codeRateLimited       = "RATE_LIMITED"
	codeDocker            = "DOCKER_ERROR"
	codeExecution         = "EXECUTION_ERROR"
	codeNotFound          = "NOT_FOUND"
	codeMethod            = "METHOD_NOT_ALLOWED"
	codeTooLarge          = "PAYLOAD_TOO_LARGE"
	codeUnavailable       = "UNAVAILABLE"
	codeInternal          = "INTERNAL_ERROR"
)

// statuses are the HTTP statuses of the codes.
var statuses = map[string]int{
	codeUnauthorized: http.StatusUnauthorized, codeForbidden: http.StatusForbidden,
	codeJobNotFound: http.StatusNotFound, codeExecutionNotFound: http.StatusNotFound,
	codeInvalidSchedule: http.StatusBadRequest, codeValidation: http.StatusBadRequest,
	codeConflict: http.StatusConflict, codeRateLimited: http.StatusTooManyRequests,
	codeDocker: http.StatusBadGateway, codeExecution: http.StatusConflict,
	codeNotFound: http.StatusNotFound, codeMethod: http.StatusMethodNotAllowed,
	codeTooLarge: http.StatusRequestEntityTooLarge, codeUnavailable: http.StatusServiceUnavailable,
	codeInternal: http.StatusInternalServerError,
}

// codes are this API's codes for the domain's.
var codes = map[scheduler.Code]string{
	scheduler.CodeInvalid: codeValidation, scheduler.CodeUnauthenticated: codeUnauthorized,
	scheduler.CodeForbidden: codeForbidden, scheduler.CodeNotFound: codeNotFound,
	scheduler.CodeConflict: codeConflict, scheduler.CodeTooLarge: codeTooLarge,
	scheduler.CodeRateLimited: codeRateLimited, scheduler.CodeUnavailable: codeUnavailable,
	scheduler.CodeInternal: codeInternal,
}

// about is an error about a job or an execution that the request named.
type about struct {
	code string // "" is what the error's own code says
	key  string // of details: "job" or "executionId"
	name string
	err  error
}

func (a *about) Error() string { return a.err.Error() }
func (a *about) Unwrap() error { return a.err }

// ofJob names the job that an error is about.
func ofJob(name string, err error) error {
	if err == nil {
		return nil
	}
	a := &about{key: "job", name: name, err: err}
	if scheduler.CodeOf(err) == scheduler.CodeNotFound {
		a.code = codeJobNotFound
		a.err = &scheduler.Error{Code: scheduler.CodeNotFound, Message: "Job '" + name + "' not found"}
	}
	return a
}

// ofExecution names the execution that an error is about.
func ofExecution(id string, err error) error {
	if err == nil {
		return nil
	}
	a := &about{key: "executionId", name: id, err: err}
	switch scheduler.CodeOf(err) {
	case scheduler.CodeNotFound:
		a.code = codeExecutionNotFound
		a.err = &scheduler.Error{Code: scheduler.CodeNotFound, Message: "Execution '" + id + "' not found"}
	case scheduler.CodeConflict:
		a.code = codeExecution
	}
	return a
}

// explain says what an error is in this API. What has no words for people has
// none for programs either.
func explain(err error, now time.Time) (int, errorWire) {
	var (
		named   *about
		domain  *scheduler.Error
		refused *httpkit.StatusError
		routing *echo.HTTPError
	)
	details := map[string]any{"timestamp": stamp(now)}
	code := ""
	if errors.As(err, &named) {
		code = named.code
		details[named.key] = named.name
	}
	switch {
	case errors.As(err, &routing) && routing.Code == http.StatusMethodNotAllowed:
		code, domain = codeMethod, &scheduler.Error{Message: "This address does not answer this method"}
	case errors.As(err, &routing):
		code, domain = codeNotFound, &scheduler.Error{Message: "There is nothing at this address"}
	case errors.Is(err, context.Canceled):
		domain = &scheduler.Error{Code: scheduler.CodeUnavailable, Message: "The request was given up"}
	case !errors.As(err, &domain) || domain.Code == scheduler.CodeInternal:
		domain = &scheduler.Error{Code: scheduler.CodeInternal, Message: "The server's log has the cause under this request's id"}
	}
	if code == "" {
		code = codes[domain.Code]
	}
	if fields := fieldsOf(domain.Fields); len(fields) > 0 {
		details["fields"] = fields
		asked := errors.As(err, &refused) // of the request itself: there, schedule is no field at all
		if _, schedule := fields["schedule"]; schedule && len(fields) == 1 && code == codeValidation && !asked {
			code = codeInvalidSchedule
		}
	}
	status, known := statuses[code]
	if !known {
		code, status = codeInternal, http.StatusInternalServerError
	}
	if errors.As(err, &refused) && refused.Status != http.StatusUnprocessableEntity && code != codeInvalidSchedule {
		status = refused.Status
	}
	return status, errorWire{errorBody{code, sentence(domain), details}}
}

// fieldsOf maps fields by their names in this API.
func fieldsOf(list []scheduler.FieldError) map[string]string {
	fields := map[string]string{}
	for _, f := range list {
		name := f.Field
		if before := fields[name]; before != "" {
			f.Message = before + "; " + f.Message
		}
		fields[name] = f.Message
	}
	return fields
}

// sentence is the message, with what is wrong when it is one thing.
func sentence(e *scheduler.Error) string {
	text := e.Message
	if text != "" {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	if len(e.Fields) == 1 {
		return text + ": " + e.Fields[0].Field + " " + e.Fields[0].Message
	}
	return text
}

// Error answers with an error.
func (a *API) Error(c echo.Context, err error) {
	status, body := explain(err, a.Now())
	b, err := json.Marshal(body)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"code":"INTERNAL_ERROR","message":"","details":{}}}`)
	}
	_ = c.Blob(status, echo.MIMEApplicationJSON, append(b, '\n')) // whoever asked has gone
}
