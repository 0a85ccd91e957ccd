package handlers

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// workerOrders are the columns that workers can be ordered by. Ties are by name.
var workerOrders = map[string]func(a, b *scheduler.Worker, now time.Time) int{
	"name": func(_, _ *scheduler.Worker, _ time.Time) int { return 0 },
	"state": func(a, b *scheduler.Worker, now time.Time) int {
		return slices.Index(scheduler.WorkerStatuses, a.Status(now)) - slices.Index(scheduler.WorkerStatuses, b.Status(now))
	},
	"slots": func(a, b *scheduler.Worker, _ time.Time) int { return cmp.Compare(a.Used, b.Used) },
	"load":  func(a, b *scheduler.Worker, _ time.Time) int { return cmp.Compare(a.About.Load, b.About.Load) },
	"seen":  func(a, b *scheduler.Worker, _ time.Time) int { return a.SeenAt.Compare(b.SeenAt) },
}

// workerQuery reads the filter of the list of workers.
func workerQuery(r *http.Request) (views.WorkerQuery, error) {
	q := httpkit.ReadQuery(r)
	return views.WorkerQuery{
		Q: q.Text("q"), State: q.OneOf("state", scheduler.WorkerStatuses...), Tag: q.Text("tag"),
		Sort: q.OneOf("sort", bothWays([]string{"name", "state", "slots", "load", "seen"})...),
	}, q.Err()
}

// selectWorkers narrows and orders workers, which are by name.
func selectWorkers(list []scheduler.Worker, q views.WorkerQuery, now time.Time) []scheduler.Worker {
	tag := strings.TrimSpace(q.Tag)
	list = slices.DeleteFunc(list, func(w scheduler.Worker) bool {
		return q.State != "" && w.Status(now) != q.State || tag != "" && !slices.Contains(w.Tags, tag) ||
			!hasText(q.Q, w.Name, w.About.System, w.About.Version, w.About.Address)
	})
	column, down := strings.CutPrefix(q.Sort, "-")
	if down {
		slices.Reverse(list)
	}
	if order := workerOrders[column]; order != nil {
		slices.SortStableFunc(list, func(a, b scheduler.Worker) int {
			if down {
				return order(&b, &a, now)
			}
			return order(&a, &b, now)
		})
	}
	return list
}

// hasText reports whether one of the texts holds part, in any case.
func hasText(part string, texts ...string) bool {
	part = strings.ToLower(strings.TrimSpace(part))
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), part) })
}
