package jobfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a definition, in words for its editor.
type Problem struct {
	File    string // the file, or "container NAME"
	Line    int    // 0: no line
	Key     string // as it was written; of a label the whole label; "": none
	Message string
}

// String is the problem as one line: "jobs.ini:12: schedule: is required".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems is everything that is wrong, by file and line. As an error it is one
// problem per line of text.
type Problems []Problem

// Error returns the problems, one per line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// err returns the problems in order, nil when there are none. Files keep the
// order in which they were read.
func (p Problems) err(files []string) error {
	if len(p) == 0 {
		return nil
	}
	place := map[string]int{}
	for i, f := range files {
		place[f] = i
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(place[a.File], place[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return p
}

func (p *Problems) add(file string, line int, key, format string, args ...any) {
	*p = append(*p, Problem{file, line, key, fmt.Sprintf(format, args...)})
}
