package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// ini is a configuration file of a test.
type ini struct {
	t    *testing.T
	path string
}

func newINI(t *testing.T, text string) ini {
	t.Helper()
	f := ini{t, filepath.Join(t.TempDir(), "jobs.ini")}
	f.write(text)
	return f
}

// write replaces the file in one step, as editors do: a server that watches it never
// sees half of it.
func (f ini) write(text string) {
	f.t.Helper()
	writeFile(f.t, f.path+".new", text)
	if err := os.Rename(f.path+".new", f.path); err != nil {
		f.t.Fatal(err)
	}
}

// TestOfeliaJobsOfFiles: they are changed where they are defined, and toggled and run
// here.
func TestOfeliaJobsOfFiles(t *testing.T) {
	t.Parallel()
	f := newINI(t, `
[job-local "hello"]
schedule = @daily
command = echo "hello; world # 1"
`)
	s := ofeliaServer(t, t.TempDir(), "--config", f.path)
	admin := s.admin(t)
	if job := admin.want(200, "GET", "/api/job/hello", nil).object(); job["origin"] != "config" || job["command"] != `echo "hello; world # 1"` {
		t.Errorf("the file's job: %v", job)
	}
	for _, got := range []string{
		admin.refused(409, "CONFLICT", "PUT", "/api/job/hello", object{"command": "echo other"}),
		admin.refused(409, "CONFLICT", "DELETE", "/api/job/hello", nil),
	} {
		if !strings.Contains(got, f.path) || !strings.Contains(got, `"job":"hello"`) {
			t.Errorf("a refused change does not say where it is to be made: %s", got)
		}
	}
	if e := admin.ended(admin.start("hello", nil)); e.Output != "hello; world # 1\n" {
		t.Errorf("it printed %q", e.Output)
	}
	admin.want(200, "PATCH", "/api/job/hello/toggle", nil)
	admin.want(200, "POST", "/api/scheduler/reload", nil)
	if job := admin.want(200, "GET", "/api/job/hello", nil).object(); job["enabled"] != false {
		t.Error("a reload undid what a person toggled")
	}
	admin.want(200, "PATCH", "/api/job/hello/toggle", nil)
}

// TestOfeliaReload: what a file has more, else and less; a file that is wrong
// changes nothing, and is explained by file and line.
func TestOfeliaReload(t *testing.T) {
	t.Parallel()
	f := newINI(t, `
[job-local "stays"]
schedule = @daily
command = true
[job-local "changes"]
schedule = @daily
command = true
[job-local "goes"]
schedule = @daily
command = true
`)
	s := ofeliaServer(t, t.TempDir(), "--config", f.path)
	admin := s.admin(t)
	admin.create("mine", "@daily", "true", nil)
	listen := admin.listen()
	f.write(`
[job-local "stays"]
schedule = @daily
command = true
[job-local "changes"]
schedule = @hourly
command = true
[job-local "comes"]
schedule = @daily
command = true
[job-http "comes too"]
schedule = @daily
url = http://127.0.0.1:9/
`)
	// The server may see the change before it is told: then this call finds nothing
	// more to do. What both did together is what the clients heard.
	admin.want(200, "POST", "/api/scheduler/reload", nil)
	var heard []string
	for len(heard) < 4 {
		e := listen.next()
		heard = append(heard, fmt.Sprint(e.Type, " ", e.Payload["name"]))
	}
	slices.Sort(heard)
	if got := strings.Join(heard, ", "); got != "job.added comes, job.added comes too, job.removed goes, job.updated changes" {
		t.Errorf("heard %s", got)
	}
	if got := strings.Join(admin.want(200, "GET", "/api/jobs", nil).names(), " "); got != "changes comes comes too mine stays" {
		t.Errorf("jobs %s", got)
	}
	if a := admin.want(200, "POST", "/api/scheduler/reload", nil).object(); text([]any{a["jobsAdded"], a["jobsUpdated"], a["jobsRemoved"]}) != "[0,0,0]" {
		t.Errorf("a reload of the same: %v", a)
	}

	before := admin.want(200, "GET", "/api/config", nil)
	for wrong, says := range map[string]string{
		"[job-local \"stays\"]\nschedule = @daily\ncomand = true\n":                              f.path + ":3",
		"[job-local \"stays\"]\ncommand = true\nschedule = 61 * * * *\n":                         f.path + ":3",
		"[job-local \"stays\"]\nschedule = @daily\ncommand = true ; no comment\n":                f.path + ":3",
		"[job-local \"stays\"]\nschedule = @daily\ncommand = \"true\n":                           f.path + ":3",
		"[job-local \"mine\"]\nschedule = @daily\ncommand = true\n":                              f.path + ":1",
		"[job-local \"a\"]\nschedule = @daily\ncommand = true\n[job-lokal \"b\"]\n":              f.path + ":4",
		"[job-local \"a\"]\nschedule = @daily\ncommand = true\ndepends-on = b\n":                 f.path,
		"[job-local \"a\"]\nschedule = @daily\ncommand = ${NOT_SET_ANYWHERE}\n":                  f.path + ":3",
		"[job-local \"a\"]\nschedule = @none\ncommand = x\n[job-local \"a\"]\nschedule=@daily\n": f.path + ":4",
		"[global]\nslack-webhook = nourl\n[job-local \"a\"]\nschedule = @none\ncommand = x\n":    f.path + ":2\":\"slack-webhook: must be",
		"[cors]\nallowed-origins = notanorigin\n":                                                f.path + ":2",
		"[docker]\nfilters = x\n":         f.path + ":2",
		"[global]\nweb-address = :::::\n": f.path + ":2",
		"[global]\n\nemail-to = x\n[job-local \"a\"]\nschedule = @none\ncommand = x\n": f.path + ":3\":\"email-to: must be",
	} {
		f.write(wrong)
		if got := admin.refused(400, "VALIDATION_ERROR", "POST", "/api/scheduler/reload", nil); !strings.Contains(got, says) {
			t.Errorf("%s\nis refused with %s, without %s", wrong, got, says)
		}
		if after := admin.want(200, "GET", "/api/config", nil); string(after.body) != string(before.body) {
			t.Fatalf("%s\nchanged\n%s\ninto\n%s", wrong, before.body, after.body)
		}
	}
}

// TestOfeliaReloadCounts: the answer has the numbers of jobs that were added, updated
// and removed.
func TestOfeliaReloadCounts(t *testing.T) {
	t.Parallel()
	with := func(try int) string {
		return fmt.Sprintf("[job-local \"stays\"]\nschedule = @daily\ncommand = echo %d\n"+
			"[job-local \"a%[1]d\"]\nschedule = @daily\ncommand = true\n[job-local \"b%[1]d\"]\nschedule = @daily\ncommand = true\n"+
			"[job-local \"c\"]\nschedule = @daily\ncommand = true\n", try)
	}
	f := newINI(t, with(0))
	s := ofeliaServer(t, t.TempDir(), "--config", f.path)
	admin := s.admin(t)
	var got string
	// The server looks at its files every second: when it does so between these two
	// steps, there is nothing left for the call to do, and it is made again.
	for try := 1; try < 5; try++ {
		f.write(with(try))
		a := admin.want(200, "POST", "/api/scheduler/reload", nil).object()
		if got = text([]any{a["jobsAdded"], a["jobsUpdated"], a["jobsRemoved"]}); got == "[2,1,2]" {
			return
		}
	}
	t.Errorf("added, updated and removed: %s, want 2, 1, 2", got)
}

// TestOfeliaWatchesFiles: a changed file, one more that a pattern finds, and SIGHUP.
func TestOfeliaWatchesFiles(t *testing.T) {
	t.Parallel()
	f := newINI(t, "[job-local \"one\"]\nschedule = @daily\ncommand = true\n")
	s := ofeliaServer(t, t.TempDir(), "--config", filepath.Join(filepath.Dir(f.path), "*.ini"))
	admin := s.admin(t)
	jobs := func(want string) {
		t.Helper()
		admin.eventually("jobs "+want, func() bool { return strings.Join(admin.want(200, "GET", "/api/jobs", nil).names(), " ") == want })
	}
	f.write("[job-local \"two\"]\nschedule = @daily\ncommand = true\n")
	jobs("two")
	writeFile(t, filepath.Join(filepath.Dir(f.path), "more.ini"), "[job-local \"three\"]\nschedule = @daily\ncommand = true\n")
	jobs("three two")
	if strings.Contains(s.log.String(), "why=SIGHUP") {
		t.Fatal("nobody has sent SIGHUP yet")
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	admin.eventually("SIGHUP is obeyed", func() bool { return strings.Contains(s.log.String(), "why=SIGHUP") })
	f.write("[job-local \"two\"]\nnonsense\n")
	admin.eventually("a wrong file is named in the log", func() bool { return strings.Contains(s.log.String(), f.path+":2") })
	jobs("three two")
	f.write("")
	jobs("three")
}

// TestOfeliaGlobal: what is changed through the API holds at once and after a
// restart, before what the file says.
func TestOfeliaGlobal(t *testing.T) {
	t.Parallel()
	f := newINI(t, "[global]\nemail-from = file@example.com\nsmtp-host = file.example.com\n[docker]\ndocker-poll-interval = 20\n")
	data := t.TempDir()
	s := ofeliaServer(t, data, "--config", f.path)
	admin := s.admin(t)
	if got := admin.want(200, "GET", "/api/config", nil).object()["global"].(object); got["dockerPollInterval"] != 20.0 || got["emailFrom"] != "file@example.com" {
		t.Errorf("the file's: %v", got)
	}
	changed := admin.want(200, "PATCH", "/api/config/global", object{"dockerPollInterval": 60, "slackChannel": "#alerts", "emailFrom": "api@example.com"}).object()
	for _, wrong := range []object{{"dockerPollInterval": 90, "nonsense": true}, {"logLevel": "loud", "dockerPollInterval": 90}, {"smtpPort": 99999999}, {"dockerEvents": "yes please"}} {
		admin.refused(400, "VALIDATION_ERROR", "PATCH", "/api/config/global", wrong)
	}
	for key, wrong := range map[string]string{"emailTo": "x", "slackURL": "x", "saveFolder": "logs", "webAddress": ":::::", "dockerHost": "nonsense", "emailFrom": "x y"} {
		if said := admin.refused(400, "VALIDATION_ERROR", "PATCH", "/api/config/global", object{key: wrong}); !strings.Contains(said, `"fields":{"`+key+`":"`) {
			t.Errorf("a wrong %s is refused with %s", key, said)
		}
	}
	if said := admin.refused(400, "VALIDATION_ERROR", "PATCH", "/api/config/global", object{"dockerFilters": []string{"x"}}); !strings.Contains(said, `"dockerFilters":`) {
		t.Errorf("a wrong filter is refused with %s", said)
	}
	check := func(admin *asker) {
		t.Helper()
		got := admin.want(200, "GET", "/api/config", nil).object()["global"].(object)
		for key, want := range map[string]any{"dockerPollInterval": 60, "slackChannel": "#alerts", "emailFrom": "api@example.com", "smtpHost": "file.example.com"} {
			if text(got[key]) != text(want) {
				t.Errorf("%s is %s, want %s", key, text(got[key]), text(want))
			}
		}
		if text(got) != text(changed) {
			t.Errorf("the answer of the change was\n%s\nand now it is\n%s", text(changed), text(got))
		}
	}
	check(admin)
	admin.want(200, "POST", "/api/scheduler/reload", nil)
	check(admin)
	s.terminate()
	s = ofeliaServer(t, data, "--config", f.path)
	check(s.admin(t))
}

// TestOfeliaStoredGlobalThatIsRefusedNow: what an earlier version took does not keep
// the server from starting; the rest of it counts.
func TestOfeliaStoredGlobalThatIsRefusedNow(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := ofeliaServer(t, data)
	s.admin(t).want(200, "PATCH", "/api/config/global", object{"slackChannel": "#alerts"})
	s.terminate()
	conn, err := sql.Open("sqlite", filepath.Join(data, "belfry.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(`UPDATE settings SET value = '{"slackChannel":"#alerts","webAddress":":::::","emailTo":"x","gone":1,"dockerFilters":["x"]}' WHERE name = 'global'`)
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	s = ofeliaServer(t, data)
	got := s.admin(t).want(200, "GET", "/api/config", nil).object()["global"].(object)
	if got["slackChannel"] != "#alerts" || got["webAddress"] != "" || got["emailTo"] != "" || text(got["dockerFilters"]) != "[]" {
		t.Errorf("in force: %v", got)
	}
	for _, key := range []string{"webAddress", "emailTo", "gone", "dockerFilters"} {
		if !strings.Contains(s.log.String(), "does not count\" key="+key) {
			t.Errorf("the log does not say that %s does not count", key)
		}
	}
}

// TestOfeliaGlobalReachesJobs: what jobs take from [global] is what was changed
// through the API, for jobs of files from the next reading on.
func TestOfeliaGlobalReachesJobs(t *testing.T) {
	t.Parallel()
	f := newINI(t, "[global]\nmax-runtime = 2h\n[job-local \"file\"]\nschedule = @none\ncommand = true\n")
	admin := ofeliaServer(t, t.TempDir(), "--config", f.path).admin(t)
	limits := func() (all []any) {
		for _, name := range []string{"file", "before", "after"} {
			all = append(all, admin.do("GET", jobPath(name), nil).object()["maxRuntime"])
		}
		return all
	}
	admin.create("before", "@none", "true", nil)
	admin.want(200, "PATCH", "/api/config/global", object{"maxRuntime": "1h"})
	admin.create("after", "@none", "true", nil)
	admin.want(200, "POST", "/api/scheduler/reload", nil)
	const hour = 3_600_000_000_000
	if got, want := text(limits()), text([]any{hour, 2 * hour, hour}); got != want {
		t.Errorf("of the file, made before and made after: %s, want %s", got, want)
	}
}

// TestOfeliaAddresses: the server's and the engine's addresses that were set through
// the API hold from the next start on, unless flags say something else.
func TestOfeliaAddresses(t *testing.T) {
	t.Parallel()
	f := newINI(t, "[global]\nweb-address = 127.0.0.3:0\n")
	for name, config := range map[string][]string{"without files": nil, "before a file's": {"--config", f.path}} {
		data := t.TempDir()
		s := ofeliaServer(t, data, config...)
		s.admin(t).want(200, "PATCH", "/api/config/global", object{"webAddress": "127.0.0.2:0", "dockerHost": "off"})
		s.terminate()
		s = ofeliaServer(t, data, append(config, "--listen=", "--docker=")...)
		if !strings.HasPrefix(s.url, "http://127.0.0.2:") {
			t.Errorf("%s: it listens on %s", name, s.url)
		}
		if got := s.nobody(t).want(200, "GET", "/health/readiness", nil).object(); got["docker"] != "disabled" {
			t.Errorf("%s: the engine is %v", name, got["docker"])
		}
		s.terminate()
		if s = ofeliaServer(t, data, config...); !strings.HasPrefix(s.url, "http://127.0.0.1:") {
			t.Errorf("%s: with --listen it listens on %s", name, s.url)
		}
		s.admin(t).want(200, "PATCH", "/api/config/global", object{"webAddress": "0.0.0.0:0"})
		s.terminate()
		out, err := command(t, append([]string{"serve", "--data", data, "--auth", "none"}, config...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "--auth none lets everybody who reaches 0.0.0.0:0 (web-address") {
			t.Errorf("%s: open to everybody: %v\n%s", name, err, out)
		}
	}
}

// TestOfeliaSecrets: no answer, no audit row and no line of the log has one.
func TestOfeliaSecrets(t *testing.T) {
	t.Parallel()
	const secret = "t0psecret"
	f := newINI(t, `
[global]
slack-webhook = https://hooks.slack.com/services/T0/`+secret+`
smtp-host = mail.example.com
smtp-user = belfry
smtp-password = `+secret+`
[job-http "call"]
schedule = @manual
url = http://user:`+secret+`@127.0.0.1:9/?api_key=`+secret+`&x=1
header = Authorization: Bearer `+secret+`
`)
	s := ofeliaServer(t, t.TempDir(), "--config", f.path, "--log-level", "debug")
	admin := s.admin(t)
	listen := admin.listen()
	var said []string
	ask := func(status int, method, path string, body any) {
		t.Helper()
		said = append(said, string(admin.want(status, method, path, body).body))
	}
	ask(201, "POST", "/api/jobs", object{
		"name": "own", "type": "local", "schedule": "@manual", "command": "true", "slackWebhook": "https://hooks.slack.com/services/" + secret,
		"smtpPassword": secret, "emailTo": "a@example.com", "smtpHost": "127.0.0.1", "smtpPort": 9, "emailFrom": "b@example.com",
	})
	ask(200, "PUT", "/api/job/own", object{"smtpPassword": secret + "2"})
	ask(200, "PATCH", "/api/config/global", object{"smtpPassword": secret + "3", "slackURL": "https://hooks.slack.com/services/" + secret + "4"})
	ask(200, "PATCH", "/api/config/global", object{"dockerHost": "tcp://user:" + secret + "@10.0.0.9:2376"})
	admin.want(201, "POST", "/api/jobs", object{"name": "hook", "type": "http", "schedule": "@manual", "url": "http://127.0.0.1:9/a?token=" + secret})
	ask(200, "PUT", "/api/job/hook", object{"url": "http://127.0.0.1:9/b?token=******"})
	said = append(said, admin.ended(admin.start("hook", nil)).reason())
	ask(400, "PUT", "/api/job/hook", object{"url": "http://127.0.0.1:10/b?token=******"})
	ask(400, "PATCH", "/api/config/global", object{"smtpPassword": secret, "nonsense": secret})
	ask(400, "PUT", "/api/job/own", object{"slackWebhook": "ftp://" + secret})
	for _, path := range []string{"/api/config", "/api/jobs", "/api/job/own", "/api/job/call", "/api/job/hook", "/settings/system"} {
		ask(200, "GET", path, nil)
	}
	id := admin.start("call", nil)
	e := admin.ended(id)
	said = append(said, e.Output, e.reason())
	ask(200, "GET", "/api/execution/"+id, nil)
	ask(200, "GET", "/api/execution/"+id+"/logs", nil)
	admin.ended(admin.start("own", nil))
	ask(200, "GET", "/metrics", nil)
	// What was shown, masked as it is, changes nothing when it is sent back.
	global := admin.want(200, "GET", "/api/config", nil).object()["global"]
	ask(200, "PATCH", "/api/config/global", global)
	for range 4 {
		e := listen.next()
		said = append(said, text(e.Payload))
	}
	s.terminate()
	said = append(said, s.log.String(), auditRows(t, dataOf(s)))
	for i, text := range said {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("answer %d has a secret: …%s…", i, text[max(0, at-150):min(len(text), at+50)])
		}
	}
}

// auditRows is everything that the audit of a server that has ended says.
func auditRows(t *testing.T, data string) string {
	t.Helper()
	conn, err := sql.Open("sqlite", filepath.Join(data, "belfry.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rows, err := conn.Query("SELECT action || ' ' || object || ' ' || before || ' ' || after FROM audit")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all strings.Builder
	for rows.Next() {
		var row string
		if err := rows.Scan(&row); err != nil {
			t.Fatal(err)
		}
		all.WriteString(row + "\n")
	}
	if err := rows.Err(); err != nil || all.Len() == 0 {
		t.Errorf("the audit is %q, %v", all.String(), err)
	}
	return all.String()
}

// TestOfeliaScheduler: stopped, nothing fires, and what would have is recorded as
// missed; what runs goes on, and a run by hand waits for the start.
func TestOfeliaScheduler(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	gate := filepath.Join(t.TempDir(), "gate")
	admin.create("tick", "* * * * * *", "true", nil)
	admin.create("off", "@daily", "true", object{"enabled": false})
	admin.create("long", "@manual", "sh -c 'while [ ! -e "+gate+" ]; do sleep 0.02; done'", nil)
	admin.runs("tick", 1)
	long := admin.start("long", nil)
	admin.until(long, func(e ofeliaExecution) bool { return e.Status == "running" })
	status := func() object { return admin.want(200, "GET", "/api/scheduler/status", nil).object() }
	if got := status(); got["running"] != true || got["totalJobs"] != 3.0 || got["activeJobs"] != 2.0 || got["nextJob"].(object)["name"] != "tick" {
		t.Errorf("running: %v", got)
	}
	if got := status()["runningJobs"].(float64); got < 1 || got > 2 {
		t.Errorf("%v executions run", got)
	}
	for range 2 { // asking twice is no error
		if got := admin.want(200, "POST", "/api/scheduler/stop", nil).object(); got["running"] != false || got["message"] != "Scheduler stopped" {
			t.Errorf("stopped: %v", got)
		}
	}
	if got := status(); got["running"] != false || got["nextJob"] != nil {
		t.Errorf("stopped: %v", got)
	}
	if got := admin.want(200, "GET", "/health/readiness", nil).object(); got["scheduler"] != "stopped" || got["ready"] != true {
		t.Errorf("stopped on purpose: %v", got)
	}
	admin.runs("tick", 1)
	ran := func() (n, missed int) {
		for _, e := range admin.history("tick") {
			switch e.Status {
			case "missed":
				missed++
			default:
				n++
			}
		}
		return n, missed
	}
	n, missedBefore := ran()
	up := status()["uptime"].(float64)
	admin.eventually("due times pass", func() bool { return status()["uptime"].(float64) >= up+3 })
	if after, _ := ran(); after > n+1 { // one may have been due and not yet stored
		t.Errorf("%d fired while it was stopped", after-n)
	}
	if e := admin.until(long, func(ofeliaExecution) bool { return true }); e.Status != "running" {
		t.Errorf("what ran is %s", e.Status)
	}
	writeFile(t, gate, "")
	if e := admin.ended(long); e.Status != "success" {
		t.Errorf("what ran ended as %s", e.Status)
	}
	byHand := admin.start("off", nil)
	if e := admin.until(byHand, func(ofeliaExecution) bool { return true }); e.Status != "pending" {
		t.Errorf("by hand, a run is %s while nothing starts", e.Status)
	}
	for range 2 {
		if got := admin.want(200, "POST", "/api/scheduler/start", nil).object(); got["running"] != true || got["message"] != "Scheduler started" {
			t.Errorf("started: %v", got)
		}
	}
	if e := admin.ended(byHand); e.Status != "success" {
		t.Errorf("by hand, a run is %s", e.Status)
	}
	admin.eventually("missed fires are recorded, and it fires again", func() bool {
		now, missed := ran()
		return missed >= missedBefore+2 && now > n+1
	})
	for _, e := range admin.history("tick") {
		if e.Status != "missed" {
			continue
		}
		if e.EndTime != nil || e.Duration != nil || e.ExitCode != nil || !strings.Contains(e.reason(), "stopped through the API") {
			t.Errorf("missed: %+v because of %q", e, e.reason())
		}
	}
}

// TestOfeliaReadinessOfAFullDisk: 503 with the reason while the database cannot be
// written, 200 when it can again; a refused write is UNAVAILABLE.
func TestOfeliaReadinessOfAFullDisk(t *testing.T) {
	t.Parallel()
	disk := tmpfs(t, "8m")
	s := ofeliaServer(t, filepath.Join(disk, "data"))
	admin := s.admin(t)
	fill(t, filepath.Join(disk, "filler"))
	t.Cleanup(func() { _ = os.Remove(filepath.Join(disk, "filler")) })
	said := s.untilReady(503)
	for _, want := range []string{`"ready":false`, `"database":"disconnected"`, `"reason":"`, "the disk is full"} {
		if !strings.Contains(said, want) {
			t.Errorf("a full disk: no %s in %s", want, said)
		}
	}
	got := admin.refused(503, "UNAVAILABLE", "POST", "/api/jobs", object{"name": "x", "type": "local", "schedule": "@manual", "command": "true"})
	if !strings.Contains(got, "disk is full") {
		t.Errorf("a refused write says %s", got)
	}
	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	s.untilReady(200)
	admin.create("x", "@manual", "true", nil)
}
