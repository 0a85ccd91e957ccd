package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

const tokensShown = 10 // worker tokens on the page of the workers

// WorkerService is what the pages of workers call.
type WorkerService interface {
	Workers(ctx context.Context) ([]scheduler.Worker, error)
	Worker(ctx context.Context, name string) (scheduler.Worker, error)
	WorkerFailures(worker string) []scheduler.WorkerFailures
	Withholding() bool
	SetWithholding(ctx context.Context, by scheduler.Principal, on bool) error
	SetWorkerMode(ctx context.Context, by scheduler.Principal, name string, mode scheduler.WorkerMode) (scheduler.Worker, error)
	SetWorkerRules(ctx context.Context, by scheduler.Principal, name string, r scheduler.WorkerRules) (scheduler.Worker, error)
	ForgetWorker(ctx context.Context, by scheduler.Principal, name string) error
	ClearFailures(ctx context.Context, by scheduler.Principal, worker, job string) error
	CreateWorkerToken(ctx context.Context, by scheduler.Principal, name string) (scheduler.WorkerToken, string, error)
	RevokeWorkerToken(ctx context.Context, by scheduler.Principal, id string) error
}

func (s *Server) listWorkers(c echo.Context) error {
	q, err := workerQuery(c.Request())
	if err != nil {
		return err
	}
	return s.workersPage(c, http.StatusOK, views.WorkersProps{Query: q})
}

// workersPage is the list, with what was typed into its forms. Tokens are for
// admins.
func (s *Server) workersPage(c echo.Context, status int, props views.WorkersProps) error {
	ctx := c.Request().Context()
	list, err := s.Service.Workers(ctx)
	if err != nil {
		return err
	}
	props.Page = s.boardPage(c, "Workers", views.NavWorkers)
	props.Withholding = s.Service.Withholding()
	var items []workerOut
	if props.Query.Limit == 0 { // after a form that was wrong
		props.Query.Limit = pageSize
	}
	list, props.Total = pageOf(selectWorkers(list, props.Query, props.Now), props.Query.Limit, props.Query.Offset)
	for _, w := range list {
		failures := s.Service.WorkerFailures(w.Name)
		items = append(items, s.presentWorker(w, failures))
		props.Workers = append(props.Workers, views.WorkerRow{Worker: w, Withheld: withheld(failures, props.Withholding)})
	}
	if props.CanAdmin() && form(c.Request()) != asJSON {
		tokens, err := s.Store.ListWorkerTokens(ctx)
		if err != nil {
			return err
		}
		props.Tokens, props.TokensTotal = pageOf(tokens, tokensShown, 0)
	}
	return respond(c, status, answer{
		page: views.WorkersPage(props), fragment: views.WorkersBoard(props),
		json: workersOut{listOf(items, props.Total), props.Withholding},
		file: "workers", table: func() [][]string { return workerTable(items) },
	})
}

func withheld(failures []scheduler.WorkerFailures, on bool) (n int) {
	for _, f := range failures {
		if on && f.Blocked() {
			n++
		}
	}
	return n
}

func (s *Server) showWorker(c echo.Context) error {
	return s.workerPage(c, http.StatusOK, nil, nil)
}

// workerPage is one worker, with what was typed into its form and what is wrong
// with it.
func (s *Server) workerPage(c echo.Context, status int, typed, wrong map[string]string) error {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	w, err := s.Service.Worker(ctx, name)
	if err != nil {
		return err
	}
	failures := s.Service.WorkerFailures(name)
	if form(c.Request()) == asJSON {
		return respond(c, status, answer{json: s.presentWorker(w, failures)})
	}
	props := views.WorkerProps{
		Page: s.boardPage(c, name, views.NavWorkers), Worker: w, Failures: failures,
		Withholding: s.Service.Withholding(), Values: typed, Errors: wrong,
	}
	running, err := s.Store.RunningOn(ctx, name)
	if err != nil {
		return err
	}
	if props.Running, err = s.executionRows(ctx, running); err != nil {
		return err
	}
	recent, _, err := s.Store.ListExecutions(ctx, scheduler.ExecutionFilter{Worker: name, Limit: runsShown})
	if err != nil {
		return err
	}
	for i := 0; i < len(recent); i++ {
		if recent[i].State == scheduler.Running {
			recent = append(recent[:i], recent[i+1:]...)
			i--
		}
	}
	if props.Recent, err = s.executionRows(ctx, recent); err != nil {
		return err
	}
	return respond(c, status, answer{page: views.WorkerPage(props), fragment: views.WorkerBoard(props)})
}

// setWorker answers what sets a worker's mode.
func (s *Server) setWorker(mode scheduler.WorkerMode, said string) echo.HandlerFunc {
	return func(c echo.Context) error {
		name, err := httpkit.Param(c, "name")
		if err != nil {
			return err
		}
		w, err := s.Service.SetWorkerMode(c.Request().Context(), httpkit.Principal(c), name, mode)
		if err != nil {
			return err
		}
		return s.workerChanged(c, w, name+" "+said)
	}
}

func (s *Server) workerChanged(c echo.Context, w scheduler.Worker, said string) error {
	return s.done(c, http.StatusOK, views.WorkerPath(w.Name), good(said), answer{json: s.presentWorker(w, s.Service.WorkerFailures(w.Name))})
}

// rulesIn is what people decide about what a worker takes, and when. The page has
// a line for each rule.
type rulesIn struct {
	Rules     [][]string `json:"rules"`
	Sleep     string     `json:"sleep"`
	SleepZone string     `json:"sleep_zone"`
}

func (s *Server) setWorkerRules(c echo.Context) error {
	if err := needs(c, scheduler.Editor, "changing a worker"); err != nil {
		return err
	}
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	var in rulesIn
	var typed map[string]string
	if httpkit.IsJSON(c.Request()) {
		err = httpkit.JSON(c, &in)
	} else {
		var values url.Values
		values, err = httpkit.Form(c)
		typed = map[string]string{"rules": values.Get("rules"), "sleep": values.Get("sleep"), "sleep_zone": values.Get("sleep_zone")}
		for line := range strings.Lines(typed["rules"]) {
			in.Rules = append(in.Rules, strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }))
		}
		in.Sleep, in.SleepZone = typed["sleep"], strings.TrimSpace(typed["sleep_zone"])
	}
	if err != nil {
		return err
	}
	w, err := s.Service.SetWorkerRules(c.Request().Context(), httpkit.Principal(c), name, scheduler.WorkerRules{
		Rules: in.Rules, Sleep: scheduler.Sleep{Text: in.Sleep, Zone: in.SleepZone},
	})
	if wrong := wrongFields(c, err); wrong != nil {
		return s.workerPage(c, http.StatusUnprocessableEntity, typed, wrong)
	}
	if err != nil {
		return err
	}
	return s.workerChanged(c, w, "Saved what "+name+" takes.")
}

// clearIn names the job whose failures are forgotten; all when it is empty.
type clearIn struct {
	Job string `json:"job"`
}

func (s *Server) clearWorker(c echo.Context) error {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	var in clearIn
	if httpkit.IsJSON(c.Request()) {
		err = httpkit.OptionalJSON(c, &in)
	} else if c.Request().ContentLength > 0 {
		var values url.Values
		values, err = httpkit.Form(c)
		in.Job = values.Get("job")
	}
	if err != nil {
		return err
	}
	if err := s.Service.ClearFailures(c.Request().Context(), httpkit.Principal(c), name, in.Job); err != nil {
		return err
	}
	w, err := s.Service.Worker(c.Request().Context(), name)
	if err != nil {
		return err
	}
	return s.workerChanged(c, w, name+" may have it again.")
}

func (s *Server) forgetWorker(c echo.Context) error {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	if err := s.Service.ForgetWorker(c.Request().Context(), httpkit.Principal(c), name); err != nil {
		return err
	}
	return s.done(c, http.StatusNoContent, "/workers", good("Forgot "+name+"."), answer{})
}

// withholdIn switches whether jobs are withheld from workers on which they failed
// too often.
type withholdIn struct {
	Withhold bool `json:"withhold"`
}

func (s *Server) setWithholding(c echo.Context) error {
	var in withholdIn
	var err error
	if httpkit.IsJSON(c.Request()) {
		err = httpkit.JSON(c, &in)
	} else {
		var values url.Values
		values, err = httpkit.Form(c)
		in.Withhold = values.Get("withhold") == "true"
	}
	if needed := needs(c, scheduler.Admin, "changing what is withheld from workers"); needed != nil || err != nil {
		return errors.Join(needed, err)
	}
	if err := s.Service.SetWithholding(c.Request().Context(), httpkit.Principal(c), in.Withhold); err != nil {
		return err
	}
	said := "Jobs go to every worker that fits, however often they failed there."
	if in.Withhold {
		said = "Jobs that fail again and again on a worker are withheld from it."
	}
	return s.done(c, http.StatusOK, "/workers", good(said), answer{json: in})
}

func (s *Server) listWorkerTokens(c echo.Context) error {
	if err := needs(c, scheduler.Admin, "seeing the worker tokens"); err != nil {
		return err
	}
	q, err := listQuery(c.Request(), workerTokenOrders.names())
	if err != nil {
		return err
	}
	tokens, err := s.Store.ListWorkerTokens(c.Request().Context())
	if err != nil {
		return err
	}
	tokens = slices.DeleteFunc(tokens, func(t scheduler.WorkerToken) bool { return !hasText(q.Q, t.Name, t.MadeBy) })
	workerTokenOrders.sort(tokens, q.Sort)
	props := views.WorkerTokensProps{Page: s.page(c, "Worker tokens", views.NavWorkers), Query: q}
	props.Tokens, props.Total = pageOf(tokens, q.Limit, q.Offset)
	var items []workerTokenOut
	for _, t := range props.Tokens {
		items = append(items, presentWorkerToken(t))
	}
	return respond(c, http.StatusOK, answer{
		page: views.WorkerTokensPage(props), json: listOf(items, props.Total),
		file: "worker-tokens", table: func() [][]string { return workerTokenTable(items) },
	})
}

type workerTokenIn struct {
	Name string `json:"name"`
}

// createWorkerToken shows the secret in its own answer, the only time, within the
// command that uses it.
func (s *Server) createWorkerToken(c echo.Context) error {
	if err := needs(c, scheduler.Admin, "making a worker token"); err != nil {
		return err
	}
	var in workerTokenIn
	var err error
	if httpkit.IsJSON(c.Request()) {
		err = httpkit.JSON(c, &in)
	} else {
		var values url.Values
		values, err = httpkit.Form(c)
		in.Name = values.Get("name")
	}
	if err != nil {
		return err
	}
	t, secret, err := s.Service.CreateWorkerToken(c.Request().Context(), httpkit.Principal(c), in.Name)
	var domain *scheduler.Error
	if form(c.Request()) == asPage && errors.As(err, &domain) && shownBeside(domain.Code) && len(domain.Fields) > 0 {
		return s.workersPage(c, http.StatusUnprocessableEntity, views.WorkersProps{
			Values: map[string]string{"name": in.Name}, Errors: fieldMap(domain.Fields),
		})
	}
	if err != nil {
		return err
	}
	command := s.workerCommand(c, secret)
	if form(c.Request()) != asJSON {
		return s.workersPage(c, http.StatusCreated, views.WorkersProps{Command: command, TokenName: t.Name})
	}
	out := presentWorkerToken(t)
	out.Secret, out.Command = secret, command
	return respond(c, http.StatusCreated, answer{json: out})
}

// workerCommand is the one line that starts a worker with a token.
func (s *Server) workerCommand(c echo.Context, secret string) string {
	scheme := c.Scheme()
	if s.SecureCookies {
		scheme = "https"
	}
	return "(umask 077; printf %s " + quoted(secret) + " > belfry-worker.token) && belfry worker --server " +
		quoted(scheme+"://"+c.Request().Host) + " --token-file belfry-worker.token"
}

// quoted is one word to a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func (s *Server) revokeWorkerToken(c echo.Context) error {
	id, err := httpkit.Param(c, "id")
	if err != nil {
		return err
	}
	if err := s.Service.RevokeWorkerToken(c.Request().Context(), httpkit.Principal(c), id); err != nil {
		return err
	}
	return s.done(c, http.StatusNoContent, "/workers", good("Revoked the token. Workers that came with it are cut off."), answer{})
}
