package ndscheduler

import (
	"encoding/json"
	"html"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
)

// events are what this API calls what can be done to a job.
var events = map[string]string{
	"job.create": "added", "job.update": "modified", "job.delete": "deleted",
	"job.disable": "paused", "job.enable": "resumed", "job.pause": "paused",
	"job.run": "custom_run", "execution.retry": "custom_run",
}

// listLogs lists what was done to jobs within a time range, through every door,
// newest first.
func (a *API) listLogs(c echo.Context) error {
	r, err := readRange(c.Request(), a.Now())
	if err != nil {
		return err
	}
	f := scheduler.AuditFilter{From: r.from, To: r.past(), Offset: r.offset}
	for action := range events {
		f.Actions = append(f.Actions, action)
	}
	out := logsWire{Logs: []logWire{}}
	for len(out.Logs) < r.limit {
		f.Limit = min(scheduler.MaxPage, r.limit-len(out.Logs))
		list, _, err := a.Store.ListAudit(c.Request().Context(), f)
		if err != nil {
			return err
		}
		for i := range list {
			out.Logs = append(out.Logs, a.presentLog(&list[i]))
		}
		if f.Offset += len(list); len(list) < f.Limit {
			break
		}
	}
	return answer(c, http.StatusOK, out)
}

// audited is what an audit row says of a job that this API shows.
type audited struct {
	ID          string               `json:"id"`
	Name        string               `json:"name"`
	DisplayName string               `json:"display_name"`
	Executor    string               `json:"executor"`
	Enabled     bool                 `json:"enabled"`
	Config      json.RawMessage      `json:"config"`
	Schedules   []scheduler.Schedule `json:"schedules"`
	PausedUntil time.Time            `json:"paused_until"`
	StartsAt    time.Time            `json:"starts_at"`
	EndsAt      time.Time            `json:"ends_at"`

	// of a run
	Execution string `json:"execution"`
	Job       string `json:"job"`
	Title     string `json:"title"`
}

func readAudited(text string) (v audited) {
	_ = json.Unmarshal([]byte(text), &v) // rows of another kind have none of it
	return v
}

func (v *audited) job() *scheduler.Job {
	return &scheduler.Job{ID: v.ID, Draft: scheduler.Draft{
		Name: v.Name, DisplayName: v.DisplayName, Executor: v.Executor, Enabled: v.Enabled, Config: v.Config,
		Schedules: v.Schedules, PausedUntil: v.PausedUntil, StartsAt: v.StartsAt, EndsAt: v.EndsAt,
	}}
}

func (a *API) presentLog(e *scheduler.AuditEntry) logWire {
	before, after := readAudited(e.Before), readAudited(e.After)
	w := logWire{JobName: e.Object, Event: events[e.Action], User: e.Actor, CreatedTime: stamp(e.At)}
	shown := after
	if e.After == "" {
		shown = before
	}
	w.JobID = hexID(shown.ID)
	if shown.Name != "" {
		w.JobName = shown.job().Title()
	}
	var text string
	switch {
	case w.Event == "custom_run":
		w.JobID, text = hexID(after.Job), hexID(after.Execution)
		if after.Title != "" {
			w.JobName = after.Title
		}
	case w.Event == "modified":
		text = differences(before.job(), after.job())
	case w.Event == "deleted":
		text = a.deletedJob(before.job(), e.At)
	case e.Action == "job.pause" && after.PausedUntil.IsZero():
		w.Event = "resumed"
	}
	if text != "" {
		w.Description = &text
	}
	return w
}

// deletedJob is the job as it was, as JSON within the log's JSON.
func (a *API) deletedJob(j *scheduler.Job, at time.Time) string {
	w := jobWire{JobID: hexID(j.ID), Name: j.Title(), CronWire: cronOf(j)}
	w.JobClass, w.PubArgs = classOf(j)
	if due, err := j.Times().Parse(); err == nil && j.Live() {
		if next, ok := due.Next(at); ok {
			w.runsNext(next, a.Zone)
		}
	}
	b, err := json.Marshal(w)
	if err != nil {
		return ""
	}
	return string(b)
}

// differences are what a change was, in the HTML that clients put on their page as
// it is: values are escaped.
func differences(before, after *scheduler.Job) string {
	was, is := fieldsOf(before), fieldsOf(after)
	var b strings.Builder
	for i, f := range was {
		if f.value != is[i].value {
			b.WriteString(`<b>` + f.name + `</b>: <font color="red">` + html.EscapeString(f.value) +
				`</font> => <font color="green">` + html.EscapeString(is[i].value) + `</font><br>`)
		}
	}
	return b.String()
}

type field struct{ name, value string }

func fieldsOf(j *scheduler.Job) []field {
	class, args := classOf(j)
	list, err := json.Marshal(args)
	if err != nil {
		list = nil
	}
	v := cronOf(j)
	return []field{
		{"name", j.Title()},
		{"job_class_string", class},
		{"pub_args", string(list)},
		{"minute", v.Minute},
		{"hour", v.Hour},
		{"day", v.Day},
		{"month", v.Month},
		{"day_of_week", v.DayOfWeek},
	}
}
