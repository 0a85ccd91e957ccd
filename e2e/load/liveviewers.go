package main

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const viewers = 500

// liveViewers lets 500 pages follow one run that writes all the time.
func liveViewers(ctx context.Context, b *bench) error {
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	s.stop() // without what hashing the first password took, which streams would use again
	if s, err = s.restart(ctx); err != nil {
		return err
	}
	defer s.stop()
	self, err := selfPath()
	if err != nil {
		return err
	}
	window := b.pick(40, 8)
	const rate = 200
	before := s.settled(ctx, time.Duration(b.pick(9, 1))*time.Second)
	id, err := s.start(ctx, "popular", fmt.Sprintf("exec %s %s %d %d", self, paceCommand, rate, window))
	if err != nil {
		return err
	}
	var readers, opening errgroup.Group
	opening.SetLimit(50)
	last := fmt.Appendf(nil, ">line %d of many<", rate*window)
	var whole, frames atomic.Int64
	for range viewers {
		opening.Go(func() error {
			st, err := s.listen(ctx, "?format=html&topics=execution:"+id)
			if err != nil {
				return err
			}
			readers.Go(func() error {
				defer st.close()
				for {
					event, data, err := st.next()
					if err != nil {
						return err
					}
					frames.Add(1)
					if event == "output" && bytes.Contains(data, last) {
						whole.Add(1)
					}
					if event == "end" {
						return nil
					}
				}
			})
			return nil
		})
	}
	if err := opening.Wait(); err != nil {
		return err
	}
	// What opening costs is not what watching costs.
	begin, worked, came := time.Now(), cpuNow(s), frames.Load()
	var peak int64
	measured := time.Duration(b.pick(25, 3)) * time.Second
	_ = poll(ctx, 250*time.Millisecond, func() (bool, error) {
		peak = max(peak, s.memory().pss)
		return time.Since(begin) > measured, nil
	})
	took, used := time.Since(begin), cpuNow(s)-worked
	came = frames.Load() - came
	if err := readers.Wait(); err != nil {
		return err
	}
	r := &b.results
	r.note(fmt.Sprintf("%d pages follow a run that writes %d lines/s", viewers, rate), fmt.Sprintf("%.1f events/s each", float64(came)/took.Seconds()/viewers))
	r.check("CPU of the server for them", fmt.Sprintf("%.0f %% of a core", 100*used.Seconds()/took.Seconds()), "one core", used <= took)
	r.check("memory for them", fmt.Sprintf("%s (%s before)", mb(peak-before.pss), mb(before.pss)), "64 MB", peak-before.pss <= 64<<20)
	r.must("pages that got the last line", fmt.Sprintf("%d of %d", whole.Load(), viewers), "all", whole.Load() == viewers)
	return nil
}

func cpuNow(s *server) time.Duration {
	own, _ := cpuOf(s.pid())
	return own
}
