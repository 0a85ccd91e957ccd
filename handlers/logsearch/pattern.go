// Package logsearch finds lines of an output by a regular expression (RE2), in
// the text that a reader sees: without escape sequences. Outputs may be far
// larger than memory; what is read of one at once is a fraction of a megabyte.
package logsearch

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"unicode/utf8"

	"belfry/scheduler"
)

// Pattern is what is looked for. It is safe for concurrent use.
type Pattern struct {
	re       *regexp.Regexp
	text     func([]byte) []byte // what a reader sees of a line
	automata sync.Pool           // of *automaton
}

// Compile reads a regular expression. Letters match whatever their case is,
// unless matchCase is set. text says what a reader sees of a line; it may return
// its argument. CodeInvalid: it is no regular expression.
func Compile(expr string, matchCase bool, text func([]byte) []byte) (*Pattern, error) {
	if expr == "" {
		return nil, scheduler.Invalid("q", "is empty: write a regular expression (RE2)")
	}
	if !matchCase {
		expr = "(?i)" + expr
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, notRE2(err)
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, notRE2(err)
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, notRE2(err)
	}
	p := &Pattern{re: re, text: text}
	p.automata.New = func() any { return newAutomaton(program) }
	return p, nil
}

func notRE2(err error) error {
	return scheduler.Invalid("q", "is not a regular expression (RE2): %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
}

// Ranges are the matches within a line's text, as offsets in UTF-16 code units:
// what browsers count in. There are at most most of them.
func (p *Pattern) Ranges(text []byte, most int) [][2]int {
	ranges := [][2]int{}
	at, units := 0, 0
	to := func(offset int) int {
		for at < offset {
			r, n := utf8.DecodeRune(text[at:])
			at += n
			units++
			if r > 0xffff {
				units++
			}
		}
		return units
	}
	for _, m := range p.re.FindAllIndex(text, most) {
		if m[0] < m[1] {
			ranges = append(ranges, [2]int{to(m[0]), to(m[1])})
		}
	}
	return ranges
}
