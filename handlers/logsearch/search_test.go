package logsearch

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"belfry/db"
	"belfry/db/dbtest"
	"belfry/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is what a run wrote, in a real store.
type output struct {
	t     testing.TB
	store *db.Store
	id    string
	lines []string
	at    int64
}

func newOutput(t testing.TB) *output {
	t.Helper()
	o := &output{t: t, store: dbtest.Open(t)}
	j := dbtest.NewJob("logs")
	o.tx(func(tx scheduler.Tx) error {
		if err := tx.InsertJob(t.Context(), &j); err != nil {
			return err
		}
		e := dbtest.NewExecution(j.ID, time.Now().UTC().Truncate(time.Second))
		o.id = e.ID
		_, err := tx.InsertExecution(t.Context(), e)
		return err
	})
	return o
}

func (o *output) tx(fn func(scheduler.Tx) error) {
	o.t.Helper()
	if err := o.store.InTx(context.Background(), fn); err != nil {
		o.t.Fatal(err)
	}
}

// write appends lines as one stored chunk; the last is open if it has no break.
func (o *output) write(lines ...string) {
	o.t.Helper()
	c := scheduler.Chunk{FirstByte: o.at, FirstLine: int64(len(o.lines)) + 1}
	if n := len(o.lines); n > 0 && !strings.HasSuffix(o.lines[n-1], "\n") {
		c.FirstLine--
		lines[0], o.lines = o.lines[n-1]+lines[0], o.lines[:n-1]
	}
	text := strings.Join(lines, "")
	c.Data = []byte(text[o.at-c.FirstByte:])
	for _, l := range lines {
		c.Pieces = append(c.Pieces, scheduler.Piece{Len: len(l), At: time.UnixMilli(1), Stream: scheduler.Stream(len(o.lines) % 2), Open: !strings.HasSuffix(l, "\n")})
		o.lines = append(o.lines, l)
	}
	o.at = c.EndByte()
	o.tx(func(tx scheduler.Tx) error { return tx.SealOutput(context.Background(), o.id, c) })
}

// visible is a text function for tests: it takes colours away.
func visible(line []byte) []byte {
	line = bytes.TrimRight(line, "\r\n")
	if bytes.IndexByte(line, 0x1b) < 0 {
		return line
	}
	return colour.ReplaceAll(line, nil)
}

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

func (o *output) search(expr string, matchCase bool) *Search {
	o.t.Helper()
	s, err := NewSearcher(o.store, visible).Search(o.id, expr, matchCase)
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

// matching are the numbers of the lines that match, by brute force.
func (o *output) matching(expr string, matchCase bool) (all []int64) {
	if !matchCase {
		expr = "(?i)" + expr
	}
	re := regexp.MustCompile(expr)
	for i, l := range o.lines {
		if l != "" && re.Match(visible([]byte(l))) {
			all = append(all, int64(i+1))
		}
	}
	return all
}

func numbers(found []Line) (all []int64) {
	for _, l := range found {
		all = append(all, l.N)
	}
	return all
}

var words = []string{
	"error", "Error", "ERROR", "warn", "disk", "diſk", "\u212aelvin", "kelvin", "ok", "42", "Zürich", "zÜRICH", "\x1b[31mer\x1b[0mror", "a\tb", "\U0001f600", "- – -", "",
}

func (o *output) fill(r *rand.Rand, n int) {
	for n > 0 {
		var lines []string
		for range min(n, 1+r.IntN(400)) {
			var b strings.Builder
			for range r.IntN(12) {
				b.WriteString(words[r.IntN(len(words))])
				b.WriteByte(' ')
			}
			if r.IntN(900) == 0 {
				b.WriteString(strings.Repeat("long ", 55_000)) // longer than what is read at once
			}
			lines = append(lines, b.String()+"\n")
		}
		o.write(lines...)
		n -= len(lines)
	}
}

func TestFindsWhatMatches(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	o := newOutput(t)
	o.fill(r, 2500)
	exprs := []string{
		"error", "ERROR", "disk", "kelvin", "zürich", `\d+`, "^ok", "ok $", "error.*disk", "(error|warn) (ok|42)", "er+or", "nothing at all", "long",
		"x?", "e", "(?-i)error", "[^a-z ]{3}", `\bb\b`, "\U0001f600", "error|", "a\tb", "–",
	}
	check := func(what string) {
		for i, expr := range exprs {
			for _, matchCase := range [][]bool{{false}, {true}, {false, true}}[i%3] {
				s := o.search(expr, matchCase)
				want := o.matching(expr, matchCase)
				ctx := t.Context()
				for range 2 { // the second time with what the first has counted
					for range 2 {
						line, n := int64(r.IntN(len(o.lines))+1), 1+r.IntN(5)
						at, found := slices.BinarySearch(want, line)
						expect(t, fmt.Sprintf("%s: %q %v from line %d", what, expr, matchCase, line))(s.Forward(ctx, line, math.MaxInt64, 0, n))(want[at:min(len(want), at+n)])
						last := at
						if found {
							last++
						}
						expect(t, fmt.Sprintf("%s: %q %v back from line %d", what, expr, matchCase, line))(s.Backward(ctx, line, n))(want[max(0, last-n):last])
					}
					if n, err := s.Count(ctx); err != nil || n != int64(len(want)) {
						t.Fatalf("%s: %q %v: %d lines, %v; expected %d", what, expr, matchCase, n, err, len(want))
					}
					line := int64(r.IntN(len(o.lines)) + 1)
					at, _ := slices.BinarySearch(want, line)
					if n, err := s.Before(ctx, line); err != nil || n != int64(at) {
						t.Fatalf("%s: %q %v: %d before line %d, %v; expected %d", what, expr, matchCase, n, line, err, at)
					}
					skip := r.IntN(len(want) + 2)
					expect(t, fmt.Sprintf("%s: %q %v after %d", what, expr, matchCase, skip))(s.From(ctx, int64(skip), 3))(want[min(skip, len(want)):min(skip+3, len(want))])
				}
			}
		}
	}
	check("whole")

	// The middle is cut out.
	var from, to int64
	for i, l := range o.lines {
		if i < 800 {
			from += int64(len(l))
		}
		if i < 1700 {
			to += int64(len(l))
		}
	}
	s := o.search("error", false)
	if _, err := s.Count(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.tx(func(tx scheduler.Tx) error { return tx.CutOutput(t.Context(), o.id, from, to) })
	for i := 800; i < 1700; i++ {
		o.lines[i] = ""
	}
	check("cut")
	if n, err := s.Count(t.Context()); err != nil || n != int64(len(o.matching("error", false))) {
		t.Errorf("after the cut %d lines, %v", n, err)
	}
}

// expect compares the numbers of lines that were found.
func expect(t *testing.T, what string) func([]Line, error) func([]int64) {
	t.Helper()
	return func(found []Line, err error) func([]int64) {
		return func(want []int64) {
			t.Helper()
			if got := numbers(found); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%s: %v, %v; expected %v", what, got, err, want)
			}
		}
	}
}

func TestOutputThatGrows(t *testing.T) {
	o := newOutput(t)
	s := o.search("error", false)
	var want int64
	for i := range 200 {
		o.write("error one\n", fmt.Sprintf("line %d\n", i))
		want++
		if n, err := s.Count(t.Context()); err != nil || n != want {
			t.Fatalf("%d of %d, %v", n, want, err)
		}
	}
	if parts, _ := s.counted(); len(parts) > 2 {
		t.Errorf("%d parts of %d bytes", len(parts), o.at)
	}
	found, err := s.From(t.Context(), 199, 5)
	expect(t, "the last")(found, err)([]int64{399})
	if string(found[0].Text) != "error one" || found[0].Stream != scheduler.Stdout {
		t.Errorf("%+v", found[0])
	}
}

func TestLineThatIsStillOpen(t *testing.T) {
	o := newOutput(t)
	o.write("one\n", "an err")
	s := o.search("err", false)
	if n, err := s.Count(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	expect(t, "open")(s.Forward(t.Context(), 1, math.MaxInt64, 0, 9))([]int64{2})
	expect(t, "open, back")(s.Backward(t.Context(), 2, 9))([]int64{2})
	if n, err := s.Before(t.Context(), 3); err != nil || n != 1 {
		t.Errorf("%d before line 3, %v", n, err)
	}
}

func TestPatternsThatAreNone(t *testing.T) {
	for _, expr := range []string{"", "(", "a{2000}", `\8`, "(?=a)"} {
		if _, err := Compile(expr, false, visible); scheduler.CodeOf(err) != scheduler.CodeInvalid {
			t.Errorf("%q: %v", expr, err)
		}
	}
}

// FuzzMatches: the automaton finds what package regexp finds.
func FuzzMatches(f *testing.F) {
	for _, expr := range []string{`a|b*`, `^(x|yy)+$`, `\bword\b|\Bx`, `[^a-c]{2,4}`, `(?m)^$`, `(?-i)K`, `.\z`, `é+ß`, `(a*)*b`} {
		f.Add(expr, "a word of\txyzzy, é ß K \u212a", false)
	}
	f.Fuzz(func(t *testing.T, expr, text string, matchCase bool) {
		if len(expr) > 60 || strings.Contains(text, "\n") {
			return
		}
		p, err := Compile(expr, matchCase, visible)
		if err != nil {
			return
		}
		a := newAutomaton(p.automata.Get().(*automaton).program)
		for range 2 { // with an empty table and a full one
			if got, want := a.matches([]byte(text)), p.re.MatchString(text); got != want {
				t.Fatalf("%q in %q: %v, regexp says %v", expr, text, got, want)
			}
		}
	})
}

func TestTableBeginsAnew(t *testing.T) {
	p, err := Compile("(a|b)*a(a|b){12}c", false, visible)
	if err != nil {
		t.Fatal(err)
	}
	a := p.automata.Get().(*automaton)
	r := rand.New(rand.NewPCG(1, 2))
	for range 600 {
		text := make([]byte, 40)
		for i := range text {
			text[i] = "aaaaaaaabbbbbbbc"[r.IntN(16)]
		}
		if a.matches(text) != p.re.Match(text) {
			t.Fatalf("%s", text)
		}
		if len(a.states) > mostStates+41 {
			t.Fatalf("%d states", len(a.states))
		}
	}
}

func TestRanges(t *testing.T) {
	p, err := Compile("b+|x*", false, visible)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.Ranges([]byte("aBb 😀 é b"), 100)); got != "[[1 3] [9 10]]" {
		t.Error(got)
	}
}

func TestSearchesAreRememberedAndForgotten(t *testing.T) {
	searcher := NewSearcher(newOutput(t).store, visible)
	first, err := searcher.Search("id", "0", false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range kept {
		if _, err := searcher.Search("id", fmt.Sprint(i), false); err != nil {
			t.Fatal(err)
		}
	}
	if again, _ := searcher.Search("id", "0", false); again != first || len(searcher.recent) != kept {
		t.Error("a search that was used is forgotten, or too many are kept")
	}
	if other, _ := searcher.Search("id", "0", true); other == first || len(searcher.recent) != kept {
		t.Error("what case counts is another search")
	}
}

func BenchmarkCount(b *testing.B) {
	o := newOutput(b)
	var lines []string
	for i := range 1_500_000 {
		lines = append(lines, fmt.Sprintf("2026-11-21T09:00:00Z INFO request %07d served in %d ms by node\n", i, i%997))
		if len(lines) == 1000 {
			o.write(lines...)
			lines = lines[:0]
		}
	}
	for _, expr := range []string{"request 0777777", "node", `served in 9\d\d ms`, `[0-9]{7} .*99[0-9]`, `\b9+\b`, "info.*[02468] served"} {
		b.Run(expr, func(b *testing.B) {
			b.SetBytes(o.at)
			for b.Loop() {
				if _, err := o.search(expr, false).Count(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
