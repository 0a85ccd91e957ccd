package main

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"belfry/scheduler/executor/docker/dockertest"
)

// engine is a Docker engine and its command line.
type engine struct {
	*dockertest.Daemon
	t *testing.T
}

func startEngine(t *testing.T) engine { return engine{dockertest.Start(t), t} }

func (e engine) docker(args ...string) string {
	e.t.Helper()
	out, err := exec.CommandContext(e.t.Context(), "docker", append([]string{"-H", e.Host}, args...)...).CombinedOutput()
	if err != nil {
		e.t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// labelled runs a container with the labels.
func (e engine) labelled(name string, labels ...string) {
	e.t.Helper()
	args := []string{"run", "-d", "--name", name, "--network", "none", "--label", "ofelia.enabled=true"}
	for _, l := range labels {
		args = append(args, "--label", l)
	}
	e.docker(append(args, dockertest.Image, "sleep", "3600")...)
}

// soon asks until the answer has the status and the words, and returns how long
// that took.
func (s *server) soon(path string, status int, words string) time.Duration {
	s.t.Helper()
	began := time.Now()
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for range every.C {
		resp, err := http.Get(s.url + path)
		if err != nil {
			s.t.Fatalf("%v\n%s", err, s.log)
		}
		body := new(strings.Builder)
		_ = resp.Write(body)
		_ = resp.Body.Close()
		said := body.String()
		if resp.StatusCode == status && strings.Contains(said, words) {
			return time.Since(began)
		}
		if time.Since(began) > 30*time.Second {
			s.t.Fatalf("%s: not %d with %q after 30 s, but\n%s\n%s", path, status, words, said, s.log)
		}
	}
	return 0
}

// TestLabelsMakeJobs: a container that comes, changes or goes adds, changes or
// removes its jobs, and gets nobody at the host.
func TestLabelsMakeJobs(t *testing.T) {
	e := startEngine(t)
	s := serve(t, t.TempDir(), "--docker", e.Host)
	s.soon("/health/readiness", http.StatusOK, `"docker":"connected"`)
	e.labelled("web", "ofelia.job-exec.tick.schedule=@every 1s", "ofelia.job-exec.tick.command=echo from $0 here",
		"ofelia.job-local.bad.schedule=@every 1s", "ofelia.job-local.bad.command=touch /tmp/owned",
		"ofelia.job-run.mount.schedule=@every 1s", "ofelia.job-run.mount.image=busybox:local", "ofelia.job-run.mount.volume=/:/host")
	t.Logf("added within %s", s.soon("/api/job/tick", http.StatusOK, `"origin":"docker-label"`))
	s.soon("/api/job/tick", http.StatusOK, "from $0 here\\n")
	s.call(http.MethodGet, "/api/job/bad", nil, http.StatusNotFound, nil)
	s.call(http.MethodGet, "/api/job/mount", nil, http.StatusNotFound, nil)
	s.soon("/settings/configuration", http.StatusOK, "allow-host-jobs-from-labels")

	e.docker("rm", "-f", "web")
	t.Logf("removed within %s", s.soon("/api/job/tick", http.StatusNotFound, "JOB_NOT_FOUND"))
	e.labelled("web", "ofelia.job-exec.tick.schedule=@every 1h", "ofelia.job-exec.tick.command=true")
	t.Logf("changed within %s", s.soon("/api/job/tick", http.StatusOK, `"schedule":"@every 1h"`))
	// What is defined by a label survives the engine, and the server.
	s.call(http.MethodPut, "/api/job/tick", map[string]string{"command": "id"}, http.StatusConflict, nil)
	s.kill()
	s = serve(t, dataOf(s), "--docker", "unix:///no/such/socket")
	s.call(http.MethodGet, "/api/job/tick", nil, http.StatusOK, nil)
}

// containerJob creates a job that runs a new container.
func (s *server) containerJob(name, command string) {
	s.t.Helper()
	s.call(http.MethodPost, "/jobs", map[string]any{
		"name": name, "executor": "docker-run", "grace": "1s",
		"config": map[string]any{"image": dockertest.Image, "pull": "never", "network": "none", "command": command},
	}, http.StatusCreated, nil)
}

// TestEngineComesAndGoes: without an engine jobs fail in words and Belfry lives;
// with it they run again.
func TestEngineComesAndGoes(t *testing.T) {
	e := startEngine(t)
	s := serve(t, t.TempDir(), "--docker", e.Host)
	s.containerJob("box", "sh -c 'echo begun; sleep 3600'")
	s.containerJob("quick", "echo done")
	s.soon("/health/readiness", http.StatusOK, `"docker":"connected"`)
	id := s.run("box")
	s.soon("/executions/"+id+"/output", http.StatusOK, "begun")
	if err := e.Kill(); err != nil {
		t.Fatal(err)
	}
	if x := s.until(id, is("failed")); !strings.HasPrefix(x.Reason, "docker: ") {
		t.Errorf("the reason is %q", x.Reason)
	}
	s.soon("/health/readiness", http.StatusOK, `"docker":"disconnected"`)
	if x := s.until(s.run("quick"), is("failed")); !strings.HasPrefix(x.Reason, "docker: ") {
		t.Errorf("the reason is %q", x.Reason)
	}
	if err := e.Restart(); err != nil {
		t.Fatal(err)
	}
	s.soon("/health/readiness", http.StatusOK, `"docker":"connected"`)
	s.until(s.run("quick"), is("succeeded"))
	e.untilEmpty()
	if code := s.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestKilledServerLeavesNoContainer: what ran in the engine when the server died
// is lost, and gone when it is back.
func TestKilledServerLeavesNoContainer(t *testing.T) {
	e := startEngine(t)
	data := t.TempDir()
	s := serve(t, data, "--docker", e.Host)
	s.containerJob("box", "sh -c 'echo begun; sleep 3600'")
	id := s.run("box")
	s.soon("/executions/"+id+"/output", http.StatusOK, "begun")
	s.kill()
	s = serve(t, data, "--docker", e.Host)
	s.until(id, is("lost"))
	e.untilEmpty()
}

// untilEmpty waits until the engine has no container any more.
func (e engine) untilEmpty() {
	e.t.Helper()
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-every.C {
		left := e.docker("ps", "-aq")
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			e.t.Fatalf("left behind: %s", left)
		}
	}
}
