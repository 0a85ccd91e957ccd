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
	}
	return s.formPage(c, http.StatusOK, views.JobFormProps{Values: views.FormValues(draft)})
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
	props.Preview = s.preview(c, props.Values["schedule"], props.Values["timezone"])
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
	r, err := readJob(c, nil)
	if err != nil {
		return err
	}
	origin := scheduler.OriginAPI
	if form(c.Request()) != asJSON {
		origin = scheduler.OriginPage
	}
	j, err := s.Service.CreateJob(c.Request().Context(), httpkit.Principal(c), r.draft, origin)
	if err != nil {
		return s.refuseJob(c, r, nil, r.explain(err))
	}
	return s.saved(c, http.StatusCreated, j, "Created ")
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
	j, err := s.Service.UpdateJob(c.Request().Context(), httpkit.Principal(c), stored.Name, r.version, r.draft)
	if err != nil {
		return s.refuseJob(c, r, &stored, r.explain(err))
	}
	return s.saved(c, http.StatusOK, j, "Saved ")
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
	if len(domain.Fields) == 0 {
		props.Problem = domain.Message
	}
	return s.formPage(c, http.StatusUnprocessableEntity, props)
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
	text, zone := values.Get("schedule"), values.Get("timezone")
	if form(c.Request()) == asJSON {
		p, err := s.Service.PreviewSchedules(lines(text, zone), firesShown)
		if err != nil {
			return err
		}
		return respond(c, http.StatusOK, answer{json: presentPreview(p)})
	}
	return respond(c, http.StatusOK, answer{page: views.SchedulePreview(s.preview(c, text, zone))})
}

func (s *Server) preview(c echo.Context, text, zone string) views.PreviewProps {
	props := views.PreviewProps{Page: s.page(c, "", views.NavJobs), Text: text}
	if strings.TrimSpace(text) == "" {
		return props
	}
	p, err := s.Service.PreviewSchedules(lines(text, zone), firesShown)
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
