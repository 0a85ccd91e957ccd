package scheduler

import (
	"context"
	"time"
)

// Keep bounds the history of all jobs; a zero is no bound. Where a job has a bound
// of its own, the stricter one counts.
type Keep struct {
	Age   time.Duration
	Count int   // executions that ended, of each job
	Bytes int64 // of output, of all jobs together
}

// History is a job that may have to forget.
type History struct {
	JobID string
	Keep  Retention // its own bounds
	Count int64     // executions that ended
}

// Expired is what a step deleted: how many executions, with how much output, and
// when the last of them ended.
type Expired struct {
	N     int
	Bytes int64
	Last  time.Time
}

// expireStep is how many executions one transaction deletes: others write between.
const expireStep = 100

// Retain deletes what is beyond the bounds, the oldest first, in small
// transactions, until nothing is left or ctx ends. What is active, and the last
// success and the last bad end of each job, stay. It returns how many executions
// went.
func (s *Service) Retain(ctx context.Context, keep Keep) (total int, err error) {
	now := s.now()
	if keep.Age > 0 {
		n, err := s.expire(ctx, -1, func(tx Tx, after time.Time, limit int) (Expired, error) {
			return tx.ExpireEnded(ctx, after, now.Add(-keep.Age), limit)
		})
		if total += n; err != nil {
			return total, err
		}
	}
	histories, err := s.Store.Histories(ctx, keep.Count)
	if err != nil {
		return total, err
	}
	for _, h := range histories {
		n, err := s.retainJob(ctx, h, keep, now)
		if total += n; err != nil {
			return total, err
		}
	}
	if keep.Bytes > 0 {
		n, err := s.retainBytes(ctx, "", keep.Bytes, func(tx Tx, after time.Time, limit int) (Expired, error) {
			return tx.ExpireEnded(ctx, after, now, limit)
		})
		if total += n; err != nil {
			return total, err
		}
	}
	if total == 0 {
		return 0, nil
	}
	return total, s.Store.Shrink(ctx)
}

func (s *Service) retainJob(ctx context.Context, h History, keep Keep, now time.Time) (total int, err error) {
	step := func(before time.Time) func(Tx, time.Time, int) (Expired, error) {
		return func(tx Tx, _ time.Time, limit int) (Expired, error) { return tx.ExpireJob(ctx, h.JobID, before, limit) }
	}
	if h.Keep.MaxAge > 0 {
		n, err := s.expire(ctx, -1, step(now.Add(-h.Keep.MaxAge)))
		if total += n; err != nil {
			return total, err
		}
	}
	bound := keep.Count
	if h.Keep.MaxCount > 0 && (bound == 0 || h.Keep.MaxCount < bound) {
		bound = h.Keep.MaxCount
	}
	if excess := int(h.Count) - total - bound; bound > 0 && excess > 0 {
		n, err := s.expire(ctx, excess, step(now.Add(time.Hour)))
		if total += n; err != nil {
			return total, err
		}
	}
	if h.Keep.MaxBytes > 0 {
		n, err := s.retainBytes(ctx, h.JobID, h.Keep.MaxBytes, step(now.Add(time.Hour)))
		return total + n, err
	}
	return total, nil
}

// retainBytes deletes until the output of a job, or of all, is within a bound.
func (s *Service) retainBytes(ctx context.Context, jobID string, bound int64, step func(Tx, time.Time, int) (Expired, error)) (total int, err error) {
	bytes, err := s.Store.OutputTotal(ctx, jobID)
	for after := (time.Time{}); err == nil && bytes > bound && ctx.Err() == nil; {
		var gone Expired
		err = s.Store.InTx(ctx, func(tx Tx) (err error) {
			gone, err = step(tx, after, 1) // one by one: the next may be within the bound
			return err
		})
		if gone.N == 0 {
			break
		}
		total, bytes, after = total+gone.N, bytes-gone.Bytes, gone.Last
	}
	return total, err
}

// expire repeats a step until it finds nothing more, or has deleted as many as
// wanted, unless that is negative.
func (s *Service) expire(ctx context.Context, want int, step func(tx Tx, after time.Time, limit int) (Expired, error)) (total int, err error) {
	after := time.Time{}
	for ctx.Err() == nil && want != 0 {
		limit := expireStep
		if want > 0 {
			limit = min(limit, want)
		}
		var gone Expired
		err := s.Store.InTx(ctx, func(tx Tx) (err error) {
			gone, err = step(tx, after, limit)
			return err
		})
		if err != nil {
			return total, err
		}
		total, after = total+gone.N, gone.Last
		if want > 0 {
			want -= gone.N
		}
		if gone.N < limit {
			break
		}
	}
	return total, ctx.Err()
}
