package ofelia

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

const (
	historyDefault = 10
	outputBytes    = 64 << 10 // the end of an output that answers hold
	logLines       = 10_000   // at once
	averageOver    = 100      // executions
)

// listed is a job with what the list can be ordered and filtered by.
type listed struct {
	scheduler.Job
	last latest
	wire map[string]any
}

func (a *API) listJobs(c echo.Context) error {
	q := httpkit.ReadFirst(c.Request())
	f := scheduler.JobFilter{Query: q.Text("q"), Enabled: q.Bool("enabled")}
	kind, status := q.OneOf("type", typesWith(a.Executors)...), q.OneOf("status", jobStatuses...)
	order := q.OneOf("sort", sorts...)
	limit, offset := q.Int("limit", 1<<31, 1, 1<<31), q.Int("offset", 0, 0, 1<<31)
	if err := q.Err(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	out := jobsWire{Jobs: []map[string]any{}}
	var list []listed
	err := a.each(ctx, f, func(jobs []scheduler.Job) error {
		more, err := a.present(ctx, jobs)
		for _, l := range more {
			if (kind == "" || typeOf(l.Executor) == kind) && (status == "" || l.last.status == status) {
				list = append(list, l)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	sortJobs(list, order)
	list = list[min(int(offset), len(list)):]
	for _, l := range list[:min(int(limit), len(list))] {
		out.Jobs = append(out.Jobs, l.wire)
	}
	if out.Total, out.Running, err = a.counts(ctx); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, out)
}

// counts counts all jobs, and the executions that run.
func (a *API) counts(ctx context.Context) (jobs, running int64, err error) {
	_, total, err := a.Store.ListJobs(ctx, scheduler.JobFilter{Limit: 1})
	if err != nil {
		return 0, 0, err
	}
	_, busy, err := a.Store.ListExecutions(ctx, scheduler.ExecutionFilter{States: []scheduler.State{scheduler.Running}, Limit: 1})
	return total.N, busy.N, err
}

// present makes list objects.
func (a *API) present(ctx context.Context, jobs []scheduler.Job) ([]listed, error) {
	ids := make([]string, len(jobs))
	for i, j := range jobs {
		ids[i] = j.ID
	}
	stats, err := a.Store.JobStats(ctx, ids, 0)
	if err != nil {
		return nil, err
	}
	list := make([]listed, len(jobs))
	for i, j := range jobs {
		list[i] = a.listedJob(j, latestOf(stats[j.ID]))
	}
	return list, nil
}

func (a *API) listedJob(j scheduler.Job, last latest) listed {
	return listed{j, last, listObject(j, last, a.nextRun(j))}
}

// sorts are what the list can be ordered by.
var sorts = func() (all []string) {
	for _, s := range []string{"name", "type", "schedule", "status", "lastRun", "nextRun"} {
		all = append(all, s, "-"+s)
	}
	return all
}()

// sortJobs orders by one key, and within it by name. What has no time comes last.
func sortJobs(list []listed, order string) {
	key, down := strings.CutPrefix(order, "-")
	if key == "" || key == "name" && !down {
		return // as the store has them
	}
	slices.SortStableFunc(list, func(x, y listed) int {
		var n int
		switch a, b := x.wire[key], y.wire[key]; a := a.(type) {
		case string:
			text, _ := b.(string)
			n = cmp.Compare(strings.ToLower(a), strings.ToLower(text))
		case stamp:
			at, _ := b.(stamp)
			n = compareTimes(a, at, down)
		}
		if down {
			n = -n
		}
		return n
	})
}

func (a *API) showJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	return a.answerJob(c, http.StatusOK, j)
}

// answerJob answers with a job, its history and its metrics.
func (a *API) answerJob(c echo.Context, status int, j scheduler.Job) error {
	q := httpkit.ReadFirst(c.Request())
	n := min(int(q.Int("history", historyDefault, 0, 1<<31)), scheduler.MaxPage)
	if err := q.Err(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	stats, err := a.Store.JobStats(ctx, []string{j.ID}, averageOver)
	if err != nil {
		return err
	}
	wire := jobObject(j, latestOf(stats[j.ID]), a.nextRun(j))
	if wire["history"], err = a.history(ctx, j, n); err != nil {
		return err
	}
	wire["metrics"] = metricsOf(stats[j.ID])
	return c.JSON(status, wire)
}

func (a *API) history(ctx context.Context, j scheduler.Job, n int) ([]historyWire, error) {
	out := []historyWire{}
	if n == 0 {
		return out, nil
	}
	list, _, err := a.Store.ListExecutions(ctx, scheduler.ExecutionFilter{JobID: j.ID, Limit: n})
	for _, e := range list {
		text, err := a.tail(ctx, e)
		if err != nil {
			return nil, err
		}
		out = append(out, presentHistory(e, text))
	}
	return out, err
}

// tail returns the end of an output.
func (a *API) tail(ctx context.Context, e scheduler.Execution) (string, error) {
	if e.State.Final() && e.OutputBytes == 0 {
		return "", nil
	}
	chunk, err := a.Store.OutputTail(ctx, e.ID, outputBytes)
	return strings.ToValidUTF8(string(chunk.Data), "\uFFFD"), err
}

func (a *API) showExecution(c echo.Context) error {
	e, err := a.execution(c)
	if err != nil {
		return err
	}
	text, err := a.tail(c.Request().Context(), e)
	if err != nil {
		return err
	}
	h := presentHistory(e, text)
	return c.JSON(http.StatusOK, executionWire{
		h.ExecutionID, e.JobName, h.StartTime, h.EndTime, h.Duration, h.Status, h.Output, h.Error, exitCode(e),
	})
}

func (a *API) execution(c echo.Context) (scheduler.Execution, error) {
	id, err := param(c, "id")
	if err != nil {
		return scheduler.Execution{}, err
	}
	e, err := a.Store.Execution(c.Request().Context(), id)
	return e, ofExecution(id, err)
}

func (a *API) showLogs(c echo.Context) error {
	q := httpkit.ReadFirst(c.Request())
	offset, limit := q.Int("offset", 0, 0, 1<<53), int(q.Int("limit", logLines, 1, logLines))
	if err := q.Err(); err != nil {
		return err
	}
	e, err := a.execution(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	chunk, err := a.Store.OutputLines(ctx, e.ID, offset+1, limit)
	if err != nil {
		return err
	}
	out := logsWire{ExecutionID: e.ID, Logs: logLinesOf(chunk)}
	if len(out.Logs) > 0 {
		_, total, err := a.Store.OutputSize(ctx, e.ID)
		if err != nil {
			return err
		}
		if next := chunk.FirstLine - 1 + int64(len(out.Logs)); next < total {
			out.NextOffset = &next
		}
	}
	return c.JSON(http.StatusOK, out)
}

func (a *API) schedulerStatus(c echo.Context) error {
	ctx := c.Request().Context()
	now := a.Now()
	out := statusWire{
		Running: !a.Service.Frozen().Active(), StartTime: stamp(a.started), Uptime: int64(now.Sub(a.started).Seconds()),
	}
	var err error
	if out.TotalJobs, out.RunningJobs, err = a.counts(ctx); err != nil {
		return err
	}
	enabled := true
	_, active, err := a.Store.ListJobs(ctx, scheduler.JobFilter{Enabled: &enabled, Limit: 1})
	if err != nil {
		return err
	}
	out.ActiveJobs = active.N
	for _, due := range a.Timetable.Upcoming(1) {
		j, err := a.Store.Job(ctx, due.JobID)
		if scheduler.CodeOf(err) == scheduler.CodeNotFound || !out.Running {
			continue
		}
		if err != nil {
			return err
		}
		out.NextJob = &nextWire{j.Name, stamp(due.At)}
	}
	return c.JSON(http.StatusOK, out)
}

// showConfig answers with the configuration in force: the global section, and all
// jobs by their type.
func (a *API) showConfig(c echo.Context) error {
	out := configWire{Global: a.Configuration.Global(), Jobs: map[string][]map[string]any{}}
	for _, t := range types {
		out.Jobs[t] = []map[string]any{}
	}
	ctx := c.Request().Context()
	err := a.each(ctx, scheduler.JobFilter{}, func(jobs []scheduler.Job) error {
		list, err := a.present(ctx, jobs)
		for _, l := range list {
			t := typeOf(l.Executor)
			out.Jobs[t] = append(out.Jobs[t], jobObject(l.Job, l.last, a.nextRun(l.Job)))
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, out)
}
