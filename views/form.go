package views

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"belfry/scheduler"
)

// formField is one control of a form: its name, what was typed, what is wrong.
type formField struct {
	form   string // makes ids differ between the forms of a page
	name   string
	values map[string]string
	errors map[string]string
}

func (f formField) value() string { return f.values[f.name] }

// wrong is what is wrong with the field or with a part of it ("config.env.A" is
// said beside "config.env").
func (f formField) wrong() string {
	var all []string
	if w := f.errors[f.name]; w != "" {
		all = append(all, w)
	}
	for _, k := range slices.Sorted(maps.Keys(f.errors)) {
		if part, ok := strings.CutPrefix(k, f.name+"."); ok {
			all = append(all, part+": "+f.errors[k])
		}
	}
	return strings.Join(all, "; ")
}
func (f formField) id() string { return f.form + strings.ReplaceAll(f.name, ".", "-") }

// described are the attributes that tie a control to its hint and its error.
func (f formField) described(hint bool) templ.Attributes {
	a := templ.Attributes{"id": f.id(), "name": f.name}
	var by []string
	if f.wrong() != "" {
		a["aria-invalid"] = "true"
		by = append(by, f.id()+"-error")
	}
	if hint {
		by = append(by, f.id()+"-hint")
	}
	if len(by) > 0 {
		a["aria-describedby"] = strings.Join(by, " ")
	}
	return a
}

func (p JobFormProps) field(name string) formField {
	return formField{form: "f-", name: name, values: p.Values, errors: p.Errors}
}

func (p JobFormProps) value(name string) string { return p.Values[name] }

// shownFields are the fields that say themselves what is wrong with them.
var shownFields = func() []string {
	names := []string{
		"name", "display_name", "notes", "enabled", "schedule", "timezone", "executor", "concurrency",
		"retries", "retry.delay", "retry.factor", "retry.max_delay", "timeout", "grace",
	}
	for _, fields := range configFields {
		for _, f := range fields {
			names = append(names, "config."+f.Key)
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
		if key, ok := strings.CutPrefix(k, "config."); ok && shown {
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
		name := "config." + f.Key
		if f.More && (p.Values[name] != "" && len(f.Choices) == 0 || p.field(name).wrong() != "") {
			return true
		}
	}
	return false
}

func (p JobFormProps) tuned() bool {
	for _, name := range [...]string{"retry.delay", "retry.factor", "retry.max_delay", "grace"} {
		if p.field(name).wrong() != "" {
			return true
		}
	}
	return false
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

// moreSchedules counts the schedules that this form has no field for.
func (p JobFormProps) moreSchedules() int {
	n, err := strconv.Atoi(p.Values["schedules"])
	if err != nil {
		return 0
	}
	return max(n-1, 0)
}

// FormValues makes the job form's values of a draft. What the form has no field
// for is not in it: the handler starts from the stored draft when it saves.
// Durations are as Go writes them; objects and the argv of a command are one
// entry a line, an argv with line breaks in it a JSON array; other lists are
// separated by commas. "schedules" counts the schedules: the form edits the first.
func FormValues(d scheduler.Draft) map[string]string {
	v := map[string]string{
		"name": d.Name, "display_name": d.DisplayName, "notes": d.Notes,
		"executor": d.Executor, "concurrency": string(d.Concurrency),
		"retries": strconv.Itoa(d.Retries),
		"timeout": durationValue(d.Timeout), "grace": durationValue(d.Grace),
		"retry.delay": durationValue(d.Retry.Delay), "retry.max_delay": durationValue(d.Retry.MaxDelay),
	}
	if d.Enabled {
		v["enabled"] = "true"
	}
	if d.Retry.Factor != 0 {
		v["retry.factor"] = strconv.FormatFloat(d.Retry.Factor, 'g', -1, 64)
	}
	if len(d.Schedules) > 0 {
		v["schedule"], v["timezone"] = d.Schedules[0].Text, d.Schedules[0].Zone
		v["schedules"] = strconv.Itoa(len(d.Schedules))
	}
	var config map[string]any
	dec := json.NewDecoder(strings.NewReader(string(d.Config)))
	dec.UseNumber()
	if dec.Decode(&config) == nil {
		for k, x := range config {
			v["config."+k] = configValue(k, x)
		}
	}
	return v
}

func durationValue(d time.Duration) string {
	if d == 0 {
		return ""
	}
	s := d.String()
	// 1m0s and 1h0m0s are not what anybody typed.
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func configValue(key string, x any) string {
	switch x := x.(type) {
	case nil:
		return ""
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case map[string]any:
		separator := "="
		if key == "headers" {
			separator = ": "
		}
		lines := make([]string, 0, len(x))
		for k, v := range x {
			lines = append(lines, k+separator+configValue("", v))
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	case []any:
		parts := make([]string, len(x))
		lines := true
		for i, v := range x {
			parts[i] = configValue("", v)
			lines = lines && parts[i] != "" && !strings.ContainsAny(parts[i], "\r\n")
		}
		if key != "argv" {
			return strings.Join(parts, ", ")
		}
		if lines && len(parts) > 0 && !strings.HasPrefix(parts[0], "[") {
			return strings.Join(parts, "\n")
		}
		b, err := json.Marshal(parts)
		if err != nil {
			return ""
		}
		return string(b)
	default:
		return fmt.Sprint(x)
	}
}

// field is one of the new user's; with On set the errors belong to a row.
func (p UsersProps) field(name string) formField {
	errors := p.Errors
	if p.On != "" {
		errors = nil
	}
	return formField{form: "new-", name: name, values: p.Values, errors: errors}
}

func (p UsersProps) made(name string) string {
	if p.On != "" {
		return ""
	}
	return p.Values[name]
}

func (p TokensProps) field(name string) formField {
	return formField{form: "new-", name: name, values: p.Values, errors: p.Errors}
}

// expires is the choice in the form; a fresh one suggests an end.
func (p TokensProps) expires() string {
	if v, typed := p.Values["expires"]; typed {
		return v
	}
	return "90"
}

func rowID(what string, i int) string { return what + "-" + strconv.Itoa(i) }
