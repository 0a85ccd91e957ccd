package jobfile

import (
	"errors"
	"fmt"
	"strings"

	"belfry/scheduler"
)

// Job is a job that a file or a label defines.
type Job struct {
	scheduler.Draft
	Source string // "path:line", or "container NAME"

	file  string
	line  int
	where map[string]entry // what was set, by the key of its field
}

// readJob makes the job of a section.
func readJob(s *section, g *Global, problems *Problems) Job {
	t := Type(s.kind)
	j := Job{Draft: New(t, g), Source: s.file, file: s.file, line: s.line}
	if s.line > 0 {
		j.Source = fmt.Sprintf("%s:%d", s.file, s.line)
	}
	j.Name = s.name
	d := open(&j.Draft)
	j.where = assign(t.fields(), d, s, problems)
	d.leaveToContainer(t, func(key string) bool { _, ok := j.where[key]; return ok })
	d.close()
	if _, ok := j.where["schedule"]; !ok {
		problems.add(s.file, s.line, "schedule", "is required for %s %q; @triggered is for jobs that only others or people start", s.title(), s.name)
	}
	if _, ok := j.where["retry-max-delay-ms"]; !ok {
		j.Retry.MaxDelay = max(j.Retry.MaxDelay, j.Retry.Delay)
	}
	return j
}

// Where says which file, line and key (as it was written) decided a field that
// the domain names in an error. What the job does not say is at its section's
// line, with the key that would say it, or "" when there is none.
func (j Job) Where(field string) (file string, line int, key string) {
	rows := allByDomain(j.Draft, field)
	for _, f := range rows { // several keys may make one field: the one that is there
		if e, ok := j.where[f.key]; ok {
			return j.file, e.line, e.shown
		}
	}
	if len(rows) == 0 {
		return j.file, j.line, ""
	}
	return j.file, j.line, rows[0].key
}

// Problems says where in the file what is that the domain refuses about j.
func (j Job) Problems(err error) Problems {
	var e *scheduler.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return Problems{{File: j.file, Line: j.line, Message: fmt.Sprintf("the job %q: %s", j.Name, err)}}
	}
	all := make(Problems, len(e.Fields))
	for i, f := range e.Fields {
		file, line, key := j.Where(f.Field)
		all[i] = Problem{file, line, key, withoutArgv(f.Message)}
		if key == "" {
			all[i].Message = fmt.Sprintf("the job %q: %s %s", j.Name, f.Field, f.Message)
		}
	}
	return all
}

// withoutArgv is a message of an executor that names a member of its configuration for
// which the dialect has no key.
func withoutArgv(message string) string { return strings.TrimSuffix(message, " (or argv)") }

// Where is Job.Where of the job with the name; all is empty when there is none.
func (s *Set) Where(job, field string) (file string, line int, key string) {
	for _, j := range s.Jobs {
		if j.Name == job {
			return j.Where(field)
		}
	}
	return "", 0, ""
}
