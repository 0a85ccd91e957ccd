package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// workerToken makes a worker token and returns a file that holds it.
func (s *server) workerToken() (file, id string) {
	s.t.Helper()
	var made struct{ ID, Secret, Command string }
	s.call(http.MethodPost, "/workers/tokens", map[string]any{"name": fmt.Sprint("t", time.Now().UnixNano())}, http.StatusCreated, &made)
	file = filepath.Join(s.t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(made.Secret+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file, made.ID
}

// worker starts a worker's process.
func startWorker(t *testing.T, url, tokenFile, name string, args ...string) (*exec.Cmd, *logBuffer) {
	t.Helper()
	cmd := command(t, append([]string{"worker", "--server", url, "--token-file", tokenFile, "--name", name, "--docker", "off"}, args...)...)
	log := &logBuffer{ready: make(chan string, 1)}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("worker %s:\n%.4000s", name, log)
		}
	})
	return cmd, log
}

type workerState struct {
	Name, State, Version, System string
	Tags                         []string
	Slots, Used                  int
	CPUs                         int   `json:"cpus"`
	MemoryTotal                  int64 `json:"memory_total"`
}

// eventually looks at each event of the topics, and once a second all the same,
// until look is content.
func (s *server) eventually(what, topics string, look func() bool) {
	s.t.Helper()
	api := clientFlags{Server: s.url}.client()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if look() {
			return
		}
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		_, done, _ := api.events(ctx, topics, "", func(string, []byte) (bool, error) { return look(), nil })
		cancel()
		if done {
			return
		}
	}
	s.t.Fatalf("%s: not within a minute\n%s", what, s.log)
}

func (s *server) untilWorker(name, state string) (w workerState) {
	s.t.Helper()
	s.eventually("worker "+name+" is "+state, "board", func() bool {
		var list struct{ Items []workerState }
		s.call(http.MethodGet, "/workers", nil, http.StatusOK, &list)
		for _, w = range list.Items {
			if w.Name == name && w.State == state {
				return true
			}
		}
		return false
	})
	return w
}

// untilTags waits until a worker that is online has these tags: the one before it is
// told that it is over a moment before the other is there.
func (s *server) untilTags(name, tags string) {
	s.t.Helper()
	s.eventually("worker "+name+" has the tags "+tags, "board", func() bool { return strings.Join(s.untilWorker(name, "online").Tags, " ") == tags })
}

func (s *server) untilOutput(id, prefix string) {
	s.t.Helper()
	s.eventually("output of "+id, "execution:"+id, func() bool {
		var output string
		s.call(http.MethodGet, "/executions/"+id+"/output", nil, http.StatusOK, &output)
		return strings.HasPrefix(output, prefix)
	})
}

// TestWorkerProcess: a real worker runs what asks for its tags, is stopped within a
// second, drains when it is told to end, and is refused when its token is revoked.
func TestWorkerProcess(t *testing.T) {
	s := serve(t, t.TempDir(), "--tags", "here")
	file, token := s.workerToken()
	cmd, log := startWorker(t, s.url, file, "far", "--tags", "gpu,zone:eu", "--slots", "3", "--drain-grace", "20s")
	w := s.untilWorker("far", "online")
	if w.Slots != 3 || strings.Join(w.Tags, " ") != "gpu zone:eu" || w.System != "linux/amd64" && w.System != "linux/arm64" || w.Version == "" {
		t.Errorf("it says of itself %+v", w)
	}
	tags := map[string]any{"tags": []string{"zone:eu"}, "progress": `(\d+)%`}
	s.shellJob("fine", "@manually", "echo one; echo 40%; echo $BELFRY_JOB $BELFRY_ATTEMPT", tags)
	s.shellJob("endless", "@manually", "echo begun; sleep 600", tags)
	s.shellJob("short", "@manually", "echo started; sleep 1; echo done", tags)
	s.shellJob("nowhere", "@manually", "true", map[string]any{"tags": []string{"here", "zone:eu"}})

	id := s.run("fine")
	s.until(id, is("succeeded"))
	var e execution
	s.call(http.MethodGet, "/executions/"+id, nil, http.StatusOK, &e)
	var output string
	s.call(http.MethodGet, "/executions/"+id+"/output", nil, http.StatusOK, &output)
	if output != "one\n40%\nfine 1\n" {
		t.Errorf("the output is %q", output)
	}
	if e.Worker != "far" {
		t.Errorf("it ran on %q", e.Worker)
	}
	none := s.run("nowhere")
	s.call(http.MethodGet, "/executions/"+none, nil, http.StatusOK, &e)
	if e.State != "queued" || e.Reason != "no worker that has all of the tags here,zone:eu is online" {
		t.Errorf("%s: %s", e.State, e.Reason)
	}

	id = s.run("endless")
	s.untilOutput(id, "begun\n")
	asked := time.Now()
	s.call(http.MethodPost, "/executions/"+id+"/stop", nil, http.StatusAccepted, nil)
	s.until(id, is("cancelled"))
	if took := time.Since(asked); took > 3*time.Second {
		t.Errorf("a stop took %s", took)
	}

	id = s.run("short")
	s.untilOutput(id, "started\n")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := ended(t, cmd, log, cmd.Wait); err != nil {
		t.Fatal(err)
	}
	s.call(http.MethodGet, "/executions/"+id+"/output", nil, http.StatusOK, &output)
	s.call(http.MethodGet, "/executions/"+id, nil, http.StatusOK, &e)
	if e.State != "succeeded" || output != "started\ndone\n" {
		t.Errorf("drained: %s, output %q", e.State, output)
	}
	s.untilWorker("far", "offline")

	cmd, log = startWorker(t, s.url, file, "far", "--tags", "zone:eu")
	s.untilWorker("far", "online")
	id = s.run("endless")
	s.untilOutput(id, "begun\n")
	s.call(http.MethodDelete, "/workers/tokens/"+token, nil, http.StatusNoContent, nil)
	if err := ended(t, cmd, log, cmd.Wait); err == nil || !strings.Contains(log.String(), "the worker token is unknown or revoked") {
		t.Errorf("%v\n%s", err, log)
	}
	s.call(http.MethodGet, "/executions/"+id, nil, http.StatusOK, &e)
	if e.State != "lost" || !strings.Contains(e.Reason, "the token of worker far was revoked by") {
		t.Errorf("%s: %s", e.State, e.Reason)
	}
}

// TestWorkerOutlivesTheServer: what runs goes on while the server starts again, and
// no byte of its output is missing or doubled.
func TestWorkerOutlivesTheServer(t *testing.T) {
	data := t.TempDir()
	s := serve(t, data)
	address := strings.TrimPrefix(s.url, "http://")
	file, _ := s.workerToken()
	startWorker(t, s.url, file, "far", "--tags", "far")
	s.shellJob("long", "@manually", "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.1; done", map[string]any{"tags": []string{"far"}})
	id := s.run("long")
	s.untilOutput(id, "line 0\nline 1\n")
	s.kill()
	s = serve(t, data, "--listen", address)
	s.until(id, is("succeeded"))
	var output string
	s.call(http.MethodGet, "/executions/"+id+"/output", nil, http.StatusOK, &output)
	var want strings.Builder
	for i := range 40 {
		fmt.Fprintln(&want, "line", i)
	}
	if output != want.String() {
		t.Errorf("the output is\n%s", output)
	}
}

// TestWorkersOfOneName: the later one takes the place, and the one before ends
// rather than taking it back.
func TestWorkersOfOneName(t *testing.T) {
	s := serve(t, t.TempDir())
	file, _ := s.workerToken()
	first, log := startWorker(t, s.url, file, "twin", "--tags", "one")
	s.untilWorker("twin", "online")
	another := newProxy(t, strings.TrimPrefix(s.url, "http://")) // as if from another machine
	startWorker(t, another.url(), file, "twin", "--tags", "two")
	if err := ended(t, first, log, first.Wait); err == nil || !strings.Contains(log.String(), "another worker connected under this name") {
		t.Errorf("%v\n%s", err, log)
	}
	s.untilTags("twin", "two")
}

// TestWorkersOfOneNameOnOneMachine: the later one is refused, before it ends what
// the one before runs. When that is gone, it may come.
func TestWorkersOfOneNameOnOneMachine(t *testing.T) {
	s := serve(t, t.TempDir())
	file, _ := s.workerToken()
	first, _ := startWorker(t, s.url, file, "twin", "--tags", "one")
	s.untilWorker("twin", "online")
	goOn := filepath.Join(t.TempDir(), "go-on")
	s.shellJob("long", "@manually", "echo begun; until [ -e "+goOn+" ]; do sleep 0.05; done", map[string]any{"tags": []string{"one"}})
	id := s.run("long")
	s.untilOutput(id, "begun\n")
	second, log := startWorker(t, s.url+"/", file, "twin")
	says := "a worker named twin of " + s.url + "/ runs on this machine already; give each its own --name"
	if err := ended(t, second, log, second.Wait); err == nil || !strings.Contains(log.String(), says) {
		t.Errorf("a second one: %v\n%s", err, log)
	}
	if err := os.WriteFile(goOn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.until(id, is("succeeded"))
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	startWorker(t, s.url, file, "twin", "--tags", "two")
	s.untilTags("twin", "two")
}

func TestWorkerIsRefused(t *testing.T) {
	s := serve(t, t.TempDir())
	file, _ := s.workerToken()
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("bfw_nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"--server", s.url, "--token-file", wrong}, "the worker token is unknown or revoked"},
		{[]string{"--server", s.url, "--token-file", wrong + "x"}, "--token-file"},
		{[]string{"--server", "here", "--token-file", file}, "--server"},
		{[]string{"--server", s.url, "--token-file", file, "--ca-file", file}, "there is no certificate in"},
		{[]string{"--server", s.url, "--token-file", file, "--name", "server"}, "is the server's own worker"},
		{[]string{"--server", s.url, "--token-file", file, "--tags", "a b"}, "is not a tag"},
		{[]string{"--server", s.url}, "--token-file"},
	} {
		out, err := command(t, append([]string{"worker", "--docker", "off"}, tt.args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.says) || strings.Contains(string(out), "goroutine") {
			t.Errorf("%v: %v\n%s", tt.args, err, out)
		}
	}
}

// TestWorkerTLS: a worker trusts the certificates of --ca-file besides the system's,
// and no others.
func TestWorkerTLS(t *testing.T) {
	s := serve(t, t.TempDir())
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(to))
	t.Cleanup(front.Close) // after its workers: it waits for what they ask
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	file, _ := s.workerToken()
	cmd, log := startWorker(t, front.URL, file, "wary")
	s.eventually("it says why it does not connect", "board", func() bool { return strings.Contains(log.String(), "certificate") })
	_ = cmd.Process.Kill()
	startWorker(t, front.URL, file, "trusting", "--ca-file", ca, "--tags", "tls")
	s.untilWorker("trusting", "online")
	s.shellJob("there", "@manually", "echo there", map[string]any{"tags": []string{"tls"}})
	s.until(s.run("there"), is("succeeded"))
	var list struct{ Items []workerState }
	s.call(http.MethodGet, "/workers", nil, http.StatusOK, &list)
	for _, w := range list.Items {
		if w.Name == "wary" {
			t.Error("a worker connected whose server it could not trust")
		}
	}
}
