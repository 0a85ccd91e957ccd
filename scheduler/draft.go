package scheduler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
)

// reserved names are words of our own URLs below /jobs/.
var reserved = []string{"new", "preview", "import", "export", "bulk", ".", ".."}

// Normalize fills in what was left empty and trims what people type.
func (d *Draft) Normalize() {
	d.Name = strings.TrimSpace(d.Name)
	d.DisplayName = strings.TrimSpace(d.DisplayName)
	kept := d.Schedules[:0:0]
	for _, s := range d.Schedules {
		s.Text, s.Zone = strings.TrimSpace(s.Text), strings.TrimSpace(s.Zone)
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
	if !slices.Contains([]Concurrency{Allow, Forbid}, d.Concurrency) {
		f.add("concurrency", "%q is not a rule; use allow or forbid", cut(string(d.Concurrency), 40))
	}
	if d.Retries < 0 || d.Retries > maxRetries {
		f.add("retries", "must be 0 to %d", maxRetries)
	}
	f.duration("timeout", d.Timeout, 0, maxDuration)
	f.duration("grace", d.Grace, 0, maxGrace)
	f.duration("retry.delay", d.Retry.Delay, time.Millisecond, maxDuration)
	f.duration("retry.max_delay", d.Retry.MaxDelay, d.Retry.Delay, maxDuration)
	if !(d.Retry.Factor >= 1 && d.Retry.Factor <= 100) {
		f.add("retry.factor", "must be 1 to 100")
	}
	return f.err()
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
	case strings.ContainsRune(v, '/') || strings.ContainsRune(v, '\\'):
		f.add(field, "must not contain a slash")
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
