package views

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"belfry/scheduler"
)

func (p JobFormProps) field(name string) formField {
	return formField{form: "f-", name: name, values: p.Values, errors: p.Errors}
}

func (p JobFormProps) value(name string) string { return p.Values[name] }

// formFields are the fields that say themselves what is wrong with them, in the
// form's order, with their labels. Those of the executor follow its choice.
var formFields = []struct{ name, label string }{
	{"name", "Name"},
	{"display_name", "Display name"},
	{"executor", "Runs"},
	{"notes", "Notes"},
	{"metadata", "Metadata"},
	{"schedule", "Schedule"},
	{"timezone", "Time zone"},
	{"enabled", "Enabled"},
	{"depends_on", "Depends on"},
	{"once", "Once"},
	{"triggers", "Starts"},
	{"run_on_start", "At the server's start"},
	{"ephemeral", "Delete it after its first success"},
	{"catch_up", "Missed fires"},
	{"catch_up_window", "Catch-up window"},
	{"jitter", "Jitter"},
	{"starts_at", "Starts (UTC)"},
	{"ends_at", "Ends (UTC)"},
	{"paused_until", "Paused until (UTC)"},
	{"tags", "Tags"},
	{"copies", "Copies"},
	{"concurrency", "When it still runs"},
	{"timeout", "Timeout"},
	{"retries", "Retries"},
	{"max_queued", "At most waiting"},
	{"max_running", "At most at once"},
	{"priority", "Priority"},
	{"retry.delay", "First retry after"},
	{"retry.factor", "Then times"},
	{"retry.max_delay", "At most"},
	{"retry.exit_codes", "Only after exit codes"},
	{"grace", "Grace"},
	{"output_limit.head", "Keep of the beginning"},
	{"output_limit.tail", "Keep of the end"},
	{"progress", "Progress pattern"},
	{"retention.max_age", "Kept for"},
	{"retention.max_count", "Executions kept"},
	{"retention.max_bytes", "Output kept"},
}

// wrongField is a line of what the form says at its top: which field is wrong,
// and how. Without an id there is no such field to go to.
type wrongField struct{ id, label, problem string }

// wrongFields are the fields that are wrong, in the form's order; then what has
// no field to stand beside.
func (p JobFormProps) wrongFields() []wrongField {
	var out []wrongField
	shown := map[string]bool{}
	add := func(name, id, label string) {
		f := p.field(name)
		if f.wrong() == "" {
			return
		}
		out = append(out, wrongField{id, label, f.wrong()})
		for k := range p.Errors {
			if k == name || strings.HasPrefix(k, name+".") {
				shown[k] = true
			}
		}
	}
	for _, f := range formFields {
		id := p.field(f.name).id()
		if f.name == "executor" {
			id = "kind-" + p.executor()
		}
		add(f.name, id, f.label)
		if f.name != "executor" {
			continue
		}
		for _, c := range configFields[p.executor()] {
			name := ConfigPrefix(p.executor()) + c.Key
			add(name, p.field(name).id(), c.Label)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(p.Errors)) {
		if !shown[k] {
			out = append(out, wrongField{"", k, p.Errors[k]})
		}
	}
	return out
}

// theirs are the fields in which what somebody else stored meanwhile differs from
// what was typed, with what is stored.
func (p JobFormProps) theirs() []wrongField {
	var out []wrongField
	add := func(name, id, label string) {
		now := p.Theirs[name]
		if plainText(now) == plainText(p.Values[name]) {
			return
		}
		if now == "" || now == "false" {
			now = "nothing"
		}
		if r := []rune(now); len(r) > 200 {
			now = string(r[:200]) + "…"
		}
		out = append(out, wrongField{id, label, now})
	}
	for _, f := range formFields {
		id := p.field(f.name).id()
		if f.name == "executor" {
			id = "kind-" + p.executor()
		}
		add(f.name, id, f.label)
		if f.name == "executor" {
			for _, c := range configFields[p.executor()] {
				name := ConfigPrefix(p.executor()) + c.Key
				add(name, p.field(name).id(), c.Label)
			}
		}
	}
	return out
}

// plainText is a field's text for comparing: forms send CRLF, and a box that is not
// checked as "false" or not at all.
func plainText(s string) string {
	if s = strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")); s == "false" {
		return ""
	}
	return s
}

// unfolded reports whether the executor's further fields have to be seen: one of
// them holds something, or is wrong.
func (p JobFormProps) unfolded(kind string) bool {
	for _, f := range configFields[kind] {
		name := ConfigPrefix(kind) + f.Key
		if f.More && (p.Values[name] != "" && len(f.Choices) == 0 || p.field(name).wrong() != "") {
			return true
		}
	}
	return false
}

// folded are the fields that are folded away until one of them holds something
// else than its default, or is wrong.
var folded = map[string][]string{
	"metadata":  {"metadata"},
	"after":     {"depends_on", "triggers"},
	"due":       {"catch_up", "catch_up_window", "jitter", "starts_at", "ends_at", "paused_until"},
	"overlap":   {"max_queued", "max_running", "priority"},
	"tries":     {"retry.delay", "retry.factor", "retry.max_delay", "retry.exit_codes", "grace"},
	"output":    {"output_limit.head", "output_limit.tail", "progress"},
	"retention": {"retention.max_age", "retention.max_count", "retention.max_bytes"},
}

// defaults are the values of folded fields that say nothing.
var defaults = map[string]string{
	"catch_up": string(scheduler.CatchUpSkip), "catch_up_window": durationValue(scheduler.DefaultCatchUpWindow),
	"max_queued": strconv.Itoa(scheduler.DefaultMaxQueued), "max_running": "0", "priority": "0",
	"retry.delay": "1s", "retry.factor": "2", "retry.max_delay": "1h", "grace": "10s",
	"output_limit.head": sizeValue(scheduler.DefaultOutputLimit.Head), "output_limit.tail": sizeValue(scheduler.DefaultOutputLimit.Tail),
}

// open reports whether a group of folded fields has to be seen.
func (p JobFormProps) open(group string) bool {
	if group == "after" && (p.Values["once"] == "true" || p.Values["run_on_start"] == "true" || p.Values["ephemeral"] == "true") {
		return true
	}
	return slices.ContainsFunc(folded[group], func(name string) bool {
		v := p.Values[name]
		return v != "" && v != defaults[name] || p.field(name).wrong() != ""
	})
}

func (p JobFormProps) executor() string {
	if e := p.Values["executor"]; e != "" {
		return e
	}
	return configKinds[0]
}

func (p JobFormProps) action() string {
	if p.Job == "" {
		return "/jobs"
	}
	return JobPath(p.Job)
}

func (p JobFormProps) cancel() string {
	if p.Job == "" {
		return "/jobs"
	}
	return JobPath(p.Job)
}

func (p JobFormProps) summary() string {
	if p.Problem != "" {
		return p.Problem
	}
	if n := len(p.wrongFields()); n > 0 {
		return "Not saved: " + plural(int64(n), "field needs", "fields need") + " another look"
	}
	return ""
}

// formParts are the form's parts, each a section with this id in its head.
var formParts = []struct{ id, title string }{{"what", "What"}, {"when", "When"}, {"where", "Where"}, {"limits", "Limits"}}

// partOf says which part of the form a field is in.
func partOf(field string) string {
	name, _, _ := strings.Cut(field, ".")
	switch name {
	case "schedule", "schedules", "timezone", "enabled", "depends_on", "triggers", "once", "run_on_start", "catch_up", "catch_up_window", "jitter",
		"starts_at", "ends_at", "paused_until":
		return "when"
	case "tags", "copies":
		return "where"
	case "concurrency", "timeout", "retries", "retry", "max_queued", "max_running", "priority", "grace", "output_limit", "progress", "retention":
		return "limits"
	default:
		return "what"
	}
}

// wrongIn counts what is wrong in a part.
func (p JobFormProps) wrongIn(part string) (n int) {
	for field := range p.Errors {
		if partOf(field) == part {
			n++
		}
	}
	return n
}
