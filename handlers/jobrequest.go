package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// jobIn is a job as programs write it. What only the server decides may be sent,
// so that what was read can be changed and sent back, and is not looked at.
type jobIn struct {
	Name        string          `json:"name"`
	DisplayName string          `json:"display_name"`
	Notes       string          `json:"notes"`
	Enabled     *bool           `json:"enabled"` // absent: true
	Schedule    *string         `json:"schedule"`
	Timezone    string          `json:"timezone"`
	Schedules   *[]scheduleIn   `json:"schedules"` // instead of schedule and timezone
	Executor    string          `json:"executor"`  // absent: shell
	Config      json.RawMessage `json:"config"`
	Concurrency string          `json:"concurrency"`
	Retries     int             `json:"retries"`
	Retry       retryIn         `json:"retry"`
	Timeout     string          `json:"timeout"`
	Grace       string          `json:"grace"`
	Version     int64           `json:"version"` // of the job that was changed; absent: any

	ID        json.RawMessage `json:"id"`
	Num       json.RawMessage `json:"num"`
	Origin    json.RawMessage `json:"origin"`
	CreatedAt json.RawMessage `json:"created_at"`
	UpdatedAt json.RawMessage `json:"updated_at"`
	NextAt    json.RawMessage `json:"next_at"`
	Last      json.RawMessage `json:"last"`
}

type scheduleIn struct {
	Text    string `json:"text"`
	Zone    string `json:"zone"`
	Grammar string `json:"grammar"`
}

type retryIn struct {
	Delay    string  `json:"delay"`
	Factor   float64 `json:"factor"`
	MaxDelay string  `json:"max_delay"`
}

// jobRequest is a job that was sent, as a form or as JSON.
type jobRequest struct {
	draft   scheduler.Draft
	version int64
	form    url.Values // nil: it was JSON
	wrong   []scheduler.FieldError
}

// readJob reads the body. stored is what a form began with, nil for a new job:
// forms do not have a field for everything.
func readJob(c echo.Context, stored *scheduler.Job) (*jobRequest, error) {
	r := &jobRequest{}
	if httpkit.IsJSON(c.Request()) {
		var in jobIn
		if err := httpkit.JSON(c, &in); err != nil {
			return nil, err
		}
		r.fromJSON(in)
	} else {
		values, err := httpkit.Form(c)
		if err != nil {
			return nil, err
		}
		r.fromForm(values, stored, form(c.Request()) == asJSON)
	}
	if len(r.wrong) > 0 {
		// The service always refuses this, so that what else is wrong comes with the
		// same answer and nothing can be stored.
		r.draft.Timeout = -1
	}
	return r, ifMatch(c, r)
}

// ifMatch takes the version from the header, where HTTP has it.
func ifMatch(c echo.Context, r *jobRequest) error {
	tag := c.Request().Header.Get("If-Match")
	if tag == "" || tag == "*" {
		return nil
	}
	text, err := strconv.Unquote(tag)
	if err == nil {
		r.version, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil {
		return httpkit.BadField("If-Match", "must be an ETag of this job")
	}
	return nil
}

func (r *jobRequest) bad(field, format string, args ...any) {
	r.wrong = append(r.wrong, scheduler.FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

// duration reads a duration; empty is 0, which means the default.
func (r *jobRequest) duration(field, text string) time.Duration {
	if text = strings.TrimSpace(text); text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		r.bad(field, "is not a duration; write it like 30s, 5m or 1h30m")
	}
	return d
}

func (r *jobRequest) fromJSON(in jobIn) {
	r.version = in.Version
	r.draft = scheduler.Draft{
		Name: in.Name, DisplayName: in.DisplayName, Notes: in.Notes, Enabled: in.Enabled == nil || *in.Enabled,
		Schedules: r.schedules(in), Executor: in.Executor, Config: in.Config,
		Concurrency: scheduler.Concurrency(in.Concurrency), Retries: in.Retries,
		Retry: scheduler.RetryPolicy{
			Delay: r.duration("retry.delay", in.Retry.Delay), Factor: in.Retry.Factor,
			MaxDelay: r.duration("retry.max_delay", in.Retry.MaxDelay),
		},
		Timeout: r.duration("timeout", in.Timeout), Grace: r.duration("grace", in.Grace),
	}
	if r.draft.Executor == "" {
		r.draft.Executor = "shell"
	}
	if string(in.Config) == "null" {
		r.draft.Config = nil
	}
}

// schedules are one in schedule and timezone, or a list. A job that was read has
// both: then they have to agree, since nobody can know which one was changed.
func (r *jobRequest) schedules(in jobIn) []scheduler.Schedule {
	if in.Schedules == nil {
		if in.Schedule == nil {
			return nil
		}
		return []scheduler.Schedule{{Text: *in.Schedule, Zone: in.Timezone}}
	}
	all := []scheduler.Schedule{}
	for i, s := range *in.Schedules {
		if strings.TrimSpace(s.Text) == "" {
			r.bad(fmt.Sprintf("schedules.%d.text", i), "is required")
		}
		all = append(all, scheduler.Schedule{Text: s.Text, Zone: s.Zone, Grammar: s.Grammar})
	}
	first := scheduler.Schedule{}
	if len(all) > 0 {
		first = all[0]
	}
	if in.Schedule != nil && *in.Schedule != first.Text || in.Timezone != "" && in.Timezone != first.Zone {
		r.bad("schedule", "differs from the first of schedules; send only one of the two")
	}
	return all
}

// explain puts what was wrong with the request's texts beside what the service
// says about the rest.
func (r *jobRequest) explain(err error) error {
	var domain *scheduler.Error
	if len(r.wrong) == 0 || !errors.As(err, &domain) || domain.Code != scheduler.CodeInvalid {
		return err
	}
	fields := slices.Clone(r.wrong)
	for _, f := range domain.Fields {
		said := slices.ContainsFunc(r.wrong, func(w scheduler.FieldError) bool { return w.Field == f.Field })
		if !said && f.Field != "timeout" {
			fields = append(fields, f)
		}
	}
	return &scheduler.Error{Code: domain.Code, Message: domain.Message, Fields: fields}
}
