package handlers

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// words says what schedules mean. One that cannot be read any more has no words.
func (s *Server) words(schedules []scheduler.Schedule) []string {
	words := make([]string, len(schedules))
	for i, sch := range schedules {
		if p, err := s.Service.PreviewSchedules([]scheduler.Schedule{sch}, 0); err == nil {
			words[i] = strings.Join(p.Meaning, ", ")
		}
	}
	return words
}

// nextFire is a job's next fire in its schedule's zone; zero when there is none.
func (s *Server) nextFire(j scheduler.Job) time.Time {
	if !j.Enabled || len(j.Schedules) == 0 {
		return time.Time{}
	}
	at, ok := s.Timetable.Next(j.ID)
	if !ok {
		return time.Time{}
	}
	return at.In(zone(j.Schedules[0].Zone, s.Zone))
}

func (s *Server) showJob(c echo.Context) error {
	if num, ok := strings.CutPrefix(c.Param("name"), "tree-"); ok && form(c.Request()) != asJSON {
		if j, err := s.Store.JobByName(c.Request().Context(), "tree-"+num); err == nil && j.Origin == scheduler.OriginTree {
			return c.Redirect(http.StatusSeeOther, views.TreePath(j.Num))
		}
	}
	if form(c.Request()) != asJSON {
		return s.jobPage(c, http.StatusOK, views.PauseProps{Open: c.QueryParam("pause") != ""})
	}
	j, stats, err := s.namedJob(c)
	if err != nil {
		return err
	}
	dependents, err := s.Store.Dependents(c.Request().Context(), j.ID)
	if err != nil {
		return err
	}
	out := s.presentJob(j, stats)
	out.Dependents = make([]string, len(dependents))
	for i, d := range dependents {
		out.Dependents[i] = d.Job
	}
	c.Response().Header().Set("ETag", etag(j))
	return respond(c, http.StatusOK, answer{json: out})
}

// jobPage is a job's page with what was typed into its dialog.
func (s *Server) jobPage(c echo.Context, status int, pause views.PauseProps) error {
	j, stats, err := s.namedJob(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	props := views.JobProps{
		Page: s.boardPage(c, cmp.Or(j.DisplayName, j.Name), views.NavJobs), Row: s.jobRow(j, stats), Fires: s.fires(j), Pause: pause,
	}
	props.Page = props.Page.In(props.Row.Zone)
	props.Row.Job.Notify = s.Service.MaskNotify(j.Notify)
	if props.Dependents, err = s.Store.Dependents(ctx, j.ID); err != nil {
		return err
	}
	runs, total, err := s.Store.ListExecutions(ctx, scheduler.ExecutionFilter{JobID: j.ID, Limit: runsShown})
	if err != nil {
		return err
	}
	props.Total = total
	for _, e := range runs {
		props.Executions = append(props.Executions, views.ExecutionRowProps{
			Execution: s.explained(e), Display: j.DisplayName, Executor: j.Executor, Median: stats.MedianTook, Zone: jobZone(j),
		})
	}
	if form(c.Request()) == asPage {
		if props.History, err = s.history(ctx, props.Page, j); err != nil {
			return err
		}
	}
	props.Curl = s.curl(c, j)
	return respond(c, status, answer{page: views.JobPage(props), fragment: views.JobBoard(props)})
}

// curl is what makes this job elsewhere, and what runs it here.
func (s *Server) curl(c echo.Context, j scheduler.Job) views.CurlProps {
	at := c.Scheme() + "://" + c.Request().Host
	all, err := s.definition(j)
	if err != nil {
		return views.CurlProps{}
	}
	b, _ := json.MarshalIndent(all, "", "  ") // of raw messages: it cannot fail
	return views.CurlProps{
		Run:  "curl -X POST " + shellQuoted(at+views.JobPath(j.Name, "run")) + " \\\n  -H \"Authorization: Bearer $TOKEN\"",
		Make: "curl " + shellQuoted(at+"/jobs") + " \\\n  -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  -d " + shellQuoted(string(b)),
	}
}

// shellQuoted is text as one word of a shell.
func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// storedJob reads the job of the path.
func (s *Server) storedJob(c echo.Context) (scheduler.Job, error) {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return scheduler.Job{}, err
	}
	return s.Store.JobByName(c.Request().Context(), name)
}

// namedJob reads the job of the path, and what is said about it.
func (s *Server) namedJob(c echo.Context) (scheduler.Job, scheduler.JobStats, error) {
	j, err := s.storedJob(c)
	if err != nil {
		return j, scheduler.JobStats{}, err
	}
	stats, err := s.stats(c.Request().Context(), c, []scheduler.Job{j})
	return j, stats[j.ID], err
}

// fires are a job's next fires over all of its schedules, within its bounds.
func (s *Server) fires(j scheduler.Job) []views.Fire {
	if !j.Enabled {
		return nil
	}
	p, err := s.Service.PreviewSchedules(j.Schedules, firesShown)
	if err != nil {
		return nil
	}
	now := s.Now()
	if !j.StartsAt.After(now) && !j.PausedUntil.After(now) && j.EndsAt.IsZero() {
		return viewFires(p.Fires)
	}
	return boundFires(j, now)
}

// boundFires are the next due times where a bound hides some of the schedules'.
func boundFires(j scheduler.Job, now time.Time) []views.Fire {
	due, err := j.Times().Parse()
	if err != nil {
		return nil
	}
	var fires []views.Fire
	for at, ok := due.Next(now); ok && len(fires) < firesShown; at, ok = due.Next(at) {
		fires = append(fires, views.Fire{At: at})
	}
	return fires
}

func viewFires(from []scheduler.FireTime) []views.Fire {
	fires := make([]views.Fire, len(from))
	for i, f := range from {
		fires[i] = views.Fire(f)
	}
	return fires
}
