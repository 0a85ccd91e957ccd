package dbtest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"belfry/db"
	"belfry/scheduler"
)

var bg = context.Background()

// epoch is the time of the tests: the store takes every time from its caller.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// NewID makes an id that grows with time.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// NewJob makes a job that may be stored.
func NewJob(name string) scheduler.Job {
	return scheduler.Job{
		ID: NewID(), Origin: scheduler.OriginAPI, Version: 1, CreatedAt: epoch, UpdatedAt: epoch,
		Draft: scheduler.Draft{
			Name: name, DisplayName: "Display of " + name, Notes: "notes\n💡", Enabled: true,
			Schedules: []scheduler.Schedule{{Grammar: "standard", Text: "*/5 * * * *", Zone: "Europe/Berlin"}, {Text: "@daily"}},
			Executor:  "shell", Config: json.RawMessage(`{"command":["/bin/true"]}`), Concurrency: scheduler.Forbid,
			Retries: 3, Retry: scheduler.RetryPolicy{Delay: time.Second, Factor: 1.5, MaxDelay: time.Hour},
			Timeout: 90 * time.Second, Grace: 10 * time.Second,
			MaxQueued: scheduler.DefaultMaxQueued, CatchUp: scheduler.CatchUpSkip, CatchUpWindow: scheduler.DefaultCatchUpWindow,
			Copies: 1, OutputLimit: scheduler.DefaultOutputLimit,
		},
		LiveSince: epoch,
	}
}

// NewExecution makes a first attempt that is due, and may be claimed, at a time.
func NewExecution(jobID string, due time.Time) scheduler.Execution {
	id := NewID()
	return scheduler.Execution{
		ID: id, JobID: jobID, State: scheduler.Queued, Reason: "waits", Group: id, Attempt: 1,
		Trigger: scheduler.Trigger{Kind: scheduler.TriggerSchedule}, DueAt: due, RunAt: due, QueuedAt: due, Progress: -1,
	}
}

// tx runs fn and fails the test when it fails.
func tx(t testing.TB, s *db.Store, fn func(scheduler.Tx) error) {
	t.Helper()
	if err := s.InTx(bg, fn); err != nil {
		t.Fatalf("transaction: %v", err)
	}
}

func addJob(t testing.TB, s *db.Store, name string) scheduler.Job {
	t.Helper()
	j := NewJob(name)
	tx(t, s, func(tx scheduler.Tx) error { return tx.InsertJob(bg, &j) })
	return j
}

func addExecution(t testing.TB, s *db.Store, e scheduler.Execution) scheduler.Execution {
	t.Helper()
	tx(t, s, func(tx scheduler.Tx) error {
		inserted, err := tx.InsertExecution(bg, e)
		if err == nil && !inserted {
			err = fmt.Errorf("execution %s was not inserted", e.ID)
		}
		return err
	})
	return e
}

func claim(t testing.TB, s *db.Store, worker string, now time.Time, limit int) []scheduler.Assignment {
	t.Helper()
	var list []scheduler.Assignment
	tx(t, s, func(tx scheduler.Tx) (err error) {
		list, err = tx.Claim(bg, scheduler.Worker{Name: worker}, now, limit)
		return err
	})
	return list
}

func finish(t testing.TB, s *db.Store, e scheduler.Execution, state scheduler.State, when time.Time) scheduler.Execution {
	t.Helper()
	e.State, e.FinishedAt = state, when
	tx(t, s, func(tx scheduler.Tx) error { return tx.Finish(bg, e, scheduler.Running) })
	return e
}

// wantCode fails the test when err is not of the code.
func wantCode(t testing.TB, err error, code scheduler.Code) {
	t.Helper()
	if got := scheduler.CodeOf(err); got != code {
		t.Fatalf("error %v has the code %q, want %q", err, got, code)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ids(list []scheduler.Execution) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.ID
	}
	return out
}
