package db_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"belfry/db"
	"belfry/db/dbtest"
	"belfry/scheduler"
)

const (
	largeJobs       = 10_000
	largeExecutions = 1_000_000
)

// large returns a database with much in it; BELFRY_BENCH_DB names a file to keep
// between runs.
func large(b *testing.B) db.Options {
	b.Helper()
	o := dbtest.SQLite(b)
	if path := os.Getenv("BELFRY_BENCH_DB"); path != "" {
		o.Path = path
		if _, err := os.Stat(path); err == nil {
			return o
		}
	}
	s := openDB(b, o)
	defer closeDB(b, s)
	addJobs(b, s, largeJobs)
	state := "CASE WHEN i % 20 = 3 THEN 'failed' WHEN i % 50 = 9 THEN 'timed_out' WHEN i % 100 = 17 THEN 'skipped' ELSE 'succeeded' END"
	for _, q := range []string{
		// One execution a second, each of another job, in an order that is not theirs.
		fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d)
		INSERT INTO executions (id, job, state, attempt, due_at, run_at, queued_at, started_at, finished_at, trigger_kind,
			trigger_by, first_id, worker, reason, exit_code)
		SELECT printf('%%08x-%%04x-7%%03x-8000-%%012x', i / 65536, i %% 65536, i %% 4096, i * 2654435761 %% 281474976710656),
			1 + i * 7919 %% %d, %s, 1, t, t, t, t + 1000, t + 1000 + i %% 1000 * 1000,
			CASE WHEN i %% 1000 = 5 THEN 'manual' ELSE 'schedule' END, '', '', 'local', '', 0
		FROM (SELECT i, 1760000000000000 + i * 1000000 AS t FROM n)`, largeExecutions, largeJobs, state),
		`INSERT INTO job_stats (job, succeeded, failed, timed_out, skipped, last_state, last_due, last_attempt)
		SELECT job, SUM(state = 'succeeded'), SUM(state = 'failed'), SUM(state = 'timed_out'), SUM(state = 'skipped'), 'succeeded',
			MAX(due_at), 1 FROM executions GROUP BY job`,
		`UPDATE execution_totals SET (succeeded, failed, timed_out, skipped) =
		(SELECT SUM(succeeded), SUM(failed), SUM(timed_out), SUM(skipped) FROM job_stats) WHERE shard = 0`,
	} {
		if err := s.Exec(bg, q); err != nil {
			b.Fatal(err)
		}
	}
	return o
}

// rss returns the resident memory of the process in MB, with what is mapped.
func rss() float64 {
	text, _ := os.ReadFile("/proc/self/status")
	var kb float64
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "VmRSS:") {
			_, _ = fmt.Sscanf(line, "VmRSS: %f", &kb)
		}
	}
	return kb / 1024
}

// timed runs fn b.N times and reports its slowest twentieth, too.
func timed(b *testing.B, fn func(i int) error) {
	b.Helper()
	took := make([]time.Duration, b.N)
	before := cpu()
	b.ResetTimer()
	for i := range b.N {
		start := time.Now()
		if err := fn(i); err != nil {
			b.Fatal(err)
		}
		took[i] = time.Since(start)
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
}

// BenchmarkLarge: what pages ask of 10,000 jobs with 1,000,000 executions.
func BenchmarkLarge(b *testing.B) {
	o := large(b)
	info, err := os.Stat(o.Path)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("the file has %d MB", info.Size()>>20)
	b.Run("open", func(b *testing.B) {
		timed(b, func(int) error {
			s, err := db.Open(bg, o)
			if err != nil {
				return err
			}
			return s.Close()
		})
	})
	s := openDB(b, o)
	defer closeDB(b, s)
	b.Run("jobs with stats", func(b *testing.B) {
		timed(b, func(i int) error {
			list, _, err := s.ListJobs(bg, scheduler.JobFilter{Limit: 50, Offset: i * 50 % largeJobs})
			if err != nil {
				return err
			}
			ids := make([]string, len(list))
			for i, j := range list {
				ids[i] = j.ID
			}
			_, err = s.JobStats(bg, ids, 30)
			return err
		})
	})
	b.Run("jobs searched", func(b *testing.B) {
		timed(b, func(i int) error {
			_, _, err := s.ListJobs(bg, scheduler.JobFilter{Limit: 50, Query: fmt.Sprint(i % 1000)})
			return err
		})
	})
	all, _, err := s.ListJobs(bg, scheduler.JobFilter{Limit: 1000})
	if err != nil {
		b.Fatal(err)
	}
	start := time.UnixMicro(1760000000000000)
	for name, f := range map[string]func(i int) scheduler.ExecutionFilter{
		"newest":   func(i int) scheduler.ExecutionFilter { return scheduler.ExecutionFilter{Offset: i % 20 * 50} },
		"of a job": func(i int) scheduler.ExecutionFilter { return scheduler.ExecutionFilter{JobID: all[i%1000].ID} },
		"failed": func(int) scheduler.ExecutionFilter {
			return scheduler.ExecutionFilter{States: []scheduler.State{"failed"}}
		},
		"several": func(int) scheduler.ExecutionFilter {
			return scheduler.ExecutionFilter{States: []scheduler.State{"failed", "timed_out", "lost", "queued"}}
		},
		"job's failed": func(i int) scheduler.ExecutionFilter {
			return scheduler.ExecutionFilter{JobID: all[i%1000].ID, States: []scheduler.State{"failed"}}
		},
		"manual": func(int) scheduler.ExecutionFilter {
			return scheduler.ExecutionFilter{Trigger: scheduler.TriggerManual}
		},
		"worker": func(int) scheduler.ExecutionFilter { return scheduler.ExecutionFilter{Worker: "local"} },
		"an hour": func(i int) scheduler.ExecutionFilter {
			return scheduler.ExecutionFilter{From: start.Add(time.Duration(i%200) * time.Hour), To: start.Add(time.Duration(i%200+1) * time.Hour)}
		},
	} {
		b.Run("executions "+name, func(b *testing.B) {
			timed(b, func(i int) error {
				f := f(i)
				f.Limit = 50
				_, _, err := s.ListExecutions(bg, f)
				return err
			})
		})
	}
	b.Run("timetable", func(b *testing.B) {
		timed(b, func(int) error {
			return s.EachEnabledJob(bg, func(scheduler.JobTimes) error { return nil })
		})
	})
	b.Run("memory", func(b *testing.B) {
		for range b.N {
		}
		b.ReportMetric(rss(), "MB-RSS")
	})
}
