package dbtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

// model is an output in memory: what the store must answer.
type model struct {
	data   []byte
	pieces []scheduler.Piece
}

// chunk cuts bytes [from,to) of the model, the way Chunk promises.
func (m *model) chunk(from, to int64) scheduler.Chunk {
	c := scheduler.Chunk{FirstByte: from, FirstLine: 1, Data: m.data[from:to]}
	var pos int64
	for _, p := range m.pieces {
		start, end := pos, pos+int64(p.Len)
		pos = end
		if end <= from {
			if !p.Open {
				c.FirstLine++
			}
			continue
		}
		if start >= to {
			break
		}
		if end > to {
			p.Open, end = true, to
		}
		p.Len = int(end - max(start, from))
		c.Pieces = append(c.Pieces, p)
	}
	return c
}

// starts returns where each line begins.
func (m *model) starts() []int64 {
	var starts []int64
	var pos int64
	open := false
	for _, p := range m.pieces {
		if !open {
			starts = append(starts, pos)
		}
		open = p.Open
		pos += int64(p.Len)
	}
	return starts
}

// grow adds random pieces.
func (m *model) grow(r *rand.Rand, n int) {
	for range n {
		size := 1 + r.IntN(12)
		if r.IntN(10) == 0 {
			size = 1 + r.IntN(3000)
		}
		text := bytes.Repeat([]byte{byte('a' + r.IntN(26))}, size)
		p := scheduler.Piece{
			Len: size, Stream: scheduler.Stream(r.IntN(3)), Open: r.IntN(3) == 0,
			At: epoch.Truncate(time.Millisecond).Add(time.Duration(len(m.pieces)) * time.Duration(r.IntN(5)) * time.Millisecond),
		}
		if !p.Open {
			text[size-1] = '\n'
		}
		m.data, m.pieces = append(m.data, text...), append(m.pieces, p)
	}
}

func startRun(t *testing.T, s *db.Store) string {
	t.Helper()
	addExecution(t, s, NewExecution(addJob(t, s, NewID()).ID, at(0)))
	return claim(t, s, "w", at(0), 1)[0].Execution.ID
}

func outputBasics(t *testing.T, s *db.Store) {
	id := startRun(t, s)
	for _, id := range []string{id, "no such execution"} {
		if b, l, err := s.OutputSize(bg, id); b != 0 || l != 0 || err != nil {
			t.Errorf("no output yet: %d bytes, %d lines, %v", b, l, err)
		}
		for name, read := range map[string]func() (scheduler.Chunk, error){
			"at":    func() (scheduler.Chunk, error) { return s.OutputAt(bg, id, 0, 10) },
			"lines": func() (scheduler.Chunk, error) { return s.OutputLines(bg, id, 1, 10) },
			"tail":  func() (scheduler.Chunk, error) { return s.OutputTail(bg, id, 10) },
		} {
			if c, err := read(); err != nil || len(c.Data) != 0 || c.FirstByte != 0 || c.FirstLine != 1 {
				t.Errorf("%s of nothing: %+v, %v", name, c, err)
			}
		}
	}
	stamp := at(0).Truncate(time.Millisecond)
	m := model{
		data: []byte("one\ntwo\nthree is long\nfour"),
		pieces: []scheduler.Piece{
			{Len: 4, At: stamp},
			{Len: 4, Stream: scheduler.Stderr, At: stamp.Add(7 * time.Millisecond)},
			{Len: 6, At: stamp.Add(time.Hour), Open: true},
			{Len: 8, At: stamp.Add(time.Hour - time.Second)},
			{Len: 4, At: stamp.Add(2 * time.Hour), Open: true, Stream: scheduler.System},
		},
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.AppendOutput(bg, id, m.chunk(0, 8)) })
	tx(t, s, func(tx scheduler.Tx) error { return tx.AppendOutput(bg, id, m.chunk(8, 14)) })
	tx(t, s, func(tx scheduler.Tx) error { return tx.AppendOutput(bg, id, m.chunk(14, 26)) })
	check := func(name string, want scheduler.Chunk, got scheduler.Chunk, err error) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
	}
	both := func() {
		t.Helper()
		if b, l, err := s.OutputSize(bg, id); b != 26 || l != 4 || err != nil {
			t.Errorf("%d bytes, %d lines, %v; want 26 and 4", b, l, err)
		}
		if e := must(s.Execution(bg, id)); e.OutputBytes != 26 || e.OutputLines != 4 {
			t.Errorf("the execution has %d bytes, %d lines; want 26 and 4", e.OutputBytes, e.OutputLines)
		}
		c, err := s.OutputAt(bg, id, 0, 1<<20)
		check("all", m.chunk(0, 26), c, err)
		c, err = s.OutputAt(bg, id, 5, 6)
		check("bytes 5 to 11", m.chunk(5, 11), c, err)
		c, err = s.OutputLines(bg, id, 2, 2)
		check("lines 2 and 3", m.chunk(4, 22), c, err)
		c, err = s.OutputLines(bg, id, 3, 100)
		check("from line 3", m.chunk(8, 26), c, err)
		c, err = s.OutputTail(bg, id, 20)
		check("tail of 20", m.chunk(8, 26), c, err)
		c, err = s.OutputTail(bg, id, 18)
		check("tail of 18, which is whole", m.chunk(8, 26), c, err)
		c, err = s.OutputTail(bg, id, 17)
		check("tail of 17", m.chunk(22, 26), c, err)
		c, err = s.OutputTail(bg, id, 2)
		check("tail of 2 is the last line, cut", m.chunk(22, 24), c, err)
		c, err = s.OutputLines(bg, id, 5, 1)
		check("no fifth line", scheduler.Chunk{FirstByte: 26, FirstLine: 5}, c, err)
	}
	both()
	tx(t, s, func(tx scheduler.Tx) error { return tx.SealOutput(bg, id, m.chunk(0, 14)) })
	both()
	tx(t, s, func(tx scheduler.Tx) error { return tx.SealOutput(bg, id, m.chunk(0, 26)) })
	both()
}

func outputOrder(t *testing.T, s *db.Store) {
	id := startRun(t, s)
	m := model{}
	m.grow(rand.New(rand.NewPCG(1, 2)), 30)
	end := int64(len(m.data))
	half := m.starts()[10]
	code := func(want scheduler.Code, fn func(tx scheduler.Tx) error) {
		t.Helper()
		wantCode(t, s.InTx(bg, fn), want)
	}
	code(scheduler.CodeConflict, func(tx scheduler.Tx) error { return tx.AppendOutput(bg, id, m.chunk(half, end)) })
	code("", func(tx scheduler.Tx) error { return tx.AppendOutput(bg, id, m.chunk(0, half)) })
	code(scheduler.CodeConflict, func(tx scheduler.Tx) error { return tx.AppendOutput(bg, id, m.chunk(0, half)) })
	code("", func(tx scheduler.Tx) error { return tx.AppendOutput(bg, id, scheduler.Chunk{FirstByte: half}) }) // nothing
	code(scheduler.CodeNotFound, func(tx scheduler.Tx) error { return tx.AppendOutput(bg, "no such execution", m.chunk(0, half)) })
	code(scheduler.CodeNotFound, func(tx scheduler.Tx) error { return tx.SealOutput(bg, "no such execution", m.chunk(0, half)) })
	wrong := m.chunk(half, end)
	wrong.Data = wrong.Data[1:]
	code(scheduler.CodeInvalid, func(tx scheduler.Tx) error { return tx.AppendOutput(bg, id, wrong) })
	// A seal that cuts a stored chunk is refused and changes nothing.
	code(scheduler.CodeConflict, func(tx scheduler.Tx) error { return tx.SealOutput(bg, id, m.chunk(1, half)) })
	code(scheduler.CodeConflict, func(tx scheduler.Tx) error { return tx.SealOutput(bg, id, m.chunk(0, half-1)) })
	// One that reaches beyond the end appends.
	code("", func(tx scheduler.Tx) error { return tx.SealOutput(bg, id, m.chunk(0, end)) })
	got, err := s.OutputAt(bg, id, 0, 1<<20)
	if d := cmp.Diff(m.chunk(0, end), got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}

// outputProperties appends and seals by chance, and reads everywhere.
func outputProperties(t *testing.T, s *db.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	for range 3 {
		id := startRun(t, s)
		m := model{}
		var ends []int64 // of stored chunks
		for range 25 {
			from := int64(len(m.data))
			m.grow(r, 1+r.IntN(20))
			to := int64(len(m.data))
			switch k := len(ends); {
			case k > 1 && r.IntN(3) == 0: // seal some of the last, and what is new
				i := r.IntN(k)
				start := int64(0)
				if i > 0 {
					start = ends[i-1]
				}
				tx(t, s, func(tx scheduler.Tx) error { return tx.SealOutput(bg, id, m.chunk(start, to)) })
				ends = append(ends[:i:i], to)
			default:
				tx(t, s, func(tx scheduler.Tx) error { return tx.AppendOutput(bg, id, m.chunk(from, to)) })
				ends = append(ends, to)
			}
		}
		readEverywhere(t, s, r, id, &m)
	}
}

func equal(a, b scheduler.Chunk) bool {
	return a.FirstByte == b.FirstByte && a.FirstLine == b.FirstLine && bytes.Equal(a.Data, b.Data) &&
		slices.EqualFunc(a.Pieces, b.Pieces, func(p, q scheduler.Piece) bool {
			return p.Len == q.Len && p.Stream == q.Stream && p.Open == q.Open && p.At.Equal(q.At)
		})
}

func readEverywhere(t *testing.T, s *db.Store, r *rand.Rand, id string, m *model) {
	t.Helper()
	size, starts := int64(len(m.data)), m.starts()
	lines := int64(len(starts))
	if b, l, err := s.OutputSize(bg, id); b != size || l != lines || err != nil {
		t.Errorf("%d bytes, %d lines, %v; want %d and %d", b, l, err, size, lines)
	}
	same := func(what string, want, got scheduler.Chunk, err error) {
		t.Helper()
		if !equal(want, got) || err != nil { // cmp.Diff takes a thousand times as long
			t.Fatalf("%s: %v (-want +got):\n%s", what, err, cmp.Diff(want, got))
		}
	}
	for range 150 {
		from, n := r.Int64N(size), 1+r.IntN(4000)
		got, err := s.OutputAt(bg, id, from, n)
		if len(got.Data) == 0 || len(got.Data) > n {
			t.Fatalf("bytes from %d: %d of at most %d", from, len(got.Data), n)
		}
		same(fmt.Sprintf("bytes from %d", from), m.chunk(from, from+int64(len(got.Data))), got, err)

		line, k := 1+r.Int64N(lines), int64(1+r.IntN(30))
		to := size
		if line+k <= lines {
			to = starts[line+k-1]
		}
		got, err = s.OutputLines(bg, id, line, int(k))
		same(fmt.Sprintf("%d lines from %d", k, line), m.chunk(starts[line-1], to), got, err)

		limit := 1 + r.Int64N(size+100)
		begin, to := starts[lines-1], size
		for i := lines - 1; i >= 0 && size-starts[i] <= limit; i-- {
			begin = starts[i]
		}
		if size-begin > limit {
			to = begin + limit
		}
		got, err = s.OutputTail(bg, id, int(limit))
		same(fmt.Sprintf("tail of %d", limit), m.chunk(begin, to), got, err)
	}
	for range 10 {
		from := r.Int64N(size + 1)
		at, stop := from, r.IntN(4) == 0
		err := s.EachOutput(bg, id, from, func(c *scheduler.Chunk) error {
			same(fmt.Sprintf("each from %d", from), m.chunk(at, c.EndByte()), *c, nil)
			if at = c.EndByte(); stop {
				return io.EOF
			}
			return nil
		})
		if stop && from < size {
			if !errors.Is(err, io.EOF) {
				t.Errorf("stopping returns %v", err)
			}
		} else if err != nil || at != size {
			t.Errorf("each from %d came to %d of %d, %v", from, at, size, err)
		}
	}
	var all []byte
	for int64(len(all)) < size {
		c, err := s.OutputAt(bg, id, int64(len(all)), 1000)
		ok(t, err)
		all = append(all, c.Data...)
	}
	if !bytes.Equal(all, m.data) {
		t.Error("reading on does not give all bytes")
	}
	got, err := s.OutputAt(bg, id, size+5, 10)
	same("after the end", scheduler.Chunk{FirstByte: size + 5, FirstLine: lines + 1}, got, err)
}
