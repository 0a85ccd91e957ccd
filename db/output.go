package db

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"belfry/scheduler"
)

// outputRow is the extent of an execution's output.
type outputRow struct {
	seq, bytes, lines int64
	cut               scheduler.Cut
}

// outputOf returns the key and the extent of an execution's output; found=false
// when there is no such execution.
func (s *Store) outputOf(ctx context.Context, id string) (o outputRow, found bool, err error) {
	found, err = get(ctx, s.read, "SELECT seq, output_bytes, output_lines, cut_from, cut_to FROM executions WHERE id = $1",
		[]any{id}, &o.seq, &o.bytes, &o.lines, &o.cut.From, &o.cut.To)
	return o, found, err
}

// OutputSize returns the length in bytes and the number of lines begun.
func (s *Store) OutputSize(ctx context.Context, id string) (bytes, lines int64, err error) {
	o, _, err := s.outputOf(ctx, id)
	return o.bytes, o.lines, err
}

// OutputGap tells what was cut out.
func (s *Store) OutputGap(ctx context.Context, id string) (g scheduler.Gap, err error) {
	_, err = get(ctx, s.read, `SELECT e.cut_from, e.cut_to,
		COALESCE((SELECT c.last_line FROM output_chunks c WHERE c.execution = e.seq AND c.first_byte < e.cut_from
			ORDER BY c.first_byte DESC LIMIT 1), 0) + 1,
		COALESCE((SELECT c.first_line FROM output_chunks c WHERE c.execution = e.seq AND c.first_byte = e.cut_to),
			e.output_lines + 1) - 1
		FROM executions e WHERE e.id = $1 AND e.cut_to > 0`, []any{id}, &g.From, &g.To, &g.FirstLine, &g.LastLine)
	return g, err
}

// OutputAt returns at most maxBytes bytes from an offset on.
func (s *Store) OutputAt(ctx context.Context, id string, from int64, maxBytes int) (scheduler.Chunk, error) {
	return s.readOutput(ctx, id, func(r *outputReader, o *outputRow) (scheduler.Chunk, error) {
		if from >= o.bytes || maxBytes < 1 {
			return scheduler.Chunk{FirstByte: from, FirstLine: o.lines + 1}, errNoMore
		}
		at := max(from, 0)
		if at >= o.cut.From && at < o.cut.To {
			at = o.cut.To
		}
		c, err := r.chunk("first_byte <= $2 ORDER BY first_byte DESC", at)
		if err != nil {
			return c, err
		}
		skipBytes(&c, int(min(at-c.FirstByte, int64(len(c.Data)))))
		err = r.grow(&c, func() bool { return len(c.Data) < maxBytes && c.EndByte() < o.bytes })
		keepBytes(&c, maxBytes)
		return c, err
	})
}

// OutputLines returns at most n lines from a line on.
func (s *Store) OutputLines(ctx context.Context, id string, first int64, n int) (scheduler.Chunk, error) {
	first = max(first, 1)
	return s.readOutput(ctx, id, func(r *outputReader, o *outputRow) (scheduler.Chunk, error) {
		if first > o.lines || n < 1 {
			return scheduler.Chunk{FirstByte: o.bytes, FirstLine: max(first, o.lines+1)}, errNoMore
		}
		c, err := r.fromLine(first)
		if err != nil {
			return c, err
		}
		end := int64(math.MaxInt64)
		if begin := max(first, c.FirstLine); int64(n) <= o.lines-begin {
			end = begin + int64(n)
		}
		// The line before end is whole once the chunk has a byte that comes after it,
		// or all there is.
		err = r.grow(&c, func() bool { return c.EndLine() < end && c.EndByte() < o.bytes })
		if c.EndLine() >= end {
			keepBytes(&c, lineStart(&c, end))
		}
		return c, err
	})
}

// EachOutput calls fn for the output from an offset on. One query and two buffers
// serve all of it: a search goes through 100 MB that way.
func (s *Store) EachOutput(ctx context.Context, id string, from int64, fn func(*scheduler.Chunk) error) error {
	o, found, err := s.outputOf(ctx, id)
	if err != nil || !found {
		return err
	}
	var buf []byte
	var pieces []scheduler.Piece
	var failed error
	err = each(ctx, s.read, `SELECT first_byte, byte_count, first_line, codec, pieces, data FROM output_chunks
		WHERE execution = $1 AND first_byte >= COALESCE((SELECT MAX(first_byte) FROM output_chunks WHERE execution = $1 AND first_byte <= $2), 0)
		ORDER BY first_byte`, []any{o.seq, from}, func(rows *sql.Rows) error {
		var c scheduler.Chunk
		var n int64
		var codec int
		var index, data sql.RawBytes
		if err := rows.Scan(&c.FirstByte, &n, &c.FirstLine, &codec, &index, &data); err != nil {
			return err
		}
		var err error
		if buf, err = unpackInto(buf[:0], codec, data, n); err != nil {
			return err
		}
		if pieces, err = appendPieces(pieces[:0], index); err != nil {
			return err
		}
		c.Data, c.Pieces = buf, pieces
		if c.FirstByte < from {
			skipBytes(&c, int(min(from-c.FirstByte, n)))
		}
		if len(c.Data) > 0 {
			failed = fn(&c)
		}
		return failed
	})
	if failed != nil {
		return failed
	}
	return err
}

// OutputTail returns whole lines from the end, at most maxBytes bytes.
func (s *Store) OutputTail(ctx context.Context, id string, maxBytes int) (scheduler.Chunk, error) {
	return s.readOutput(ctx, id, func(r *outputReader, o *outputRow) (scheduler.Chunk, error) {
		if o.bytes == 0 || maxBytes < 1 {
			return scheduler.Chunk{FirstByte: o.bytes, FirstLine: o.lines + 1}, errNoMore
		}
		var c scheduler.Chunk
		var err error
		if start := o.bytes - int64(maxBytes); start > o.cut.To {
			// The first line that begins at or after start is the one after the line that
			// the byte before start belongs to.
			c, err := r.chunk("first_byte <= $2 ORDER BY first_byte DESC", start-1)
			if err != nil {
				return c, err
			}
			skipBytes(&c, int(min(start-1-c.FirstByte, int64(len(c.Data)))))
			if c, err = r.fromLine(min(c.FirstLine+1, o.lines)); err != nil {
				return c, err
			}
			err = r.grow(&c, func() bool { return len(c.Data) < maxBytes && c.EndByte() < o.bytes })
			keepBytes(&c, maxBytes)
			return c, err
		}
		if o.cut.To >= o.bytes { // the limit keeps no tail
			return scheduler.Chunk{FirstByte: o.bytes, FirstLine: o.lines + 1}, errNoMore
		}
		if c, err = r.chunk("first_byte = $2", o.cut.To); err != nil {
			return c, err
		}
		err = r.grow(&c, func() bool { return len(c.Data) < maxBytes && c.EndByte() < o.bytes })
		keepBytes(&c, maxBytes)
		return c, err
	})
}

// errNoMore says that a chunk is empty because there is nothing more.
var errNoMore = errors.New("no more output")

// readOutput calls read, again where it found nothing and the gap has grown
// meanwhile: the chunks that it looked for may have become part of it.
func (s *Store) readOutput(ctx context.Context, id string, read func(*outputReader, *outputRow) (scheduler.Chunk, error)) (scheduler.Chunk, error) {
	for {
		o, found, err := s.outputOf(ctx, id)
		if err != nil {
			return scheduler.Chunk{}, err
		}
		c, err := read(&outputReader{ctx: ctx, q: s.read, seq: o.seq}, &o)
		switch {
		case errors.Is(err, errNoMore):
			return c, nil
		case err != nil:
			return scheduler.Chunk{}, err
		case len(c.Data) > 0 || !found:
			return c, nil
		}
		now, _, err := s.outputOf(ctx, id)
		if err != nil || now.cut == o.cut {
			return c, err
		}
	}
}

// outputReader reads the chunks of one execution.
type outputReader struct {
	ctx context.Context //nolint:containedctx // it lives as long as one call
	q   querier
	seq int64
}

// fromLine returns the chunk in which a line that exists begins, from there on.
func (r *outputReader) fromLine(line int64) (scheduler.Chunk, error) {
	c, err := r.chunk("last_line >= $2 ORDER BY last_line, first_byte", line)
	if err == nil {
		skipBytes(&c, lineStart(&c, line))
		skipEmpty(&c)
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
	found, err := get(r.ctx, r.q, "SELECT first_byte, byte_count, first_line, codec, pieces, data FROM output_chunks WHERE execution = $1 AND "+
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
