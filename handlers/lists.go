package handlers

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// Lists that are in memory as a whole, because they are short: they are narrowed,
// ordered and cut into pages here, where the database does it with the others.

// orders are the columns that a list can be ordered by. The list is by name before,
// which decides between what is the same in a column.
type orders[T any] map[string]func(a, b *T) int

// names are the values of "sort".
func (o orders[T]) names() []string { return bothWays(slices.Sorted(maps.Keys(o))) }

// sort orders a list; "" leaves it as it is.
func (o orders[T]) sort(list []T, by string) {
	column, down := strings.CutPrefix(by, "-")
	if down {
		slices.Reverse(list)
	}
	if order := o[column]; order != nil {
		slices.SortStableFunc(list, func(a, b T) int {
			if down {
				return order(&b, &a)
			}
			return order(&a, &b)
		})
	}
}

// same is the order of lists that are by name already.
func same[T any](_, _ *T) int { return 0 }

// pageOf is a page of a list, and how long all of it is.
func pageOf[T any](list []T, limit, offset int) ([]T, scheduler.Total) {
	total := scheduler.Total{N: int64(len(list))}
	list = list[min(offset, len(list)):]
	if limit > 0 {
		list = list[:min(limit, len(list))]
	}
	return list, total
}

// listQuery reads the filter of a list that is searched for a text.
func listQuery(r *http.Request, sorts []string) (views.ListQuery, error) {
	q := httpkit.ReadQuery(r)
	l := views.ListQuery{Q: q.Text("q"), Sort: q.OneOf("sort", sorts...)}
	l.Limit, l.Offset = q.Page(pageSize)
	return l, q.Err()
}

// workerOrders are the columns of the list of workers, as they are at a time.
func workerOrders(now time.Time) orders[scheduler.Worker] {
	state := func(w *scheduler.Worker) int { return slices.Index(scheduler.WorkerStatuses, w.Status(now)) }
	return orders[scheduler.Worker]{
		"name":  same[scheduler.Worker],
		"state": func(a, b *scheduler.Worker) int { return state(a) - state(b) },
		"slots": func(a, b *scheduler.Worker) int { return cmp.Compare(a.Used, b.Used) },
		"load":  func(a, b *scheduler.Worker) int { return cmp.Compare(a.About.Load, b.About.Load) },
		"seen":  func(a, b *scheduler.Worker) int { return a.SeenAt.Compare(b.SeenAt) },
	}
}

// workerQuery reads the filter of the list of workers.
func workerQuery(r *http.Request) (views.WorkerQuery, error) {
	q := httpkit.ReadQuery(r)
	w := views.WorkerQuery{
		Q: q.Text("q"), State: q.OneOf("state", scheduler.WorkerStatuses...), Tag: q.Text("tag"),
		Sort: q.OneOf("sort", workerOrders(time.Time{}).names()...),
	}
	w.Limit, w.Offset = q.Page(pageSize)
	return w, q.Err()
}

// selectWorkers narrows and orders workers, which are by name.
func selectWorkers(list []scheduler.Worker, q views.WorkerQuery, now time.Time) []scheduler.Worker {
	tag := strings.TrimSpace(q.Tag)
	list = slices.DeleteFunc(list, func(w scheduler.Worker) bool {
		return q.State != "" && w.Status(now) != q.State || tag != "" && !slices.Contains(w.Tags, tag) ||
			!hasText(q.Q, w.Name, w.About.System, w.About.Version, w.About.Address)
	})
	workerOrders(now).sort(list, q.Sort)
	return list
}

var userOrders = orders[scheduler.User]{
	"name":    same[scheduler.User],
	"role":    func(a, b *scheduler.User) int { return byRole(a.Role, b.Role) },
	"login":   func(a, b *scheduler.User) int { return a.LastLoginAt.Compare(b.LastLoginAt) },
	"created": func(a, b *scheduler.User) int { return a.CreatedAt.Compare(b.CreatedAt) },
}

// tokenOrders: what never expires does so last.
var tokenOrders = orders[views.TokenRow]{
	"name":    same[views.TokenRow],
	"role":    func(a, b *views.TokenRow) int { return byRole(a.Token.Role, b.Token.Role) },
	"owner":   func(a, b *views.TokenRow) int { return byFolded(a.Owner, b.Owner) },
	"created": func(a, b *views.TokenRow) int { return a.Token.CreatedAt.Compare(b.Token.CreatedAt) },
	"used":    func(a, b *views.TokenRow) int { return a.Token.LastUsedAt.Compare(b.Token.LastUsedAt) },
	"expires": func(a, b *views.TokenRow) int {
		if a, b := a.Token.ExpiresAt, b.Token.ExpiresAt; a.IsZero() || b.IsZero() {
			return b.Compare(a)
		}
		return a.Token.ExpiresAt.Compare(b.Token.ExpiresAt)
	},
}

var workerTokenOrders = orders[scheduler.WorkerToken]{
	"name":    same[scheduler.WorkerToken],
	"owner":   func(a, b *scheduler.WorkerToken) int { return byFolded(a.MadeBy, b.MadeBy) },
	"created": func(a, b *scheduler.WorkerToken) int { return a.CreatedAt.Compare(b.CreatedAt) },
	"used":    func(a, b *scheduler.WorkerToken) int { return a.LastUsedAt.Compare(b.LastUsedAt) },
}

var classOrders = orders[scheduler.JobClass]{
	"name":     same[scheduler.JobClass],
	"executor": func(a, b *scheduler.JobClass) int { return cmp.Compare(a.Executor, b.Executor) },
	"source":   func(a, b *scheduler.JobClass) int { return cmp.Compare(a.Source, b.Source) },
}

func byRole(a, b scheduler.Role) int {
	return slices.Index(scheduler.Roles, a) - slices.Index(scheduler.Roles, b)
}

func byFolded(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) }

// hasText reports whether one of the texts holds part, in any case.
func hasText(part string, texts ...string) bool {
	part = strings.ToLower(strings.TrimSpace(part))
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), part) })
}
