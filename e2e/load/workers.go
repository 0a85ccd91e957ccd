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

// fleetSize is how many workers poll.
const fleetSize = 1000

// workers measures what workers that have nothing to do cost: 1,000 that ask every
// 2 seconds, and 1,000 that wait as belfry worker does; while 20,000 executions
// wait for a tag that none of them has. Then what it takes to be given an execution
// and to end it.
func workers(ctx context.Context, b *bench) error {
	s, err := b.serve(ctx, "--slots", "1")
	if err != nil {
		return err
	}
	defer s.stop()
	queued, rounds := b.pick(20_000, 2000), b.pick(2000, 300)
	for name, tag := range map[string]string{"nobody": "nobody", "work": "work0"} {
		j := map[string]any{"name": name, "executor": "shell", "config": map[string]string{"command": "true"}, "tags": []string{tag}}
		if err := s.call(ctx, http.MethodPost, "/jobs", j, nil); err != nil {
			return err
		}
	}
	if err := s.queue(ctx, "nobody", queued); err != nil {
		return err
	}
	fleet, err := s.connectFleet(ctx, b.pick(fleetSize, 200))
	if err != nil {
		return err
	}
	r := &b.results
	if err := fleet.idlePolls(ctx, s, b); err != nil {
		return err
	}
	if err := fleet.waiting(ctx, s, b); err != nil {
		return err
	}
	if err := s.queue(ctx, "work", rounds); err != nil {
		return err
	}
	w := fleet[0]
	var claims, ends times
	for range rounds {
		var got struct {
			Executions []struct {
				ID string `json:"id"`
			} `json:"executions"`
		}
		took, err := w.ask("/claim", map[string]any{"limit": 1, "have": []string{}}, &got)
		if err != nil {
			return err
		}
		if len(got.Executions) != 1 {
			return fmt.Errorf("a claim gave %d executions, want 1", len(got.Executions))
		}
		claims = append(claims, took)
		if took, err = w.ask("/finish", map[string]any{"execution": got.Executions[0].ID, "state": "succeeded"}, nil); err != nil {
			return err
		}
		ends = append(ends, took)
	}
	r.check(fmt.Sprintf("claim one, with %d others waiting", queued), claims.String(), "p95 2 ms", claims.at(0.95) <= 2*time.Millisecond)
	r.check("finish one", ends.String(), "p95 2 ms", ends.at(0.95) <= 2*time.Millisecond)
	done, err := s.count(ctx, "/executions?state=succeeded")
	if err != nil {
		return err
	}
	r.must("executions that ended", fmt.Sprintf("%d of %d", done, rounds), "all, once", done == rounds)
	return nil
}

// queue runs a job by hand, n times.
func (s *server) queue(ctx context.Context, job string, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	for c := range clients {
		group.Go(func() error {
			w, err := s.dial(ctx)
			if err != nil {
				return err
			}
			defer w.close()
			for i := c; i < n; i += clients {
				if status, answer, err := w.send(http.MethodPost, "/jobs/"+job+"/run", nil); err != nil || status != http.StatusAccepted {
					return fmt.Errorf("run %s: %d %s %w", job, status, answer, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// fleetMember is one worker.
type fleetMember struct {
	name  string
	epoch int64
	wire  *wire
}

type fleetOf []*fleetMember

func (s *server) connectFleet(ctx context.Context, n int) (fleetOf, error) {
	var made struct {
		Secret string `json:"secret"`
	}
	if err := s.call(ctx, http.MethodPost, "/workers/tokens", map[string]string{"name": "bench"}, &made); err != nil {
		return nil, err
	}
	as := *s
	as.token = made.Secret
	fleet := make(fleetOf, n)
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range fleet {
		group.Go(func() (err error) {
			m := &fleetMember{name: fmt.Sprintf("w%04d", i)}
			if m.wire, err = as.dial(ctx); err != nil {
				return err
			}
			var out struct {
				Epoch int64 `json:"epoch"`
			}
			if _, err = m.ask("/connect", map[string]any{"name": m.name, "slots": 2, "tags": []string{fmt.Sprint("work", i)}}, &out); err != nil {
				return err
			}
			m.epoch, fleet[i] = out.Epoch, m
			return within.Err()
		})
	}
	return fleet, group.Wait()
}

func (m *fleetMember) ask(path string, in map[string]any, out any) (time.Duration, error) {
	return m.askOver(m.wire, path, in, out)
}

func (m *fleetMember) askOver(w *wire, path string, in map[string]any, out any) (time.Duration, error) {
	in["worker"], in["epoch"] = m.name, m.epoch
	body, err := json.Marshal(in)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	status, answer, err := w.send(http.MethodPost, "/worker/v1"+path, body)
	took := time.Since(begin)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("%s: %d %s", path, status, answer)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(answer, out)
	}
	return took, err
}

// each runs fn for every worker at the same time, their beginnings spread over a
// span, and returns how much of a core the server needed meanwhile.
func (f fleetOf) each(ctx context.Context, s *server, span, window time.Duration, fn func(context.Context, *fleetMember) error) (cores float64, err error) {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	group, running := errgroup.WithContext(limited)
	for i, m := range f {
		group.Go(func() error {
			if until(running, time.Now().Add(span*time.Duration(i)/time.Duration(len(f)))) != nil {
				return nil //nolint:nilerr // the first to fail has said why
			}
			return fn(running, m)
		})
	}
	if err := until(running, time.Now().Add(span)); err != nil {
		return 0, group.Wait()
	}
	before, _ := cpuOf(s.pid())
	begin := time.Now()
	_ = until(running, begin.Add(window)) // it ends early when a worker failed: group.Wait says so
	after, _ := cpuOf(s.pid())
	took := time.Since(begin)
	cancel()
	return (after - before).Seconds() / took.Seconds(), group.Wait()
}

// idlePolls: every worker asks every 2 seconds and does not wait.
func (f fleetOf) idlePolls(ctx context.Context, s *server, b *bench) error {
	const every = 2 * time.Second
	var mu sync.Mutex
	var all times
	cores, err := f.each(ctx, s, every, b.window, func(ctx context.Context, m *fleetMember) error {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			took, err := m.ask("/claim", map[string]any{"limit": 2, "have": []string{}}, nil)
			if err != nil {
				return err
			}
			mu.Lock()
			all = append(all, took)
			mu.Unlock()
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
	if err != nil {
		return err
	}
	r := &b.results
	r.check(fmt.Sprintf("%d workers that poll every %s", len(f), every), fmt.Sprintf("%.3f cores", cores), "0.25 cores", cores <= 0.25)
	r.check("a poll that finds nothing", all.String(), "p50 0.5 ms", all.at(0.5) <= 500*time.Microsecond)
	return nil
}

// waiting: every worker keeps a claim and a heartbeat open, as belfry worker does.
func (f fleetOf) waiting(ctx context.Context, s *server, b *bench) error {
	cores, err := f.each(ctx, s, 5*time.Second, b.window, func(ctx context.Context, m *fleetMember) error {
		beats, err := s.dial(ctx)
		if err != nil {
			return err
		}
		beats.header = m.wire.header
		var group errgroup.Group
		stop := context.AfterFunc(ctx, func() {
			_ = m.wire.conn.SetReadDeadline(time.Unix(1, 0))
			_ = beats.conn.SetReadDeadline(time.Unix(1, 0))
		})
		defer stop()
		defer beats.close()
		loop := func(w *wire, path string, wait time.Duration) func() error {
			return func() error {
				for ctx.Err() == nil {
					in := map[string]any{"limit": 2, "have": []string{}, "running": []string{}, "wait_ms": wait.Milliseconds()}
					if _, err := m.askOver(w, path, in, nil); err != nil && ctx.Err() == nil {
						return err
					}
				}
				return nil
			}
		}
		group.Go(loop(m.wire, "/claim", 25*time.Second))
		group.Go(loop(beats, "/beat", 5*time.Second))
		return group.Wait()
	})
	if err != nil {
		return err
	}
	b.results.check(fmt.Sprintf("%d workers that wait", len(f)), fmt.Sprintf("%.3f cores, %s", cores, mb(s.memory().pss)), "0.25 cores", cores <= 0.25)
	// Their connections are in the middle of an answer: new ones.
	for _, m := range f[:1] {
		header := m.wire.header
		m.wire.close()
		fresh, err := s.dial(ctx)
		if err != nil {
			return err
		}
		fresh.header, m.wire = header, fresh
	}
	return nil
}
