package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
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

// Waiting says why a queued execution has not started, in words; "" when it is
// about to.
func (s *Service) Waiting(e *Execution) string {
	if e.State != Queued {
		return ""
	}
	if f := s.Frozen(); f.Active() {
		return f.String()
	}
	if e.Wait != WaitNone {
		return e.Reason
	}
	return s.withoutWorker(e)
}

// withoutWorker says why no worker takes an execution that waits for nothing else.
func (s *Service) withoutWorker(e *Execution) string {
	now := s.now()
	var used, slots, n int
	var kept string // why the last of those that have the tags does not take it
	workers := s.online()
	for i := range workers {
		w := &workers[i]
		if !w.Has(e.Tags) {
			continue
		}
		n++
		s.fleet.mu.Lock()
		blocked := s.fleet.blocked(w.Name, e.JobID)
		s.fleet.mu.Unlock()
		switch status := w.Status(now); {
		case status == string(WorkerDraining):
			kept = "worker " + w.Name + " drains"
		case status != string(WorkerOnline):
			kept = "worker " + w.Name + " is " + status
		case blocked:
			kept = fmt.Sprintf("worker %s does not get the job any more: it failed there %d times in a row", w.Name, MaxFailures)
		default:
			used, slots = used+w.Used, slots+w.Slots
		}
	}
	switch {
	case n == 0 && len(e.Tags) > 0:
		return noWorkerWith(workers, e.Tags)
	case n == 0:
		return "no worker is online"
	case slots == 0 && n == 1 && kept != "":
		return kept
	case slots == 0 && kept != "":
		return fmt.Sprintf("none of the %d workers takes it: %s", n, kept)
	case used >= slots:
		return fmt.Sprintf("%d of %d slots busy", used, slots)
	default:
		return e.Reason
	}
}

// noWorkerWith names the tags that no worker has.
func noWorkerWith(workers []Worker, tags []string) string {
	var missing []string
	for _, t := range tags {
		if !slices.ContainsFunc(workers, func(w Worker) bool { return w.hasTag(t) }) {
			missing = append(missing, t)
		}
	}
	if len(missing) == 0 {
		return "no worker that has all of the tags " + strings.Join(tags, ",") + " is online"
	}
	return "no worker with tags " + strings.Join(missing, ", ") + " is online"
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
