package handlers

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

func (s *Server) listExecutions(c echo.Context) error {
	f, q, fields, err := s.executionFilter(c)
	if err != nil {
		return err
	}
	var list []scheduler.Execution
	var total scheduler.Total
	if f.Limit > 0 {
		if list, total, err = s.Store.ListExecutions(c.Request().Context(), f); err != nil {
			return err
		}
	}
	if form(c.Request()) == asJSON {
		return respond(c, http.StatusOK, answer{
			json: listOf(s.presentExecutions(list), total), file: "executions", table: func() [][]string { return s.executionTable(list) },
		})
	}
	return s.executionsPage(c, list, views.ExecutionsProps{Query: q, Total: total, Errors: fields})
}

func (s *Server) executionsPage(c echo.Context, list []scheduler.Execution, props views.ExecutionsProps) (err error) {
	props.Page = s.boardPage(c, "Executions", views.NavExecutions)
	if props.Rows, err = s.executionRows(c.Request().Context(), list); err != nil {
		return err
	}
	return respond(c, http.StatusOK, answer{page: views.ExecutionsPage(props), fragment: views.ExecutionsTable(props), file: "executions"})
}

// executionFilter reads the filter of a list of executions. For pages, which
// search while one types, a wrong time is shown beside its field, and there are no
// executions, as of a job that is not there: Limit is 0. For programs both are
// errors.
func (s *Server) executionFilter(c echo.Context) (scheduler.ExecutionFilter, views.ExecutionQuery, map[string]string, error) {
	q := httpkit.ReadQuery(c.Request())
	var states []string
	for _, state := range scheduler.States {
		states = append(states, string(state))
	}
	var f scheduler.ExecutionFilter
	for _, state := range q.Many("state", states...) {
		f.States = append(f.States, scheduler.State(state))
	}
	f.Trigger = scheduler.TriggerKind(q.OneOf("trigger", triggerKinds()...))
	f.Worker = q.Text("worker")
	f.Sort = q.OneOf("sort", bothWays(scheduler.ExecutionSorts)...)
	f.Limit, f.Offset = q.Page(pageSize)
	job := q.Text("job")
	err := q.Err()
	if text := strings.TrimSpace(q.Text("exit_code")); text != "" {
		n := int(q.Int("exit_code", 0, -1<<31, 1<<31-1))
		f.Exit = &n
	}
	j, found, failed := s.filteredJob(c, job)
	zone, whose := s.chosenZone(c)
	if found {
		zone = s.zoneOf(c, j)
	}
	f.From, f.To = q.Span(zone)
	asked := views.ExecutionQuery{
		Job: job, State: joinStates(f.States), Trigger: string(f.Trigger), Worker: f.Worker,
		Exit: q.Raw("exit_code"), From: q.Raw("from"), To: q.Raw("to"), Sort: f.Sort, Limit: f.Limit, Offset: f.Offset,
	}
	if found && whose == views.ZoneJob {
		asked.Zone = zone
	}
	program := form(c.Request()) == asJSON
	if err == nil && program {
		err = q.Err()
	}
	if err != nil {
		return f, asked, nil, err
	}
	if job != "" {
		if scheduler.CodeOf(failed) == scheduler.CodeNotFound && !program {
			f.Limit, failed = 0, nil
		}
		if failed != nil {
			return f, asked, nil, failed
		}
		f.JobID = j.ID
	}
	if len(q.Fields()) > 0 {
		f.Limit = 0
	}
	return f, asked, fieldMap(q.Fields()), nil
}

// filteredJob reads the job that a list is asked for, if it is asked for one.
func (s *Server) filteredJob(c echo.Context, name string) (j scheduler.Job, found bool, err error) {
	if name == "" {
		return j, false, nil
	}
	j, err = s.Store.JobByName(c.Request().Context(), name)
	return j, err == nil, err
}

func triggerKinds() []string {
	kinds := make([]string, len(scheduler.TriggerKinds))
	for i, k := range scheduler.TriggerKinds {
		kinds[i] = string(k)
	}
	return kinds
}

func joinStates(states []scheduler.State) string {
	var b []string
	for _, s := range states {
		b = append(b, string(s))
	}
	return strings.Join(b, ",")
}

// fieldMap puts what is wrong beside its fields; the first of each field counts.
func fieldMap(fields []scheduler.FieldError) map[string]string {
	m := map[string]string{}
	for _, f := range fields {
		if m[f.Field] == "" {
			m[f.Field] = f.Message
		}
	}
	return m
}

// executionRows adds what rows say about their jobs.
func (s *Server) executionRows(ctx context.Context, list []scheduler.Execution) ([]views.ExecutionRowProps, error) {
	jobs := map[string]scheduler.Job{}
	var ids []string // of jobs that something runs of: only that has an ETA
	for _, e := range list {
		if _, seen := jobs[e.JobID]; !seen {
			j, err := s.Store.Job(ctx, e.JobID)
			if err != nil && scheduler.CodeOf(err) != scheduler.CodeNotFound {
				return nil, err
			}
			jobs[e.JobID] = j
		}
		if e.State == scheduler.Running {
			ids = append(ids, e.JobID)
		}
	}
	var stats map[string]scheduler.JobStats
	if len(ids) > 0 {
		var err error
		if stats, err = s.Store.JobStats(ctx, ids, recentShown); err != nil {
			return nil, err
		}
	}
	rows := make([]views.ExecutionRowProps, len(list))
	for i, e := range list {
		j := jobs[e.JobID]
		rows[i] = views.ExecutionRowProps{
			Execution: s.explained(e), Display: j.DisplayName, Executor: j.Executor, Median: stats[e.JobID].MedianTook, Zone: jobZone(j),
		}
	}
	return rows, nil
}

func (s *Server) showExecution(c echo.Context) error {
	e, err := s.execution(c)
	if err != nil {
		return err
	}
	if form(c.Request()) == asJSON {
		return s.executionJSON(c, e)
	}
	props, err := s.executionProps(c.Request().Context(), s.page(c, e.JobName, views.NavExecutions), e)
	if err != nil {
		return err
	}
	if form(c.Request()) == asFragment {
		return respond(c, http.StatusOK, answer{page: views.ExecutionHeader(props)})
	}
	if err := s.addSearch(c, &props); err != nil {
		return err
	}
	if err := s.addTail(c.Request().Context(), &props); err != nil {
		return err
	}
	return respond(c, http.StatusOK, answer{page: views.ExecutionPage(props)})
}

// execution reads the execution of the path.
func (s *Server) execution(c echo.Context) (scheduler.Execution, error) {
	id, err := httpkit.Param(c, "id")
	if err != nil {
		return scheduler.Execution{}, err
	}
	return s.Store.Execution(c.Request().Context(), id)
}

// executionProps is what an execution's page says besides its output.
func (s *Server) executionProps(ctx context.Context, page views.Page, e scheduler.Execution) (views.ExecutionProps, error) {
	p := views.ExecutionProps{Page: page, OfAttempts: e.Attempt}
	p.Row = views.ExecutionRowProps{Execution: s.explained(e)}
	var err error
	if p.Attempts, err = s.Store.Attempts(ctx, e); err != nil {
		return p, err
	}
	if p.Deliveries, err = s.Store.ListDeliveries(ctx, e.ID); err != nil {
		return p, err
	}
	j, err := s.Store.Job(ctx, e.JobID)
	switch {
	case scheduler.CodeOf(err) == scheduler.CodeNotFound:
		p.JobDeleted = true
		return p, nil
	case err != nil:
		return p, err
	}
	p.OfAttempts, p.Next = max(1+j.Retries, len(p.Attempts)), s.nextFire(j)
	p.Row.Display, p.Row.Executor, p.Row.Zone = j.DisplayName, j.Executor, jobZone(j)
	p.Page = p.Page.In(p.Row.Zone)
	stats, err := s.Store.JobStats(ctx, []string{j.ID}, recentShown)
	p.Row.Median = stats[j.ID].MedianTook
	return p, err
}

type idOut struct {
	ID string `json:"id"`
}

// runIn is what a run does otherwise than its job says.
type runIn struct {
	Config json.RawMessage `json:"config"`
}

// queued answers with an execution that was made: a browser goes there, htmx
// says where it is.
func (s *Server) queued(c echo.Context, e scheduler.Execution, said string) error {
	at := views.ExecutionPath(e.ID)
	if form(c.Request()) == asJSON {
		c.Response().Header().Set("Location", at)
	}
	toast := views.Flash{Kind: views.FlashGood, Text: said, Href: at, Link: "Show it"}
	// The execution's own page needs no words: it shows what became of it.
	return s.done(c, http.StatusAccepted, at, views.Flash{}, answer{fragment: views.Toast(toast), json: idOut{e.ID}})
}

func (s *Server) stopExecution(c echo.Context) error {
	id, err := httpkit.Param(c, "id")
	if err != nil {
		return err
	}
	if err := s.Service.StopExecution(c.Request().Context(), httpkit.Principal(c), id); err != nil {
		return err
	}
	flash := views.Flash{Kind: views.FlashInfo, Text: "Stopping."}
	return s.done(c, http.StatusAccepted, views.ExecutionPath(id), flash, answer{fragment: views.Toast(flash), json: idOut{id}})
}

func (s *Server) acknowledgeExecution(c echo.Context) error {
	id, err := httpkit.Param(c, "id")
	if err != nil {
		return err
	}
	if err := s.Service.Acknowledge(c.Request().Context(), httpkit.Principal(c), id); err != nil {
		return err
	}
	return s.done(c, http.StatusNoContent, "/", good("Acknowledged: it is among the problems again when it fails again."), answer{})
}
