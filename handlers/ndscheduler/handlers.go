package ndscheduler

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

func (a *API) createJob(c echo.Context) error {
	r, err := readJob(c)
	if err != nil {
		return err
	}
	d := newDraft()
	r.apply(&d, nil)
	j, err := a.Service.CreateJobTitled(c.Request().Context(), httpkit.Principal(c), d, scheduler.OriginAPI)
	if err != nil {
		return err
	}
	return answer(c, http.StatusCreated, jobIDWire{hexID(j.ID)})
}

// updateJob changes a job that has a class; what others have is not for this API to
// say.
func (a *API) updateJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	r, err := readJob(c)
	if err != nil {
		return err
	}
	if j.Executor != scheduler.ClassExecutor {
		return refuse("job " + j.Title() + " has no job class: it is of the kind " + j.Executor + ", and changed where it was made")
	}
	_, args := classOf(&j)
	d := j.Draft
	r.apply(&d, args)
	if _, err := a.Service.UpdateJobTitled(c.Request().Context(), httpkit.Principal(c), j, d); err != nil {
		return err
	}
	return answer(c, http.StatusOK, jobIDWire{hexID(j.ID)})
}

func (a *API) deleteJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	if err := a.Service.DeleteJob(c.Request().Context(), httpkit.Principal(c), j.Name, false); err != nil {
		return err
	}
	return answer(c, http.StatusOK, jobIDWire{hexID(j.ID)})
}

func (a *API) pauseJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	if _, err := a.Service.SetEnabled(c.Request().Context(), httpkit.Principal(c), j.Name, false); err != nil {
		return err
	}
	return answer(c, http.StatusOK, jobIDWire{hexID(j.ID)})
}

// resumeJob is OPTIONS. Browsers let pages of other sites send it only after a
// preflight; should one not ask, it is refused here, as the server's own protection
// takes OPTIONS for harmless.
func (a *API) resumeJob(c echo.Context) error {
	switch c.Request().Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		if !a.Admits(c) {
			return scheduler.Errorf(scheduler.CodeForbidden, "a page of another site may not do this")
		}
	}
	j, err := a.job(c)
	if err != nil {
		return err
	}
	if _, err := a.Service.ResumeJob(c.Request().Context(), httpkit.Principal(c), j.Name); err != nil {
		return err
	}
	return answer(c, http.StatusOK, jobIDWire{hexID(j.ID)})
}

func (a *API) runJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	return a.run(c, j)
}

// runNamed is the run that the document has, with the job in the body.
func (a *API) runNamed(c echo.Context) error {
	var in jobIDWire
	if err := httpkit.OptionalJSON(c, &in); err != nil {
		return err
	}
	if in.JobID == "" {
		return refuse("Require this parameter: job_id")
	}
	j, err := a.Store.Job(c.Request().Context(), ownID(in.JobID))
	if err != nil {
		return noSuch("Job", in.JobID, err)
	}
	return a.run(c, j)
}

func (a *API) run(c echo.Context, j scheduler.Job) error {
	e, err := a.Service.RunJob(c.Request().Context(), httpkit.Principal(c), j.Name, nil)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, executionIDWire{hexID(e.ID)})
}

func (a *API) stopExecution(c echo.Context) error {
	id, err := param(c, "Execution")
	if err != nil {
		return err
	}
	if err := a.Service.StopExecution(c.Request().Context(), httpkit.Principal(c), ownID(id)); err != nil {
		return noSuch("Execution", id, err)
	}
	return answer(c, http.StatusOK, executionIDWire{id})
}

// job reads the job that the path names.
func (a *API) job(c echo.Context) (scheduler.Job, error) {
	id, err := param(c, "Job")
	if err != nil {
		return scheduler.Job{}, err
	}
	j, err := a.Store.Job(c.Request().Context(), ownID(id))
	return j, noSuch("Job", id, err)
}

// param returns the id of the path.
func param(c echo.Context, what string) (string, error) {
	id, err := httpkit.Param(c, "id")
	if err != nil {
		return "", noSuch(what, c.Param("id"), err)
	}
	return id, nil
}
