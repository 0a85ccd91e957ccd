package crontab

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// job is what a test looks at of an entry.
type job struct {
	Name, When, Zone string
	Config           string
	Notes            string
	OnStart          bool
	Jitter           time.Duration
	ToKnow           []string
	Problem          string
}

func readJobs(t *testing.T, text string, system bool) (all []job) {
	t.Helper()
	list, err := read([]byte(text), system)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		d := one.Draft
		j := job{Name: d.Name, Config: string(d.Config), Notes: d.Notes, OnStart: d.RunOnStart, Jitter: d.Jitter, ToKnow: one.Notes}
		if len(d.Schedules) > 0 {
			j.When, j.Zone = d.Schedules[0].Text, d.Schedules[0].Zone
		}
		if one.Err != nil {
			j.Problem = one.Err.Error()
		}
		all = append(all, j)
	}
	return all
}

func TestTableOfAUser(t *testing.T) {
	got := readJobs(t, "\ufeff"+`# Edit this file to introduce tasks to be run by cron.
# m h  dom mon dow   command

PATH=/usr/local/bin:/usr/bin:/bin
MAILTO = "ops@example.com"
# Nightly, after the shop closes.
# Ask Ann.
30 2 * * 1-5   /opt/shop/backup.sh --full >/dev/null 2>&1
MAILTO=''

0 9 * * *	mail -s "it is 100\% done" ann%Hello,%bye.
@Reboot sleep 60
SHELL=/bin/bash
HOME=/srv
CRON_TZ=Europe/Berlin
RANDOM_DELAY=5
*/15 8-18 * jan,JUL MON echo $(( 1 + 1 ))
*/15 8-18 * * * echo $(( 1 + 1 ))
`, false)
	want := []job{
		{
			Name: "backup.sh-full", When: "30 2 * * 1-5", Notes: "Nightly, after the shop closes.\nAsk Ann.",
			Config: `{"command":"/opt/shop/backup.sh --full \u003e/dev/null 2\u003e\u00261","env":{"PATH":"/usr/local/bin:/usr/bin:/bin"}}`,
			ToKnow: []string{"Its output was mailed to ops@example.com; here, add a notification for that."},
		},
		{
			Name: "mail-s-it-is-100-done-ann", When: "0 9 * * *",
			Config: `{"command":"mail -s \"it is 100% done\" ann","env":{"PATH":"/usr/local/bin:/usr/bin:/bin"},"stdin":"Hello,\nbye.\n"}`,
		},
		{
			Name: "sleep-60", OnStart: true, Config: `{"command":"sleep 60","env":{"PATH":"/usr/local/bin:/usr/bin:/bin"}}`,
			ToKnow: []string{"It runs whenever Belfry starts, rather than the machine."},
		},
		{
			Name: "echo-1-1", When: "*/15 8-18 * jan,jul mon", Zone: "Europe/Berlin", Jitter: 5 * time.Minute,
			Config: `{"command":"echo $(( 1 + 1 ))","dir":"/srv","env":{"HOME":"/srv","PATH":"/usr/local/bin:/usr/bin:/bin"},"shell":"/bin/bash"}`,
		},
		{
			Name: "echo-1-1-2", When: "*/15 8-18 * * *", Zone: "Europe/Berlin", Jitter: 5 * time.Minute,
			Config: `{"command":"echo $(( 1 + 1 ))","dir":"/srv","env":{"HOME":"/srv","PATH":"/usr/local/bin:/usr/bin:/bin"},"shell":"/bin/bash"}`,
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTableOfTheSystem(t *testing.T) {
	got := readJobs(t, `SHELL=/bin/sh
17 *	* * *	root	cd / && run-parts --report /etc/cron.hourly
@daily www-data:www /usr/bin/true
0 0 * * *
* * * * root
`, true)
	want := []job{
		{Name: "cd-run-parts-report-cron.hourly", When: "17 * * * *", Config: `{"command":"cd / \u0026\u0026 run-parts --report /etc/cron.hourly","user":"root"}`},
		{Name: "true", When: "@daily", Config: `{"command":"/usr/bin/true","user":"www-data"}`},
		{Name: "line 4", Problem: "line 4: there is no command after the five fields that say when"},
		{Name: "line 5", Problem: "line 5: there is no command after the five fields that say when"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := readJobs(t, "@daily backup\n", true); len(got) != 1 || !strings.Contains(got[0].Problem, "table of a user") {
		t.Errorf("%+v", got)
	}
}

func TestNoTable(t *testing.T) {
	if _, err := read([]byte("\x00"), false); scheduler.CodeOf(err) != scheduler.CodeInvalid {
		t.Errorf("%v", err)
	}
	if got := readJobs(t, "# nothing\n\n", false); got != nil {
		t.Errorf("%+v", got)
	}
}

// FuzzRead: whatever the text, each line is a job with a name and a configuration,
// or has a problem that names it.
func FuzzRead(f *testing.F) {
	f.Add("A='b'\n@reboot x%y\n* * * * * root z\\%", true)
	f.Fuzz(func(t *testing.T, text string, system bool) {
		list, err := read([]byte(text), system)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, one := range list {
			if one.Err != nil {
				if !strings.Contains(one.Err.Error(), one.Draft.Name) {
					t.Errorf("%v", one.Err)
				}
				continue
			}
			if one.Draft.Name == "" || seen[one.Draft.Name] || !json.Valid(one.Draft.Config) {
				t.Errorf("%+v", one.Draft)
			}
			seen[one.Draft.Name] = true
		}
	})
}
