package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var coalitionListens = regexp.MustCompile(`msg=listening api=coalition address=(\S+)`)

// coalitionClient talks to a listener of its own, as Coalition's clients do.
type coalitionClient struct {
	t    *testing.T
	s    *server
	addr string
}

func coalitionServer(t *testing.T) *coalitionClient {
	t.Helper()
	s := serve(t, t.TempDir(), "--coalition-listen", "127.0.0.1:0", "--coalition-workers-open", "--docker", "off")
	t.Cleanup(s.end)
	c := &coalitionClient{t: t, s: s}
	c.eventually("the listener", func() bool {
		m := coalitionListens.FindStringSubmatch(s.log.String())
		if m != nil {
			c.addr = m[1]
		}
		return m != nil
	})
	return c
}

func (c *coalitionClient) eventually(what string, is func() bool) {
	c.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(30 * time.Second); !is(); <-again.C {
		if time.Now().After(end) {
			c.t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// coalitionHTTP waits as long as a server under test may take.
var coalitionHTTP = &http.Client{Timeout: time.Minute}

func (c *coalitionClient) send(method, path, body string) string {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.addr+path, bytes.NewReader([]byte(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := coalitionHTTP.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, answer, err)
	}
	return string(answer)
}

type coalitionJob struct {
	State    string
	Worker   string
	Retry    int
	RunDone  int `json:"run_done"`
	Progress *float64
}

func (c *coalitionClient) add(body string) string { return c.send("PUT", "/api/jobs", body) }

func (c *coalitionClient) reaches(id, state string) coalitionJob {
	c.t.Helper()
	var j coalitionJob
	c.eventually("job "+id+" "+state, func() bool {
		j = coalitionJob{}
		if err := json.Unmarshal([]byte(c.send("GET", "/api/jobs/"+id, "")), &j); err != nil {
			c.t.Fatal(err)
		}
		return j.State == state
	})
	return j
}

func (c *coalitionClient) log(id string) (text string) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.send("GET", "/api/jobs/"+id+"/log", "")), &text); err != nil {
		c.t.Fatal(err)
	}
	return text
}

// TestCoalitionWorker: a worker that knows nothing but Coalition's protocol serves
// this server.
func TestCoalitionWorker(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("BELFRY_TEST_REQUIRE_ORACLES") == "1" {
			t.Fatal(err)
		}
		t.Skip("python3 is not installed")
	}
	c := coalitionServer(t)
	worker := exec.CommandContext(t.Context(), python, "testdata/coalition_worker.py", c.addr, "farm-1", "0.1")
	var said bytes.Buffer
	worker.Stdout, worker.Stderr = &said, &said
	worker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = worker.Process.Kill()
		_ = worker.Wait()
		if t.Failed() {
			t.Logf("the worker:\n%s", &said)
		}
	})

	group := c.add(`{"title":"scène"}`)
	fine := c.add(fmt.Sprintf(`{"parent":%s,"title":"café","command":"echo \"café $A $B\"; pwd; echo PROGRESS:40","dir":"/tmp","environment":"A=ü x\nB=2"}`, group))
	if j := c.reaches(fine, "FINISHED"); j.Worker != "farm-1" || j.RunDone != 1 || j.Progress == nil || *j.Progress != 1 {
		t.Errorf("finished: %+v", j)
	}
	if log := c.log(fine); !strings.Contains(log, "café ü x 2\n/tmp\nPROGRESS:40\n* EXIT : 0\n") {
		t.Errorf("log: %q", log)
	}
	c.reaches(group, "FINISHED")
	if events := c.send("GET", "/api/events?job="+fine+"&howlong=60", ""); !strings.Contains(events, `"state":"FINISHED"`) || !strings.Contains(events, `"job_title":"café"`) {
		t.Errorf("events: %s", events)
	}
	var runs executionList
	c.s.call(http.MethodGet, "/executions?worker=farm-1", nil, http.StatusOK, &runs)
	if runs.Total != 1 || runs.Items[0].State != "succeeded" {
		t.Errorf("executions: %+v", runs)
	}

	wrong := c.add(`{"command":"echo no; exit 3","retry":1}`)
	if j := c.reaches(wrong, "ERROR"); j.RunDone != 2 || j.Retry != 0 {
		t.Errorf("with a retry: %+v", j)
	}
	c.send("POST", "/api/reseterrorjobs", "["+wrong+"]")
	if j := c.reaches(wrong, "ERROR"); j.RunDone < 2 {
		t.Errorf("after a reset: %+v", j)
	}
	c.send("DELETE", "/api/jobs", "["+wrong+"]")

	long := c.add(`{"command":"echo begun; exec sleep 100"}`)
	c.eventually("output", func() bool { return strings.Contains(c.log(long), "begun\n") })
	c.send("POST", "/api/pausejobs", "["+long+"]")
	c.reaches(long, "PAUSED")
	c.eventually("the worker's last words", func() bool {
		return strings.Contains(c.log(long), "* EXIT : -9\nKillJob: server required worker to kill job.\n")
	})

	slow := c.add(`{"command":"sleep 100","timeout":1}`)
	c.reaches(slow, "ERROR")
	after := c.add(`{"command":"true"}`)
	c.reaches(after, "FINISHED") // the worker goes on
	if j := c.reaches(slow, "ERROR"); j.RunDone != 1 {
		t.Errorf("a timeout: %+v", j)
	}
	if workers := c.send("GET", "/api/workers", ""); !strings.Contains(workers, `"name":"farm-1"`) || !strings.Contains(workers, `"total_memory":2000`) {
		t.Errorf("workers: %s", workers)
	}
}

// TestCoalitionWorkersNeedAToken: without the flag nobody takes a job who has none,
// and the flag is refused where others reach it.
func TestCoalitionWorkersNeedAToken(t *testing.T) {
	s := serve(t, t.TempDir(), "--docker", "off", "--auth", "session")
	t.Cleanup(s.end)
	resp, err := http.Post(s.url+"/coalition/workers/pickjob?hostname=w", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", resp.StatusCode)
	}
	out, err := exec.CommandContext(t.Context(), s.cmd.Path, "serve", "--data", t.TempDir(), "--coalition-listen", "0.0.0.0:0", "--coalition-workers-open").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--coalition-workers-open lets everybody") {
		t.Errorf("where everybody reaches it: %v %s", err, out)
	}
}
