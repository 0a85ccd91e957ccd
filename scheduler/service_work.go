package scheduler

import (
	"context"
	"time"
)

// promoted is how many executions whose time has come one claim looks at.
const promoted = 500

// Claim gives a worker at most limit executions to run, which are running from
// now on; none during a freeze.
func (s *Service) Claim(ctx context.Context, w Worker, limit int) ([]Assignment, error) {
	if s.Frozen().Active() {
		return nil, nil
	}
	now := s.now()
	w, takes := s.fleet.forClaim(w, now)
	if !takes {
		return nil, nil
	}
	if err := s.promoteDue(ctx, now); err != nil {
		return nil, err
	}
	var claimed []Assignment
	err := s.inTx(ctx, func(tx Tx, fx *effects) (err error) {
		if claimed, err = tx.Claim(ctx, w, now, limit); err != nil {
			return err
		}
		for i := range claimed {
			claimed[i].configure()
			fx.changed = append(fx.changed, claimed[i].Execution)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// configure applies what the execution changes of its job.
func (a *Assignment) configure() {
	a.Job.Config = a.Execution.ConfigOf(a.Job)
}

// promoteDue promotes what has waited for its time, if there may be any.
func (s *Service) promoteDue(ctx context.Context, now time.Time) error {
	due, set := s.alarm.due(now)
	if !due {
		return nil
	}
	var any bool
	err := s.inTx(ctx, func(tx Tx, fx *effects) error {
		err := s.promote(ctx, tx, fx, now, promoted)
		any = fx.promoted
		return err
	})
	if err != nil {
		return err
	}
	if any { // whoever asked has it first: the server's own worker need not be woken
		s.fleet.mu.Lock()
		s.fleet.work++
		s.fleet.mu.Unlock()
		signal(s.fleet.kick)
	}
	at, ok, err := s.Store.NextRunAt(ctx)
	if err != nil {
		return err
	}
	if !ok {
		at = now.Add(time.Minute) // another server may add some
	}
	s.alarm.next(at, set)
	return nil
}

// NextRunAt returns when the earliest queued execution may be claimed.
func (s *Service) NextRunAt(ctx context.Context) (time.Time, bool, error) {
	return s.Store.NextRunAt(ctx)
}

// Output is what a run wrote since the last time: whole parts to seal, which may
// reach back over what was appended before, and the rest to append.
type Output struct {
	Seal     []Chunk
	Append   *Chunk
	Cut      Cut      // what goes from the middle then, as far as it is whole lines
	Progress *float64 // nil: as before
}

// End is the offset behind the last byte; false: there is none.
func (o *Output) End() (end int64, any bool) {
	last := o.Append
	if last == nil && len(o.Seal) > 0 {
		last = &o.Seal[len(o.Seal)-1]
	}
	if last == nil {
		return 0, false
	}
	return last.EndByte(), true
}

func (o Output) store(ctx context.Context, tx Tx, id string) error {
	for _, c := range o.Seal {
		if err := tx.SealOutput(ctx, id, c); err != nil {
			return err
		}
	}
	if o.Append != nil {
		if err := tx.AppendOutput(ctx, id, *o.Append); err != nil {
			return err
		}
	}
	if o.Cut.To > 0 {
		if err := tx.CutOutput(ctx, id, o.Cut.From, o.Cut.To); err != nil {
			return err
		}
	}
	if o.Progress == nil {
		return nil
	}
	return tx.SetProgress(ctx, id, *o.Progress)
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
	return s.finish(ctx, end, func(Tx) error { return nil })
}

// finish is Finish, if first agrees.
func (s *Service) finish(ctx context.Context, end Ending, first func(Tx) error) error {
	e := end.Execution
	at, again := retryAt(end.Job, e, s.now(), s.Rand())
	next := nextAttempt(s.NewID(), e, s.now(), at.Truncate(time.Microsecond))
	return s.inTx(ctx, func(tx Tx, fx *effects) error {
		if err := first(tx); err != nil {
			return err
		}
		j, exists, err := currentJob(ctx, tx, e.JobID)
		if err != nil {
			return err
		}
		retry := again && exists
		if retry && j.Concurrency == Replace {
			o, err := tx.Occupancy(ctx, j.ID, j.MaxQueued)
			if err != nil {
				return err
			}
			retry = o.Turn == 0 // somebody waits to take its place
		}
		if retry {
			err = tx.Finish(ctx, e, Running)
			fx.changed = append(fx.changed, e)
		} else {
			err = s.endGroup(ctx, tx, fx, j, e, Running)
		}
		if err != nil {
			return err
		}
		if err := end.Output.store(ctx, tx, e.ID); err != nil {
			return err
		}
		if retry {
			next := next
			next.Priority, next.Tags = j.Priority, j.Tags
			next.Wait, next.Reason = WaitTime, "attempt "+e.ID+" "+string(e.State)+"; waits for the retry delay"
			if _, _, err := s.insert(ctx, tx, fx, next); err != nil {
				return err
			}
		}
		if !exists || j.limit() == 0 || j.spent(&e) {
			return nil
		}
		return s.advance(ctx, tx, fx, j)
	})
}

// AddOutput stores output of a running execution, and tells who watches it that
// it is end bytes long now.
func (s *Service) AddOutput(ctx context.Context, id string, out Output, end int64) error {
	return s.addOutput(ctx, id, out, end, func(Tx) (bool, error) { return true, nil })
}

// addOutput is AddOutput, if first agrees that it is new.
func (s *Service) addOutput(ctx context.Context, id string, out Output, end int64, first func(Tx) (bool, error)) error {
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if is, err := first(tx); err != nil || !is {
			return err
		}
		return out.store(ctx, tx, id)
	})
	if err != nil {
		return err
	}
	if out.Progress != nil {
		// Pages without the output show it too. That they do not hear of it is not
		// worth storing the output again.
		if e, err := s.Store.Execution(ctx, id); err == nil {
			s.publishAll([]Execution{e})
			return nil
		}
	}
	s.Publisher.Publish(Event{Kind: OutputGrew, ExecutionID: id, End: end})
	return nil
}

// Recover ends what a worker was running when its process died: the executions
// become lost, and are retried by their jobs' rules. Call it before the worker
// claims anything.
func (s *Service) Recover(ctx context.Context, worker, reason string) (lost int, err error) {
	if err := s.LoseTreeJobs(ctx, worker, reason); err != nil {
		return 0, err
	}
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
		err = s.Finish(ctx, Ending{Execution: e, Job: j})
		if err != nil && CodeOf(err) != CodeConflict { // it has just ended by itself
			return lost, err
		}
		if err == nil {
			lost++
		}
	}
	return lost, nil
}
