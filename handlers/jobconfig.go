package handlers

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"belfry/scheduler"
	"belfry/views"
)

// fromForm reads the fields of views.JobFormPage. program says that it does not
// come from a page: there, an unchecked box is not sent at all.
func (r *jobRequest) fromForm(values url.Values, stored *scheduler.Job, program bool) {
	r.form = values
	text := func(name string) string { return strings.ReplaceAll(values.Get(name), "\r\n", "\n") }
	r.draft = scheduler.Draft{
		Name: text("name"), DisplayName: text("display_name"), Notes: text("notes"),
		Enabled:  slices.Contains(values["enabled"], "true") || program && !values.Has("enabled"),
		Executor: text("executor"), Concurrency: scheduler.Concurrency(text("concurrency")),
		Retries: int(min(r.number("retries", text("retries")), 1<<31-1)),
		Retry: scheduler.RetryPolicy{
			Delay: r.duration("retry.delay", text("retry.delay")), Factor: r.factor(text("retry.factor")),
			MaxDelay: r.duration("retry.max_delay", text("retry.max_delay")),
		},
		Timeout: r.duration("timeout", text("timeout")), Grace: r.duration("grace", text("grace")),
	}
	r.version = r.number("version", text("version"))
	if r.draft.Executor == "" {
		r.draft.Executor = "shell"
	}
	r.formSchedules(text("schedule"), text("timezone"), stored)
	r.formConfig(values, stored)
}

func (r *jobRequest) number(field, text string) int64 {
	if text = strings.TrimSpace(text); text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.bad(field, "must be a whole number")
	}
	return n
}

func (r *jobRequest) factor(text string) float64 {
	if text = strings.TrimSpace(text); text == "" {
		return 0
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		r.bad("retry.factor", "must be a number")
	}
	return f
}

// formSchedules reads one schedule a line. A job with several shows only its
// first in a form of one line; the others stay.
func (r *jobRequest) formSchedules(text, zone string, stored *scheduler.Job) {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			r.draft.Schedules = append(r.draft.Schedules, scheduler.Schedule{Text: line, Zone: zone})
		}
	}
	if stored == nil || len(stored.Schedules) == 0 {
		return
	}
	if len(r.draft.Schedules) == 1 {
		r.draft.Schedules[0].Grammar = stored.Schedules[0].Grammar
	}
	if len(r.draft.Schedules) <= 1 {
		r.draft.Schedules = append(r.draft.Schedules, stored.Schedules[1:]...)
	}
}

// How a form writes the fields of configurations that are not one text.
var (
	listFields = map[string]string{"argv": "\n", "expect_codes": ","}
	pairFields = map[string]string{"env": "=", "headers": ":"}
	flagFields = []string{"follow_redirects", "insecure_skip_verify"}
	sizeFields = []string{"max_body"}
)

// formConfig makes the configuration of the config.* fields. It begins with what
// is stored, so that what a form does not show, or nobody touched, stays as it is.
func (r *jobRequest) formConfig(values url.Values, stored *scheduler.Job) {
	config := map[string]json.RawMessage{}
	var shown map[string]string
	if stored != nil && stored.Executor == r.draft.Executor {
		_ = json.Unmarshal(stored.Config, &config) // it was an object when it was stored
		shown = views.FormValues(stored.Draft)
	}
	for name, value := range values {
		key, ok := strings.CutPrefix(name, "config.")
		text := strings.ReplaceAll(value[len(value)-1], "\r\n", "\n")
		switch {
		case !ok || !r.belongs(key) || shown[name] == text && config[key] != nil:
		case strings.TrimSpace(text) == "":
			delete(config, key)
		default:
			config[key] = r.configValue(key, text)
		}
	}
	if raw := values.Get("config"); raw != "" && len(config) == 0 {
		r.draft.Config = json.RawMessage(raw)
		return
	}
	r.draft.Config, _ = json.Marshal(config) // of raw messages and texts: it cannot fail
}

// configFields are the fields of each executor: a form sends those of all.
var configFields = map[string][]string{
	"shell": {"command", "argv", "env", "dir", "user", "stdin", "umask", "shell"},
	"http": {
		"url", "method", "headers", "body", "timeout", "expect_codes", "expect_body", "follow_redirects", "insecure_skip_verify",
		"ca_file", "client_cert_file", "client_key_file", "max_body",
	},
}

// belongs reports whether a field is one of the chosen executor's. Of executors
// that are not known here everything is.
func (r *jobRequest) belongs(key string) bool {
	known, ok := configFields[r.draft.Executor]
	return !ok || slices.Contains(known, key)
}

func (r *jobRequest) configValue(key, text string) json.RawMessage {
	var v any = text
	if separator, ok := listFields[key]; ok {
		v = splitList(text, separator)
	} else if separator, ok := pairFields[key]; ok {
		v = r.pairs(key, separator, text)
	} else if slices.Contains(sizeFields, key) {
		v = r.number("config."+key, text)
	} else if slices.Contains(flagFields, key) {
		v = text != "false" // a checked box without a value is sent as "on"
	}
	b, _ := json.Marshal(v) // of texts: it cannot fail
	return b
}

// splitList reads a list as views.FormValues writes it: JSON where a line each
// would not do.
func splitList(text, separator string) []string {
	var items []string
	if strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &items) == nil {
		return items
	}
	for item := range strings.SplitSeq(text, separator) {
		if separator != "\n" {
			item = strings.TrimSpace(item)
		}
		if item != "" {
			items = append(items, item)
		}
	}
	return items
}

// pairs reads a name and a value a line.
func (r *jobRequest) pairs(key, separator, text string) map[string]string {
	pairs := map[string]string{}
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		n++
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, ok := strings.Cut(line, separator)
		name = strings.TrimSpace(name)
		switch _, twice := pairs[name]; {
		case !ok || name == "":
			r.bad("config."+key, "line %d is not a name, %q and a value", n, separator)
			return pairs
		case twice:
			r.bad("config."+key, "line %d names %.80q a second time", n, name)
			return pairs
		}
		if separator == ":" {
			value = strings.TrimSpace(value)
		}
		pairs[name] = value
	}
	return pairs
}
