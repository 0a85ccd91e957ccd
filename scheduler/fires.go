package scheduler

import (
	"context"
	"sync"
	"time"
)

// fireBatch is how many fires share one transaction: enough that ten thousand
// jobs due in one second need few commits, few enough that the first of them
// does not wait for the last.
const fireBatch = 256

// missedAfter is how late a fire may be and still run: the machine slept, or the
// store refused for longer than that, and running now is not what was asked for.
const missedAfter = time.Minute

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
	var made []Execution
	err := s.Store.InTx(ctx, func(tx Tx) error {
		made = made[:0]
		now := s.now()
		for _, d := range batch {
			e, ok, err := s.fireOne(ctx, tx, d, now)
			if err != nil {
				return err
			}
			if ok {
				made = append(made, e)
			}
		}
		return nil
	})
	if err != nil {
		s.Log.Error("store fires", "fires", len(batch), "error", err)
		return err
	}
	s.Launcher.Wake()
	s.publishAll(made)
	return nil
}

func (s *Service) fireOne(ctx context.Context, tx Tx, d Due, now time.Time) (Execution, bool, error) {
	j, err := tx.Job(ctx, d.JobID)
	if CodeOf(err) == CodeNotFound || (err == nil && !j.Enabled) {
		return Execution{}, false, nil // deleted or disabled since the alarm was set
	}
	if err != nil {
		return Execution{}, false, err
	}
	var active []Execution
	if j.Concurrency == Forbid {
		if active, err = tx.ActiveExecutions(ctx, j.ID, 1); err != nil {
			return Execution{}, false, err
		}
	}
	id := s.NewID()
	e := Execution{
		ID: id, JobID: j.ID, JobName: j.Name, State: Queued,
		Trigger: Trigger{Kind: TriggerSchedule}, Group: id, Attempt: 1,
		DueAt: d.At.UTC(), RunAt: d.At.UTC(), QueuedAt: now,
	}
	if late := now.Sub(e.DueAt); late > missedAfter {
		e.State, e.FinishedAt = Missed, now
		e.Reason = "missed: the server could not fire it until " + late.Round(time.Second).String() + " after it was due"
	} else if e.Reason = skipReason(j, active); e.Reason != "" {
		e.State, e.FinishedAt = Skipped, now
	}
	inserted, err := tx.InsertExecution(ctx, e)
	return e, inserted, err
}

func (s *Service) publishAll(made []Execution) {
	for i := range made {
		s.Publisher.Publish(Event{
			Kind: ExecutionChanged, Execution: &made[i], ExecutionID: made[i].ID, JobID: made[i].JobID,
		})
	}
}
