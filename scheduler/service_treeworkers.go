package scheduler

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// treeNames are the names of affinities as they were read last: polls need them all
// the time.
type treeNames struct {
	mu sync.Mutex
	at time.Time
	Affinities
}

// namesAge is how long names that were read are good, should another server change
// them.
const namesAge = 2 * time.Second

func (s *Service) affinityNames(ctx context.Context) (Affinities, error) {
	n := &s.names
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := s.now(); now.Sub(n.at).Abs() >= namesAge {
		a, err := s.Affinities(ctx)
		if err != nil {
			return a, err
		}
		n.Affinities, n.at = a, now
	}
	return n.Affinities, nil
}

// forgetNames makes the next poll read the names.
func (s *Service) forgetNames() {
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	s.names.at = time.Time{}
}

// TreePing is what a worker that takes jobs of the tree says each time.
type TreePing struct {
	Worker string
	About  *WorkerAbout // nil: as it said before
}

// greetTree notes that such a worker lives, and lets it in when it was not known;
// goes: what it runs goes on then.
func (s *Service) greetTree(ctx context.Context, token WorkerToken, p TreePing, goes bool) error {
	ws, known, err := s.CurrentSession(ctx, token, WorkerCoalition, p.Worker)
	if err == nil && !known {
		ws, err = s.admitTree(ctx, token, p, goes)
	}
	if err != nil || p.About == nil {
		return err
	}
	_, err = s.WorkerBeat(ctx, ws, Beat{About: *p.About})
	if CodeOf(err) == CodeConflict { // it was cut off this moment, which is no news of its machine
		return nil
	}
	return err
}

// admitTree lets a worker in, once when several requests of its name come together:
// each would end what the one before was given.
func (s *Service) admitTree(ctx context.Context, token WorkerToken, p TreePing, goes bool) (WorkerSession, error) {
	s.fleet.admitting.Lock()
	defer s.fleet.admitting.Unlock()
	ws, known, err := s.CurrentSession(ctx, token, WorkerCoalition, p.Worker)
	if err != nil || known {
		return ws, err
	}
	var about WorkerAbout
	set(&about, p.About)
	ws, err = s.ConnectWorker(ctx, token, Hello{Name: p.Worker, Kind: WorkerCoalition, Slots: 1, About: about, Goes: goes})
	if err != nil {
		return ws, err
	}
	var rules string
	err = s.Store.InTx(ctx, func(tx Tx) (err error) {
		rules, err = tx.GreetTreeWorker(ctx, p.Worker, s.now())
		return err
	})
	if err == nil && rules != "" {
		err = s.setRules(ctx, p.Worker, rules)
	}
	return ws, err
}

func (s *Service) setRules(ctx context.Context, worker, text string) error {
	w, err := s.Worker(ctx, worker)
	if err != nil {
		return err
	}
	_, err = s.SetWorkerRules(ctx, Server, worker, WorkerRules{Rules: treeRules(text), Sleep: w.Sleep})
	return err
}

// treeRules reads the rules of a worker: a line each, affinities with commas.
func treeRules(text string) (rules [][]string) {
	for line := range strings.SplitSeq(text, "\n") {
		if rule := sortedSet(splitNames(line)); len(rule) > 0 {
			rules = append(rules, rule)
		}
	}
	return rules
}

func splitNames(line string) (names []string) {
	for name := range strings.SplitSeq(line, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// PollTree gives a worker the job of the tree that is next for it; ok=false: there
// is none, or it is to get none. A poll that finds nothing writes nothing.
func (s *Service) PollTree(ctx context.Context, token WorkerToken, p TreePing) (j TreeJob, ok bool, err error) {
	if err := s.greetTree(ctx, token, p, false); err != nil {
		return j, false, err
	}
	f, takes := &s.fleet, false
	var rules [][]string
	if m := f.treeWorker(p.Worker); m != nil {
		m.busy.Lock() // it gets one job, however often it asks at once
		defer m.busy.Unlock()
		f.mu.Lock()
		takes, rules = f.members[p.Worker] == m && m.takes(s.now()), m.Rules
		f.mu.Unlock()
	}
	if !takes {
		return j, false, s.LeaveTreeJobs(ctx, p.Worker, "its worker began anew")
	}
	names, err := s.affinityNames(ctx)
	if err != nil {
		return j, false, err
	}
	masks := make([]int64, 0, len(rules))
	for _, rule := range rules {
		masks = append(masks, names.offered(rule))
	}
	return s.TakeTreeJob(ctx, p.Worker, masks)
}

// offered is the mask of a worker's rule; names that are none any more offer
// nothing.
func (a *Affinities) offered(rule []string) (mask int64) {
	for _, name := range rule {
		if i, err := a.bit("", name); err == nil && i >= 0 {
			mask |= 1 << i
		}
	}
	return mask
}

// BeatTree takes a heartbeat of a worker that runs a job of the tree: see
// BeatTreeJob.
func (s *Service) BeatTree(ctx context.Context, token WorkerToken, p TreePing, num int64, output []byte) (goesOn bool, err error) {
	if err := s.greetTree(ctx, token, p, true); err != nil {
		return false, err
	}
	return s.BeatTreeJob(ctx, p.Worker, num, output)
}

// EndTree takes the end of a job of the tree: see EndTreeJob.
func (s *Service) EndTree(ctx context.Context, token WorkerToken, p TreePing, num int64, code int) (ended bool, err error) {
	if err := s.greetTree(ctx, token, p, true); err != nil {
		return false, err
	}
	return s.EndTreeJob(ctx, p.Worker, num, code)
}

// TreeWorkerEdit is what changes of a worker that takes jobs of the tree; nil
// fields stay.
type TreeWorkerEdit struct {
	Affinity *string // in which order it takes what demands affinities: a line for each rule, names with commas
	Active   *bool   // false: it ends what it runs and gets nothing new
}

// EditTreeWorkers changes workers that take jobs of the tree, all or none. Of one
// that is not known the affinity is kept for when it comes, and the rest is passed
// over; a worker of another kind is none of these. It needs the role editor, without
// affinities operator. CodeInvalid: there is no such affinity, or no rule like that.
func (s *Service) EditTreeWorkers(ctx context.Context, by Principal, edits map[string]TreeWorkerEdit) error {
	need, rules := Operator, map[string][][]string{}
	var v fields
	for name, e := range edits {
		if e.Affinity == nil {
			continue
		}
		need, rules[name] = Editor, treeRules(*e.Affinity)
		if len(rules[name]) > maxWorkerRules {
			v.add("affinity", "at most %d lines", maxWorkerRules)
		}
		for _, rule := range rules[name] {
			v.checkTags("affinity", rule)
		}
	}
	if err := authorize(by, need, "changing a worker"); err != nil {
		return err
	}
	if err := v.err(); err != nil {
		return err
	}
	if err := s.loadFleet(ctx); err != nil {
		return err
	}
	s.fleet.changing.Lock()
	defer s.fleet.changing.Unlock()
	changed := map[*member]Worker{}
	err := s.inTx(ctx, func(tx Tx, fx *effects) error {
		clear(changed)
		for _, name := range slices.Sorted(maps.Keys(edits)) {
			if err := s.editTreeWorker(ctx, tx, fx, by, name, edits[name], rules[name], changed); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for m, w := range changed {
		s.adopt(m, w)
	}
	return nil
}

func (s *Service) editTreeWorker(ctx context.Context, tx Tx, fx *effects, by Principal, name string, e TreeWorkerEdit, rules [][]string, changed map[*member]Worker) error {
	var w Worker
	m := s.fleet.treeWorker(name)
	if m != nil {
		s.fleet.mu.Lock()
		w = m.Worker
		s.fleet.mu.Unlock()
	}
	if e.Affinity != nil {
		lines := make([]string, len(rules))
		for i, rule := range rules {
			lines[i] = strings.Join(rule, ",")
			if _, err := s.demand(ctx, tx, fx, by, lines[i]); err != nil {
				return err
			}
		}
		before := w.Rules
		w.Rules = rules
		if err := tx.KeepTreeRules(ctx, name, strings.Join(lines, "\n")); err != nil {
			return err
		}
		if err := tx.InsertAudit(ctx, s.audit(by, "worker.rules", name, before, rules)); err != nil {
			return err
		}
	}
	if m == nil {
		return nil
	}
	if e.Active != nil {
		before, action := auditedWorker(w), "worker.resume"
		if w.Mode = WorkerActive; !*e.Active {
			w.Mode, action = WorkerDraining, "worker.drain"
		}
		if err := tx.InsertAudit(ctx, s.audit(by, action, name, before, auditedWorker(w))); err != nil {
			return err
		}
	}
	changed[m] = w
	return tx.PutWorker(ctx, w)
}

// treeWorker returns a worker that takes jobs of the tree; nil: there is none of
// that name.
func (f *fleet) treeWorker(name string) *member {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[name]; m != nil && m.Kind == WorkerCoalition {
		return m
	}
	return nil
}

// StopTreeWorkers lets workers get nothing new, and what they run of the tree waits
// again; those that are not known are passed over. It needs the role operator.
func (s *Service) StopTreeWorkers(ctx context.Context, by Principal, names []string) error {
	if err := s.SwitchTreeWorkers(ctx, by, names, false); err != nil {
		return err
	}
	for _, name := range names {
		m := s.fleet.treeWorker(name)
		if m == nil {
			continue
		}
		m.busy.Lock() // what it is being given, it has
		err := s.LeaveTreeJobs(ctx, name, "worker stopped by "+by.Name)
		m.busy.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// SwitchTreeWorkers lets workers get jobs, or nothing new; those that are not known
// are passed over. It needs the role operator.
func (s *Service) SwitchTreeWorkers(ctx context.Context, by Principal, names []string, active bool) error {
	edits := map[string]TreeWorkerEdit{}
	for _, name := range names {
		edits[name] = TreeWorkerEdit{Active: &active}
	}
	return s.EditTreeWorkers(ctx, by, edits)
}

// ForgetTreeWorkers forgets workers; those that are not known are passed over. It
// needs the role admin.
func (s *Service) ForgetTreeWorkers(ctx context.Context, by Principal, names []string) error {
	if err := authorize(by, Admin, "forgetting a worker"); err != nil {
		return err
	}
	if err := s.loadFleet(ctx); err != nil {
		return err
	}
	for _, name := range names {
		if s.fleet.treeWorker(name) == nil {
			continue
		}
		if err := s.ForgetWorker(ctx, by, name); err != nil && CodeOf(err) != CodeNotFound {
			return err
		}
	}
	return nil
}

// TreeFleet lists the workers that take jobs of the tree, by name.
func (s *Service) TreeFleet(ctx context.Context) ([]Worker, error) {
	all, err := s.Workers(ctx)
	return slices.DeleteFunc(all, func(w Worker) bool { return w.Kind != WorkerCoalition }), err
}

// LookAfterTree runs until ctx ends: it ends what works longer than its timeout.
func (s *Service) LookAfterTree(ctx context.Context) {
	every := time.NewTicker(2 * time.Second)
	defer every.Stop()
	for {
		if err := s.EndOverdueTreeJobs(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("end what works too long", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}
