package metrics

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

type counted int

func (c *counted) Publish(scheduler.Event) { *c++ }

// TestWhatIsCounted: each execution once, however often it is heard of, by names
// that vanish with their jobs.
func TestWhatIsCounted(t *testing.T) {
	var next counted
	m := New(&next, Options{
		Version: "1.2.3",
		Job: func(_ context.Context, id string) (scheduler.Job, error) {
			return scheduler.Job{ID: id, Draft: scheduler.Draft{Name: "job " + id, Executor: "shell"}}, nil
		},
		Readers: func() int { return 7 }, Usage: func() (int, int) { return 1, 4 },
		Database: func() (int64, error) { return 4096, nil }, Queued: func() (int64, error) { return 0, errors.New("no") },
	})
	m.Register("belfry_more", "More.", func() float64 { return 5 })
	due := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	told := 0
	tell := func(id string, state scheduler.State) {
		e := scheduler.Execution{
			ID: id, JobID: "1", JobName: "job 1", State: state, Attempt: 1, DueAt: due, RunAt: due, QueuedAt: due.Add(2 * time.Millisecond),
			Trigger: scheduler.Trigger{Kind: scheduler.TriggerSchedule},
		}
		if state != scheduler.Queued && state != scheduler.Skipped {
			e.StartedAt, e.FinishedAt = due.Add(12*time.Millisecond), due.Add(212*time.Millisecond)
		}
		m.Publish(scheduler.Event{Kind: scheduler.ExecutionChanged, Execution: &e, ExecutionID: id, JobID: "1"})
		told++
	}
	tell("a", scheduler.Queued)
	tell("a", scheduler.Running)
	tell("a", scheduler.Running) // its progress
	tell("a", scheduler.Failed)
	tell("b", scheduler.Queued)
	tell("b", scheduler.Running)
	tell("c", scheduler.Skipped)
	tell("d", scheduler.Lost) // of an earlier life
	said := scrape(m)
	for _, line := range []string{
		"ofelia_jobs_total 2", "ofelia_jobs_failed_total 2", "ofelia_jobs_running 1", `ofelia_job_duration_seconds_bucket{le="0.1"} 0`,
		`ofelia_job_duration_seconds_bucket{le="0.5"} 2`, "# HELP ofelia_jobs_total Total number of jobs executed", "# TYPE ofelia_job_duration_seconds histogram",
		`belfry_executions_total{executor="shell",job="job 1",state="failed"} 1`, `belfry_executions_total{executor="shell",job="job 1",state="skipped"} 1`,
		"belfry_schedule_lateness_seconds_count 2", "belfry_queue_wait_seconds_count 2", `belfry_build_info{version="1.2.3"} 1`,
		"belfry_sse_clients 7", "belfry_worker_slots 4", "belfry_worker_slots_used 1", "belfry_database_size_bytes 4096", "belfry_queue_length -1", "belfry_more 5",
	} {
		if !strings.Contains(said, line+"\n") {
			t.Errorf("%q is not in\n%s", line, said)
		}
	}
	renamed := scheduler.Job{ID: "1", Draft: scheduler.Draft{Name: "renamed", Executor: "shell"}}
	m.Publish(scheduler.Event{Kind: scheduler.JobChanged, Change: scheduler.JobUpdated, JobID: "1", Job: &renamed})
	if said := scrape(m); strings.Contains(said, `job="job 1"`) {
		t.Error("the old name stays")
	}
	if int(next) != told+1 {
		t.Errorf("%d events were passed on, of %d", next, told+1)
	}
}

func scrape(m *Metrics) string {
	rec := httptest.NewRecorder()
	m.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	return rec.Body.String()
}
