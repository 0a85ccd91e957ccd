package jobfile

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

func TestProblemsAreAllReported(t *testing.T) {
	_, err := Parse("jobs.ini", `[global]
log-level = loud
max-runtime = 10
defaultuser = nobody
default-user = nobody
enable-web = true

[job-exec "a"]
shedule = @daily
command = x
command = y
image = alpine
tty = maybe
environment = NAME
max-retries =
retry-delay-ms = 0
smtp-port = 99999
timeout = 5s

[global]
[job-run "a"]
schedule = 0 25 * * *
volumes = /a:/b
environment = A=1
environment = a=1
environment = A=2
`, noVariables)
	want := `jobs.ini:2: log-level: must be debug, info, warn or error
jobs.ini:3: max-runtime: must be a duration with its unit, like 10s, not "10"
jobs.ini:5: default-user: is given twice, first on line 4
jobs.ini:6: enable-web: is not supported: the pages are always served; remove the line
jobs.ini:8: schedule: is required for job-exec "a"; @triggered is for jobs that only others or people start
jobs.ini:9: shedule: is not a key of job-exec (did you mean "schedule"?)
jobs.ini:11: command: is given twice, first on line 10
jobs.ini:12: image: is not a key of job-exec; job-run has it
jobs.ini:13: tty: must be true or false, not "maybe"
jobs.ini:14: environment: "NAME" is not of the form NAME=value
jobs.ini:15: max-retries: needs a value
jobs.ini:16: retry-delay-ms: must be at least 1ms
jobs.ini:17: smtp-port: must be 0 to 65535
jobs.ini:18: timeout: is not a key of job-exec; job-http has it
jobs.ini:20: [global] stands twice in this file, first on line 1
jobs.ini:21: the job "a" is defined twice, first at jobs.ini:8
jobs.ini:22: schedule: hour: 25 is out of range 0-23
jobs.ini:23: volumes: is not known; repeat volume, once for each mount
jobs.ini:24: environment: has "A" twice`
	if diff := cmp.Diff(want, errText(err)); diff != "" {
		t.Error(diff)
	}
	var problems Problems
	if !errors.As(err, &problems) || problems[0] != (Problem{"jobs.ini", 2, "log-level", "must be debug, info, warn or error"}) {
		t.Errorf("%#v", problems)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadManyFiles(t *testing.T) {
	dir := t.TempDir()
	main := write(t, dir, "belfry.ini", "[global]\ndefault-user = nobody\n[cors]\nallowed-origins = https://a.example\nallowed-origins = https://b.example\nmax-age = 86400\n")
	b := write(t, dir, "20-b.ini", "[job-exec \"b\"]\nschedule = @hourly\n")
	a := write(t, dir, "10-a.ini", "\n[job-exec \"a\"]\nschedule = @hourly\nuser =\n[docker]\nfilters = label=x=y\nfilters = name=z\nevents = no\npoll-interval = 1m\n")
	set, err := Load([]string{main, filepath.Join(dir, "*-*.ini"), filepath.Join(dir, "*.conf"), b}, noVariables, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{main, a, b}, set.Files); diff != "" {
		t.Error(diff)
	}
	if len(set.Jobs) != 2 || set.Jobs[0].Source != a+":2" || set.Jobs[1].Name != "b" {
		t.Errorf("%+v", set.Jobs)
	}
	if JSON(set.Jobs[0].Draft)["user"] != "" || JSON(set.Jobs[1].Draft)["user"] != "nobody" {
		t.Error("default-user is for jobs that do not say")
	}
	wantCORS := CORS{AllowedOrigins: []string{"https://a.example", "https://b.example"}, MaxAge: 24 * time.Hour}
	if diff := cmp.Diff(wantCORS, set.CORS); diff != "" {
		t.Error(diff)
	}
	g := DefaultGlobal()
	g.DefaultUser, g.DockerFilters, g.DockerEvents, g.DockerPollInterval = "nobody", []string{"label=x=y", "name=z"}, false, time.Minute
	if diff := cmp.Diff(g, set.Global); diff != "" {
		t.Error(diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	a := write(t, dir, "a.ini", "[job-run \"x\"]\nschedule = @daily\n[global]\nsave-folder = /a\n[docker]\nhost = unix:///x\n")
	b := write(t, dir, "b.ini", "[global]\nsave_folder = /b\ndocker-host = unix:///y\n\n[job-local \"x\"]\nschedule = @daily\n[cors]\nallowed-methods = GET, POST\n")
	missing := filepath.Join(dir, "missing.ini")
	_, err := Load([]string{a, b, missing, filepath.Join(dir, "[")}, noVariables, nil)
	got := strings.ReplaceAll(errText(err), dir+"/", "")
	want := `missing.ini: cannot be read: no such file or directory
[: is not a pattern for files
b.ini:2: save_folder: is given twice, first at a.ini:4
b.ini:3: docker-host: is given twice, first at a.ini:6
b.ini:5: the job "x" is defined twice, first at a.ini:1
b.ini:8: allowed-methods: has several values on one line; repeat the key, once for each`
	if sortLines(got) != sortLines(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func sortLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		for j := i; j > 0 && lines[j] < lines[j-1]; j-- {
			lines[j], lines[j-1] = lines[j-1], lines[j]
		}
	}
	return strings.Join(lines, "\n")
}

func TestWhere(t *testing.T) {
	set := mustParse(t, `[job-run "a"]
schedule = @daily
Image = alpine
environment = A=1
environment = 1B=1
slack-webhook = https://x.example/y
`)
	tests := []struct {
		field, key string
		line       int
	}{
		{"schedule", "schedule", 2},
		{"timezone", "schedule", 2},
		{"config.image", "Image", 3},
		{"config.env.1B", "environment", 4},
		{"config.container", "container", 1},
		{"retry.max_delay", "retry-max-delay-ms", 1},
		{"notify.0.config.webhook", "slack-webhook", 6},
		{"notify.slack.webhook", "slack-webhook", 6},
		{"name", "", 1},
	}
	for _, tt := range tests {
		file, line, key := set.Where("a", tt.field)
		if file != "jobs.ini" || line != tt.line || key != tt.key {
			t.Errorf("%s: got %s:%d %q, want line %d %q", tt.field, file, line, key, tt.line, tt.key)
		}
	}
	if file, _, _ := set.Where("nobody", "schedule"); file != "" {
		t.Error("found a job that is not there")
	}
	err := &scheduler.Error{Code: scheduler.CodeInvalid, Message: "no", Fields: []scheduler.FieldError{{Field: "config.image", Message: "is not an image"}, {Field: "name", Message: "is taken"}}}
	want := "jobs.ini:3: Image: is not an image\njobs.ini:1: the job \"a\": name is taken"
	if got := set.Jobs[0].Problems(err).Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := set.Jobs[0].Problems(scheduler.Errorf(scheduler.CodeConflict, "exists")).Error(); got != `jobs.ini:1: the job "a": exists` {
		t.Error(got)
	}
}

func TestGlobalThereAndBack(t *testing.T) {
	values := map[string]sample{
		"log-level": one("debug"), "web-address": one(":9000"), "max-runtime": oneAs("2h", int64(2*time.Hour)), "default-user": one("nobody"),
		"allow-host-jobs-from-labels": oneAs("true", true), "slack-channel": one("@ops"), "docker-host": one("tcp://d:2375"),
		"docker-filters": {[]string{"a=b", "c=d"}, []string{"a=b", "c=d"}}, "docker-include-stopped": oneAs("true", true),
		"docker-events": oneAs("false", false), "docker-poll-interval": oneAs("90", 90),
	}
	for i := range globalFields {
		f := &globalFields[i]
		s, ok := values[f.key]
		if !ok {
			if s, ok = samples[f.key]; !ok {
				t.Errorf("no value for %s", f.key)
				continue
			}
		}
		g := mustParse(t, "[global]\n"+f.key+" = "+strings.Join(s.ini, "\n"+f.key+" = ")).Global
		merged := DefaultGlobal()
		if err := merged.Merge(map[string]json.RawMessage{f.jsonKey(): encode(s.json)}); err != nil {
			t.Errorf("%s: %v", f.key, err)
		}
		if diff := cmp.Diff(g, merged); diff != "" || cmp.Equal(g, DefaultGlobal()) {
			t.Errorf("%s: INI (-) and JSON (+) differ, or nothing changed:\n%s", f.key, diff)
		}
		if f.mask == nil && !cmp.Equal(plain(t, g.JSON()[f.jsonKey()]), plain(t, s.json)) {
			t.Errorf("%s: shows %v", f.key, g.JSON()[f.jsonKey()])
		}
		var back map[string]json.RawMessage
		if err := json.Unmarshal(encode(g.JSON()), &back); err != nil {
			t.Fatal(err)
		}
		if err := merged.Merge(back); err != nil || !cmp.Equal(g, merged) {
			t.Errorf("%s: changed by its own JSON: %v", f.key, err)
		}
	}
}

func TestGlobalMerge(t *testing.T) {
	g := DefaultGlobal()
	g.SlackWebhook = "https://hooks.slack.com/services/a/b"
	if err := g.Merge(object1(t, `{"dockerPollInterval":60,"slackChannel":"#alerts"}`)); err != nil || g.DockerPollInterval != time.Minute || g.SlackChannel != "#alerts" {
		t.Errorf("%v %+v", err, g)
	}
	err := g.Merge(object1(t, `{"dockerPollInterval":90,"slackChanel":"x","logLevel":1}`))
	var e *scheduler.Error
	if !errors.As(err, &e) || len(e.Fields) != 2 || e.Fields[0].Field != "logLevel" || e.Fields[1].Field != "slackChanel" || g.DockerPollInterval != time.Minute {
		t.Errorf("%v", err)
	}
	for key, want := range map[string]any{
		"slackURL": "https://hooks.slack.com/…******", "dockerPollInterval": int64(60), "dockerEvents": true, "maxRuntime": int64(24 * time.Hour), "emailTo": "",
	} {
		if got := g.JSON()[key]; got != want {
			t.Errorf("%s: %#v", key, got)
		}
	}
}

func TestGlobalNotify(t *testing.T) {
	set := mustParse(t, `[global]
slack-url = https://hooks.example/x
slack-channel = "#ops"
smtp-host = mail
smtp-port = 25
email-to = a@b
mail-only-on-error = true
save-folder = /var/log
`)
	want := []scheduler.Notify{
		{Kind: "mail", On: scheduler.OnFailure, Config: json.RawMessage(`{"host":"mail","port":25,"to":"a@b"}`)},
		{Kind: "slack", Config: json.RawMessage(`{"channel":"#ops","webhook":"https://hooks.example/x"}`)},
		{Kind: "save", Config: json.RawMessage(`{"folder":"/var/log"}`)},
	}
	if diff := cmp.Diff(want, set.Global.Notify()); diff != "" {
		t.Error(diff)
	}
	g := DefaultGlobal()
	if got := g.Notify(); got != nil {
		t.Error(got)
	}
}

func TestSmallThings(t *testing.T) {
	for given, want := range map[string]string{"DEBUG": "debug", "notice": "info", "warning": "warn", "critical": "error", `""`: ""} {
		if set, err := Parse("f", "[global]\nlog-level = "+given, nil); err != nil || set.Global.LogLevel != want {
			t.Errorf("%s: %v", given, err)
		}
	}
	for text, want := range map[string]string{
		"[docker]\nfilter = a":                          `f:2: filter: is not a key of [docker] (did you mean "filters"?)`,
		"[docker]\nfilters =":                           "f:2: filters: needs a value",
		"[cors]\nmax-age = x":                           `f:2: max-age: must be a duration like 30s, 10m or 1h30m, not "x"`,
		"[cors]\nmax-age = 9999999999999999":            "f:2: max-age: is too large",
		"[global]\n" + strings.Repeat("ä", 40) + " = 1": "f:2: " + strings.Repeat("ä", 40) + ": is not a key of [global]",
		"[global]\n" + strings.Repeat("äx", 40):         `f:2: "` + strings.Repeat("äx", 20) + `…" is neither a [section], nor key = value, nor a comment, which begins with ; or #`,
		"[global]\nuser = ${HOME}":                      "f:2: user: the variable HOME is not set; set it, give a default with ${HOME:-default}, or write $${ for a literal ${",
		"[job-exec \"a]":                                "f:1: the section's ] is missing",
	} {
		if _, err := Parse("f", text, func(string) (string, bool) { return "", false }); errText(err) != want {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
}
