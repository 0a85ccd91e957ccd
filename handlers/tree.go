package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// treeIn is what a program says of a job of the tree. What is absent stays, or is
// the default of a new one.
type treeIn struct {
	Parent      *int64   `json:"parent"`
	Title       *string  `json:"title"`
	Command     *string  `json:"command"`
	Dir         *string  `json:"dir"`
	Environment *string  `json:"environment"`
	User        *string  `json:"user"`
	URL         *string  `json:"url"`
	Progress    *string  `json:"progress_pattern"`
	Priority    *int64   `json:"priority"`
	Affinity    *string  `json:"affinity"`
	Timeout     *int64   `json:"timeout"` // seconds
	Retries     *int     `json:"retries"`
	Paused      *bool    `json:"paused"`
	DependsOn   *[]int64 `json:"depends_on"`
}

// treeActionIn is what is to be done with several jobs.
type treeActionIn struct {
	IDs     []int64 `json:"ids"`
	Action  string  `json:"action"`
	Changes treeIn  `json:"changes"`
}

// treeForm reads the fields of a form that are there, or of a form for several jobs
// those that are filled in.
func treeForm(v url.Values, filled bool) (in treeIn, err error) {
	var wrong []scheduler.FieldError
	get := func(name string) (string, bool) {
		text := strings.ReplaceAll(v.Get(name), "\r\n", "\n")
		return text, v.Has(name) && (!filled || strings.TrimSpace(text) != "")
	}
	for name, to := range map[string]**string{
		"title": &in.Title, "command": &in.Command, "dir": &in.Dir, "environment": &in.Environment, "user": &in.User, "url": &in.URL,
		"progress_pattern": &in.Progress, "affinity": &in.Affinity,
	} {
		if text, ok := get(name); ok {
			*to = &text
		}
	}
	whole := func(name string) *int64 {
		text, ok := get(name)
		if text = strings.TrimSpace(text); !ok || text == "" {
			return nil
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			wrong = append(wrong, scheduler.FieldError{Field: name, Message: "must be a whole number"})
		}
		return &n
	}
	in.Parent, in.Priority, in.Timeout = whole("parent"), whole("priority"), whole("timeout")
	if n := whole("retries"); n != nil {
		r := int(*n)
		in.Retries = &r
	}
	if text, ok := get("depends_on"); ok {
		on := []int64{}
		for part := range strings.SplitSeq(strings.Trim(text, "- "), ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			n, err := strconv.ParseInt(part, 10, 64)
			if err != nil {
				wrong = append(wrong, scheduler.FieldError{Field: "depends_on", Message: "must be numbers of jobs, with commas between them"})
				break
			}
			on = append(on, n)
		}
		in.DependsOn = &on
	}
	if len(wrong) > 0 {
		err = &scheduler.Error{Code: scheduler.CodeInvalid, Message: "the job is not valid", Fields: wrong}
	}
	return in, err
}

// treeEdit is what changes.
func treeEdit(in treeIn) (scheduler.TreeEdit, error) {
	e := scheduler.TreeEdit{
		Parent: in.Parent, Title: in.Title, Command: in.Command, Dir: in.Dir, Environment: in.Environment, User: in.User, URL: in.URL,
		Progress: in.Progress, Priority: in.Priority, Affinity: in.Affinity, Retries: in.Retries, Paused: in.Paused, DependsOn: in.DependsOn,
	}
	if in.Timeout != nil {
		if *in.Timeout < 0 || *in.Timeout > 1e9 {
			return e, scheduler.Invalid("timeout", "must be from 0 (none) to 1000000000 seconds")
		}
		t := time.Duration(*in.Timeout) * time.Second
		e.Timeout = &t
	}
	return e, nil
}

// showTree lists the root or a group, or shows a job.
func (s *Server) showTree(c echo.Context) error {
	num, err := treeNum(c)
	if err != nil {
		return err
	}
	return s.treePage(c, http.StatusOK, num, views.TreeProps{})
}

// treeNum is the number in the path, 0 at the root.
func treeNum(c echo.Context) (int64, error) {
	text := c.Param("num")
	if text == "" {
		return 0, nil
	}
	num, err := strconv.ParseInt(text, 10, 64)
	if err != nil || num < 1 {
		return 0, scheduler.Errorf(scheduler.CodeNotFound, "there is no such job in the tree")
	}
	return num, nil
}

func (s *Server) treePage(c echo.Context, status int, num int64, p views.TreeProps) error {
	ctx := c.Request().Context()
	names, err := s.Service.Affinities(ctx)
	if err != nil {
		return err
	}
	title := "Tree"
	if num != 0 {
		j, err := s.Store.TreeJob(ctx, num)
		if err != nil {
			return err
		}
		p.At = &views.TreeRow{TreeJob: j, Affinities: names.Text(j.Affinity)}
		title = cmp.Or(j.Title, "Tree "+strconv.FormatInt(num, 10))
		if p.Above, err = s.Store.TreeAncestors(ctx, num); err != nil {
			return err
		}
		if p.DependsOn, err = s.Store.TreeDependencies(ctx, num); err != nil {
			return err
		}
	}
	p.Page = s.boardPage(c, title, views.NavTree)
	if p.At != nil && !p.At.IsGroup() {
		return s.treeJobPage(c, status, p)
	}
	if err := s.treeRows(c, num, &names, &p); err != nil {
		return err
	}
	items := make([]treeOut, len(p.Rows))
	for i := range p.Rows {
		items[i] = s.presentTree(&p.Rows[i], nil)
	}
	out := treeListOut{Items: items, Total: p.Total.N, Sums: sumsOut(p.Sums)}
	if p.At != nil {
		group := s.presentTree(p.At, p.DependsOn)
		out.Group = &group
	}
	return respond(c, status, answer{page: views.TreePage(p), fragment: views.TreeTable(p), json: out, file: "tree", table: func() [][]string { return s.treeTable(p.Rows) }})
}

// treeRows reads the list of a group.
func (s *Server) treeRows(c echo.Context, num int64, names *scheduler.Affinities, p *views.TreeProps) error {
	ctx := c.Request().Context()
	var states []string
	for _, st := range scheduler.TreeStates {
		states = append(states, string(st))
	}
	q := httpkit.ReadQuery(c.Request())
	f := scheduler.TreeFilter{Parent: &num, Query: q.Text("q"), State: scheduler.TreeState(q.OneOf("state", states...)), Sort: q.OneOf("sort", bothWays(scheduler.TreeSorts)...)}
	f.Limit, f.Offset = q.Page(pageSize)
	if err := q.Err(); err != nil {
		return err
	}
	list, total, err := s.Store.ListTree(ctx, f)
	if err != nil {
		return err
	}
	for _, j := range list {
		p.Rows = append(p.Rows, views.TreeRow{TreeJob: j, Affinities: names.Text(j.Affinity)})
	}
	p.Total.N, p.Query = total, views.TreeQuery{Q: f.Query, State: string(f.State), Sort: f.Sort, Limit: f.Limit, Offset: f.Offset}
	if p.At != nil {
		p.Sums = p.At.TreeCounts
		return nil
	}
	p.Sums, err = s.Store.TreeTop(ctx)
	return err
}

func (s *Server) treeJobPage(c echo.Context, status int, p views.TreeProps) error {
	ctx := c.Request().Context()
	runs, _, err := s.Store.ListExecutions(ctx, scheduler.ExecutionFilter{JobID: p.At.ID, Limit: runsShown})
	if err != nil {
		return err
	}
	if p.Runs, err = s.executionRows(ctx, runs); err != nil {
		return err
	}
	return respond(c, status, answer{page: views.TreePage(p), fragment: views.TreeJobFacts(p), json: s.presentTree(p.At, p.DependsOn)})
}

// createTreeJob adds a job or a group.
func (s *Server) createTreeJob(c echo.Context) error {
	ctx := c.Request().Context()
	in, typed, err := readTree(c)
	if err != nil && typed == nil {
		return err
	}
	at := int64(0)
	if in.Parent != nil {
		at = *in.Parent
	}
	var j scheduler.TreeJob
	if err == nil {
		j, err = s.newTreeJob(ctx, c, in)
	}
	if err != nil {
		return s.refuseTree(c, at, "new", typed, nil, err)
	}
	row := views.TreeRow{TreeJob: j}
	return s.done(c, http.StatusCreated, views.TreePath(at), good(fmt.Sprintf("Added %d.", j.Num)), answer{json: s.presentTree(&row, nil)})
}

func (s *Server) newTreeJob(ctx context.Context, c echo.Context, in treeIn) (scheduler.TreeJob, error) {
	e, err := treeEdit(in)
	if err != nil {
		return scheduler.TreeJob{}, err
	}
	d := scheduler.TreeDraft{Priority: scheduler.DefaultTreePriority}
	e.Apply(&d)
	var affinities string
	if in.Affinity != nil {
		affinities = *in.Affinity
	}
	var on []int64
	if in.DependsOn != nil {
		on = *in.DependsOn
	}
	return s.Service.CreateTreeJob(ctx, httpkit.Principal(c), d, affinities, on)
}

// readTree reads a job; typed is what came from a form.
func readTree(c echo.Context) (in treeIn, typed url.Values, err error) {
	if httpkit.IsJSON(c.Request()) {
		return in, nil, httpkit.JSON(c, &in)
	}
	if typed, err = httpkit.Form(c); err != nil {
		return in, nil, err
	}
	in, err = treeForm(typed, false)
	return in, typed, err
}

// editTreeJob changes one job.
func (s *Server) editTreeJob(c echo.Context) error {
	ctx := c.Request().Context()
	num, err := treeNum(c)
	if err != nil {
		return err
	}
	if _, err := s.Store.TreeJob(ctx, num); err != nil {
		return err
	}
	in, typed, err := readTree(c)
	if err != nil && typed == nil {
		return err
	}
	if err == nil {
		err = s.changeTree(ctx, c, []int64{num}, in)
	}
	if err != nil {
		return s.refuseTree(c, num, "edit", typed, nil, err)
	}
	return s.done(c, http.StatusNoContent, views.TreePath(num), good("Saved."), answer{})
}

func (s *Server) changeTree(ctx context.Context, c echo.Context, nums []int64, in treeIn) error {
	if in == (treeIn{}) {
		return scheduler.Errorf(scheduler.CodeInvalid, "there is nothing to change: fill in at least one field")
	}
	e, err := treeEdit(in)
	if err != nil {
		return err
	}
	edits := map[int64]scheduler.TreeEdit{}
	for _, num := range nums {
		edits[num] = e
	}
	return s.Service.EditTreeJobs(ctx, httpkit.Principal(c), edits)
}

// actOnTree does something with several jobs.
func (s *Server) actOnTree(c echo.Context) error {
	in, at, typed, err := readTreeAction(c)
	if err != nil && typed == nil {
		return err
	}
	if err == nil {
		err = s.treeAction(c, in)
	}
	if err != nil {
		return s.refuseTree(c, at, "bulk", typed, in.IDs, err)
	}
	to := at
	if in.Action == "delete" && slices.Contains(in.IDs, at) {
		to = 0
	}
	words := map[string]string{
		"start": "Started", "pause": "Paused", "reset": "Reset", "reset-errors": "Reset what was wrong of", "delete": "Deleted", "move": "Moved", "edit": "Changed",
	}[in.Action]
	return s.done(c, http.StatusNoContent, views.TreePath(to), good(fmt.Sprintf("%s %d.", words, len(in.IDs))), answer{})
}

// treeActions are what can be done with several jobs.
var treeActions = []string{"start", "pause", "reset", "reset-errors", "delete", "move", "edit"}

func readTreeAction(c echo.Context) (in treeActionIn, at int64, typed url.Values, err error) {
	if httpkit.IsJSON(c.Request()) {
		return in, 0, nil, httpkit.JSON(c, &in)
	}
	if typed, err = httpkit.Form(c); err != nil {
		return in, 0, nil, err
	}
	var one *int64
	in.Action = typed.Get("action")
	for _, action := range []string{"start", "pause"} { // of one row, whatever is chosen
		if text := typed.Get(action); text != "" {
			num, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return in, 0, typed, scheduler.Invalid(action, "must be the number of a job")
			}
			one = &num
			in.Action = action
		}
	}
	at, _ = strconv.ParseInt(typed.Get("at"), 10, 64) // else the root
	for _, name := range slices.Sorted(maps.Keys(typed)) {
		if text, is := strings.CutPrefix(name, "id."); is {
			num, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return in, at, typed, scheduler.Invalid("ids", "must be numbers of jobs")
			}
			in.IDs = append(in.IDs, num)
		}
	}
	if one != nil {
		in.IDs = []int64{*one}
	}
	in.Changes, err = treeForm(typed, true)
	return in, at, typed, err
}

func (s *Server) treeAction(c echo.Context, in treeActionIn) error {
	ctx, by := c.Request().Context(), httpkit.Principal(c)
	if len(in.IDs) == 0 {
		return scheduler.Errorf(scheduler.CodeInvalid, "choose at least one job first")
	}
	switch in.Action {
	case "start":
		return s.Service.StartTreeJobs(ctx, by, in.IDs)
	case "pause":
		return s.Service.PauseTreeJobs(ctx, by, in.IDs)
	case "reset", "reset-errors":
		return s.Service.ResetTreeJobs(ctx, by, in.IDs, in.Action == "reset-errors")
	case "delete":
		return s.Service.DeleteTreeJobs(ctx, by, in.IDs)
	case "move":
		if in.Changes.Parent == nil {
			return scheduler.Invalid("parent", "is missing: the number of a group, or 0 for the root")
		}
		return s.changeTree(ctx, c, in.IDs, treeIn{Parent: in.Changes.Parent})
	case "edit":
		in.Changes.Parent = nil
		return s.changeTree(ctx, c, in.IDs, in.Changes)
	default:
		return scheduler.Invalid("action", "must be one of %s", strings.Join(treeActions, ", "))
	}
}

// refuseTree shows what is wrong beside the fields of the form that it came from.
func (s *Server) refuseTree(c echo.Context, at int64, which string, typed url.Values, chosen []int64, err error) error {
	var domain *scheduler.Error
	if typed == nil || form(c.Request()) != asPage || !errors.As(err, &domain) || !shownBeside(domain.Code) {
		return err
	}
	if _, gone := s.Store.TreeJob(c.Request().Context(), at); gone != nil {
		at = 0
	}
	p := views.TreeProps{Form: which, Values: map[string]string{}, Errors: map[string]string{}, Selected: map[int64]bool{}}
	for name := range typed {
		p.Values[name] = typed.Get(name)
	}
	for _, num := range chosen {
		p.Selected[num] = true
	}
	for _, f := range domain.Fields {
		name := map[string]string{"dependencies": "depends_on", "retry": "retries"}[f.Field]
		p.Errors[cmp.Or(name, f.Field)] = f.Message
	}
	if len(domain.Fields) == 0 || which == "bulk" && len(p.Errors) > 0 && chosen == nil {
		p.Problem = domain.Message
	}
	return s.treePage(c, http.StatusUnprocessableEntity, at, p)
}
