package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"belfry/handlers"
	"belfry/handlers/ofelia"
	"belfry/scheduler"
	"belfry/scheduler/executor/docker"
	"belfry/scheduler/jobfile"
)

// configuration is what files and labels say: jobs that are defined there, and
// values for all jobs. Reading it again changes everything or nothing.
type configuration struct {
	files   []string // names and patterns
	service *scheduler.Service
	store   scheduler.Store
	log     *slog.Logger
	apply   func(jobfile.Global) // what is in force from now on

	mu         sync.Mutex // held while it changes
	containers []jobfile.Container
	discovered bool // containers were listed at least once
	now        atomic.Pointer[inForce]
}

// inForce is a configuration as it was read.
type inForce struct {
	set     jobfile.Set
	changed map[string]json.RawMessage // through the API
	global  jobfile.Global             // of both
	loaded  time.Time
	jobs    int
	labels  jobfile.Problems // of containers, whose other jobs are in force
	refused error            // why the last reading changed nothing
}

func newConfiguration(files []string, service *scheduler.Service, store scheduler.Store, log *slog.Logger) *configuration {
	c := &configuration{files: files, service: service, store: store, log: log, apply: func(jobfile.Global) {}}
	c.now.Store(&inForce{global: jobfile.DefaultGlobal()})
	return c
}

// Global implements ofelia.Configuration.
func (c *configuration) Global() map[string]any {
	g := c.now.Load().global
	return g.JSON()
}

// Defaults implements ofelia.Configuration.
func (c *configuration) Defaults() jobfile.Global { return c.now.Load().global }

// cors is what [cors] says.
func (c *configuration) cors() ofelia.CORS {
	o := c.now.Load().set.CORS
	return ofelia.CORS{
		Origins: o.AllowedOrigins, Methods: o.AllowedMethods, Headers: o.AllowedHeaders,
		Credentials: o.AllowCredentials, MaxAge: int(o.MaxAge.Seconds()),
	}
}

// ChangeGlobal implements ofelia.Configuration. What is changed here comes before
// what files say.
func (c *configuration) ChangeGlobal(ctx context.Context, by scheduler.Principal, keys map[string]json.RawMessage) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.now.Load()
	next := *was
	if err := next.global.Merge(keys); err != nil {
		return err
	}
	// What comes as it was shown, a masked secret among it, is no change.
	names := slices.Collect(maps.Keys(keys))
	before := was.global.Values(names)
	next.changed = maps.Clone(was.changed)
	if next.changed == nil {
		next.changed = map[string]json.RawMessage{}
	}
	for key, v := range next.global.Values(names) {
		if string(v) != string(before[key]) {
			next.changed[key] = v
		}
	}
	if err := checkGlobal(next.global); err != nil {
		return next.global.InKeys(err)
	}
	kept, err := json.Marshal(next.changed)
	if err != nil {
		return err
	}
	if err := c.service.SaveSetting(ctx, by, settingGlobal, string(kept), was.global.JSON(), next.global.JSON()); err != nil {
		return err
	}
	if err := c.service.SetDefaults(scheduler.Defaults{Notify: next.global.Notify()}); err != nil {
		return err
	}
	c.now.Store(&next)
	c.apply(next.global)
	return nil
}

// Reload implements ofelia.Configuration.
func (c *configuration) Reload(ctx context.Context, by scheduler.Principal) (scheduler.Applied, error) {
	if err := c.service.MayReload(by); err != nil {
		return scheduler.Applied{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	done, err := c.reload(ctx, by)
	if err != nil {
		failed := *c.now.Load()
		failed.refused = err
		c.now.Store(&failed)
	}
	return done, err
}

func (c *configuration) reload(ctx context.Context, by scheduler.Principal) (done scheduler.Applied, err error) {
	next := &inForce{loaded: time.Now()}
	set := &jobfile.Set{Global: jobfile.DefaultGlobal()}
	if next.changed, err = changedGlobal(ctx, c.store, c.log); err != nil {
		return done, err
	}
	if len(c.files) > 0 {
		if set, err = jobfile.Load(c.files, os.LookupEnv, next.changed); err != nil {
			return done, invalidFiles(err)
		}
	}
	classes, problems := checkClasses(set.Classes, c.service.CheckClass)
	if err := checkGlobal(set.Global); err != nil {
		problems = append(problems, set.Problems(err)...)
	}
	if len(problems) > 0 {
		return done, invalidFiles(problems)
	}
	next.set, next.global = *set, set.Global
	if err := next.global.Merge(next.changed); err != nil {
		return done, err
	}
	// Nothing may be left to refuse once the jobs are stored.
	if err := checkGlobal(next.global); err != nil {
		return done, next.global.InKeys(err)
	}
	var all []scheduler.Declaration
	if len(c.files) > 0 { // without any, jobs of earlier files stay as they are
		all = append(all, scheduler.Declaration{Origin: scheduler.OriginFile, Jobs: declared(set.Jobs)})
	}
	if done, err = c.declare(ctx, by, next, all); err != nil {
		return done, err
	}
	if err := c.service.SetDefaults(scheduler.Defaults{Notify: next.global.Notify()}); err != nil {
		return done, err
	}
	if len(c.files) > 0 {
		c.service.DeclareClasses(classes)
	}
	c.now.Store(next)
	c.apply(next.global)
	return done, nil
}

// checkClasses are the job classes of files, or what is wrong with them.
func checkClasses(list []jobfile.Class, check func(scheduler.JobClass) error) (all []scheduler.JobClass, problems jobfile.Problems) {
	for _, c := range list {
		if err := check(c.JobClass); err != nil {
			problems = append(problems, c.Problems(err)...)
		}
		all = append(all, c.JobClass)
	}
	return all, problems
}

// declare stores the jobs of files and labels. A file is right as a whole; of
// containers, which many people label, those are taken that are right.
func (c *configuration) declare(ctx context.Context, by scheduler.Principal, next *inForce, all []scheduler.Declaration) (scheduler.Applied, error) {
	var labels []jobfile.Job
	if c.discovered {
		labels, next.labels = jobfile.Labels(c.containers, &next.global)
	}
	for {
		with := all
		if c.discovered {
			with = append(with[:len(with):len(with)], scheduler.Declaration{Origin: scheduler.OriginLabel, Jobs: declared(labels)})
		}
		done, err := c.service.Declare(ctx, by, with...)
		var refused scheduler.Refused
		if !errors.As(err, &refused) {
			next.jobs = len(next.set.Jobs) + len(labels)
			return done, err
		}
		files, fewer := next.refuse(refused, labels)
		if len(files) > 0 {
			return done, invalidFiles(files)
		}
		if len(fewer) == len(labels) {
			return done, err
		}
		labels = fewer
	}
}

// refuse sorts what the domain refuses: problems of files, and labels without those
// that it refuses.
func (f *inForce) refuse(refused scheduler.Refused, labels []jobfile.Job) (files jobfile.Problems, fewer []jobfile.Job) {
	wrong := map[string]bool{}
	for _, r := range refused {
		problem := &scheduler.Error{Code: scheduler.CodeInvalid, Fields: []scheduler.FieldError{r.FieldError}}
		found := false
		for _, j := range f.set.Jobs {
			if j.Name == r.Job && j.Source == r.Source {
				files, found = append(files, j.Problems(problem)...), true
			}
		}
		for _, j := range labels {
			if j.Name == r.Job && j.Source == r.Source && !found && !wrong[j.Name] {
				f.labels = append(f.labels, j.Problems(problem)...)
				wrong[j.Name] = true
			}
		}
	}
	for _, j := range labels {
		if !wrong[j.Name] {
			fewer = append(fewer, j)
		}
	}
	return files, fewer
}

func declared(jobs []jobfile.Job) []scheduler.Declared {
	list := make([]scheduler.Declared, len(jobs))
	for i, j := range jobs {
		list[i] = scheduler.Declared{Draft: j.Draft, Source: j.Source}
	}
	return list
}

// invalidFiles says what is wrong with files as the domain says what is wrong: by
// file and line.
func invalidFiles(err error) error {
	var problems jobfile.Problems
	if !errors.As(err, &problems) {
		return err
	}
	e := &scheduler.Error{Code: scheduler.CodeInvalid, Message: "the configuration is not valid, and nothing was changed", Err: problems}
	for _, p := range problems {
		e.Fields = append(e.Fields, scheduler.FieldError{Field: place(p), Message: strings.TrimPrefix(p.Key+": "+p.Message, ": ")})
	}
	return e
}

func place(p jobfile.Problem) string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// labelled takes the containers that an engine has now.
func (c *configuration) labelled(ctx context.Context, containers []docker.Container) {
	list := make([]jobfile.Container, len(containers))
	for i, one := range containers {
		list[i] = jobfile.Container{Name: one.Name, Labels: one.Labels, Stopped: !one.Running}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		return // another search has begun
	}
	c.containers, c.discovered = list, true
	next := *c.now.Load()
	next.labels = nil
	done, err := c.declare(ctx, scheduler.Server, &next, nil)
	if err != nil {
		if ctx.Err() == nil {
			c.log.Error("take the jobs of containers", "error", err)
		}
		return
	}
	if done != (scheduler.Applied{}) {
		c.log.Info("the jobs of containers changed", "added", done.Added, "updated", done.Updated, "removed", done.Removed)
	}
	if fmt.Sprint(next.labels) != fmt.Sprint(c.now.Load().labels) {
		for _, p := range next.labels {
			c.log.Warn("a label is not valid", "problem", p.String())
		}
	}
	c.now.Store(&next)
}

// State is what the page of the configuration shows.
func (c *configuration) State() handlers.ConfigurationState {
	now := c.now.Load()
	s := handlers.ConfigurationState{
		Names: c.files, Files: now.set.Files, Loaded: now.loaded, Jobs: now.jobs, Global: now.global.JSON(),
	}
	if now.refused != nil {
		s.Refused = strings.Split(explain(now.refused).Error(), "; ")
	}
	for _, p := range now.labels {
		s.Labels = append(s.Labels, p.String())
	}
	return s
}

// watch reads the configuration again on SIGHUP, and when one of its files, or
// which files there are, has changed.
func (c *configuration) watch(ctx context.Context, hup <-chan os.Signal) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	seen := jobfile.Fingerprint(c.files)
	for {
		why := "SIGHUP"
		select {
		case <-ctx.Done():
			return
		case <-hup:
		case <-every.C:
			now := jobfile.Fingerprint(c.files)
			if now == seen {
				continue
			}
			seen, why = now, "a file changed"
		}
		done, err := c.Reload(ctx, scheduler.Server)
		if err != nil {
			c.log.Error("read the configuration again", "why", why, "error", explain(err))
			continue
		}
		c.log.Info("the configuration was read again", "why", why, "added", done.Added, "updated", done.Updated, "removed", done.Removed)
	}
}
