package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// newJob is the empty form, or with from one filled from another job.
func (s *Server) newJob(c echo.Context) error {
	if err := needs(c, scheduler.Editor, "creating a job"); err != nil {
		return err
	}
	draft := scheduler.Draft{Enabled: true, Executor: "shell"}
	if from := httpkit.ReadQuery(c.Request()).Text("from"); from != "" {
		j, err := s.Store.JobByName(c.Request().Context(), from)
		if err != nil {
			return err
		}
		draft = j.Draft
		draft.Name = ""
		values := views.FormValues(draft)
		values["from"] = from
		return s.formPage(c, http.StatusOK, views.JobFormProps{Values: values})
	}
	return s.formPage(c, http.StatusOK, views.JobFormProps{Values: views.FormValues(draft)})
}

// clonedJob is the job that a form for a new one began with, or nil: the copy has of
// it what forms have no field for, its notifications. What other APIs keep of a job
// is about that one job.
func (s *Server) clonedJob(c echo.Context) (*scheduler.Job, error) {
	if httpkit.IsJSON(c.Request()) {
		return nil, nil
	}
	values, err := httpkit.Form(c)
	if err != nil || values.Get("from") == "" {
		return nil, err
	}
	j, err := s.Store.JobByName(c.Request().Context(), values.Get("from"))
	if scheduler.CodeOf(err) == scheduler.CodeNotFound { // deleted meanwhile
		return nil, nil
	}
	j.Extra = nil
	return &j, err
}

func (s *Server) editJob(c echo.Context) error {
	if err := needs(c, scheduler.Editor, "changing a job"); err != nil {
		return err
	}
	j, _, err := s.namedJob(c)
	if err != nil {
		return err
	}
	if j.Origin.Declared() {
		return scheduler.Errorf(scheduler.CodeConflict, "job %s is defined in %s; it is changed there", j.Name, j.Source)
	}
	return s.formPage(c, http.StatusOK, views.JobFormProps{Job: j.Name, Version: j.Version, Values: views.FormValues(j.Draft)})
}

// needs refuses a page that could not be sent anyway. The service decides again.
func needs(c echo.Context, role scheduler.Role, what string) error {
	if p := httpkit.Principal(c); !p.Role.Allows(role) {
		return scheduler.Errorf(scheduler.CodeForbidden, "%s needs the role %s; you are %s", what, role, p.Role)
	}
	return nil
}

// formPage renders the form with the preview of its schedule.
func (s *Server) formPage(c echo.Context, status int, props views.JobFormProps) error {
	title := "New job"
	if props.Job != "" {
		title = "Edit " + props.Job
	}
	props.Page = s.page(c, title, views.NavJobs)
	props.Zones, props.Server = commonZones, s.zoneName()
	props.Preview = s.preview(c, props.Values["schedule"], props.Values["timezone"], props.Values["grammar"])
	return respond(c, status, answer{page: views.JobFormPage(props), json: props.Values})
}

// zoneName names the server's zone; Go calls the machine's own one "Local".
func (s *Server) zoneName() string {
	if name := s.Zone.String(); name != "Local" {
		return name
	}
	name, _ := s.Now().In(s.Zone).Zone()
	return name
}

func (s *Server) createJob(c echo.Context) error {
	cloned, err := s.clonedJob(c)
	if err != nil {
		return err
	}
	r, err := readJob(c, cloned)
	if err != nil {
		return err
	}
	origin := scheduler.OriginAPI
	if form(c.Request()) != asJSON {
		origin = scheduler.OriginPage
	}
	if r.then() == "test" {
		r.draft.Enabled = false
	}
	j, err := s.Service.CreateJob(c.Request().Context(), httpkit.Principal(c), r.draft, origin)
	if err != nil {
		return s.refuseJob(c, r, nil, r.explain(err))
	}
	return s.savedAnd(c, r, http.StatusCreated, j, "Created ")
}

// updateJob replaces a job. PUT and If-Match are for programs; pages post the
// form of the stored job.
func (s *Server) updateJob(c echo.Context) error {
	stored, err := s.storedJob(c)
	if err != nil {
		return err
	}
	r, err := readJob(c, &stored)
	if err != nil {
		return err
	}
	if r.draft.Name == "" && r.form == nil {
		r.draft.Name = stored.Name
	}
	if r.then() == "test" {
		e, err := s.testRun(c, r, stored)
		if err != nil {
			return s.refuseJob(c, r, &stored, r.explain(err))
		}
		return s.queued(c, e, "Queued a test run of "+stored.Name+".")
	}
	j, err := s.Service.UpdateJob(c.Request().Context(), httpkit.Principal(c), stored.Name, r.version, r.draft)
	if err != nil {
		return s.refuseJob(c, r, &stored, r.explain(err))
	}
	return s.savedAnd(c, r, http.StatusOK, j, "Saved ")
}

// then is what a form wants besides saving: "run", "test", or nothing.
func (r *jobRequest) then() string {
	if r.form == nil {
		return ""
	}
	return r.form.Get("then")
}

// testRun runs a stored job with the configuration of its form, and saves nothing.
func (s *Server) testRun(c echo.Context, r *jobRequest, stored scheduler.Job) (scheduler.Execution, error) {
	if len(r.wrong) > 0 {
		return scheduler.Execution{}, &scheduler.Error{Code: scheduler.CodeInvalid, Message: "the form is not right", Fields: r.wrong}
	}
	if r.draft.Executor != stored.Executor {
		return scheduler.Execution{}, scheduler.Invalid("executor", "save it first: only what a job is stored as can be tested")
	}
	return s.Service.RunJob(c.Request().Context(), httpkit.Principal(c), stored.Name, changedKeys(stored.Config, r.draft.Config))
}

// savedAnd runs what was saved, if the form wants that. A job that was made for a
// test is disabled, and its form is shown again.
func (s *Server) savedAnd(c echo.Context, r *jobRequest, status int, j scheduler.Job, said string) error {
	if then := r.then(); then == "run" || then == "test" {
		e, err := s.Service.RunJob(c.Request().Context(), httpkit.Principal(c), j.Name, nil)
		flash := views.Flash{Kind: views.FlashGood, Text: said + j.Name + " and queued it."}
		to := views.ExecutionPath(e.ID)
		switch {
		case err != nil:
			to, flash = views.JobPath(j.Name), views.Flash{Kind: views.FlashError, Text: said + j.Name + ", but it could not be run: " + explain(err).detail + "."}
		case then == "test":
			to, flash.Text, flash.Href, flash.Link = views.JobPath(j.Name, "edit"), said+j.Name+", disabled, and queued a test run.", to, "Show it"
		}
		return s.done(c, status, to, flash, answer{json: s.presentJob(j, scheduler.JobStats{})})
	}
	return s.saved(c, status, j, said)
}

func (s *Server) saved(c echo.Context, status int, j scheduler.Job, said string) error {
	at := views.JobPath(j.Name)
	if form(c.Request()) == asJSON {
		c.Response().Header().Set("ETag", etag(j))
		if status == http.StatusCreated {
			c.Response().Header().Set("Location", at)
		}
	}
	flash := views.Flash{Kind: views.FlashGood, Text: said + j.Name + "."}
	return s.done(c, status, at, flash, answer{json: s.presentJob(j, scheduler.JobStats{})})
}

// refuseJob shows a form again with everything that was typed, and what is wrong
// beside its fields. Programs get the error; one about a version that came in
// If-Match is a failed precondition.
func (s *Server) refuseJob(c echo.Context, r *jobRequest, stored *scheduler.Job, err error) error {
	var domain *scheduler.Error
	if !errors.As(err, &domain) {
		return err
	}
	conflict := domain.Code == scheduler.CodeConflict
	if conflict && len(domain.Fields) == 0 && c.Request().Header.Get("If-Match") != "" {
		return &httpkit.StatusError{Status: http.StatusPreconditionFailed, Err: domain}
	}
	if r.form == nil || form(c.Request()) == asJSON || !conflict && domain.Code != scheduler.CodeInvalid {
		return err
	}
	props := views.JobFormProps{Values: typedValues(r.form), Errors: fieldMap(inForm(domain.Fields, r.draft.Executor))}
	if stored != nil {
		props.Job, props.Version = stored.Name, r.version
	}
	status := http.StatusUnprocessableEntity
	if len(domain.Fields) == 0 {
		props.Problem = domain.Message
	}
	if stored != nil && conflict && len(domain.Fields) == 0 && r.version != 0 && r.version != stored.Version {
		// Who has seen what the other one stored may save over it.
		status, props.Version, props.Theirs = http.StatusConflict, stored.Version, views.FormValues(stored.Draft)
		props.Problem = stored.Name + " was changed by somebody else since you opened it. Nothing is saved yet: saving again replaces their change by what you typed."
	}
	return s.formPage(c, status, props)
}

// inForm names fields as the form does: those that are two there by the first of
// them.
func inForm(fields []scheduler.FieldError, executor string) []scheduler.FieldError {
	fields = slices.Clone(fields)
	for i := range fields {
		if key, ok := strings.CutPrefix(fields[i].Field, "config."); ok {
			fields[i].Field = views.ConfigPrefix(executor) + key
		}
		if fields[i].Field == "output_limit" {
			fields[i].Field = "output_limit.head"
		}
	}
	return fields
}

// typedValues is a form as it was sent. The last value counts: a checked box comes
// after its hidden twin.
func typedValues(values url.Values) map[string]string {
	m := map[string]string{}
	for name, v := range values {
		m[name] = strings.ToValidUTF8(v[len(v)-1], "\uFFFD")
	}
	return m
}

// previewSchedule says what a schedule means while it is typed.
func (s *Server) previewSchedule(c echo.Context) error {
	values := c.QueryParams()
	if c.Request().Method == http.MethodPost {
		var err error
		if values, err = httpkit.Form(c); err != nil {
			return err
		}
	}
	text, zone, grammar := values.Get("schedule"), values.Get("timezone"), values.Get("grammar")
	if form(c.Request()) == asJSON {
		p, err := s.Service.PreviewSchedules(lines(text, zone, grammar), firesShown)
		if err != nil {
			return err
		}
		return respond(c, http.StatusOK, answer{json: presentPreview(p)})
	}
	return respond(c, http.StatusOK, answer{page: views.SchedulePreview(s.preview(c, text, zone, grammar))})
}

func (s *Server) preview(c echo.Context, text, zone, grammar string) views.PreviewProps {
	props := views.PreviewProps{Page: s.page(c, "", views.NavJobs), Text: text}
	if strings.TrimSpace(text) == "" {
		return props
	}
	p, err := s.Service.PreviewSchedules(lines(text, zone, grammar), firesShown)
	props.Grammar = p.Grammar
	if err != nil {
		var said []string
		for _, f := range explain(err).fields {
			said = append(said, f.Message)
		}
		props.Problem = strings.Join(said, "; ")
		return props
	}
	props.Words, props.Fires = strings.Join(p.Meaning, "; "), viewFires(p.Fires)
	return props
}

type previewOut struct {
	Grammar string    `json:"grammar"`
	Meaning []string  `json:"meaning"`
	Fires   []fireOut `json:"fires"`
}

// fireOut has its time in the schedule's zone, which is the point of a preview.
type fireOut struct {
	At   string `json:"at"`
	Note string `json:"note"`
}

func presentPreview(p scheduler.Preview) previewOut {
	out := previewOut{p.Grammar, append([]string{}, p.Meaning...), []fireOut{}}
	for _, f := range p.Fires {
		out.Fires = append(out.Fires, fireOut{f.At.Format("2006-01-02T15:04:05Z07:00"), f.Note})
	}
	return out
}
