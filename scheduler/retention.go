package scheduler

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// keepAtLeast is how long after its due time an execution stays whatever the
	// bounds say: changing a job's schedule asks what has fired so recently.
	keepAtLeast = missedAfter + 10*time.Second

	recount     = time.Hour // how often the size of all output is counted anew
	lasting     = 3         // executions of a job that are always kept, at most
	retainRound = 5000      // executions that one call of Retain deletes, about
	shrinkRound = 500       // steps by which it gives space back
	retainList  = 500       // jobs, or executions, that are looked at together

	// One transaction deletes at most so much; whoever waits for it waits for
	// milliseconds.
	retainBatch  = 200
	retainBytes  = 4 << 20
	retainChunks = 64 // of the output of one execution
)

// retention is what Retain remembers from one call to the next.
type retention struct {
	mu    sync.Mutex
	jobs  map[int64]retained
	bytes int64     // of all output that is kept of what ended before until
	until time.Time // zero: not counted yet
	full  time.Time // when all of it was counted
	stuck time.Time // what is over the bound cannot be deleted; look again then
}

// retained says that nothing more of a job is to be deleted while its bounds and
// its number of ended executions are these, and it is not next yet.
type retained struct {
	bounds Retention
	ended  int64
	next   time.Time
}

// stricter returns the bounds that keep both r and all.
func (r Retention) stricter(all Retention) Retention {
	r.MaxAge, r.MaxCount = tighter(r.MaxAge, all.MaxAge), tighter(r.MaxCount, all.MaxCount)
	return r
}

// tighter returns the smaller of two bounds of which zero is none.
func tighter[T int | time.Duration](a, b T) T {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// Retain deletes what the jobs' bounds and Options.Keep do not keep of the
// history, oldest first, in transactions that keep nobody waiting, and gives the
// space back. It does not do more than some seconds of work, and reports whether
// there is more.
func (s *Service) Retain(ctx context.Context) (more bool, err error) {
	s.past.mu.Lock()
	defer s.past.mu.Unlock()
	d := &deletion{s: s, now: s.now(), left: retainRound}
	if err := d.run(ctx); err != nil {
		s.past.until = time.Time{} // it counted what is not deleted
		return false, err
	}
	for range shrinkRound {
		if more, err = s.Store.Shrink(ctx); err != nil || !more || ctx.Err() != nil {
			break
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	return more || d.left <= 0, err
}

func (d *deletion) run(ctx context.Context) error {
	if err := d.jobs(ctx); err != nil {
		return err
	}
	if err := d.output(ctx); err != nil {
		return err
	}
	return d.flush(ctx)
}

// deletion is one call of Retain.
type deletion struct {
	s     *Service
	now   time.Time
	left  int // executions that it may still delete; one with much output counts for more
	batch []Record
	bytes int64 // of output in batch
}

// before is what an execution has to be due before to be deleted.
func (d *deletion) before() time.Time { return d.now.Add(-keepAtLeast) }

// jobs deletes what is over the bounds of single jobs.
func (d *deletion) jobs(ctx context.Context) error {
	seen := make(map[int64]retained, len(d.s.past.jobs))
	for after := int64(0); ; {
		list, err := d.s.Store.Histories(ctx, after, retainList)
		if err != nil {
			return err
		}
		for _, h := range list {
			after = h.JobNum
			bounds := h.Retention.stricter(d.s.Keep)
			if bounds == (Retention{}) || h.Ended == 0 {
				continue
			}
			known := d.s.past.jobs[h.JobNum]
			if known.bounds != bounds || known.ended != h.Ended || !d.now.Before(known.next) {
				if d.left <= 0 {
					continue
				}
				if known, err = d.job(ctx, h, bounds); err != nil {
					return err
				}
			}
			seen[h.JobNum] = known
		}
		if len(list) < retainList {
			d.s.past.jobs = seen // without the jobs that are gone
			return d.flush(ctx)
		}
	}
}

// job deletes what is over a job's bounds, and returns when to look again.
func (d *deletion) job(ctx context.Context, h History, bounds Retention) (retained, error) {
	again := retained{} // as soon as possible
	var bytes int64
	if bounds.MaxBytes > 0 {
		var err error
		if bytes, err = d.s.Store.KeptOutput(ctx, h.JobNum, time.Time{}, d.now.Add(recount)); err != nil {
			return again, err
		}
	}
	deleted := false
	for ended := h.Ended; d.left > 0; {
		list, err := d.s.Store.Expendable(ctx, h.JobNum, d.before(), retainBatch)
		if err != nil {
			return again, err
		}
		next, some := time.Time{}, false
		for _, r := range list {
			age := bounds.MaxAge > 0 && !r.FinishedAt.Add(bounds.MaxAge).After(d.now)
			count := bounds.MaxCount > 0 && ended > int64(bounds.MaxCount)
			size := bounds.MaxBytes > 0 && bytes > bounds.MaxBytes
			if age || count || size {
				ended--
				bytes -= r.Bytes
				some = true
				if err := d.delete(ctx, r); err != nil {
					return again, err
				}
			} else if bounds.MaxAge > 0 && (next.IsZero() || r.FinishedAt.Before(next)) {
				next = r.FinishedAt
			}
		}
		if some && len(list) == retainBatch {
			// What is listed next must not be what waits to be deleted.
			if err := d.flush(ctx); err != nil {
				return again, err
			}
			deleted = true
			continue
		}
		if some || deleted {
			return again, nil
		}
		over := (bounds.MaxCount > 0 && ended > int64(bounds.MaxCount)) || (bounds.MaxBytes > 0 && bytes > bounds.MaxBytes)
		return retained{bounds, h.Ended, d.lookAt(next, bounds, over && ended > lasting)}, nil
	}
	return again, nil
}

// lookAt returns when a job of which nothing is to be deleted now may have
// something. next is the oldest ending of what is too young, if anything. What is
// over a bound may be too young to be deleted at all.
func (d *deletion) lookAt(next time.Time, bounds Retention, over bool) time.Time {
	wait := recount
	if bounds.MaxAge > 0 {
		wait = min(wait, bounds.MaxAge)
		if !next.IsZero() {
			wait = min(wait, next.Add(bounds.MaxAge).Sub(d.now))
		}
	}
	if over {
		wait = 0
	}
	return d.now.Add(max(wait, keepAtLeast))
}

// output deletes what is over the bound of all output together.
func (d *deletion) output(ctx context.Context) error {
	t := &d.s.past
	if d.s.Keep.MaxBytes <= 0 || d.left <= 0 || d.now.Before(t.stuck) {
		return nil
	}
	if err := d.count(ctx); err != nil {
		return err
	}
	var after *Record
	for t.bytes > d.s.Keep.MaxBytes && d.left > 0 {
		list, next, err := d.s.Store.ExpendableOutput(ctx, after, d.before(), retainList)
		if err != nil {
			return err
		}
		for _, r := range list {
			if t.bytes <= d.s.Keep.MaxBytes || d.left <= 0 {
				break
			}
			if err := d.delete(ctx, r); err != nil {
				return err
			}
		}
		if next == nil {
			t.stuck = d.now.Add(keepAtLeast)
			break
		}
		after = next
	}
	return nil
}

// count brings the size of all output up to date: from what ended since the last
// time, and now and then from the beginning.
func (d *deletion) count(ctx context.Context) error {
	t := &d.s.past
	until := d.now.Add(-time.Second) // what ended later may not be stored yet
	from := t.until
	if from.IsZero() || d.now.Sub(t.full) >= recount || until.Before(from) {
		from = time.Time{}
	}
	bytes, err := d.s.Store.KeptOutput(ctx, 0, from, until)
	if err != nil {
		return err
	}
	if from.IsZero() {
		t.bytes, t.full = 0, d.now
	}
	t.bytes += bytes
	t.until = until
	return nil
}

// delete deletes an execution, together with others.
func (d *deletion) delete(ctx context.Context, r Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.batch = append(d.batch, r)
	d.bytes += r.Bytes
	d.left -= 1 + int(r.Bytes/retainBytes)
	if r.FinishedAt.Before(d.s.past.until) {
		d.s.past.bytes -= r.Bytes
	}
	if len(d.batch) < retainBatch && d.bytes < retainBytes {
		return nil
	}
	return d.flush(ctx)
}

// flush deletes what is gathered. Long output goes first, in steps.
func (d *deletion) flush(ctx context.Context) error {
	batch := slices.Clone(d.batch)
	d.batch, d.bytes = d.batch[:0], 0
	for _, r := range batch {
		for more := r.Bytes > retainBytes; more; {
			err := d.s.Store.InTx(ctx, func(tx Tx) (err error) {
				more, err = tx.DropOutput(ctx, r, retainChunks)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return d.s.Store.InTx(ctx, func(tx Tx) error { return tx.DeleteExecutions(ctx, batch) })
}
