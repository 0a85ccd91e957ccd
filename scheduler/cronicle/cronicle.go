// Package cronicle reads what Cronicle exports (bin/control.sh export of versions
// 0.8 and 0.9) as jobs: lines of a key and JSON, of which it takes the schedule, its
// categories, server groups and plugins. The fields are those of "Event Data Format"
// in https://github.com/jhuckaby/Cronicle/blob/master/docs/APIReference.md.
package cronicle

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

// Format is an export, for an import.
func Format() scheduler.ImportFormat {
	return scheduler.ImportFormat{
		Name: "cronicle", Title: "Cronicle",
		Hint: "What /opt/cronicle/bin/control.sh export prints. Its users, API keys and history stay there.",
		Read: func(_ context.Context, raw []byte) ([]scheduler.Imported, error) { return read(raw) },
	}
}

// flag is true, 1 or "1".
type flag bool

func (f *flag) UnmarshalJSON(b []byte) error {
	switch text := strings.Trim(string(b), `"`); text {
	case "", "0", "false", "null":
		*f = false
	case "1", "true":
		*f = true
	default:
		return fmt.Errorf("%s is neither true nor false", text)
	}
	return nil
}

// number is a whole one; it may stand in quotes, as forms send it.
type number int64

func (n *number) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "" || text == "null" || text == "false" {
		*n = 0
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v != float64(int64(v)) {
		return fmt.Errorf("%s is not a whole number", text)
	}
	*n = number(v)
	return nil
}

func (n number) seconds() time.Duration { return time.Duration(n) * time.Second }

// event is one of the schedule.
type event struct {
	ID            string                     `json:"id"`
	Title         string                     `json:"title"`
	Enabled       flag                       `json:"enabled"`
	Category      string                     `json:"category"`
	Plugin        string                     `json:"plugin"`
	Params        map[string]json.RawMessage `json:"params"`
	Timing        json.RawMessage            `json:"timing"`
	Timezone      string                     `json:"timezone"`
	Target        string                     `json:"target"`
	Algo          string                     `json:"algo"`
	Multiplex     flag                       `json:"multiplex"`
	Stagger       number                     `json:"stagger"`
	CatchUp       flag                       `json:"catch_up"`
	Detached      flag                       `json:"detached"`
	MaxChildren   number                     `json:"max_children"`
	Queue         flag                       `json:"queue"`
	QueueMax      number                     `json:"queue_max"`
	Timeout       number                     `json:"timeout"`
	Retries       number                     `json:"retries"`
	RetryDelay    number                     `json:"retry_delay"`
	Chain         string                     `json:"chain"`
	ChainError    string                     `json:"chain_error"`
	NotifySuccess string                     `json:"notify_success"`
	NotifyFail    string                     `json:"notify_fail"`
	WebHook       string                     `json:"web_hook"`
	CPULimit      number                     `json:"cpu_limit"`
	MemoryLimit   number                     `json:"memory_limit"`
	LogMaxSize    number                     `json:"log_max_size"`
	Notes         string                     `json:"notes"`
	Username      string                     `json:"username"`
	Created       number                     `json:"created"`

	name string // that it gets here
}

type category struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Enabled     *flag  `json:"enabled"`
	MaxChildren number `json:"max_children"`
}

type group struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Regexp string `json:"regexp"`
}

type plugin struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Command string `json:"command"`
	Enabled *flag  `json:"enabled"`
	Cwd     string `json:"cwd"`
	UID     string `json:"uid"`
}

// export is what of a file matters here.
type export struct {
	events     []*event
	broken     []scheduler.Imported // items of the schedule that are no events
	categories map[string]category
	groups     map[string]group
	plugins    map[string]plugin
	byID       map[string]*event
}

// page is a page of one of the lists, whose items are of it.
var page = regexp.MustCompile(`^global/(schedule|categories|server_groups|plugins)/-?[0-9]+$`)

func read(raw []byte) ([]scheduler.Imported, error) {
	x := export{categories: map[string]category{}, groups: map[string]group{}, plugins: map[string]plugin{}, byID: map[string]*event{}}
	found, number := false, 0
	for line := range bytes.Lines(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, value, ok := bytes.Cut(line, []byte(" - "))
		if !ok {
			return nil, scheduler.Errorf(scheduler.CodeInvalid, "line %d is not of an export by Cronicle, where each has a key, a hyphen and JSON", number)
		}
		if string(key) == "global/schedule" {
			found = true // the list itself; a new server has no page of it
		}
		m := page.FindSubmatch(key)
		if m == nil {
			continue
		}
		var list struct {
			Items []json.RawMessage `json:"items"`
		}
		err := json.Unmarshal(value, &list)
		if err == nil {
			found = found || string(m[1]) == "schedule"
			err = x.add(string(m[1]), list.Items)
		}
		if err != nil {
			return nil, scheduler.Errorf(scheduler.CodeInvalid, "line %d, %s, cannot be read: %s", number, key, scheduler.JSONProblem(err))
		}
	}
	if !found {
		return nil, scheduler.Errorf(scheduler.CodeInvalid, "it has no global/schedule, which every export by Cronicle has")
	}
	return x.jobs(), nil
}

// add takes over the items of a page.
func (x *export) add(list string, items []json.RawMessage) error {
	for _, item := range items {
		var err error
		switch list {
		case "schedule":
			x.event(item)
		case "categories":
			var c category
			if err = json.Unmarshal(item, &c); err == nil {
				x.categories[c.ID] = c
			}
		case "server_groups":
			var g group
			if err = json.Unmarshal(item, &g); err == nil {
				x.groups[g.ID] = g
			}
		case "plugins":
			var p plugin
			if err = json.Unmarshal(item, &p); err == nil {
				x.plugins[p.ID] = p
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// event takes over one that can be read. Another one is refused alone.
func (x *export) event(item json.RawMessage) {
	e := &event{}
	if err := json.Unmarshal(item, e); err != nil {
		var known struct{ ID, Title any }
		_ = json.Unmarshal(item, &known)
		name := "an event"
		for _, text := range []any{known.ID, known.Title} {
			if s, ok := text.(string); ok && s != "" {
				name = s
			}
		}
		x.broken = append(x.broken, scheduler.Imported{
			Draft: scheduler.Draft{Name: name}, Err: scheduler.Errorf(scheduler.CodeInvalid, "it is no event: %s", scheduler.JSONProblem(err)),
		})
		return
	}
	x.events = append(x.events, e)
}

// jobs makes them, the oldest first: titles are not unique there, and which one is
// the second must be the same each time.
func (x *export) jobs() []scheduler.Imported {
	slices.SortStableFunc(x.events, func(a, b *event) int { return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID)) })
	titles := make([]string, len(x.events))
	for i, e := range x.events {
		titles[i] = cmp.Or(strings.TrimSpace(e.Title), e.ID)
	}
	for i, name := range scheduler.DistinctNames(titles) {
		e := x.events[i]
		e.name = name
		x.byID[e.ID] = e
	}
	list := make([]scheduler.Imported, 0, len(x.events)+len(x.broken))
	for _, e := range x.events {
		list = append(list, x.job(e))
	}
	return append(list, x.broken...)
}

// said collects what is to be known about a job.
type said []string

func (s *said) note(format string, args ...any) { *s = append(*s, fmt.Sprintf(format, args...)) }

func (x *export) job(e *event) (one scheduler.Imported) {
	d := scheduler.Draft{
		Name: e.name, Enabled: bool(e.Enabled), Notes: strings.TrimSpace(e.Notes), Timeout: e.Timeout.seconds(),
		Retries: int(e.Retries), Metadata: map[string]string{},
	}
	if t := strings.TrimSpace(e.Title); t != "" && t != e.name {
		d.DisplayName = t
	}
	if e.Username != "" {
		d.Metadata["owner"] = e.Username
	}
	var notes said
	var err error
	if d.Schedules, err = e.schedules(); err == nil {
		err = x.what(e, &d, &notes)
	}
	if err != nil {
		return scheduler.Imported{Draft: d, Err: scheduler.Errorf(scheduler.CodeInvalid, "%s", err)}
	}
	if e.Retries > 0 {
		delay := max(e.RetryDelay.seconds(), time.Second)
		d.Retry = scheduler.RetryPolicy{Delay: delay, Factor: 1, MaxDelay: delay}
	}
	if e.CatchUp {
		d.CatchUp, d.CatchUpWindow = scheduler.CatchUpAll, 30*24*time.Hour
		notes.note("Runs that were missed are caught up with for 30 days back, at most 100 of them.")
	}
	x.overlap(e, &d, &notes)
	x.where(e, &d, &notes)
	x.then(e, &d, &notes)
	if c, ok := x.categories[e.Category]; ok && e.Category != "general" {
		d.Metadata["category"] = cmp.Or(c.Title, c.ID)
		if c.Enabled != nil && !*c.Enabled {
			d.Enabled = false
			notes.note("Its category %s is disabled there, so it is disabled here.", cmp.Or(c.Title, c.ID))
		}
		if c.MaxChildren > 0 {
			notes.note("All of its category %s may run %d at once there; there is no such limit here.", cmp.Or(c.Title, c.ID), c.MaxChildren)
		}
	}
	if e.CPULimit > 0 {
		notes.note("It is stopped there when it uses more than %d %% of a core; nothing limits that here.", e.CPULimit)
	}
	if e.LogMaxSize > 0 {
		notes.note("It is stopped there when it writes more than %d bytes; here, the output limit cuts its middle out.", e.LogMaxSize)
	}
	return scheduler.Imported{Draft: d, Notes: notes}
}

// overlap is what happens when it still runs.
func (x *export) overlap(e *event, d *scheduler.Draft, notes *said) {
	switch {
	case e.MaxChildren == 1 && bool(e.Queue):
		d.Concurrency = scheduler.Queue
		if e.QueueMax > 0 {
			d.MaxQueued = int(e.QueueMax)
		}
	case e.MaxChildren == 1:
		d.Concurrency = scheduler.Forbid
	case e.MaxChildren > 1:
		d.MaxRunning = int(e.MaxChildren)
		if !e.Queue {
			notes.note("While %d run, a further one does not start there; here it waits.", e.MaxChildren)
		}
	}
}

// where says which servers ran it.
func (x *export) where(e *event, d *scheduler.Draft, notes *said) {
	g, ok := x.groups[e.Target]
	all := e.Target == "" || ok && (g.Regexp == ".+" || g.Regexp == ".*")
	if !all {
		place := "the server " + e.Target
		if ok {
			place = "the servers of the group " + cmp.Or(g.Title, g.ID)
		}
		notes.note("It runs on %s there. Here any worker takes it: give those workers a tag, and the job the same.", place)
	}
	if e.Multiplex {
		d.Copies = scheduler.EveryWorker
		if e.Stagger > 0 {
			notes.note("Its copies start %d s after each other there, and at once here.", e.Stagger)
		}
	}
}

// then is what follows its end.
func (x *export) then(e *event, d *scheduler.Draft, notes *said) {
	for _, next := range []struct {
		id string
		on scheduler.Condition
	}{{e.Chain, scheduler.OnSuccess}, {e.ChainError, scheduler.OnFailure}} {
		if next.id == "" {
			continue
		}
		if to := x.byID[next.id]; to != nil {
			d.Triggers = append(d.Triggers, scheduler.Dependency{Job: to.name, On: next.on})
		} else {
			notes.note("It starts the event %s there, which the export does not have.", next.id)
		}
	}
	for _, mail := range []struct{ to, after string }{{e.NotifySuccess, "success"}, {e.NotifyFail, "failure"}} {
		if mail.to != "" {
			notes.note("After a %s it mails %s there; here, add a notification for that.", mail.after, mail.to)
		}
	}
	if e.WebHook != "" {
		notes.note("It calls %s when it starts and ends there; here, add a notification for its end.", e.WebHook)
	}
}
