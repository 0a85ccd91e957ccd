// Package logsearch finds lines of an output by a regular expression (RE2), in
// the text that a reader sees: without escape sequences. Outputs may be far
// larger than memory; what is read of one at once is a fraction of a megabyte.
package logsearch

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"belfry/scheduler"
)

// Pattern is what is looked for. It is safe for concurrent use.
type Pattern struct {
	re   *regexp.Regexp
	text func([]byte) []byte // what a reader sees of a line

	// A line matches only if it contains one of these, in lower case where fold is
	// set; none: any line may.
	literals [][]byte
	fold     bool
	exotic   bool // a literal has a letter that something outside ASCII folds to
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
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, notRE2(err)
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, notRE2(err)
	}
	p := &Pattern{re: re, text: text, fold: folds(tree)}
	for _, l := range required(tree.Simplify()) {
		if p.fold {
			l = strings.ToLower(l)
			p.exotic = p.exotic || strings.ContainsAny(l, "ks") // K (Kelvin) and ſ are folded to these
		}
		p.literals = append(p.literals, []byte(l))
	}
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

const (
	fewest = 2 // characters of a literal that is worth looking for first
	widest = 8 // alternatives that are
)

// required returns texts of which every match contains one, nil when there are
// none that help.
func required(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return literal(re)
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if found := required(sub); shortest(found) > shortest(best) {
				best = found
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			found := required(sub)
			if len(found) == 0 {
				return nil
			}
			all = append(all, found...)
		}
		if len(all) <= widest {
			return all
		}
	}
	return nil
}

func shortest(all []string) int {
	least := 0
	for i, s := range all {
		if i == 0 || len(s) < least {
			least = len(s)
		}
	}
	return least
}

// literal is the longest part of a literal that can be looked for byte by byte:
// where case does not count, that is ASCII.
func literal(re *syntax.Regexp) []string {
	fold := re.Flags&syntax.FoldCase != 0
	best := ""
	for part := range strings.FieldsFuncSeq(string(re.Rune), func(r rune) bool {
		return r == utf8.RuneError || (fold && r >= utf8.RuneSelf)
	}) {
		if len(part) > len(best) {
			best = part
		}
	}
	if len(best) < fewest {
		return nil
	}
	return []string{best}
}

// folds reports whether case does not count anywhere.
func folds(re *syntax.Regexp) bool {
	if re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase != 0 {
		return true
	}
	for _, sub := range re.Sub {
		if folds(sub) {
			return true
		}
	}
	return false
}

// mayFold reports whether data has a letter outside ASCII that equals one of
// ASCII where case does not count.
func mayFold(data []byte) bool {
	return bytes.Contains(data, []byte("\u212a")) || bytes.Contains(data, []byte("\u017f"))
}
