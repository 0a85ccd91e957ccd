package db_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"belfry/db"
	"belfry/db/dbtest"
	"belfry/scheduler"
)

var bg = context.Background()

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func newJob(name string) scheduler.Job {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return scheduler.Job{
		ID: newID(), Origin: scheduler.OriginAPI, Version: 1, CreatedAt: now, UpdatedAt: now,
		Draft: scheduler.Draft{
			Name: name, DisplayName: "Job " + name, Enabled: true,
			Schedules: []scheduler.Schedule{{Text: "*/5 * * * *"}},
			Executor:  "shell", Config: json.RawMessage(`{"command":"/bin/true"}`), Concurrency: scheduler.Allow,
			Retry: scheduler.RetryPolicy{Delay: time.Second, Factor: 2, MaxDelay: time.Hour}, Grace: 10 * time.Second,
		},
	}
}

func newExecution(jobID string, due time.Time) scheduler.Execution {
	id := newID()
	return scheduler.Execution{
		ID: id, JobID: jobID, State: scheduler.Queued, Trigger: scheduler.Trigger{Kind: scheduler.TriggerSchedule},
		Group: id, Attempt: 1, DueAt: due, RunAt: due, QueuedAt: due,
	}
}

// cpu returns what the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkInsertJob: job creations by 4 callers, each with its audit row.
func BenchmarkInsertJob(b *testing.B) {
	s := dbtest.Open(b)
	var n atomic.Int64
	var wg sync.WaitGroup
	before := cpu()
	b.ResetTimer()
	for range 4 {
		wg.Go(func() {
			for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
				j := newJob(fmt.Sprintf("job-%d", i))
				if err := s.InTx(bg, func(tx scheduler.Tx) error {
					if err := tx.InsertJob(bg, &j); err != nil {
						return err
					}
					return tx.InsertAudit(bg, scheduler.AuditEntry{At: j.CreatedAt, Actor: "admin", Action: "job.create", Object: j.Name, After: string(j.Config)})
				}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/job")
}

func addJobs(b testing.TB, s *db.Store, n int) []scheduler.Job {
	b.Helper()
	jobs := make([]scheduler.Job, n)
	for i := range jobs {
		jobs[i] = newJob(fmt.Sprintf("job-%05d", i))
	}
	for from := 0; from < n; from += 500 {
		if err := s.InTx(bg, func(tx scheduler.Tx) error {
			for i := from; i < min(from+500, n); i++ {
				if err := tx.InsertJob(bg, &jobs[i]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	return jobs
}

// BenchmarkLifeCycle: fires in batches, claims in small ones, and finishes one
// by one from as many goroutines as there are slots, like the server does.
func BenchmarkLifeCycle(b *testing.B) {
	for _, slots := range []int{4, 8} {
		b.Run(fmt.Sprintf("slots=%d", slots), func(b *testing.B) { lifeCycle(b, dbtest.Open(b), slots, 1000) })
	}
}

func lifeCycle(b *testing.B, s *db.Store, slots, jobCount int) {
	jobs := addJobs(b, s, jobCount)
	start := time.Now().UTC().Truncate(time.Microsecond)
	var inserted, done atomic.Int64
	before, c0 := cpu(), s.Commits()
	b.ResetTimer()
	var wg sync.WaitGroup
	wg.Go(func() { // the fires, a batch at a time, not too far ahead
		for i := 0; i < b.N; {
			if inserted.Load()-done.Load() > 1000 {
				time.Sleep(time.Millisecond)
				continue
			}
			n := min(64, b.N-i)
			if err := s.InTx(bg, func(tx scheduler.Tx) error {
				for k := i; k < i+n; k++ {
					j, err := tx.Job(bg, jobs[k%len(jobs)].ID)
					if err != nil {
						return err
					}
					e := newExecution(j.ID, start.Add(time.Duration(k)*time.Microsecond-time.Hour))
					if ok, err := tx.InsertExecution(bg, e); err != nil || !ok {
						return fmt.Errorf("insert: %v %w", ok, err)
					}
				}
				return nil
			}); err != nil {
				b.Error(err)
				return
			}
			inserted.Add(int64(n))
			i += n
		}
	})
	work := make(chan scheduler.Assignment)
	wg.Go(func() { // the pool claims for the slots that are free
		defer close(work)
		for got := 0; got < b.N; {
			var list []scheduler.Assignment
			if err := s.InTx(bg, func(tx scheduler.Tx) (err error) {
				list, err = tx.Claim(bg, scheduler.Worker{Name: "local"}, time.Now(), slots)
				return err
			}); err != nil {
				b.Error(err)
				return
			}
			if len(list) == 0 {
				time.Sleep(100 * time.Microsecond)
			}
			got += len(list)
			for _, a := range list {
				work <- a
			}
		}
	})
	for range slots {
		wg.Go(func() {
			for a := range work {
				e := a.Execution
				e.State, e.FinishedAt, e.ExitCode = scheduler.Succeeded, time.Now(), new(int)
				if err := s.InTx(bg, func(tx scheduler.Tx) error { return tx.Finish(bg, e, scheduler.Running) }); err != nil {
					b.Error(err)
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "exec/s")
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/exec")
	b.ReportMetric(float64(s.Commits()-c0)/float64(b.N), "commits/exec")
}
