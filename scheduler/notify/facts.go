package notify

import (
	"fmt"
	"strings"
	"time"

	"belfry/scheduler"
)

// facts are what programs are told about an execution: the keys are those of
// Belfry's own JSON.
type facts struct {
	ID          string   `json:"id"`
	Job         string   `json:"job"`
	JobID       string   `json:"job_id"`
	State       string   `json:"state"`
	Reason      string   `json:"reason"`
	Attempt     int      `json:"attempt"`
	Group       string   `json:"group"`
	Trigger     trigger  `json:"trigger"`
	DueAt       *instant `json:"due_at"`
	QueuedAt    *instant `json:"queued_at"`
	StartedAt   *instant `json:"started_at"`
	FinishedAt  *instant `json:"finished_at"`
	Duration    *string  `json:"duration"`
	ExitCode    *int     `json:"exit_code"`
	Signal      *string  `json:"signal"`
	Worker      *string  `json:"worker"`
	OutputBytes int64    `json:"output_bytes"`
	OutputLines int64    `json:"output_lines"`
}

type trigger struct {
	Kind string  `json:"kind"`
	By   *string `json:"by"`
}

type instant time.Time

// MarshalJSON writes RFC 3339 in UTC with microseconds.
func (t instant) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000000Z07:00"`), nil
}

func factsOf(e *scheduler.Execution) facts {
	f := facts{
		ID: e.ID, Job: e.JobName, JobID: e.JobID, State: string(e.State), Reason: e.Reason, Attempt: e.Attempt, Group: e.Group,
		Trigger: trigger{string(e.Trigger.Kind), some(e.Trigger.By)}, DueAt: at(e.DueAt), QueuedAt: at(e.QueuedAt),
		StartedAt: at(e.StartedAt), FinishedAt: at(e.FinishedAt), ExitCode: e.ExitCode, Signal: some(e.Signal), Worker: some(e.Worker),
		OutputBytes: e.OutputBytes, OutputLines: e.OutputLines,
	}
	if took, ok := tookOf(e); ok {
		f.Duration = some(took.String())
	}
	return f
}

func some[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func at(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	i := instant(t)
	return &i
}

// tookOf returns how long e ran; ok=false when it never did.
func tookOf(e *scheduler.Execution) (took time.Duration, ok bool) {
	return e.Elapsed(e.FinishedAt), !e.StartedAt.IsZero() && !e.FinishedAt.IsZero()
}

var stateWords = map[scheduler.State]string{
	scheduler.Succeeded: "succeeded", scheduler.Failed: "failed", scheduler.TimedOut: "timed out", scheduler.Cancelled: "was cancelled",
	scheduler.Lost: "was lost", scheduler.Missed: "was missed",
}

// headline is an execution in one line: "backup failed (exit code 3)".
func headline(e *scheduler.Execution) string {
	words := stateWords[e.State]
	if words == "" {
		words = "is " + string(e.State)
	}
	line := e.JobName + " " + words
	if why := reason(e); why != "" {
		line += " (" + why + ")"
	}
	return shorten(oneLine(line), 200)
}

// reason is the reason without the state in front of it.
func reason(e *scheduler.Execution) string {
	return strings.TrimPrefix(e.Reason, string(e.State)+": ")
}

// shorten cuts text to a number of runes.
func shorten(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// story is what is known of an execution, in lines for people.
func story(e *scheduler.Execution) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-10s %s\n", name+":", oneLine(value))
		}
	}
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	line("Job", e.JobName)
	line("State", string(e.State))
	line("Reason", e.Reason)
	line("Attempt", fmt.Sprint(e.Attempt))
	line("Trigger", strings.TrimSpace(string(e.Trigger.Kind)+" "+e.Trigger.By))
	line("Due", stamp(e.DueAt))
	line("Started", stamp(e.StartedAt))
	line("Ended", stamp(e.FinishedAt))
	if took, ok := tookOf(e); ok {
		line("Took", took.Round(time.Millisecond).String())
	}
	if e.ExitCode != nil {
		line("Exit code", fmt.Sprint(*e.ExitCode))
	}
	line("Signal", e.Signal)
	line("Worker", e.Worker)
	line("Execution", e.ID)
	return b.String()
}
