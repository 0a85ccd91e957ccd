package scheduler

import (
	"context"
	"slices"
	"sync"
	"time"
)

// effects are what one transaction does to the world outside the store. They
// happen after its commit, and a transaction that runs again begins with none.
type effects struct {
	changed  []Execution
	jobs     []jobChange
	stop     []stopping
	wake     bool
	deliver  bool     // something is in the outbox
	tree     bool     // the tree changed
	named    bool     // affinities have other names
	reread   []string // executions that changed, and are told as they are stored
	promoted bool     // something that waited for its time may be claimed
}

// jobChange is what happened to a job; removed ones are as they were.
type jobChange struct {
	Job
	change Change

	stats   *JobStats // of a removed job,
	running []string  // and its executions that go on until they are stopped
}

type stopping struct{ id, reason string }

// inTx runs fn in one transaction and afterwards what it did.
func (s *Service) inTx(ctx context.Context, fn func(tx Tx, fx *effects) error) error {
	var fx effects
	err := s.Store.InTx(ctx, func(tx Tx) error {
		fx = effects{}
		return fn(tx, &fx)
	})
	if err != nil {
		return err
	}
	for i := range fx.changed {
		if e := &fx.changed[i]; e.State == Queued && e.Wait == WaitTime {
			s.alarm.sooner(e.RunAt)
		}
	}
	for _, c := range fx.jobs {
		if c.change == JobRemoved {
			s.outlive(&c, fx.changed)
		}
		s.jobChanged(c)
	}
	for _, st := range fx.stop {
		s.stopRunning(st.id, st.reason)
	}
	if fx.wake {
		s.wakeWorkers()
	}
	if fx.deliver {
		s.wakeOutbox()
	}
	s.publishAll(fx.changed)
	for _, id := range fx.reread {
		s.fleet.freed(id)
		if e, err := s.Store.Execution(ctx, id); err == nil { // else it is gone, with its job
			s.publishAll([]Execution{e})
		}
	}
	if fx.named {
		s.forgetNames()
	}
	if fx.tree {
		s.Publisher.Publish(Event{Kind: TreeChanged})
	}
	return nil
}

func (s *Service) publishAll(made []Execution) {
	for i := range made {
		e := Event{Kind: ExecutionChanged, Execution: &made[i], ExecutionID: made[i].ID, JobID: made[i].JobID}
		if j, ok := s.outlived.Load(e.ExecutionID); ok {
			e.Job = j.(*Job)
			if made[i].State.Final() {
				s.outlived.Delete(e.ExecutionID)
			}
		}
		s.Publisher.Publish(e)
	}
}

// outlive keeps a job that was deleted for the events of those of its executions
// whose end is still to be told. changed are those of the same transaction.
func (s *Service) outlive(c *jobChange, changed []Execution) {
	ids := c.running
	for _, e := range changed {
		if e.JobID == c.ID && e.State.Final() {
			ids = append(ids, e.ID)
		}
	}
	j := c.Job
	for _, id := range ids {
		s.outlived.Store(id, &j)
	}
}

// first is a new group of j: its first execution, due at an instant.
func (s *Service) first(j Job, by Trigger, due, now time.Time) Execution {
	id := s.NewID()
	return Execution{
		ID: id, JobID: j.ID, JobName: j.Name, State: Queued, Trigger: by, Group: id, Attempt: 1,
		DueAt: due.UTC(), RunAt: due.UTC(), QueuedAt: now, Priority: j.Priority, Tags: j.Tags, Progress: -1,
	}
}

// begin stores a new execution of j, as the job's rules about overlap place it.
// patient: it waits where others would be skipped. It reports false when the
// execution exists already.
func (s *Service) begin(ctx context.Context, tx Tx, fx *effects, j Job, e Execution, patient bool) (Execution, bool, error) {
	now := e.QueuedAt
	switch {
	case j.limit() > 0:
		o, err := tx.Occupancy(ctx, j.ID, j.MaxQueued)
		if err != nil {
			return e, false, err
		}
		e.State, e.Wait, e.Reason = j.place(&o, e.RunAt, now, patient)
		if j.Concurrency == Replace && o.Active() > 0 && !patient {
			return s.replace(ctx, tx, fx, j, e)
		}
	case e.RunAt.After(now):
		e.Wait = WaitTime
		if e.Reason == "" {
			e.Reason = "waits until " + clock(e.RunAt)
		}
	}
	return s.insert(ctx, tx, fx, e)
}

// beginCopies is begin for the first attempt of a fire, which runs on as many
// workers at once as the job asks for: each copy is a group of its own, and all are
// placed as the first is. It returns the first, which alone decides whether the
// fire exists already.
func (s *Service) beginCopies(ctx context.Context, tx Tx, fx *effects, j Job, e Execution, patient bool) (Execution, bool, error) {
	first, inserted, err := s.begin(ctx, tx, fx, j, e, patient)
	if err != nil || !inserted || first.State != Queued {
		return first, inserted, err
	}
	for k := 1; k < s.places(&j); k++ {
		next := first
		next.ID, next.Copy = s.NewID(), k
		next.Group = next.ID
		if _, _, err := s.insert(ctx, tx, fx, next); err != nil {
			return first, false, err
		}
	}
	return first, true, nil
}

// insert stores an execution whose place is decided.
func (s *Service) insert(ctx context.Context, tx Tx, fx *effects, e Execution) (Execution, bool, error) {
	if e.State.Final() && e.FinishedAt.IsZero() {
		e.FinishedAt = e.QueuedAt
	}
	inserted, err := tx.InsertExecution(ctx, e)
	if err != nil || !inserted {
		return e, false, err
	}
	fx.changed = append(fx.changed, e)
	fx.wake = fx.wake || e.State == Queued
	return e, true, nil
}

// replace stores e in place of what is active of j: what is queued is cancelled
// now, what runs is stopped after the commit, and e waits for its end.
func (s *Service) replace(ctx context.Context, tx Tx, fx *effects, j Job, e Execution) (Execution, bool, error) {
	e, inserted, err := s.insert(ctx, tx, fx, e)
	if err != nil || !inserted {
		return e, false, err
	}
	active, err := tx.ActiveExecutions(ctx, j.ID, maxParallel)
	if err != nil {
		return e, false, err
	}
	for _, old := range active {
		if old.ID == e.ID {
			continue
		}
		reason := "replaced by execution " + e.ID
		if old.State == Running {
			fx.stop = append(fx.stop, stopping{old.ID, reason})
			continue
		}
		old.State, old.Reason, old.FinishedAt = Cancelled, reason, e.QueuedAt
		if err := s.endGroup(ctx, tx, fx, j, old, Queued); err != nil {
			return e, false, err
		}
	}
	return e, true, nil
}

// endGroup stores that an execution ended as the last of its group, and triggers
// what depends on the outcome. j is its job as it is now, zero when it was deleted.
func (s *Service) endGroup(ctx context.Context, tx Tx, fx *effects, j Job, e Execution, from State) error {
	if err := tx.Finish(ctx, e, from); err != nil {
		return err
	}
	fx.changed = append(fx.changed, e)
	if err := s.notify(ctx, tx, fx, &j, &e); err != nil {
		return err
	}
	if e.Copy > 0 || j.Copies > 1 {
		var last bool
		var err error
		if e, last, err = outcomeOfCopies(ctx, tx, e); err != nil || !last {
			return err
		}
	}
	if err := tx.CountOutcome(ctx, e.JobID, e.State, e.FinishedAt); err != nil {
		return err
	}
	if err := s.trigger(ctx, tx, fx, e); err != nil {
		return err
	}
	if err := s.startTriggered(ctx, tx, fx, j.Triggers, e); err != nil || !j.spent(&e) {
		return err
	}
	return s.deleteIn(ctx, tx, fx, Server, j, true)
}

// outcomeOfCopies returns e, which has just ended, with the outcome of all copies
// of its fire: the worst of theirs. last is false while one of them goes on.
func outcomeOfCopies(ctx context.Context, tx Tx, e Execution) (_ Execution, last bool, err error) {
	copies, err := tx.Copies(ctx, e.JobID, e.DueAt)
	if err != nil {
		return e, false, err
	}
	for _, c := range copies {
		switch {
		case c.State.Active():
			return e, false, nil
		case c.Copy != e.Copy && severity(c.State) > severity(e.State):
			e.State = c.State
		}
	}
	return e, true, nil
}

// severity orders outcomes.
func severity(s State) int {
	return slices.Index([]State{Succeeded, Cancelled, Lost, TimedOut, Failed}, s)
}

// spent reports whether j is deleted because its group ended as e did.
func (j *Job) spent(e *Execution) bool { return j.ID != "" && j.Ephemeral && e.State == Succeeded }

// advance lets executions of j that wait for their turn be next, as far as the
// job's limit allows.
func (s *Service) advance(ctx context.Context, tx Tx, fx *effects, j Job) error {
	o, err := tx.Occupancy(ctx, j.ID, j.MaxQueued)
	if err != nil {
		return err
	}
	now := s.now()
	for o.Turn > 0 && j.free(&o) {
		e, ok, err := tx.NextTurn(ctx, j.ID)
		// All copies of a fire go together.
		for n, due := 0, e.DueAt; err == nil && ok && n < max(1, j.Copies) && e.DueAt.Equal(due); n++ {
			// There may be more of them than were counted: only NextTurn knows the end.
			e.Wait, e.Reason = WaitNone, ""
			if e.RunAt.After(now) {
				e.Wait, e.Reason = WaitTime, "waits until "+clock(e.RunAt)
				o.Later++
			} else {
				o.Ready++
			}
			if err := tx.SetWait(ctx, e.ID, e.Wait, e.Reason); err != nil {
				return err
			}
			fx.changed = append(fx.changed, e)
			fx.wake = true
			if j.Copies <= 1 {
				break
			}
			e, ok, err = tx.NextTurn(ctx, j.ID)
		}
		if err != nil || !ok {
			return err
		}
	}
	return nil
}

// restrain makes executions of j that were about to start wait for their turn,
// the newest first, until the job's limit is kept: it was lowered.
func (s *Service) restrain(ctx context.Context, tx Tx, fx *effects, j Job) error {
	o, err := tx.Occupancy(ctx, j.ID, j.MaxQueued)
	if err != nil || j.limit() == 0 || o.Ready == 0 || o.Running+o.Ready <= j.limit() {
		return err
	}
	active, err := tx.ActiveExecutions(ctx, j.ID, maxParallel)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(active) {
		if o.Ready == 0 || o.Running+o.Ready <= j.limit() {
			break
		}
		if e.State != Queued || e.Wait != WaitNone {
			continue
		}
		e.Wait, e.Reason = WaitTurn, j.turnReason(&o)
		o.Ready--
		if err := tx.SetWait(ctx, e.ID, e.Wait, e.Reason); err != nil {
			return err
		}
		fx.changed = append(fx.changed, e)
	}
	return nil
}

// promote lets what waited for its time be next, or wait for its turn where the
// job's limit is reached meanwhile.
func (s *Service) promote(ctx context.Context, tx Tx, fx *effects, now time.Time, limit int) error {
	due, err := tx.Waiting(ctx, now, limit)
	if err != nil {
		return err
	}
	for _, e := range due {
		j, err := tx.Job(ctx, e.JobID)
		if err != nil {
			return err
		}
		e.Wait, e.Reason = WaitNone, ""
		if j.limit() > 0 {
			o, err := tx.Occupancy(ctx, j.ID, j.MaxQueued)
			if err != nil {
				return err
			}
			if o.Running+o.Ready >= j.limit() {
				e.Wait, e.Reason = WaitTurn, j.turnReason(&o)
			}
		}
		if err := tx.SetWait(ctx, e.ID, e.Wait, e.Reason); err != nil {
			return err
		}
		fx.changed = append(fx.changed, e)
		fx.promoted = fx.promoted || e.Wait == WaitNone
	}
	return nil
}

// alarm knows when something that waits for its time may run next, so that claims
// need not look each time.
type alarm struct {
	mu  sync.Mutex
	at  time.Time // nothing before; zero: look
	set int       // counts what was put before at
}

func (a *alarm) sooner(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !at.After(a.at) {
		a.at = at
	}
	a.set++
}

// due reports whether something may run at now.
func (a *alarm) due(now time.Time) (due bool, set int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.at.After(now), a.set
}

// next says that nothing may run before at, unless sooner was called since due
// answered set.
func (a *alarm) next(at time.Time, set int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.set == set {
		a.at = at
	}
}

// currentJob reads a job that may be gone.
func currentJob(ctx context.Context, tx Tx, id string) (j Job, exists bool, err error) {
	j, err = tx.Job(ctx, id)
	if CodeOf(err) == CodeNotFound {
		return j, false, nil
	}
	return j, err == nil, err
}
