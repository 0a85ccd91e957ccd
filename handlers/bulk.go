package handlers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// bulkIn is one action on several things. A page asks before it deletes; Sure is
// its answer.
type bulkIn struct {
	Action     string   `json:"action"`
	Jobs       []string `json:"jobs"`
	Executions []string `json:"executions"`
	Force      bool     `json:"force"` // delete jobs that others depend on
	Sure       bool     `json:"-"`
}

func readBulk(c echo.Context) (bulkIn, error) {
	var in bulkIn
	if httpkit.IsJSON(c.Request()) {
		return in, httpkit.JSON(c, &in)
	}
	values, err := httpkit.Form(c, "job", "execution")
	return bulkIn{
		Action: values.Get("action"), Jobs: values["job"], Executions: values["execution"],
		Force: values.Get("force") == "true", Sure: values.Get("sure") == "true",
	}, err
}

type bulkOut struct {
	Done   []string     `json:"done"`
	Failed []bulkFailed `json:"failed"`
}

type bulkFailed struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// bulk does something to each of names and goes on behind what is refused.
func bulk(names []string, do func(name string) error) (bulkOut, error) {
	out := bulkOut{Done: []string{}, Failed: []bulkFailed{}}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		switch err := do(name); scheduler.CodeOf(err) {
		case "":
			out.Done = append(out.Done, name)
		case scheduler.CodeForbidden, scheduler.CodeUnauthenticated, scheduler.CodeUnavailable, scheduler.CodeInternal:
			return out, err // it would be said of each
		default:
			out.Failed = append(out.Failed, bulkFailed{name, explain(err).detail})
		}
	}
	return out, nil
}

func (in bulkIn) check(names []string, field string, actions ...string) error {
	if !slices.Contains(actions, in.Action) {
		return httpkit.BadField("action", "must be one of %s", strings.Join(actions, ", "))
	}
	if len(names) == 0 || len(names) > scheduler.MaxPage {
		return scheduler.Errorf(scheduler.CodeInvalid, "choose at least one and at most %d", scheduler.MaxPage)
	}
	if slices.ContainsFunc(names, func(n string) bool { return len(n) > 1000 }) {
		return httpkit.BadField(field, "has a name that is too long")
	}
	return nil
}

// bulkJobs runs, enables, disables or deletes several jobs.
func (s *Server) bulkJobs(c echo.Context) error {
	if err := needs(c, scheduler.Operator, "changing jobs"); err != nil {
		return err
	}
	in, err := readBulk(c)
	if err == nil {
		err = in.check(in.Jobs, "jobs", "run", "enable", "disable", "delete")
	}
	if err != nil {
		return s.refuseBulk(c, "/jobs", err)
	}
	if in.Action == "delete" && !in.Sure && form(c.Request()) != asJSON {
		if err := needs(c, scheduler.Editor, "deleting jobs"); err != nil {
			return err
		}
		p := views.BulkDeleteProps{Page: s.page(c, "Delete jobs", views.NavJobs), Jobs: in.Jobs}
		return respond(c, http.StatusOK, answer{page: views.BulkDeletePage(p)})
	}
	ctx, by := c.Request().Context(), httpkit.Principal(c)
	out, err := bulk(in.Jobs, func(name string) error { return s.bulkJob(ctx, by, in, name) })
	if err != nil {
		return err
	}
	return s.bulkDone(c, "/jobs", map[string]string{"run": "Queued", "enable": "Enabled", "disable": "Disabled", "delete": "Deleted"}[in.Action], "job", out)
}

func (s *Server) bulkJob(ctx context.Context, by scheduler.Principal, in bulkIn, name string) (err error) {
	switch in.Action {
	case "run":
		_, err = s.Service.RunJob(ctx, by, name, nil)
	case "enable", "disable":
		_, err = s.Service.SetEnabled(ctx, by, name, in.Action == "enable")
	default:
		err = s.Service.DeleteJob(ctx, by, name, in.Force)
	}
	return err
}

// bulkExecutions stops or retries several executions, or acknowledges them.
func (s *Server) bulkExecutions(c echo.Context) error {
	if err := needs(c, scheduler.Operator, "stopping and retrying"); err != nil {
		return err
	}
	in, err := readBulk(c)
	if err == nil {
		err = in.check(in.Executions, "executions", "stop", "retry", "acknowledge")
	}
	if err != nil {
		return s.refuseBulk(c, "/executions", err)
	}
	ctx, by := c.Request().Context(), httpkit.Principal(c)
	out, err := bulk(in.Executions, func(id string) (err error) {
		switch in.Action {
		case "stop":
			err = s.Service.StopExecution(ctx, by, id)
		case "retry":
			_, err = s.Service.RetryExecution(ctx, by, id, nil)
		default:
			err = s.Service.Acknowledge(ctx, by, id)
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.bulkDone(c, "/executions", map[string]string{"stop": "Stopping", "retry": "Queued another attempt of", "acknowledge": "Acknowledged"}[in.Action], "execution", out)
}

// refuseBulk says on the list, whose address is to, that nothing was chosen.
func (s *Server) refuseBulk(c echo.Context, to string, err error) error {
	if form(c.Request()) != asPage || scheduler.CodeOf(err) != scheduler.CodeInvalid {
		return err
	}
	s.setFlash(c, views.Flash{Kind: views.FlashError, Text: "Nothing was done: " + sentence(explain(err)) + "."})
	if from := c.Request().Referer(); from != "" {
		to = localPath(localPart(from)) // with the filters it had
	}
	return c.Redirect(http.StatusSeeOther, to)
}

// bulkDone says how it went, on the list that it came from.
func (s *Server) bulkDone(c echo.Context, to, did, what string, out bulkOut) error {
	if len(out.Done) != 1 {
		what += "s"
	}
	flash := views.Flash{Kind: views.FlashGood, Text: fmt.Sprintf("%s %d %s.", did, len(out.Done), what)}
	if len(out.Failed) > 0 {
		flash.Kind = views.FlashError
		flash.Text += fmt.Sprintf(" %d refused; the first: %s.", len(out.Failed), strings.TrimSuffix(out.Failed[0].Error, "."))
	}
	if back := localPath(localPart(c.Request().Referer())); strings.HasPrefix(back, to) && !strings.HasPrefix(back, to+"/") {
		to = back
	}
	return s.done(c, http.StatusOK, to, flash, answer{json: out})
}
