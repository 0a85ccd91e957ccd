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

// CheckClass says what is wrong with a class.
func (s *Service) CheckClass(c JobClass) error { return CheckClass(c, s.Executors) }

// CheckClass says what is wrong with a class that executors are to run.
func CheckClass(c JobClass, executors map[string]Executor) error { return c.check(executors) }

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

// knownClass refuses a class that is not in the catalogue, unless the job names it
// already: before is that job, nil for a new one.
func (s *Service) knownClass(d, before *Draft) error {
	name := d.ClassOf()
	if name == "" || before != nil && before.ClassOf() == name {
		return nil
	}
	if _, known, ok := s.Class(name); !ok {
		return Invalid("config.class", "there is no job class %q; known are %s", cut(name, 80), strings.Join(known, ", "))
	}
	return nil
}

// auditClass is a class as an audit row shows it: jobs' configurations can have
// secrets, and so can templates.
func auditClass(c JobClass) map[string]any {
	return map[string]any{
		"name": c.Name, "notes": c.Notes, "executor": c.Executor, "arguments": c.Arguments, "template": maskConfig(c.Template), "example": c.Example,
	}
}

// CreateClass stores a new class of the catalogue. It needs the role admin: a
// template may use the server's environment. A built-in class of its name gives way.
// CodeConflict: there is one of that name.
func (s *Service) CreateClass(ctx context.Context, by Principal, c JobClass) error {
	return s.saveClass(ctx, by, "class.create", c)
}

// UpdateClass changes a class that was made by CreateClass, by its name. It needs
// the role admin.
func (s *Service) UpdateClass(ctx context.Context, by Principal, c JobClass) error {
	return s.saveClass(ctx, by, "class.update", c)
}

func (s *Service) saveClass(ctx context.Context, by Principal, action string, c JobClass) error {
	if err := authorize(by, Admin, "changing job classes"); err != nil {
		return err
	}
	c.Name, c.Source = strings.TrimSpace(c.Name), ""
	if err := c.check(s.Executors); err != nil {
		return err
	}
	return s.changeClasses(ctx, by, action, c.Name, &c)
}

// DeleteClass deletes a class that was made on the page; jobs that name it fail
// from then on, or run what is built in. It needs the role admin.
func (s *Service) DeleteClass(ctx context.Context, by Principal, name string) error {
	if err := authorize(by, Admin, "changing job classes"); err != nil {
		return err
	}
	return s.changeClasses(ctx, by, "class.delete", name, nil)
}

// changeClasses stores a class, or deletes it. The lock is held over the
// transaction, so that two changes do not lose one.
func (s *Service) changeClasses(ctx context.Context, by Principal, action, name string, to *JobClass) error {
	s.classes.mu.Lock()
	defer s.classes.mu.Unlock()
	if d, declared := s.classes.declared[name]; declared {
		return Errorf(CodeConflict, "the job class %s is declared in %s; it is changed there", name, d.Source)
	}
	stored, exists := s.classes.made[name]
	made := maps.Clone(s.classes.made)
	if made == nil {
		made = map[string]JobClass{}
	}
	var before, after any
	switch {
	case action == "class.create" && exists:
		return Errorf(CodeConflict, "there is a job class %s already", cut(name, 80))
	case action == "class.create" && len(made) >= maxClasses:
		return Errorf(CodeConflict, "at most %d job classes", maxClasses)
	case action != "class.create" && !exists:
		return Errorf(CodeNotFound, "there is no job class %s that was made here", cut(name, 80))
	case exists:
		before = auditClass(stored)
	}
	delete(made, name)
	if to != nil {
		made[name], after = *to, auditClass(*to)
	}
	text, err := json.Marshal(made)
	if err != nil {
		return err
	}
	err = s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.PutSetting(ctx, settingClasses, string(text)); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, action, name, before, after))
	})
	if err == nil {
		s.classes.made = made
	}
	return err
}
