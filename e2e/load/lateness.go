package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const scheduledJobs = 10_000

// lateness measures how long after its due time a fire is in the store: of 200
// jobs of 10,000 that are due in the same second, and of all 10,000.
func lateness(ctx context.Context, b *bench) error {
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	name := func(i int) string { return fmt.Sprintf("late-%05d", i) }
	err = s.putJobs(ctx, http.MethodPost, scheduledJobs, func(i int) job { return trueJob(name(i), farAhead(i)) })
	if err != nil {
		return err
	}
	// The first seconds that are due after the jobs have been changed.
	due := time.Now().Add(4 * time.Second).Truncate(time.Second)
	const some = 200
	times, rounds := []string{}, b.pick(8, 3)
	for i := range rounds {
		times = append(times, atSecond(due.Add(time.Duration(2*i)*time.Second)))
	}
	err = s.putJobs(ctx, http.MethodPut, some, func(i int) job { return trueJob(name(i), append(times, farAhead(i))...) })
	if err != nil {
		return err
	}
	if !time.Now().Before(due) {
		return errors.New("the machine is too slow to change 200 jobs in 3 seconds")
	}
	if _, err := s.fired(ctx, rounds*some, due); err != nil {
		return err
	}
	late, lost, err := s.latenesses(ctx, rounds*some, due)
	if err != nil {
		return err
	}
	b.results.check(fmt.Sprintf("%d of 10,000 due in a second, %d times", some, rounds), late.String(), "p99 50 ms", late.at(0.99) <= 50*time.Millisecond && lost == 0)
	b.results.must("of these recorded", fmt.Sprintf("%d of %d", rounds*some-lost, rounds*some), "all", lost == 0)
	return b.allAtOnce(ctx, s, name, rounds*some)
}

// allAtOnce makes all jobs due in the same second.
func (b *bench) allAtOnce(ctx context.Context, s *server, name func(int) string, before int) error {
	// Changing them takes about as long as it took for the first thousand.
	begin := time.Now()
	if err := s.putJobs(ctx, http.MethodPut, 1000, func(i int) job { return trueJob(name(i), farAhead(i)) }); err != nil {
		return err
	}
	due := time.Now().Add(20*time.Since(begin) + 4*time.Second).Truncate(time.Second)
	err := s.putJobs(ctx, http.MethodPut, scheduledJobs, func(i int) job { return trueJob(name(i), atSecond(due)) })
	if err != nil {
		return err
	}
	if !time.Now().Before(due) {
		return errors.New("the machine is too busy: 10,000 jobs took much longer to change than a thousand promised")
	}
	recorded, err := s.fired(ctx, before+scheduledJobs, due)
	if err != nil {
		return err
	}
	late, lost, err := s.latenesses(ctx, scheduledJobs, due)
	if err != nil {
		return err
	}
	b.results.must("10,000 due in one second, recorded", fmt.Sprintf("%d, the last seen after %s", scheduledJobs-lost, seconds(recorded)), "all", lost == 0)
	b.results.note("their lateness", late.String())
	begin = due
	err = poll(ctx, 50*time.Millisecond, func() (bool, error) {
		n, err := s.count(ctx, "/executions?state=succeeded")
		return n >= before+scheduledJobs, err
	})
	b.results.note("until all of them have run", seconds(time.Since(begin)))
	return err
}

// fired waits until so many executions exist, and returns how long after due
// that was. It gives up in time, and does not fail: what is lost is counted later.
func (s *server) fired(ctx context.Context, want int, due time.Time) (time.Duration, error) {
	if err := until(ctx, due); err != nil {
		return 0, err
	}
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := poll(wait, 10*time.Millisecond, func() (bool, error) {
		n, err := s.count(wait, "/executions")
		return n >= want, err
	})
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return time.Since(due), err
}

// latenesses returns how late the executions due from an instant on were, and
// how many of those that are wanted do not exist.
func (s *server) latenesses(ctx context.Context, want int, due time.Time) (late times, lost int, err error) {
	all, err := s.executions(ctx, "")
	seen := map[string]bool{}
	for _, e := range all {
		key := e.Job + e.DueAt.String()
		if e.DueAt.Before(due) || seen[key] {
			continue
		}
		seen[key] = true
		late = append(late, e.QueuedAt.Sub(e.DueAt))
	}
	return late, want - len(late), err
}
