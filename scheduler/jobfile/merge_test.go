package jobfile

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// stored is a job that was made elsewhere, with much that the dialect has no word for.
func stored() scheduler.Draft {
	d := scheduler.Draft{
		Name: "job", Notes: "n", Enabled: true, Executor: "shell",
		Schedules: []scheduler.Schedule{{Text: "0 3 * * *", Zone: "Europe/Berlin"}, {Text: "@daily"}},
		Config:    json.RawMessage(`{ "argv": ["echo", "it's", "", "a b", "x=1"], "stdin":"in", "umask" : "0022" }`),
		DependsOn: []scheduler.Dependency{{JobID: "1", Job: "p", On: scheduler.OnAny}, {JobID: "2", Job: "q", On: scheduler.OnSuccess}},
		Triggers:  []scheduler.Dependency{{JobID: "3", Job: "both", On: scheduler.OnAny}, {JobID: "4", Job: "bad", On: scheduler.OnFailure}},
		Notify: []scheduler.Notify{
			{Kind: "pager", Config: json.RawMessage(`{"x":1}`)},
			{Kind: "slack", On: scheduler.OnSuccess, Config: json.RawMessage(`{"webhook":"https://hooks.slack.com/services/s","extra":2}`)},
			{Kind: "mail", Config: json.RawMessage(`{"password":"secret","to":"a@b"}`)},
		},
		Concurrency: scheduler.Queue, Retry: scheduler.RetryPolicy{Factor: 3}, Tags: []string{"gpu"},
	}
	d.Normalize()
	return d
}

func TestMergeOfWhatWasShownChangesNothing(t *testing.T) {
	d, before := stored(), stored()
	shown := JSON(d)
	shown["lastRun"], shown["history"], shown["status"] = nil, []string{}, "success"
	var back map[string]json.RawMessage
	if err := json.Unmarshal(encode(shown), &back); err != nil {
		t.Fatal(err)
	}
	if err := Merge(&d, back, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, d); diff != "" {
		t.Error(diff)
	}
}

func TestShown(t *testing.T) {
	want := map[string]any{
		"name": "job", "type": "local", "enabled": true, "schedule": "CRON_TZ=Europe/Berlin 0 3 * * *; @daily",
		"command": `echo 'it'\''s' '' 'a b' x=1`, "dependsOn": []string{"p", "q"}, "onSuccess": []string{"both"},
		"onFailure": []string{"both", "bad"}, "slackWebhook": "https://hooks.slack.com/…******", "smtpPassword": "******",
		"noOverlap": false, "user": "", "environment": []string{}, "retryMaxDelayMs": int64(3_600_000), "maxRuntime": int64(0),
	}
	got := JSON(stored())
	for key, v := range want {
		if !cmp.Equal(got[key], v) {
			t.Errorf("%s: %#v, want %#v", key, got[key], v)
		}
	}
}

func TestShownInPart(t *testing.T) {
	want := map[string]any{"name": "job", "schedule": "CRON_TZ=Europe/Berlin 0 3 * * *; @daily"}
	if diff := cmp.Diff(want, JSON(stored(), "name", "schedule", "image")); diff != "" {
		t.Error(diff)
	}
}

func TestMergeChangesOnlyWhatIsGiven(t *testing.T) {
	tests := []struct {
		name, given string
		change      func(d *scheduler.Draft)
	}{
		{"nothing", `{}`, func(*scheduler.Draft) {}},
		{"name, enabled", `{"name":" x ","enabled":false}`, func(d *scheduler.Draft) { d.Name, d.Enabled = "x", false }},
		{"schedule", `{"schedule":"@hourly"}`, func(d *scheduler.Draft) { d.Schedules = []scheduler.Schedule{{Text: "@hourly"}} }},
		{"triggered", `{"schedule":"@Manual"}`, func(d *scheduler.Draft) { d.Schedules = nil }},
		{"command", `{"command":"date -u"}`, func(d *scheduler.Draft) {
			d.Config = json.RawMessage(`{"command":"date -u","shell":"none","stdin":"in","umask":"0022"}`)
		}},
		{"environment", `{"environment":["B=2","A=1"]}`, func(d *scheduler.Draft) {
			d.Config = json.RawMessage(`{"argv":["echo","it's","","a b","x=1"],"env":{"A":"1","B":"2"},"stdin":"in","umask":"0022"}`)
		}},
		{"no overlap", `{"noOverlap":true}`, func(d *scheduler.Draft) { d.Concurrency = scheduler.Forbid }},
		{"parents keep their condition", `{"dependsOn":["new","p"]}`, func(d *scheduler.Draft) {
			d.DependsOn = []scheduler.Dependency{{Job: "new", On: scheduler.OnSuccess}, {JobID: "1", Job: "p", On: scheduler.OnAny}}
		}},
		{"a trigger of any outcome keeps the other", `{"onSuccess":["ok"]}`, func(d *scheduler.Draft) {
			d.Triggers = []scheduler.Dependency{{JobID: "3", Job: "both", On: scheduler.OnFailure}, {JobID: "4", Job: "bad", On: scheduler.OnFailure}, {Job: "ok", On: scheduler.OnSuccess}}
		}},
		{"a trigger of both outcomes", `{"onSuccess":["both","bad"]}`, func(d *scheduler.Draft) {
			d.Triggers = append(d.Triggers, scheduler.Dependency{Job: "bad", On: scheduler.OnSuccess})
		}},
		{"linear", `{"retryExponential":false}`, func(d *scheduler.Draft) { d.Retry.Factor = 1 }},
		{"slack", `{"slackWebhook":"https://x.example/new","slackOnlyOnError":true}`, func(d *scheduler.Draft) {
			d.Notify[1] = scheduler.Notify{Kind: "slack", On: scheduler.OnFailure, Config: json.RawMessage(`{"extra":2,"webhook":"https://x.example/new"}`)}
		}},
		{"mail goes when nothing is left", `{"emailTo":"","smtpPassword":""}`, func(d *scheduler.Draft) { d.Notify = d.Notify[:2] }},
		{"masked", `{"smtpPassword":"******","slackWebhook":"https://hooks.slack.com/…******"}`, func(*scheduler.Draft) {}},
		{"durations as text", `{"maxRuntime":"1h","type":"local"}`, func(d *scheduler.Draft) { d.Timeout = time.Hour }},
	}
	for _, tt := range tests {
		got, want, untouched := stored(), stored(), stored()
		base := got
		tt.change(&want)
		if err := Merge(&got, object1(t, tt.given), nil); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(untouched, base); diff != "" {
			t.Errorf("%s changed what a copy shares with it:\n%s", tt.name, diff)
		}
	}
}

func TestMergeKeepsAScriptsShell(t *testing.T) {
	d := scheduler.Draft{Executor: "shell", Config: json.RawMessage(`{"command":"a | b","shell":"/bin/bash"}`)}
	if got := JSON(d)["command"]; got != "a | b" {
		t.Error(got)
	}
	if err := Merge(&d, object1(t, `{"command":"a | c"}`), nil); err != nil || string(d.Config) != `{"command":"a | c","shell":"/bin/bash"}` {
		t.Errorf("%v %s", err, d.Config)
	}
}

func TestMergeRefuses(t *testing.T) {
	tests := []struct{ given, field, message string }{
		{`{"type":"run"}`, "type", "cannot be changed; delete the job and create it again"},
		{`{"type":1}`, "type", "must be a string"},
		{`{"max-retries":1}`, "max-retries", `is not known (did you mean "maxRetries"?)`},
		{`{"container":"x"}`, "container", "is not known"},
		{`{"schedule":"75 * * * *"}`, "schedule", "minute: 75 is out of range 0-59"},
		{`{"schedule":"TZ=Mars/X * * * * *"}`, "schedule", `"Mars/X" is not a time zone known here; use a name like Europe/Berlin or UTC`},
		{`{"schedule":""}`, "schedule", "is required; @triggered is for jobs that only others or people start"},
		{`{"command":" "}`, "command", "is required"},
		{`{"environment":["A"]}`, "environment", `"A" is not of the form NAME=value`},
		{`{"environment":["=A"]}`, "environment", `"=A" is not of the form NAME=value`},
		{`{"environment":["A=1","A=2"]}`, "environment", `has "A" twice`},
		{`{"dependsOn":["a","a"]}`, "dependsOn", `names "a" twice`},
		{`{"onFailure":[""]}`, "onFailure", "the name of a job is required"},
		{`{"slackWebhook":"https://other.example/…******"}`, "slackWebhook", errMasked.Error()},
		{`{"retryDelayMs":0}`, "retryDelayMs", "must be at least 1ms"},
		{`{"maxRetries":-1}`, "maxRetries", "must be 0 to 1000000000"},
	}
	for _, tt := range tests {
		d := stored()
		err := Merge(&d, object1(t, tt.given), nil)
		var e *scheduler.Error
		if !errors.As(err, &e) || e.Code != scheduler.CodeInvalid || len(e.Fields) != 1 || e.Fields[0].Field != tt.field || !strings.HasPrefix(e.Fields[0].Message, tt.message) {
			t.Errorf("%s: %v", tt.given, err)
		}
		if diff := cmp.Diff(stored(), d); diff != "" {
			t.Errorf("%s changed the job:\n%s", tt.given, diff)
		}
	}
}

func TestCreate(t *testing.T) {
	g := DefaultGlobal()
	g.DefaultUser = "nobody"
	d, err := Create(object1(t, `{"name":"cleanup","type":"run","schedule":"0 2 * * *","image":"alpine:latest","command":"cleanup.sh","pull":false,"retryDelayMs":90000}`), &g, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := scheduler.Draft{
		Name: "cleanup", Enabled: true, Executor: "docker-run", Schedules: []scheduler.Schedule{{Text: "0 2 * * *"}}, Concurrency: scheduler.Allow,
		Config:  json.RawMessage(`{"command":"cleanup.sh","delete":true,"image":"alpine:latest","pull":"missing","stop_timeout":"10s","user":"nobody"}`),
		Timeout: 24 * time.Hour, Retry: scheduler.RetryPolicy{Delay: 90 * time.Second, Factor: 2, MaxDelay: 90 * time.Second},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
	for given, want := range map[string]string{
		`{}`: "type", `{"type":"exe"}`: "type", `{"type":"local"}`: "name schedule", `{"type":7}`: "type",
		`{"type":"http","name":"x","schedule":"@daily","command":"x","expectCode":true}`: "expectCode command",
	} {
		_, err := Create(object1(t, given), &g, nil)
		var e *scheduler.Error
		var fields []string
		if errors.As(err, &e) {
			for _, f := range e.Fields {
				fields = append(fields, f.Field)
			}
		}
		if strings.Join(fields, " ") != want {
			t.Errorf("%s: %v", given, err)
		}
	}
	if d, err := Create(object1(t, `{"type":"service-run","name":"x","schedule":"@none"}`), &g, nil); err != nil || d.Executor != "docker-service" || JSON(d)["schedule"] != "@triggered" || JSON(d)["type"] != "service" {
		t.Error(err)
	}
}

// A job that starts an existing container has none of the defaults that the
// container decides; what was given stays, for the executor to refuse.
func TestDefaultsOfAnExistingContainer(t *testing.T) {
	g := DefaultGlobal()
	g.DefaultUser = "nobody"
	create := func(more string) scheduler.Draft {
		t.Helper()
		d, err := Create(object1(t, `{"name":"x","type":"run","schedule":"@none",`+more+`}`), &g, nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	put := func(more string) scheduler.Draft {
		t.Helper()
		d := create(`"image":"alpine"`)
		if err := Merge(&d, object1(t, more), nil); err != nil {
			t.Fatal(err)
		}
		return d
	}
	label := func(more map[string]string) scheduler.Draft {
		t.Helper()
		all := map[string]string{"ofelia.enabled": "true", "ofelia.job-run.x.schedule": "@none"}
		for key, v := range more {
			all["ofelia.job-run.x."+key] = v
		}
		jobs, problems := Labels([]Container{{Name: "box", Labels: all}}, &g)
		if len(problems) > 0 || len(jobs) != 1 {
			t.Fatal(problems)
		}
		return jobs[0].Draft
	}
	const section = "[global]\ndefault-user = nobody\n[job-run \"x\"]\nschedule = @none\n"
	for name, tt := range map[string]struct {
		d    scheduler.Draft
		want string
	}{
		"JSON":         {create(`"container":"c"`), `{"container":"c","delete":true,"stop_timeout":"10s"}`},
		"JSON, given":  {create(`"container":"c","pull":"always","user":"u"`), `{"container":"c","delete":true,"pull":"always","stop_timeout":"10s","user":"u"}`},
		"JSON, both":   {create(`"container":"c","image":"i"`), `{"container":"c","delete":true,"image":"i","pull":"always","stop_timeout":"10s","user":"nobody"}`},
		"PUT":          {put(`{"image":"","container":"c"}`), `{"container":"c","delete":true,"stop_timeout":"10s"}`},
		"PUT, given":   {put(`{"image":"","container":"c","pull":"never"}`), `{"container":"c","delete":true,"pull":"never","stop_timeout":"10s"}`},
		"PUT of else":  {put(`{"hostname":"h"}`), `{"delete":true,"hostname":"h","image":"alpine","pull":"always","stop_timeout":"10s","user":"nobody"}`},
		"INI":          {mustParse(t, section+"container = c\n").Jobs[0].Draft, `{"container":"c","delete":true,"stop_timeout":"10s"}`},
		"INI, given":   {mustParse(t, section+"container = c\nuser = u\n").Jobs[0].Draft, `{"container":"c","delete":true,"stop_timeout":"10s","user":"u"}`},
		"label":        {label(map[string]string{"container": "c"}), `{"container":"c","delete":true,"stop_timeout":"10s"}`},
		"label, given": {label(map[string]string{"container": "c", "pull": "never"}), `{"container":"c","delete":true,"pull":"never","stop_timeout":"10s"}`},
	} {
		if got := string(tt.d.Config); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestSecretsOfHTTPJobs(t *testing.T) {
	request := func() scheduler.Draft {
		return scheduler.Draft{Executor: "http", Config: json.RawMessage(`{"headers":{"Accept":"*/*","Authorization":"Bearer abc"},"url":"https://u:p:w@host:1/a?b=c@d"}`)}
	}
	shown := JSON(request())
	if shown["url"] != "https://u:******@host:1/a?b=c@d" || !slices.Equal(shown["header"].([]string), []string{"Accept: */*", "Authorization: ******"}) {
		t.Error(shown["url"], shown["header"])
	}
	tests := []struct{ given, want string }{
		{`{"url":"https://u:******@host:1/other"}`, `{"headers":{"Accept":"*/*","Authorization":"Bearer abc"},"url":"https://u:p:w@host:1/other"}`},
		{`{"url":"https://u:******@evil/a"}`, ""},
		{`{"url":"https://v:******@host:1/a"}`, ""},
		{`{"url":"http://u:******@host:1/a"}`, ""},
		{`{"url":"https://u:n@evil/a"}`, `{"headers":{"Accept":"*/*","Authorization":"Bearer abc"},"url":"https://u:n@evil/a"}`},
		{`{"header":["authorization: ******","X-A: 1"]}`, `{"headers":{"Authorization":"Bearer abc","X-A":"1"},"url":"https://u:p:w@host:1/a?b=c@d"}`},
		{`{"header":["Cookie: ******"]}`, ""},
		{`{"header":["Authorization"]}`, ""},
		{`{"header":[]}`, `{"url":"https://u:p:w@host:1/a?b=c@d"}`},
	}
	for _, tt := range tests {
		d := request()
		err := Merge(&d, object1(t, tt.given), nil)
		if (err != nil) != (tt.want == "") || err == nil && string(d.Config) != tt.want {
			t.Errorf("%s: %v %s", tt.given, err, d.Config)
		}
	}
}

func TestSecretsInTheQueryOfHTTPJobs(t *testing.T) {
	request := func() scheduler.Draft {
		return scheduler.Draft{Executor: "http", Config: json.RawMessage(`{"url":"https://host/a?api_key=one&page=2&Token=two&token=three&key=#sig=x"}`)}
	}
	if got := JSON(request())["url"]; got != "https://host/a?api_key=******&page=2&Token=******&token=******&key=#sig=x" {
		t.Error(got)
	}
	for given, want := range map[string]string{
		"https://host/b?token=******&api_key=******": "https://host/b?token=three&api_key=one",
		"https://host/a?Token=******&token=******":   "https://host/a?Token=two&token=three",
		"https://host/a?api_key=new&token=******":    "https://host/a?api_key=new&token=three",
		"https://host/a?token=******&token=******":   "",
		"https://host/a?other_token=******":          "",
		"https://evil/a?token=******":                "",
		"http://host/a?token=******":                 "",
		"https://host:8443/a?token=******":           "",
		"https://host.evil/a?token=******":           "",
		"https://u:p@host/a?token=******":            "",
		"https://evil/a?token=mine":                  "https://evil/a?token=mine",
	} {
		d := request()
		err := Merge(&d, map[string]json.RawMessage{"url": encode(given)}, nil)
		if want == "" && err == nil || want != "" && (err != nil || get(readObject(d.Config), "url", "") != want) {
			t.Errorf("%s: %v %s", given, err, d.Config)
		}
	}
	both := scheduler.Draft{Executor: "http", Config: json.RawMessage(`{"url":"https://u:p@host/a?key=k"}`)}
	if err := Merge(&both, object1(t, `{"url":"https://u:******@host/b?key=******"}`), nil); err != nil || get(readObject(both.Config), "url", "") != "https://u:p@host/b?key=k" {
		t.Errorf("%v %s", err, both.Config)
	}
}

func TestUnknownExecutors(t *testing.T) {
	d := scheduler.Draft{Name: "x", Executor: "other", Config: json.RawMessage(`{"a":1}`)}
	if shown := JSON(d); shown["type"] != "other" || shown["schedule"] != "@triggered" || shown["command"] != nil {
		t.Error(shown)
	}
	if err := Merge(&d, object1(t, `{"type":"other","maxRetries":2}`), nil); err != nil || d.Retries != 2 || string(d.Config) != `{"a":1}` {
		t.Error(err)
	}
}

func TestJSONField(t *testing.T) {
	run, local := scheduler.Draft{Executor: "docker-run", Notify: []scheduler.Notify{{Kind: "mail"}}}, scheduler.Draft{Executor: "shell"}
	for _, tt := range []struct {
		d           scheduler.Draft
		field, want string
	}{
		{run, "config.dir", "workingDir"},
		{local, "config.dir", "dir"},
		{local, "config.argv.2", "command"},
		{run, "config.env.A", "environment"},
		{run, "retry.delay", "retryDelayMs"},
		{run, "timezone", "schedule"},
		{run, "notify.0.config.to", "emailTo"},
		{run, "notify.0.on", "mailOnlyOnError"},
		{run, "executor", "type"},
		{run, "name", "name"},
		{run, "config.unheard", "config.unheard"},
	} {
		if got := JSONField(tt.d, tt.field); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.field, got, tt.want)
		}
	}
}

// Every form of schedule that the contract names is read.
func TestSchedules(t *testing.T) {
	for _, s := range []string{
		"*/5 * * * *", "0 30 2 * * *", "@every 1h30m", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly",
		"@triggered", "@manual", "@none", "TZ=Europe/Berlin 0 3 * * *", "CRON_TZ=Asia/Tokyo @daily", "TZ=UTC 0 0 3 * * *",
		"0 0 L * *", "0 0 15W * *", "0 0 LW * *", "0 0 * * MON#1", "0 0 * * FRI#L", "0 0 12 ? * MON-FRI", "0,20,40 * * * *", "@every 10s",
	} {
		d := stored()
		if err := Merge(&d, map[string]json.RawMessage{"schedule": encode(s)}, nil); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}
