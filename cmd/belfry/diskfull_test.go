package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tmpfs mounts a small disk, or skips the test where that is not allowed.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("BELFRY_TEST_REQUIRE_TMPFS") != "" {
			t.Fatalf("mount a tmpfs: %v", err)
		}
		t.Skipf("a small disk cannot be made here: mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// TestAFullDiskHeals: while the data's disk is full, what runs goes on, and writes
// and readiness say what is wrong; when there is room, everything goes on by
// itself, and nothing is damaged.
func TestAFullDiskHeals(t *testing.T) {
	disk, flags := tmpfs(t, "8m"), t.TempDir()
	data := filepath.Join(disk, "data")
	s := serve(t, data)
	t.Cleanup(func() { s.kill() }) // before the disk is unmounted
	end := filepath.Join(flags, "end")
	s.shellJob("tick", "* * * * * *", "echo tick", nil)
	s.shellJob("long", "@manually", "while [ ! -e "+end+" ]; do echo line; sleep 0.05; done; echo last", nil)
	long := s.run("long")
	s.until(long, is("running"))
	s.untilTotal("/executions?job=tick&state=succeeded", 2)

	fill(t, filepath.Join(disk, "filler"))
	if said := s.untilReady(http.StatusServiceUnavailable); !strings.Contains(said, "the disk is full") {
		t.Errorf("readiness does not name the disk: %s", said)
	}
	var problem string
	s.call(http.MethodPost, "/jobs", map[string]any{
		"name": "refused", "schedule": "@manually", "executor": "shell", "config": map[string]any{"command": "true"},
	}, http.StatusServiceUnavailable, &problem)
	if !strings.Contains(problem, "the disk is full") || !strings.Contains(problem, "urn:belfry:problem:unavailable") {
		t.Errorf("a refused write says %s", problem)
	}
	s.call(http.MethodGet, "/jobs/long", nil, http.StatusOK, nil) // reading goes on
	if len(alive(t, end)) == 0 {
		t.Error("the run did not outlive the full disk")
	}

	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	healing := time.Now()
	s.untilReady(http.StatusOK)
	t.Logf("ready again %v after there was room", time.Since(healing).Round(time.Millisecond))
	s.shellJob("accepted", "@manually", "true", nil)
	if err := os.WriteFile(end, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.until(long, is("succeeded"))
	var output string
	s.call(http.MethodGet, "/executions/"+long+"/output", nil, http.StatusOK, &output)
	if !strings.HasPrefix(output, "line\n") || !strings.HasSuffix(output, "last\n") {
		t.Errorf("the output ends with %q", output[max(0, len(output)-100):])
	}
	s.until(s.run("tick"), is("succeeded"))
	if code := s.terminate(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.log)
	}
	checkIntegrity(t, data)
	// Every second that passed is accounted for.
	s = serve(t, data)
	var ticks executionList
	s.call(http.MethodGet, "/executions?job=tick&trigger=schedule&limit=1000", nil, http.StatusOK, &ticks)
	for i, e := range ticks.Items[1:] {
		newer, older := dueOf(t, ticks.Items[i]), dueOf(t, e)
		if newer.Sub(older) != time.Second {
			t.Errorf("nothing is known about the time between %v and %v", older, newer)
		}
	}
}

func dueOf(t *testing.T, e execution) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, e.DueAt)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// fill writes a file until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 512)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// untilReady asks for readiness until it has a status, and returns what it said.
func (s *server) untilReady(status int) string {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		resp, err := http.Get(s.url + "/health/readiness")
		if err != nil {
			s.t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			s.t.Fatal(err)
		}
		if resp.StatusCode == status {
			return string(b)
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("readiness is %s: %s\n%s", resp.Status, b, s.log)
		}
	}
}
