package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKillingAtRandomInstants kills the server under load again and again. After
// each restart everything that was answered with a 2xx is there, nothing runs for
// ever, nothing fired twice, and no process is left. BELFRY_TEST_KILLS says how
// often (`make kill`: 200), BELFRY_TEST_SEED replays the choices, though not the
// machine's timing.
func TestKillingAtRandomInstants(t *testing.T) {
	kills, seed := 12, uint64(time.Now().UnixNano())
	if text := os.Getenv("BELFRY_TEST_KILLS"); text != "" {
		kills = number(t, text)
	}
	if text := os.Getenv("BELFRY_TEST_SEED"); text != "" {
		seed = uint64(number(t, text))
	}
	t.Logf("seed %d", seed)
	data := t.TempDir()
	marker := fmt.Sprintf("6639%d", os.Getpid())
	clients := make([]*killClient, 4)
	for i := range clients {
		clients[i] = &killClient{
			t: t, name: fmt.Sprintf("c%d", i), rand: rand.New(rand.NewPCG(seed, uint64(i))),
			jobs: map[string]killJob{}, doubt: map[string]killJob{}, runs: map[string]string{},
		}
	}
	instant := rand.New(rand.NewPCG(seed, 99))
	answered := 0
	for round := range kills + 1 {
		started := time.Now()
		s := serve(t, data, "--slots", "8")
		if round == 0 {
			s.shellJob("tick", "* * * * * *", "echo tick", nil)
			s.shellJob("long", "@manually", "setsid sleep "+marker+" & exec sleep "+marker, map[string]any{"grace": "100ms"})
		}
		checkRestart(s, started)
		for _, c := range clients {
			c.url = s.url
			c.verify()
		}
		if t.Failed() || round == kills {
			break
		}
		s.run("long")
		var load sync.WaitGroup
		for _, c := range clients {
			load.Go(c.load)
		}
		after := time.NewTimer(time.Duration(instant.IntN(300_000)) * time.Microsecond)
		<-after.C
		s.kill()
		load.Wait()
		gone := time.Now()
		for left := alive(t, marker); len(left) > 0; left = alive(t, marker) {
			if time.Since(gone) > 5*time.Second {
				t.Fatalf("round %d: processes %v survive the server", round, left)
			}
		}
	}
	for _, c := range clients {
		answered += c.answered
	}
	t.Logf("%d kills, %d requests answered before them, all there", kills, answered)
	checkIntegrity(t, data)
}

func number(t *testing.T, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// checkRestart: what runs was started by this server, and no fire is doubled.
func checkRestart(s *server, started time.Time) {
	s.t.Helper()
	var running executionList
	s.call(http.MethodGet, "/executions?state=running&limit=1000", nil, http.StatusOK, &running)
	for _, e := range running.Items {
		at, err := time.Parse(time.RFC3339, *e.Started)
		if err != nil || at.Before(started) {
			s.t.Errorf("%s of %s is running since an earlier life (%s)", e.ID, e.Job, *e.Started)
		}
	}
	var ticks executionList
	s.call(http.MethodGet, "/executions?job=tick&limit=1000", nil, http.StatusOK, &ticks)
	due := map[string]string{}
	for _, e := range ticks.Items {
		key := fmt.Sprint(e.DueAt, " ", e.Attempt)
		if other, twice := due[key]; twice {
			s.t.Errorf("the fire of %s is %s and %s", key, e.ID, other)
		}
		due[key] = e.ID
		if e.State != "succeeded" && e.State != "running" && e.State != "queued" && e.Reason == "" {
			s.t.Errorf("%s is %s without a reason", e.ID, e.State)
		}
	}
}

func checkIntegrity(t *testing.T, data string) {
	t.Helper()
	conn, err := sql.Open("sqlite", filepath.Join(data, "belfry.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var said string
	if err := conn.QueryRow("PRAGMA integrity_check").Scan(&said); err != nil || said != "ok" {
		t.Errorf("integrity check: %q, %v", said, err)
	}
}

// killJob is what a client knows of a job of its own.
type killJob struct {
	Exists  bool
	Notes   string
	Enabled bool
}

// killClient changes jobs of its own and remembers what was answered. A request
// that got no answer leaves a doubt: both outcomes are right.
type killClient struct {
	t        *testing.T
	name     string
	url      string
	rand     *rand.Rand
	n        int
	answered int
	jobs     map[string]killJob
	doubt    map[string]killJob
	runs     map[string]string // execution id to job
}

// load sends requests until one gets no answer.
func (c *killClient) load() {
	for {
		c.n++
		name := fmt.Sprintf("%s-%d", c.name, c.rand.IntN(6))
		was := c.jobs[name]
		next, path := was, "/jobs/"+name
		var method string
		var body any
		switch op := c.rand.IntN(6); {
		case !was.Exists:
			next = killJob{true, strconv.Itoa(c.n), true}
			method, path, body = http.MethodPost, "/jobs", job(name, next)
		case op == 0:
			next = killJob{}
			method = http.MethodDelete
		case op == 1:
			next.Enabled = !was.Enabled
			verb := "/disable"
			if next.Enabled {
				verb = "/enable"
			}
			method, path = http.MethodPost, path+verb
		case op == 2:
			next.Notes = strconv.Itoa(c.n)
			method, body = http.MethodPut, job(name, next)
		default:
			method, path = http.MethodPost, path+"/run"
		}
		status, answer, err := c.send(method, path, body)
		if err != nil {
			c.doubt[name] = next
			return
		}
		if status/100 != 2 {
			c.t.Errorf("%s %s: %d %s", method, path, status, answer)
			return
		}
		c.answered++
		c.jobs[name] = next
		if strings.HasSuffix(path, "/run") {
			var made struct{ ID string }
			if err := json.Unmarshal(answer, &made); err != nil {
				c.t.Error(err)
			}
			c.runs[made.ID] = name
		}
		if !next.Exists { // its history went with it
			for id, of := range c.runs {
				if of == name {
					delete(c.runs, id)
				}
			}
		}
	}
}

func job(name string, j killJob) map[string]any {
	return map[string]any{
		"name": name, "schedule": "@every 1s", "notes": j.Notes, "enabled": j.Enabled,
		"executor": "shell", "config": map[string]any{"command": "true"},
	}
}

func (c *killClient) send(method, path string, in any) (int, []byte, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			c.t.Error(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, body)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// verify compares what the server has with what was answered.
func (c *killClient) verify() {
	c.t.Helper()
	for i := range 6 {
		name := fmt.Sprintf("%s-%d", c.name, i)
		status, answer, err := c.send(http.MethodGet, "/jobs/"+name, nil)
		if err != nil {
			c.t.Errorf("GET %s: %v", name, err)
			return
		}
		got := killJob{Exists: status == http.StatusOK}
		if got.Exists {
			if err := json.Unmarshal(answer, &got); err != nil {
				c.t.Error(err)
			}
		}
		other, inDoubt := c.doubt[name]
		if got != c.jobs[name] && !(inDoubt && got == other) {
			c.t.Errorf("%s is %+v; answered was %+v (in doubt: %v %+v)", name, got, c.jobs[name], inDoubt, other)
		}
		c.jobs[name] = got
		if !got.Exists {
			for id, of := range c.runs {
				if of == name {
					delete(c.runs, id)
				}
			}
		}
	}
	clear(c.doubt)
	for id := range c.runs {
		if status, _, err := c.send(http.MethodGet, "/executions/"+id, nil); err != nil || status != http.StatusOK {
			c.t.Errorf("execution %s of %s, which was answered: %d, %v", id, c.runs[id], status, err)
		}
	}
	if len(c.runs) > 200 { // what was seen after a restart is on disk
		clear(c.runs)
	}
}
