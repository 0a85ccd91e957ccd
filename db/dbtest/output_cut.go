package dbtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

// lineAt returns the number of the line that a byte belongs to.
func (m *model) lineAt(at int64) int64 {
	starts := m.starts()
	n, found := slices.BinarySearch(starts, at)
	if !found {
		n--
	}
	return int64(n) + 1
}

// cut is the gap that cutting a model at two bytes makes, where there was none.
func (m *model) cut(from, to int64) (g scheduler.Gap) {
	starts, size := append(m.starts(), int64(len(m.data))), int64(len(m.data))
	g.To = size
	if to < size {
		g.To = starts[m.lineAt(to)-1]
	}
	g.From = min(max(from, 0), size)
	if g.From > 0 && g.From < size {
		g.From = starts[m.lineAt(g.From-1)]
	}
	if g.To <= g.From {
		return scheduler.Gap{}
	}
	g.FirstLine, g.LastLine = m.lineAt(g.From), m.lineAt(g.To-1)
	return g
}

// outputCut cuts by chance, while output is appended and sealed, and reads
// everywhere.
func outputCut(t *testing.T, s *db.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 4))
	for range 4 {
		id := startRun(t, s)
		m := model{}
		var gap scheduler.Gap
		head := r.Int64N(3000)
		if r.IntN(4) == 0 {
			head = 0
		}
		begin := int64(0) // of what is not sealed
		for range 30 {
			from := int64(len(m.data))
			m.grow(r, 1+r.IntN(20))
			to := int64(len(m.data))
			if r.IntN(2) == 0 {
				tx(t, s, func(tx scheduler.Tx) error { return tx.AppendOutput(bg, id, m.chunk(from, to)) })
			} else {
				tx(t, s, func(tx scheduler.Tx) error { return tx.SealOutput(bg, id, m.chunk(begin, to)) })
				begin = to
			}
			if r.IntN(3) > 0 || begin == 0 {
				continue
			}
			upTo := r.Int64N(begin + 1) // also before what was cut
			tx(t, s, func(tx scheduler.Tx) error { return tx.CutOutput(bg, id, head, upTo) })
			if gap.IsZero() {
				gap = m.cut(head, upTo)
			} else if g := m.cut(gap.From, upTo); g.To > gap.To {
				gap = g
			}
			readAround(t, s, r, id, &m, gap)
		}
		end := int64(len(m.data))
		tx(t, s, func(tx scheduler.Tx) error { return tx.SealOutput(bg, id, m.chunk(begin, end)) })
		readAround(t, s, r, id, &m, gap)
		kept := max(gap.To, gap.From) // the last line stays even when the limit keeps less
		tx(t, s, func(tx scheduler.Tx) error { return tx.CutOutput(bg, id, head, end-1) })
		if g := m.cut(head, end-1); g.To > kept {
			gap = g
		}
		readAround(t, s, r, id, &m, gap)
		if e := must(s.Execution(bg, id)); e.Cut != gap.Cut || e.OutputBytes != end {
			t.Errorf("the execution says that %+v of %d bytes is cut out, want %+v of %d", e.Cut, e.OutputBytes, gap.Cut, end)
		}
	}
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.CutOutput(bg, "no such execution", 1, 2) }), scheduler.CodeNotFound)
	if g, err := s.OutputGap(bg, "no such execution"); !g.IsZero() || err != nil {
		t.Errorf("a gap in nothing: %+v, %v", g, err)
	}
}

// readAround reads an output with a gap, and compares it with its model.
func readAround(t *testing.T, s *db.Store, r *rand.Rand, id string, m *model, gap scheduler.Gap) {
	t.Helper()
	got, err := s.OutputGap(bg, id)
	if d := cmp.Diff(gap, got); d != "" || err != nil {
		t.Fatalf("the gap: %v (-want +got):\n%s", err, d)
	}
	size, starts := int64(len(m.data)), m.starts()
	lines := int64(len(starts))
	same := func(what string, want, got scheduler.Chunk, err error) {
		t.Helper()
		if len(want.Pieces) > 0 && want.EndByte() == gap.From {
			want.Pieces[len(want.Pieces)-1].Open = false // the end of its line may be in the gap
		}
		if !equal(want, got) || err != nil {
			t.Fatalf("%s with %+v: %v (-want +got):\n%s", what, gap, err, cmp.Diff(want, got))
		}
	}
	for range 40 {
		from, n := r.Int64N(size), 1+r.IntN(4000)
		begin := from
		if from >= gap.From && from < gap.To {
			begin = gap.To
		}
		c, err := s.OutputAt(bg, id, from, n)
		if begin < size && (len(c.Data) == 0 || len(c.Data) > n) {
			t.Fatalf("bytes from %d: %d of at most %d", from, len(c.Data), n)
		}
		if begin < size {
			same(fmt.Sprintf("bytes from %d", from), m.chunk(begin, begin+int64(len(c.Data))), c, err)
		}

		at := begin
		err = s.EachOutput(bg, id, from, func(c *scheduler.Chunk) error {
			if at == gap.From && !gap.IsZero() {
				at = gap.To
			}
			want := m.chunk(at, c.EndByte())
			if want.FirstByte == gap.To {
				// The end of the line before the gap may be at its beginning, or not.
				want.Pieces, c.Pieces = withoutEnds(want.Pieces), withoutEnds(c.Pieces)
				want.FirstLine, c.FirstLine = 0, 0
			}
			same(fmt.Sprintf("each from %d", from), want, *c, nil)
			at = c.EndByte()
			return nil
		})
		if at == gap.From && gap.To == size {
			at = size
		}
		if err != nil || at != size {
			t.Fatalf("each from %d came to %d of %d with %+v: %v", from, at, size, gap, err)
		}

		line, k := 1+r.Int64N(lines), int64(1+r.IntN(30))
		first := line
		last := lines
		if !gap.IsZero() && line < gap.FirstLine {
			last = gap.FirstLine - 1
		} else if !gap.IsZero() && line <= gap.LastLine {
			first = gap.LastLine + 1
		}
		end := size
		if first+k-1 < lines {
			end = starts[min(first+k-1, last)]
		} else if last < lines {
			end = starts[last]
		}
		if first <= lines {
			c, err = s.OutputLines(bg, id, line, int(k))
			same(fmt.Sprintf("%d lines from %d", k, line), m.chunk(starts[first-1], end), c, err)
		}

		limit := 1 + r.Int64N(size+100)
		begin, end = starts[lines-1], size
		for i := lines - 1; i >= 0 && size-starts[i] <= limit && starts[i] >= gap.To; i-- {
			begin = starts[i]
		}
		if size-begin > limit {
			end = begin + limit
		}
		if gap.To < size {
			c, err = s.OutputTail(bg, id, int(limit))
			same(fmt.Sprintf("tail of %d", limit), m.chunk(begin, end), c, err)
		}
	}
	var all []byte
	for at := int64(0); at < size; {
		c, err := s.OutputAt(bg, id, at, 1000)
		ok(t, err)
		if len(c.Data) == 0 {
			break
		}
		all = append(all, c.Data...)
		at = c.EndByte()
	}
	if want := slices.Concat(m.data[:gap.From], m.data[gap.To:]); !bytes.Equal(all, want) {
		t.Fatalf("reading on gives %d bytes with %+v, want %d", len(all), gap, len(want))
	}
}

// outputCutStreams: where a line was ended by another stream's bytes, after it was
// stored, cutting there leaves no empty line.
// withoutEnds cuts off the pieces that end a line before them.
func withoutEnds(pieces []scheduler.Piece) []scheduler.Piece {
	for len(pieces) > 0 && pieces[0].Len == 0 && !pieces[0].Open {
		pieces = pieces[1:]
	}
	return pieces
}

func outputCutStreams(t *testing.T, s *db.Store) {
	id := startRun(t, s)
	stamp := at(0).Truncate(time.Millisecond)
	piece := func(n int, stream scheduler.Stream, open bool) scheduler.Piece {
		return scheduler.Piece{Len: n, Stream: stream, At: stamp, Open: open}
	}
	text := []byte("aaaa" + "bbbb\n" + "cccc" + "dddd\n" + "eeee\n")
	a := scheduler.Chunk{FirstLine: 1, Data: text[:4], Pieces: []scheduler.Piece{piece(4, 0, true)}}
	b := scheduler.Chunk{FirstByte: 4, FirstLine: 1, Data: text[4:13], Pieces: []scheduler.Piece{piece(0, 0, false), piece(5, 1, false), piece(4, 0, true)}}
	c := scheduler.Chunk{FirstByte: 13, FirstLine: 3, Data: text[13:], Pieces: []scheduler.Piece{piece(0, 0, false), piece(5, 1, false), piece(5, 1, false)}}
	tx(t, s, func(tx scheduler.Tx) error {
		for _, c := range []scheduler.Chunk{a, b} {
			if err := tx.SealOutput(bg, id, c); err != nil {
				return err
			}
		}
		return tx.AppendOutput(bg, id, c)
	})
	tx(t, s, func(tx scheduler.Tx) error { return tx.CutOutput(bg, id, 1, 13) })
	tx(t, s, func(tx scheduler.Tx) error { return tx.SealOutput(bg, id, c) }) // by who does not know how it was cut
	want := scheduler.Gap{Cut: scheduler.Cut{From: 4, To: 13}, FirstLine: 2, LastLine: 3}
	if got := must(s.OutputGap(bg, id)); got != want {
		t.Errorf("the gap is %+v, want %+v", got, want)
	}
	head, tail := must(s.OutputLines(bg, id, 1, 10)), must(s.OutputLines(bg, id, 2, 10))
	if string(head.Data) != "aaaa" || head.EndLine() != 2 {
		t.Errorf("before the gap: %+v", head)
	}
	if string(tail.Data) != "dddd\neeee\n" || tail.FirstLine != 4 || tail.EndLine() != 6 || len(tail.Pieces) != 2 {
		t.Errorf("behind the gap: %+v", tail)
	}
	if !strings.Contains(want.String(), "9 bytes (2 lines)") {
		t.Errorf("it is described as %s", want)
	}
}

func progress(t *testing.T, s *db.Store) {
	id := startRun(t, s)
	if e := must(s.Execution(bg, id)); e.Progress != -1 {
		t.Errorf("progress %v before any", e.Progress)
	}
	for _, percent := range []float64{0, 12.5, 100} {
		tx(t, s, func(tx scheduler.Tx) error { return tx.SetProgress(bg, id, percent) })
		if e := must(s.Execution(bg, id)); e.Progress != percent {
			t.Errorf("progress %v, want %v", e.Progress, percent)
		}
	}
}
