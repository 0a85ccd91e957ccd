package handlers

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

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
	MaxQueued   int             `json:"max_queued"` // absent or 0: the default
	MaxRunning  int             `json:"max_running"`
	Priority    int             `json:"priority"`
	Retries     int             `json:"retries"`
	Retry       retryIn         `json:"retry"`
	Timeout     string          `json:"timeout"`
	Grace       string          `json:"grace"`
	Version     int64           `json:"version"` // of the job that was changed; absent: any

	DependsOn     []dependencyIn `json:"depends_on"`
	Triggers      []dependencyIn `json:"triggers"`
	Once          bool           `json:"once"`
	RunOnStart    bool           `json:"run_on_start"`
	Ephemeral     bool           `json:"ephemeral"`
	CatchUp       string         `json:"catch_up"`
	CatchUpWindow string         `json:"catch_up_window"`
	Jitter        string         `json:"jitter"`
	StartsAt      string         `json:"starts_at"` // null or empty: no bound
	EndsAt        string         `json:"ends_at"`
	PausedUntil   string         `json:"paused_until"`

	Tags        tagsIn            `json:"tags"`
	Copies      int               `json:"copies"`
	Metadata    map[string]string `json:"metadata"`
	OutputLimit outputLimitIn     `json:"output_limit"`
	Progress    string            `json:"progress"`
	Retention   retentionIn       `json:"retention"`
	Notify      []notifyIn        `json:"notify"`

	ID         json.RawMessage `json:"id"`
	Num        json.RawMessage `json:"num"`
	Origin     json.RawMessage `json:"origin"`
	Source     json.RawMessage `json:"source"`
	CreatedAt  json.RawMessage `json:"created_at"`
	UpdatedAt  json.RawMessage `json:"updated_at"`
	NextAt     json.RawMessage `json:"next_at"`
	Last       json.RawMessage `json:"last"`
	Dependents json.RawMessage `json:"dependents"`
}

type scheduleIn struct {
	Text    string `json:"text"`
	Zone    string `json:"zone"`
	Grammar string `json:"grammar"`
}

type retryIn struct {
	Delay     string  `json:"delay"`
	Factor    float64 `json:"factor"`
	MaxDelay  string  `json:"max_delay"`
	ExitCodes []int   `json:"exit_codes"`
}

type dependencyIn struct {
	Job string `json:"job"`
	On  string `json:"on"` // absent: success
}

type outputLimitIn struct {
	Head int64 `json:"head"`
	Tail int64 `json:"tail"`
}

type retentionIn struct {
	MaxAge   string `json:"max_age"` // also in days: 30d
	MaxCount int    `json:"max_count"`
	MaxBytes int64  `json:"max_bytes"`
}

// tagsIn is a list of tags, or an object of tags with values, each of which is
// the tag "name=value".
type tagsIn []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *tagsIn) UnmarshalJSON(b []byte) error {
	if b[0] != '{' {
		return json.Unmarshal(b, (*[]string)(t))
	}
	var values map[string]string
	if err := json.Unmarshal(b, &values); err != nil {
		return err
	}
	*t = nil
	for name, value := range values {
		if value != "" {
			name += "=" + value
		}
		*t = append(*t, name)
	}
	slices.Sort(*t)
	return nil
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

func (r *jobRequest) fromJSON(in jobIn) {
	r.version = in.Version
	r.draft = scheduler.Draft{
		Name: in.Name, DisplayName: in.DisplayName, Notes: in.Notes, Enabled: in.Enabled == nil || *in.Enabled,
		Schedules: r.schedules(in), Executor: cmp.Or(in.Executor, "shell"), Config: in.Config, Once: in.Once, RunOnStart: in.RunOnStart, Ephemeral: in.Ephemeral,
		CatchUp: scheduler.CatchUp(in.CatchUp), CatchUpWindow: r.duration("catch_up_window", in.CatchUpWindow),
		Jitter: r.duration("jitter", in.Jitter), StartsAt: r.time("starts_at", in.StartsAt),
		EndsAt: r.time("ends_at", in.EndsAt), PausedUntil: r.time("paused_until", in.PausedUntil),
		Tags: in.Tags, Copies: in.Copies, Metadata: in.Metadata,
	}
	r.draft.DependsOn, r.draft.Triggers = relations(in.DependsOn), relations(in.Triggers)
	if string(in.Config) == "null" {
		r.draft.Config = nil
	}
	r.draft.Notify = readNotify(in.Notify)
	r.limits(in)
}

func relations(in []dependencyIn) (list []scheduler.Dependency) {
	for _, d := range in {
		list = append(list, scheduler.Dependency{Job: d.Job, On: scheduler.Condition(d.On)})
	}
	return list
}

func (r *jobRequest) limits(in jobIn) {
	d := &r.draft
	d.Concurrency, d.MaxQueued, d.MaxRunning = scheduler.Concurrency(in.Concurrency), in.MaxQueued, in.MaxRunning
	d.Priority, d.Retries = in.Priority, in.Retries
	d.Retry = scheduler.RetryPolicy{
		Delay: r.duration("retry.delay", in.Retry.Delay), Factor: in.Retry.Factor,
		MaxDelay: r.duration("retry.max_delay", in.Retry.MaxDelay), ExitCodes: in.Retry.ExitCodes,
	}
	d.Timeout, d.Grace = r.duration("timeout", in.Timeout), r.duration("grace", in.Grace)
	d.OutputLimit, d.Progress = scheduler.OutputLimit(in.OutputLimit), in.Progress
	d.Retention = scheduler.Retention{
		MaxAge: r.age("retention.max_age", in.Retention.MaxAge), MaxCount: in.Retention.MaxCount, MaxBytes: in.Retention.MaxBytes,
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
