package dkron

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
)

// window is the part of a list that is asked for: from is not beyond to, nor
// either beyond the list.
type window struct{ start, end int }

// windowOf reads _start and _end.
func windowOf(q url.Values) window {
	number := func(name string, otherwise int) int {
		if !q.Has(name) {
			return otherwise
		}
		n, _ := strconv.Atoi(q.Get(name)) // what is no number is 0, as with Dkron
		return max(n, 0)
	}
	w := window{number("_start", 0), number("_end", int(^uint(0)>>1))}
	w.start = min(w.start, w.end)
	return w
}

func part[T any](w window, list []T) []T {
	return list[min(w.start, len(list)):min(w.end, len(list))]
}

// jobSorts order jobs; those that are the same stay in the order of their names.
var jobSorts = map[string]func(x, y *Job) int{
	"displayname":   func(x, y *Job) int { return cmp.Compare(x.DisplayName, y.DisplayName) },
	"schedule":      func(x, y *Job) int { return cmp.Compare(x.Schedule, y.Schedule) },
	"success_count": func(x, y *Job) int { return cmp.Compare(x.SuccessCount, y.SuccessCount) },
	"error_count":   func(x, y *Job) int { return cmp.Compare(x.ErrorCount, y.ErrorCount) },
	"last_success":  func(x, y *Job) int { return time.Time(x.LastSuccess).Compare(time.Time(y.LastSuccess)) },
	"last_error":    func(x, y *Job) int { return time.Time(x.LastError).Compare(time.Time(y.LastError)) },
	"next":          func(x, y *Job) int { return time.Time(x.Next).Compare(time.Time(y.Next)) },
}

// byName reports whether an order is that of the names, which the store has.
func byName(order string) bool { return order == "" || order == "id" || order == "name" }

// jobStatuses are how jobs' last groups ended; untriggered is not at all.
var jobStatuses = map[string]string{"success": "success", "failed": "failed", "partially_failed": "partially_failed", "untriggered": ""}

func (a *API) listJobs(c echo.Context) error {
	q := c.QueryParams()
	order, down := q.Get("_sort"), strings.EqualFold(q.Get("_order"), "DESC")
	if !byName(order) && jobSorts[order] == nil {
		return say(http.StatusBadRequest, "jobs cannot be sorted by "+strconv.Quote(order))
	}
	f, err := jobFilter(q)
	if err != nil {
		return err
	}
	if byName(order) && down {
		f.Sort = "-name"
	}
	w := windowOf(q)
	var list []Job
	var total int
	ctx := c.Request().Context()
	if q.Get("status") == "" && byName(order) {
		list, total, err = a.page(ctx, f, w)
	} else if list, err = a.selected(ctx, f, q.Get("status"), order, down); err == nil {
		total, list = len(list), part(w, list)
	}
	if err != nil {
		return err
	}
	c.Response().Header().Set("X-Total-Count", strconv.Itoa(total))
	return a.json(c, http.StatusOK, orEmpty(list))
}

// orEmpty is a list that is [] and not null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// jobFilter reads what jobs are asked for.
func jobFilter(q url.Values) (f scheduler.JobFilter, err error) {
	f.Query, f.Metadata = q.Get("q"), map[string]string{}
	if text := q.Get("disabled"); text != "" {
		disabled, err := strconv.ParseBool(text)
		if err != nil {
			return f, say(http.StatusBadRequest, "disabled must be true or false")
		}
		enabled := !disabled
		f.Enabled = &enabled
	}
	if status := q.Get("status"); status != "" {
		if _, known := jobStatuses[status]; !known {
			return f, say(http.StatusBadRequest, "there is no status "+strconv.Quote(status))
		}
	}
	for name, values := range q {
		if key, ok := strings.CutPrefix(name, "metadata["); ok && strings.HasSuffix(key, "]") {
			f.Metadata[strings.TrimSuffix(key, "]")] = values[0]
		}
	}
	for _, pair := range slices.Concat(q["metadata"], q["metadata[]"]) {
		key, value, ok := strings.Cut(pair, ":")
		if !ok {
			return f, say(http.StatusBadRequest, "metadata must be KEY:VALUE, or metadata[KEY]=VALUE")
		}
		f.Metadata[key] = value
	}
	delete(f.Metadata, "")
	return f, nil
}

// page reads the part of all jobs that a window shows.
func (a *API) page(ctx context.Context, f scheduler.JobFilter, w window) (list []Job, total int, err error) {
	f.Offset = w.start
	for {
		f.Limit = max(1, min(scheduler.MaxPage, w.end-f.Offset))
		jobs, n, err := a.Store.ListJobs(ctx, f)
		if err != nil {
			return nil, 0, err
		}
		if w.start == w.end {
			return nil, int(n.N), nil
		}
		more, err := a.presentAll(ctx, jobs)
		if err != nil {
			return nil, 0, err
		}
		list = append(list, more...)
		if f.Offset += len(jobs); len(jobs) < f.Limit || f.Offset >= w.end {
			return list, int(n.N), nil
		}
	}
}

func (a *API) presentAll(ctx context.Context, jobs []scheduler.Job) ([]Job, error) {
	ids := make([]string, len(jobs))
	for i, j := range jobs {
		ids[i] = j.ID
	}
	known, err := a.Store.JobSummaries(ctx, ids)
	if err != nil {
		return nil, err
	}
	list := make([]Job, len(jobs))
	for i, j := range jobs {
		list[i] = a.withNext(j, known[j.ID])
	}
	return list, nil
}

// selected reads all jobs of a filter and a status, in order.
func (a *API) selected(ctx context.Context, f scheduler.JobFilter, status, order string, down bool) ([]Job, error) {
	list, _, err := a.page(ctx, f, windowOf(nil))
	if err != nil {
		return nil, err
	}
	if status != "" {
		want := jobStatuses[status]
		list = slices.DeleteFunc(list, func(w Job) bool { return w.Status != want })
	}
	if compare := jobSorts[order]; compare != nil {
		slices.SortStableFunc(list, func(x, y Job) int {
			if down {
				return compare(&y, &x)
			}
			return compare(&x, &y)
		})
	}
	return list, nil
}
