package ofelia

import (
	"cmp"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"belfry/scheduler"
	"belfry/scheduler/jobfile"
)

// types are the types of jobs, in the order of the document.
var types = func() (all []string) {
	for _, t := range jobfile.Types {
		all = append(all, string(t))
	}
	return all
}()

// typeOf is the type of an executor's jobs: the executor's own name where the
// document has no word for it.
func typeOf(executor string) string {
	t, _ := jobfile.TypeOf(executor)
	return string(t)
}

// typesWith are the types, and what typeOf says of the other executors.
func typesWith(executors []string) []string {
	all := slices.Clone(types)
	for _, executor := range executors {
		if t := typeOf(executor); !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// rowOf is where documented and plainValues have an executor's jobs: its type, and
// "" for what the document has no word for.
func rowOf(executor string) string {
	t, known := jobfile.TypeOf(executor)
	if !known {
		return ""
	}
	return string(t)
}

// The states of jobs and executions.
const (
	statusPending = "pending"
	statusRunning = "running"
	statusSuccess = "success"
	statusFailed  = "failed"
	statusStopped = "stopped"
	statusSkipped = "skipped"
	statusMissed  = "missed"
	statusLost    = "lost"
)

var jobStatuses = []string{
	statusPending, statusRunning, statusSuccess, statusFailed, statusStopped, statusSkipped, statusMissed, statusLost,
}

var stateNames = map[scheduler.State]string{
	scheduler.Queued: statusPending, scheduler.Running: statusRunning, scheduler.Succeeded: statusSuccess,
	scheduler.Failed: statusFailed, scheduler.TimedOut: statusFailed, scheduler.Cancelled: statusStopped,
	scheduler.Lost: statusLost, scheduler.Skipped: statusSkipped, scheduler.Missed: statusMissed,
}

func statusOf(s scheduler.State) string { return stateNames[s] }

// latest is what a job's executions say of it.
type latest struct {
	status string
	run    stamp // when it ran last
}

// latestOf says that a job runs while any execution of it does, and of a job that
// never ran that it is pending. Otherwise its status is how the newest execution
// ended, be it one that was skipped or missed.
func latestOf(s scheduler.JobStats) latest {
	l := latest{statusPending, stamp(s.LastStarted)}
	switch {
	case s.Counts[scheduler.Running] > 0:
		l.status = statusRunning
	case s.Last != nil && !s.LastStarted.IsZero():
		l.status = statusOf(s.Last.State)
	}
	return l
}

// documented are the keys that the document shows of a job of each type. Others
// are shown only where they say something else than what every new job has.
var documented = map[string][]string{
	"exec":    {"schedule", "command", "container", "user", "environment", "tty"},
	"run":     {"schedule", "command", "image", "user", "environment", "tty"},
	"service": {"schedule", "command", "image", "user", "environment", "tty"},
	"local":   {"schedule", "command", "user", "environment"},
	"http":    {"schedule", "url", "method"},
	"":        {"schedule"},
}

// shownInLists are those that a list has, too.
var shownInLists = []string{"schedule", "command", "container", "image", "url", "method"}

// jobObject is a job with its configuration.
func jobObject(j scheduler.Job, last latest, next time.Time) map[string]any {
	all := jobfile.JSON(j.Draft)
	row := rowOf(j.Executor)
	plain := plainValues[row]
	for key, v := range all {
		if !slices.Contains(documented[row], key) && reflect.DeepEqual(v, plain[key]) {
			delete(all, key)
		}
	}
	all["name"], all["type"], all["enabled"] = j.Name, typeOf(j.Executor), j.Enabled
	all["status"], all["origin"] = last.status, originOf(j.Origin)
	all["lastRun"], all["nextRun"] = last.run, stamp(next)
	return all
}

// plainValues are the fields of a new job of each type.
var plainValues = func() map[string]map[string]any {
	global := jobfile.DefaultGlobal()
	all := map[string]map[string]any{}
	for _, t := range append(slices.Clone(jobfile.Types), "") {
		d := jobfile.New(t, &global)
		d.Normalize()
		all[string(t)] = jobfile.JSON(d)
	}
	return all
}()

// listObject is a job in a list.
func listObject(j scheduler.Job, last latest, next time.Time) map[string]any {
	all := jobObject(j, last, next)
	one := map[string]any{}
	for _, key := range []string{"name", "type", "enabled", "status", "origin", "lastRun", "nextRun"} {
		one[key] = all[key]
	}
	for _, key := range shownInLists {
		if v, ok := all[key]; ok && slices.Contains(append(documented[rowOf(j.Executor)], "container"), key) {
			one[key] = v
		}
	}
	return one
}

// originOf is where a job was made, by this API's words.
func originOf(o scheduler.Origin) string {
	switch o {
	case scheduler.OriginPage, scheduler.OriginDemo:
		return "web"
	default:
		return string(o)
	}
}

// nextRun is when a job fires next; never while it is disabled.
func (a *API) nextRun(j scheduler.Job) time.Time {
	if !j.Enabled {
		return time.Time{}
	}
	at, _ := a.Timetable.Next(j.ID)
	return at
}

// compareTimes puts what has no time last, in either order.
func compareTimes(x, y stamp, down bool) int {
	a, b := time.Time(x), time.Time(y)
	if a.IsZero() != b.IsZero() {
		if a.IsZero() != down {
			return 1
		}
		return -1
	}
	return a.Compare(b)
}

func metricsOf(s scheduler.JobStats) metricsWire {
	m := metricsWire{
		SuccessfulRuns: s.Counts[scheduler.Succeeded],
		FailedRuns:     s.Counts[scheduler.Failed] + s.Counts[scheduler.TimedOut] + s.Counts[scheduler.Lost],
		LastSuccess:    stamp(s.LastSuccess), LastFailure: stamp(s.LastFailure),
	}
	m.TotalRuns = m.SuccessfulRuns + m.FailedRuns + s.Counts[scheduler.Cancelled]
	var sum time.Duration
	var n int64
	for _, o := range s.Recent {
		if !o.StartedAt.IsZero() {
			sum += o.Took
			n++
		}
	}
	if n > 0 {
		m.AverageDuration = int64(sum) / n
	}
	return m
}

// ran reports whether an execution has run and ended.
func ran(e scheduler.Execution) bool { return !e.StartedAt.IsZero() && e.State.Final() }

func presentHistory(e scheduler.Execution, output string) historyWire {
	h := historyWire{
		ExecutionID: e.ID, StartTime: stamp(cmp.Or(e.StartedAt, e.DueAt)), Status: statusOf(e.State), Output: output,
	}
	if ran(e) {
		took := int64(e.FinishedAt.Sub(e.StartedAt))
		h.EndTime, h.Duration = stamp(e.FinishedAt), &took
	}
	if e.State.Final() && e.State != scheduler.Succeeded {
		reason := cmp.Or(e.Reason, string(e.State))
		h.Error = &reason
	}
	return h
}

// exitCode is that of a process: what an HTTP server answered is none.
func exitCode(e scheduler.Execution) *int {
	if !ran(e) {
		return nil
	}
	return e.ExitCode
}

// logLinesOf cuts a chunk that begins with a line into its lines.
func logLinesOf(c scheduler.Chunk) []lineWire {
	lines := []lineWire{}
	start, end := 0, 0
	for i, p := range c.Pieces {
		if start == end {
			lines = append(lines, lineWire{Timestamp: stamp(p.At), Level: levelOf(p.Stream)})
		}
		end = min(end+p.Len, len(c.Data))
		if p.Open && i < len(c.Pieces)-1 {
			continue
		}
		text := strings.TrimSuffix(strings.TrimSuffix(string(c.Data[start:end]), "\n"), "\r")
		lines[len(lines)-1].Message = strings.ToValidUTF8(text, "\uFFFD")
		start = end
	}
	return lines
}

func levelOf(s scheduler.Stream) string {
	if s == scheduler.Stderr {
		return "error"
	}
	return "info"
}

// inKeys is an error about a draft with this API's keys for the domain's fields.
func inKeys(d scheduler.Draft, err error) error {
	var domain *scheduler.Error
	if !errors.As(err, &domain) || len(domain.Fields) == 0 {
		return err
	}
	with := *domain
	with.Fields = slices.Clone(domain.Fields)
	for i := range with.Fields {
		with.Fields[i].Field = jobfile.JSONField(d, with.Fields[i].Field)
		with.Fields[i].Message = strings.TrimSuffix(with.Fields[i].Message, " (or argv)") // which this API does not have
	}
	return &with
}

// otherwise is what one run changes of its job's configuration, nil for nothing.
func otherwise(j scheduler.Job, in runRequest) (json.RawMessage, error) {
	if in.Command == nil && in.Environment == nil {
		return nil, nil
	}
	given := rawObject{}
	if in.Command != nil {
		given["command"] = in.Command
	}
	if in.Environment != nil {
		given["environment"] = in.Environment
		var own []string
		if json.Unmarshal(in.Environment, &own) == nil && own != nil { // else Merge refuses it
			given["environment"], _ = json.Marshal(append(otherVariables(j, own), own...)) // of texts: it cannot fail
		}
	}
	d := j.Draft
	if err := jobfile.Merge(&d, given, nil); err != nil {
		return nil, err
	}
	return changes(j.Config, d.Config)
}

// changes are the members in which an object differs from another; null is one
// that it does not have.
func changes(before, after json.RawMessage) (json.RawMessage, error) {
	var old, now map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(before, &old), json.Unmarshal(after, &now)); err != nil {
		return nil, err
	}
	diff := map[string]json.RawMessage{}
	for key, v := range now {
		if string(old[key]) != string(v) {
			diff[key] = v
		}
	}
	for key := range old {
		if _, still := now[key]; !still {
			diff[key] = json.RawMessage("null")
		}
	}
	return json.Marshal(diff)
}

// otherVariables are the variables of a job that a run does not replace.
func otherVariables(j scheduler.Job, by []string) []string {
	list, _ := jobfile.JSON(j.Draft)["environment"].([]string)
	return slices.DeleteFunc(slices.Clone(list), func(own string) bool {
		name, _, _ := strings.Cut(own, "=")
		return slices.ContainsFunc(by, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	})
}
