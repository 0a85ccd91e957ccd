package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"

	"belfry/scheduler"
	"belfry/scheduler/executor/class"
	"belfry/scheduler/executor/docker"
	"belfry/scheduler/executor/shell"
	"belfry/scheduler/executor/web"
	"belfry/scheduler/jobfile"
	"belfry/scheduler/notify"
)

// validateCmd are the flags of `belfry validate`.
type validateCmd struct {
	Config []string `help:"Files with jobs and settings in Ofelia's INI format, or patterns for such; repeatable." placeholder:"FILE" required:""`
}

// Run says everything that is wrong with the files, one problem a line, and exits
// with 1; or how many jobs they define. Whether jobs that these depend on are made
// elsewhere is known to a server only: those are named as a warning.
func (c *validateCmd) Run(con *console) error {
	set, err := jobfile.Load(c.Config, os.LookupEnv, nil)
	if err != nil {
		return wrongFiles(con, err)
	}
	if none := jobfile.Unmatched(c.Config); len(none) > 0 { // fine for a server, whose files may come later
		return wrongFiles(con, none)
	}
	executors, err := checkers()
	if err != nil {
		return err
	}
	check := func(c scheduler.JobClass) error { return scheduler.CheckClass(c, executors) }
	_, problems := checkClasses(set.Classes, check)
	if err := checkGlobal(set.Global); err != nil {
		problems = append(problems, set.Problems(err)...)
	}
	if len(problems) > 0 {
		return wrongFiles(con, problems)
	}
	d := scheduler.Declaration{Origin: scheduler.OriginFile, Jobs: declared(set.Jobs)}
	elsewhere, err := scheduler.CheckDeclaration(d, executors, notify.Senders())
	var refused scheduler.Refused
	if errors.As(err, &refused) {
		files, _ := (&inForce{set: *set}).refuse(refused, nil)
		return wrongFiles(con, files)
	}
	if err != nil {
		return err
	}
	for _, name := range elsewhere {
		fmt.Fprintf(con.stderr, "belfry: warning: the job %q is not defined in these files\n", name)
	}
	fmt.Fprintf(con.stdout, "%d files, %d jobs: valid\n", len(set.Files), len(set.Jobs))
	return nil
}

func wrongFiles(con *console, err error) error {
	fmt.Fprintln(con.stderr, err)
	return exitError(1)
}

// checkers are the executors, as far as checking a configuration goes.
func checkers() (map[string]scheduler.Executor, error) {
	log := slog.New(slog.DiscardHandler)
	sh, err := shell.New(log)
	if err != nil {
		return nil, err
	}
	engine := docker.New(docker.Options{Disabled: true})
	all := map[string]scheduler.Executor{
		"shell": sh, "http": web.New(log),
		"docker-exec": engine.Exec(), "docker-run": engine.RunContainer(), "docker-service": engine.Service(),
	}
	all[scheduler.ClassExecutor] = &class.Executor{Executors: maps.Clone(all)}
	return all, nil
}
