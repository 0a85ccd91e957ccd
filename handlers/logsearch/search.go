package logsearch

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"sort"
	"sync"

	"belfry/scheduler"
)

const (
	kept  = 64 // searches that are remembered
	scans = 2  // that go through whole outputs at the same time
)

// Searcher remembers how many lines match in which part of an output, so that
// asking again, and asking of an output that has grown, reads only what is new.
type Searcher struct {
	store scheduler.OutputStore
	text  func([]byte) []byte
	scans chan struct{}

	mu     sync.Mutex
	recent []*Search // the one used last comes last
}

// NewSearcher searches what store has. text says what a reader sees of a line.
func NewSearcher(store scheduler.OutputStore, text func([]byte) []byte) *Searcher {
	return &Searcher{store: store, text: text, scans: make(chan struct{}, scans)}
}

// Search is one pattern in one execution's output. It is safe for concurrent use.
type Search struct {
	*Pattern
	store     scheduler.OutputStore
	scans     chan struct{}
	id, expr  string
	matchCase bool

	scanning chan struct{} // whoever sends may extend parts

	mu    sync.Mutex
	cut   scheduler.Cut // when parts were counted
	parts []part        // from the beginning on, without holes but for the gap; never changed in place
	tail  int64         // 1 when the line that is still open matches
}

// part is whole lines, and how many of them match.
type part struct {
	firstByte, endByte int64
	firstLine, endLine int64 // endLine is the first that is not part of it
	hits               int64
}

// Search returns the search for a regular expression in an execution's output.
// Letters match whatever their case is, unless matchCase is set. CodeInvalid: it
// is no regular expression.
func (s *Searcher) Search(id, expr string, matchCase bool) (*Search, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.recent, func(x *Search) bool {
		return x.id == id && x.expr == expr && x.matchCase == matchCase
	})
	if i >= 0 {
		x := s.recent[i]
		s.recent = append(slices.Delete(s.recent, i, i+1), x)
		return x, nil
	}
	p, err := Compile(expr, matchCase, s.text)
	if err != nil {
		return nil, err
	}
	x := &Search{
		Pattern: p, store: s.store, scans: s.scans, id: id, expr: expr, matchCase: matchCase, scanning: make(chan struct{}, 1),
	}
	if len(s.recent) == kept {
		s.recent = slices.Delete(s.recent, 0, 1)
	}
	s.recent = append(s.recent, x)
	return x, nil
}

// Count returns how many lines match.
func (s *Search) Count(ctx context.Context) (int64, error) {
	if err := s.extend(ctx); err != nil {
		return 0, err
	}
	parts, total := s.counted()
	for _, p := range parts {
		total += p.hits
	}
	return total, nil
}

// Before returns how many lines match before a line.
func (s *Search) Before(ctx context.Context, line int64) (n int64, err error) {
	if err := s.extend(ctx); err != nil {
		return 0, err
	}
	parts, tail := s.counted()
	for _, p := range parts {
		if p.endLine <= line {
			n += p.hits
			continue
		}
		if p.hits > 0 && p.firstLine < line {
			found, err := s.Forward(ctx, p.firstLine, line-1, 0, math.MaxInt)
			return n + int64(len(found)), err
		}
		return n, nil
	}
	if l := len(parts); tail > 0 && (l == 0 || line > parts[l-1].endLine) {
		n += tail
	}
	return n, nil
}

// From returns at most n lines that match, without the first skip of all.
func (s *Search) From(ctx context.Context, skip int64, n int) ([]Line, error) {
	if err := s.extend(ctx); err != nil {
		return nil, err
	}
	parts, _ := s.counted()
	for _, p := range parts {
		if p.hits > skip {
			return s.Forward(ctx, p.firstLine, math.MaxInt64, skip, n)
		}
		skip -= p.hits
	}
	first := int64(1)
	if l := len(parts); l > 0 {
		first = parts[l-1].endLine
	}
	return s.Forward(ctx, first, math.MaxInt64, skip, n)
}

// Forward returns at most n lines from first to last that match, without the
// first skip of them.
func (s *Search) Forward(ctx context.Context, first, last, skip int64, n int) ([]Line, error) {
	parts, _ := s.counted()
	i := sort.Search(len(parts), func(i int) bool { return parts[i].endLine > first })
	var at int64
	if i < len(parts) {
		at = parts[i].firstByte
	} else {
		c, err := s.store.OutputLines(ctx, s.id, first, 1)
		if err != nil || len(c.Data) == 0 {
			return nil, err
		}
		at = c.FirstByte
	}
	var found []Line
	for n > 0 {
		for ; i < len(parts) && parts[i].firstByte <= at; i++ {
			if parts[i].firstByte == at && parts[i].hits == 0 {
				at = parts[i].endByte
			}
		}
		err := s.walk(ctx, at, func(c *scheduler.Chunk, _ bool) error {
			if c.FirstLine > last {
				return errEnough
			}
			for at = c.FirstByte; i < len(parts) && parts[i].firstByte <= at; i++ {
				if parts[i].firstByte == at && parts[i].hits == 0 {
					return errNextPart
				}
			}
			s.each(c, func(l Line) bool {
				switch {
				case l.N > last:
					return false
				case l.N < first:
				case skip > 0:
					skip--
				default:
					found = append(found, l.clone())
				}
				return len(found) < n
			})
			if len(found) == n {
				return errEnough
			}
			return nil
		})
		switch {
		case errors.Is(err, errNextPart):
			continue
		case errors.Is(err, errEnough):
			err = nil
		}
		return found, err
	}
	return found, nil
}

// Why a walk ends early.
var (
	errEnough   = errors.New("enough was found")
	errNextPart = errors.New("the next part may have nothing")
)

// Backward returns the last n lines up to last that match.
func (s *Search) Backward(ctx context.Context, last int64, n int) ([]Line, error) {
	end, err := s.endOf(ctx, last)
	if err != nil {
		return nil, err
	}
	parts, _ := s.counted()
	i := sort.Search(len(parts), func(i int) bool { return parts[i].endByte >= end })
	var found []Line // the last comes first
	for end > 0 && len(found) < n {
		for i >= len(parts) || (i >= 0 && parts[i].endByte > end) {
			i--
		}
		if i >= 0 && parts[i].endByte == end && parts[i].hits == 0 {
			end = parts[i].firstByte
			continue
		}
		c, err := s.readBefore(ctx, end)
		if err != nil {
			return nil, err
		}
		var some []Line
		s.each(&c, func(l Line) bool {
			if l.N <= last {
				some = append(some, l.clone())
			}
			return l.N <= last
		})
		slices.Reverse(some)
		found = append(found, some...)
		end = c.FirstByte
	}
	found = found[:min(n, len(found))]
	slices.Reverse(found)
	return found, nil
}

// endOf returns where a line ends.
func (s *Search) endOf(ctx context.Context, line int64) (int64, error) {
	size, lines, err := s.store.OutputSize(ctx, s.id)
	if err != nil || line >= lines {
		return size, err
	}
	c, err := s.store.OutputLines(ctx, s.id, line+1, 1)
	return c.FirstByte, err
}

func (l Line) clone() Line {
	l.Raw, l.Text = bytes.Clone(l.Raw), bytes.Clone(l.Text)
	return l
}

func (s *Search) counted() (parts []part, tail int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts, s.tail
}

// extend counts what has come since the last time.
func (s *Search) extend(ctx context.Context) error {
	for _, turn := range []chan struct{}{s.scanning, s.scans} {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	gap, err := s.store.OutputGap(ctx, s.id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if gap.Cut != s.cut {
		s.cut, s.parts = gap.Cut, nil
	}
	parts := s.parts
	s.mu.Unlock()
	fresh, tail, err := s.scan(ctx, parts)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts, s.tail = joined(slices.Clone(parts), fresh), tail
	return nil
}

// scan counts what follows parts.
func (s *Search) scan(ctx context.Context, parts []part) (fresh []part, tail int64, err error) {
	var at int64
	if n := len(parts); n > 0 {
		at = parts[n-1].endByte
	}
	err = s.walk(ctx, at, func(c *scheduler.Chunk, open bool) error {
		n := s.count(c)
		if open {
			tail = n
			return nil
		}
		fresh = joined(fresh, []part{{c.FirstByte, c.EndByte(), c.FirstLine, c.EndLine(), n}})
		return nil
	})
	return fresh, tail, err
}

// joined returns parts followed by fresh ones. Small neighbours become one: a log
// that is watched while it grows is counted in many small steps.
func joined(all, fresh []part) []part {
	for _, p := range fresh {
		if n := len(all); n > 0 && all[n-1].endByte == p.firstByte && p.endByte-all[n-1].firstByte <= unit {
			last := &all[n-1]
			last.endByte, last.endLine, last.hits = p.endByte, p.endLine, last.hits+p.hits
			continue
		}
		all = append(all, p)
	}
	return all
}
