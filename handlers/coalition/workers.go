package coalition

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

func (a *API) listWorkers(c echo.Context) error {
	ctx := c.Request().Context()
	list, err := a.Service.TreeFleet(ctx)
	if err != nil {
		return err
	}
	kept, err := a.Store.TreeWorkers(ctx)
	if err != nil {
		return err
	}
	wires := make([]workerWire, len(list))
	for i := range list {
		working, err := a.Store.TreeWorkingOn(ctx, list[i].Name)
		if err != nil {
			return err
		}
		wires[i] = workerToWire(&list[i], kept[list[i].Name], len(working) > 0)
	}
	return answer(c, wires)
}

// editWorkers changes which jobs workers take, and whether they get any.
func (a *API) editWorkers(c echo.Context) error {
	all, err := object[values](c)
	if err != nil {
		return err
	}
	edits := map[string]scheduler.TreeWorkerEdit{}
	for name, v := range all {
		if edits[name], err = readWorkerEdit(v); err != nil {
			return err
		}
	}
	return done(c, a.Service.EditTreeWorkers(c.Request().Context(), httpkit.Principal(c), edits))
}

// named does something with the workers that the body lists.
func named(c echo.Context, do func(ctx context.Context, by scheduler.Principal, names []string) error) error {
	raw, err := body(c)
	if err != nil {
		return err
	}
	var list []string
	var keys map[string]json.RawMessage
	if json.Unmarshal(raw, &keys) == nil {
		list = slices.Sorted(maps.Keys(keys))
	} else if json.Unmarshal(raw, &list) != nil {
		return bad(`the body must be a list of names, such as ["worker-1"]`)
	}
	return done(c, do(c.Request().Context(), httpkit.Principal(c), list))
}

func (a *API) deleteWorkers(c echo.Context) error { return named(c, a.Service.ForgetTreeWorkers) }
func (a *API) stopWorkers(c echo.Context) error   { return named(c, a.Service.StopTreeWorkers) }

func (a *API) startWorkers(c echo.Context) error {
	return named(c, func(ctx context.Context, by scheduler.Principal, names []string) error {
		return a.Service.SwitchTreeWorkers(ctx, by, names, true)
	})
}

// ping is what a worker says each time.
type ping struct {
	token scheduler.WorkerToken
	scheduler.TreePing
	values url.Values
}

// hear lets a worker in, and reads what it says. Its form comes as body or query.
func (a *API) hear(c echo.Context) (p ping, err error) {
	r := c.Request()
	if !a.WorkersOpen {
		scheme, secret, _ := strings.Cut(r.Header.Get(echo.HeaderAuthorization), " ")
		if !strings.EqualFold(scheme, "bearer") {
			return p, scheduler.Errorf(scheduler.CodeUnauthenticated, "send a worker token: Authorization: Bearer %s…; "+
				"workers that cannot are let in by --coalition-workers-open", scheduler.WorkerTokenPrefix)
		}
		if p.token, err = a.Service.AuthenticateWorker(r.Context(), strings.TrimSpace(secret)); err != nil {
			return p, err
		}
	}
	r.Body = http.MaxBytesReader(c.Response(), r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return p, bad("the form could not be read, or is longer than %d bytes", maxBody)
	}
	p.values = r.Form
	p.Worker = p.values.Get("hostname")
	if p.values.Has("load") || p.values.Has("total_memory") {
		p.About = &scheduler.WorkerAbout{
			System: "coalition", Address: c.RealIP(), Load: load(p.values.Get("load")),
			MemoryFree: mebibytes(p.values.Get("free_memory")), MemoryTotal: mebibytes(p.values.Get("total_memory")),
		}
	}
	return p, nil
}

// load is the mean of a list of percentages, "[12, 40]", as a share of one.
func load(text string) float64 {
	var list []float64
	if json.Unmarshal([]byte(text), &list) != nil || len(list) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return min(max(sum/float64(len(list))/100, 0), 1e6)
}

func mebibytes(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 40)
	if err != nil {
		return 0
	}
	return max(n, 0) << 20
}

// turnedAway reports whether a worker is to get nothing, without an error that it
// would not understand: it has no name, or was disconnected.
func turnedAway(p ping, err error) bool {
	return p.Worker == "" || scheduler.CodeOf(err) == scheduler.CodeForbidden
}

func literally(c echo.Context, text string) error { return c.String(http.StatusOK, text) }

// pickJob gives a worker a job: a Python literal that it evaluates.
func (a *API) pickJob(c echo.Context) error {
	p, err := a.hear(c)
	if err != nil {
		return err
	}
	if turnedAway(p, nil) {
		return literally(c, nothing)
	}
	j, ok, err := a.Service.PollTree(c.Request().Context(), p.token, p.TreePing)
	switch {
	case turnedAway(p, err), scheduler.CodeOf(err) == scheduler.CodeConflict: // another was given it, or came in its place
		return literally(c, nothing)
	case err != nil:
		return err
	case !ok:
		return literally(c, nothing)
	}
	return literally(c, picked(&j))
}

// intValue reads a number of a form.
func (p *ping) intValue(name string, otherwise int64) (int64, error) {
	text := p.values.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, scheduler.Invalid(name, "must be a whole number")
	}
	return n, nil
}

// heartbeat takes output and tells the worker whether its job goes on.
func (a *API) heartbeat(c echo.Context) error {
	p, err := a.hear(c)
	if err != nil {
		return err
	}
	num, err := p.intValue("jobId", -1)
	if err != nil {
		return err
	}
	output, err := base64.StdEncoding.DecodeString(p.values.Get("log"))
	if err != nil {
		return scheduler.Invalid("log", "must be base64")
	}
	if turnedAway(p, nil) {
		return literally(c, "false")
	}
	goesOn, err := a.Service.BeatTree(c.Request().Context(), p.token, p.TreePing, num, output)
	if err != nil && !turnedAway(p, err) {
		return err
	}
	return literally(c, strconv.FormatBool(goesOn))
}

// endJob takes the end of a job.
func (a *API) endJob(c echo.Context) error {
	p, err := a.hear(c)
	if err != nil {
		return err
	}
	num, err := p.intValue("jobId", -1)
	if err != nil {
		return err
	}
	code, err := p.intValue("errorCode", -1)
	if err != nil {
		return err
	}
	if turnedAway(p, nil) {
		return literally(c, "None")
	}
	_, err = a.Service.EndTree(c.Request().Context(), p.token, p.TreePing, num, int(max(min(code, 1<<31-1), -1<<31)))
	if err != nil && !turnedAway(p, err) {
		return err
	}
	return literally(c, "None")
}
