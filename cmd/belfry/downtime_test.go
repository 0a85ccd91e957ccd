package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestWhatCameDueWhileTheServerWasDown: each due time is an execution afterwards,
// missed or run by its job's rule.
func TestWhatCameDueWhileTheServerWasDown(t *testing.T) {
	data := t.TempDir()
	s := serve(t, data)
	for _, rule := range []string{"skip", "latest", "all"} {
		s.shellJob(rule, "*/2 * * * * *", "true", map[string]any{"catch_up": rule})
	}
	s.untilTotal("/executions?job=all&state=succeeded", 2)
	s.kill()
	down := time.Now()
	// It comes back just after a due time: it has two seconds to start before the next.
	up := down.Truncate(2 * time.Second).Add(6*time.Second + 50*time.Millisecond)
	<-time.NewTimer(up.Sub(down)).C
	s = serve(t, data)
	for rule, caughtUp := range map[string]func(int) bool{
		"skip":   func(n int) bool { return n == 0 },
		"latest": func(n int) bool { return n == 1 },
		"all":    func(n int) bool { return n >= 2 },
	} {
		var list executionList
		s.call(http.MethodGet, "/executions?job="+rule+"&limit=1000", nil, http.StatusOK, &list)
		ran, missed, last := 0, 0, time.Time{}
		for i, e := range list.Items {
			due := dueOf(t, e)
			if i > 0 && last.Sub(due) != 2*time.Second {
				t.Errorf("%s: nothing is known about the time between %v and %v", rule, due, last)
			}
			last = due
			if due.Before(down.Add(50*time.Millisecond)) || due.After(up) {
				continue
			}
			if e.State != "missed" {
				ran++
			} else if missed++; !strings.Contains(e.Reason, "the server was down from ") {
				t.Errorf("%s: missed because of %q", rule, e.Reason)
			}
		}
		if !caughtUp(ran) {
			t.Errorf("catch_up %s ran %d of the due times while it was down, and missed %d", rule, ran, missed)
		}
	}
}

// TestDependentsRun: success, failure and any, and a job that waits for two.
func TestDependentsRun(t *testing.T) {
	s := serve(t, t.TempDir())
	s.shellJob("tick", "* * * * * *", "true", nil) // so that something happens to look again at
	s.shellJob("good", "@manually", "true", nil)
	s.shellJob("bad", "@manually", "false", map[string]any{"retries": 1, "retry": map[string]any{"delay": "10ms"}})
	on := func(job, condition string) map[string]any { return map[string]any{"job": job, "on": condition} }
	s.shellJob("after-good", "@manually", "true", map[string]any{"depends_on": []any{on("good", "success")}})
	s.shellJob("after-bad", "@manually", "true", map[string]any{"depends_on": []any{on("bad", "failure")}})
	s.shellJob("never", "@manually", "true", map[string]any{"depends_on": []any{on("bad", "success")}})
	s.shellJob("both", "@manually", "true", map[string]any{"depends_on": []any{on("good", "any"), on("bad", "any")}})
	s.run("bad")
	s.untilTotal("/executions?job=after-bad&state=succeeded", 1)
	s.run("good")
	s.untilTotal("/executions?job=both&state=succeeded", 1)
	s.untilTotal("/executions?job=after-good&state=succeeded", 1)
	for job, want := range map[string]int{"good": 1, "bad": 2, "after-good": 1, "after-bad": 1, "never": 0, "both": 1} {
		var list executionList
		s.call(http.MethodGet, "/executions?job="+job, nil, http.StatusOK, &list)
		if list.Total != want {
			t.Errorf("%s ran %d times, want %d", job, list.Total, want)
		}
	}
	var refused string
	s.call(http.MethodPut, "/jobs/good", map[string]any{
		"schedule": "@manually", "config": map[string]any{"command": "true"}, "depends_on": []any{on("both", "any")},
	}, http.StatusUnprocessableEntity, &refused)
	if !strings.Contains(refused, "good → both → good") {
		t.Errorf("a cycle is refused with %s", refused)
	}
	s.call(http.MethodPost, "/jobs", map[string]any{
		"name": "x", "schedule": "@manually", "config": map[string]any{"command": "true"}, "retries": -1,
		"depends_on": []any{on("nowhere", "any")},
	}, http.StatusUnprocessableEntity, &refused)
	if !strings.Contains(refused, `there is no job \"nowhere\"`) || !strings.Contains(refused, "0 to 1000") {
		t.Errorf("two things that are wrong are refused with %s", refused)
	}
	s.call(http.MethodDelete, "/jobs/bad", nil, http.StatusConflict, &refused)
	if !strings.Contains(refused, "after-bad, never, both") {
		t.Errorf("deleting what others need is refused with %s", refused)
	}
	s.call(http.MethodDelete, "/jobs/bad?force=true", nil, http.StatusNoContent, nil)
}
