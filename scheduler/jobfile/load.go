package jobfile

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"belfry/scheduler"
)

// Set is what configuration files say, together.
type Set struct {
	Files   []string // that were read, in order
	Global  Global
	CORS    CORS
	Jobs    []Job // as they stand in the files
	Classes []Class

	where once // the keys of [global] and [docker]
}

// Load reads files. A name with *, ? or [ is a pattern; one that matches nothing
// is fine, while any other name has to exist. Matches are read in the order of
// their names, and no file twice. The files are one configuration: a job, or a key
// of [global], that two of them have is refused. lookup answers ${VAR}. changed are
// values of [global] by their JSON keys that come before the files' where jobs take
// defaults from it; Set.Global is the files' alone. An error is Problems, all there
// are, and nothing of the files is to be used then.
func Load(files []string, lookup Lookup, changed map[string]json.RawMessage) (*Set, error) {
	var problems Problems
	l := loader{problems: &problems}
	for _, name := range expand(files, &problems) {
		text, err := os.ReadFile(name)
		if err != nil {
			problems.add(name, 0, "", "cannot be read: %s", reason(err))
			continue
		}
		l.read(name, string(text), lookup)
	}
	set := l.finish(changed)
	if err := problems.err(set.Files); err != nil {
		return nil, err
	}
	return set, nil
}

// Parse is Load for the text of a single file; file is its name in problems.
func Parse(file, text string, lookup Lookup) (*Set, error) {
	var problems Problems
	l := loader{problems: &problems}
	l.read(file, text, lookup)
	set := l.finish(nil)
	if err := problems.err(set.Files); err != nil {
		return nil, err
	}
	return set, nil
}

// expand replaces patterns by the files that match.
func expand(names []string, problems *Problems) (all []string) {
	for _, name := range names {
		found := []string{name}
		if strings.ContainsAny(name, "*?[") {
			var err error
			if found, err = filepath.Glob(name); err != nil {
				problems.add(name, 0, "", "is not a pattern for files")
			}
		}
		for _, f := range found {
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	return all
}

// Unmatched says which patterns match no file.
func Unmatched(names []string) (problems Problems) {
	for _, name := range names {
		if len(expand([]string{name}, &problems)) == 0 {
			problems.add(name, 0, "", "matches no file")
		}
	}
	return problems
}

// reason is why a file cannot be read, without its name.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return err.Error()
}

// loader collects sections until all are known: jobs take defaults from [global],
// wherever that stands.
type loader struct {
	files    []string
	sections []section
	problems *Problems
}

func (l *loader) read(file, text string, lookup Lookup) {
	l.files = append(l.files, file)
	all := parse(file, text, lookup, l.problems)
	seen := map[string]int{}
	for _, s := range all {
		if s.kind == kindGlobal || s.kind == kindDocker || s.kind == kindCORS {
			if line, again := seen[s.kind]; again {
				l.problems.add(file, s.line, "", "[%s] stands twice in this file, first on line %d", s.kind, line)
				continue
			}
			seen[s.kind] = s.line
		}
		l.sections = append(l.sections, s)
	}
}

func (l *loader) finish(changed map[string]json.RawMessage) *Set {
	set := &Set{Files: l.files, Global: DefaultGlobal(), where: once{}}
	cors := once{}
	for i := range l.sections {
		s := &l.sections[i]
		switch s.kind {
		case kindGlobal:
			set.where.note(assign(globalFields, &set.Global, s, l.problems), s, l.problems)
		case kindDocker:
			set.where.note(assign(inDocker(), &set.Global, s, l.problems), s, l.problems)
		case kindCORS:
			cors.note(assign(corsFields, &set.CORS, s, l.problems), s, l.problems)
		}
	}
	l.finishClasses(set)
	defaults := set.Global
	if err := defaults.Merge(changed); err != nil {
		*l.problems = append(*l.problems, Problem{Message: err.Error()})
	}
	first := map[string]string{}
	for i := range l.sections {
		s := &l.sections[i]
		if !slices.Contains(Types, Type(s.kind)) {
			continue
		}
		j := readJob(s, &defaults, l.problems)
		if place, again := first[j.Name]; again {
			l.problems.add(s.file, s.line, "", "the job %q is defined twice, first at %s", j.Name, place)
			continue
		}
		first[j.Name] = j.Source
		set.Jobs = append(set.Jobs, j)
	}
	return set
}

func (l *loader) finishClasses(set *Set) {
	first := map[string]string{}
	for i := range l.sections {
		s := &l.sections[i]
		if s.kind != kindClass {
			continue
		}
		c := readClass(s, l.problems)
		if place, again := first[c.Name]; again {
			l.problems.add(s.file, s.line, "", "the job class %q is declared twice, first at %s", c.Name, place)
			continue
		}
		first[c.Name] = c.Source
		set.Classes = append(set.Classes, c)
	}
}

// Problems says where in the files what is that the domain refuses about s.Global.
func (s *Set) Problems(err error) Problems {
	var e *scheduler.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return Problems{{Message: "[global]: " + err.Error()}}
	}
	var all Problems
	for _, wrong := range e.Fields {
		if f := s.Global.byDomain(wrong.Field); f != nil {
			at := s.where[f.key]
			all.add(at.file, at.line, cmp.Or(at.shown, f.key), "%s", wrong.Message)
		} else {
			all.add("", 0, "", "[global]: %s %s", wrong.Field, wrong.Message)
		}
	}
	_ = all.err(s.Files) // which puts them in order
	return all
}

// once remembers where keys stand that several sections may have.
type once map[string]spot

// spot is an entry and its file.
type spot struct {
	file string
	entry
}

func (o once) note(where map[string]entry, s *section, problems *Problems) {
	for key, e := range where {
		if first, again := o[key]; again {
			problems.add(s.file, e.line, e.shown, "is given twice, first at %s:%d", first.file, first.line)
		}
		o[key] = spot{s.file, e}
	}
}
