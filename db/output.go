package db

import (
	"context"
	"math"

	"belfry/scheduler"
)

// outputOf returns the key and the extent of an execution's output; found=false
// when there is no such execution.
func (s *Store) outputOf(ctx context.Context, id string) (seq, bytes, lines int64, found bool, err error) {
	found, err = get(ctx, s.read, "SELECT seq, output_bytes, output_lines FROM executions WHERE id = $1",
		[]any{id}, &seq, &bytes, &lines)
	return seq, bytes, lines, found, err
}

// OutputSize returns the length in bytes and the number of lines begun.
func (s *Store) OutputSize(ctx context.Context, id string) (bytes, lines int64, err error) {
	_, bytes, lines, _, err = s.outputOf(ctx, id)
	return bytes, lines, err
}

// OutputAt returns at most maxBytes bytes from an offset on.
func (s *Store) OutputAt(ctx context.Context, id string, from int64, maxBytes int) (scheduler.Chunk, error) {
	seq, size, lines, found, err := s.outputOf(ctx, id)
	if err != nil || !found || from >= size || maxBytes < 1 {
		return scheduler.Chunk{FirstByte: from, FirstLine: lines + 1}, err
	}
	from = max(from, 0)
	r := &outputReader{ctx: ctx, s: s, seq: seq}
	c, err := r.chunk("first_byte <= $2 ORDER BY first_byte DESC", from)
	if err != nil {
		return scheduler.Chunk{}, err
	}
	skipBytes(&c, int(min(from-c.FirstByte, int64(len(c.Data)))))
	err = r.grow(&c, func() bool { return len(c.Data) < maxBytes && c.EndByte() < size })
	keepBytes(&c, maxBytes)
	return c, err
}

// OutputLines returns at most n lines from a line on.
func (s *Store) OutputLines(ctx context.Context, id string, first int64, n int) (scheduler.Chunk, error) {
	first = max(first, 1)
	seq, size, lines, found, err := s.outputOf(ctx, id)
	if err != nil || !found || first > lines || n < 1 {
		return scheduler.Chunk{FirstByte: size, FirstLine: max(first, lines+1)}, err
	}
	r := &outputReader{ctx: ctx, s: s, seq: seq}
	c, err := r.fromLine(first)
	if err != nil {
		return c, err
	}
	end := int64(math.MaxInt64)
	if int64(n) <= lines-first {
		end = first + int64(n)
	}
	// The line before end is whole once the chunk has a byte that comes after it,
	// or all there is.
	err = r.grow(&c, func() bool { return c.EndLine() < end && c.EndByte() < size })
	if c.EndLine() >= end {
		keepBytes(&c, lineStart(&c, end))
	}
	return c, err
}

// OutputTail returns whole lines from the end, at most maxBytes bytes.
func (s *Store) OutputTail(ctx context.Context, id string, maxBytes int) (scheduler.Chunk, error) {
	seq, size, lines, found, err := s.outputOf(ctx, id)
	if err != nil || !found || size == 0 || maxBytes < 1 {
		return scheduler.Chunk{FirstByte: size, FirstLine: lines + 1}, err
	}
	r := &outputReader{ctx: ctx, s: s, seq: seq}
	// The first line that begins at or after start is the one after the line that
	// the byte before start belongs to.
	line := int64(1)
	if start := size - int64(maxBytes); start > 0 {
		c, err := r.chunk("first_byte <= $2 ORDER BY first_byte DESC", start-1)
		if err != nil {
			return scheduler.Chunk{}, err
		}
		skipBytes(&c, int(start-1-c.FirstByte))
		line = min(c.FirstLine+1, lines)
	}
	c, err := r.fromLine(line)
	if err != nil {
		return c, err
	}
	err = r.grow(&c, func() bool { return len(c.Data) < maxBytes && c.EndByte() < size })
	keepBytes(&c, maxBytes)
	return c, err
}

// outputReader reads the chunks of one execution.
type outputReader struct {
	ctx context.Context //nolint:containedctx // it lives as long as one call
	s   *Store
	seq int64
}

// fromLine returns the chunk in which a line that exists begins, from there on.
func (r *outputReader) fromLine(line int64) (scheduler.Chunk, error) {
	c, err := r.chunk("last_line >= $2 ORDER BY last_line, first_byte", line)
	if err == nil {
		skipBytes(&c, lineStart(&c, line))
	}
	return c, err
}

// grow appends the chunks that follow c while more says so.
func (r *outputReader) grow(c *scheduler.Chunk, more func() bool) error {
	for more() {
		next, err := r.chunk("first_byte = $2", c.EndByte())
		if err != nil {
			return err
		}
		if len(next.Data) == 0 {
			return nil
		}
		c.Data = append(c.Data, next.Data...)
		c.Pieces = append(c.Pieces, next.Pieces...)
	}
	return nil
}

// chunk reads one chunk; an empty one when it is not there: the output was
// purged, or joined differently, since the caller looked.
func (r *outputReader) chunk(cond string, arg int64) (c scheduler.Chunk, err error) {
	var n int64
	var codec int
	var pieces, data []byte
	found, err := get(r.ctx, r.s.read, "SELECT first_byte, byte_count, first_line, codec, pieces, data FROM output_chunks WHERE execution = $1 AND "+
		cond+" LIMIT 1", []any{r.seq, arg}, &c.FirstByte, &n, &c.FirstLine, &codec, &pieces, &data)
	if err != nil || !found {
		return scheduler.Chunk{FirstByte: arg, FirstLine: 1}, err
	}
	if c.Data, err = unpack(codec, data, n); err != nil {
		return c, translate(err)
	}
	c.Pieces, err = decodePieces(pieces)
	return c, translate(err)
}
