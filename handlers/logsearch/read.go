package logsearch

import (
	"context"

	"belfry/scheduler"
)

const (
	unit    = 256 << 10 // bytes that are read at once backwards, but for longer lines; and of a part
	longest = 4 << 20   // the runner splits lines far below that
)

// walk calls fn for whole lines from byte at on, where one begins, until the end
// or until fn fails. The line that is still being written comes last and alone,
// and open is true. The chunk is another one after fn has returned.
func (s *Search) walk(ctx context.Context, at int64, fn func(c *scheduler.Chunk, open bool) error) error {
	var rest, spare scheduler.Chunk // of a line that goes on in the next chunk
	err := s.store.EachOutput(ctx, s.id, at, func(c *scheduler.Chunk) error {
		if len(rest.Data) > 0 && rest.EndByte() == c.FirstByte {
			rest.Data, rest.Pieces = append(rest.Data, c.Data...), append(rest.Pieces, c.Pieces...)
			c = &rest
		} else if len(rest.Data) > 0 { // a gap follows
			if err := fn(&rest, false); err != nil {
				return err
			}
			rest.Data = rest.Data[:0]
		}
		whole := *c
		keep(&whole, closed(c))
		if len(whole.Data) > 0 {
			if err := fn(&whole, false); err != nil {
				return err
			}
		}
		if len(whole.Data) == 0 && c == &rest {
			return nil // a long line
		}
		spare.FirstByte, spare.FirstLine = whole.EndByte(), whole.EndLine()
		spare.Data = append(spare.Data[:0], c.Data[len(whole.Data):]...)
		spare.Pieces = append(spare.Pieces[:0], c.Pieces[len(whole.Pieces):]...)
		rest, spare = spare, rest
		return nil
	})
	if err == nil && len(rest.Data) > 0 {
		err = fn(&rest, true)
	}
	return err
}

// readBefore returns whole lines that end at byte end, where one does. An empty
// chunk begins where to go on; 0 is the beginning.
func (s *Search) readBefore(ctx context.Context, end int64) (scheduler.Chunk, error) {
	for size := int64(unit); ; size *= 4 {
		from := max(0, end-size)
		c, err := s.store.OutputAt(ctx, s.id, from, int(end-from))
		if err != nil {
			return c, err
		}
		if len(c.Data) == 0 || c.FirstByte > from || c.EndByte() < end { // something is missing there
			gap, err := s.store.OutputGap(ctx, s.id)
			if err != nil || gap.To >= end || gap.To < from {
				return scheduler.Chunk{FirstByte: gap.From}, err
			}
			if c, err = s.store.OutputAt(ctx, s.id, gap.To, int(end-gap.To)); err != nil {
				return c, err
			}
		}
		if from > 0 && c.FirstByte == from {
			dropFirst(&c) // its beginning is not here
		}
		if len(c.Data) > 0 {
			return c, nil
		}
		if size >= longest {
			return scheduler.Chunk{FirstByte: from}, nil
		}
	}
}

// closed is how many bytes of c belong to lines that are whole.
func closed(c *scheduler.Chunk) int {
	at, whole := 0, 0
	for _, p := range c.Pieces {
		if at += p.Len; !p.Open {
			whole = at
		}
	}
	return min(whole, len(c.Data))
}

// keep cuts c after n bytes, where a line ends.
func keep(c *scheduler.Chunk, n int) {
	last := len(c.Pieces)
	for last > 0 && c.Pieces[last-1].Open {
		last--
	}
	c.Data, c.Pieces = c.Data[:n], c.Pieces[:last]
}

// dropFirst cuts the first line off.
func dropFirst(c *scheduler.Chunk) {
	n, i := 0, 0
	for i < len(c.Pieces) {
		p := c.Pieces[i]
		n += p.Len
		i++
		if !p.Open {
			c.FirstLine++
			break
		}
	}
	n = min(n, len(c.Data))
	c.FirstByte += int64(n)
	c.Data, c.Pieces = c.Data[n:], c.Pieces[i:]
}
