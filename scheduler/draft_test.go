package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// picky is an executor whose configuration must have a command.
type picky struct{}

func (picky) Check(config json.RawMessage) error {
	var c struct{ Command string }
	if err := json.Unmarshal(config, &c); err != nil || c.Command == "" {
		return Invalid("command", "is required")
	}
	return nil
}

func (picky) Execute(context.Context, Task, OutputWriter) Result { return Result{} }

var kinds = map[string]Executor{"shell": picky{}, "http": picky{}}

func goodDraft() Draft {
	return Draft{Name: "backup", Executor: "shell", Config: json.RawMessage(`{"command":"true"}`), Schedules: []Schedule{{Text: "0 3 * * *"}}}
}

func TestDefaults(t *testing.T) {
	d := goodDraft()
	d.Name = "  backup "
	d.Schedules = append(d.Schedules, Schedule{Text: "  "})
	d.Normalize()
	if err := d.Validate(kinds); err != nil {
		t.Fatal(err)
	}
	if d.Name != "backup" || len(d.Schedules) != 1 || d.Concurrency != Allow || d.Grace != 10*time.Second ||
		d.Retry.Delay != time.Second || d.Retry.Factor != 2 || d.Retry.MaxDelay != time.Hour {
		t.Fatalf("%+v", d)
	}
}

func TestValidationNamesTheField(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Draft)
		field string
		says  string
	}{
		{"no name", func(d *Draft) { d.Name = " " }, "name", "is required"},
		{"backslash", func(d *Draft) { d.Name = `a\b` }, "name", "backslash"},
		{"control", func(d *Draft) { d.Name = "a\x07b" }, "name", "U+0007"},
		{"reserved", func(d *Draft) { d.Name = "New" }, "name", "Belfry's own"},
		{"dots", func(d *Draft) { d.Name = ".." }, "name", "no address can end with it"},
		{"long name", func(d *Draft) { d.Name = strings.Repeat("ü", 201) }, "name", "201 characters, at most 200"},
		{"not UTF-8", func(d *Draft) { d.DisplayName = "\xff" }, "display_name", "UTF-8"},
		{"control in notes", func(d *Draft) { d.Notes = "a\x00" }, "notes", "U+0000"},
		{"no executor", func(d *Draft) { d.Executor = "" }, "executor", "is required"},
		{"unknown executor", func(d *Draft) { d.Executor = "ssh" }, "executor", "use one of http, shell"},
		{"array config", func(d *Draft) { d.Config = json.RawMessage(`[1]`) }, "config", "JSON object"},
		{"null config", func(d *Draft) { d.Config = json.RawMessage(`null`) }, "config", "JSON object"},
		{"bad config", func(d *Draft) { d.Config = json.RawMessage(`{}`) }, "config.command", "is required"},
		{"bad schedule", func(d *Draft) { d.Schedules[0].Text = "61 * * * *" }, "schedule", "minute"},
		{"bad zone", func(d *Draft) { d.Schedules[0].Zone = "Mars/Olympus" }, "timezone", "Mars/Olympus"},
		{"unknown grammar", func(d *Draft) { d.Schedules[0].Grammar = "x" }, "schedule", "grammar"},
		{"concurrency", func(d *Draft) { d.Concurrency = "maybe" }, "concurrency", "allow, forbid, queue, replace"},
		{"retries", func(d *Draft) { d.Retries = -1 }, "retries", "0 to 1000"},
		{"timeout", func(d *Draft) { d.Timeout = -1 }, "timeout", "0s to"},
		{"grace", func(d *Draft) { d.Grace = 2 * time.Hour }, "grace", "0s to 1h"},
		{"factor", func(d *Draft) { d.Retry.Factor = 0.5 }, "retry.factor", "1 to 100"},
		{"max queued", func(d *Draft) { d.MaxQueued = -1 }, "max_queued", "1 to"},
		{"max running", func(d *Draft) { d.MaxRunning = -1 }, "max_running", "0 to"},
		{"priority", func(d *Draft) { d.Priority = 1 << 40 }, "priority", "-1000000 to 1000000"},
		{"catch-up", func(d *Draft) { d.CatchUp = "some" }, "catch_up", "skip, latest, all"},
		{"catch-up window", func(d *Draft) { d.CatchUpWindow = -1 }, "catch_up_window", "1s to"},
		{"jitter", func(d *Draft) { d.Jitter = 25 * time.Hour }, "jitter", "0s to 24h"},
		{"validity", func(d *Draft) { d.StartsAt, d.EndsAt = time.Unix(5, 0), time.Unix(5, 0) }, "ends_at", "after starts_at"},
		{"far future", func(d *Draft) { d.PausedUntil = time.Unix(1<<40, 0) }, "paused_until", "9999"},
		{"tag", func(d *Draft) { d.Tags = []string{"a b"} }, "tags", "space or a comma"},
		{"metadata", func(d *Draft) { d.Metadata = map[string]string{"": "x"} }, "metadata", "without a key"},
		{"output", func(d *Draft) { d.OutputLimit.Head = -1 }, "output_limit", "head and tail"},
		{"progress", func(d *Draft) { d.Progress = "(" }, "progress", "regular expression"},
		{"progress without a group", func(d *Draft) { d.Progress = `\d+%` }, "progress", "group"},
		{"once", func(d *Draft) { d.Once = true }, "once", "has no schedule"},
		{"condition", func(d *Draft) { d.DependsOn = []Dependency{{Job: "x", On: "maybe"}} }, "depends_on", "success, failure, any"},
		{"twice", func(d *Draft) { d.DependsOn = []Dependency{{Job: "x"}, {Job: "x"}} }, "depends_on", "twice"},
		{"delays", func(d *Draft) { d.Retry.Delay, d.Retry.MaxDelay = time.Minute, time.Second }, "retry.max_delay", "1m0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := goodDraft()
			tt.spoil(&d)
			d.Normalize()
			err := d.Validate(kinds)
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeInvalid {
				t.Fatalf("error %v", err)
			}
			if len(e.Fields) != 1 || e.Fields[0].Field != tt.field || !strings.Contains(e.Fields[0].Message, tt.says) {
				t.Fatalf("fields %+v, want %s: …%s…", e.Fields, tt.field, tt.says)
			}
		})
	}
}

func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	d := Draft{Name: "", Executor: "x", Retries: -1, Schedules: []Schedule{{Text: "* *"}, {Text: "@never"}}}
	d.Normalize()
	var e *Error
	if !errors.As(d.Validate(kinds), &e) || len(e.Fields) != 5 {
		t.Fatalf("%+v", e)
	}
	for i, want := range []string{"schedule 1: ", "schedule 2: "} {
		if f := e.Fields[1+i]; f.Field != "schedule" || !strings.HasPrefix(f.Message, want) {
			t.Errorf("%+v, want %s…", f, want)
		}
	}
}

func TestAuditMasksWhatLooksSecret(t *testing.T) {
	j := Job{Draft: goodDraft()}
	j.Config = json.RawMessage(`{"env":{"DB_PASSWORD":"hunter2","PATH":"/bin"},"headers":{"Authorization":"Bearer x"},"argv":["a","http://u:hunter2@h/x?a=b@c"],"url":"https://user:p%40hunter2@h:1/?page=3&Api_Key=hunter2&sig=hunter2#b"}`)
	text := jsonOrEmpty(auditJob(j))
	if strings.Contains(text, "hunter2") || strings.Contains(text, "Bearer") || !strings.Contains(text, "/bin") || !strings.Contains(text, "https://user:***@h:1/?page=3\\u0026Api_Key=***\\u0026sig=***#b") {
		t.Fatal(text)
	}
}
