package logsearch

import (
	"time"

	"belfry/scheduler"
)

// Line is a line that matches. Text is what a reader sees of it, and good until
// the next line.
type Line struct {
	N      int64
	At     time.Time
	Stream scheduler.Stream
	Open   bool // more of it may come
	Raw    []byte
	Text   []byte
}

// lines goes through the lines of a chunk that begins with one.
type lines struct {
	chunk *scheduler.Chunk
	piece int
	n     int64
	end   int // of the line that next returned last
}

// next returns the next line, false when there is none.
func (l *lines) next() (Line, bool) {
	c := l.chunk
	for l.piece < len(c.Pieces) && c.Pieces[l.piece].Len == 0 && !c.Pieces[l.piece].Open {
		l.piece++ // it ends a line that is before the chunk
		l.n++
	}
	if l.piece >= len(c.Pieces) {
		return Line{}, false
	}
	first := &c.Pieces[l.piece]
	line := Line{N: l.n, At: first.At, Stream: first.Stream}
	start := l.end
	for ; l.piece < len(c.Pieces); l.piece++ {
		p := &c.Pieces[l.piece]
		l.end = min(l.end+p.Len, len(c.Data))
		line.Open = p.Open
		if !p.Open {
			l.piece++
			break
		}
	}
	l.n++
	line.Raw = c.Data[start:l.end]
	return line, true
}

// each calls yield for every line of c that matches, until it returns false. c
// begins with a line.
func (p *Pattern) each(c *scheduler.Chunk, yield func(Line) bool) {
	a, _ := p.automata.Get().(*automaton)
	defer p.automata.Put(a)
	l := &lines{chunk: c, n: c.FirstLine}
	for {
		line, ok := l.next()
		if !ok {
			return
		}
		if line.Text = p.text(line.Raw); a.matches(line.Text) && !yield(line) {
			return
		}
	}
}

// count returns how many lines of c match.
func (p *Pattern) count(c *scheduler.Chunk) (n int64) {
	p.each(c, func(Line) bool {
		n++
		return true
	})
	return n
}
