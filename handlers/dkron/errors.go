package dkron

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// said is an error with this API's own status and words.
type said struct {
	status int
	text   string
}

func (s *said) Error() string { return s.text }

func say(status int, text string) error { return &said{status, text} }

// invalid is a job that Dkron would refuse with these words.
func invalid(words string) error {
	return say(http.StatusBadRequest, "Job validation failed: "+words+".")
}

var errNoParent = say(http.StatusNotFound, "specified parent job not found")

// statuses are those of the domain's codes.
var statuses = map[scheduler.Code]int{
	scheduler.CodeInvalid: http.StatusBadRequest, scheduler.CodeUnauthenticated: http.StatusUnauthorized,
	scheduler.CodeForbidden: http.StatusForbidden, scheduler.CodeNotFound: http.StatusNotFound,
	scheduler.CodeConflict: http.StatusConflict, scheduler.CodeTooLarge: http.StatusRequestEntityTooLarge,
	scheduler.CodeRateLimited: http.StatusTooManyRequests, scheduler.CodeUnavailable: http.StatusServiceUnavailable,
}

// explain says what an error is in this API: a status and a text. What is not
// there has none.
func explain(err error) (status int, words string) {
	var own *said
	var domain *scheduler.Error
	var refused *httpkit.StatusError
	var routing *echo.HTTPError
	switch {
	case errors.As(err, &own):
		return own.status, own.text
	case errors.As(err, &routing):
		return http.StatusNotFound, pageNotFound
	case errors.Is(err, scheduler.ErrPaused):
		return http.StatusServiceUnavailable, "New job submissions are currently paused"
	case errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, "the request was given up"
	case !errors.As(err, &domain) || statuses[domain.Code] == 0:
		return http.StatusInternalServerError, "the server's log has the cause under this request's X-Request-Id"
	case domain.Code == scheduler.CodeNotFound:
		return http.StatusNotFound, ""
	}
	status, words = statuses[domain.Code], domain.Message
	if errors.As(err, &refused) {
		return refused.Status, words
	}
	if domain.Code == scheduler.CodeInvalid && len(domain.Fields) > 0 {
		words = "Job validation failed: " + fieldWords(domain.Fields) + "."
	}
	return status, words
}

const pageNotFound = "404 page not found"

// fieldNames are this API's names for fields of the domain.
var fieldNames = strings.NewReplacer(
	"config.memory_limit", "executor_config.mem_limit", "config.dir", "executor_config.cwd", "config.user", "executor_config.su", "config.group", "executor_config.su",
	"config.stdin_base64", "executor_config.payload", "config.expect_codes", "executor_config.expectCode", "config.expect_body", "executor_config.expectBody",
	"config.client_cert_file", "executor_config.tlsCertificateFile", "config.client_key_file", "executor_config.tlsCertificateKeyFile",
	"config.ca_file", "executor_config.tlsRootCAsFile", "config.", "executor_config.", "ends_at", "expires_at", "depends_on", "parent_job", "display_name", "displayname")

func fieldWords(fields []scheduler.FieldError) string {
	var all []string
	for _, f := range fields {
		switch {
		case f.Field == "schedule":
			all = append(all, "can't parse job schedule: "+f.Message)
		case strings.HasPrefix(f.Field, "notify."):
			all = append(all, "processors: "+f.Field[strings.LastIndexByte(f.Field, '.')+1:]+" "+f.Message)
		default:
			all = append(all, fieldNames.Replace(f.Field)+" "+f.Message)
		}
	}
	return strings.Join(all, "; ")
}

// Error answers with an error: a text, or nothing.
func (a *API) Error(c echo.Context, err error) {
	status, words := explain(err)
	if status == http.StatusNotFound && words == pageNotFound {
		_ = c.Blob(status, "text/plain", []byte(words)) // whoever asked has gone
		return
	}
	if words == "" {
		_ = c.NoContent(status)
		return
	}
	_ = c.Blob(status, "text/plain; charset=utf-8", []byte(words))
}
