package handlers

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

const (
	pageSize    = 50 // rows of a list when nobody says how many
	recentShown = 30 // outcomes in a row's bar
	firesShown  = 5
	runsShown   = 20 // executions on a job's page
)

// board is what every list page's connection asks /events for.
const board = "board"

func (s *Server) listJobs(c echo.Context) error {
	f, q, err := s.jobFilter(c.Request())
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	jobs, total, err := s.Store.ListJobs(ctx, f)
	if err != nil {
		return err
	}
	stats, err := s.stats(ctx, c, jobs)
	if err != nil {
		return err
	}
	if form(c.Request()) == asJSON {
		return respond(c, http.StatusOK, answer{json: s.presentJobs(jobs, total, stats)})
	}
	props := views.JobsProps{
		Page: s.boardPage(c, "Jobs", views.NavJobs), Query: q, Rows: s.jobRows(jobs, stats), Total: total, Executors: s.Executors,
	}
	return respond(c, http.StatusOK, answer{page: views.JobsPage(props), fragment: views.JobsTable(props)})
}

// jobFilter reads the filter of a list of jobs.
func (s *Server) jobFilter(r *http.Request) (scheduler.JobFilter, views.JobQuery, error) {
	q := httpkit.ReadQuery(r)
	var sorts, states []string
	for _, name := range scheduler.JobSorts {
		sorts = append(sorts, name, "-"+name)
	}
	for _, state := range scheduler.States {
		states = append(states, string(state))
	}
	f := scheduler.JobFilter{
		Query: q.Text("q"), Enabled: q.Bool("enabled"), Executor: q.OneOf("executor", s.Executors...),
		Origin: scheduler.Origin(q.OneOf("origin", "api", "page", "demo")),
		State:  scheduler.State(q.OneOf("state", states...)), Sort: q.OneOf("sort", sorts...),
		Tag: q.Text("tag"), Metadata: q.Below("metadata."),
	}
	f.Limit, f.Offset = q.Page(pageSize)
	return f, views.JobQuery{
		Q: f.Query, State: string(f.State), Enabled: q.Raw("enabled"), Executor: f.Executor, Sort: f.Sort,
		Tag: f.Tag, Metadata: f.Metadata, Limit: f.Limit, Offset: f.Offset,
	}, q.Err()
}

// stats reads what is said about jobs; programs get no bars.
func (s *Server) stats(ctx context.Context, c echo.Context, jobs []scheduler.Job) (map[string]scheduler.JobStats, error) {
	ids := make([]string, len(jobs))
	for i := range jobs {
		ids[i] = jobs[i].ID
	}
	recent := recentShown
	if form(c.Request()) == asJSON {
		recent = 0
	}
	return s.Store.JobStats(ctx, ids, recent)
}

func (s *Server) presentJobs(jobs []scheduler.Job, total scheduler.Total, stats map[string]scheduler.JobStats) listOut[jobOut] {
	items := make([]jobOut, len(jobs))
	for i, j := range jobs {
		items[i] = s.presentJob(j, stats[j.ID])
	}
	return listOf(items, total)
}

func (s *Server) jobRows(jobs []scheduler.Job, stats map[string]scheduler.JobStats) []views.JobRowProps {
	rows := make([]views.JobRowProps, len(jobs))
	for i, j := range jobs {
		rows[i] = s.jobRow(j, stats[j.ID])
	}
	return rows
}

func (s *Server) jobRow(j scheduler.Job, stats scheduler.JobStats) views.JobRowProps {
	return views.JobRowProps{
		Job: j, Stats: stats, Running: int(stats.Counts[scheduler.Running]),
		Words: s.words(j.Schedules), Next: s.nextFire(j),
	}
}

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
	if form(c.Request()) != asJSON {
		return s.jobPage(c, http.StatusOK, views.PauseProps{})
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
			Execution: s.explained(e), Display: j.DisplayName, Executor: j.Executor, Median: stats.MedianTook,
		})
	}
	return respond(c, status, answer{page: views.JobPage(props), fragment: views.JobBoard(props)})
}

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

// deleteJob answers programs 204; a form goes to the list.
func (s *Server) deleteJob(c echo.Context) error {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	force, err := forced(c)
	if err != nil {
		return err
	}
	if err := s.Service.DeleteJob(c.Request().Context(), httpkit.Principal(c), name, force); err != nil {
		return err
	}
	return s.done(c, http.StatusNoContent, "/jobs", views.Flash{Kind: views.FlashGood, Text: "Deleted " + name + "."}, answer{})
}

// forced reads force from the query, or from the page's form.
func forced(c echo.Context) (bool, error) {
	q := httpkit.ReadQuery(c.Request())
	if force := q.Bool("force"); force != nil || q.Err() != nil {
		return force != nil && *force, q.Err()
	}
	values, err := httpkit.Form(c)
	return err == nil && values.Get("force") == "true", nil // a body is not required
}

func (s *Server) enableJob(c echo.Context) error  { return s.setEnabled(c, true) }
func (s *Server) disableJob(c echo.Context) error { return s.setEnabled(c, false) }

func (s *Server) setEnabled(c echo.Context, enabled bool) error {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	j, err := s.Service.SetEnabled(ctx, httpkit.Principal(c), name, enabled)
	if err != nil {
		return err
	}
	stats, err := s.stats(ctx, c, []scheduler.Job{j})
	if err != nil {
		return err
	}
	said := map[bool]string{true: "Enabled ", false: "Disabled "}[enabled] + name + "."
	return s.done(c, http.StatusOK, views.JobPath(name), views.Flash{Kind: views.FlashGood, Text: said}, answer{
		fragment: views.JobRow(s.page(c, "", views.NavJobs), s.jobRow(j, stats[j.ID])), json: s.presentJob(j, stats[j.ID]),
	})
}

// etag is a job's version, for If-Match.
func etag(j scheduler.Job) string { return strconv.Quote(strconv.FormatInt(j.Version, 10)) }

// boardPage is a page that follows what happens.
func (s *Server) boardPage(c echo.Context, title string, active views.Nav) views.Page {
	p := s.page(c, title, active)
	p.Topics = board
	return p
}
