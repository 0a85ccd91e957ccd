package scheduler

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// ErrFenced is what a worker gets that was given up, cut off, or started a second
// time: it has to let go of what it runs, and connect again.
var ErrFenced = &Error{Code: CodeConflict, Message: "the server does not count on this worker any more: end what runs, and connect again"}

// ErrReplaced is what a worker gets in whose place another connected under the same
// name: were it to connect again, the two would take each other's place for ever.
var ErrReplaced = &Error{Code: CodeConflict, Message: "another worker connected under this name; give each its own"}

var errWorkerToken = &Error{Code: CodeUnauthenticated, Message: "the worker token is unknown or revoked"}

// tokenAge is how long a token that was looked up is good, should another process
// revoke it. What this one revokes is useless at once.
const tokenAge = 5 * time.Second

// AuthenticateWorker returns the token of a secret. CodeUnauthenticated: it is
// unknown or revoked. It is cheap enough for every request.
func (s *Service) AuthenticateWorker(ctx context.Context, secret string) (WorkerToken, error) {
	if !strings.HasPrefix(secret, WorkerTokenPrefix) || len(secret) > 200 {
		return WorkerToken{}, errWorkerToken
	}
	hash, now, f := hashToken(secret), s.now(), &s.fleet
	f.mu.Lock()
	known, ok := f.tokens[hash]
	f.mu.Unlock()
	if ok && now.Sub(known.at).Abs() < tokenAge {
		return known.WorkerToken, nil
	}
	t, err := s.Store.WorkerTokenByHash(ctx, hash)
	if err != nil {
		return WorkerToken{}, unauthenticated(err, errWorkerToken)
	}
	if !t.RevokedAt.IsZero() {
		return WorkerToken{}, errWorkerToken
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens[hash] = knownToken{t, now}
	return t, nil
}

// Hello is what a worker says when it connects.
type Hello struct {
	Name  string
	Kind  WorkerKind
	Tags  []string
	Slots int
	About WorkerAbout
	// Goes: what it runs goes on, it was only forgotten meanwhile.
	Goes bool
}

// reservedWorkers are names that the pages of workers have for themselves.
var reservedWorkers = []string{"tokens", "withhold"}

// WorkerSession is one connection of a worker: what it says is heard while its
// epoch is the last.
type WorkerSession struct {
	Token string // id
	Name  string
	Epoch int64
}

// ConnectWorker lets a worker in, under a name that is its own: what an earlier
// connection of that name still ran is lost, and that connection is over. The token
// is the one it came with; the zero token is for doors that ask for none.
// CodeForbidden: it was disconnected, or another is online under that name, with
// another token or of another kind.
func (s *Service) ConnectWorker(ctx context.Context, token WorkerToken, h Hello) (WorkerSession, error) {
	h.Name, h.Tags = strings.TrimSpace(h.Name), sortedSet(h.Tags)
	var v fields
	v.name("name", h.Name)
	if slices.Contains(reservedWorkers, h.Name) {
		v.add("name", "%q is a word of Belfry's own addresses; choose another name", h.Name)
	}
	v.checkTags("tags", h.Tags)
	v.number("slots", h.Slots, 1, maxSlots)
	if slices.ContainsFunc(s.Launcher.Workers(), func(w Worker) bool { return w.Name == h.Name }) {
		v.add("name", "%q is the server's own worker; choose another name", h.Name)
	}
	for field, text := range map[string]string{"version": h.About.Version, "system": h.About.System} {
		v.text(field, text, maxTag, false)
	}
	if err := v.err(); err != nil {
		return WorkerSession{}, err
	}
	if err := s.loadFleet(ctx); err != nil {
		return WorkerSession{}, err
	}
	f := &s.fleet
	f.changing.Lock()
	defer f.changing.Unlock()
	f.mu.Lock()
	m := f.members[h.Name]
	if m == nil {
		m = newMember(Worker{Name: h.Name, Presence: WorkerOffline})
	}
	online := m.Presence == WorkerOnline && m.cut == nil
	mode, taken, other := m.Mode, online && m.Token != token.ID, online && m.Kind != h.Kind
	f.mu.Unlock()
	if token.ID != "" { // it may have been revoked while we waited
		if t, err := s.Store.WorkerTokenByHash(ctx, token.Hash); err != nil || !t.RevokedAt.IsZero() {
			return WorkerSession{}, cmp.Or(err, error(errWorkerToken))
		}
	}
	switch {
	case mode == WorkerDisconnected:
		return WorkerSession{}, Errorf(CodeForbidden, "the worker %s was disconnected; resume it on the page Workers", h.Name)
	case other:
		return WorkerSession{}, Errorf(CodeForbidden, "a worker of another kind named %s is online; choose another name", h.Name)
	case taken:
		return WorkerSession{}, Errorf(CodeForbidden, "a worker named %s is online with another token; choose another name", h.Name)
	}
	now := s.now()
	err := s.cutOff(ctx, m, cutting{reason: "lost: worker " + h.Name + " connected anew while it ran", anew: true, goes: h.Goes, after: func(w *Worker) {
		w.Kind, w.Token, w.Presence = h.Kind, token.ID, WorkerOnline
		w.Tags, w.Slots, w.About = h.Tags, h.Slots, h.About
		w.ConnectedAt, w.SeenAt = now, now
	}}, token.ID)
	if err != nil {
		return WorkerSession{}, err
	}
	s.Log.Info("a worker connected", "worker", h.Name, "epoch", m.Epoch, "tags", h.Tags, "slots", h.Slots)
	s.wakeWorkers() // others may be what a fire waits for, or this one
	return WorkerSession{Token: token.ID, Name: h.Name, Epoch: m.Epoch}, nil
}

// CurrentSession returns the session of a worker of a kind that is online and came
// with that token: for protocols whose workers do not keep it.
func (s *Service) CurrentSession(ctx context.Context, token WorkerToken, kind WorkerKind, name string) (WorkerSession, bool, error) {
	if err := s.loadFleet(ctx); err != nil {
		return WorkerSession{}, false, err
	}
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	m := s.fleet.members[name]
	if m == nil || m.Kind != kind {
		return WorkerSession{}, false, nil
	}
	ws := WorkerSession{Token: token.ID, Name: name, Epoch: m.Epoch}
	_, err := s.fleet.member(ws, m.SeenAt)
	return ws, err == nil, nil
}

// cutOff ends a worker's epoch: what runs on it is lost, then its next epoch
// begins as the given one says. While that lasts, and when it fails until it is
// tried again, the worker may do nothing. The caller holds changing.
func (s *Service) cutOff(ctx context.Context, m *member, c cutting, touch string) error {
	f := &s.fleet
	f.mu.Lock()
	m.cut = &c
	f.endPoll(m)
	signal(m.orders)
	f.mu.Unlock()
	m.busy.Lock()
	defer m.busy.Unlock()
	lost := 0
	if !c.goes {
		var err error
		if lost, err = s.Recover(ctx, m.Name, c.reason); err != nil {
			return err
		}
	}
	if lost > 0 {
		s.Log.Warn("executions of a worker are lost", "worker", m.Name, "lost", lost, "reason", c.reason)
	}
	f.mu.Lock()
	w := m.Worker
	f.mu.Unlock()
	w.Epoch++
	c.after(&w)
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if touch != "" {
			if err := tx.TouchWorkerToken(ctx, touch, s.now()); err != nil {
				return err
			}
		}
		return tx.PutWorker(ctx, w)
	})
	if err != nil {
		return err
	}
	f.mu.Lock()
	for id := range m.assigned {
		f.release(m, id)
	}
	m.Worker, m.cut, m.leaving, m.empty = w, nil, false, 0
	f.members[w.Name] = m
	delete(f.strays, w.Name)
	f.mu.Unlock()
	s.workerChanged(w.Name)
	return nil
}

func (s *Service) workerChanged(name string) {
	s.Publisher.Publish(Event{Kind: WorkerChanged, Worker: name})
}

// WorkerLeave ends a session: the worker took its leave. What it still ran is lost.
func (s *Service) WorkerLeave(ctx context.Context, ws WorkerSession) error {
	return s.endSession(ctx, ws, "lost: worker "+ws.Name+" left while it ran", func(w *Worker) { w.Presence = WorkerOffline })
}

// DropAssigned makes what runs on a worker lost, for a protocol whose workers say
// in their own way that they forgot it. The session goes on with the next epoch,
// which is returned.
func (s *Service) DropAssigned(ctx context.Context, ws WorkerSession, reason string) (WorkerSession, error) {
	err := s.endSession(ctx, ws, reason, func(*Worker) {})
	ws.Epoch++
	return ws, err
}

func (s *Service) endSession(ctx context.Context, ws WorkerSession, reason string, after func(*Worker)) error {
	if err := s.loadFleet(ctx); err != nil {
		return err
	}
	s.fleet.changing.Lock()
	defer s.fleet.changing.Unlock()
	s.fleet.mu.Lock()
	m, err := s.fleet.member(ws, s.now())
	s.fleet.mu.Unlock()
	if err != nil {
		return err
	}
	return s.cutOff(ctx, m, cutting{reason: reason, after: after}, "")
}

// seenEvery is how often the store learns when workers were last heard of.
const seenEvery = time.Minute

// LookAfter gives up workers that were not heard of for too long, goes on with
// what could not be stored before, and tells who fell asleep or woke up. Call it
// every second; Tend does.
func (s *Service) LookAfter(ctx context.Context) error {
	if err := s.loadFleet(ctx); err != nil {
		return err
	}
	f, now := &s.fleet, s.now()
	type end struct {
		m *member
		c cutting
	}
	var ends []end
	var turned, seen []string
	f.mu.Lock()
	for _, m := range f.members {
		silent := now.Sub(m.SeenAt)
		switch {
		case m.cut != nil:
			ends = append(ends, end{m, *m.cut})
		case m.Kind != WorkerServer && m.Presence == WorkerOnline && silent >= m.lostAfter():
			reason := "lost: worker " + m.Name + " was not heard of for " + silent.Round(time.Second).String()
			ends = append(ends, end{m, cutting{reason: reason, after: func(w *Worker) { w.Presence = WorkerLost }}})
		}
		if asleep := m.Sleep.At(now); asleep != m.asleep {
			m.asleep = asleep
			turned = append(turned, m.Name)
		}
		if m.Kind != WorkerServer && m.Presence == WorkerOnline && m.cut == nil {
			seen = append(seen, m.Name)
		}
	}
	note := now.Sub(s.fleetNoted).Abs() >= seenEvery
	strays := slices.Collect(maps.Keys(f.strays))
	f.mu.Unlock()
	var all []error
	for _, name := range strays {
		all = append(all, s.loseStray(ctx, name, now))
	}
	if len(ends) > 0 {
		f.changing.Lock()
		for _, e := range ends {
			f.mu.Lock()
			still := e.m.cut != nil || e.m.Presence == WorkerOnline && now.Sub(e.m.SeenAt) >= e.m.lostAfter()
			f.mu.Unlock()
			if still {
				all = append(all, s.cutOff(ctx, e.m, e.c, ""))
			}
		}
		f.changing.Unlock()
	}
	for _, name := range turned {
		s.workerChanged(name)
	}
	if len(turned) > 0 {
		s.wakeWorkers()
	}
	if note && len(ends) == 0 && len(seen) > 0 {
		s.fleetNoted = now
		all = append(all, s.noteSeen(ctx, seen))
	}
	return errors.Join(all...)
}

// loseStray makes lost what a worker runs of the tree that was forgotten, when it
// was not heard of again for as long as others may be silent.
func (s *Service) loseStray(ctx context.Context, name string, now time.Time) error {
	f := &s.fleet
	f.changing.Lock()
	defer f.changing.Unlock()
	f.mu.Lock()
	w, is := f.strays[name]
	f.mu.Unlock()
	silent := now.Sub(w.SeenAt)
	if !is || silent < w.lostAfter() {
		return nil
	}
	if err := s.LoseTreeJobs(ctx, name, "lost: worker "+name+" was forgotten, and not heard of for "+silent.Round(time.Second).String()); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.strays, name)
	return nil
}

// noteSeen stores when workers were last heard of.
func (s *Service) noteSeen(ctx context.Context, seen []string) error {
	s.fleet.changing.Lock()
	defer s.fleet.changing.Unlock()
	return s.Store.InTx(ctx, func(tx Tx) error {
		for _, name := range seen {
			s.fleet.mu.Lock()
			m := s.fleet.members[name]
			there := m != nil && m.Presence == WorkerOnline && m.cut == nil
			var w Worker
			if there {
				w = m.Worker
			}
			s.fleet.mu.Unlock()
			if !there {
				continue
			}
			if err := tx.PutWorker(ctx, w); err != nil {
				return err
			}
		}
		return nil
	})
}
