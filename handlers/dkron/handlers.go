package dkron

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/scheduler/cron"
)

// saveJob creates the job that the body names, or replaces it. What the path names
// does not count, as with Dkron.
func (a *API) saveJob(c echo.Context) error {
	w, err := readJob(c)
	if err != nil {
		return err
	}
	j, err := a.save(c, w)
	if err != nil {
		return err
	}
	if c.QueryParams().Has("runoncreate") {
		if err := a.runNow(c, j.Name); err != nil && scheduler.CodeOf(err) != scheduler.CodeConflict {
			return err
		}
	}
	shown, err := a.shown(c.Request().Context(), j)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/v1/jobs/"+j.Name)
	return a.json(c, http.StatusCreated, echoed(shown, w))
}

// readJob reads the body as Dkron does: what it does not know is not looked at.
func readJob(c echo.Context) (w Job, err error) {
	err = json.NewDecoder(http.MaxBytesReader(c.Response(), c.Request().Body, httpkit.MaxBody)).Decode(&w)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return w, httpkit.TooLarge()
	case err != nil:
		return w, say(http.StatusBadRequest, "Unable to parse payload: "+err.Error()+".")
	}
	return w, nil
}

// save stores a job. Somebody else may do the same at the same time: then it is
// there already.
func (a *API) save(c echo.Context, w Job) (j scheduler.Job, err error) {
	ctx := c.Request().Context()
	for range 2 {
		var stored *scheduler.Job
		old, err := a.Store.JobByName(ctx, w.Name)
		switch {
		case err == nil:
			stored = &old
		case scheduler.CodeOf(err) != scheduler.CodeNotFound:
			return j, err
		}
		d, err := draftOf(w, stored, a.Now())
		if err != nil {
			return j, err
		}
		if _, err := a.Store.JobByName(ctx, w.ParentJob); w.ParentJob != "" && scheduler.CodeOf(err) == scheduler.CodeNotFound {
			return j, errNoParent
		}
		if stored != nil {
			return a.Service.UpdateJob(ctx, httpkit.Principal(c), w.Name, 0, d)
		}
		j, err = a.Service.CreateJob(ctx, httpkit.Principal(c), d, scheduler.OriginAPI)
		if scheduler.CodeOf(err) != scheduler.CodeConflict {
			return j, err
		}
	}
	return j, scheduler.Errorf(scheduler.CodeConflict, "job %s is being changed by somebody else", w.Name)
}

// echoed is a stored job with null where the request said nothing.
func echoed(shown, sent Job) Job {
	if sent.Tags != nil && shown.Tags == nil {
		shown.Tags = texts{}
	}
	if sent.Metadata != nil && shown.Metadata == nil {
		shown.Metadata = texts{}
	}
	if sent.ExecutorConfig != nil && shown.ExecutorConfig == nil {
		shown.ExecutorConfig = texts{}
	}
	if sent.Processors == nil && len(shown.Processors) == 0 {
		shown.Processors = nil
	}
	return shown
}

func (a *API) showJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	return a.answerJob(c, http.StatusOK, j)
}

// runJob answers at once: how the run ends is among the job's executions.
func (a *API) runJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	if err := a.runNow(c, j.Name); err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, c.Request().RequestURI)
	return a.answerJob(c, http.StatusAccepted, j)
}

func (a *API) runNow(c echo.Context, name string) error {
	_, err := a.Service.RunJob(c.Request().Context(), httpkit.Principal(c), name, nil)
	return err
}

func (a *API) toggleJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	if j, err = a.Service.Toggle(c.Request().Context(), httpkit.Principal(c), j.Name); err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, c.Request().RequestURI)
	return a.answerJob(c, http.StatusOK, j)
}

// deleteJob answers with the job as it was.
func (a *API) deleteJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	shown, err := a.shown(ctx, j)
	if err != nil {
		return err
	}
	if err := a.Service.DeleteJob(ctx, httpkit.Principal(c), j.Name, false); err != nil {
		return err
	}
	return a.json(c, http.StatusOK, shown)
}

func (a *API) deleteExecutions(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	if err := a.Service.ClearHistory(c.Request().Context(), httpkit.Principal(c), j.Name); err != nil {
		return err
	}
	return a.answerJob(c, http.StatusOK, j)
}

func (a *API) showPause(c echo.Context) error {
	return a.json(c, http.StatusOK, pausedWire{a.Service.SubmissionsPaused()})
}

func (a *API) pause(c echo.Context) error   { return a.setPaused(c, true) }
func (a *API) unpause(c echo.Context) error { return a.setPaused(c, false) }

func (a *API) setPaused(c echo.Context, paused bool) error {
	if err := a.Service.PauseSubmissions(c.Request().Context(), httpkit.Principal(c), paused); err != nil {
		return err
	}
	return a.showPause(c)
}

// restore stores all jobs of a file that Dkron's list was saved to.
func (a *API) restore(c echo.Context) error {
	_, raw, err := httpkit.Upload(c)
	if err != nil && scheduler.CodeOf(err) != scheduler.CodeInvalid {
		return err
	}
	if raw == nil {
		return say(http.StatusNotFound, "")
	}
	ctx := c.Request().Context()
	jobs, err := readDump(ctx, a.Store, raw, a.Now())
	if scheduler.CodeOf(err) == scheduler.CodeInvalid {
		return say(http.StatusBadRequest, "")
	}
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.Err != nil {
			return say(http.StatusBadRequest, "")
		}
	}
	steps, err := a.Service.Import(ctx, httpkit.Principal(c), jobs, scheduler.OriginAPI, false)
	if err != nil {
		return err
	}
	said := make([]string, len(steps))
	for i, s := range steps {
		said[i] = "success create " + s.Draft.Name
		if s.Action == scheduler.ImportRefuse {
			said[i] = "fail create " + s.Draft.Name
		}
	}
	list, err := json.Marshal(said)
	if err != nil {
		return err
	}
	return a.json(c, http.StatusOK, string(list))
}

// job reads the job that the path names.
func (a *API) job(c echo.Context) (scheduler.Job, error) {
	name, err := httpkit.Param(c, "job")
	if err != nil {
		return scheduler.Job{}, err
	}
	return a.Store.JobByName(c.Request().Context(), name)
}

func (a *API) answerJob(c echo.Context, status int, j scheduler.Job) error {
	shown, err := a.shown(c.Request().Context(), j)
	if err != nil {
		return err
	}
	return a.json(c, status, shown)
}

// shown is a job with what the store and the timetable know of it.
func (a *API) shown(ctx context.Context, j scheduler.Job) (Job, error) {
	known, err := a.Store.JobSummaries(ctx, []string{j.ID})
	return a.withNext(j, known[j.ID]), err
}

func (a *API) withNext(j scheduler.Job, m scheduler.JobSummary) Job {
	w := present(j, m)
	w.Next = instant(a.next(&j, &w))
	return w
}

// next is when a job fires next: zero for never, 1970 for a job that only another
// one starts. What the schedule of a child says, or of a job that is disabled, is
// shown and does not fire.
func (a *API) next(j *scheduler.Job, w *Job) time.Time {
	if len(j.Schedules) == 0 && w.ParentJob != "" {
		if w.Schedule == "" {
			return time.Unix(0, 0).UTC()
		}
		s, err := cron.Dkron.Parse(cron.Hashed(w.Schedule, w.Name), cmp.Or(w.Timezone, a.zoneName()))
		if err != nil {
			return time.Time{}
		}
		at, _ := s.Next(a.Now())
		return at.UTC()
	}
	if j.Enabled {
		at, _ := a.Timetable.Next(j.ID)
		return at.UTC()
	}
	due, err := j.Times().Parse()
	if err != nil {
		return time.Time{}
	}
	at, _ := due.Next(a.Now())
	return at.UTC()
}

// zoneName is the zone of schedules that name none; "" is the machine's.
func (a *API) zoneName() string {
	if name := a.Zone.String(); name != "Local" {
		return name
	}
	return ""
}

// json answers as Dkron writes: without a line end, and with four spaces where
// somebody asks for it to be pretty.
func (a *API) json(c echo.Context, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if c.QueryParams().Has("pretty") {
		var wide bytes.Buffer
		if err := json.Indent(&wide, b, "", "    "); err != nil {
			return err
		}
		b = wide.Bytes()
	}
	return c.Blob(status, "application/json; charset=utf-8", b)
}
