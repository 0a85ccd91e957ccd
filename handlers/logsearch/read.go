package logsearch

import (
	"context"

	"belfry/scheduler"
)

const (
	unit    = 256 << 10 // bytes that are read at once, but for longer lines
	longest = 4 << 20   // the runner splits lines far below that
)

// read returns whole lines from byte at on, where one begins; what is cut out
// there is skipped. The line that is still being written comes alone, and open is
// true; an empty chunk is the end.
func (s *Search) read(ctx context.Context, at int64) (c scheduler.Chunk, open bool, err error) {
	for size := unit; size <= longest; size *= 4 {
		if c, err = s.store.OutputAt(ctx, s.id, at, size); err != nil || len(c.Data) == 0 {
			return c, false, err
		}
		full := len(c.Data) >= size
		if whole := closed(&c); whole > 0 {
			keep(&c, whole)
			return c, false, nil
		}
		if !full {
			return c, true, nil
		}
	}
	return c, true, nil
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
