package db

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"belfry/scheduler"
)

var errPieces = errors.New("the index of an output chunk is damaged")

// encodePieces writes the index of a chunk: for each piece its length with
// stream and openness in the low three bits, and how many milliseconds after the
// one before it came (the first: after 1970).
func encodePieces(pieces []scheduler.Piece) []byte {
	b := make([]byte, 0, 8+3*len(pieces))
	var last int64
	for _, p := range pieces {
		head := uint64(p.Len)<<3 | uint64(p.Stream&3)<<1
		if p.Open {
			head |= 1
		}
		ms := p.At.UnixMilli()
		b = binary.AppendUvarint(b, head)
		b = binary.AppendVarint(b, ms-last)
		last = ms
	}
	return b
}

func decodePieces(b []byte) ([]scheduler.Piece, error) {
	return appendPieces(make([]scheduler.Piece, 0, len(b)/3), b)
}

func appendPieces(pieces []scheduler.Piece, b []byte) ([]scheduler.Piece, error) {
	var ms int64
	for len(b) > 0 {
		head, n := binary.Uvarint(b)
		if n <= 0 || head>>3 > math.MaxInt32 {
			return nil, errPieces
		}
		delta, m := binary.Varint(b[n:])
		if m <= 0 {
			return nil, errPieces
		}
		b = b[n+m:]
		ms += delta
		pieces = append(pieces, scheduler.Piece{
			Len: int(head >> 3), Stream: scheduler.Stream(head >> 1 & 3), Open: head&1 != 0,
			At: time.UnixMilli(ms).UTC(),
		})
	}
	return pieces, nil
}

// checkChunk refuses a chunk whose pieces do not describe its bytes.
func checkChunk(c *scheduler.Chunk) error {
	n := 0
	for _, p := range c.Pieces {
		if p.Len < 0 || p.Stream > scheduler.System {
			return scheduler.Errorf(scheduler.CodeInvalid, "an output chunk has an impossible piece")
		}
		n += p.Len
	}
	if n != len(c.Data) || c.FirstByte < 0 || c.FirstLine < 1 {
		return scheduler.Errorf(scheduler.CodeInvalid, "the pieces of an output chunk do not describe its bytes")
	}
	return nil
}

// lastLine is the number of the line that a chunk's last byte belongs to.
func lastLine(c *scheduler.Chunk) int64 {
	if c.Pieces[len(c.Pieces)-1].Open {
		return c.EndLine()
	}
	return c.EndLine() - 1
}

// skipBytes cuts n bytes off the front of c.
func skipBytes(c *scheduler.Chunk, n int) {
	c.FirstByte += int64(n)
	c.Data = c.Data[n:]
	for n > 0 {
		p := &c.Pieces[0]
		if n < p.Len {
			p.Len -= n
			return
		}
		n -= p.Len
		if !p.Open {
			c.FirstLine++
		}
		c.Pieces = c.Pieces[1:]
	}
}

// skipEmpty cuts off the ends of a line that is before c.
func skipEmpty(c *scheduler.Chunk) {
	for len(c.Pieces) > 0 && c.Pieces[0].Len == 0 && !c.Pieces[0].Open {
		c.Pieces = c.Pieces[1:]
		c.FirstLine++
	}
}

// keepBytes cuts c after n bytes. A piece that is cut is open: its line goes on.
func keepBytes(c *scheduler.Chunk, n int) {
	if n >= len(c.Data) {
		return
	}
	c.Data = c.Data[:n]
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if n < p.Len {
			p.Len, p.Open = n, true
			if n > 0 {
				i++
			}
			c.Pieces = c.Pieces[:i]
			return
		}
		if n -= p.Len; n == 0 {
			c.Pieces = c.Pieces[:i+1]
			return
		}
	}
}

// lineStart returns how many bytes of c come before the line number line, which
// begins in c or before it.
func lineStart(c *scheduler.Chunk, line int64) int {
	at, n := 0, c.FirstLine
	for _, p := range c.Pieces {
		if n >= line {
			break
		}
		at += p.Len
		if !p.Open {
			n++
		}
	}
	return at
}
