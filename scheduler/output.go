package scheduler

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Stream tells a process's two outputs apart.
type Stream uint8

// The streams. System is for what Belfry itself writes into an output.
const (
	Stdout Stream = iota
	Stderr
	System
)

// String returns "stdout", "stderr" or "system".
func (s Stream) String() string { return [...]string{"stdout", "stderr", "system"}[s] }

// Piece describes consecutive bytes of one stream that arrived together. A line
// is one piece, or several of which all but the last are Open. A line ends with
// its newline (which belongs to it), before bytes of another stream, at the line
// cap, or at the end of the output. An empty piece that is not Open ends the line
// of the piece before it, which was stored already when bytes of another stream
// came.
type Piece struct {
	Len    int
	Stream Stream
	At     time.Time // arrival, millisecond resolution
	Open   bool      // the line goes on in the next piece
}

// Chunk is consecutive output of an execution. len(Data) is the sum of the
// pieces' lengths. FirstLine is the number (from 1) of the line that the first
// piece belongs to; when the piece before it was Open, that is the same line.
type Chunk struct {
	FirstByte int64
	FirstLine int64
	Data      []byte
	Pieces    []Piece
}

// EndByte is the offset after the chunk's last byte.
func (c *Chunk) EndByte() int64 { return c.FirstByte + int64(len(c.Data)) }

// EndLine is the number of the line that the byte after the chunk belongs to.
func (c *Chunk) EndLine() int64 {
	n := c.FirstLine
	for _, p := range c.Pieces {
		if !p.Open {
			n++
		}
	}
	return n
}

// Of returns the bytes of one stream.
func (c *Chunk) Of(s Stream) string {
	var b strings.Builder
	at := 0
	for _, p := range c.Pieces {
		end := min(at+p.Len, len(c.Data))
		if p.Stream == s {
			b.Write(c.Data[at:end])
		}
		at = end
	}
	return b.String()
}

// Gap is what the output limit cut out of an output: whole lines, FirstLine to
// LastLine. No line has these numbers any more.
type Gap struct {
	Cut
	FirstLine, LastLine int64
}

// IsZero reports whether nothing was cut out.
func (g Gap) IsZero() bool { return g.To == 0 }

// String is the line that stands for what is missing.
func (g Gap) String() string {
	return fmt.Sprintf("[… %d bytes (%d lines) cut here by the output limit …]", g.To-g.From, g.LastLine-g.FirstLine+1)
}

// OutputWriter takes what a run writes. Its methods may be called from several
// goroutines; p is copied before they return. They never fail towards the
// executor: a run does not die of its log.
type OutputWriter interface {
	Write(s Stream, p []byte)
}

// outputPart is how much of an output is read at once.
const outputPart = 256 << 10

// EachPart calls fn for all that is kept of an output, part by part, each with what
// was cut out right before it. What was cut out at the very end, which is so while a
// run goes on and when it was lost, comes with an empty part.
func EachPart(ctx context.Context, store OutputStore, id string, fn func(Chunk, Gap) error) error {
	gap, err := store.OutputGap(ctx, id)
	if err != nil {
		return err
	}
	for at := int64(0); ; {
		c, err := store.OutputAt(ctx, id, at, outputPart)
		if err != nil {
			return err
		}
		more := len(c.Data) > 0
		if !more && at >= gap.To {
			return nil
		}
		var before Gap
		if at < gap.To && (!more || c.FirstByte >= gap.To) {
			before = gap
		}
		if err := fn(c, before); err != nil || !more {
			return err
		}
		at = c.EndByte()
	}
}
