package logsearch

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// mostStates bounds the memory of an automaton; beyond it begins anew.
const mostStates = 2000

// automaton says whether a text matches, and not where. Package regexp can say
// where, and needs ten to a hundred times as long for it: here each byte is one
// step through a table, which is filled as it is needed. It is for one goroutine.
type automaton struct {
	program *syntax.Prog
	states  map[string]*state
	start   *state

	seen  []uint32 // by instruction: the step that has seen it
	step  uint32
	stack []uint32
	key   []byte
}

// state is what may be matched after some text.
type state struct {
	pcs   []uint32 // instructions that come next, in order, without those that every place begins with
	prev  rune     // stands for the rune before: -1 none, 'a' one of a word, ' ' another
	ascii [utf8.RuneSelf]*state
	wide  map[rune]*state
	end   *state // when the text ends here: matched or failed
}

// matched is every state after a match.
var (
	matched = &state{}
	failed  = &state{}
)

func newAutomaton(program *syntax.Prog) *automaton {
	a := &automaton{program: program, seen: make([]uint32, len(program.Inst))}
	a.forget()
	return a
}

func (a *automaton) forget() {
	a.states = map[string]*state{}
	a.start = a.state(nil, -1)
}

// matches reports whether any part of text matches.
func (a *automaton) matches(text []byte) bool {
	if len(a.states) > mostStates {
		a.forget()
	}
	s := a.start
	for i := 0; i < len(text); {
		var next *state
		if c := text[i]; c < utf8.RuneSelf {
			if next = s.ascii[c]; next == nil {
				next = a.after(s, rune(c))
				s.ascii[c] = next
			}
			i++
		} else {
			r, n := utf8.DecodeRune(text[i:])
			if next = s.wide[r]; next == nil {
				next = a.after(s, r)
				if s.wide == nil {
					s.wide = map[rune]*state{}
				}
				s.wide[r] = next
			}
			i += n
		}
		if next == matched {
			return true
		}
		s = next
	}
	if s.end == nil {
		s.end = a.after(s, -1)
	}
	return s.end == matched
}

// after makes the state that follows s when the next rune is r; -1 is the end.
func (a *automaton) after(s *state, r rune) *state {
	reached, match := a.reach(s, syntax.EmptyOpContext(s.prev, r))
	if match {
		return matched
	}
	if r < 0 {
		return failed
	}
	var next []uint32
	for _, pc := range reached {
		if i := &a.program.Inst[pc]; i.MatchRune(r) {
			next = append(next, i.Out)
		}
	}
	slices.Sort(next)
	prev := ' '
	if syntax.IsWordChar(r) {
		prev = 'a'
	}
	return a.state(slices.Compact(next), prev)
}

// reach follows what consumes nothing, from s and from the program's beginning:
// a match may begin anywhere. It returns the instructions that consume a rune.
func (a *automaton) reach(s *state, empty syntax.EmptyOp) (reached []uint32, match bool) {
	a.step++
	a.stack = append(append(a.stack[:0], s.pcs...), uint32(a.program.Start))
	for len(a.stack) > 0 {
		pc := a.stack[len(a.stack)-1]
		a.stack = a.stack[:len(a.stack)-1]
		if a.seen[pc] == a.step {
			continue
		}
		a.seen[pc] = a.step
		switch i := &a.program.Inst[pc]; i.Op {
		case syntax.InstMatch:
			return nil, true
		case syntax.InstAlt, syntax.InstAltMatch:
			a.stack = append(a.stack, i.Out, i.Arg)
		case syntax.InstCapture, syntax.InstNop:
			a.stack = append(a.stack, i.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(i.Arg)&^empty == 0 {
				a.stack = append(a.stack, i.Out)
			}
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			reached = append(reached, pc)
		case syntax.InstFail:
		}
	}
	return reached, false
}

// state returns the one state of its kind.
func (a *automaton) state(pcs []uint32, prev rune) *state {
	a.key = append(a.key[:0], byte(prev))
	for _, pc := range pcs {
		a.key = binary.LittleEndian.AppendUint32(a.key, pc)
	}
	s := a.states[string(a.key)]
	if s == nil {
		s = &state{pcs: pcs, prev: prev}
		a.states[string(a.key)] = s
	}
	return s
}
