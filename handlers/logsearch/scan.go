package logsearch

import (
	"bytes"
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

// to skips the lines that end at or before an offset of the data.
func (l *lines) to(offset int) {
	for l.piece < len(l.chunk.Pieces) {
		end, next := l.end, l.piece
		for next < len(l.chunk.Pieces) {
			p := &l.chunk.Pieces[next]
			end += p.Len
			next++
			if !p.Open {
				break
			}
		}
		if end > offset {
			return
		}
		l.end, l.piece = end, next
		l.n++
	}
}

// each calls yield for every line of c that matches, until it returns false. c
// begins with a line.
func (p *Pattern) each(c *scheduler.Chunk, yield func(Line) bool) {
	l := &lines{chunk: c, n: c.FirstLine}
	data := c.Data
	if p.fold && len(p.literals) > 0 {
		data = lower(data)
	}
	if len(p.literals) == 0 || controls(c.Data) || (p.exotic && mayFold(c.Data)) {
		p.all(l, yield)
		return
	}
	// Where the data is what a reader sees, only lines with a literal may match.
	next := make([]int, len(p.literals)) // where each is, from the line on
	for at := 0; ; {
		nearest := -1
		for i, literal := range p.literals {
			if next[i] >= 0 && (next[i] < at || at == 0) {
				found := bytes.Index(data[at:], literal)
				if next[i] = found; found >= 0 {
					next[i] += at
				}
			}
			if next[i] >= 0 && (nearest < 0 || next[i] < nearest) {
				nearest = next[i]
			}
		}
		if nearest < 0 {
			return
		}
		l.to(nearest)
		line, ok := l.next()
		if !ok {
			return
		}
		if line.Text = p.text(line.Raw); p.re.Match(line.Text) && !yield(line) {
			return
		}
		at = l.end
	}
}

func (p *Pattern) all(l *lines, yield func(Line) bool) {
	for {
		line, ok := l.next()
		if !ok {
			return
		}
		if line.Text = p.text(line.Raw); p.re.Match(line.Text) && !yield(line) {
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

var lowered = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

func lower(data []byte) []byte {
	low := make([]byte, len(data))
	for i, c := range data {
		low[i] = lowered[c]
	}
	return low
}

// steers marks the bytes that may make a reader see something else than the
// data: controls but for tabs and line breaks.
var steers = func() (t [256]uint8) {
	for i := range 0x20 {
		t[i] = 1
	}
	t['\t'], t['\n'], t['\r'], t[0x7f] = 0, 0, 0, 1
	return t
}()

func controls(data []byte) bool {
	var any uint8
	for _, c := range data {
		any |= steers[c]
	}
	return any != 0 || bytes.Count(data, []byte{'\r'}) != bytes.Count(data, []byte("\r\n")) || reorders(data)
}

// reorders reports whether data has a rune that readers are told of by its code:
// U+2028 to U+202E and U+2066 to U+2069.
func reorders(data []byte) bool {
	for {
		at := bytes.IndexByte(data, 0xe2)
		if at < 0 || at+2 >= len(data) {
			return false
		}
		second, third := data[at+1], data[at+2]
		if (second == 0x80 && third >= 0xa8 && third <= 0xae) || (second == 0x81 && third >= 0xa6 && third <= 0xa9) {
			return true
		}
		data = data[at+1:]
	}
}
