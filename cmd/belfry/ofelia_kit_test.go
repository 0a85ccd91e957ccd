package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The tests of the Ofelia API against the running binary: what they share.

// asker is a client of that API. Its credentials are its headers.
type asker struct {
	t      *testing.T
	s      *server
	header http.Header
}

// ofeliaServer starts a server whose users log in, without a limit of requests,
// and without Docker, unless args say otherwise.
func ofeliaServer(t *testing.T, data string, args ...string) *server {
	t.Helper()
	args = append([]string{"--auth", "session", "--admin-password", "secret", "--api-rate-limit", "0", "--docker", "off"}, args...)
	s := serve(t, data, args...)
	t.Cleanup(func() { s.end() })
	return s
}

// end stops a server that may have ended before, and waits for it.
func (s *server) end() {
	if err := s.cmd.Process.Kill(); errors.Is(err, os.ErrProcessDone) {
		return
	}
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		s.t.Error("a killed server does not end")
	}
}

// nobody is a client without credentials.
func (s *server) nobody(t *testing.T) *asker {
	return &asker{t: t, s: s, header: http.Header{}}
}

// with is the same client with one more header.
func (o *asker) with(name, value string) *asker {
	more := *o
	more.header = o.header.Clone()
	more.header.Set(name, value)
	return &more
}

// login returns the client that a login makes.
func (o *asker) login(name, password string) *asker {
	o.t.Helper()
	var pass struct{ Token string }
	o.want(200, "POST", "/api/login", object{"username": name, "password": password}).into(&pass)
	return o.with("Authorization", "Bearer "+pass.Token)
}

// admin is the first user, logged in.
func (s *server) admin(t *testing.T) *asker {
	t.Helper()
	return s.nobody(t).login("admin", "secret")
}

// cli runs a command of the binary on a server's data, and returns what it printed.
func (s *server) cli(stdin string, args ...string) string {
	s.t.Helper()
	cmd := command(s.t, append(args, "--data", dataOf(s))...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

type object = map[string]any

// said is an answer.
type said struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

// do sends a request; a string is sent as it is, anything else as JSON, and an
// encoded path as it is encoded.
func (o *asker) do(method, path string, body any) said {
	o.t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		b, err := json.Marshal(body)
		if err != nil {
			o.t.Fatal(err)
		}
		reader = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(o.t.Context(), method, o.s.url+path, reader)
	if err != nil {
		o.t.Fatal(err)
	}
	if reader != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(req.Header, o.header)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		o.t.Fatalf("%s %s: %v\n%s", method, path, err, o.s.log)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return said{t: o.t, what: method + " " + path, status: resp.StatusCode, header: resp.Header, body: b}
}

// want is do, and the status is as said.
func (o *asker) want(status int, method, path string, body any) said {
	o.t.Helper()
	a := o.do(method, path, body)
	if a.status != status {
		o.t.Fatalf("%s: status %d, want %d: %s", a.what, a.status, status, a.body)
	}
	return a
}

// refused is do, and the answer is an error of this code; it returns its message
// and its details as one text.
func (o *asker) refused(status int, code, method, path string, body any) string {
	o.t.Helper()
	a := o.do(method, path, body)
	return a.refusal(status, code)
}

func (a said) refusal(status int, code string) string {
	a.t.Helper()
	var e struct {
		Error struct {
			Code, Message string
			Details       object
		}
	}
	a.into(&e)
	if a.status != status || e.Error.Code != code {
		a.t.Errorf("%s: %d %s, want %d %s: %s", a.what, a.status, e.Error.Code, status, code, a.body)
	}
	if kind := a.header.Get("Content-Type"); kind != "application/json" {
		a.t.Errorf("%s: an error of type %q", a.what, kind)
	}
	at, _ := e.Error.Details["timestamp"].(string)
	if _, err := time.Parse(time.RFC3339, at); err != nil {
		a.t.Errorf("%s: details.timestamp is %q", a.what, at)
	}
	if e.Error.Message == "" || strings.Contains(e.Error.Message, "goroutine") || strings.Contains(e.Error.Message, "sql") {
		a.t.Errorf("%s: the message is %q", a.what, e.Error.Message)
	}
	delete(e.Error.Details, "timestamp")
	details, _ := json.Marshal(e.Error.Details)
	return e.Error.Message + " " + string(details)
}

// into decodes an answer.
func (a said) into(out any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, out); err != nil {
		a.t.Fatalf("%s: status %d: %v in %s", a.what, a.status, err, a.body)
	}
}

func (a said) object() (o object) {
	a.t.Helper()
	a.into(&o)
	return o
}

// create makes a job: a local one, unless more says otherwise.
func (o *asker) create(name, schedule, command string, more object) {
	o.t.Helper()
	job := object{"name": name, "type": "local", "schedule": schedule, "command": command}
	maps.Copy(job, more)
	o.want(201, "POST", "/api/jobs", job)
}

func jobPath(name string) string { return "/api/job/" + url.PathEscape(name) }

// start runs a job by hand and returns the execution's id.
func (o *asker) start(name string, body any) string {
	o.t.Helper()
	var made struct{ ExecutionID string }
	o.want(202, "POST", jobPath(name)+"/run", body).into(&made)
	return made.ExecutionID
}

// ofeliaExecution is what tests read of one.
type ofeliaExecution struct {
	ExecutionID, Job, Status, Output string
	StartTime                        time.Time
	EndTime                          *time.Time
	Duration                         *int64
	ExitCode                         *int
	Error                            *string
}

func (e ofeliaExecution) reason() string {
	if e.Error == nil {
		return ""
	}
	return *e.Error
}

// ended waits until an execution has ended.
func (o *asker) ended(id string) ofeliaExecution {
	o.t.Helper()
	return o.until(id, func(e ofeliaExecution) bool { return e.Status != "pending" && e.Status != "running" })
}

// until asks for an execution until check holds; it fails after half a minute.
func (o *asker) until(id string, check func(ofeliaExecution) bool) (e ofeliaExecution) {
	o.t.Helper()
	o.eventually("execution "+id, func() bool {
		e = ofeliaExecution{}
		o.want(200, "GET", "/api/execution/"+id, nil).into(&e)
		return check(e)
	})
	return e
}

// eventually asks until check holds; it fails after half a minute.
func (o *asker) eventually(what string, check func() bool) {
	o.t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(30 * time.Second); !check(); {
		if time.Now().After(deadline) {
			o.t.Fatalf("%s: not within half a minute\n%s", what, o.s.log)
		}
		<-poll.C
	}
}

// history is a job's executions, newest first.
func (o *asker) history(name string) []ofeliaExecution {
	o.t.Helper()
	var job struct{ History []ofeliaExecution }
	o.want(200, "GET", jobPath(name)+"?history=1000", nil).into(&job)
	return job.History
}

// runs is a job's executions when there are n of them that have ended.
func (o *asker) runs(name string, n int) (ended []ofeliaExecution) {
	o.t.Helper()
	o.eventually(fmt.Sprintf("%d runs of %s", n, name), func() bool {
		ended = slices.DeleteFunc(o.history(name), func(e ofeliaExecution) bool { return e.Status == "pending" || e.Status == "running" })
		return len(ended) >= n
	})
	return ended
}
