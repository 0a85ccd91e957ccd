package dkron

import (
	"context"
	"encoding/hex"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

const (
	// unpaged is how many executions a list has that asks for no part of it: as many
	// as a Dkron keeps.
	unpaged = 100
)

// ran are the states of what has begun to run.
var ran = []scheduler.State{
	scheduler.Running, scheduler.Succeeded, scheduler.Failed, scheduler.TimedOut, scheduler.Cancelled, scheduler.Lost,
}

// executionSorts order executions, newest first when nobody says otherwise.
var executionSorts = map[string]func(x, y *scheduler.Execution) int{
	"":            func(x, y *scheduler.Execution) int { return x.StartedAt.Compare(y.StartedAt) },
	"id":          func(x, y *scheduler.Execution) int { return x.StartedAt.Compare(y.StartedAt) },
	"started_at":  func(x, y *scheduler.Execution) int { return x.StartedAt.Compare(y.StartedAt) },
	"finished_at": func(x, y *scheduler.Execution) int { return x.FinishedAt.Compare(y.FinishedAt) },
	"attempt":     func(x, y *scheduler.Execution) int { return x.Attempt - y.Attempt },
}

func (a *API) listExecutions(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	q := c.QueryParams()
	compare := executionSorts[q.Get("_sort")]
	if compare == nil {
		return say(http.StatusBadRequest, "executions cannot be sorted by "+strconv.Quote(q.Get("_sort")))
	}
	limit, _ := strconv.Atoi(q.Get("output_size_limit")) // what is no number is no limit
	ctx := c.Request().Context()
	up := strings.EqualFold(q.Get("_order"), "ASC")
	newest := !up && q.Get("_sort") != "finished_at" && q.Get("_sort") != "attempt"
	list, total, err := a.executionsOf(ctx, j, windowOf(q), q.Has("_start") || q.Has("_end"), newest, func(x, y scheduler.Execution) int {
		if up {
			return compare(&x, &y)
		}
		return compare(&y, &x)
	})
	if err != nil {
		return err
	}
	out := []listedWire{}
	for _, e := range list {
		one, err := a.listedExecution(ctx, &j, e, limit)
		if err != nil {
			return err
		}
		out = append(out, one)
	}
	c.Response().Header().Set("X-Total-Count", strconv.Itoa(total))
	return a.json(c, http.StatusOK, out)
}

// executionsOf reads a part of what has run of a job, in order; without paging the
// newest. Its total counts all. The newest first are read as far as they are shown,
// any other order needs all of them.
func (a *API) executionsOf(ctx context.Context, j scheduler.Job, w window, paged, newest bool, compare func(x, y scheduler.Execution) int) ([]scheduler.Execution, int, error) {
	f := scheduler.ExecutionFilter{JobID: j.ID, States: ran, Limit: unpaged}
	if paged {
		f.Limit = scheduler.MaxPage
	}
	var all []scheduler.Execution
	for {
		list, total, err := a.Store.ListExecutions(ctx, f)
		if err != nil {
			return nil, 0, err
		}
		found := len(list)
		list = slices.DeleteFunc(list, func(e scheduler.Execution) bool { return e.StartedAt.IsZero() })
		all = append(all, list...)
		f.Offset += found
		if found < f.Limit || !paged || newest && len(all) >= w.end {
			n := int(total.N) - (f.Offset - len(all)) // without those that were cancelled before they ran
			slices.SortStableFunc(all, compare)
			if paged {
				all = part(w, all)
			}
			return all, n, nil
		}
	}
}

func (a *API) listedExecution(ctx context.Context, j *scheduler.Job, e scheduler.Execution, limit int) (listedWire, error) {
	w, err := a.presentExecution(ctx, j, e)
	out := listedWire{executionWire: w}
	if limit > 0 && len(out.Output) > limit {
		out.Output = strings.ToValidUTF8(out.Output[len(out.Output)-limit:], "\uFFFD")
		out.OutputTruncated = true
	}
	if zone, err := time.LoadLocation(present(*j, scheduler.JobSummary{}).Timezone); err == nil && zone != time.Local {
		out.StartedAt = instant(time.Time(w.StartedAt).In(zone))
		if !time.Time(w.FinishedAt).IsZero() {
			out.FinishedAt = instant(time.Time(w.FinishedAt).In(zone))
		}
	}
	return out, err
}

// showExecution finds an execution by this API's id, or by Belfry's own.
func (a *API) showExecution(c echo.Context) error {
	j, err := a.job(c)
	if err != nil {
		return err
	}
	id, err := httpkit.Param(c, "execution")
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	e, err := a.execution(ctx, j, id)
	if err != nil {
		return err
	}
	w, err := a.presentExecution(ctx, &j, e)
	if err != nil {
		return err
	}
	return a.json(c, http.StatusOK, w)
}

func (a *API) execution(ctx context.Context, j scheduler.Job, id string) (scheduler.Execution, error) {
	none := &scheduler.Error{Code: scheduler.CodeNotFound, Message: "there is no such execution"}
	number, _, _ := strings.Cut(id, "-")
	if nano, err := strconv.ParseInt(number, 10, 64); err == nil && len(number) >= 19 {
		list, err := a.Store.StartedAt(ctx, j.ID, time.UnixMicro(nano/1000).UTC())
		if err != nil {
			return scheduler.Execution{}, err
		}
		for _, e := range list {
			if idNumber(&e) == nano {
				return e, nil
			}
		}
		return scheduler.Execution{}, none
	}
	e, err := a.Store.Execution(ctx, id)
	if err == nil && (e.JobID != j.ID || e.StartedAt.IsZero()) {
		err = none
	}
	return e, err
}

// idNumber is when an execution started, in nanoseconds. Belfry's clock has
// microseconds; what is below tells those apart that started together.
func idNumber(e *scheduler.Execution) int64 {
	h := fnv.New32a()
	h.Write([]byte(e.ID))
	return e.StartedAt.UnixMicro()*1000 + int64(h.Sum32()%1000)
}

// groupNumber is about when a group began, in nanoseconds, and the same for all of
// it.
func groupNumber(group string) int64 {
	h := fnv.New32a()
	h.Write([]byte(group))
	ms, err := hex.DecodeString(strings.ReplaceAll(group, "-", "") + "00")
	if err != nil || len(ms) < 6 {
		return int64(h.Sum32())
	}
	var n int64
	for _, b := range ms[:6] { // a UUIDv7 begins with its time
		n = n<<8 | int64(b)
	}
	return n*1e6 + int64(h.Sum32()%1e6)
}

func (a *API) presentExecution(ctx context.Context, j *scheduler.Job, e scheduler.Execution) (executionWire, error) {
	out, err := a.output(ctx, j, &e)
	node := a.nodeOf(e.Worker)
	return executionWire{
		ID: strconv.FormatInt(idNumber(&e), 10) + "-" + node, JobName: e.JobName, StartedAt: instant(e.StartedAt), FinishedAt: instant(e.FinishedAt),
		Success: e.State == scheduler.Succeeded, Output: out, NodeName: node, Group: groupNumber(e.Group), Attempt: e.Attempt,
	}, err
}

// nodeOf is what this API calls a worker.
func (a *API) nodeOf(worker string) string {
	if worker == a.Embedded || worker == "" {
		return a.Node
	}
	return worker
}

// listBusy lists what runs.
func (a *API) listBusy(c echo.Context) error {
	ctx := c.Request().Context()
	list, _, err := a.Store.ListExecutions(ctx, scheduler.ExecutionFilter{States: []scheduler.State{scheduler.Running}, Limit: scheduler.MaxPage})
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(x, y scheduler.Execution) int { return x.StartedAt.Compare(y.StartedAt) })
	out := []executionWire{}
	for _, e := range list {
		j, err := a.Store.Job(ctx, e.JobID)
		if scheduler.CodeOf(err) == scheduler.CodeNotFound {
			continue // deleted meanwhile
		}
		if err != nil {
			return err
		}
		w, err := a.presentExecution(ctx, &j, e)
		if err != nil {
			return err
		}
		out = append(out, w)
	}
	c.Response().Header().Set("X-Total-Count", strconv.Itoa(len(out)))
	return a.json(c, http.StatusOK, out)
}
