package ofelia

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/scheduler/jobfile"
)

func (a *API) login(c echo.Context) error {
	in, err := object[loginWire](c, httpkit.JSON)
	if err != nil {
		return err
	}
	pass, err := a.Door.Enter(c, in.Username, in.Password)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, tokenWire{pass.Token, stamp(pass.Expires)})
}

func (a *API) refresh(c echo.Context) error {
	pass, err := a.Door.Renew(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, tokenWire{pass.Token, stamp(pass.Expires)})
}

func (a *API) logout(c echo.Context) error {
	if err := a.Door.Leave(c); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (a *API) createJob(c echo.Context) error {
	in, err := object[rawObject](c, httpkit.JSON)
	if err != nil {
		return err
	}
	global := a.Configuration.Defaults()
	d, err := jobfile.Create(in, &global, a.checker(c))
	if err != nil {
		return err
	}
	if err := newName(d.Name); err != nil {
		return err
	}
	ctx := c.Request().Context()
	j, err := a.Service.CreateJob(ctx, httpkit.Principal(c), d, scheduler.OriginAPI)
	if err != nil {
		return inKeys(d, err)
	}
	c.Response().Header().Set(echo.HeaderLocation, "/api/job/"+url.PathEscape(j.Name))
	return a.answerJob(c, http.StatusCreated, j)
}

// checker says what is wrong with a job besides the keys that cannot be read, so that
// whoever asked hears of everything at once.
func (a *API) checker(c echo.Context) func(scheduler.Draft) error {
	return func(d scheduler.Draft) error { return a.Service.CheckJob(c.Request().Context(), d) }
}

// mostName is how long a name may be that is given here. Names from elsewhere may be
// longer, and such jobs can be read and changed.
const mostName = 128

func newName(name string) error {
	if utf8.RuneCountInString(name) > mostName {
		return &scheduler.Error{Code: scheduler.CodeInvalid, Message: "the request is not valid", Fields: []scheduler.FieldError{
			{Field: "name", Message: fmt.Sprintf("is too long: at most %d characters", mostName)},
		}}
	}
	return nil
}

func (a *API) updateJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	in, err := object[rawObject](c, httpkit.JSON)
	if err != nil {
		return err
	}
	d := j.Draft
	if err := jobfile.Merge(&d, in, a.checker(c)); err != nil {
		return ofJob(j.Name, err)
	}
	if err := newName(d.Name); err != nil && d.Name != j.Name {
		return ofJob(j.Name, err)
	}
	if _, err := a.Service.UpdateJob(c.Request().Context(), httpkit.Principal(c), j.Name, j.Version, d); err != nil {
		return ofJob(j.Name, inKeys(d, err))
	}
	return c.JSON(http.StatusOK, updatedWire{d.Name, true, "Job configuration updated successfully"})
}

func (a *API) deleteJob(c echo.Context) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	if err := a.Service.DeleteJob(c.Request().Context(), httpkit.Principal(c), name, false); err != nil {
		return ofJob(name, err)
	}
	return c.JSON(http.StatusOK, deletedWire{name, true, "Job deleted successfully"})
}

func (a *API) toggleJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	in, err := object[toggleRequest](c, httpkit.OptionalJSON)
	if err != nil {
		return err
	}
	ctx, by := c.Request().Context(), httpkit.Principal(c)
	var now scheduler.Job
	switch string(in.Enabled) {
	case "":
		now, err = a.Service.Toggle(ctx, by, j.Name)
	case "true", "false":
		now, err = a.Service.SetEnabled(ctx, by, j.Name, string(in.Enabled) == "true")
	default:
		err = httpkit.BadField("enabled", "must be true or false")
	}
	if err != nil {
		return ofJob(j.Name, err)
	}
	message := "Job disabled"
	if now.Enabled {
		message = "Job enabled"
	}
	return c.JSON(http.StatusOK, toggledWire{now.Name, now.Enabled, message})
}

func (a *API) runJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	in, err := object[runRequest](c, httpkit.OptionalJSON)
	if err != nil {
		return err
	}
	config, err := otherwise(j, in)
	if err != nil {
		return ofJob(j.Name, err)
	}
	e, err := a.Service.RunJob(c.Request().Context(), httpkit.Principal(c), j.Name, config)
	if err != nil {
		return ofJob(j.Name, inKeys(j.Draft, err))
	}
	return c.JSON(http.StatusAccepted, runWire{e.ID, e.JobName, stamp(cmp.Or(e.StartedAt, e.DueAt)), statusOf(e.State)})
}

func (a *API) stopExecution(c echo.Context) error {
	id, err := param(c, "id")
	if err != nil {
		return err
	}
	if err := a.Service.StopExecution(c.Request().Context(), httpkit.Principal(c), id); err != nil {
		return ofExecution(id, err)
	}
	return c.JSON(http.StatusOK, stoppedWire{id, true, "Execution stopped"})
}

// startScheduler and stopScheduler say how it is after the call: asking twice is
// no error.
func (a *API) startScheduler(c echo.Context) error {
	err := a.Service.Unfreeze(c.Request().Context(), httpkit.Principal(c))
	return a.answerScheduler(c, err, "Scheduler started")
}

func (a *API) stopScheduler(c echo.Context) error {
	by := httpkit.Principal(c)
	_, err := a.Service.Freeze(c.Request().Context(), by, "the scheduler was stopped through the API", scheduler.Freeze{}.Until)
	return a.answerScheduler(c, err, "Scheduler stopped")
}

func (a *API) answerScheduler(c echo.Context, err error, message string) error {
	if err != nil && scheduler.CodeOf(err) != scheduler.CodeConflict {
		return err
	}
	return c.JSON(http.StatusOK, schedulerWire{!a.Service.Frozen().Active(), message})
}

func (a *API) reload(c echo.Context) error {
	done, err := a.Configuration.Reload(c.Request().Context(), httpkit.Principal(c))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, reloadWire{true, done.Added, done.Updated, done.Removed, "Configuration reloaded successfully"})
}

func (a *API) patchGlobal(c echo.Context) error {
	in, err := object[rawObject](c, httpkit.JSON)
	if err != nil {
		return err
	}
	if err := a.Configuration.ChangeGlobal(c.Request().Context(), httpkit.Principal(c), in); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, a.Configuration.Global())
}

func (a *API) liveness(c echo.Context) error {
	return c.JSON(http.StatusOK, livenessWire{"healthy", stamp(a.Now())})
}

// readiness says whether requests make sense. Docker is not among what that takes:
// most jobs do without.
func (a *API) readiness(c echo.Context) error {
	ctx := c.Request().Context()
	out := readinessWire{Ready: true, Scheduler: "running", Docker: a.Docker(ctx), Database: "connected"}
	if a.Service.Frozen().Active() {
		out.Scheduler = "stopped"
	}
	if out.Reason = a.Ready(ctx); out.Reason == "" {
		return c.JSON(http.StatusOK, out)
	}
	out.Ready, out.Database = false, "disconnected"
	return c.JSON(http.StatusServiceUnavailable, out)
}

func (a *API) metrics(c echo.Context) error {
	a.Metrics.ServeHTTP(c.Response(), c.Request())
	return nil
}

// object reads the body, which has to be an object: encoding/json would take null
// for one without members.
func object[T any](c echo.Context, read func(echo.Context, **T) error) (in T, err error) {
	into := &in
	if err := read(c, &into); err != nil {
		return in, err
	}
	if into == nil {
		return in, httpkit.Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "the body must be an object, not null")
	}
	return in, nil
}

// job reads the job that the path names.
func (a *API) job(c echo.Context) (scheduler.Job, error) {
	name, err := param(c, "name")
	if err != nil {
		return scheduler.Job{}, err
	}
	j, err := a.Store.JobByName(c.Request().Context(), name)
	return j, ofJob(name, err)
}

// param returns a parameter of the path. What no job or execution can be called is
// none that exists.
func param(c echo.Context, name string) (string, error) {
	v, err := httpkit.Param(c, name)
	if err == nil {
		return v, nil
	}
	v = fmt.Sprintf("%.100s", c.Param(name))
	if name == "id" {
		return "", ofExecution(v, err)
	}
	return "", ofJob(v, err)
}

// each reads all jobs.
func (a *API) each(ctx context.Context, f scheduler.JobFilter, fn func([]scheduler.Job) error) error {
	f.Limit = scheduler.MaxPage
	for ; ; f.Offset += f.Limit {
		jobs, _, err := a.Store.ListJobs(ctx, f)
		if err != nil {
			return err
		}
		if err := fn(jobs); err != nil || len(jobs) < f.Limit {
			return err
		}
	}
}
