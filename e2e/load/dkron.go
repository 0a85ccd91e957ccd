package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// dkronJobs is how many jobs somebody had who complained about Dkron.
const dkronJobs = 18_000

// asDkron measures the API of Dkron: how fast a client creates very many jobs, and
// how long their list takes.
func asDkron(ctx context.Context, b *bench) error {
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	n := b.pick(dkronJobs, 4000)
	begin := time.Now()
	took, err := s.createDkron(ctx, n)
	if err != nil {
		return err
	}
	rate := float64(n) / time.Since(begin).Seconds()
	b.results.check(fmt.Sprintf("POST /v1/jobs, %d of them, 4 clients, token", n), fmt.Sprintf("%.0f/s", rate), "500/s", rate >= 500)
	b.results.note("an answer takes", took.String())
	for _, path := range []string{
		"/v1/jobs?_start=0&_end=50&_sort=name", fmt.Sprintf("/v1/jobs?_start=%d&_end=%d&_sort=name", n-50, n), "/v1/jobs?_start=0&_end=50&_sort=name&_order=DESC",
		"/v1/jobs?_start=0&_end=50&_sort=name&q=09",
	} {
		if err := b.dkronList(ctx, s, path, 50, 100); err != nil {
			return err
		}
	}
	// What is sorted by something else, and what is not paged, reads all of them.
	if err := b.dkronList(ctx, s, "/v1/jobs?_start=0&_end=50&_sort=next", 50, 5); err != nil {
		return err
	}
	return b.dkronList(ctx, s, "/v1/jobs", n, 5)
}

// dkronList asks for a list many times. Pages by name have an aim.
func (b *bench) dkronList(ctx context.Context, s *server, path string, want, rounds int) error {
	var took times
	for range rounds {
		begin := time.Now()
		raw, err := s.fetch(ctx, http.MethodGet, path, asJSON, nil)
		if err != nil {
			return err
		}
		took = append(took, time.Since(begin))
		var list []struct{ Name string }
		if err := json.Unmarshal(raw, &list); err != nil || len(list) != want {
			return fmt.Errorf("GET %s: %d jobs, want %d, %w", path, len(list), want, err)
		}
	}
	if rounds < 100 {
		b.results.note("GET "+path, took.String())
		return nil
	}
	b.results.check("GET "+path, took.String(), "p95 50 ms", took.at(0.95) <= 50*time.Millisecond)
	return nil
}

func (s *server) createDkron(ctx context.Context, n int) (all times, err error) {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for c := range clients {
		group.Go(func() error {
			w, err := s.dial(ctx)
			if err != nil {
				return err
			}
			defer w.close()
			for i := c; i < n; i += clients {
				body := fmt.Appendf(nil, `{"name":"job-%05d","displayname":"Job %d","schedule":"0 %s","timezone":"Europe/Berlin","owner":"Platform Team",`+
					`"tags":{"server":"true:1"},"metadata":{"office":"Barcelona"},"retries":2,"processors":{"log":{"forward":"true"}},`+
					`"concurrency":"forbid","executor":"shell","executor_config":{"shell":"true","command":"echo %d"}}`, i, i, farAhead(i), i)
				sent := time.Now()
				status, answer, err := w.send(http.MethodPost, "/v1/jobs", body)
				if err == nil && status != http.StatusCreated {
					err = fmt.Errorf("POST /v1/jobs: %d %s", status, answer)
				}
				if err != nil {
					return err
				}
				mu.Lock()
				all = append(all, time.Since(sent))
				mu.Unlock()
			}
			return nil
		})
	}
	return all, group.Wait()
}
