package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// The tests in this package that say what a process does use the real binary.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "belfry-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "belfry")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	http.DefaultTransport.(*http.Transport).ResponseHeaderTimeout = patience
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// patience is how long a test waits for what should take a moment: whoever waits
// longer says what it waited for, instead of ending with all of the package's tests.
const patience = time.Minute

// command prepares the binary with an environment of its own. Waiting for it does
// not hang on what a process that it left holds open.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TZ=UTC"}
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// server is a running belfry.
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	log  *logBuffer
	done chan error // receives what Wait said
}

// logBuffer collects standard error, and tells when the server is ready.
type logBuffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	ready chan string // receives the address once
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := strings.Contains(l.b.String(), "is ready:")
	n, err := l.b.Write(p)
	if _, rest, found := strings.Cut(l.b.String(), "is ready:"); found && !before {
		l.ready <- strings.Fields(rest)[0]
	}
	return n, err
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts a server on a free port and waits until it is ready.
func serve(t *testing.T, data string, args ...string) *server {
	t.Helper()
	args = append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--auth", "none"}, args...)
	s := &server{t: t, cmd: command(t, args...), log: &logBuffer{ready: make(chan string, 1)}, done: make(chan error, 1)}
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	select {
	case s.url = <-s.log.ready:
	case err := <-s.done:
		t.Fatalf("the server ended: %v\n%s", err, s.log)
	case <-time.After(patience):
		t.Fatalf("the server is not ready after a minute\n%s", s.log)
	}
	return s
}

// kill ends the server as a power cut would.
func (s *server) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.done
}

// terminate asks the server to end and returns its exit code.
func (s *server) terminate() int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	var exit *exec.ExitError
	if errors.As(ended(s.t, s.cmd, s.log, func() error { return <-s.done }), &exit) {
		return exit.ExitCode()
	}
	return 0
}

// ended returns what wait said of a process. One that does not end prints what its
// goroutines do.
func ended(t *testing.T, cmd *exec.Cmd, log fmt.Stringer, wait func() error) error {
	t.Helper()
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
	err := wait()
	if !late.Stop() {
		t.Fatalf("%v does not end within a minute\n%s", cmd.Args, log)
	}
	return err
}

// call sends JSON, expects a status, and decodes the answer into out.
func (s *server) call(method, path string, in any, status int, out any) {
	s.t.Helper()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			s.t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, s.log)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != status {
		s.t.Fatalf("%s %s: %s, want %d\n%s\n%s", method, path, resp.Status, status, b, s.log)
	}
	switch out := out.(type) {
	case nil:
	case *string:
		*out = string(b)
	default:
		if err := json.Unmarshal(b, out); err != nil {
			s.t.Fatalf("%s %s: %v in %s", method, path, err, b)
		}
	}
}

// execution is what these tests read of one.
type execution struct {
	ID       string  `json:"id"`
	Job      string  `json:"job"`
	State    string  `json:"state"`
	Reason   string  `json:"reason"`
	Attempt  int     `json:"attempt"`
	DueAt    string  `json:"due_at"`
	ExitCode *int    `json:"exit_code"`
	Signal   string  `json:"signal"`
	Started  *string `json:"started_at"`
	Worker   string  `json:"worker"`
	Group    string  `json:"group"`
	Finished string  `json:"finished_at"`
}

type executionList struct {
	Items []execution `json:"items"`
	Total int         `json:"total"`
}

// shellJob creates an enabled shell job.
func (s *server) shellJob(name, schedule, command string, more map[string]any) {
	s.t.Helper()
	job := map[string]any{
		"name": name, "schedule": schedule, "executor": "shell", "enabled": true,
		"config": map[string]any{"command": command},
	}
	for k, v := range more {
		job[k] = v
	}
	s.call(http.MethodPost, "/jobs", job, http.StatusCreated, nil)
}

// run starts a job by hand.
func (s *server) run(name string) string {
	s.t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	s.call(http.MethodPost, "/jobs/"+name+"/run", nil, http.StatusAccepted, &made)
	return made.ID
}

// until polls an execution's stream of states: it returns when check holds, by
// the server's own events, and fails after a minute.
func (s *server) until(id string, check func(execution) bool) execution {
	s.t.Helper()
	api := clientFlags{Server: s.url}.client()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var e execution
	for ctx.Err() == nil {
		s.call(http.MethodGet, "/executions/"+id, nil, http.StatusOK, &e)
		if check(e) {
			return e
		}
		_, _, err := api.events(ctx, "execution:"+id, "", func(event string, data []byte) (bool, error) {
			if event != "execution" {
				return false, nil
			}
			err := json.Unmarshal(data, &e)
			return check(e), err
		})
		if err != nil && ctx.Err() == nil {
			s.t.Fatal(err)
		}
		if check(e) {
			return e
		}
	}
	told := e
	s.call(http.MethodGet, "/executions/"+id, nil, http.StatusOK, &e)
	s.t.Fatalf("after a minute execution %s is %s (%s); the last event said %s (%s)\n%s", id, e.State, e.Reason, told.State, told.Reason, s.log)
	return e
}

// untilTotal returns when a list has n rows: it looks again at each event.
func (s *server) untilTotal(path string, n int) {
	s.t.Helper()
	var list executionList
	look := func(string, []byte) (bool, error) {
		s.call(http.MethodGet, path, nil, http.StatusOK, &list)
		return list.Total >= n, nil
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if _, done, err := (clientFlags{Server: s.url}).client().events(ctx, "board", "", look); !done || err != nil {
		s.t.Fatalf("%s has %d rows, want %d: %v", path, list.Total, n, err)
	}
}

func is(state string) func(execution) bool {
	return func(e execution) bool { return e.State == state }
}

// alive lists the processes whose command line contains marker.
func alive(t *testing.T, marker string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && bytes.Contains(b, []byte(marker)) {
			found = append(found, filepath.Base(filepath.Dir(f)))
		}
	}
	return found
}

// TestKindsAreDescribed: the native API's document has the kinds of job that the server
// has, and how jobs are found by their metadata.
func TestKindsAreDescribed(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromFile("../../handlers/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*openapi3.SchemaRef{"JobInput": doc.Components.Schemas["JobInput"].Value.Properties["executor"]}
	for _, path := range []string{"/jobs", "/jobs/export"} {
		parameters := doc.Paths.Value(path).Get.Parameters
		schemas[path] = parameters.GetByInAndName("query", "executor").Schema
		if parameters.GetByInAndName("query", "metadata.owner") == nil {
			t.Errorf("%s has no metadata", path)
		}
	}
	for name, schema := range schemas {
		var kinds []string
		for _, kind := range schema.Value.Enum {
			kinds = append(kinds, kind.(string))
		}
		if !slices.Equal(kinds, executorKinds) {
			t.Errorf("%s has the kinds %v, the server %v", name, kinds, executorKinds)
		}
	}
}
