package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"
)

const (
	asJSON = "application/json"
	asPage = "text/html"
)

// query is a list that is asked for, in one of its two forms.
type query struct{ path, accept string }

// queries are what people and programs ask for, cheap and dear.
func queries() []query {
	from := time.Now().UTC().Add(-24 * time.Hour).Format(time.RFC3339)
	var list []query
	for _, path := range []string{
		"/jobs?limit=50", "/jobs?limit=50&sort=-name", "/jobs?limit=50&sort=-updated", "/jobs?limit=50&offset=9000",
		"/jobs?limit=50&q=backup", "/jobs?limit=50&q=nothing-like-it", "/jobs?limit=50&state=failed",
	} {
		list = append(list, query{path, asJSON}, query{path, asPage})
	}
	list = append(list, query{"/", asPage}, query{"/jobs/backup-00010", asPage}, query{"/calendar", asPage}, query{"/calendar?view=day", asPage}, query{"/calendar?hour=0", asPage})
	for _, path := range []string{
		"/executions?limit=50", "/executions?limit=50&state=failed", "/executions?limit=50&state=running",
		"/executions?limit=50&state=failed,timed_out,lost", "/executions?limit=50&job=backup-00010",
		"/executions?limit=50&job=backup-00010&state=failed", "/executions?limit=50&trigger=manual",
		"/executions?limit=50&worker=server", "/executions?limit=50&from=" + from, "/executions?limit=50&offset=10000",
	} {
		list = append(list, query{path, asJSON})
	}
	return append(list, query{"/executions?limit=50", asPage})
}

// list measures a server that has much to remember: how fast it starts, what it
// keeps in memory, and how long its lists take.
func list(ctx context.Context, b *bench) error {
	if err := b.idle(ctx); err != nil {
		return err
	}
	data, err := os.MkdirTemp(b.dir, "seeded-")
	if err != nil {
		return err
	}
	n := seeds{scheduledJobs, b.pick(1_000_000, 200_000)}
	begin := time.Now()
	if err := seed(ctx, data, n); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	took := time.Since(begin)
	s, err := b.serveFrom(ctx, data)
	if err != nil {
		return err
	}
	err = s.makeToken(ctx)
	b.results.note(fmt.Sprintf("%d jobs and %d executions", n.jobs, n.executions), fmt.Sprintf("seeded in %s, %s on disk", seconds(took), mb(s.size())))
	s.stop()
	if err != nil {
		return err
	}
	if s, err = b.coldStarts(ctx, s); err != nil {
		return err
	}
	defer s.stop()
	return b.lists(ctx, s)
}

// idle measures a server that knows nothing. The first start makes a password's
// hash, which takes memory that later starts do not need.
func (b *bench) idle(ctx context.Context) error {
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	wait := time.Duration(b.pick(15, 3)) * time.Second
	first := s.settled(ctx, wait)
	s.stop()
	if s, err = s.restart(ctx); err != nil {
		return err
	}
	defer s.stop()
	later := s.settled(ctx, wait)
	b.results.check("memory, idle and empty", later.String(), "40 MB", later.pss <= 40e6)
	b.results.note("of that the server alone", memoryOf(s.pid()).String())
	b.results.note("both at the first start of all", first.String())
	b.results.note("cold start, empty", seconds(s.ready))
	return ctx.Err()
}

// coldStarts starts a server several times and leaves the last one running.
func (b *bench) coldStarts(ctx context.Context, s *server) (*server, error) {
	var starts times
	for i := range b.pick(7, 3) {
		if i > 0 {
			s.stop()
		}
		var err error
		if s, err = s.restart(ctx); err != nil {
			return nil, err
		}
		starts = append(starts, s.ready)
	}
	b.results.check("cold start with that data", fmt.Sprintf("%s (median of %d), at most %s", seconds(starts.at(0.5)), len(starts), seconds(starts.at(1))),
		"1 s", starts.at(0.5) <= time.Second)
	return s, nil
}

func (b *bench) lists(ctx context.Context, s *server) error {
	const aim = 100 * time.Millisecond
	rounds := b.pick(100, 20)
	for _, q := range queries() {
		var took times
		for range rounds {
			begin := time.Now()
			if _, err := s.fetch(ctx, http.MethodGet, q.path, q.accept, nil); err != nil {
				return err
			}
			took = append(took, time.Since(begin))
		}
		form := map[string]string{asJSON: "JSON", asPage: "page"}[q.accept]
		b.results.check("GET "+q.path+", "+form, took.String(), "p95 100 ms", took.at(0.95) <= aim)
	}
	now := s.memory()
	b.results.check("memory with that data, after these lists", now.String(), "150 MB", now.pss <= 150e6)
	b.results.note("memory a little later", s.settled(ctx, time.Duration(b.pick(15, 3))*time.Second).String())
	return nil
}
