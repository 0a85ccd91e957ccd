package jobfile

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lookup says what a variable's value is, and whether it has one; os.LookupEnv is
// one. With nil, ${...} stays as it is.
type Lookup = func(name string) (value string, ok bool)

// entry is one key with its value, quotes and variables done.
type entry struct {
	key   string
	shown string // the key as a problem repeats it
	line  int
	value string
}

// section is a [job-TYPE "name"], a [global] and so on, or the labels of one job.
type section struct {
	kind    string // a key of kinds; "": unknown, its entries are not looked at
	name    string
	file    string
	line    int
	labels  bool
	entries []entry
}

type parser struct {
	file     string
	lines    []string
	next     int // index of the line after the current one
	lookup   Lookup
	problems *Problems
}

const byteOrderMark = "\ufeff"

// parse reads one file into its sections, as many as can be made out.
func parse(file, text string, lookup Lookup, problems *Problems) []section {
	p := &parser{file: file, lines: strings.Split(strings.TrimPrefix(text, byteOrderMark), "\n"), lookup: lookup, problems: problems}
	var all []section
	for p.next < len(p.lines) {
		line := p.line()
		switch {
		case line == "" || comment(line):
		case !p.readable(line):
		case line[0] == '[':
			all = append(all, p.header(line))
		default:
			at := p.next
			e, ok := p.entry(line)
			switch {
			case len(all) == 0:
				problems.add(file, at, e.key, "stands before the first section; sections look like [job-exec \"name\"]")
			case ok:
				last := &all[len(all)-1]
				last.entries = append(last.entries, e)
			}
		}
	}
	return all
}

// line takes the next line, without white space around it.
func (p *parser) line() string {
	line := strings.TrimSpace(p.lines[p.next])
	p.next++
	return line
}

func comment(line string) bool { return line[0] == ';' || line[0] == '#' }

// readable complains about what is no text.
func (p *parser) readable(line string) bool {
	if !utf8.ValidString(line) {
		p.problems.add(p.file, p.next, "", "is not valid UTF-8")
		return false
	}
	for _, r := range line {
		if unicode.IsControl(r) && r != '\t' {
			p.problems.add(p.file, p.next, "", "contains the control character U+%04X", r)
			return false
		}
	}
	return true
}

// entry reads "key = value" with the lines it goes on with.
func (p *parser) entry(line string) (e entry, ok bool) {
	i := strings.IndexAny(line, "=:")
	if i < 0 {
		p.problems.add(p.file, p.next, "", "%q is neither a [section], nor key = value, nor a comment, which begins with ; or #", cut(line))
		return e, false
	}
	key := strings.TrimSpace(line[:i])
	e = entry{key: key, shown: key, line: p.next}
	if key == "" {
		p.problems.add(p.file, p.next, "", "has no key before the %q", line[i])
		return e, false
	}
	raw, ok := p.continued(key, strings.TrimSpace(line[i+1:]))
	if !ok {
		return e, false
	}
	value, err := unquote(raw)
	if err == nil {
		value, err = substitute(value, p.lookup)
	}
	if err != nil {
		p.problems.add(p.file, e.line, key, "%s", err)
		return e, false
	}
	e.value = value
	return e, true
}

// continued joins the lines of a value that end with a backslash with the next one.
func (p *parser) continued(key, value string) (string, bool) {
	for strings.HasSuffix(value, `\`) {
		value = value[:len(value)-1]
		if p.next >= len(p.lines) {
			break
		}
		line := p.line()
		if line == "" {
			break
		}
		if !p.readable(line) {
			return "", false
		}
		if comment(line) && scan(value).open == 0 {
			p.problems.add(p.file, p.next, key, "a comment cannot stand inside a value that goes on (the line before ends with a backslash)")
			return "", false
		}
		value += line
	}
	return strings.TrimSpace(value), true
}
