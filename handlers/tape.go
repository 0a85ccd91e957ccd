package handlers

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/a-h/templ"

	"belfry/scheduler"
	"belfry/views"
)

const (
	outputFrame = 256 << 10 // bytes of output in one frame, but for a longer line
	longestLine = 2 << 20   // the runner splits lines far below that
	skipFrom    = 32 << 10  // a page that is further behind sees the end of what is new, and fetches the rest if it wants
	skipTail    = 16 << 10  // of that: some screens full
)

// outputPart is an `output` event: lines of output, rendered.
type outputPart struct {
	from   int64  // offset of the first byte
	to     int64  // offset behind the last line that is whole
	end    int64  // offset behind the last byte: more than to when a line is still open
	cursor string // says to, for who comes back
	data   []byte
}

// tape reads an output from a place on, part by part. It is for one goroutine.
type tape struct {
	store    scheduler.OutputStore
	id       string
	html     bool
	at       int64 // offset of the first byte that was not read in a whole line
	terminal *views.Terminal
}

// next returns the next part of what comes before end, with data=nil when there is
// none, and whether there is more before end: the store's chunk also ends early where
// something was cut out. A line that is still open comes again when it goes on.
func (t *tape) next(ctx context.Context, end int64) (p outputPart, more bool, err error) {
	for most := int64(outputFrame); t.at < end; most = longestLine {
		size := min(most, end-t.at)
		c, err := t.store.OutputAt(ctx, t.id, t.at, int(size))
		if err != nil {
			return p, false, err
		}
		if c.FirstByte > t.at || len(c.Data) == 0 {
			return t.jump(ctx)
		}
		lines, open := views.Lines(t.terminal, c)
		whole := len(c.Data) - open
		full := int64(len(c.Data)) >= size && c.EndByte() < end
		if full && whole == 0 && most < longestLine {
			continue
		}
		p = outputPart{from: t.at, end: c.EndByte()}
		if full && open > 0 && whole > 0 {
			// The last line is cut by size, not by the run: the next part has it.
			lines, p.end = lines[:len(lines)-1], t.at+int64(whole)
			c.Data = c.Data[:whole]
			for c.Pieces[len(c.Pieces)-1].Open {
				c.Pieces = c.Pieces[:len(c.Pieces)-1]
			}
		}
		t.at += int64(whole)
		if t.html {
			p.data, err = html(ctx, views.OutputLines(lines))
		} else {
			p.data, err = json.Marshal(presentOutput(t.id, p.from, c))
		}
		return t.placed(p), whole > 0 && p.end < end, err
	}
	return p, false, nil
}

func (t *tape) placed(p outputPart) outputPart {
	p.to, p.cursor = t.at, views.Cursor(t.at, t.terminal)
	return p
}

// jump returns what stands for the output that was cut out where the tape is, and
// goes on behind it: data=nil when nothing was, because the output was deleted.
func (t *tape) jump(ctx context.Context) (p outputPart, more bool, err error) {
	gap, err := t.store.OutputGap(ctx, t.id)
	if err != nil || t.at < gap.From || gap.To <= t.at {
		return p, false, err
	}
	p.from, p.end = t.at, gap.To
	t.at, t.terminal = gap.To, new(views.Terminal)
	if t.html {
		p.data, err = html(ctx, views.OutputLines([]views.Line{views.GapLine(gap)}))
	} else {
		p.data, err = json.Marshal(outputOut{t.id, p.from, []lineOut{gapLine(gap)}})
	}
	return t.placed(p), true, err
}

// skip goes on at the beginning of the last lines when there is too much before
// them for a page to show. What colour they have there is not known.
func (t *tape) skip(ctx context.Context, size int64) error {
	if !t.html || size-t.at <= skipFrom {
		return nil
	}
	c, err := t.store.OutputTail(ctx, t.id, skipTail)
	if err == nil && c.FirstByte > t.at {
		t.at, t.terminal = c.FirstByte, new(views.Terminal)
	}
	return err
}

// toTail goes to where the last line begins if it is still open, else to the end.
func (t *tape) toTail(ctx context.Context) (end int64, err error) {
	c, err := t.store.OutputTail(ctx, t.id, 1)
	if err != nil {
		return 0, err
	}
	t.at, end = c.EndByte(), c.EndByte()
	if n := len(c.Pieces); n > 0 && c.Pieces[n-1].Open {
		t.at = c.FirstByte
	}
	return end, nil
}

// html renders a component as the data of an event: without carriage returns,
// which would end a line of it.
func html(ctx context.Context, c templ.Component) ([]byte, error) {
	var b bytes.Buffer
	err := c.Render(ctx, &b)
	return bytes.ReplaceAll(b.Bytes(), []byte{'\r'}, []byte("&#13;")), err
}

// goTo goes on behind a part that another tape has read.
func (t *tape) goTo(p outputPart) {
	_, t.terminal, _ = views.ParseCursor(p.cursor) // we made it
	t.at = p.to
}
