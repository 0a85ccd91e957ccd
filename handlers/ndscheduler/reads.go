package ndscheduler

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
)

const (
	maxRows    = 10_000    // of one list
	tailBytes  = 512 << 10 // of an output, in which a result is looked for
	maxResults = 32 << 20  // bytes of all results of one list; the others are null
)

// listJobs lists all jobs, those first that run next; what does not run comes last.
func (a *API) listJobs(c echo.Context) error {
	out := jobsWire{Jobs: []jobWire{}}
	f := scheduler.JobFilter{Sort: "created", Limit: scheduler.MaxPage}
	for {
		jobs, _, err := a.Store.ListJobs(c.Request().Context(), f)
		if err != nil {
			return err
		}
		for i := range jobs {
			out.Jobs = append(out.Jobs, a.presentJob(&jobs[i]))
		}
		if f.Offset += len(jobs); len(jobs) < f.Limit {
			break
		}
	}
	slices.SortStableFunc(out.Jobs, func(x, y jobWire) int {
		if idle := compareBools(x.next.IsZero(), y.next.IsZero()); idle != 0 {
			return idle
		}
		return x.next.Compare(y.next)
	})
	return answer(c, http.StatusOK, out)
}

func compareBools(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return 1
	default:
		return -1
	}
}

func (a *API) showJob(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, a.presentJob(&j))
}

// listExecutions lists what was made within a time range, by the last change.
func (a *API) listExecutions(c echo.Context) error {
	r, err := readRange(c.Request(), a.Now())
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	all, err := a.executionsWithin(ctx, r)
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(x, y scheduler.Execution) int {
		return cmp.Or(updated(&y).Compare(updated(&x)), cmp.Compare(y.ID, x.ID))
	})
	out := executionsWire{Executions: []executionWire{}}
	p := presenter{api: a, jobs: map[string]*runJobWire{}, left: maxResults}
	for _, e := range part(all, r.limit, r.offset) {
		w, err := p.execution(ctx, &e)
		if err != nil {
			return err
		}
		out.Executions = append(out.Executions, w)
	}
	return answer(c, http.StatusOK, out)
}

func (a *API) executionsWithin(ctx context.Context, r timeRange) (all []scheduler.Execution, err error) {
	f := scheduler.ExecutionFilter{From: r.from, To: r.past(), Limit: scheduler.MaxPage}
	for f.Offset < maxRows {
		list, _, err := a.Store.ListExecutions(ctx, f)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
		if f.Offset += len(list); len(list) < f.Limit {
			break
		}
	}
	return all, nil
}

func part[T any](list []T, limit, offset int) []T {
	list = list[min(offset, len(list)):]
	return list[:min(limit, len(list))]
}

func (a *API) showExecution(c echo.Context) error {
	id, err := param(c, "Execution")
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	e, err := a.Store.Execution(ctx, ownID(id))
	if err != nil {
		return noSuch("Execution", id, err)
	}
	p := presenter{api: a, jobs: map[string]*runJobWire{}, left: maxResults}
	w, err := p.execution(ctx, &e)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, w)
}

// presenter makes this API's executions. A job is read once.
type presenter struct {
	api  *API
	jobs map[string]*runJobWire // nil: it is deleted
	left int                    // bytes of results
}

func (p *presenter) execution(ctx context.Context, e *scheduler.Execution) (executionWire, error) {
	w := executionWire{
		ExecutionID: hexID(e.ID), State: stateOf(e), ScheduledTime: stamp(e.QueuedAt), UpdatedTime: stamp(updated(e)),
	}
	if !e.StartedAt.IsZero() && w.State != scheduledError {
		w.Hostname, w.PID = p.api.process(ctx, e)
	}
	if words := p.describe(e, &w); words != "" {
		w.Description = &words
	}
	var err error
	if w.Result, err = p.result(ctx, e); err != nil {
		return w, err
	}
	w.Job, err = p.job(ctx, e.JobID)
	return w, err
}

// process is the server that ran an execution, or the worker's name.
func (a *API) process(ctx context.Context, e *scheduler.Execution) (host *string, pid *int) {
	if e.Worker != "" && e.Worker != a.Embedded {
		return &e.Worker, nil
	}
	if l, ok := a.Service.Life(ctx, e.StartedAt); ok {
		return &l.Host, &l.PID
	}
	return nil, nil
}

// describe says where an execution is, or why it is nowhere.
func (p *presenter) describe(e *scheduler.Execution, w *executionWire) string {
	switch {
	case w.State == scheduledError:
		return e.Reason
	case e.State == scheduler.Queued:
		return p.api.Service.Waiting(e)
	case w.PID != nil:
		return fmt.Sprintf("hostname: %s | pid: %d", *w.Hostname, *w.PID)
	case w.Hostname != nil:
		return "hostname: " + *w.Hostname
	}
	return e.Reason
}

func (p *presenter) result(ctx context.Context, e *scheduler.Execution) (*string, error) {
	if !e.State.Final() || p.left <= 0 {
		return nil, nil
	}
	var tail scheduler.Chunk
	if e.OutputBytes > 0 {
		var err error
		if tail, err = p.api.Store.OutputTail(ctx, e.ID, tailBytes); err != nil {
			return nil, err
		}
	}
	text, ok := scheduler.ClassResult(e, tail)
	if !ok {
		return nil, nil
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	p.left -= len(text)
	return &text, nil
}

func (p *presenter) job(ctx context.Context, id string) (*runJobWire, error) {
	if w, known := p.jobs[id]; known {
		return w, nil
	}
	j, err := p.api.Store.Job(ctx, id)
	switch {
	case scheduler.CodeOf(err) == scheduler.CodeNotFound:
		p.jobs[id] = nil
		return nil, nil
	case err != nil:
		return nil, err
	}
	p.jobs[id] = presentRunJob(&j)
	return p.jobs[id], nil
}
