package coalition

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// answer writes a value without a line end: clients compare whole bodies.
func answer(c echo.Context, v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, b)
}

// encode writes JSON in which people can read URLs.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}

// done answers that something was done.
func done(c echo.Context, err error) error {
	if err != nil {
		return err
	}
	return answer(c, 1)
}

// body reads the body as JSON, whatever it says that it is; "" is an empty object.
func body(c echo.Context) (json.RawMessage, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, httpkit.Refuse(http.StatusRequestEntityTooLarge, scheduler.CodeTooLarge, "the body is too large: at most %d bytes", maxBody)
	case err != nil:
		return nil, bad("the body could not be read")
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return json.RawMessage("{}"), nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, bad("the body is not valid JSON: %v; names and ids before a colon are texts in quotes, and no comma comes before a closing bracket", err)
	}
	return raw, nil
}

// object reads the body as an object.
func object[T any](c echo.Context) (map[string]T, error) {
	raw, err := body(c)
	if err != nil {
		return nil, err
	}
	var v map[string]T
	if json.Unmarshal(raw, &v) != nil {
		return nil, bad("the body must be an object, of objects where several things are changed")
	}
	return v, nil
}

// idParam returns the id in the path; what is none is at no address.
func idParam(c echo.Context) (int64, error) {
	n, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return 0, errNotFound
	}
	return n, nil
}

func (a *API) jobs(ctx context.Context, list []scheduler.TreeJob) ([]jobWire, error) {
	names, err := a.Service.Affinities(ctx)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	wires := make([]jobWire, len(list))
	for i := range list {
		wires[i] = toWire(&list[i], &names, now)
	}
	return wires, nil
}

func (a *API) answerJobs(c echo.Context, list []scheduler.TreeJob, err error) error {
	if err != nil {
		return err
	}
	wires, err := a.jobs(c.Request().Context(), list)
	if err != nil {
		return err
	}
	return answer(c, wires)
}

// listJobs lists the jobs at the root; with a filter those of all that it selects.
func (a *API) listJobs(c echo.Context) error {
	ctx := c.Request().Context()
	f, filtered, err := a.filter(c)
	if err != nil {
		return err
	}
	if !filtered && f.Parent == nil {
		f.Parent = new(int64)
	}
	list, _, err := a.Store.ListTree(ctx, f)
	return a.answerJobs(c, list, err)
}

func (a *API) filter(c echo.Context) (f scheduler.TreeFilter, filtered bool, err error) {
	q := httpkit.ReadFirst(c.Request())
	query := c.QueryParams()
	for name, to := range map[string]**string{"user": &f.User, "worker": &f.Worker} {
		if query.Has(name) {
			v := q.Text(name)
			*to, filtered = &v, true
		}
	}
	for name, to := range map[string]**int64{"priority": &f.Priority, "parent": &f.Parent} {
		if query.Get(name) != "" {
			v := q.Int(name, 0, 0, 1<<53)
			*to, filtered = &v, true
		}
	}
	if query.Has("affinity") {
		mask, err := a.Service.AffinityMask(c.Request().Context(), "affinity", q.Text("affinity"))
		if err != nil {
			return f, false, err
		}
		f.Affinity, filtered = &mask, true
	}
	if s := q.Text("state"); s != "" {
		f.State, filtered = scheduler.TreeState(strings.ToLower(s)), true
		if !slices.Contains(scheduler.TreeStates, f.State) {
			return f, false, scheduler.Invalid("state", "must be WAITING, PENDING, WORKING, FINISHED, ERROR or PAUSED")
		}
	}
	if f.Query = q.Text("title"); f.Query != "" {
		filtered = true
	}
	f.Limit, f.Offset = int(q.Int("limit", 0, 0, 1<<31-1)), int(q.Int("offset", 0, 0, 1<<31-1))
	return f, filtered, q.Err()
}

func (a *API) showJob(c echo.Context) error {
	ctx := c.Request().Context()
	id, err := idParam(c)
	if err != nil {
		return err
	}
	j, err := a.Store.TreeJob(ctx, id)
	if err != nil {
		return absent(err)
	}
	on, err := a.Store.TreeDependencies(ctx, id)
	if err != nil {
		return err
	}
	wires, err := a.jobs(ctx, []scheduler.TreeJob{j})
	if err != nil {
		return err
	}
	list := make([]int64, len(on))
	for i := range on {
		list[i] = on[i].Num
	}
	wires[0].Dependencies = &list
	return answer(c, wires[0])
}

// absent says of a job that does not exist what Coalition says.
func absent(err error) error {
	if scheduler.CodeOf(err) == scheduler.CodeNotFound {
		return errNotFound
	}
	return err
}

func (a *API) listChildren(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	list, _, err := a.Store.ListTree(c.Request().Context(), scheduler.TreeFilter{Parent: &id})
	return a.answerJobs(c, list, err)
}

func (a *API) listDependencies(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	list, err := a.Store.TreeDependencies(c.Request().Context(), id)
	return a.answerJobs(c, list, err)
}

func (a *API) listChildDependencies(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	list, err := a.Store.TreeEdges(c.Request().Context(), id)
	if err != nil {
		return err
	}
	wires := make([]edgeWire, len(list))
	for i, e := range list {
		wires[i] = edgeWire{ID: e.Num, Dependency: e.Dependency}
	}
	return answer(c, wires)
}

func (a *API) createJob(c echo.Context) error {
	v, err := object[json.RawMessage](c)
	if err != nil {
		return err
	}
	id, err := a.create(c, v)
	if err != nil {
		return err
	}
	return answer(c, id)
}

func (a *API) create(c echo.Context, v values) (int64, error) {
	d, on, affinities, err := readDraft(v)
	if err != nil {
		return 0, err
	}
	j, err := a.Service.CreateTreeJob(c.Request().Context(), httpkit.Principal(c), d, affinities, on)
	return j.Num, err
}

// legacy are the names that addjob has for a job's columns.
var legacy = map[string]string{
	"title": "title", "cmd": "command", "command": "command", "dir": "dir", "env": "environment", "environment": "environment",
	"parent": "parent", "priority": "priority", "timeout": "timeout", "retry": "retry", "affinity": "affinity",
	"dependencies": "dependencies", "localprogress": "progress_pattern", "progress_pattern": "progress_pattern", "url": "url", "user": "user", "state": "state",
}

// addJob creates a job from a query or a form, and answers its id as a text.
func (a *API) addJob(c echo.Context) error {
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response(), r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return bad("the form could not be read")
	}
	v := values{"dir": json.RawMessage(`"."`), "timeout": json.RawMessage("0")}
	for name, list := range r.Form {
		column, known := legacy[name]
		if !known || list[0] == "" {
			continue
		}
		b, err := encode(list[0])
		if err != nil {
			return err
		}
		v[column] = b
	}
	id, err := a.create(c, v)
	if err != nil {
		return err
	}
	return c.String(http.StatusOK, strconv.FormatInt(id, 10))
}

func (a *API) editJobs(c echo.Context) error {
	all, err := object[values](c)
	if err != nil {
		return err
	}
	edits := map[int64]scheduler.TreeEdit{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		id, err := strconv.ParseInt(key, 10, 64)
		if err != nil || strconv.FormatInt(id, 10) != key { // written twice, one of the two would be dropped
			return bad("%s is no id of a job", shorten(key))
		}
		if edits[id], err = readEdit(all[key]); err != nil {
			return err
		}
	}
	return done(c, a.Service.EditTreeJobs(c.Request().Context(), httpkit.Principal(c), edits))
}

func (a *API) setDependencies(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	on, err := listed(c)
	if err != nil {
		return err
	}
	return done(c, a.Service.SetTreeDependencies(c.Request().Context(), httpkit.Principal(c), id, on))
}

// listed reads the body as a list of ids.
func listed(c echo.Context) ([]int64, error) {
	raw, err := body(c)
	if err != nil {
		return nil, err
	}
	return ids("the body", raw)
}

// each does something with the jobs that the body lists.
func each(c echo.Context, do func(ctx context.Context, by scheduler.Principal, nums []int64) error) error {
	nums, err := listed(c)
	if err != nil {
		return err
	}
	return done(c, do(c.Request().Context(), httpkit.Principal(c), nums))
}

func (a *API) deleteJobs(c echo.Context) error { return each(c, a.Service.DeleteTreeJobs) }
func (a *API) startJobs(c echo.Context) error  { return each(c, a.Service.StartTreeJobs) }
func (a *API) pauseJobs(c echo.Context) error  { return each(c, a.Service.PauseTreeJobs) }

func (a *API) resetJobs(c echo.Context) error {
	return each(c, func(ctx context.Context, by scheduler.Principal, nums []int64) error {
		return a.Service.ResetTreeJobs(ctx, by, nums, false)
	})
}

func (a *API) resetErrorJobs(c echo.Context) error {
	return each(c, func(ctx context.Context, by scheduler.Principal, nums []int64) error {
		return a.Service.ResetTreeJobs(ctx, by, nums, true)
	})
}

// refuseWhere: a client does not write conditions of SQL here.
func (a *API) refuseWhere(echo.Context) error {
	return bad("conditions of SQL are not taken; filter with GET /api/jobs?state=&user=&worker=&priority=&affinity=&parent=&title=&limit=&offset=")
}

// listValues lists the different values of a column, each an object with that
// column.
func (a *API) listValues(column scheduler.TreeColumn) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx := c.Request().Context()
		all, err := a.Store.TreeValues(ctx, column)
		if err != nil {
			return err
		}
		names, err := a.Service.Affinities(ctx)
		if err != nil {
			return err
		}
		list := make([]map[string]any, len(all))
		for i, v := range all {
			switch is := v.(type) {
			case scheduler.TreeState:
				v = state(is)
			case int64:
				if column == scheduler.TreeAffinities {
					v = names.Text(is)
				}
			}
			list[i] = map[string]any{string(column): v}
		}
		return answer(c, list)
	}
}

// Events: without a time the newest, with one all since, as far as memory goes.
const (
	newestEvents = 1000
	maxEvents    = 100_000
)

func (a *API) listEvents(c echo.Context) error {
	q := httpkit.ReadFirst(c.Request())
	f := scheduler.TreeRunFilter{Num: q.Int("job", 0, -1<<53, 1<<53), Worker: q.Text("worker"), Limit: newestEvents}
	howLong := q.Int("howlong", -1, -1<<53, 1<<53)
	if err := q.Err(); err != nil {
		return err
	}
	f.Num = max(f.Num, 0)
	if howLong >= 0 {
		f.Since, f.Limit = a.Now().Add(-time.Duration(min(howLong, 1e9))*time.Second), maxEvents
	}
	list, err := a.Store.TreeRuns(c.Request().Context(), f)
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(x, y scheduler.TreeRun) int { return cmp.Compare(x.Seq, y.Seq) })
	wires := make([]eventWire, len(list))
	for i := range list {
		wires[i] = eventToWire(&list[i])
	}
	return answer(c, wires)
}

func (a *API) showAffinities(c echo.Context) error {
	names, err := a.Service.Affinities(c.Request().Context())
	if err != nil {
		return err
	}
	all := map[string]string{}
	for i, name := range names.Names {
		all[strconv.Itoa(i+1)] = name
	}
	return answer(c, all)
}

func (a *API) setAffinities(c echo.Context) error {
	all, err := object[string](c)
	if err != nil {
		return err
	}
	names := map[int]string{}
	for key, name := range all {
		n, err := strconv.Atoi(key)
		if err != nil {
			return bad("%s is no number of an affinity: they go from 1 to %d", shorten(key), scheduler.MaxAffinities)
		}
		names[n] = name
	}
	return done(c, a.Service.SetAffinities(c.Request().Context(), httpkit.Principal(c), names))
}
