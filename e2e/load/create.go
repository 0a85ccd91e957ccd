package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// create measures how many jobs 4 clients create in a second, and whether what
// was answered is there: by the total, and after the server was killed while it
// answered. That a page of memory survives a kill is no news: that the answer
// comes after the commit is, and the disk's count of flushes shows the rest.
func create(ctx context.Context, b *bench) error {
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	flushed := flushes(s.data)
	own, _ := cpuOf(s.pid())
	c, err := s.createFor(ctx, "first", b.window)
	if err != nil {
		s.stop()
		return err
	}
	now, _ := cpuOf(s.pid())
	flushed = flushes(s.data) - flushed
	total, err := s.count(ctx, "/jobs")
	if err != nil {
		s.stop()
		return err
	}
	rate := float64(len(c.names)) / c.took.Seconds()
	r := &b.results
	r.check("POST /jobs, 4 clients, token", fmt.Sprintf("%.0f/s for %s", rate, seconds(c.took)), "5,000/s", rate >= 5000)
	r.note("an answer takes", c.times.String())
	r.note("CPU of the server per job", micros((now-own)/time.Duration(max(1, len(c.names)))))
	r.note("flushes of the disk meanwhile", fmt.Sprintf("%d, one for %.1f jobs", flushed, float64(len(c.names))/float64(max(1, flushed))))
	r.must("jobs there of those answered with 201", fmt.Sprintf("%d of %d", total, len(c.names)), "all", total == len(c.names))
	return b.killed(ctx, s, total)
}

// killed kills the server while clients create, and asks the next one for each
// job that was answered.
func (b *bench) killed(ctx context.Context, s *server, before int) error {
	death := time.AfterFunc(2*time.Second, func() { _ = s.cmd.Process.Kill() })
	c, err := s.createFor(ctx, "second", time.Minute)
	early := death.Stop()
	s.kill()
	if early {
		return fmt.Errorf("before the kill: %w", err)
	}
	s, err = s.restart(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	total, err := s.count(ctx, "/jobs")
	if err != nil {
		return err
	}
	lost := 0
	// One transaction follows the other: only the last could be missing.
	for _, name := range c.names[max(0, len(c.names)-2000):] {
		if s.call(ctx, http.MethodGet, "/jobs/"+name, nil, nil) != nil {
			lost++
		}
	}
	// Up to one more for each client: stored, and killed before the answer.
	extra := total - before - len(c.names)
	b.results.must("after kill -9 while creating", fmt.Sprintf("%d answered before it, %d of the last 2,000 lost, %d more stored", len(c.names), lost, extra),
		"none lost", lost == 0 && extra >= 0 && extra <= clients)
	b.results.note("ready again, with "+fmt.Sprint(total)+" jobs", seconds(s.ready))
	return ctx.Err()
}

type created struct {
	names []string // in the order of the answers, roughly
	times times
	took  time.Duration
}

// createFor creates jobs as fast as the server answers. What was answered until
// an error is returned with it.
func (s *server) createFor(ctx context.Context, prefix string, window time.Duration) (created, error) {
	var mu sync.Mutex
	var all created
	group, ctx := errgroup.WithContext(ctx)
	begin := time.Now()
	for c := range clients {
		group.Go(func() error {
			w, err := s.dial(ctx)
			if err != nil {
				return err
			}
			defer w.close()
			for i := 0; time.Since(begin) < window; i++ {
				name := fmt.Sprintf("%s-%d-%06d", prefix, c, i)
				sent := time.Now()
				status, answer, err := w.send(http.MethodPost, "/jobs", createBody(name, i))
				if err == nil && status != http.StatusCreated {
					err = fmt.Errorf("POST /jobs: %d %s", status, answer)
				}
				if err != nil {
					return err
				}
				took := time.Since(sent)
				mu.Lock()
				all.names, all.times = append(all.names, name), append(all.times, took)
				mu.Unlock()
			}
			return nil
		})
	}
	err := group.Wait()
	all.took = time.Since(begin)
	return all, err
}

// createBody is what the example of a request has.
func createBody(name string, i int) []byte {
	return fmt.Appendf(nil, `{"name":%q,"schedule":%q,"timezone":"UTC","executor":"shell","config":{"command":"echo %s"},`+
		`"concurrency":"forbid","retries":2,"timeout":"30s","enabled":true}`, name, farAhead(i), name)
}
