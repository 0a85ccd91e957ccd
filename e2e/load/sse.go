package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const tabs = 1000

// idleStreams measures what a thousand pages cost that are open and see nothing
// happen, and whether what they cost is given back: every further thousand must
// find what it needs in what the one before has left.
func idleStreams(ctx context.Context, b *bench) error {
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	// Without what hashing the first password took, which streams would use again.
	s.stop()
	if s, err = s.restart(ctx); err != nil {
		return err
	}
	defer s.stop()
	empty, files := s.settled(ctx, time.Duration(b.pick(12, 3))*time.Second), openFiles(s.pid())
	var peaks [4]memory
	for round := range peaks {
		if peaks[round], err = b.openTabs(ctx, s, round); err != nil {
			return err
		}
		// The server's own files come and go: closed is when as good as all are.
		err := poll(ctx, 20*time.Millisecond, func() (bool, error) { return openFiles(s.pid()) <= files+10, nil })
		if err != nil {
			return fmt.Errorf("%d descriptors, %d before the streams: %w", openFiles(s.pid()), files, err)
		}
	}
	growth := peaks[0].pss - empty.pss
	r := &b.results
	r.check("1,000 idle tabs, memory for them", fmt.Sprintf("%s (%s with the server)", mb(growth), mb(peaks[0].pss)), "100 MB", growth <= 100e6)
	r.check("1,000 others, three times after them", fmt.Sprintf("%s, %s, %s with the server", mb(peaks[1].pss), mb(peaks[2].pss), mb(peaks[3].pss)),
		"at most 125 % of the first of them", peaks[3].pss <= peaks[1].pss*5/4) // garbage comes and goes; a leak doubles it
	r.note("descriptors after all are closed", fmt.Sprintf("%d, %d before", openFiles(s.pid()), files))
	b.givenBack(ctx, s, empty)
	return ctx.Err()
}

// givenBack waits for the memory to return to the kernel. An idle Go program
// collects its garbage every two minutes, and gives back what is free after that.
func (b *bench) givenBack(ctx context.Context, s *server, empty memory) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(b.pick(150, 5))*time.Second)
	defer cancel()
	_ = poll(ctx, time.Second, func() (bool, error) { return s.memory().pss <= empty.pss*5/4, nil })
	b.results.note("memory after they are closed", fmt.Sprintf("%s after %s, %s before", mb(s.memory().pss), seconds(time.Since(begin)), mb(empty.pss)))
}

// openTabs opens streams as the pages do, keeps them for more than a heartbeat,
// and returns how much memory the server had at the end of it.
func (b *bench) openTabs(ctx context.Context, s *server, round int) (memory, error) {
	open := make([]*stream, tabs)
	defer func() {
		for _, st := range open {
			if st != nil {
				st.close()
			}
		}
	}()
	group, dialing := errgroup.WithContext(ctx)
	group.SetLimit(50) // tabs are opened one after the other, not in one instant
	begin := time.Now()
	for i := range open {
		group.Go(func() (err error) {
			// The stream outlives the group, whose context ends with it.
			if dialing.Err() == nil {
				open[i], err = s.listen(ctx, "?topics=board&format=html")
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return memory{}, err
	}
	if round == 0 {
		b.results.note("1,000 streams connected in", seconds(time.Since(begin)))
	}
	if err := until(ctx, time.Now().Add(time.Duration(b.pick(17, 3))*time.Second)); err != nil {
		return memory{}, err
	}
	return s.memory(), nil
}
