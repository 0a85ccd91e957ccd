package runner

import (
	"slices"

	"belfry/scheduler"
)

// How much more than its limit an output may be while the run goes on: a sixteenth
// of the tail within these bounds. Each cut costs the store a few milliseconds.
const (
	minSlack = 1 << 20
	maxSlack = 4 << 20
)

// output turns what is pending into what to store: full chunks sealed, which
// take in what was appended before, and the rest appended. At the end the rest is
// sealed too, and its last line ends. What the limit does not keep is cut out of
// the middle.
func (s *sink) output(end bool) (scheduler.Output, int64) {
	fresh := s.take()
	all := join(s.stored, fresh)
	var out scheduler.Output
	for len(all.Data) >= sealAt {
		var full scheduler.Chunk
		full, all = split(all, sealAt)
		out.Seal = append(out.Seal, full)
	}
	switch {
	case end && len(all.Data) > 0:
		all.Pieces[len(all.Pieces)-1].Open = false
		out.Seal = append(out.Seal, all)
	case len(out.Seal) > 0 && len(all.Data) > 0:
		out.Append = &all // all of it is fresh: what was stored is in the first seal
	case len(out.Seal) == 0 && len(fresh.Data) > 0:
		out.Append = &fresh
	}
	s.stored = scheduler.Chunk{
		FirstByte: all.FirstByte, FirstLine: all.FirstLine,
		Data: slices.Clone(all.Data), Pieces: slices.Clone(all.Pieces),
	}
	sealed := all.FirstByte
	if end {
		sealed = all.EndByte()
	}
	out.Cut = s.cut(sealed, all.EndByte(), end)
	if s.progress != nil {
		out.Progress = s.progress.follow(fresh, s.now(), end)
	}
	return out, all.EndByte()
}

// cut says what may go from the middle of an output of size bytes, of which those
// before sealed do not change any more; nothing, while it is too little to be
// worth it.
func (s *sink) cut(sealed, size int64, end bool) scheduler.Cut {
	begin := max(s.limit.Head, s.cutTo)
	to := min(size-s.limit.Tail, sealed)
	worth := min(max(s.limit.Tail/16, minSlack), maxSlack)
	if to <= begin || (to-begin < worth && !end) {
		return scheduler.Cut{}
	}
	s.cutTo = to
	return scheduler.Cut{From: s.limit.Head, To: to}
}

// join returns a followed by b.
func join(a, b scheduler.Chunk) scheduler.Chunk {
	if len(a.Data) == 0 {
		return b
	}
	return scheduler.Chunk{
		FirstByte: a.FirstByte, FirstLine: a.FirstLine,
		Data: slices.Concat(a.Data, b.Data), Pieces: slices.Concat(a.Pieces, b.Pieces),
	}
}

// split cuts c behind the first piece boundary at or after size, or within a
// piece that alone is more than twice that.
func split(c scheduler.Chunk, size int) (first, rest scheduler.Chunk) {
	at, n := 0, 0
	for n < len(c.Pieces) && at < size {
		at += c.Pieces[n].Len
		n++
	}
	for n < len(c.Pieces) && c.Pieces[n].Len == 0 {
		n++ // it ends the line of the piece before it
	}
	pieces, after := slices.Clone(c.Pieces[:n]), c.Pieces[n:]
	if over := at - 2*size; over > 0 && pieces[n-1].Len > over {
		last := pieces[n-1]
		head, tail := last, last
		tail.Len = over
		head.Len, head.Open = last.Len-over, true
		pieces[n-1] = head
		after = append([]scheduler.Piece{tail}, after...)
		at -= over
	}
	first = scheduler.Chunk{FirstByte: c.FirstByte, FirstLine: c.FirstLine, Data: c.Data[:at], Pieces: pieces}
	rest = scheduler.Chunk{FirstByte: first.EndByte(), FirstLine: first.EndLine(), Data: c.Data[at:], Pieces: slices.Clone(after)}
	return first, rest
}
