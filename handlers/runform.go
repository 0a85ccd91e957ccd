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
	return s.runPage(c, http.StatusOK, j, views.JobFormProps{Values: views.FormValues(j.Draft)})
}

func (s *Server) runPage(c echo.Context, status int, j scheduler.Job, props views.JobFormProps) error {
	props.Page, props.Job = s.page(c, "Run "+j.Name, views.NavJobs), j.Name
	return respond(c, status, answer{page: views.RunFormPage(props, j.Executor), json: props.Values})
}

// runJob runs a job now, as JSON or the fields of a form say differently from
// what is stored; without any as it is.
func (s *Server) runJob(c echo.Context) error {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	var in runIn
	var typed url.Values
	switch r := c.Request(); {
	case httpkit.IsJSON(r):
		err = httpkit.OptionalJSON(c, &in)
	case r.Header.Get(echo.HeaderContentType) != "" && r.ContentLength != 0:
		typed, err = httpkit.Form(c)
	}
	if err != nil {
		return err
	}
	if len(typed) > 0 {
		return s.runTyped(c, typed)
	}
	e, err := s.Service.RunJob(c.Request().Context(), httpkit.Principal(c), name, in.Config)
	if err != nil {
		return err
	}
	return s.queued(c, e, "Queued "+name+".")
}

// runTyped runs a job with what a form changes; a refusal shows the form again.
func (s *Server) runTyped(c echo.Context, typed url.Values) error {
	j, err := s.storedJob(c)
	if err != nil {
		return err
	}
	e, err := s.runChanged(c, j, typed)
	var domain *scheduler.Error
	if errors.As(err, &domain) && domain.Code == scheduler.CodeInvalid && form(c.Request()) == asPage {
		props := views.JobFormProps{Values: typedValues(typed), Errors: fieldMap(inForm(domain.Fields, j.Executor))}
		if len(domain.Fields) == 0 {
			props.Problem = domain.Message
		}
		return s.runPage(c, http.StatusUnprocessableEntity, j, props)
	}
	if err != nil {
		return err
	}
	return s.queued(c, e, "Queued "+j.Name+".")
}

// runChanged runs a stored job with the configuration that was typed.
func (s *Server) runChanged(c echo.Context, j scheduler.Job, typed url.Values) (scheduler.Execution, error) {
	r := &jobRequest{draft: j.Draft, form: typed}
	r.formConfig(typed, &j)
	if len(r.wrong) > 0 {
		return scheduler.Execution{}, &scheduler.Error{Code: scheduler.CodeInvalid, Message: "the configuration is not right", Fields: r.wrong}
	}
	return s.Service.RunJob(c.Request().Context(), httpkit.Principal(c), j.Name, changedKeys(j.Config, r.draft.Config))
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
