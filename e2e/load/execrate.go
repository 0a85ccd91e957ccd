package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// execRate compares how many times a second the server runs /bin/true, from the
// schedule to the stored end, with a loop that does nothing else. The loop runs
// before and after, since other work on the machine changes what it can do.
func execRate(ctx context.Context, b *bench) error {
	slots := 2 * runtime.NumCPU()
	before, err := b.bare(ctx, slots)
	if err != nil {
		return err
	}
	served, err := b.served(ctx, slots, before.Rate)
	if err != nil {
		return err
	}
	after, err := b.bare(ctx, slots)
	if err != nil {
		return err
	}
	bare := (before.Rate + after.Rate) / 2
	share := served.rate() / bare
	r := &b.results
	r.note(fmt.Sprintf("bare fork, exec and wait, %d at once", slots), fmt.Sprintf("%.0f/s (%.0f before, %.0f after)", bare, before.Rate, after.Rate))
	r.check("schedule, claim, exec, stored end", fmt.Sprintf("%.0f/s for %s, %.1f %% of bare", served.rate(), seconds(served.took), 100*share),
		"80 % of bare", share >= 0.8)
	r.note("CPU per run", fmt.Sprintf("%s: server %s, supervisor %s, the runs themselves %s",
		micros(served.per(served.own+served.supervisor+served.runs)),
		micros(served.per(served.own)), micros(served.per(served.supervisor)), micros(served.per(served.runs))))
	r.note("CPU per run of the bare loop", fmt.Sprintf("%s, the runs themselves included", micros((before.CPU+after.CPU)/2)))
	r.note("CPU of all the machine per run", fmt.Sprintf("%s, bare %s: what is more than the above is the kernel, or other programs",
		micros(served.per(served.machine)), micros((before.Machine+after.Machine)/2)))
	r.note("fires stored per run", fmt.Sprintf("%.2f", float64(served.fired)/float64(max(1, served.ended))))
	r.note("taken by the host", fmt.Sprintf("%.1f %% of the time", 100*served.stolen.Seconds()/served.took.Seconds()/float64(runtime.NumCPU())))
	r.note("shortest queue, of samples", fmt.Sprintf("%d: 0 would mean that it had nothing to run", served.queue))
	r.must("fires of 20 jobs looked at", fmt.Sprintf("%d, %d missing", served.fires, served.missing), "none missing", served.missing == 0)
	return nil
}

func micros(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }

// execSample is what the server did in a window.
type execSample struct {
	ended, fired          int
	took                  time.Duration
	own, supervisor, runs time.Duration // CPU
	machine, stolen       time.Duration
	queue                 int
	fires, missing        int
}

func (e execSample) rate() float64 { return float64(e.ended) / e.took.Seconds() }

func (e execSample) per(cpu time.Duration) time.Duration {
	return cpu / time.Duration(max(1, e.ended))
}

// served has as many jobs each second as the bare loop can run: more than the
// server can, so that the queue is never empty, and not many more, since fires
// that nothing can run cost it time as well.
func (b *bench) served(ctx context.Context, slots int, bare float64) (e execSample, err error) {
	s, err := b.serve(ctx, "--slots", strconv.Itoa(slots))
	if err != nil {
		return e, err
	}
	defer s.stop()
	jobs := min(20_000, int(bare)+1)
	err = s.putJobs(ctx, http.MethodPost, jobs, func(i int) job { return trueJob(fmt.Sprintf("true-%05d", i), "* * * * * *") })
	if err != nil {
		return e, err
	}
	const succeeded = "/executions?state=succeeded"
	enough, err := s.count(ctx, succeeded)
	if err != nil {
		return e, err
	}
	enough += 1000 // warm: it has found its pace since the last was created
	err = poll(ctx, 100*time.Millisecond, func() (bool, error) {
		n, err := s.count(ctx, succeeded)
		return n >= enough, err
	})
	if err != nil {
		return e, err
	}
	if e, err = s.sampleExecutions(ctx, succeeded); err != nil {
		return e, err
	}
	return e, s.checkFires(ctx, &e)
}

func (s *server) sampleExecutions(ctx context.Context, succeeded string) (e execSample, err error) {
	begun, err := s.count(ctx, succeeded)
	if err != nil {
		return e, err
	}
	fired, err := s.count(ctx, "/executions")
	if err != nil {
		return e, err
	}
	begin := time.Now()
	used := s.usage()
	if e.queue, err = s.count(ctx, "/executions?state=queued"); err != nil {
		return e, err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for time.Since(begin) < s.bench.window {
		select {
		case <-ctx.Done():
			return e, ctx.Err()
		case <-tick.C:
		}
		n, err := s.count(ctx, "/executions?state=queued")
		if err != nil {
			return e, err
		}
		e.queue = min(e.queue, n)
	}
	ended, err := s.count(ctx, succeeded)
	e.took, e.ended = time.Since(begin), ended-begun
	now := s.usage()
	e.own, e.supervisor, e.runs = now.own-used.own, now.supervisor-used.supervisor, now.runs-used.runs
	e.machine, e.stolen = now.machine-used.machine, now.stolen-used.stolen
	if err != nil {
		return e, err
	}
	e.fired, err = s.count(ctx, "/executions")
	e.fired -= fired
	return e, err
}

// usage is CPU time that was used until now.
func (s *server) usage() (e execSample) {
	for _, pid := range family(s.pid()) {
		own, children := cpuOf(pid)
		if pid == s.pid() {
			e.own = own
		} else {
			e.supervisor += own
		}
		e.runs += children
	}
	e.machine, e.stolen = busy()
	return e
}

// checkFires looks for seconds in which a job did not fire. The newest may still
// be on their way.
func (s *server) checkFires(ctx context.Context, e *execSample) error {
	for i := range 20 {
		list, err := s.executions(ctx, fmt.Sprintf("job=true-%05d", i*7))
		if err != nil {
			return err
		}
		var due []int64
		for _, x := range list {
			due = append(due, x.DueAt.Unix())
		}
		slices.Sort(due)
		due = slices.Compact(due)
		e.fires += len(due)
		if n := len(due); n > 0 {
			e.missing += int(due[n-1]-due[0]) + 1 - n
		}
	}
	return nil
}
