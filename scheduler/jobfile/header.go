package jobfile

import (
	"slices"
	"strings"
)

// The kinds of sections that are not jobs. A job's kind is its Type.
const (
	kindGlobal = "global"
	kindDocker = "docker"
	kindCORS   = "cors"
	kindClass  = "class"
)

// kinds are the sections by the normal form of their names.
var kinds = map[string]string{
	"jobexec": string(Exec), "jobrun": string(Run), "joblocal": string(Local),
	"jobservicerun": string(Service), "jobservice": string(Service), "jobhttp": string(HTTP),
	"global": kindGlobal, "docker": kindDocker, "cors": kindCORS, "class": kindClass,
}

// sectionNames are the names of sections as they are suggested.
var sectionNames = []string{"job-exec", "job-run", "job-local", "job-service-run", "job-http", "global", "docker", "cors", "class"}

// foreign says what to do with the sections of Ofelia that are not here.
var foreign = map[string]string{
	"jobcompose": "job-compose is not supported; use a [job-local] whose command is docker compose",
	"webhook":    "webhook sections are not supported; use slack-webhook in [global] or in the job",
}

// header reads a line that begins with [. A section that cannot be used gets the
// kind "", so that its keys are not complained about as well.
func (p *parser) header(line string) section {
	s := section{file: p.file, line: p.next}
	inner, rest, closed := headerEnd(line[1:])
	if !closed {
		p.problems.add(p.file, s.line, "", "the section's ] is missing")
		return s
	}
	if rest != "" && !comment(rest) {
		p.problems.add(p.file, s.line, "", "nothing but a comment may follow the section's ], found %q", cut(rest))
		return s
	}
	end := strings.IndexAny(inner, " \t\"'`")
	if end < 0 {
		end = len(inner)
	}
	word, name := inner[:end], strings.TrimSpace(inner[end:])
	kind, known := kinds[normal(word)]
	if !known {
		message, ofelias := foreign[normal(word)]
		if !ofelias {
			message = "[" + cut(inner) + "] is not a section that is known" + didYouMean(word, sectionNames) +
				"; there are " + strings.Join(sectionNames, ", ")
		}
		p.problems.add(p.file, s.line, "", "%s", message)
		return s
	}
	if !p.sectionName(&s, kind, word, name) {
		return s
	}
	s.kind = kind
	return s
}

// sectionName reads what follows the kind of a section: the name of a job, or of a
// class.
func (p *parser) sectionName(s *section, kind, word, name string) bool {
	plain, err := unquote(name)
	what, named := "job", slices.Contains(Types, Type(kind))
	if kind == kindClass {
		what, named = "class", true
	}
	switch {
	case err != nil:
		p.problems.add(p.file, s.line, "", "the section's name: %s", err)
	case !named && name != "":
		p.problems.add(p.file, s.line, "", "[%s] has no name", word)
	case named && strings.TrimSpace(plain) == "":
		p.problems.add(p.file, s.line, "", `the %s needs a name: [%s "name"]`, what, word)
	case plain == name && strings.ContainsAny(name, " \t\"'`"):
		p.problems.add(p.file, s.line, "", `the %s's name has to stand in quotes: [%s "name"]`, what, word)
	default:
		s.name = strings.TrimSpace(plain)
		return true
	}
	return false
}

// headerEnd cuts at the ] that no quotes protect.
func headerEnd(text string) (inner, rest string, closed bool) {
	var open byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case open == '"' && c == '\\':
			i++
		case open != 0:
			if c == open {
				open = 0
			}
		case c == '"' || c == '\'' || c == '`':
			open = c
		case c == ']':
			return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:]), true
		}
	}
	return "", "", false
}
