package scheduler

import (
	"context"
	"encoding/json"
	"strings"
)

// RunJob queues an execution of the named job now, enabled or not. It needs the
// role operator. config replaces keys of the job's configuration in this execution
// and its retries; it needs the role editor: it is another job that runs. nil
// changes nothing. CodeConflict: the job's rule about overlap would skip it.
func (s *Service) RunJob(ctx context.Context, by Principal, name string, config json.RawMessage) (Execution, error) {
	if err := authorize(by, Operator, "running a job"); err != nil {
		return Execution{}, err
	}
	found, err := s.Store.JobByName(ctx, name)
	if err != nil {
		return Execution{}, err
	}
	if config != nil {
		if err := authorize(by, Editor, "running a job with another configuration"); err != nil {
			return Execution{}, err
		}
		d := Draft{Executor: found.Executor, Config: replaceKeys(found.Config, config)}
		var f fields
		if f.config(&d, s.Executors); f.err() != nil {
			return Execution{}, f.err()
		}
	}
	now := s.now()
	e := Execution{JobID: found.ID, Trigger: Trigger{triggerKind(by), by.Name}}
	return s.enqueue(ctx, by, "job.run", e, func(tx Tx, fx *effects, j Job) (Execution, error) {
		e := s.first(j, e.Trigger, now, now)
		e.Config = config
		return e, s.beginNow(ctx, tx, fx, j, &e)
	})
}

// changedFurther is what an execution changes of its job's configuration when
// config replaces keys of what it had.
func (s *Service) changedFurther(ctx context.Context, e Execution, config json.RawMessage) (json.RawMessage, error) {
	j, err := s.Store.Job(ctx, e.JobID)
	if err != nil {
		return nil, err
	}
	d := Draft{Executor: j.Executor, Config: replaceKeys(e.ConfigOf(j), config)}
	var f fields
	if f.config(&d, s.Executors); f.err() != nil {
		return nil, f.err()
	}
	changes := map[string]json.RawMessage{}
	for _, from := range []json.RawMessage{e.Config, config} {
		if from == nil {
			continue
		}
		if err := json.Unmarshal(from, &changes); err != nil {
			return nil, Invalid("config", "must be an object")
		}
	}
	return json.Marshal(changes)
}

// ConfigOf is the configuration that an execution runs, or ran, its job with.
func (e *Execution) ConfigOf(j Job) json.RawMessage {
	if e.Config == nil {
		return j.Config
	}
	return replaceKeys(j.Config, e.Config)
}

// replaceKeys returns the object config with the keys of another object in place
// of its own; null takes one away.
func replaceKeys(config, with json.RawMessage) json.RawMessage {
	var all, some map[string]json.RawMessage
	if json.Unmarshal(with, &some) != nil {
		return with // not an object: Check says so
	}
	if json.Unmarshal(config, &all) != nil || all == nil {
		all = map[string]json.RawMessage{}
	}
	for k, v := range some {
		if string(v) == "null" {
			delete(all, k)
		} else {
			all[k] = v
		}
	}
	merged, err := json.Marshal(all)
	if err != nil {
		return with
	}
	return merged
}

// RetryExecution queues one more attempt of an execution that has ended. It
// needs the role operator. config replaces keys of the configuration that the last
// attempt had, in this attempt and those that follow it; it needs the role editor.
// nil changes nothing. CodeConflict: it has not ended, the job's rule about
// overlap would skip it, or it was retried already. The group ends again then, and
// triggers its dependents again.
func (s *Service) RetryExecution(ctx context.Context, by Principal, id string, config json.RawMessage) (Execution, error) {
	if err := authorize(by, Operator, "retrying an execution"); err != nil {
		return Execution{}, err
	}
	if config != nil {
		if err := authorize(by, Editor, "retrying with another configuration"); err != nil {
			return Execution{}, err
		}
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
	if config != nil {
		if e.Config, err = s.changedFurther(ctx, last, config); err != nil {
			return Execution{}, err
		}
	}
	return s.enqueue(ctx, by, "execution.retry", e, func(tx Tx, fx *effects, j Job) (Execution, error) {
		e := e
		e.JobName, e.Priority, e.Tags = j.Name, j.Priority, j.Tags
		made, inserted, err := s.begin(ctx, tx, fx, j, e, false)
		if err == nil && !inserted {
			err = Errorf(CodeConflict, "attempt %d was already made", e.Attempt)
		}
		return made, err
	})
}

// enqueue stores an execution that somebody asked for, with its audit row. What
// the job's rules about overlap would skip is refused: somebody is there to read
// the answer.
func (s *Service) enqueue(ctx context.Context, by Principal, action string, e Execution, begin func(Tx, *effects, Job) (Execution, error)) (Execution, error) {
	var made Execution
	err := s.inTx(ctx, func(tx Tx, fx *effects) error {
		j, err := tx.Job(ctx, e.JobID)
		if err != nil {
			return err
		}
		if err := j.inTree(); err != nil {
			return err
		}
		if made, err = begin(tx, fx, j); err != nil {
			return err
		}
		if made.State == Skipped {
			return Errorf(CodeConflict, "job %s cannot run now: %s", j.Name, strings.TrimPrefix(made.Reason, "skipped: "))
		}
		return tx.InsertAudit(ctx, s.audit(by, action, j.Name, nil, map[string]string{"execution": made.ID, "job": j.ID, "title": j.Title()}))
	})
	if err != nil {
		return Execution{}, err
	}
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
	if e.Trigger.Kind == TriggerTree {
		return s.stopTreeRun(ctx, by, e, reason)
	}
	err = s.Store.InTx(ctx, func(tx Tx) error {
		return tx.InsertAudit(ctx, s.audit(by, "execution.stop", e.JobName, nil, map[string]string{"execution": id}))
	})
	if err != nil {
		return err
	}
	if !s.stopRunning(id, reason) {
		return Errorf(CodeConflict, "the execution is ending already")
	}
	return nil
}

func (s *Service) cancelQueued(ctx context.Context, by Principal, e Execution, reason string) error {
	e.State, e.Reason, e.FinishedAt = Cancelled, reason, s.now()
	return s.inTx(ctx, func(tx Tx, fx *effects) error {
		j, exists, err := currentJob(ctx, tx, e.JobID)
		if err != nil {
			return err
		}
		if err := s.endGroup(ctx, tx, fx, j, e, Queued); err != nil {
			return err
		}
		if exists && j.limit() > 0 {
			if err := s.advance(ctx, tx, fx, j); err != nil {
				return err
			}
		}
		return tx.InsertAudit(ctx, s.audit(by, "execution.stop", e.JobName, nil, map[string]string{"execution": e.ID}))
	})
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
