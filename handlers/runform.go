package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// showRun is the form of a run that does something else than its job says.
func (s *Server) showRun(c echo.Context) error {
	if err := needs(c, scheduler.Editor, "running a job with another configuration"); err != nil {
		return err
	}
	j, err := s.storedJob(c)
	if err != nil {
		return err
	}
	return s.runPage(c, http.StatusOK, runOf(j), views.JobFormProps{Values: views.FormValues(j.Draft)})
}

// runOf is the form of a run of a job.
func runOf(j scheduler.Job) views.RunFormProps {
	path := views.JobPath(j.Name)
	return views.RunFormProps{Heading: "Run " + j.Name + " with changes", Executor: j.Executor, Action: path + "/run", Back: path}
}

func (s *Server) runPage(c echo.Context, status int, run views.RunFormProps, form views.JobFormProps) error {
	form.Page = s.page(c, run.Heading, views.NavJobs)
	run.JobFormProps = form
	return respond(c, status, answer{page: views.RunFormPage(run), json: form.Values})
}

// readRun reads what a run does differently, as JSON or as the fields of a form.
func readRun(c echo.Context) (in runIn, typed url.Values, err error) {
	switch r := c.Request(); {
	case httpkit.IsJSON(r):
		err = httpkit.OptionalJSON(c, &in)
	case r.Header.Get(echo.HeaderContentType) != "" && r.ContentLength != 0:
		typed, err = httpkit.Form(c)
	}
	return in, typed, err
}

// runJob runs a job now, as JSON or the fields of a form say differently from
// what is stored; without any as it is.
func (s *Server) runJob(c echo.Context) error {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	in, typed, err := readRun(c)
	if err != nil {
		return err
	}
	run := func(config json.RawMessage) (scheduler.Execution, error) {
		return s.Service.RunJob(c.Request().Context(), httpkit.Principal(c), name, config)
	}
	said := "Queued " + name + "."
	if len(typed) > 0 {
		j, err := s.storedJob(c)
		if err != nil {
			return err
		}
		return s.runTyped(c, runOf(j), j, typed, said, run)
	}
	e, err := run(in.Config)
	if err != nil {
		return err
	}
	return s.queued(c, e, said)
}

// showRetry is the form of one more attempt that does something else.
func (s *Server) showRetry(c echo.Context) error {
	if err := needs(c, scheduler.Editor, "retrying with another configuration"); err != nil {
		return err
	}
	e, err := s.execution(c)
	if err != nil {
		return err
	}
	j, err := s.lastRun(c, e)
	if err != nil {
		return err
	}
	return s.runPage(c, http.StatusOK, retryOf(e, j), views.JobFormProps{Values: views.FormValues(j.Draft)})
}

// lastRun is an execution's job with the configuration of the last attempt.
func (s *Server) lastRun(c echo.Context, e scheduler.Execution) (scheduler.Job, error) {
	ctx := c.Request().Context()
	j, err := s.Store.Job(ctx, e.JobID)
	if err != nil {
		return j, err
	}
	attempts, err := s.Store.Attempts(ctx, e)
	if n := len(attempts); n > 0 {
		j.Config = attempts[n-1].ConfigOf(j)
	}
	return j, err
}

// retryOf is the form of one more attempt of an execution.
func retryOf(e scheduler.Execution, j scheduler.Job) views.RunFormProps {
	path := views.ExecutionPath(e.ID)
	return views.RunFormProps{Heading: "Retry " + j.Name + " with changes", Executor: j.Executor, Action: path + "/retry", Back: path}
}

// retryExecution queues one more attempt, as runJob does a run.
func (s *Server) retryExecution(c echo.Context) error {
	id, err := httpkit.Param(c, "id")
	if err != nil {
		return err
	}
	in, typed, err := readRun(c)
	if err != nil {
		return err
	}
	retry := func(config json.RawMessage) (scheduler.Execution, error) {
		return s.Service.RetryExecution(c.Request().Context(), httpkit.Principal(c), id, config)
	}
	if len(typed) > 0 {
		e, err := s.execution(c)
		if err != nil {
			return err
		}
		j, err := s.lastRun(c, e)
		if err != nil {
			return err
		}
		return s.runTyped(c, retryOf(e, j), j, typed, "Queued another attempt of "+j.Name+".", retry)
	}
	e, err := retry(in.Config)
	if err != nil {
		return err
	}
	return s.queued(c, e, "Queued another attempt of "+e.JobName+".")
}

// runTyped runs a job with what a form changes; a refusal shows the form again.
func (s *Server) runTyped(c echo.Context, page views.RunFormProps, j scheduler.Job, typed url.Values, said string, run func(json.RawMessage) (scheduler.Execution, error)) error {
	r := &jobRequest{draft: j.Draft, form: typed}
	r.formConfig(typed, &j)
	var e scheduler.Execution
	var err error
	if len(r.wrong) > 0 {
		err = &scheduler.Error{Code: scheduler.CodeInvalid, Message: "the configuration is not right", Fields: r.wrong}
	} else {
		e, err = run(changedKeys(j.Config, r.draft.Config))
	}
	var domain *scheduler.Error
	if errors.As(err, &domain) && domain.Code == scheduler.CodeInvalid && form(c.Request()) == asPage {
		props := views.JobFormProps{Values: typedValues(typed), Errors: fieldMap(inForm(domain.Fields, j.Executor))}
		if len(domain.Fields) == 0 {
			props.Problem = domain.Message
		}
		return s.runPage(c, http.StatusUnprocessableEntity, page, props)
	}
	if err != nil {
		return err
	}
	return s.queued(c, e, said)
}

// changedKeys is what makes one configuration of another, as RunJob takes it: null
// takes a key away. Nil is no change.
func changedKeys(from, to json.RawMessage) json.RawMessage {
	var old, wanted map[string]json.RawMessage
	if json.Unmarshal(from, &old) != nil || json.Unmarshal(to, &wanted) != nil {
		return to
	}
	changes := map[string]json.RawMessage{}
	for k, v := range wanted {
		if !bytes.Equal(old[k], v) {
			changes[k] = v
		}
	}
	for k := range old {
		if _, kept := wanted[k]; !kept {
			changes[k] = json.RawMessage("null")
		}
	}
	if len(changes) == 0 {
		return nil
	}
	b, _ := json.Marshal(changes) // of raw messages: it cannot fail
	return b
}
