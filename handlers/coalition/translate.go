package coalition

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

// What a client that says nothing gets.
const (
	defaultTimeout  = 1000 // seconds
	defaultPriority = scheduler.DefaultTreePriority
)

func truth(is bool) int {
	if is {
		return 1
	}
	return 0
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// toWire shows a job.
func toWire(j *scheduler.TreeJob, names *scheduler.Affinities, now time.Time) jobWire {
	w := jobWire{
		ID: j.Num, Parent: j.Parent, Title: j.Title, Command: j.Command, Dir: j.Dir, Environment: environment(j.Environment),
		State: state(j.Shown()), Paused: truth(j.Paused), Worker: j.Worker, StartTime: seconds(j.StartedAt),
		Duration: int64(j.Elapsed(now) / time.Second), PingTime: seconds(j.PingAt), RunDone: j.Runs, Retry: j.Retry,
		Timeout: int64(j.Timeout / time.Second), Priority: j.Priority, Affinity: names.Text(j.Affinity), AffinityBits: j.Affinity,
		User: j.User, Finished: j.Finished, Errors: j.Errors, Working: j.Working,
		Total: j.Total, TotalFinished: j.TotalFinished, TotalErrors: j.TotalErrors, TotalWorking: j.TotalWorking,
		URL: j.URL, ProgressPattern: j.Progress, HAffinity: j.Mask, HPriority: priorityOf(j.Path), HPaused: truth(j.Held()), HDepth: j.Depth(),
	}
	if done := j.Completed(); done != scheduler.NoProgress {
		w.Progress = &done
	}
	return w
}

func state(s scheduler.TreeState) string { return strings.ToUpper(string(s)) }

// priorityOf is a path as a number: its first eight levels, a byte each.
func priorityOf(path string) (n uint64) {
	levels, err := hex.DecodeString(path)
	if err != nil {
		return 0
	}
	for i := range 8 {
		n <<= 8
		if i < len(levels) {
			n |= uint64(levels[i])
		}
	}
	return n
}

// environment is how Coalition writes variables: with backslash and n between them.
func environment(lines string) string { return strings.ReplaceAll(lines, "\n", `\n`) }

func readEnvironment(text string) string { return strings.ReplaceAll(text, `\n`, "\n") }

// values reads what a client sends: numbers that came as texts, and texts that came
// as numbers, as Coalition does.
type values map[string]json.RawMessage

func (v values) has(name string) bool {
	raw, ok := v[name]
	return ok && string(raw) != "null"
}

func (v values) text(name string) (string, error) {
	if !v.has(name) {
		return "", nil
	}
	var s string
	if json.Unmarshal(v[name], &s) == nil {
		return s, nil
	}
	var n json.Number
	if json.Unmarshal(v[name], &n) == nil {
		return n.String(), nil
	}
	return "", scheduler.Invalid(name, "must be a text in quotes")
}

func (v values) number(name string, otherwise int64) (int64, error) {
	if !v.has(name) {
		return otherwise, nil
	}
	return number(name, v[name])
}

func number(name string, raw json.RawMessage) (int64, error) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		raw = json.RawMessage(strings.TrimSpace(s))
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err == nil {
		return n, nil
	}
	if f, err := strconv.ParseFloat(string(raw), 64); err == nil && f == float64(int64(f)) && f > -1e15 && f < 1e15 {
		return int64(f), nil
	}
	return 0, scheduler.Invalid(name, "must be a whole number")
}

func (v values) boolean(name string, otherwise bool) (is bool, err error) {
	if !v.has(name) {
		return otherwise, nil
	}
	if json.Unmarshal(v[name], &is) == nil {
		return is, nil
	}
	n, err := number(name, v[name])
	return n != 0, err
}

// timeout reads seconds.
func (v values) timeout(otherwise int64) (time.Duration, error) {
	n, err := v.number("timeout", otherwise)
	if err == nil && (n < 0 || n > 1e9) {
		err = scheduler.Invalid("timeout", "must be from 0 (none) to 1000000000 seconds")
	}
	return time.Duration(n) * time.Second, err
}

func (v values) retries() (int, error) {
	n, err := v.number("retry", 0)
	if err == nil && (n < 0 || n > 1e6) {
		err = scheduler.Invalid("retry", "must be from 0 to 1000000")
	}
	return int(n), err
}

// ids reads a list of ids: numbers or texts, a text with commas between them, or an
// object whose keys they are.
func ids(name string, raw json.RawMessage) ([]int64, error) {
	var list []json.RawMessage
	var text string
	var object map[string]json.RawMessage
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return []int64{}, nil
	case json.Unmarshal(raw, &text) == nil:
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, json.RawMessage(part))
			}
		}
	case json.Unmarshal(raw, &object) == nil:
		for _, key := range slices.Sorted(maps.Keys(object)) {
			list = append(list, json.RawMessage(key))
		}
	case json.Unmarshal(raw, &list) != nil:
		return nil, scheduler.Invalid(name, "must be a list of ids, such as [1, 2]")
	}
	nums := make([]int64, 0, len(list))
	for _, one := range list {
		n, err := number(name, one)
		if err != nil {
			return nil, scheduler.Invalid(name, "must be a list of ids, such as [1, 2]: %s is none", shorten(string(one)))
		}
		nums = append(nums, n)
	}
	return nums, nil
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// readDraft reads a job that a client creates; what it does not know is passed over,
// as by Coalition.
func readDraft(v values) (d scheduler.TreeDraft, dependsOn []int64, affinities string, err error) {
	first := func(e error) { err = cmp.Or(err, e) }
	text := func(name string) string {
		s, e := v.text(name)
		first(e)
		return s
	}
	num := func(name string, otherwise int64) int64 {
		n, e := v.number(name, otherwise)
		first(e)
		return n
	}
	d = scheduler.TreeDraft{
		Parent: num("parent", 0), Title: text("title"), Command: text("command"), Dir: text("dir"),
		Environment: readEnvironment(text("environment")), User: text("user"), URL: text("url"), Progress: text("progress_pattern"),
		Priority: num("priority", defaultPriority), Paused: strings.EqualFold(text("state"), "PAUSED"),
	}
	affinities = text("affinity")
	var e error
	d.Timeout, e = v.timeout(defaultTimeout)
	first(e)
	d.Retries, e = v.retries()
	first(e)
	dependsOn, e = ids("dependencies", v["dependencies"])
	first(e)
	return d, dependsOn, affinities, err
}

// kept are columns of a job that follow from what happens.
var kept = []string{
	"id", "worker", "start_time", "duration", "ping_time", "run_done", "finished", "errors", "working", "total", "total_finished",
	"total_errors", "total_working", "progress", "affinity_bits", "h_affinity", "h_priority", "h_paused", "h_depth",
}

// readEdit reads what a client changes of a job.
func readEdit(v values) (e scheduler.TreeEdit, err error) {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if err := readColumn(v, name, &e); err != nil {
			return e, err
		}
	}
	return e, nil
}

func readColumn(v values, name string, e *scheduler.TreeEdit) (err error) {
	texts := map[string]**string{
		"title": &e.Title, "command": &e.Command, "dir": &e.Dir, "environment": &e.Environment, "user": &e.User, "url": &e.URL,
		"progress_pattern": &e.Progress, "affinity": &e.Affinity,
	}
	if to, ok := texts[name]; ok {
		var s string
		s, err = v.text(name)
		if name == "environment" {
			s = readEnvironment(s)
		}
		*to = &s
		return err
	}
	switch name {
	case "priority":
		n, e2 := v.number(name, defaultPriority)
		e.Priority, err = &n, e2
	case "parent":
		n, e2 := v.number(name, 0)
		e.Parent, err = &n, e2
	case "timeout":
		t, e2 := v.timeout(0)
		e.Timeout, err = &t, e2
	case "retry":
		n, e2 := v.retries()
		e.Retries, err = &n, e2
	case "paused":
		is, e2 := v.boolean(name, false)
		e.Paused, err = &is, e2
	case "state":
		s, e2 := v.text(name)
		to := scheduler.TreeState(strings.ToLower(s))
		e.State, err = &to, e2
	case "dependencies":
		on, e2 := ids(name, v[name])
		e.DependsOn, err = &on, e2
	default:
		if slices.Contains(kept, name) {
			return scheduler.Invalid(name, "follows from what happens and cannot be set")
		}
		return scheduler.Invalid(shorten(name), "is no column of a job")
	}
	return err
}

// readWorkerEdit reads what a client changes of a worker.
func readWorkerEdit(v values) (e scheduler.TreeWorkerEdit, err error) {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		switch name {
		case "affinity":
			s, err := v.text(name)
			if err != nil {
				return e, err
			}
			e.Affinity = &s
		case "active":
			is, err := v.boolean(name, true)
			if err != nil {
				return e, err
			}
			e.Active = &is
		default:
			return e, scheduler.Invalid(shorten(name), "of a worker cannot be changed; affinity and active can")
		}
	}
	return e, nil
}

// workerToWire shows a worker.
func workerToWire(w *scheduler.Worker, kept scheduler.TreeWorker, working bool) workerWire {
	lines := make([]string, len(w.Rules))
	for i, rule := range w.Rules {
		lines[i] = strings.Join(rule, ",")
	}
	wire := workerWire{
		Name: w.Name, Affinity: strings.Join(lines, "\n"), State: "WAITING", PingTime: seconds(w.SeenAt), StartTime: float64(seconds(kept.Since)),
		Finished: kept.Finished, Error: kept.Errors, LastJob: cmp.Or(kept.LastJob, -1), CurrentEvent: cmp.Or(kept.LastRun, -1),
		CPU: fmt.Sprintf("[%d]", int(w.About.Load*100+0.5)), FreeMemory: w.About.MemoryFree >> 20, TotalMemory: w.About.MemoryTotal >> 20,
		Active: truth(w.Mode == scheduler.WorkerActive),
	}
	switch {
	case w.Presence != scheduler.WorkerOnline:
		wire.State = "TIMEOUT"
	case working:
		wire.State = "WORKING"
	}
	return wire
}

// eventToWire shows a run. What ended in any other way than well is an error.
func eventToWire(r *scheduler.TreeRun) eventWire {
	w := eventWire{
		ID: r.Seq, Worker: r.Worker, JobID: r.Num, JobTitle: r.Title, State: "ERROR",
		Start: seconds(r.Start), Duration: int64(r.Took / time.Second),
	}
	switch r.State {
	case scheduler.Running:
		w.State = "WORKING"
	case scheduler.Succeeded:
		w.State = "FINISHED"
	}
	return w
}

// literal writes a text as Python reads it, in ASCII, as bytes: with a text of
// characters the worker, which is old, dies of all that is not ASCII.
func literal(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\' || c == '\'':
			b.WriteString(`\` + string(c))
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < 0x20 || c > 0x7e:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// nothing is what a worker gets for which there is no job.
const nothing = "(-1, '', '', '', None)"

// picked is what a worker gets: five values that it evaluates.
func picked(j *scheduler.TreeJob) string {
	return fmt.Sprintf("(%d, %s, %s, %s, %s)", j.Num, literal(j.Command), literal(j.Dir), literal(j.User), literal(environment(j.Environment)))
}
