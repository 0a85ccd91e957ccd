package scheduler

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
)

// WorkerTokenPrefix begins every worker token, so that scanners can find leaked
// ones.
const WorkerTokenPrefix = "bfw_"

// CreateWorkerToken makes a token that lets workers in, and returns its secret,
// which nobody can read again. It needs the role admin.
func (s *Service) CreateWorkerToken(ctx context.Context, by Principal, name string) (WorkerToken, string, error) {
	if err := authorize(by, Admin, "making a worker token"); err != nil {
		return WorkerToken{}, "", err
	}
	name = strings.TrimSpace(name)
	var f fields
	f.name("name", name)
	if err := f.err(); err != nil {
		return WorkerToken{}, "", err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // crypto/rand never fails
	secret := WorkerTokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	t := WorkerToken{ID: s.NewID(), Name: name, Hash: hashToken(secret), MadeBy: by.Name, CreatedAt: s.now()}
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.InsertWorkerToken(ctx, t); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "worker_token.create", name, nil, nil))
	})
	if errors.Is(err, ErrNameTaken) {
		err = &Error{
			Code: CodeConflict, Message: "the name is taken",
			Fields: []FieldError{{"name", "a worker token of this name exists"}},
		}
	}
	if err != nil {
		return WorkerToken{}, "", err
	}
	return t, secret, nil
}

// RevokeWorkerToken makes a token useless at once: the workers that came with it
// are cut off, and what they ran is lost. It needs the role admin.
func (s *Service) RevokeWorkerToken(ctx context.Context, by Principal, id string) error {
	if err := authorize(by, Admin, "revoking a worker token"); err != nil {
		return err
	}
	if err := s.loadFleet(ctx); err != nil {
		return err
	}
	f := &s.fleet
	f.changing.Lock()
	defer f.changing.Unlock()
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.RevokeWorkerToken(ctx, id, s.now()); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "worker_token.revoke", id, nil, nil))
	})
	if err != nil {
		return err
	}
	var cut []*member
	f.mu.Lock()
	clear(f.tokens)
	for _, m := range f.members {
		if m.Token == id && m.Presence == WorkerOnline {
			cut = append(cut, m)
		}
	}
	f.mu.Unlock()
	var all []error
	for _, m := range cut {
		all = append(all, s.cutOff(ctx, m, cutting{
			reason: "lost: the token of worker " + m.Name + " was revoked by " + by.Name,
			after:  func(w *Worker) { w.Presence = WorkerOffline },
		}, ""))
	}
	return errors.Join(all...)
}

// Workers lists the server's own workers and all that ever connected and were not
// forgotten, by name.
func (s *Service) Workers(ctx context.Context) ([]Worker, error) {
	if err := s.loadFleet(ctx); err != nil {
		return nil, err
	}
	list := s.online()
	for i := range list {
		if list[i].Kind == WorkerServer && s.Machine != nil {
			list[i].About = s.Machine()
		}
	}
	s.fleet.mu.Lock()
	for _, m := range s.fleet.members {
		if m.Kind != WorkerServer && (m.Presence != WorkerOnline || m.cut != nil) {
			w := m.Worker
			w.Used = len(m.assigned)
			list = append(list, w)
		}
	}
	s.fleet.mu.Unlock()
	slices.SortFunc(list, func(a, b Worker) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return list, nil
}

// Worker returns one of Workers.
func (s *Service) Worker(ctx context.Context, name string) (Worker, error) {
	all, err := s.Workers(ctx)
	if err != nil {
		return Worker{}, err
	}
	i := slices.IndexFunc(all, func(w Worker) bool { return w.Name == name })
	if i < 0 {
		return Worker{}, Errorf(CodeNotFound, "there is no worker %q", cut(name, 80))
	}
	return all[i], nil
}

// WorkerFailures lists what failed on a worker since it last succeeded there, the
// most often first.
func (s *Service) WorkerFailures(worker string) []WorkerFailures {
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	var list []WorkerFailures
	for _, n := range s.fleet.failures[worker] {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b WorkerFailures) int {
		return cmp.Or(cmp.Compare(b.Failures, a.Failures), cmp.Compare(a.Job, b.Job))
	})
	return list
}

// Withholding reports whether a job that failed too often on a worker is withheld
// from it.
func (s *Service) Withholding() bool {
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	return !s.fleet.lenient
}

// SetWithholding switches that. It needs the role admin.
func (s *Service) SetWithholding(ctx context.Context, by Principal, on bool) error {
	if err := authorize(by, Admin, "changing what is withheld from workers"); err != nil {
		return err
	}
	if err := s.loadFleet(ctx); err != nil {
		return err
	}
	value := ""
	if !on {
		value = "lenient"
	}
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.PutSetting(ctx, settingLenient, value); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "workers.withhold", "workers", nil, map[string]bool{"withhold": on}))
	})
	if err != nil {
		return err
	}
	s.fleet.mu.Lock()
	s.fleet.lenient = !on
	s.fleet.mu.Unlock()
	s.wakeWorkers()
	return nil
}

// SetWorkerMode lets a worker drain, cuts it off, or lets it work again. It needs
// the role operator. CodeConflict: the server's own worker cannot be cut off.
func (s *Service) SetWorkerMode(ctx context.Context, by Principal, name string, mode WorkerMode) (Worker, error) {
	action := map[WorkerMode]string{WorkerActive: "resume", WorkerDraining: "drain", WorkerDisconnected: "disconnect"}[mode]
	if action == "" {
		return Worker{}, Invalid("mode", "must be draining, disconnected or empty")
	}
	return s.changeWorker(ctx, by, Operator, name, action, func(w *Worker) error {
		if w.Kind == WorkerServer && mode == WorkerDisconnected {
			return Errorf(CodeConflict, "%s is the server's own worker and cannot be disconnected; let it drain", w.Name)
		}
		w.Mode = mode
		return nil
	})
}

// WorkerRules are what people decide about what a worker takes, and when.
type WorkerRules struct {
	Rules [][]string
	Sleep Sleep
}

// SetWorkerRules changes them. It needs the role editor.
func (s *Service) SetWorkerRules(ctx context.Context, by Principal, name string, r WorkerRules) (Worker, error) {
	r.Sleep.Text = strings.TrimSpace(strings.ReplaceAll(r.Sleep.Text, "\r\n", "\n"))
	r.Rules = slices.DeleteFunc(slices.Clone(r.Rules), func(rule []string) bool { return len(rule) == 0 })
	for i := range r.Rules {
		r.Rules[i] = sortedSet(r.Rules[i])
	}
	return s.changeWorker(ctx, by, Editor, name, "rules", func(w *Worker) error {
		var f fields
		if len(r.Rules) > maxWorkerRules {
			f.add("rules", "at most %d rules", maxWorkerRules)
		}
		for _, rule := range r.Rules {
			f.checkTags("rules", rule)
			for _, t := range rule {
				if w.Kind != WorkerCoalition && !slices.Contains(w.Tags, t) {
					f.add("rules", "the worker does not have the tag %s", cut(t, 40))
				}
			}
		}
		var wrong *Error
		if errors.As(r.Sleep.Check(), &wrong) {
			f = append(f, wrong.Fields...)
		}
		if err := f.err(); err != nil {
			return err
		}
		w.Rules, w.Sleep = r.Rules, r.Sleep
		return nil
	})
}

// changeWorker stores what people decide about a worker, and tells it.
func (s *Service) changeWorker(ctx context.Context, by Principal, need Role, name, action string, change func(*Worker) error) (Worker, error) {
	if err := authorize(by, need, "changing a worker"); err != nil {
		return Worker{}, err
	}
	w, err := s.Worker(ctx, name)
	if err != nil {
		return Worker{}, err
	}
	f := &s.fleet
	f.changing.Lock()
	defer f.changing.Unlock()
	f.mu.Lock()
	m := f.members[name]
	if m == nil { // the server's own
		m = newMember(w)
	}
	w = m.Worker
	w.Tags = slices.Clone(w.Tags)
	f.mu.Unlock()
	before := auditedWorker(w)
	if err := change(&w); err != nil {
		return Worker{}, err
	}
	entry := s.audit(by, "worker."+action, name, before, auditedWorker(w))
	if w.Mode == WorkerDisconnected && m.Mode != WorkerDisconnected {
		if err := s.Store.InTx(ctx, func(tx Tx) error { return tx.InsertAudit(ctx, entry) }); err != nil {
			return Worker{}, err
		}
		err := s.cutOff(ctx, m, cutting{reason: "lost: worker " + name + " was disconnected by " + by.Name, after: func(w *Worker) {
			w.Mode = WorkerDisconnected
			if w.Presence == WorkerOnline {
				w.Presence = WorkerOffline
			}
		}}, "")
		if err != nil {
			return Worker{}, err
		}
		return s.Worker(ctx, name)
	}
	err = s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.PutWorker(ctx, w); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, entry)
	})
	if err != nil {
		return Worker{}, err
	}
	s.adopt(m, w)
	return s.Worker(ctx, name)
}

// adopt makes true of a worker what people decided about it and is stored. The
// caller holds changing.
func (s *Service) adopt(m *member, w Worker) {
	f := &s.fleet
	f.mu.Lock()
	m.Mode, m.Rules, m.Sleep, m.empty = w.Mode, w.Rules, w.Sleep, 0
	f.members[w.Name] = m
	signal(m.orders)
	f.mu.Unlock()
	s.workerChanged(w.Name)
	s.wakeWorkers()
}

func auditedWorker(w Worker) any {
	return map[string]any{"mode": string(w.Mode), "rules": w.Rules, "sleep": w.Sleep}
}

// ForgetWorker removes a worker that is not online, with what failed on it; one
// that takes jobs of the tree also when it is: it is new when it is next heard of,
// and what it runs goes on unless it is silent for as long as a worker may be. It
// needs the role admin.
func (s *Service) ForgetWorker(ctx context.Context, by Principal, name string) error {
	if err := authorize(by, Admin, "forgetting a worker"); err != nil {
		return err
	}
	w, err := s.Worker(ctx, name)
	if err != nil {
		return err
	}
	f := &s.fleet
	f.changing.Lock()
	defer f.changing.Unlock()
	f.mu.Lock()
	m := f.members[name]
	online := w.Kind == WorkerServer || m == nil || m.cut != nil || (m.Presence == WorkerOnline && m.Kind != WorkerCoalition)
	f.mu.Unlock()
	if online {
		return Errorf(CodeConflict, "the worker is online; let it drain and end it, or disconnect it first")
	}
	err = s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.DeleteWorker(ctx, name); err != nil {
			return err
		}
		if err := tx.ForgetTreeWorker(ctx, name); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "worker.forget", name, nil, nil))
	})
	if err != nil {
		return err
	}
	f.mu.Lock()
	if m.Kind == WorkerCoalition {
		f.strays[name] = m.Worker
	}
	delete(f.members, name)
	delete(f.failures, name)
	f.mu.Unlock()
	s.workerChanged(name)
	return nil
}

// ClearFailures lets a worker have a job again that failed too often on it; all
// jobs when job is "". It needs the role operator.
func (s *Service) ClearFailures(ctx context.Context, by Principal, worker, job string) error {
	if err := authorize(by, Operator, "clearing failures on a worker"); err != nil {
		return err
	}
	if _, err := s.Worker(ctx, worker); err != nil {
		return err
	}
	id := ""
	if job != "" {
		for _, n := range s.WorkerFailures(worker) {
			if n.Job == job {
				id = n.JobID
			}
		}
		if id == "" {
			return Errorf(CodeNotFound, "job %s has not failed on worker %s", cut(job, 80), worker)
		}
	}
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.ClearFailures(ctx, worker, id); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "worker.clear", worker, nil, map[string]string{"job": job}))
	})
	if err != nil {
		return err
	}
	f := &s.fleet
	f.mu.Lock()
	if id == "" {
		delete(f.failures, worker)
	} else {
		delete(f.failures[worker], id)
	}
	f.mu.Unlock()
	s.workerChanged(worker)
	s.wakeWorkers()
	return nil
}
