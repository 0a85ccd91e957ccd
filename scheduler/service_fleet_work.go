package scheduler

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// ClaimAsk is what a worker asks for.
type ClaimAsk struct {
	// Have are the executions it knows of: those whose end was not acknowledged.
	// What was given to it and is not among them it never got: it is given again.
	Have  []string
	Limit int
	Wait  time.Duration // how long to wait for something; 0: not at all
}

// maxWait bounds how long one call waits for something to happen.
const maxWait = time.Minute

// WorkerClaim gives a worker at most Limit executions, which are running on it
// from now on; none when there is nothing, it is to drain, or another claim of the
// same worker took this one's place. ErrFenced: see there. What it gives is fenced
// with the session's epoch. Without a wait it costs next to nothing while nothing
// new came since the worker found nothing the last time.
func (s *Service) WorkerClaim(ctx context.Context, ws WorkerSession, ask ClaimAsk) ([]Assignment, error) {
	if err := s.loadFleet(ctx); err != nil {
		return nil, err
	}
	p, err := s.fleet.enter(ws, s.now())
	if err != nil {
		return nil, err
	}
	defer func() {
		s.fleet.mu.Lock()
		s.fleet.drop(p)
		s.fleet.mu.Unlock()
	}()
	timer := time.NewTimer(min(max(ask.Wait, 0), maxWait))
	defer timer.Stop()
	for {
		list, err := s.claimFor(ctx, p, ws, ask)
		if err != nil || len(list) > 0 || ask.Wait <= 0 {
			return list, err
		}
		select {
		case <-p.wake:
		case <-p.over:
			s.fleet.mu.Lock()
			_, err := s.fleet.member(ws, s.now())
			s.fleet.mu.Unlock()
			return nil, err
		case <-timer.C:
			return nil, nil
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// emptyAge is how long a worker that found nothing does not look again although
// nothing new came: another server of the same database may have added some.
const emptyAge = 10 * time.Second

func (s *Service) claimFor(ctx context.Context, p *poll, ws WorkerSession, ask ClaimAsk) ([]Assignment, error) {
	f, m, now := &s.fleet, p.m, s.now()
	due, _ := s.alarm.due(now)
	f.mu.Lock()
	var missing []string
	for id := range m.assigned {
		if !slices.Contains(ask.Have, id) {
			missing = append(missing, id)
		}
	}
	w, work := m.Worker, f.work
	w.Shuns = f.shuns(m.Name)
	nothing := !m.takes(now) || ask.Limit < 1 || m.empty == work && work > 0 && now.Sub(m.emptyAt).Abs() < emptyAge && !due
	f.mu.Unlock()
	if len(missing) > 0 {
		return s.again(ctx, missing)
	}
	if nothing {
		return nil, nil
	}
	m.busy.Lock()
	defer m.busy.Unlock()
	f.mu.Lock()
	_, err := f.member(ws, now)
	mine := m.poll == p && m.takes(now)
	f.mu.Unlock()
	if err != nil || !mine {
		return nil, err
	}
	list, err := s.Claim(ctx, w, ask.Limit)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range list {
		f.assign(m, a.Execution.ID)
	}
	if len(list) == 0 {
		m.empty, m.emptyAt = work, now
	} else {
		s.workerChanged(m.Name)
		signal(f.kick) // there may be more
	}
	return list, nil
}

// again returns what was given to a worker that did not get it.
func (s *Service) again(ctx context.Context, ids []string) (list []Assignment, err error) {
	slices.Sort(ids)
	for _, id := range ids {
		e, err := s.Store.Execution(ctx, id)
		if err != nil {
			return nil, err
		}
		if e.State != Running {
			continue // it is being lost just now
		}
		j, err := s.Store.Job(ctx, e.JobID)
		if err != nil && CodeOf(err) != CodeNotFound {
			return nil, err
		}
		a := Assignment{Execution: e, Job: j}
		a.configure()
		list = append(list, a)
	}
	return list, nil
}

// Beat is what a worker says of itself every few seconds.
type Beat struct {
	About    WorkerAbout
	Running  []string      // what it runs
	Stopping []string      // of that, what it is stopping already
	Leaving  bool          // it ends what runs and wants nothing new
	Wait     time.Duration // how long to wait for orders
}

// Orders are what a worker is to do.
type Orders struct {
	Stop     map[string]string // executions to stop, and why
	Draining bool              // it gets nothing new
}

// toldEvery is how often pages hear what workers say of their machines.
const toldEvery = 5 * time.Second

// WorkerBeat notes that a worker lives and what it says, and returns as soon as
// there is something for it to do, or after the wait. ErrFenced: see there.
func (s *Service) WorkerBeat(ctx context.Context, ws WorkerSession, b Beat) (Orders, error) {
	if err := s.loadFleet(ctx); err != nil {
		return Orders{}, err
	}
	f, timer := &s.fleet, time.NewTimer(min(max(b.Wait, 0), maxWait))
	defer timer.Stop()
	now := s.now()
	f.mu.Lock()
	m, err := f.member(ws, now)
	if err != nil {
		f.mu.Unlock()
		return Orders{}, err
	}
	b.About.Address = cmp.Or(b.About.Address, m.About.Address)
	b.About.Version, b.About.System = m.About.Version, m.About.System
	tell := now.Sub(m.told) >= toldEvery
	if tell {
		m.told = now
	}
	m.About = b.About
	draining := m.Mode == WorkerDraining
	if b.Leaving && !m.leaving {
		m.leaving = true
		f.endPoll(m)
	}
	f.mu.Unlock()
	if tell {
		s.workerChanged(ws.Name)
	}
	for {
		f.mu.Lock()
		_, err := f.member(ws, s.now())
		o := m.ordersFor(&b)
		f.mu.Unlock()
		if err != nil || len(o.Stop) > 0 || o.Draining != draining || b.Wait <= 0 {
			return o, err
		}
		select {
		case <-m.orders:
		case <-timer.C:
			return o, nil
		case <-ctx.Done():
			return o, nil
		}
	}
}

// ordersFor lists what the worker does not do yet. It may run more than it said:
// something was given to it while it waited for orders.
func (m *member) ordersFor(b *Beat) Orders {
	o := Orders{Draining: m.Mode == WorkerDraining, Stop: map[string]string{}}
	for id, reason := range m.stops {
		o.Stop[id] = reason
	}
	for _, id := range b.Running {
		if !m.assigned[id] {
			o.Stop[id] = "it is not this worker's any more"
		}
	}
	for _, id := range b.Stopping {
		delete(o.Stop, id)
	}
	return o
}

// WorkerOutput stores output of an execution that runs on the worker. out ends at
// byte end; when that much is stored already, it came a second time, and nothing
// is stored. CodeConflict: the execution is not running on it, or bytes are missing
// before out.
func (s *Service) WorkerOutput(ctx context.Context, ws WorkerSession, id string, out Output, end int64) error {
	if err := s.heard(ctx, ws); err != nil {
		return err
	}
	return s.addOutput(ctx, id, out, end, func(tx Tx) (bool, error) {
		size, err := tx.Held(ctx, id, ws.Name, ws.Epoch)
		return size < end, err
	})
}

// heard notes that a worker lives.
func (s *Service) heard(ctx context.Context, ws WorkerSession) error {
	if err := s.loadFleet(ctx); err != nil {
		return err
	}
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	_, err := s.fleet.member(ws, s.now())
	return err
}

// Report is how an execution ended on a worker.
type Report struct {
	ID         string
	State      State // succeeded, failed, timed_out or cancelled
	Reason     string
	ExitCode   *int
	Signal     string
	PeakMemory int64
	CPUTime    time.Duration
	FinishedAt time.Time // by the server's clock, as the worker guesses it; zero: now
	Output     Output    // what is not stored yet
}

const maxReason = 4000

// WorkerFinish stores how an execution ended on a worker, exactly once: a report
// that comes again is acknowledged, and changes nothing. CodeConflict: it is not
// running there; whatever the worker says of it, something else became of it.
func (s *Service) WorkerFinish(ctx context.Context, ws WorkerSession, r Report) error {
	if !slices.Contains([]State{Succeeded, Failed, TimedOut, Cancelled}, r.State) {
		return Invalid("state", "must be succeeded, failed, timed_out or cancelled")
	}
	var v fields
	v.text("reason", r.Reason, maxReason, true)
	v.text("signal", r.Signal, maxTag, false)
	if err := v.err(); err != nil {
		return err
	}
	if err := s.heard(ctx, ws); err != nil {
		return err
	}
	e, err := s.Store.Execution(ctx, r.ID)
	if err != nil {
		return err
	}
	was := e
	now := s.now()
	e.State, e.Reason, e.ExitCode, e.Signal = r.State, r.Reason, r.ExitCode, r.Signal
	e.PeakMemory, e.CPUTime = max(r.PeakMemory, 0), max(r.CPUTime, 0)
	if e.FinishedAt = r.FinishedAt.UTC().Truncate(time.Microsecond); r.FinishedAt.IsZero() || e.FinishedAt.After(now) {
		e.FinishedAt = now
	}
	if e.FinishedAt.Before(e.StartedAt) {
		e.FinishedAt = e.StartedAt
	}
	j, err := s.Store.Job(ctx, e.JobID)
	if err != nil && CodeOf(err) != CodeNotFound {
		return err
	}
	failures := 0
	err = s.finish(ctx, Ending{Execution: e, Job: j, Output: r.Output}, func(tx Tx) (err error) {
		if _, err = tx.Held(ctx, e.ID, ws.Name, ws.Epoch); err != nil {
			return err
		}
		failures, err = s.judge(ctx, tx, ws.Name, j.ID, e)
		return err
	})
	again := was.Worker == ws.Name && was.State == r.State && was.Reason == r.Reason // an answer that got lost
	if err != nil && !(CodeOf(err) == CodeConflict && again) {
		return err
	}
	s.fleet.finished(ws.Name, e, j, failures)
	s.workerChanged(ws.Name)
	return nil
}

// judge counts an ending for or against the worker.
func (s *Service) judge(ctx context.Context, tx Tx, worker, jobID string, e Execution) (int, error) {
	if jobID == "" {
		return 0, nil // deleted
	}
	switch e.State {
	case Failed, TimedOut:
		return tx.AddFailure(ctx, worker, jobID, e.ID, e.FinishedAt)
	case Succeeded:
		s.fleet.mu.Lock()
		_, any := s.fleet.failures[worker][jobID]
		s.fleet.mu.Unlock()
		if any {
			return 0, tx.ClearFailures(ctx, worker, jobID)
		}
	}
	return 0, nil
}

func (f *fleet) finished(worker string, e Execution, j Job, failures int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[worker]; m != nil {
		f.release(m, e.ID)
	}
	switch {
	case failures > 0:
		f.noteFailures(WorkerFailures{Worker: worker, JobID: j.ID, Job: j.Name, Failures: failures, LastAt: e.FinishedAt, Execution: e.ID})
	case e.State == Succeeded:
		delete(f.failures[worker], j.ID)
	}
}
