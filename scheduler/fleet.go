package scheduler

import (
	"context"
	"slices"
	"sync"
	"time"
)

// fleet is what the server knows of its workers from one moment to the next. The
// store has what must survive: who they are, their epochs, and what they run.
type fleet struct {
	// changing is held while a worker comes, goes or is changed: those write first
	// and change this second.
	changing  sync.Mutex
	admitting sync.Mutex // held while a worker comes whose protocol has no word for that

	mu       sync.Mutex
	loaded   bool
	members  map[string]*member
	strays   map[string]Worker                    // by name: not there, and may still run jobs of the tree
	where    map[string]*member                   // by execution that runs on it
	failures map[string]map[string]WorkerFailures // by worker and job id
	lenient  bool                                 // nothing is withheld from a worker, however often it failed there
	waiting  []*poll                              // longest first
	work     uint64                               // counts what may have made something claimable
	kick     chan struct{}                        // capacity 1
	tokens   map[string]knownToken                // by hash
}

// member is a worker that is known.
type member struct {
	Worker
	busy     sync.Mutex        // held while it claims, and while it is cut off
	cut      *cutting          // it is being cut off: it may do nothing
	leaving  bool              // it said so: nothing new
	assigned map[string]bool   // what runs on it
	stops    map[string]string // of those, what it is to stop, and why
	orders   chan struct{}     // capacity 1: there is something in stops, or the mode changed
	poll     *poll             // its claim that waits
	empty    uint64            // work when it found nothing to claim,
	emptyAt  time.Time         // and when that was
	told     time.Time         // when pages heard of it last
	asleep   bool
}

// cutting is why a worker is being cut off, and what it is afterwards.
type cutting struct {
	reason string
	after  func(*Worker)
	anew   bool // because it, or another under its name, connects
	goes   bool // what runs on it goes on
}

// poll is a claim that waits for something to do.
type poll struct {
	m    *member
	wake chan struct{} // capacity 1: look again
	over chan struct{} // closed: another poll took its place, or the worker may not claim any more
}

type knownToken struct {
	WorkerToken
	at time.Time
}

func newFleet() fleet {
	return fleet{
		members: map[string]*member{}, strays: map[string]Worker{}, where: map[string]*member{}, failures: map[string]map[string]WorkerFailures{},
		kick: make(chan struct{}, 1), tokens: map[string]knownToken{},
	}
}

func newMember(w Worker) *member {
	return &member{Worker: w, assigned: map[string]bool{}, stops: map[string]string{}, orders: make(chan struct{}, 1)}
}

const settingLenient = "workers_lenient"

// loadFleet reads what the store knows of workers, once. Those that were online
// get as much time to be heard of again as if they had just been.
func (s *Service) loadFleet(ctx context.Context) error {
	f := &s.fleet
	f.mu.Lock()
	loaded := f.loaded
	f.mu.Unlock()
	if loaded {
		return nil
	}
	f.changing.Lock()
	defer f.changing.Unlock()
	workers, err := s.Store.ListWorkers(ctx)
	if err != nil {
		return err
	}
	failures, err := s.Store.WorkerFailures(ctx)
	if err != nil {
		return err
	}
	lenient, err := s.Store.Setting(ctx, settingLenient)
	if err != nil {
		return err
	}
	running := map[string][]Execution{}
	for _, w := range workers {
		if w.Presence == WorkerOnline && w.Kind != WorkerServer {
			if running[w.Name], err = s.Store.RunningOn(ctx, w.Name); err != nil {
				return err
			}
		}
	}
	atWork, err := s.Store.TreeAtWork(ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loaded {
		return nil
	}
	for _, name := range atWork {
		if !slices.ContainsFunc(workers, func(w Worker) bool { return w.Name == name && w.Presence == WorkerOnline }) {
			f.strays[name] = Worker{Name: name, Kind: WorkerCoalition, SeenAt: s.now()}
		}
	}
	for _, w := range workers {
		m := newMember(w)
		if w.Presence == WorkerOnline {
			m.SeenAt = s.now()
		}
		f.members[w.Name] = m
		for _, e := range running[w.Name] {
			f.assign(m, e.ID)
		}
	}
	for _, one := range failures {
		f.noteFailures(one)
	}
	f.lenient, f.loaded = lenient != "", true
	return nil
}

func (f *fleet) assign(m *member, id string) {
	m.assigned[id] = true
	f.where[id] = m
}

func (f *fleet) release(m *member, id string) {
	delete(m.assigned, id)
	delete(m.stops, id)
	if f.where[id] == m {
		delete(f.where, id)
	}
}

// took notes that an execution runs on a worker.
func (f *fleet) took(worker, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[worker]; m != nil {
		f.assign(m, id)
	}
}

// freed notes that an execution has ended.
func (f *fleet) freed(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.where[id]; m != nil {
		f.release(m, id)
	}
}

func (f *fleet) noteFailures(n WorkerFailures) {
	if f.failures[n.Worker] == nil {
		f.failures[n.Worker] = map[string]WorkerFailures{}
	}
	f.failures[n.Worker][n.JobID] = n
}

// shuns reports whether some job is withheld from a worker.
func (f *fleet) shuns(worker string) bool {
	if f.lenient {
		return false
	}
	for _, n := range f.failures[worker] {
		if n.Blocked() {
			return true
		}
	}
	return false
}

// blocked reports whether a job is withheld from a worker.
func (f *fleet) blocked(worker, jobID string) bool {
	n, ok := f.failures[worker][jobID]
	return ok && n.Blocked() && !f.lenient
}

// takes reports whether the member may be given something new.
func (m *member) takes(now time.Time) bool {
	return m.cut == nil && !m.leaving && m.Mode == WorkerActive && (m.Kind == WorkerServer || m.Presence == WorkerOnline) && !m.Sleep.At(now)
}

// signal says that there is something, to whoever reads it next.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wakeWorkers says that something may be claimable.
func (s *Service) wakeWorkers() {
	s.Launcher.Wake()
	s.fleet.mu.Lock()
	s.fleet.work++
	s.fleet.mu.Unlock()
	signal(s.fleet.kick)
}

// stopRunning ends an execution wherever it runs; false: nowhere.
func (s *Service) stopRunning(id, reason string) bool {
	if s.Launcher.Stop(id, reason) {
		return true
	}
	f := &s.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.where[id]
	if m == nil {
		return false
	}
	if _, told := m.stops[id]; !told {
		m.stops[id] = reason
	}
	signal(m.orders)
	return true
}

// forClaim applies what people decided about the server's own worker.
func (f *fleet) forClaim(w Worker, now time.Time) (_ Worker, takes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[w.Name]
	if w.Epoch != 0 || m == nil || m.Kind != WorkerServer {
		return w, true
	}
	w.Rules = m.Rules
	return w, m.takes(now)
}

// online lists the workers that could run something now or soon: those that are
// there, with the server's own.
func (s *Service) online() []Worker {
	list := s.Launcher.Workers()
	f := &s.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range list {
		w := &list[i]
		w.Kind, w.Presence = WorkerServer, WorkerOnline
		if m := f.members[w.Name]; m != nil {
			w.Mode, w.Rules, w.Sleep = m.Mode, m.Rules, m.Sleep
		}
	}
	for _, m := range f.members {
		if m.Kind != WorkerServer && m.Presence == WorkerOnline && m.cut == nil {
			w := m.Worker
			w.Used = len(m.assigned)
			list = append(list, w)
		}
	}
	return list
}

// places is how many workers a fire of j runs on: as many as it asks for, as far
// as there are any.
func (s *Service) places(j *Job) int {
	if j.Copies <= 1 {
		return 1
	}
	n := 0
	for _, w := range s.online() {
		if w.Mode == WorkerActive && w.Has(j.Tags) {
			n++
		}
	}
	return min(max(n, 1), j.Copies)
}

// Tend runs the fleet until ctx ends: it finds out who is lost, and wakes whoever
// waits for something that came.
func (s *Service) Tend(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.fleet.kick:
		case <-timer.C:
			if err := s.LookAfter(ctx); err != nil && ctx.Err() == nil {
				s.Log.Error("look after the workers", "error", err)
			}
			timer.Reset(time.Second)
		}
		if err := s.dispatch(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("find work for the workers", "error", err)
		}
		if wait := s.untilDue(); wait < time.Second {
			timer.Reset(wait)
		}
	}
}

// untilDue is how long nothing comes due by itself that a worker waits for.
func (s *Service) untilDue() time.Duration {
	s.fleet.mu.Lock()
	waiting := len(s.fleet.waiting)
	s.fleet.mu.Unlock()
	if waiting == 0 {
		return time.Second
	}
	s.alarm.mu.Lock()
	at := s.alarm.at
	s.alarm.mu.Unlock()
	return min(max(at.Sub(s.now()), time.Millisecond), time.Second)
}

// readyLimit is how many executions of one kind are counted to wake as many
// workers.
const readyLimit = 64

// dispatch wakes, of the workers that wait, as many as there is something for.
func (s *Service) dispatch(ctx context.Context) error {
	f := &s.fleet
	f.mu.Lock()
	waiting := len(f.waiting)
	f.mu.Unlock()
	if waiting == 0 || s.Frozen().Active() {
		return nil
	}
	if err := s.promoteDue(ctx, s.now()); err != nil {
		return err
	}
	ready, err := s.Store.Claimable(ctx, readyLimit)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := s.now()
	for _, r := range ready {
		var woken, rest []*poll
		for _, p := range f.waiting {
			if len(woken) < r.N && len(p.wake) == 0 && p.m.takes(now) && p.m.Has(r.Tags) {
				signal(p.wake)
				woken = append(woken, p)
			} else {
				rest = append(rest, p)
			}
		}
		f.waiting = append(rest, woken...) // next time it is the others' turn
	}
	return nil
}

// enter makes p the claim that waits of a worker; the one before it is over.
func (f *fleet) enter(ws WorkerSession, now time.Time) (*poll, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, err := f.member(ws, now)
	if err != nil {
		return nil, err
	}
	f.endPoll(m)
	p := &poll{m: m, wake: make(chan struct{}, 1), over: make(chan struct{})}
	m.poll = p
	f.waiting = append(f.waiting, p)
	return p, nil
}

// endPoll ends the claim that waits of a worker, if there is one.
func (f *fleet) endPoll(m *member) {
	if m.poll != nil {
		close(m.poll.over)
		f.drop(m.poll)
	}
}

func (f *fleet) drop(p *poll) {
	if p.m.poll == p {
		p.m.poll = nil
	}
	if i := slices.Index(f.waiting, p); i >= 0 {
		f.waiting = slices.Delete(f.waiting, i, i+1)
	}
}

// member returns the worker of a session, which was just heard of. ErrFenced,
// ErrReplaced: see there.
func (f *fleet) member(ws WorkerSession, now time.Time) (*member, error) {
	m := f.members[ws.Name]
	if m != nil && m.Presence == WorkerOnline && (m.cut == nil && ws.Epoch < m.Epoch || m.cut != nil && m.cut.anew) {
		return nil, ErrReplaced
	}
	if m == nil || m.Kind == WorkerServer || m.cut != nil || m.Epoch != ws.Epoch || m.Token != ws.Token || m.Presence != WorkerOnline {
		return nil, ErrFenced
	}
	m.SeenAt = now
	return m, nil
}
