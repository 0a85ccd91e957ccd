package handlers

import (
	"context"
	"net/http"
	"strconv"

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
		return respond(c, http.StatusOK, answer{
			json: s.presentJobs(jobs, total, stats), file: "jobs", table: func() [][]string { return s.jobTable(jobs, stats) },
		})
	}
	props := views.JobsProps{
		Page: s.boardPage(c, "Jobs", views.NavJobs), Query: q, Rows: s.jobRows(jobs, stats), Total: total, Executors: s.Executors,
	}
	return respond(c, http.StatusOK, answer{page: views.JobsPage(props), fragment: views.JobsTable(props), file: "jobs"})
}

// jobFilter reads the filter of a list of jobs.
func (s *Server) jobFilter(r *http.Request) (scheduler.JobFilter, views.JobQuery, error) {
	q := httpkit.ReadQuery(r)
	var states []string
	for _, state := range scheduler.States {
		states = append(states, string(state))
	}
	f := scheduler.JobFilter{
		Query: q.Text("q"), Enabled: q.Bool("enabled"), Executor: q.OneOf("executor", s.Executors...),
		Origin: scheduler.Origin(q.OneOf("origin", origins()...)),
		State:  scheduler.State(q.OneOf("state", states...)), Sort: q.OneOf("sort", bothWays(scheduler.JobSorts)...),
		Tag: q.Text("tag"), Metadata: q.Metadata(),
	}
	f.Limit, f.Offset = q.Page(pageSize)
	return f, views.JobQuery{
		Q: f.Query, State: string(f.State), Enabled: q.Raw("enabled"), Executor: f.Executor, Sort: f.Sort,
		Tag: f.Tag, Origin: string(f.Origin), Metadata: f.Metadata, Limit: f.Limit, Offset: f.Offset,
	}, q.Err()
}

// bothWays are the values of "sort": each column, and with "-" descending.
func bothWays(columns []string) []string {
	var sorts []string
	for _, name := range columns {
		sorts = append(sorts, name, "-"+name)
	}
	return sorts
}

func origins() []string {
	list := make([]string, len(scheduler.Origins))
	for i, o := range scheduler.Origins {
		list[i] = string(o)
	}
	return list
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
		Words: s.words(j.Schedules), Next: s.nextFire(j), Zone: jobZone(j),
	}
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
