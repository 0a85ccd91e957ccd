package scheduler

import (
	"context"
	"time"
)

// RunJob queues an execution of the named job now, enabled or not. It needs the
// role operator. CodeConflict: the job forbids overlap and one is still active.
func (s *Service) RunJob(ctx context.Context, by Principal, name string) (Execution, error) {
	if err := authorize(by, Operator, "running a job"); err != nil {
		return Execution{}, err
	}
	found, err := s.Store.JobByName(ctx, name)
	if err != nil {
		return Execution{}, err
	}
	now := s.now()
	id := s.NewID()
	e := Execution{
		ID: id, JobID: found.ID, State: Queued, Trigger: Trigger{triggerKind(by), by.Name},
		Group: id, Attempt: 1, DueAt: now, RunAt: now, QueuedAt: now,
	}
	return s.enqueue(ctx, by, "job.run", e, func(tx Tx, e *Execution) error {
		inserted, err := tx.InsertExecution(ctx, *e)
		for !inserted && err == nil { // somebody else asked in the same microsecond
			e.DueAt = e.DueAt.Add(time.Microsecond)
			inserted, err = tx.InsertExecution(ctx, *e)
		}
		return err
	})
}

// RetryExecution queues one more attempt of an execution that has ended. It
// needs the role operator. CodeConflict: it has not ended, the job forbids
// overlap, or it was retried already.
func (s *Service) RetryExecution(ctx context.Context, by Principal, id string) (Execution, error) {
	if err := authorize(by, Operator, "retrying an execution"); err != nil {
		return Execution{}, err
	}
	old, err := s.Store.Execution(ctx, id)
	if err != nil {
		return Execution{}, err
	}
	attempts, err := s.Store.Attempts(ctx, old)
	if err != nil {
		return Execution{}, err
	}
	for _, a := range attempts {
		if a.State.Active() {
			return Execution{}, Errorf(CodeConflict, "attempt %d (%s) is still %s", a.Attempt, a.ID, a.State)
		}
	}
	last := attempts[len(attempts)-1]
	now := s.now()
	e := nextAttempt(s.NewID(), last, now, now)
	e.Trigger = Trigger{TriggerRetry, by.Name}
	return s.enqueue(ctx, by, "execution.retry", e, func(tx Tx, e *Execution) error {
		inserted, err := tx.InsertExecution(ctx, *e)
		if err == nil && !inserted {
			err = Errorf(CodeConflict, "attempt %d was already made", e.Attempt)
		}
		return err
	})
}

// enqueue stores an execution that somebody asked for, with its audit row.
func (s *Service) enqueue(ctx context.Context, by Principal, action string, e Execution, insert func(Tx, *Execution) error) (Execution, error) {
	made := e
	err := s.Store.InTx(ctx, func(tx Tx) error {
		made = e
		j, err := tx.Job(ctx, e.JobID)
		if err != nil {
			return err
		}
		made.JobName = j.Name
		if j.Concurrency == Forbid {
			active, err := tx.ActiveExecutions(ctx, j.ID, 1)
			if err != nil {
				return err
			}
			if len(active) > 0 {
				return Errorf(CodeConflict, "execution %s is still %s, and job %s forbids overlap", active[0].ID, active[0].State, j.Name)
			}
		}
		if err := insert(tx, &made); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, action, j.Name, nil, map[string]string{"execution": made.ID}))
	})
	if err != nil {
		return Execution{}, err
	}
	s.Launcher.Wake()
	s.publishAll([]Execution{made})
	return made, nil
}

// StopExecution cancels what is queued and terminates what is running. It needs
// the role operator. It returns when the wish is recorded, not when the run has
// ended. CodeConflict: it has ended already.
func (s *Service) StopExecution(ctx context.Context, by Principal, id string) error {
	if err := authorize(by, Operator, "stopping an execution"); err != nil {
		return err
	}
	e, err := s.Store.Execution(ctx, id)
	if err != nil {
		return err
	}
	reason := "stopped by " + by.Name
	if e.State == Queued {
		err := s.cancelQueued(ctx, by, e, reason)
		if CodeOf(err) != CodeConflict {
			return err
		}
		if e, err = s.Store.Execution(ctx, id); err != nil { // claimed meanwhile
			return err
		}
	}
	if e.State != Running {
		return Errorf(CodeConflict, "the execution is not running: it is %s", e.State)
	}
	err = s.Store.InTx(ctx, func(tx Tx) error {
		return tx.InsertAudit(ctx, s.audit(by, "execution.stop", e.JobName, nil, map[string]string{"execution": id}))
	})
	if err != nil {
		return err
	}
	if !s.Launcher.Stop(id, reason) {
		return Errorf(CodeConflict, "the execution is ending already")
	}
	return nil
}

func (s *Service) cancelQueued(ctx context.Context, by Principal, e Execution, reason string) error {
	e.State, e.Reason, e.FinishedAt = Cancelled, reason, s.now()
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.Finish(ctx, e, Queued); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "execution.stop", e.JobName, nil, map[string]string{"execution": e.ID}))
	})
	if err == nil {
		s.publishAll([]Execution{e})
	}
	return err
}

// Claim gives a worker at most limit executions to run, which are running from
// now on.
func (s *Service) Claim(ctx context.Context, worker string, limit int) ([]Assignment, error) {
	var claimed []Assignment
	err := s.Store.InTx(ctx, func(tx Tx) (err error) {
		claimed, err = tx.Claim(ctx, worker, s.now(), limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range claimed {
		e := claimed[i].Execution
		s.publishAll([]Execution{e})
	}
	return claimed, nil
}

// NextRunAt returns when the earliest queued execution may be claimed.
func (s *Service) NextRunAt(ctx context.Context) (time.Time, bool, error) {
	return s.Store.NextRunAt(ctx)
}

// Output is what a run wrote since the last time: whole parts to seal, which may
// reach back over what was appended before, and the rest to append.
type Output struct {
	Seal   []Chunk
	Append *Chunk
}

func (o Output) store(ctx context.Context, tx Tx, id string) error {
	for _, c := range o.Seal {
		if err := tx.SealOutput(ctx, id, c); err != nil {
			return err
		}
	}
	if o.Append == nil {
		return nil
	}
	return tx.AppendOutput(ctx, id, *o.Append)
}

// Ending is how a claimed execution ended, with the output that is not stored yet.
type Ending struct {
	Execution Execution // its final state, reason and facts
	Job       Job       // the definition it ran
	Output    Output
}

// Finish stores an ending and the next attempt that it calls for, in one
// transaction. CodeConflict: the execution is not running any more.
func (s *Service) Finish(ctx context.Context, end Ending) error {
	e := end.Execution
	var next Execution
	at, again := retryAt(end.Job, e, s.now(), s.Rand())
	if again {
		next = nextAttempt(s.NewID(), e, s.now(), at.Truncate(time.Microsecond))
		next.Reason = "attempt " + e.ID + " " + string(e.State) + "; waits for the retry delay"
	}
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.Finish(ctx, e, Running); err != nil {
			return err
		}
		if err := end.Output.store(ctx, tx, e.ID); err != nil {
			return err
		}
		if !again {
			return nil
		}
		var err error
		again, err = s.insertRetry(ctx, tx, next)
		return err
	})
	if err != nil {
		return err
	}
	s.publishAll([]Execution{e})
	if again {
		s.publishAll([]Execution{next})
		s.Launcher.Wake()
	}
	return nil
}

// insertRetry stores the next attempt unless the job was deleted meanwhile.
func (s *Service) insertRetry(ctx context.Context, tx Tx, next Execution) (bool, error) {
	if _, err := tx.Job(ctx, next.JobID); err != nil {
		if CodeOf(err) == CodeNotFound {
			return false, nil
		}
		return false, err
	}
	return tx.InsertExecution(ctx, next)
}

// AddOutput stores output of a running execution, and tells who watches it that
// it is end bytes long now.
func (s *Service) AddOutput(ctx context.Context, id string, out Output, end int64) error {
	err := s.Store.InTx(ctx, func(tx Tx) error { return out.store(ctx, tx, id) })
	if err == nil {
		s.Publisher.Publish(Event{Kind: OutputGrew, ExecutionID: id, End: end})
	}
	return err
}

// Recover ends what a worker was running when its process died: the executions
// become lost, and are retried by their jobs' rules. Call it before the worker
// claims anything.
func (s *Service) Recover(ctx context.Context, worker, reason string) (int, error) {
	left, err := s.Store.RunningOn(ctx, worker)
	if err != nil {
		return 0, err
	}
	for _, e := range left {
		e.State, e.Reason, e.FinishedAt = Lost, reason, s.now()
		if e.OutputBytes, e.OutputLines, err = s.Store.OutputSize(ctx, e.ID); err != nil {
			return 0, err
		}
		j, err := s.Store.Job(ctx, e.JobID)
		if err != nil && CodeOf(err) != CodeNotFound {
			return 0, err
		}
		if err := s.Finish(ctx, Ending{Execution: e, Job: j}); err != nil {
			return 0, err
		}
	}
	return len(left), nil
}

// PurgeDeleted removes what deleted jobs left, in steps that do not keep others
// from writing, until nothing is left or ctx ends.
func (s *Service) PurgeDeleted(ctx context.Context) error {
	for more := true; more && ctx.Err() == nil; {
		err := s.Store.InTx(ctx, func(tx Tx) (err error) {
			more, err = tx.PurgeDeleted(ctx, 200)
			return err
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func triggerKind(by Principal) TriggerKind {
	if by.Via == ViaToken || by.Via == ViaBasic {
		return TriggerAPI
	}
	return TriggerManual
}
