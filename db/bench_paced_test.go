package db_test

import (
	"sync"
	"testing"
	"time"

	"belfry/db/dbtest"
	"belfry/scheduler"
)

// BenchmarkPaced: the same at 2,000 executions a second, where each takes 3 ms:
// small batches, the dearest case for each execution.
func BenchmarkPaced(b *testing.B) {
	s := dbtest.Open(b)
	jobs := addJobs(b, s, 1000)
	const slots = 8
	work := make(chan scheduler.Assignment)
	var wg sync.WaitGroup
	before, c0 := cpu(), s.Commits()
	b.ResetTimer()
	wg.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := 0; i < b.N; i += 20 {
			<-tick.C
			now := time.Now().UTC().Truncate(time.Microsecond)
			if err := s.InTx(bg, func(tx scheduler.Tx) error {
				for k := i; k < min(i+20, b.N); k++ {
					j, err := tx.Job(bg, jobs[k%len(jobs)].ID)
					if err != nil {
						return err
					}
					if _, err := tx.InsertExecution(bg, newExecution(j.ID, now)); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				b.Error(err)
			}
		}
	})
	wg.Go(func() {
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
				time.Sleep(2 * time.Millisecond)
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
				time.Sleep(3 * time.Millisecond)
				e := a.Execution
				e.State, e.FinishedAt, e.ExitCode = scheduler.Succeeded, time.Now(), new(int)
				if err := s.InTx(bg, func(tx scheduler.Tx) error { return tx.Finish(bg, e, scheduler.Running) }); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "exec/s")
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/exec")
	b.ReportMetric(float64(s.Commits()-c0)/float64(b.N), "commits/exec")
}

// BenchmarkStatements: what the statements of a life cost in one large
// transaction, without the commit of small ones.
func BenchmarkStatements(b *testing.B) {
	s := dbtest.Open(b)
	jobs := addJobs(b, s, 1000)
	start := time.Now().UTC().Truncate(time.Microsecond).Add(-time.Hour)
	var ins, cl, fi, all time.Duration
	b.ResetTimer()
	for i := 0; i < b.N; i += 64 {
		t0 := cpu()
		_ = s.InTx(bg, func(tx scheduler.Tx) error {
			c0 := cpu()
			for k := i; k < i+64; k++ {
				j, err := tx.Job(bg, jobs[k%1000].ID)
				if err != nil {
					return err
				}
				if _, err := tx.InsertExecution(bg, newExecution(j.ID, start.Add(time.Duration(k)*time.Microsecond))); err != nil {
					return err
				}
			}
			c1 := cpu()
			var run []scheduler.Assignment
			for len(run) < 64 {
				l, err := tx.Claim(bg, scheduler.Worker{Name: "local"}, time.Now(), 2)
				if err != nil {
					return err
				}
				run = append(run, l...)
			}
			c2 := cpu()
			for _, a := range run {
				e := a.Execution
				e.State, e.FinishedAt, e.ExitCode = scheduler.Succeeded, time.Now(), new(int)
				if err := tx.Finish(bg, e, scheduler.Running); err != nil {
					return err
				}
			}
			ins, cl, fi = ins+c1-c0, cl+c2-c1, fi+cpu()-c2
			return nil
		})
		all += cpu() - t0
	}
	n := float64(b.N) * 1000
	b.ReportMetric(float64(ins)/n, "insert-µs")
	b.ReportMetric(float64(cl)/n, "claim-µs")
	b.ReportMetric(float64(fi)/n, "finish-µs")
	b.ReportMetric(float64(all-ins-cl-fi)/n, "commit-µs")
}
