package cronicle

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
	"belfry/scheduler/cron"
)

// job is what a test looks at of an event.
type job struct {
	Name, Display    string
	Off              bool
	Grammar          string
	When, Zone       string
	Executor, Config string
	Notes, Progress  string
	Concurrency      scheduler.Concurrency
	MaxQueued, Limit int
	Timeout          time.Duration
	Retries          int
	Retry            scheduler.RetryPolicy
	CatchUp          scheduler.CatchUp
	Copies           int
	Triggers         []scheduler.Dependency
	Owner, Category  string
	ToKnow           []string
	Problem          string
}

func readJobs(t *testing.T, text string) (all []job) {
	t.Helper()
	list, err := read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		d := one.Draft
		if one.Err != nil {
			all = append(all, job{Name: d.Name, Problem: one.Err.Error()})
			continue
		}
		j := job{
			Name: d.Name, Display: d.DisplayName, Off: !d.Enabled, Executor: d.Executor, Config: string(d.Config), Notes: d.Notes,
			Progress: d.Progress, Concurrency: d.Concurrency, MaxQueued: d.MaxQueued, Limit: d.MaxRunning, Timeout: d.Timeout,
			Retries: d.Retries, Retry: d.Retry, CatchUp: d.CatchUp, Copies: d.Copies, Triggers: d.Triggers,
			Owner: d.Metadata["owner"], Category: d.Metadata["category"], ToKnow: one.Notes,
		}
		for _, s := range d.Schedules {
			j.Grammar, j.When, j.Zone = s.Grammar, s.Text, s.Zone
		}
		all = append(all, j)
	}
	return all
}

func TestExport(t *testing.T) {
	raw, err := os.ReadFile("testdata/export.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := []job{
		{
			Name: "Backup", Off: true, Grammar: "apscheduler", When: "year='2026,2027' month='*' day='1,15' day_of_week='mon,tue,wed,thu,fri' hour='*' minute='*/15'",
			Executor: "shell", Config: `{"argv":["/usr/bin/env","perl","/dev/stdin"],"stdin":"#!/usr/bin/env perl\nprint qq({ \"complete\": 1, \"code\": $ENV{JOB_EVENT} }\\n);\n"}`,
			Progress: progress, Limit: 2, Copies: scheduler.EveryWorker, Owner: "bob", Category: "Shop",
			ToKnow: []string{
				"It seems to print JSON for Cronicle (complete, perf, chain_data). Here that is output, and its exit code says how it went.",
				"It uses JOB_EVENT, which Cronicle sets. Here, BELFRY_JOB, BELFRY_EXECUTION_ID, BELFRY_DUE_AT and others say what runs.",
				"perl reads its script from its input, so the script itself has none.",
				"While 2 run, a further one does not start there; here it waits.",
				"It runs on the servers of the group Primary Group there. Here any worker takes it: give those workers a tag, and the job the same.",
				"Its copies start 5 s after each other there, and at once here.",
				"Its category Shop is disabled there, so it is disabled here.",
				"All of its category Shop may run 3 at once there; there is no such limit here.",
				"It is stopped there when it uses more than 150 % of a core; nothing limits that here.",
				"It is stopped there when it writes more than 4096 bytes; here, the output limit cuts its middle out.",
			},
		},
		{
			Name: "Backup 2", Display: "Backup", When: "30 2 * * 1-5", Zone: "Europe/Berlin", Executor: "shell",
			Config: `{"command":"#!/bin/bash\necho 1\necho 50%\n","shell":"/bin/bash"}`, Notes: "Nightly.", Progress: progress,
			Concurrency: scheduler.Forbid, Timeout: time.Hour, Retries: 3, Retry: scheduler.RetryPolicy{Delay: 30 * time.Second, Factor: 1, MaxDelay: 30 * time.Second},
			CatchUp: scheduler.CatchUpAll, Triggers: []scheduler.Dependency{{Job: "Ping", On: scheduler.OnSuccess}}, Owner: "ann",
			ToKnow: []string{
				"Runs that were missed are caught up with for 30 days back, at most 100 of them.",
				"It starts the event gone there, which the export does not have.",
				"After a failure it mails ops@example.com there; here, add a notification for that.",
			},
		},
		{
			Name: "Ping", Executor: "http", Concurrency: scheduler.Queue, MaxQueued: 10, Timeout: time.Minute,
			Config: `{"body":"{}","expect_body":"ok","expect_codes":["200-399"],"follow_redirects":false,` +
				`"headers":{"User-Agent":"Cronicle/1.0","X-Key":"a: b"},"insecure_skip_verify":true,"method":"POST","timeout":"30s","url":"https://example.com/[params/x]"}`,
			ToKnow: []string{
				"There it fails when the answer matches bad; here only a pattern that must match can be given.",
				"[params/x] is replaced there, and sent as it is here.",
				"It runs on the server web7.example.com there. Here any worker takes it: give those workers a tag, and the job the same.",
				"It calls https://hooks.example.com/x when it starts and ends there; here, add a notification for its end.",
			},
		},
		{
			Name: "Rotate", Off: true, When: "* * * * *", Executor: "shell",
			Config: `{"command":"/opt/rotate/run.js --now","dir":"/opt/rotate","env":{"KEEP_DAYS":"7"},"memory_limit":1048576,` +
				`"stdin":"{\"category\":\"general\",\"event\":\"e4\",\"event_title\":\"Rotate\",\"id\":\"\",\"params\":{\"keep-days\":7},\"plugin\":\"pmj3h\"}\n","user":"www"}`,
			ToKnow: []string{
				"Its plugin Rotate is disabled there, so it is disabled here.",
				"It is of the plugin Rotate: its command must be on the machine that runs it, and gets the parameters as there. " +
					"What it prints as JSON is output here, and its exit code says how it went.",
			},
		},
		{Name: "Test", Problem: "it is of Cronicle's plugin for tests, which does nothing but wait"},
		{Name: "e6", Problem: `it is of the plugin "unknown", which the export does not have`},
		{Name: "Nothing", Problem: "its script is empty"},
		{Name: "Nowhere", Problem: "its URL is empty"},
		{Name: "Eighth day", Problem: "its timing has the weekday 7, and there are 0 to 6"},
		{Name: "Often", Problem: "its timing cannot be read: minutes must be a list, not string"},
		{Name: "Summer", Off: true, When: "10,20 */2 * 6-8 *", Executor: "shell", Config: `{"command":"date"}`, Progress: progress},
		{Name: "Maybe", Problem: "it is no event: maybe is neither true nor false"},
	}
	if d := cmp.Diff(want, readJobs(t, string(raw))); d != "" {
		t.Error(d)
	}
}

// TestTimingBothDays: where both are given, Cronicle asks for the day of the month
// and the day of the week; the schedule here must say the same.
func TestTimingBothDays(t *testing.T) {
	e := event{Timing: json.RawMessage(`{"minutes":[0],"hours":[6],"days":[13],"weekdays":[5]}`), Timezone: "UTC"}
	list, err := e.schedules()
	if err != nil || len(list) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	s, err := cron.APScheduler.Parse(list[0].Text, list[0].Zone)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, want := range []string{"2026-02-13T06:00:00Z", "2026-03-13T06:00:00Z", "2026-11-13T06:00:00Z", "2027-08-13T06:00:00Z"} {
		next, ok := s.Next(at)
		if !ok || next.UTC().Format(time.RFC3339) != want {
			t.Errorf("after %s: %s, %t; want %s", at, next, ok, want)
		}
		at = next
	}
}

func TestField(t *testing.T) {
	for _, c := range []struct {
		values    []number
		low, high number
		want      string
	}{
		{nil, 0, 59, "*"},
		{[]number{6, 0, 1, 2, 3, 4, 5}, 0, 6, "*"},
		{[]number{5, 5, 1}, 0, 59, "1,5"},
		{[]number{0, 20, 40}, 0, 59, "*/20"},
		{[]number{0, 20, 40, 50}, 0, 59, "0,20,40,50"},
		{[]number{1, 3, 5}, 1, 12, "1,3,5"},
		{[]number{9, 10, 11, 12}, 0, 23, "9-12"},
	} {
		if got := field(c.values, c.low, c.high); got != c.want {
			t.Errorf("%v: %s, want %s", c.values, got, c.want)
		}
	}
}

func TestNoExport(t *testing.T) {
	for text, want := range map[string]string{
		"[job-exec \"x\"]\n":                    "line 1 is not of an export by Cronicle",
		"# Cronicle\n\nglobal/schedule/0 - {\n": "line 3, global/schedule/0, cannot be read",
		"global/users - {}\n":                   "it has no global/schedule",
		"global/plugins/0 - {\"items\":[1]}\n":  "line 1, global/plugins/0, cannot be read: it must be an object, not number",
	} {
		_, err := read([]byte(text))
		if scheduler.CodeOf(err) != scheduler.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if got := readJobs(t, "global/schedule - {\"type\":\"list\"}\n"); got != nil {
		t.Errorf("%+v", got)
	}
}

// FuzzRead: whatever the events, each is a job of its own name with a configuration,
// or has a problem.
func FuzzRead(f *testing.F) {
	f.Add(`{"title":"a","plugin":"shellplug","params":{"script":"#!"},"timing":{"days":[1],"weekdays":[1]}},{"title":"a","plugin":"urlplug","params":{"url":1}}`)
	f.Fuzz(func(t *testing.T, events string) {
		list, err := read([]byte(`global/schedule/0 - {"items":[` + events + `]}`))
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, one := range list {
			if one.Err != nil {
				continue
			}
			if seen[one.Draft.Name] || !json.Valid(one.Draft.Config) {
				t.Errorf("%+v", one.Draft)
			}
			seen[one.Draft.Name] = true
		}
	})
}
