package handlers

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"belfry/scheduler"
	"belfry/views"
)

// formField is a field of views.JobFormPage and how it is read into the draft.
type formField struct {
	name string
	read func(r *jobRequest, field, text string)
}

var formFields = []formField{
	{"name", textField(func(d *scheduler.Draft) *string { return &d.Name })},
	{"display_name", textField(func(d *scheduler.Draft) *string { return &d.DisplayName })},
	{"notes", textField(func(d *scheduler.Draft) *string { return &d.Notes })},
	{"concurrency", textField(func(d *scheduler.Draft) *scheduler.Concurrency { return &d.Concurrency })},
	{"max_queued", countField(func(d *scheduler.Draft) *int { return &d.MaxQueued })},
	{"max_running", countField(func(d *scheduler.Draft) *int { return &d.MaxRunning })},
	{"priority", countField(func(d *scheduler.Draft) *int { return &d.Priority })},
	{"retries", countField(func(d *scheduler.Draft) *int { return &d.Retries })},
	{"retry.delay", spanField(func(d *scheduler.Draft) *time.Duration { return &d.Retry.Delay })},
	{"retry.factor", func(r *jobRequest, field, text string) { r.draft.Retry.Factor = r.factor(field, text) }},
	{"retry.max_delay", spanField(func(d *scheduler.Draft) *time.Duration { return &d.Retry.MaxDelay })},
	{"retry.exit_codes", func(r *jobRequest, field, text string) { r.draft.Retry.ExitCodes = r.numbers(field, text) }},
	{"timeout", spanField(func(d *scheduler.Draft) *time.Duration { return &d.Timeout })},
	{"grace", spanField(func(d *scheduler.Draft) *time.Duration { return &d.Grace })},
	{"depends_on", func(r *jobRequest, _, text string) { r.draft.DependsOn = dependencies(text) }},
	{"triggers", func(r *jobRequest, _, text string) { r.draft.Triggers = dependencies(text) }},
	{"catch_up", textField(func(d *scheduler.Draft) *scheduler.CatchUp { return &d.CatchUp })},
	{"catch_up_window", spanField(func(d *scheduler.Draft) *time.Duration { return &d.CatchUpWindow })},
	{"jitter", spanField(func(d *scheduler.Draft) *time.Duration { return &d.Jitter })},
	{"starts_at", timeField(func(d *scheduler.Draft) *time.Time { return &d.StartsAt })},
	{"ends_at", timeField(func(d *scheduler.Draft) *time.Time { return &d.EndsAt })},
	{"paused_until", timeField(func(d *scheduler.Draft) *time.Time { return &d.PausedUntil })},
	{"tags", func(r *jobRequest, _, text string) { r.draft.Tags = words(text) }},
	{"copies", countField(func(d *scheduler.Draft) *int { return &d.Copies })},
	{"metadata", func(r *jobRequest, field, text string) { r.draft.Metadata = r.metadata(field, text) }},
	{"output_limit.head", sizeField(func(d *scheduler.Draft) *int64 { return &d.OutputLimit.Head })},
	{"output_limit.tail", sizeField(func(d *scheduler.Draft) *int64 { return &d.OutputLimit.Tail })},
	{"progress", textField(func(d *scheduler.Draft) *string { return &d.Progress })},
	{"retention.max_age", func(r *jobRequest, field, text string) { r.draft.Retention.MaxAge = r.age(field, text) }},
	{"retention.max_count", countField(func(d *scheduler.Draft) *int { return &d.Retention.MaxCount })},
	{"retention.max_bytes", sizeField(func(d *scheduler.Draft) *int64 { return &d.Retention.MaxBytes })},
}

func textField[T ~string](of func(*scheduler.Draft) *T) func(*jobRequest, string, string) {
	return func(r *jobRequest, _, text string) { *of(&r.draft) = T(text) }
}

func countField(of func(*scheduler.Draft) *int) func(*jobRequest, string, string) {
	return func(r *jobRequest, field, text string) { *of(&r.draft) = r.count(field, text) }
}

func spanField(of func(*scheduler.Draft) *time.Duration) func(*jobRequest, string, string) {
	return func(r *jobRequest, field, text string) { *of(&r.draft) = r.duration(field, text) }
}

func timeField(of func(*scheduler.Draft) *time.Time) func(*jobRequest, string, string) {
	return func(r *jobRequest, field, text string) { *of(&r.draft) = r.time(field, text) }
}

func sizeField(of func(*scheduler.Draft) *int64) func(*jobRequest, string, string) {
	return func(r *jobRequest, field, text string) { *of(&r.draft) = r.size(field, text) }
}

// fromForm reads the fields of views.JobFormPage. It begins with what is stored:
// what a form does not have, or shows and nobody touched, stays exactly as it is.
// program says that it does not come from a page: there, an unchecked box is not
// sent at all.
func (r *jobRequest) fromForm(values url.Values, stored *scheduler.Job, program bool) {
	r.form = values
	shown := map[string]string{}
	if stored != nil {
		r.draft, shown = stored.Draft, views.FormValues(stored.Draft)
	}
	for _, f := range formFields {
		if values.Has(f.name) && (stored == nil || !sameText(shown[f.name], values.Get(f.name))) {
			f.read(r, f.name, formText(values, f.name))
		}
	}
	r.draft.Enabled = slices.Contains(values["enabled"], "true") || program && !values.Has("enabled")
	for name, on := range map[string]*bool{"once": &r.draft.Once, "run_on_start": &r.draft.RunOnStart, "ephemeral": &r.draft.Ephemeral} {
		if values.Has(name) {
			*on = slices.Contains(values[name], "true")
		}
	}
	if values.Has("executor") {
		r.draft.Executor = formText(values, "executor")
	}
	r.draft.Executor = cmp.Or(r.draft.Executor, "shell")
	r.version = r.number("version", formText(values, "version"))
	r.formSchedules(values, shown, stored)
	r.formConfig(values, stored)
}

// formText is a field's text with the line breaks of a program.
func formText(values url.Values, name string) string {
	return strings.ReplaceAll(values.Get(name), "\r\n", "\n")
}

// sameText reports whether a browser that shows one would send the other: it
// writes line breaks in its own way, and drops one at the beginning.
func sameText(shown, sent string) bool {
	plain := func(text string) string {
		return strings.TrimPrefix(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	}
	return plain(shown) == plain(sent)
}

// formSchedules reads one schedule a line. A line that is as the form showed it is
// the schedule that was stored; one that was changed keeps the grammar of the one
// in its place.
func (r *jobRequest) formSchedules(values url.Values, shown map[string]string, stored *scheduler.Job) {
	text, zone := shown["schedule"], shown["timezone"]
	if values.Has("schedule") {
		text = formText(values, "schedule")
	}
	if values.Has("timezone") {
		zone = strings.TrimSpace(formText(values, "timezone"))
	}
	if stored == nil {
		r.draft.Schedules = lines(text, zone, values.Get("grammar"))
		return
	}
	if text == shown["schedule"] && zone == shown["timezone"] {
		return
	}
	r.draft.Schedules = lines(text, zone, values.Get("grammar"))
	for i := range r.draft.Schedules {
		keepSchedule(&r.draft.Schedules[i], i, zone, stored.Schedules, len(r.draft.Schedules))
	}
}

// keepSchedule completes a line's schedule by those that are stored.
func keepSchedule(s *scheduler.Schedule, at int, zone string, stored []scheduler.Schedule, lines int) {
	shownIn := views.FormZone(stored)
	typed := views.ScheduleLine(*s, zone)
	for _, old := range stored {
		if views.ScheduleLine(old, shownIn) != typed {
			continue
		}
		if old.Zone == shownIn {
			old.Zone = zone
		}
		*s = old
		return
	}
	if lines == len(stored) {
		s.Grammar = stored[at].Grammar
	}
}

// lines are schedules, one a line, each in the zone unless it begins with one of
// its own: TZ=Europe/Berlin 30 2 * * *.
func lines(text, zone, grammar string) []scheduler.Schedule {
	var all []scheduler.Schedule
	for line := range strings.Lines(text) {
		s := scheduler.Schedule{Text: strings.TrimSpace(line), Zone: zone, Grammar: grammar}
		if own, ok := strings.CutPrefix(s.Text, "TZ="); ok {
			if name, rest, _ := strings.Cut(own, " "); name != "" && strings.TrimSpace(rest) != "" {
				s.Zone, s.Text = name, strings.TrimSpace(rest)
			}
		}
		if s.Text != "" {
			all = append(all, s)
		}
	}
	return all
}

// dependencies reads a job and its condition a line. Names may have spaces in
// them: only the last word can be a condition.
func dependencies(text string) []scheduler.Dependency {
	var all []scheduler.Dependency
	for line := range strings.Lines(text) {
		d := scheduler.Dependency{Job: strings.TrimSpace(line), On: scheduler.OnSuccess}
		if d.Job == "" {
			continue
		}
		if i := strings.LastIndexAny(d.Job, " \t"); i > 0 && slices.Contains(scheduler.Conditions, scheduler.Condition(d.Job[i+1:])) {
			d.Job, d.On = strings.TrimSpace(d.Job[:i]), scheduler.Condition(d.Job[i+1:])
		}
		all = append(all, d)
	}
	return all
}

// metadata reads a key and a value a line, or an object where views.FormValues
// writes one: lines could not say it.
func (r *jobRequest) metadata(field, text string) map[string]string {
	var all map[string]string
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		if json.Unmarshal([]byte(text), &all) != nil {
			r.bad(field, "is not an object of texts; write one KEY=VALUE a line")
		}
		return all
	}
	return r.pairs(field, "=", text)
}
