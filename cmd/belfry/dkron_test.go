package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A client of Dkron's API, written from its document alone: what it does not know
// it refuses, and its times are times. The document's answers lack some fields that
// every real server sends; they are marked.

type dkronJob struct {
	ID             string                       `json:"id"` // not in the document
	Name           string                       `json:"name"`
	DisplayName    string                       `json:"displayname"`
	Schedule       string                       `json:"schedule"`
	Timezone       string                       `json:"timezone"`
	Owner          string                       `json:"owner"`
	OwnerEmail     string                       `json:"owner_email"`
	SuccessCount   int                          `json:"success_count"`
	ErrorCount     int                          `json:"error_count"`
	LastSuccess    *time.Time                   `json:"last_success"`
	LastError      *time.Time                   `json:"last_error"`
	Disabled       bool                         `json:"disabled"`
	Tags           map[string]string            `json:"tags"`
	Metadata       map[string]string            `json:"metadata"`
	Retries        int                          `json:"retries"`
	ParentJob      string                       `json:"parent_job"`
	DependentJobs  []string                     `json:"dependent_jobs"`
	Processors     map[string]map[string]string `json:"processors"`
	Concurrency    string                       `json:"concurrency"`
	Executor       string                       `json:"executor"`
	ExecutorConfig map[string]string            `json:"executor_config"`
	Status         string                       `json:"status"`
	Next           time.Time                    `json:"next"`
	Ephemeral      bool                         `json:"ephemeral"`  // not in the document
	StartsAt       *time.Time                   `json:"starts_at"`  // likewise
	ExpiresAt      *time.Time                   `json:"expires_at"` // likewise
}

type dkronExecution struct {
	ID              string    `json:"id"` // not in the document
	JobName         string    `json:"job_name"`
	StartedAt       time.Time `json:"started_at"`
	FinishedAt      time.Time `json:"finished_at"`
	Success         bool      `json:"success"`
	Output          string    `json:"output"`
	NodeName        string    `json:"node_name"`
	Group           int64     `json:"group"`            // not in the document
	Attempt         int       `json:"attempt"`          // likewise
	OutputTruncated bool      `json:"output_truncated"` // likewise
}

type dkronMember struct {
	Name                                                                                 string
	Addr                                                                                 string
	Port                                                                                 int
	Tags                                                                                 map[string]string
	Status, ProtocolMin, ProtocolMax, ProtocolCur, DelegateMin, DelegateMax, DelegateCur int
	ID                                                                                   string `json:"id"`         // not in the document
	StatusText                                                                           string `json:"statusText"` // likewise
}

// dkronClient talks to a listener of its own, as Dkron's clients do.
type dkronClient struct {
	t     *testing.T
	s     *server
	base  string
	token string
}

var dkronListens = regexp.MustCompile(`msg=listening api=dkron address=(\S+)`)

// dkronServer starts a server with such a listener.
func dkronServer(t *testing.T, args ...string) *dkronClient {
	t.Helper()
	s := serve(t, t.TempDir(), append([]string{"--dkron-listen", "127.0.0.1:0", "--docker", "off"}, args...)...)
	t.Cleanup(s.end)
	c := &dkronClient{t: t, s: s}
	c.eventually("the listener", func() bool {
		m := dkronListens.FindStringSubmatch(s.log.String())
		if m != nil {
			c.base = "http://" + m[1]
		}
		return m != nil
	})
	return c
}

// answer sends JSON, fails unless the status is as said, and decodes strictly into
// what is not nil; a *string gets the answer as it is.
func (c *dkronClient) answer(status int, method, path string, body, into any) *http.Response {
	c.t.Helper()
	raw, kind := []byte(nil), ""
	switch body := body.(type) {
	case nil:
	case string:
		raw, kind = []byte(body), "application/json"
	default:
		b, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		raw, kind = b, "application/json"
	}
	return c.send(status, method, path, kind, raw, into)
}

func (c *dkronClient) send(status int, method, path, kind string, raw []byte, into any, header ...string) *http.Response {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, bytes.NewReader(raw))
	if err != nil {
		c.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		req.Header.Set("X-Dkron-Token", c.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s", method, path, err, c.s.log)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != status {
		c.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, status, b)
	}
	switch into := into.(type) {
	case nil:
	case *string:
		*into = string(b)
	default:
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil || d.More() {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, b)
		}
	}
	return resp
}

// eventually asks until check holds; it fails after half a minute.
func (c *dkronClient) eventually(what string, check func() bool) {
	c.t.Helper()
	(&asker{t: c.t, s: c.s}).eventually(what, check)
}

func (c *dkronClient) create(job map[string]any) (made dkronJob) {
	c.t.Helper()
	c.answer(201, "POST", "/v1/jobs", job, &made)
	return made
}

func (c *dkronClient) job(name string) (j dkronJob) {
	c.t.Helper()
	c.answer(200, "GET", "/v1/jobs/"+name, nil, &j)
	return j
}

func (c *dkronClient) executions(name string) (list []dkronExecution) {
	c.t.Helper()
	c.answer(200, "GET", "/v1/jobs/"+name+"/executions", nil, &list)
	return list
}

// ended waits until n runs of a job have ended, and returns them, newest first.
func (c *dkronClient) ended(name string, n int) (list []dkronExecution) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("%d runs of %s", n, name), func() bool {
		list = c.executions(name)
		return len(list) >= n && !slices.ContainsFunc(list, func(e dkronExecution) bool { return e.FinishedAt.IsZero() })
	})
	return list
}

// run starts a job and waits for the run's end.
func (c *dkronClient) run(name string) dkronExecution {
	c.t.Helper()
	n := len(c.executions(name))
	c.answer(202, "POST", "/v1/jobs/"+name, nil, new(dkronJob))
	return c.ended(name, n+1)[0]
}

func dkronShell(name, command string, more map[string]any) map[string]any {
	j := map[string]any{"name": name, "schedule": "@manually", "executor": "shell", "executor_config": map[string]any{"shell": "true", "command": command}}
	for k, v := range more {
		j[k] = v
	}
	return j
}

// TestDkronLifeOfAJob goes through every operation of the document.
func TestDkronLifeOfAJob(t *testing.T) {
	c := dkronServer(t)
	var status map[string]map[string]string
	c.answer(200, "GET", "/v1", nil, &status)
	if status["agent"]["name"] == "" || status["serf"]["members"] != "1" || status["tags"]["server"] != "true" {
		t.Errorf("status %v", status)
	}
	var leader dkronMember
	var members []dkronMember
	c.answer(200, "GET", "/v1/leader", nil, &leader)
	c.answer(200, "GET", "/v1/members", nil, &members)
	if len(members) != 1 || members[0].Name != leader.Name || leader.Addr == "" || !strings.HasSuffix(c.base, fmt.Sprint(":", leader.Port)) || leader.Tags["role"] != "dkron" {
		t.Errorf("leader %+v, members %+v", leader, members)
	}

	sent := map[string]any{
		"name": "job1", "displayname": "string", "schedule": "@every 1h", "timezone": "Europe/Berlin", "owner": "Platform Team", "owner_email": "p@example.com",
		"disabled": true, "tags": map[string]any{"server": "true"}, "metadata": map[string]any{"office": "Barcelona"}, "retries": 2,
		"processors": map[string]any{"log": map[string]any{"forward": true}}, "concurrency": "allow",
		"executor": "shell", "executor_config": map[string]any{"command": "echo 'Hello from Dkron'"},
	}
	before := time.Now()
	made := c.create(sent)
	if made.Name != "job1" || made.Status != "" || made.LastSuccess != nil || !made.Next.After(before) || made.Next.After(before.Add(61*time.Minute)) ||
		made.Processors["log"]["forward"] != "true" || made.Metadata["office"] != "Barcelona" || made.Tags["server"] != "true" || !made.Disabled {
		t.Errorf("made %+v", made)
	}
	if got := c.job("job1"); fmt.Sprintf("%+v", got.ExecutorConfig) != "map[command:echo 'Hello from Dkron']" || got.Owner != "Platform Team" || got.OwnerEmail != "p@example.com" {
		t.Errorf("shown %+v", got)
	}
	var toggled dkronJob
	c.answer(200, "POST", "/v1/jobs/job1/toggle", nil, &toggled)
	if toggled.Disabled {
		t.Error("it is still disabled")
	}
	if e := c.run("job1"); !e.Success || e.Output != "Hello from Dkron\n" || e.JobName != "job1" || e.NodeName != leader.Name || e.Attempt != 1 || e.Group == 0 || e.FinishedAt.Before(e.StartedAt) {
		t.Errorf("%+v", e)
	} else {
		var one dkronExecution
		c.answer(200, "GET", "/v1/jobs/job1/executions/"+e.ID, nil, &one)
		if one.ID != e.ID || one.Output != e.Output {
			t.Errorf("alone %+v, in the list %+v", one, e)
		}
	}
	if j := c.job("job1"); j.Status != "success" || j.SuccessCount != 1 || j.LastSuccess == nil || j.LastSuccess.Before(before.Add(-time.Second)) || j.LastError != nil {
		t.Errorf("after a success %+v", j)
	}

	sent["executor_config"], sent["disabled"] = map[string]any{"shell": true, "command": "echo out; exit 3"}, false
	sent["retries"] = 0
	for _, with := range [][2]string{{"PUT", "/v1/jobs/job1"}, {"PATCH", "/v1/jobs"}} {
		resp := c.answer(201, with[0], with[1], sent, new(dkronJob))
		if resp.Header.Get("Location") != "/v1/jobs/job1" || resp.Header.Get("X-Whom") != leader.Name {
			t.Errorf("%v: %v", with, resp.Header)
		}
	}
	if e := c.run("job1"); e.Success || e.Output != "exit status 3\nout\n" {
		t.Errorf("%+v", e)
	}
	if j := c.job("job1"); j.Status != "failed" || j.ErrorCount != 1 || j.SuccessCount != 1 || j.LastError == nil || j.ExecutorConfig["shell"] != "true" {
		t.Errorf("after a failure %+v", j)
	}
	var list []dkronJob
	resp := c.answer(200, "GET", "/v1/jobs?metadata[office]=Barcelona&q=job&_sort=name&_order=DESC&_start=0&_end=10", nil, &list)
	if len(list) != 1 || resp.Header.Get("X-Total-Count") != "1" {
		t.Errorf("%+v", list)
	}
	c.answer(200, "GET", "/v1/jobs?pretty=true", nil, &list)
	c.answer(200, "DELETE", "/v1/jobs/job1/executions", nil, new(dkronJob))
	if left := c.executions("job1"); len(left) != 0 {
		t.Errorf("left are %+v", left)
	}
	c.answer(200, "DELETE", "/v1/jobs/job1", nil, new(dkronJob))
	c.answer(404, "GET", "/v1/jobs/job1", nil, nil)
	c.answer(200, "POST", "/v1/leave", nil, &members)
	if err := ended(t, c.s.cmd, c.s.log, func() error { return <-c.s.done }); err != nil {
		t.Errorf("leaving: %v\n%s", err, c.s.log)
	}
}

// TestDkronShell runs the shell with each key of executor_config.
func TestDkronShell(t *testing.T) {
	c := dkronServer(t)
	dir := t.TempDir()
	with := func(name, command string, config map[string]any) dkronExecution {
		t.Helper()
		j := dkronShell(name, command, nil)
		for k, v := range config {
			j["executor_config"].(map[string]any)[k] = v
		}
		c.create(j)
		return c.run(name)
	}
	if e := with("all", "pwd; echo $A $B $ENV_JOB_NAME; cat", map[string]any{"cwd": dir, "env": "A=1,B=2 3", "payload": "aGVsbG8="}); e.Output != dir+"\n1 2 3 all\nhello" {
		t.Errorf("%+v", e)
	}
	if e := with("words", `echo "$HOME" 'a  b'`, map[string]any{"shell": "false"}); e.Output != "$HOME a  b\n" {
		t.Errorf("%+v", e)
	}
	if e := with("tmo", "echo begun; sleep 60", map[string]any{"timeout": "300ms"}); e.Success || !strings.HasPrefix(e.Output, "signal: killed\nbegun\n") || !strings.HasSuffix(e.Output, "exceeding defined timeout 300ms. Job was killed") {
		t.Errorf("%+v", e)
	}
	if e := with("mem", "x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}; sleep 60", map[string]any{"mem_limit": "50MB"}); e.Success || !strings.Contains(e.Output, "memory") {
		t.Errorf("%+v", e)
	}
	if os.Getuid() == 0 {
		if e := with("su", "id -un; id -gn", map[string]any{"su": "nobody:daemon"}); e.Output != "nobody\ndaemon\n" {
			t.Errorf("%+v", e)
		}
	}
	if e := with("bytes", "wc -c; :", map[string]any{"payload": "AP/+gAo="}); strings.TrimSpace(e.Output) != "5" {
		t.Errorf("%+v", e)
	}
	for name, config := range map[string]map[string]any{"a": {"timeout": "soon"}, "b": {"mem_limit": "lots"}, "c": {"payload": "%"}} {
		j := dkronShell(name, "true", nil)
		j["executor_config"] = config
		c.answer(400, "POST", "/v1/jobs", j, nil)
	}
	c.create(map[string]any{"name": "kafka", "schedule": "@manually", "executor": "kafka", "executor_config": map[string]any{"topic": "x"}})
	if e := c.run("kafka"); e.Success || !strings.Contains(e.Output, `the executor "kafka" is not known here`) {
		t.Errorf("%+v", e)
	}
	if j := c.job("kafka"); j.Executor != "kafka" || j.ExecutorConfig["topic"] != "x" {
		t.Errorf("%+v", j)
	}
}

// TestDkronHTTP sends requests with each key of executor_config.
func TestDkronHTTP(t *testing.T) {
	c := dkronServer(t)
	target := &dkronTarget{}
	at := target.serve(t)
	config := map[string]any{"method": "PUT", "url": at + "/x?status=206", "headers": `["X-One: a:b", "Content-Type: text/plain"]`, "body": "sent", "timeout": 5, "expectCode": "200, 206", "expectBody": "^got .*sent$", "debug": true}
	job := map[string]any{"name": "h", "schedule": "@manually", "executor": "http", "executor_config": config}
	c.create(job)
	if e := c.run("h"); !e.Success || e.Output != "got PUT /x a:b text/plain sent" {
		t.Errorf("%+v", e)
	}
	if j := c.job("h"); j.ExecutorConfig["timeout"] != "5" || j.ExecutorConfig["debug"] != "true" || j.ExecutorConfig["headers"] != config["headers"] {
		t.Errorf("%+v", j.ExecutorConfig)
	}
	for change, want := range map[string]string{"expectCode=500": "received response code does not match the expected code", "expectBody=other": "received response body did not match the expected body"} {
		key, v, _ := strings.Cut(change, "=")
		old := config[key]
		config[key] = v
		c.create(job)
		config[key] = old
		if e := c.run("h"); e.Success || e.Output != want+"\ngot PUT /x a:b text/plain sent" {
			t.Errorf("%s: %+v", change, e)
		}
	}
	delete(config, "expectCode")
	config["url"] = at + "/x?status=503"
	c.create(job)
	if e := c.run("h"); !e.Success {
		t.Errorf("without expectCode every code succeeds: %+v", e)
	}
	config["url"] = "https" + strings.TrimPrefix(target.secure(t), "https")
	c.create(job)
	if e := c.run("h"); e.Success || !strings.Contains(e.Output, "certificate") {
		t.Errorf("%+v", e)
	}
	config["tlsNoVerifyPeer"] = true
	c.create(job)
	if e := c.run("h"); !e.Success {
		t.Errorf("%+v", e)
	}
	delete(config, "tlsNoVerifyPeer")
	config["tlsRootCAsFile"] = target.authority(t)
	c.create(job)
	if e := c.run("h"); !e.Success {
		t.Errorf("%+v", e)
	}
}

// TestDkronProcessors: where the output goes, and that a failure of it is seen on
// the execution and stops nobody.
func TestDkronProcessors(t *testing.T) {
	c := dkronServer(t)
	dir := t.TempDir()
	files := func(folder string, forward any) map[string]any {
		return map[string]any{"files": map[string]any{"log_dir": folder, "forward": forward}, "unknown": map[string]any{"a": "b"}}
	}
	c.create(dkronShell("kept", "echo text", map[string]any{"processors": files(dir, true)}))
	c.create(dkronShell("taken", "echo text", map[string]any{"processors": files(dir, "false")}))
	c.create(dkronShell("lost", "echo text", map[string]any{"processors": files("/proc/nothing", "false")}))
	c.create(dkronShell("child", "echo after", map[string]any{"parent_job": "lost", "schedule": ""}))
	if e := c.run("kept"); e.Output != "text\n" {
		t.Errorf("%+v", e)
	}
	c.run("taken")
	c.eventually("the output to be taken", func() bool { return c.executions("taken")[0].Output != "text\n" })
	if out := c.executions("taken")[0].Output; filepath.Dir(out) != dir {
		t.Errorf("the output is said to be in %q", out)
	} else if b, err := os.ReadFile(out); err != nil || string(b) != "text\n" {
		t.Errorf("there is %q, %v", b, err)
	}
	once := t.TempDir()
	c.create(dkronShell("once", "echo text", map[string]any{"ephemeral": true, "processors": files(once, "false")}))
	c.answer(202, "POST", "/v1/jobs/once", nil, nil)
	c.eventually("a job that is gone to leave its output", func() bool {
		found, err := filepath.Glob(once + "/*.log")
		return err == nil && len(found) == 1
	})
	c.answer(404, "GET", "/v1/jobs/once", nil, nil)
	if e := c.run("lost"); !e.Success {
		t.Errorf("%+v", e)
	}
	if e := c.ended("child", 1)[0]; e.Output != "after\n" {
		t.Errorf("%+v", e)
	}
	c.eventually("the failure to be seen", func() bool {
		out := c.executions("lost")[0].Output
		return strings.HasPrefix(out, "text\n") && strings.Contains(out, "processor files: ")
	})
	if j := c.job("lost"); j.Status != "success" || j.Processors["unknown"]["a"] != "b" || !slices.Equal(j.DependentJobs, []string{"child"}) {
		t.Errorf("%+v", j)
	}
}

// TestDkronJobsMean: what schedules, parents, tags, ephemeral and times do.
func TestDkronJobsMean(t *testing.T) {
	c := dkronServer(t)
	c.create(dkronShell("every", "true", map[string]any{"schedule": "@every 1s"}))
	c.create(dkronShell("fields", "true", map[string]any{"schedule": "TZ=Asia/Tokyo * * * * * *"}))
	c.create(dkronShell("at", "true", map[string]any{"schedule": "@at " + time.Now().Add(1500*time.Millisecond).Format(time.RFC3339)}))
	c.create(dkronShell("after", "true", map[string]any{"schedule": "@after " + time.Now().Add(-time.Minute).Format(time.RFC3339) + " <PT30M"}))
	c.create(dkronShell("gone", "true", map[string]any{"schedule": "@every 1s", "expires_at": time.Now().Add(-time.Hour).Format(time.RFC3339)}))
	c.create(dkronShell("later", "true", map[string]any{"schedule": "@every 1s", "starts_at": time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04")}))
	c.create(dkronShell("off", "true", map[string]any{"schedule": "@every 1s", "disabled": true}))
	c.create(dkronShell("nowhere", "true", map[string]any{"tags": map[string]any{"role": "nowhere:2"}}))
	for _, name := range []string{"every", "fields", "at", "after"} {
		c.ended(name, 1)
	}
	c.ended("every", 3)
	for _, name := range []string{"gone", "later", "off"} {
		if list := c.executions(name); len(list) != 0 {
			t.Errorf("%s ran: %+v", name, list)
		}
	}
	if n := len(c.executions("at")); n != 1 {
		t.Errorf("at ran %d times", n)
	}

	c.create(dkronShell("mother", "true", map[string]any{"ephemeral": true}))
	c.create(dkronShell("daughter", "echo born", map[string]any{"parent_job": "mother", "schedule": ""}))
	if j := c.job("daughter"); j.Next.Unix() != 0 {
		t.Errorf("%+v", j)
	}
	c.answer(409, "DELETE", "/v1/jobs/mother", nil, nil)
	c.answer(202, "POST", "/v1/jobs/mother/run", nil, nil)
	c.ended("daughter", 1)
	c.answer(404, "GET", "/v1/jobs/mother", nil, nil)

	// Nobody has these tags: it waits, in the words that the pages have.
	c.answer(202, "POST", "/v1/jobs/nowhere", nil, new(dkronJob))
	var waiting struct {
		Items []struct{ State, Reason string } `json:"items"`
	}
	c.s.call("GET", "/executions?job=nowhere", nil, 200, &waiting)
	if len(waiting.Items) == 0 || waiting.Items[0].State != "queued" || waiting.Items[0].Reason != "no worker with tags role=nowhere is online" {
		t.Errorf("%+v", waiting)
	}
	if list := c.executions("nowhere"); len(list) != 0 {
		t.Errorf("%+v", list)
	}

	c.create(dkronShell("slow", "echo begun; exec sleep 60", map[string]any{"concurrency": "forbid"}))
	c.answer(202, "POST", "/v1/jobs/slow", nil, nil)
	var busy []dkronExecution
	c.eventually("it to be busy", func() bool {
		c.answer(200, "GET", "/v1/busy", nil, &busy)
		i := slices.IndexFunc(busy, func(e dkronExecution) bool { return e.JobName == "slow" })
		return i >= 0 && busy[i].Output == "begun\n" && busy[i].FinishedAt.IsZero()
	})
	c.answer(409, "POST", "/v1/jobs/slow", nil, nil)
}

// TestDkronRestoreAndPause: a list that was saved is restored, by a file.
func TestDkronRestoreAndPause(t *testing.T) {
	c := dkronServer(t)
	c.create(dkronShell("a", "true", map[string]any{"tags": map[string]any{"server": "true:1"}, "processors": map[string]any{"log": map[string]any{}}}))
	c.create(dkronShell("b", "true", map[string]any{"parent_job": "a", "schedule": ""}))
	var saved string
	c.answer(200, "GET", "/v1/jobs", nil, &saved)
	other := dkronServer(t)
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part, err := m.CreateFormFile("file", "jobs.json")
	if err != nil {
		t.Fatal(err)
	}
	var backwards []json.RawMessage
	if err := json.Unmarshal([]byte(saved), &backwards); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(backwards)
	if err := json.NewEncoder(part).Encode(backwards); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	var said string
	for range 2 {
		other.send(200, "POST", "/v1/restore", m.FormDataContentType(), b.Bytes(), &said)
		if said != `"[\"success create b\",\"success create a\"]"` {
			t.Errorf("%s", said)
		}
	}
	var again string
	other.answer(200, "GET", "/v1/jobs", nil, &again)
	if saved != again {
		t.Errorf("restored %s\nsaved %s", again, saved)
	}
	var paused struct {
		Paused bool `json:"paused"`
	}
	c.answer(200, "POST", "/v1/pause", nil, &paused)
	c.answer(200, "GET", "/v1/pause", nil, &paused)
	if !paused.Paused {
		t.Error("it is not paused")
	}
	c.answer(503, "POST", "/v1/jobs", dkronShell("c", "true", nil), nil)
	c.answer(202, "POST", "/v1/jobs/a", nil, nil)
	c.answer(200, "POST", "/v1/unpause", nil, &paused)
	c.create(dkronShell("c", "true", nil))
}

// TestDkronAccess: who may come in, and what pages of other sites may do.
func TestDkronAccess(t *testing.T) {
	c := dkronServer(t, "--auth", "session", "--admin-password", "secret pass")
	c.answer(401, "GET", "/v1/jobs", nil, nil)
	c.answer(200, "GET", "/health", nil, nil)
	cmd := command(t, "token", "create", "viewing", "--role", "viewer", "--data", dataOf(c.s))
	cmd.Env = append(cmd.Env, "BELFRY_DATA="+dataOf(c.s))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	c.token = strings.TrimSpace(string(out))
	c.answer(200, "GET", "/v1/jobs", nil, new([]dkronJob))
	c.answer(403, "POST", "/v1/jobs", dkronShell("a", "true", nil), nil)
	c.token = ""
	c.send(200, "GET", "/v1/jobs", "", nil, new([]dkronJob), "Authorization", "Basic YWRtaW46c2VjcmV0IHBhc3M=")
	c.send(200, "GET", "/v1/jobs", "", nil, new([]dkronJob), "Authorization", "Bearer "+strings.TrimSpace(string(out)))

	open := dkronServer(t)
	const evil = "https://evil.example"
	resp := open.send(200, "GET", "/v1/jobs", "", nil, nil, "Origin", evil)
	if resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v", resp.Header)
	}
	open.send(403, "POST", "/v1/jobs", "application/json", []byte(`{}`), nil, "Origin", evil, "Sec-Fetch-Site", "cross-site")
	resp = open.send(204, "OPTIONS", "/v1/jobs/x", "", nil, nil)
	if got := resp.Header.Get("Allow"); got != "GET, HEAD, PUT, POST, DELETE, OPTIONS" {
		t.Errorf("Allow: %s", got)
	}
	var nothing string
	resp = open.send(200, "HEAD", "/v1/jobs", "", nil, &nothing)
	if nothing != "" || resp.Header.Get("X-Total-Count") != "0" || resp.Header.Get("Content-Length") != "2" {
		t.Errorf("HEAD: %q %v", nothing, resp.Header)
	}
	resp = open.send(303, "GET", "/", "", nil, nil, "Accept", "text/html")
	if to := resp.Header.Get("Location"); to != open.s.url && to != open.s.url+"/" {
		t.Errorf("to %s, the pages are at %s", to, open.s.url)
	}
	open.send(200, "GET", "/metrics", "", nil, nil)
	open.base = strings.TrimSuffix(open.s.url, "/") // on the listener of the pages, too
	open.answer(200, "GET", "/v1/jobs", nil, new([]dkronJob))
	var stats struct {
		Stats []struct {
			Date         string `json:"date"`
			SuccessCount int    `json:"success_count"`
			FailedCount  int    `json:"failed_count"`
		} `json:"stats"`
	}
	if open.answer(200, "GET", "/v1/stats?days=3", nil, &stats); len(stats.Stats) != 3 {
		t.Errorf("%+v", stats)
	}
}

// TestImportFromTheCommandLine takes the jobs of one server over into another, from
// its address and from a file.
func TestImportFromTheCommandLine(t *testing.T) {
	from := dkronServer(t)
	from.create(dkronShell("mother", "true", map[string]any{"schedule": "0 30 4 * * *", "timezone": "Europe/Berlin"}))
	from.create(dkronShell("child", "true", map[string]any{"parent_job": "mother", "schedule": ""}))
	from.create(map[string]any{"name": "kafka", "schedule": "@daily", "executor": "kafka"})
	to := serve(t, t.TempDir(), "--docker", "off")
	t.Cleanup(to.end)
	belfry := func(code int, args ...string) string {
		t.Helper()
		cmd := command(t, append([]string{"import", "--server", to.url}, args...)...)
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Fatalf("%v: exit code %d, %v\n%s", args, got, err, out)
		}
		return string(out)
	}
	out := belfry(0, "dkron", from.base, "--dry-run")
	for _, line := range []string{"would be made  mother", `each run will fail: the executor "kafka" is not known here`, "3 would be made, 0 would be changed, 0 stays, 0 refused\n"} {
		if !strings.Contains(out, line) {
			t.Errorf("no %q in\n%s", line, out)
		}
	}
	var list struct {
		Total int `json:"total"`
	}
	if to.call("GET", "/jobs", nil, 200, &list); list.Total != 0 {
		t.Errorf("the preview made %d jobs", list.Total)
	}
	if out := belfry(0, "dkron", from.base); !strings.Contains(out, "3 made, 0 changed, 0 as it was, 0 refused\n") {
		t.Errorf("%s", out)
	}
	if out := belfry(0, "dkron", from.base+"/v1"); !strings.Contains(out, "0 made, 0 changed, 3 as it was, 0 refused\n") {
		t.Errorf("%s", out)
	}
	file := filepath.Join(t.TempDir(), "jobs.json")
	if err := os.WriteFile(file, []byte(`[{"name":"mother","schedule":"@daily","executor":"shell"},{"name":"X\u001b[2J","schedule":"@daily"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := belfry(1, "dkron", file); !strings.Contains(out, "0 made, 1 changed, 0 as it was, 1 refused\n") || strings.Contains(out, "\x1b") {
		t.Errorf("%q", out)
	}
	for want, args := range map[string][]string{
		"not one of the systems": {"nonsense", file}, "no such file": {"dkron", file + "x"}, "cannot read the jobs": {"dkron", "http://127.0.0.1:1"},
		"404": {"dkron", from.base + "/nothing"},
	} {
		if out := belfry(1, args...); !strings.Contains(out, want) {
			t.Errorf("%v: %s", args, out)
		}
	}
}
