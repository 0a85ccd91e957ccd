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

// shownFields are the fields that say themselves what is wrong with them.
var shownFields = func() []string {
	names := []string{
		"name", "display_name", "notes", "enabled", "schedule", "timezone", "executor", "concurrency", "once", "run_on_start", "ephemeral", "retries", "timeout", "tags", "copies",
	}
	for _, fields := range folded {
		names = append(names, fields...)
	}
	for kind, fields := range configFields {
		for _, f := range fields {
			names = append(names, ConfigPrefix(kind)+f.Key)
		}
	}
	return names
}()

// others are the errors that have no field to stand beside.
func (p JobFormProps) others() []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(p.Errors)) {
		shown := slices.ContainsFunc(shownFields, func(name string) bool { return k == name || strings.HasPrefix(k, name+".") })
		// Fields of the executor that was not chosen are folded away.
		if key, ok := strings.CutPrefix(k, ConfigPrefix(p.Values["executor"])); ok && shown {
			key, _, _ = strings.Cut(key, ".")
			shown = slices.ContainsFunc(configFields[p.Values["executor"]], func(f configField) bool { return f.Key == key })
		}
		if !shown {
			out = append(out, k+": "+p.Errors[k])
		}
	}
	return out
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
	if n := len(p.Errors); n > 0 {
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
