package scheduler

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
)

// settingClasses is where the classes are that were made on the page.
const settingClasses = "job_classes"

// catalogue is every job class there is. What files declare comes before what was
// made on the page, and both before what is built in.
type catalogue struct {
	mu       sync.Mutex
	made     map[string]JobClass
	declared map[string]JobClass
}

// LoadClasses reads the classes that were made on the page.
func (s *Service) LoadClasses(ctx context.Context) error {
	text, err := s.Store.Setting(ctx, settingClasses)
	if err != nil {
		return err
	}
	made := map[string]JobClass{}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &made); err != nil {
			return err
		}
	}
	s.classes.mu.Lock()
	defer s.classes.mu.Unlock()
	s.classes.made = made
	return nil
}

// CheckClasses says what is wrong with classes, by the first one that is not valid.
func (s *Service) CheckClasses(list []JobClass) error {
	for _, c := range list {
		if err := c.check(s.Executors); err != nil {
			return err
		}
	}
	return nil
}

// DeclareClasses makes list the classes that files declare.
func (s *Service) DeclareClasses(list []JobClass) {
	declared := map[string]JobClass{}
	for _, c := range list {
		declared[c.Name] = c
	}
	s.classes.mu.Lock()
	defer s.classes.mu.Unlock()
	s.classes.declared = declared
}

// Classes lists the catalogue by name.
func (s *Service) Classes() []JobClass {
	all := map[string]JobClass{}
	for _, c := range builtInClasses() {
		all[c.Name] = c
	}
	s.classes.mu.Lock()
	maps.Copy(all, s.classes.made)
	maps.Copy(all, s.classes.declared)
	s.classes.mu.Unlock()
	list := slices.Collect(maps.Values(all))
	slices.SortFunc(list, func(a, b JobClass) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Class finds the entry for a name: its own, or that of the longest name with .*
// above it. known are the names there are.
func (s *Service) Class(name string) (found JobClass, known []string, ok bool) {
	for _, c := range s.Classes() {
		above, all := strings.CutSuffix(c.Name, "*")
		if c.Name == name || all && strings.HasPrefix(name, above) && !(ok && (found.Name == name || len(found.Name) > len(c.Name))) {
			found, ok = c, true
		}
		known = append(known, c.Name)
	}
	return found, known, ok
}

// SaveClass stores a class of the catalogue, new or in the place of the one of its
// name. It needs the role admin: a template may use the server's environment.
// CodeConflict: a file declares it.
func (s *Service) SaveClass(ctx context.Context, by Principal, c JobClass) error {
	if err := authorize(by, Admin, "changing job classes"); err != nil {
		return err
	}
	c.Name, c.Source = strings.TrimSpace(c.Name), ""
	if err := c.check(s.Executors); err != nil {
		return err
	}
	return s.changeClasses(ctx, by, c.Name, &c)
}

// DeleteClass deletes a class that was made on the page; jobs that name it fail
// from then on, or run what is built in. It needs the role admin.
func (s *Service) DeleteClass(ctx context.Context, by Principal, name string) error {
	if err := authorize(by, Admin, "changing job classes"); err != nil {
		return err
	}
	return s.changeClasses(ctx, by, name, nil)
}

// changeClasses stores a class, or deletes it. The lock is held over the
// transaction, so that two changes do not lose one.
func (s *Service) changeClasses(ctx context.Context, by Principal, name string, to *JobClass) error {
	s.classes.mu.Lock()
	defer s.classes.mu.Unlock()
	if d, declared := s.classes.declared[name]; declared {
		return Errorf(CodeConflict, "the job class %s is declared in %s; it is changed there", name, d.Source)
	}
	before, exists := s.classes.made[name]
	made := maps.Clone(s.classes.made)
	if made == nil {
		made = map[string]JobClass{}
	}
	action, old, now := "class.update", any(before), any(to)
	switch {
	case to == nil && !exists:
		return Errorf(CodeNotFound, "there is no job class %s that was made here", cut(name, 80))
	case to == nil:
		action, now = "class.delete", nil
		delete(made, name)
	case !exists:
		action, old = "class.create", nil
		if len(made) >= maxClasses {
			return Errorf(CodeConflict, "at most %d job classes", maxClasses)
		}
	}
	if to != nil {
		made[name] = *to
	}
	text, err := json.Marshal(made)
	if err != nil {
		return err
	}
	err = s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.PutSetting(ctx, settingClasses, string(text)); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, action, name, old, now))
	})
	if err == nil {
		s.classes.made = made
	}
	return err
}
