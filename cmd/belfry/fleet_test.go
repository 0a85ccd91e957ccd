package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy is a way to the server that can be cut.
type proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close(); p.set(true) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

func (p *proxy) serve(from net.Conn) {
	to, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = from.Close()
		return
	}
	p.mu.Lock()
	if p.down {
		_, _ = from.Close(), to.Close()
	} else {
		p.conns[from], p.conns[to] = true, true
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(to, from); _ = to.Close() })
	both.Go(func() { _, _ = io.Copy(from, to); _ = from.Close() })
	both.Wait()
	p.mu.Lock()
	delete(p.conns, from)
	delete(p.conns, to)
	p.mu.Unlock()
}

// set cuts every connection, in the middle of whatever it carries, and lets none
// through while it is down.
func (p *proxy) set(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // what is under way is lost
		}
		_ = c.Close()
	}
}

// fleetWorker is a worker's process behind a proxy of its own.
type fleetWorker struct {
	t          *testing.T
	name, file string
	tags       string
	proxy      *proxy
	cmd        *exec.Cmd
	log        *logBuffer
}

func (w *fleetWorker) start() {
	w.cmd = command(w.t, "worker", "--server", w.proxy.url(), "--token-file", w.file, "--name", w.name, "--tags", w.tags, "--slots", "2", "--docker", "off")
	w.cmd.Stderr = w.log
	if err := w.cmd.Start(); err != nil {
		w.t.Error(err)
	}
}

func (w *fleetWorker) kill() {
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
}

// TestFleet: 20 workers run 2,000 executions while they are killed and their
// connections are cut. Each ends once; what succeeded has exactly the output it
// printed, and what was lost the beginning of it. Workers that are gone are found
// within 30 seconds, and what they ran is retried by its rule. One that was only
// cut off changes nothing any more, and ends what it ran.
func TestFleet(t *testing.T) {
	const workers, jobs, each = 20, 20, 100
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("BELFRY_TEST_SEED"); text != "" {
		seed = uint64(number(t, text))
	}
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := serve(t, t.TempDir(), "--slots", "1")
	file, _ := s.workerToken()
	fleet := make([]*fleetWorker, workers)
	for i := range fleet {
		w := &fleetWorker{
			t: t, name: fmt.Sprintf("w%02d", i), file: file, tags: fmt.Sprintf("fleet,only:%d", i),
			proxy: newProxy(t, strings.TrimPrefix(s.url, "http://")), log: &logBuffer{ready: make(chan string, 1)},
		}
		if i < 2 {
			w.tags = "cut" // these two run nothing else
		}
		w.start()
		t.Cleanup(func() {
			w.kill()
			if t.Failed() {
				t.Logf("%s:\n%.3000s", w.name, w.log)
			}
		})
		fleet[i] = w
	}
	for _, w := range fleet {
		s.untilWorker(w.name, "online")
	}

	// The storm.
	for i := range jobs {
		command := `i=0; while [ $i -lt 40 ]; do echo "$BELFRY_EXECUTION_ID $i"; i=$((i+1)); [ $i = 20 ] && sleep 0.1; done; true`
		if i%5 == 0 {
			command = `seq -f "$BELFRY_EXECUTION_ID %g" 0 2999`
		}
		s.shellJob(fmt.Sprintf("storm-%d", i), "@manually", command, map[string]any{
			"tags": []string{"fleet"}, "retries": 100, "retry": map[string]any{"delay": "10ms", "max_delay": "500ms"},
		})
	}
	gone := watchGone(t, s, fleet)
	var clients sync.WaitGroup
	for part := range 4 {
		clients.Go(func() {
			for n := part; n < jobs*each; n += 4 {
				s.run(fmt.Sprintf("storm-%d", n%jobs))
			}
		})
	}
	calm := make(chan struct{})
	var storm sync.WaitGroup
	storm.Go(func() {
		kills := 0
		for {
			select {
			case <-calm:
				return
			case <-time.After(time.Duration(100+random.IntN(300)) * time.Millisecond):
			}
			w := fleet[5+random.IntN(workers-5)]
			switch what := random.IntN(10); {
			case what < 6:
				w.proxy.set(false)
			case what < 8:
				w.proxy.set(true)
				storm.Go(func() { <-time.After(time.Second); w.proxy.set(false) })
			case kills < 15:
				kills++
				w.kill()
				w.start()
			}
		}
	})
	clients.Wait()
	s.eventually("the storm", "board", func() bool {
		var list executionList
		s.call(http.MethodGet, "/executions?state=queued,running&limit=100", nil, http.StatusOK, &list)
		for _, e := range list.Items {
			if strings.HasPrefix(e.Job, "storm-") {
				return false
			}
		}
		return true
	})
	close(calm)
	storm.Wait()
	checkStorm(t, s, jobs, each)
	gone()
}

// checkStorm reads every execution and every output.
func checkStorm(t *testing.T, s *server, jobs, each int) {
	t.Helper()
	var succeeded, lost int
	for i := range jobs {
		groups := map[string][]execution{}
		for offset := 0; ; offset += 500 {
			var list executionList
			s.call(http.MethodGet, fmt.Sprintf("/executions?job=storm-%d&limit=500&offset=%d", i, offset), nil, http.StatusOK, &list)
			for _, e := range list.Items {
				groups[e.Group] = append(groups[e.Group], e)
			}
			if len(list.Items) < 500 {
				break
			}
		}
		if len(groups) != each {
			t.Errorf("storm-%d has %d groups, want %d", i, len(groups), each)
		}
		n := 40
		if i%5 == 0 {
			n = 3000
		}
		for group, attempts := range groups {
			good := 0
			for _, e := range attempts {
				var want strings.Builder
				for k := range n {
					fmt.Fprintln(&want, e.ID, k)
				}
				var output string
				s.call(http.MethodGet, "/executions/"+e.ID+"/output", nil, http.StatusOK, &output)
				switch {
				case e.State == "succeeded" && output == want.String():
					good++
				case e.State == "lost" && strings.HasPrefix(want.String(), output) && strings.HasPrefix(e.Reason, "lost: worker w"):
					lost++
				default:
					t.Errorf("attempt %d of %s on %s is %s (%s) with %d bytes of output, want %d:\n%.200q", e.Attempt, e.Job, e.Worker, e.State, e.Reason, len(output), want.Len(), output)
				}
			}
			if succeeded += good; good != 1 {
				t.Errorf("group %s of storm-%d succeeded %d times in %d attempts", group, i, good, len(attempts))
			}
		}
	}
	t.Logf("%d succeeded, %d attempts were lost and tried again", succeeded, lost)
}

// watchGone kills two workers for good, and cuts one off for longer than the server
// waits. The function it returns says what became of what they ran.
func watchGone(t *testing.T, s *server, fleet []*fleetWorker) func() {
	t.Helper()
	marker := fmt.Sprintf("5639%d", os.Getpid())
	long := map[string]any{"retries": 1, "retry": map[string]any{"delay": "10ms"}}
	ids := map[int]string{}
	for _, i := range []int{2, 3} {
		long["tags"] = []string{fmt.Sprintf("only:%d", i)}
		s.shellJob(fmt.Sprintf("long-%d", i), "@manually", "echo begun; exec sleep "+marker, long)
		ids[i] = s.run(fmt.Sprintf("long-%d", i))
	}
	long["tags"] = []string{"cut"}
	s.shellJob("cut", "@manually", "echo begun; exec sleep "+marker, long)
	cut := s.run("cut")
	for _, id := range []string{ids[2], ids[3], cut} {
		s.untilOutput(id, "begun\n")
	}
	var e execution
	s.call(http.MethodGet, "/executions/"+cut, nil, http.StatusOK, &e)
	silent := fleet[number(t, strings.TrimPrefix(e.Worker, "w"))]
	start := time.Now()
	silent.proxy.set(true)
	fleet[2].kill()
	fleet[3].kill()
	return func() {
		t.Helper()
		for what, id := range map[string]string{"long-2": ids[2], "long-3": ids[3], "cut": cut} {
			e := s.until(id, is("lost"))
			if !strings.Contains(e.Reason, "was not heard of for 2") {
				t.Errorf("%s: %s", what, e.Reason)
			}
			if took := finished(t, e).Sub(start); took > 30*time.Second {
				t.Errorf("%s was found lost after %s", what, took)
			}
			var attempts executionList
			s.call(http.MethodGet, "/executions?job="+what, nil, http.StatusOK, &attempts)
			if attempts.Total != 2 {
				t.Errorf("%s has %d attempts, want 2", what, attempts.Total)
			}
			if what != "cut" {
				s.until(attempts.Items[0].ID, func(e execution) bool {
					return e.State == "queued" && e.Reason == "no worker with tags only:"+what[5:]+" is online"
				})
			}
		}
		var attempts executionList
		s.call(http.MethodGet, "/executions?job=cut", nil, http.StatusOK, &attempts)
		retry := attempts.Items[0]
		s.untilOutput(retry.ID, "begun\n")
		if n := len(alive(t, "sleep\x00"+marker)); n != 2 {
			t.Errorf("%d processes run while one worker is cut off, want its own and the other's", n)
		}
		silent.proxy.set(false)
		s.untilWorker(silent.name, "online")
		s.eventually("what was cut off ends", "board", func() bool { return len(alive(t, "sleep\x00"+marker)) == 1 })
		s.call(http.MethodGet, "/executions/"+cut, nil, http.StatusOK, &e)
		s.call(http.MethodGet, "/executions/"+retry.ID, nil, http.StatusOK, &retry)
		if e.State != "lost" || retry.State != "running" || retry.Worker == silent.name {
			t.Errorf("after it came back the lost one is %s, and the retry %s on %s", e.State, retry.State, retry.Worker)
		}
	}
}

func finished(t *testing.T, e execution) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, e.Finished)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
