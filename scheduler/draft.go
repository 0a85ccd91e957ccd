package scheduler

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"belfry/scheduler/cron"
)

// Limits of a draft, each named in the error that refuses more.
const (
	maxName      = 200
	maxNotes     = 20_000
	maxSchedules = 20
	maxConfig    = 1 << 20
	maxRetries   = 1000
	maxDuration  = 366 * 24 * time.Hour
	maxGrace     = time.Hour
	maxPriority  = 1_000_000
	maxParallel  = 1_000_000
	maxParents   = 1000
	maxTags      = 50
	maxTag       = 100
	MaxMetadata  = 100
	// MaxMetadataValue is how many characters a value of metadata has at most.
	MaxMetadataValue = maxValue
	maxValue         = 2000
	maxCodes         = 256
	maxPattern       = 1000
	maxExtra         = 1 << 20

	maxCatchUp = 100 // runs that one gap is caught up with, and missed due times that are recorded one by one
)

// EveryWorker is the Copies of a job that runs on all workers that have its tags.
const EveryWorker = maxParallel

// The defaults of a draft.
const (
	DefaultMaxQueued     = 100
	DefaultCatchUpWindow = 24 * time.Hour
)

// DefaultOutputLimit is how much of a run's output is kept.
var DefaultOutputLimit = OutputLimit{Head: 10 << 20, Tail: 90 << 20}

// reserved names are words of our own URLs below /jobs/.
var reserved = []string{"new", "preview", "import", "export", "bulk"}

// Normalize fills in what was left empty and trims what people type.
func (d *Draft) Normalize() {
	d.Name = strings.TrimSpace(d.Name)
	d.DisplayName = strings.TrimSpace(d.DisplayName)
	kept := d.Schedules[:0:0]
	for _, s := range d.Schedules {
		s.Text, s.Zone = strings.TrimSpace(s.Text), strings.TrimSpace(s.Zone)
		if s.Grammar == cron.Standard.Name {
			s.Grammar = ""
		}
		if s.Text != "" {
			kept = append(kept, s)
		}
	}
	d.Schedules = kept
	if d.Concurrency == "" {
		d.Concurrency = Allow
	}
	if d.Retry.Delay == 0 {
		d.Retry.Delay = time.Second
	}
	if d.Retry.Factor == 0 {
		d.Retry.Factor = 2
	}
	if d.Retry.MaxDelay == 0 {
		d.Retry.MaxDelay = max(time.Hour, d.Retry.Delay)
	}
	if d.Grace == 0 {
		d.Grace = 10 * time.Second
	}
	if d.MaxQueued == 0 {
		d.MaxQueued = DefaultMaxQueued
	}
	if d.CatchUp == "" {
		d.CatchUp = CatchUpSkip
	}
	if d.CatchUpWindow == 0 {
		d.CatchUpWindow = DefaultCatchUpWindow
	}
	if d.Copies == 0 {
		d.Copies = 1
	}
	if d.OutputLimit == (OutputLimit{}) {
		d.OutputLimit = DefaultOutputLimit
	}
	for _, t := range []*time.Time{&d.StartsAt, &d.EndsAt, &d.PausedUntil} {
		*t = t.UTC().Truncate(time.Microsecond)
	}
	for _, list := range [][]Dependency{d.DependsOn, d.Triggers} {
		for i := range list {
			list[i].Job = strings.TrimSpace(list[i].Job)
			if list[i].On == "" {
				list[i].On = OnSuccess
			}
		}
	}
	d.Tags = sortedSet(d.Tags)
	d.Notify = normalizeNotify(d.Notify)
	d.Retry.ExitCodes = sortedSet(d.Retry.ExitCodes)
	if len(bytes.TrimSpace(d.Config)) == 0 {
		d.Config = json.RawMessage("{}")
	}
}

// Validate returns everything that is wrong, as one CodeInvalid error with a
// field each, or nil. executors are the kinds that can be run.
func (d *Draft) Validate(executors map[string]Executor) error {
	var f fields
	f.name("name", d.Name)
	if slices.Contains(reserved, strings.ToLower(d.Name)) {
		f.add("name", "%q is a word of Belfry's own addresses; choose another name", d.Name)
	}
	f.text("display_name", d.DisplayName, maxName, false)
	f.text("notes", d.Notes, maxNotes, true)
	f.schedules(d.Schedules)
	f.config(d, executors)
	oneOf(&f, "concurrency", d.Concurrency, Concurrencies)
	f.number("max_queued", d.MaxQueued, 1, maxParallel)
	f.number("max_running", d.MaxRunning, 0, maxParallel)
	f.number("priority", d.Priority, -maxPriority, maxPriority)
	f.number("copies", d.Copies, 1, maxParallel)
	f.limits(d)
	f.times(d)
	f.dependencies("depends_on", d.DependsOn)
	f.dependencies("triggers", d.Triggers)
	if d.Once && len(d.Schedules) > 0 {
		f.add("once", "a job that runs once has no schedule; use @at for one at a given time")
	}
	f.labels(d)
	f.extra(d.Extra)
	f.number("retries", d.Retries, 0, maxRetries)
	f.duration("timeout", d.Timeout, 0, maxDuration)
	f.duration("grace", d.Grace, 0, maxGrace)
	f.duration("retry.delay", d.Retry.Delay, time.Millisecond, maxDuration)
	f.duration("retry.max_delay", d.Retry.MaxDelay, d.Retry.Delay, maxDuration)
	if !(d.Retry.Factor >= 1 && d.Retry.Factor <= 100) {
		f.add("retry.factor", "must be 1 to 100")
	}
	return f.err()
}

// sortedSet returns the values in order, each once; nil when there are none.
func sortedSet[T cmp.Ordered](values []T) []T {
	if len(values) == 0 {
		return nil
	}
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

func oneOf[T ~string](f *fields, field string, v T, known []T) {
	if slices.Contains(known, v) {
		return
	}
	words := make([]string, len(known))
	for i, k := range known {
		words[i] = string(k)
	}
	f.add(field, "%q is not one of %s", cut(string(v), 40), strings.Join(words, ", "))
}

func (f *fields) number(field string, v, low, high int) {
	if v < low || v > high {
		f.add(field, "must be %d to %d", low, high)
	}
}

// limits checks what bounds output, history and retries.
func (f *fields) limits(d *Draft) {
	if d.OutputLimit.Head < 0 || d.OutputLimit.Tail < 0 || d.OutputLimit.Head > maxOutput || d.OutputLimit.Tail > maxOutput {
		f.add("output_limit", "head and tail must be 0 to %d bytes", int64(maxOutput))
	}
	if len(d.Progress) > maxPattern {
		f.add("progress", "is too long: %d bytes, at most %d", len(d.Progress), maxPattern)
	} else if _, err := regexp.Compile(d.Progress); err != nil {
		f.add("progress", "is not a regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	} else if d.Progress != "" && !strings.Contains(d.Progress, "(") {
		f.add("progress", `needs a group around the number, like (\d+)%%`)
	}
	f.duration("retention.max_age", d.Retention.MaxAge, 0, 100*maxDuration)
	f.number("retention.max_count", d.Retention.MaxCount, 0, 1_000_000_000)
	if d.Retention.MaxBytes < 0 {
		f.add("retention.max_bytes", "must not be negative")
	}
	if len(d.Retry.ExitCodes) > maxCodes {
		f.add("retry.exit_codes", "at most %d exit codes", maxCodes)
	}
}

// maxOutput is the most bytes of a run that either end may keep.
const maxOutput = 1 << 40

// times checks what bounds due times.
func (f *fields) times(d *Draft) {
	oneOf(f, "catch_up", d.CatchUp, CatchUps)
	f.duration("catch_up_window", d.CatchUpWindow, time.Second, maxDuration)
	f.duration("jitter", d.Jitter, 0, 24*time.Hour)
	if !d.StartsAt.IsZero() && !d.EndsAt.IsZero() && !d.EndsAt.After(d.StartsAt) {
		f.add("ends_at", "must be after starts_at")
	}
	for field, t := range map[string]time.Time{"starts_at": d.StartsAt, "ends_at": d.EndsAt, "paused_until": d.PausedUntil} {
		if !t.IsZero() && (t.Year() < 1970 || t.Year() > 9999) {
			f.add(field, "must be between the years 1970 and 9999")
		}
	}
}

// dependencies checks the shape of a list of jobs. What only the store knows, the
// service checks.
func (f *fields) dependencies(field string, list []Dependency) {
	if len(list) > maxParents {
		f.add(field, "at most %d jobs", maxParents)
		return
	}
	seen := map[string]bool{}
	for _, d := range list {
		key := d.Job
		if field == "triggers" {
			key += "\n" + string(d.On) // one may follow a success and a failure
		}
		switch {
		case d.Job == "":
			f.add(field, "the name of a job is required")
		case seen[key]:
			f.add(field, "names %q twice", cut(d.Job, 80))
		}
		seen[key] = true
		oneOf(f, field, d.On, Conditions)
	}
}

// extra checks what nobody looks into: that it is JSON, and not too much of it.
func (f *fields) extra(extra map[string]json.RawMessage) {
	size := 0
	for name, raw := range extra {
		size += len(name) + len(raw)
		if !json.Valid(raw) {
			f.add("extra", "%s is not valid JSON", cut(name, 40))
		}
	}
	if size > maxExtra {
		f.add("extra", "is too large: %d bytes, at most %d", size, maxExtra)
	}
}

func (f *fields) labels(d *Draft) {
	if len(d.Tags) > maxTags {
		f.add("tags", "at most %d tags", maxTags)
	}
	for _, t := range d.Tags {
		if t == "" || strings.ContainsAny(t, ", \t\r\n") {
			f.add("tags", "%q is not a tag: it is empty, or contains a space or a comma", cut(t, 40))
			continue
		}
		f.text("tags", t, maxTag, false)
	}
	if len(d.Metadata) > MaxMetadata {
		f.add("metadata", "at most %d entries", MaxMetadata)
	}
	for k, v := range d.Metadata {
		if k == "" {
			f.add("metadata", "has an entry without a key")
		}
		f.text("metadata", k, maxTag, false)
		f.text("metadata", v, MaxMetadataValue, true)
	}
}

// fields collects what is wrong with a request.
type fields []FieldError

func (f *fields) add(field, format string, args ...any) {
	*f = append(*f, FieldError{field, fmt.Sprintf(format, args...)})
}

func (f fields) err() error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Code: CodeInvalid, Message: "the request is not valid", Fields: f}
}

// name checks what identifies something in an address.
func (f *fields) name(field, v string) {
	switch {
	case v == "":
		f.add(field, "is required")
	case strings.ContainsRune(v, '\\'):
		f.add(field, "must not contain a backslash")
	case v == "." || v == "..":
		f.add(field, "cannot be %q: no address can end with it", v)
	default:
		f.text(field, v, maxName, false)
	}
}

// text checks length and characters; lines allows newlines and tabs.
func (f *fields) text(field, v string, max int, lines bool) {
	if !utf8.ValidString(v) {
		f.add(field, "is not valid UTF-8")
		return
	}
	if n := utf8.RuneCountInString(v); n > max {
		f.add(field, "is too long: %d characters, at most %d", n, max)
		return
	}
	for _, r := range v {
		if unicode.IsControl(r) && !(lines && (r == '\n' || r == '\t' || r == '\r')) {
			f.add(field, "contains the control character U+%04X", r)
			return
		}
	}
}

func (f *fields) duration(field string, v, low, high time.Duration) {
	if v < low || v > high {
		f.add(field, "must be %s to %s", low, high)
	}
}

func (f *fields) schedules(all []Schedule) {
	if len(all) > maxSchedules {
		f.add("schedule", "at most %d schedules", maxSchedules)
		return
	}
	for i, s := range all {
		if _, err := s.Parse(); err != nil {
			var e *Error
			errors.As(err, &e)
			for _, fe := range e.Fields {
				if len(all) > 1 {
					fe.Message = fmt.Sprintf("schedule %d: %s", i+1, fe.Message)
				}
				*f = append(*f, fe)
			}
		}
	}
}

func (f *fields) config(d *Draft, executors map[string]Executor) {
	exec, ok := executors[d.Executor]
	switch {
	case d.Executor == "":
		f.add("executor", "is required")
		return
	case !ok:
		known := make([]string, 0, len(executors))
		for k := range executors {
			known = append(known, k)
		}
		slices.Sort(known)
		f.add("executor", "%q is not known; use one of %s", cut(d.Executor, 40), strings.Join(known, ", "))
		return
	case len(d.Config) > maxConfig:
		f.add("config", "is too large: %d bytes, at most %d", len(d.Config), maxConfig)
		return
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(d.Config, &object) != nil || object == nil {
		f.add("config", "must be a JSON object")
		return
	}
	err := exec.Check(d.Config)
	if err == nil {
		return
	}
	var e *Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		f.add("config", "%s", err.Error())
		return
	}
	for _, fe := range e.Fields {
		if fe.Field == "" {
			fe.Field = "config"
		} else {
			fe.Field = "config." + fe.Field
		}
		*f = append(*f, fe)
	}
}

// scheduleError turns a grammar's error into a field error.
func scheduleError(err error) error {
	var pe *cron.ParseError
	if errors.As(err, &pe) && (pe.Field == "timezone" || pe.Field == "schedule") {
		return Invalid(pe.Field, "%s", pe.Msg)
	}
	return Invalid("schedule", "%s", err.Error())
}
