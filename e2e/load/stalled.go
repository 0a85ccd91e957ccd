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

const (
	healthy   = 100 // readers beside the one that takes nothing
	perSecond = 50  // executions
)

// stalledReader lets one reader of the board take nothing while others read: they
// must get every execution's end, and it must not be kept for ever.
func stalledReader(ctx context.Context, b *bench) error {
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	readers := make([]*reader, healthy)
	var group errgroup.Group
	defer func() { _ = group.Wait() }() // they end when their streams are closed
	for i := range readers {
		st, err := s.listen(ctx, "")
		if err != nil {
			return err
		}
		defer st.close()
		readers[i] = &reader{stream: st, ended: map[string]time.Duration{}}
		group.Go(readers[i].read)
	}
	stalled, err := s.listenBy(ctx, &narrow, "")
	if err != nil {
		return err
	}
	defer stalled.close()
	err = s.putJobs(ctx, http.MethodPost, perSecond, func(i int) job { return trueJob(fmt.Sprintf("tick-%02d", i), "* * * * * *") })
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := until(ctx, begin.Add(max(b.window, 12*time.Second))); err != nil {
		return err
	}
	all, err := s.executions(ctx, "state=succeeded")
	if err != nil {
		return err
	}
	lost, late := missing(ctx, readers, all)
	dropped := stalled.endsWithin(2 * time.Second)
	r := &b.results
	r.note(fmt.Sprintf("%d/s, %d readers, one more that stalls", perSecond, healthy), fmt.Sprintf("%d executions, %.1f/s", len(all), float64(len(all))/time.Since(begin).Seconds()))
	r.must("ends that healthy readers got", fmt.Sprintf("%d of %d", len(all)*healthy-lost, len(all)*healthy), "all", lost == 0)
	r.note("an end reaches them after", late.String())
	r.check("the stalled reader", map[bool]string{true: "was let go", false: "is still connected"}[dropped], "let go", dropped)
	return nil
}

// reader keeps when it was told of each execution's success, counted from its end.
type reader struct {
	stream *stream
	mu     sync.Mutex
	ended  map[string]time.Duration
}

func (r *reader) read() error {
	for {
		event, data, err := r.stream.next()
		if err != nil {
			return err
		}
		var e execution
		if event != "execution" || json.Unmarshal(data, &e) != nil || e.State != "succeeded" {
			continue
		}
		r.mu.Lock()
		r.ended[e.ID] = time.Since(e.FinishedAt)
		r.mu.Unlock()
	}
}

// missing returns how many executions readers were not told of, all in all, when
// what was on its way has had time to arrive.
func missing(ctx context.Context, readers []*reader, all []execution) (lost int, late times) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_ = poll(ctx, 50*time.Millisecond, func() (bool, error) {
		lost, late = 0, nil
		for _, r := range readers {
			r.mu.Lock()
			for _, e := range all {
				if took, ok := r.ended[e.ID]; ok {
					late = append(late, took)
				} else {
					lost++
				}
			}
			r.mu.Unlock()
		}
		return lost == 0, nil
	})
	return lost, late
}
