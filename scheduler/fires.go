package scheduler

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// fireBatch is how many fires share one transaction: enough that ten thousand
// jobs due in one second need few commits, few enough that the first of them
// does not wait for the last.
const fireBatch = 256

// missedAfter is how late a fire may be and still run as if it were not: when the
// machine slept, or the store refused for longer than that, the job's rule about
// catching up decides.
const missedAfter = SkipsAfter

// SkipsAfter is how far behind the clock a timetable may be and still fire every
// due time; when it is further behind it fires the first, and goes on behind now.
const SkipsAfter = time.Minute

// fireQueue holds fires between the alarm clock, which must not wait, and the
// store. It is unbounded on purpose: a fire is never dropped, and one costs less
// than a hundred bytes.
type fireQueue struct {
	mu   sync.Mutex
	due  []Due
	wake chan struct{}
}

func (q *fireQueue) add(d Due) {
	q.mu.Lock()
	q.due = append(q.due, d)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *fireQueue) take(max int) []Due {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(max, len(q.due))
	batch := q.due[:n:n]
	q.due = q.due[n:]
	if len(q.due) == 0 {
		q.due = nil
	}
	return batch
}

// Fire records that a job is due. It returns at once; FireLoop makes the
// execution. Firing the same due time twice makes one execution.
func (s *Service) Fire(jobID string, dueAt time.Time) { s.fires.add(Due{jobID, dueAt}) }

// FireLoop turns fires into executions until ctx ends, and then those that are
// already waiting. While the store refuses, it keeps them and tries again.
func (s *Service) FireLoop(ctx context.Context) {
	for {
		batch := s.fires.take(fireBatch)
		if len(batch) == 0 {
			select {
			case <-s.fires.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		for s.fireAll(context.WithoutCancel(ctx), batch) != nil {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				s.Log.Error("fires could not be stored before the end", "fires", len(batch))
				return
			}
		}
	}
}

// fireAll makes the executions of a batch in one transaction.
func (s *Service) fireAll(ctx context.Context, batch []Due) error {
	err := s.inTx(ctx, func(tx Tx, fx *effects) error {
		now := s.now()
		for _, d := range batch {
			if err := s.fireOne(ctx, tx, fx, d, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.Log.Error("store fires", "fires", len(batch), "error", err)
		return err
	}
	now := s.now()
	for _, d := range batch {
		s.late.add(now.Sub(d.At))
	}
	return nil
}

func (s *Service) fireOne(ctx context.Context, tx Tx, fx *effects, d Due, now time.Time) error {
	j, exists, err := currentJob(ctx, tx, d.JobID)
	if err != nil || !exists {
		return err
	}
	frozen := s.Frozen()
	if late := now.Sub(d.At); late > missedAfter {
		if !j.Live() {
			return nil
		}
		// The timetable goes on behind now: what lies between is ours.
		why := "the server could not fire it until " + late.Round(time.Second).String() + " after it was due"
		for _, g := range frozen.outside(gap{d.At.Add(-1), now, why}) {
			if err := s.settleJob(ctx, tx, fx, j, g); err != nil {
				return err
			}
		}
		return nil
	}
	if frozen.covers(d.At) || d.At.Before(j.LiveSince) {
		return nil // thaw will see to it, or changeJob has
	}
	return s.fireDue(ctx, tx, fx, j, d.At.UTC(), now)
}

// fireDue makes the execution of one due time that has just come.
func (s *Service) fireDue(ctx context.Context, tx Tx, fx *effects, j Job, due, now time.Time) error {
	e := s.first(j, Trigger{Kind: TriggerSchedule}, due, now)
	e.RunAt = due.Add(jitter(j.Name, j.Jitter))
	if e.RunAt.After(now) {
		e.Reason = fmt.Sprintf("waits until %s (jitter of at most %s)", e.RunAt.Format("15:04:05.000 UTC"), j.Jitter)
	}
	_, _, err := s.beginCopies(ctx, tx, fx, j, e, false)
	return err
}
