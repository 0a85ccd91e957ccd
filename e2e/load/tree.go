package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	pollEvery   = 2 * time.Second // of Coalition's worker
	treeWorkers = 1000
)

// tree measures a group of many jobs that wait: what a worker's calls take, what
// workers cost that find nothing, and what is done with the group as a whole.
func tree(ctx context.Context, b *bench) error {
	s, err := b.serve(ctx, "--coalition-workers-open")
	if err != nil {
		return err
	}
	defer s.stop()
	w, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	group, err := w.treeJob(`{"title":"shots"}`)
	if err != nil {
		return err
	}
	n := b.pick(20_000, 2000)
	begin := time.Now()
	if err := s.fillTree(ctx, group, n); err != nil {
		return err
	}
	r := &b.results
	r.note(fmt.Sprintf("%d jobs created in one group, %d clients", n, clients), fmt.Sprintf("%.0f/s", float64(n)/time.Since(begin).Seconds()))
	if err := b.switchTree(w, group); err != nil {
		return err
	}
	if err := b.workTree(w, group, b.pick(2000, 300)); err != nil {
		return err
	}
	if _, err := w.treeCall(http.MethodPost, "/coalition/api/pausejobs", fmt.Sprintf("[%d]", group)); err != nil {
		return err
	}
	return b.pollTree(ctx, s)
}

// treeCall sends what has to be answered with 200.
func (w *wire) treeCall(method, path, body string) (string, error) {
	status, answer, err := w.send(method, path, []byte(body))
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s %s: %d %s", method, path, status, answer)
	}
	return string(answer), err
}

func (w *wire) treeJob(body string) (id int, err error) {
	answer, err := w.treeCall(http.MethodPut, "/coalition/api/jobs", body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(answer)
}

// asWorker says something as a worker does, and how long the answer took.
func (w *wire) asWorker(what, host, more string) (answer string, took time.Duration, err error) {
	begin := time.Now()
	answer, err = w.treeCall(http.MethodPost, "/coalition/workers/"+what+"?hostname="+host+
		"&load="+url.QueryEscape("[12]")+"&free_memory=1000&total_memory=2000"+more, "")
	return answer, time.Since(begin), err
}

func (s *server) fillTree(ctx context.Context, group, n int) error {
	all, ctx := errgroup.WithContext(ctx)
	for c := range clients {
		all.Go(func() error {
			w, err := s.dial(ctx)
			if err != nil {
				return err
			}
			defer w.close()
			for i := c; i < n; i += clients {
				_, err := w.treeJob(fmt.Sprintf(`{"parent":%d,"title":"shot %d","command":"render %d","priority":%d,"timeout":0}`, group, i, i, i%50))
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return all.Wait()
}

// switchTree pauses and starts the group.
func (b *bench) switchTree(w *wire, group int) error {
	var pauses, starts times
	for range 20 {
		for _, one := range []struct {
			what string
			to   *times
		}{{"pausejobs", &pauses}, {"startjobs", &starts}} {
			begin := time.Now()
			if _, err := w.treeCall(http.MethodPost, "/coalition/api/"+one.what, fmt.Sprintf("[%d]", group)); err != nil {
				return err
			}
			*one.to = append(*one.to, time.Since(begin))
		}
	}
	b.results.check("pause the group", pauses.String(), "p95 50 ms", pauses.at(0.95) <= 50*time.Millisecond)
	b.results.check("start the group", starts.String(), "p95 50 ms", starts.at(0.95) <= 50*time.Millisecond)
	return nil
}

// workTree is one worker that takes and ends jobs; what is taken twice, or not in
// order, breaks a promise.
func (b *bench) workTree(w *wire, group, n int) error {
	var picks, ends times
	taken := map[string]bool{}
	for range n {
		answer, took, err := w.asWorker("pickjob", "bench-1", "")
		if err != nil {
			return err
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(answer, "("), ",")
		if id == "-1" || taken[id] {
			return fmt.Errorf("a worker got %s", answer)
		}
		taken[id], picks = true, append(picks, took)
		_, took, err = w.asWorker("endjob", "bench-1", "&errorCode=0&jobId="+id)
		if err != nil {
			return err
		}
		ends = append(ends, took)
	}
	r := &b.results
	r.check("pick", picks.String(), "p95 2 ms", picks.at(0.95) <= 2*time.Millisecond)
	r.check("finish", ends.String(), "p95 2 ms", ends.at(0.95) <= 2*time.Millisecond)
	answer, err := w.treeCall(http.MethodGet, fmt.Sprintf("/coalition/api/jobs/%d", group), "")
	if err != nil {
		return err
	}
	want := fmt.Sprintf(`"total_finished":%d,`, n)
	r.must("the group's sum of what is finished", strconv.FormatBool(strings.Contains(answer, want)), "true", strings.Contains(answer, want))
	return nil
}

// pollTree are many workers that find nothing.
func (b *bench) pollTree(ctx context.Context, s *server) error {
	w, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	for i := range treeWorkers { // each is new once
		if _, _, err := w.asWorker("pickjob", fmt.Sprintf("poller-%d", i), ""); err != nil {
			return err
		}
	}
	var polls times
	own, _ := cpuOf(s.pid())
	begin := time.Now()
	for tick := range int(b.window / pollEvery) {
		for i := range treeWorkers {
			// As Coalition's worker: evenly spread, each call a connection of its own.
			at := begin.Add(time.Duration(tick)*pollEvery + time.Duration(i)*pollEvery/treeWorkers)
			if err := until(ctx, at); err != nil {
				return err
			}
			w, err := s.dial(ctx)
			if err != nil {
				return err
			}
			_, took, err := w.asWorker("pickjob", fmt.Sprintf("poller-%d", i), "")
			w.close()
			if err != nil {
				return err
			}
			polls = append(polls, took)
		}
	}
	now, _ := cpuOf(s.pid())
	share := (now - own).Seconds() / time.Since(begin).Seconds()
	r := &b.results
	r.check("a poll that finds nothing", polls.String(), "p95 0.5 ms", polls.at(0.95) <= 500*time.Microsecond)
	r.check(fmt.Sprintf("%d workers that poll every %s", treeWorkers, pollEvery), fmt.Sprintf("%.2f cores", share), "0.25 cores", share <= 0.25)
	return nil
}
