package views

import (
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

// TreeRow is a job of the tree with its affinities in words.
type TreeRow struct {
	scheduler.TreeJob
	Affinities string
}

// TreeQuery is what the list of a group is narrowed to.
type TreeQuery struct {
	Q      string
	State  string
	Sort   string
	Limit  int
	Offset int
}

// TreeProps are the page's of the root, of a group, or of a job.
type TreeProps struct {
	Page
	At        *TreeRow // nil: the root
	Above     []scheduler.TreeJob
	Sums      scheduler.TreeCounts
	Rows      []TreeRow
	Total     scheduler.Total
	Query     TreeQuery
	DependsOn []scheduler.TreeJob
	Runs      []ExecutionRowProps // of a job

	// What was typed and is wrong, of the form Form: "new", "edit" or "bulk".
	Form     string
	Values   map[string]string
	Errors   map[string]string
	Problem  string
	Selected map[int64]bool
}

// TreePath is the page of a job of the tree, of the root when num is 0.
func TreePath(num int64) string {
	if num == 0 {
		return "/tree"
	}
	return "/tree/" + strconv.FormatInt(num, 10)
}

func (p TreeProps) num() int64 {
	if p.At == nil {
		return 0
	}
	return p.At.Num
}

// isJob reports whether the page is a job's, and not a group's or the root's.
func (p TreeProps) isJob() bool { return p.At != nil && !p.At.IsGroup() }

func (p TreeProps) path(offset int) string {
	return query(TreePath(p.num()), "q", p.Query.Q, "state", p.Query.State, "sort", p.Query.Sort, "limit", atoi0(p.Query.Limit), "offset", atoi0(offset))
}

// sorted is the list in another order.
func (p TreeProps) sorted(sort string) string {
	p.Query.Sort = sort
	return p.path(0)
}

func (p TreeProps) narrowed() bool { return p.Query.Q != "" || p.Query.State != "" }

// field is one of a form. That of the job shows what is stored, unless something
// was typed.
func (p TreeProps) field(form, name string) formField {
	f := formField{form: form + "-", name: name}
	switch {
	case p.Form == form:
		f.values, f.errors = p.Values, p.Errors
	case form == "edit" && p.At != nil:
		f.values = p.At.values(p.DependsOn)
	}
	return f
}

func (r TreeRow) values(on []scheduler.TreeJob) map[string]string {
	return map[string]string{
		"title": r.Title, "command": r.Command, "dir": r.Dir, "environment": r.Environment, "user": r.User, "url": r.URL,
		"progress_pattern": r.Progress, "priority": strconv.FormatInt(r.Priority, 10), "affinity": r.Affinities,
		"timeout": strconv.FormatInt(int64(r.Timeout/time.Second), 10), "retries": strconv.Itoa(r.Retries), "depends_on": numsOf(on),
	}
}

func numsOf(list []scheduler.TreeJob) string {
	nums := make([]string, len(list))
	for i := range list {
		nums[i] = strconv.FormatInt(list[i].Num, 10)
	}
	return strings.Join(nums, ", ")
}

func treeTitle(j *scheduler.TreeJob) string {
	switch {
	case j.Title != "":
		return cutTo(j.Title, 200)
	case j.IsGroup():
		return "Group " + strconv.FormatInt(j.Num, 10)
	default:
		return "Job " + strconv.FormatInt(j.Num, 10)
	}
}

// treeLooks are how states of the tree look.
var treeLooks = map[scheduler.TreeState]struct{ Label, Tone, Icon string }{
	scheduler.TreeWaiting:  {"Waiting", "idle", "clock"},
	scheduler.TreePending:  {"Pending", "warn", "timer-off"},
	scheduler.TreeWorking:  {"Working", "busy", "circle-dot"},
	scheduler.TreeFinished: {"Finished", "good", "circle-check"},
	scheduler.TreeError:    {"Error", "bad", "circle-x"},
	scheduler.TreePaused:   {"Paused", "idle", "pause"},
}

// whyNot says why a job that waits is not taken, "" when a worker may take it.
func (r TreeRow) whyNot() string {
	switch {
	case r.IsGroup() || r.State != scheduler.TreeWaiting || r.Paused:
		return ""
	case r.Blocked > 0:
		return "waits for " + strconv.Itoa(r.Blocked) + " that it depends on"
	case r.HeldPaused > 0:
		return "a group above is paused"
	case r.HeldBlocked > 0:
		return "a group above waits"
	default:
		return ""
	}
}

func (r TreeRow) percent() int {
	if done := r.Completed(); done > 0 {
		return int(done*100 + 0.5)
	}
	return 0
}

// sumsText is a group's sums in words.
func sumsText(c scheduler.TreeCounts) string {
	waiting := c.Total - c.TotalFinished - c.TotalErrors - c.TotalWorking
	return Number(c.TotalFinished) + " of " + Number(c.Total) + " finished, " + Number(c.TotalWorking) + " working, " +
		Number(c.TotalErrors) + " wrong, " + Number(max(waiting, 0)) + " waiting"
}

// cutTo is the beginning of a text.
func cutTo(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
