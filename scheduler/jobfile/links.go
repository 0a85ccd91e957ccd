package jobfile

import (
	"fmt"
	"slices"
	"strings"

	"belfry/scheduler"
)

// jobNames are the names in links that count for a condition, "" for any.
func jobNames(links []scheduler.Dependency, on scheduler.Condition) []string {
	names := []string{}
	for _, l := range links {
		if on == "" || l.On == on || l.On == scheduler.OnAny {
			names = append(names, l.Job)
		}
	}
	return names
}

// checkNames refuses what is no list of different jobs.
func checkNames(names []string) error {
	seen := map[string]bool{}
	for _, n := range names {
		switch {
		case strings.TrimSpace(n) == "":
			return fmt.Errorf("the name of a job is required")
		case seen[n]:
			return fmt.Errorf("names %q twice", cut(n))
		}
		seen[n] = true
	}
	return nil
}

// setDependsOn makes names what the job depends on. A job that it depended on
// before keeps its condition.
func setDependsOn(d *draft, names []string) error {
	if err := checkNames(names); err != nil {
		return err
	}
	var links []scheduler.Dependency
	for _, n := range names {
		i := slices.IndexFunc(d.DependsOn, func(l scheduler.Dependency) bool { return l.Job == n })
		if i >= 0 {
			links = append(links, d.DependsOn[i])
		} else {
			links = append(links, scheduler.Dependency{Job: n, On: scheduler.OnSuccess})
		}
	}
	d.DependsOn = links
	return nil
}

func trigger(key string, on scheduler.Condition) field[*draft] {
	return field[*draft]{
		key: key, kind: list, domain: []string{"triggers"},
		get: func(d *draft) any { return jobNames(d.Triggers, on) },
		set: func(d *draft, v any) error { return setTriggers(d, on, v.([]string)) },
	}
}

// setTriggers makes names the jobs that outcomes of one kind start. A job that
// any outcome starts counts for both kinds, and keeps the other one.
func setTriggers(d *draft, on scheduler.Condition, names []string) error {
	if err := checkNames(names); err != nil {
		return err
	}
	other := scheduler.OnSuccess
	if on == other {
		other = scheduler.OnFailure
	}
	var links []scheduler.Dependency
	kept := map[string]bool{}
	for _, l := range d.Triggers {
		stays := slices.Contains(names, l.Job)
		switch {
		case l.On == scheduler.OnAny && !stays:
			l.On = other
		case l.On == on && !stays:
			continue
		}
		kept[l.Job] = kept[l.Job] || l.On != other
		links = append(links, l)
	}
	for _, n := range names {
		if !kept[n] {
			links = append(links, scheduler.Dependency{Job: n, On: on})
		}
	}
	d.Triggers = links
	return nil
}
