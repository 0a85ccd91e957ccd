package views

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"belfry/scheduler"
)

// Lines renders a chunk's lines. The chunk must begin where a line begins. It
// also returns how many bytes at its end belong to a line that is still open:
// the next chunk has to begin with them, because an open line is rendered again
// as a whole when it goes on. t moves over the closed lines only.
func Lines(t *Terminal, c scheduler.Chunk) (lines []Line, openBytes int) {
	n, start, end := c.FirstLine, 0, 0
	fresh := true
	for i, p := range c.Pieces {
		if fresh {
			lines = append(lines, Line{N: n, At: p.At, Stream: p.Stream})
		}
		end = min(end+p.Len, len(c.Data))
		fresh = !p.Open
		if p.Open && i < len(c.Pieces)-1 {
			continue
		}
		line := &lines[len(lines)-1]
		before := t.style
		line.HTML = t.Line(c.Data[start:end])
		if p.Open {
			line.Open, openBytes = true, end-start
			t.style = before
		}
		start = end
		n++
	}
	return lines, openBytes
}

// GapLine stands for the lines that were cut out of an output.
func GapLine(g scheduler.Gap) Line {
	return Line{N: g.FirstLine, Last: g.LastLine, Stream: scheduler.System, HTML: TerminalHTML([]byte(g.String()))}
}

// Cursor is where a log's reader goes on: the id of an `output` event. at is the
// offset of the first byte that was not rendered in a closed line.
func Cursor(at int64, t *Terminal) string {
	s := strconv.FormatInt(at, 10)
	if state := t.State(); state != "" {
		s += "." + state
	}
	return s
}

// ParseCursor takes a Cursor apart.
func ParseCursor(s string) (at int64, t *Terminal, err error) {
	offset, state, _ := strings.Cut(s, ".")
	at, err = strconv.ParseInt(offset, 10, 64)
	if err != nil || at < 0 {
		return 0, nil, errors.New("not a cursor")
	}
	return at, NewTerminal(state), nil
}

// OutputLines is an `output` event's data and the answer of /lines. A line that
// the page has already is replaced, the others are added. It holds no line
// break. Written by hand because it is the hottest path of the pages.
func OutputLines(lines []Line) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := w.Write(appendLines(nil, lines))
		return err
	})
}

func appendLines(b []byte, lines []Line) []byte {
	size := 0
	for i := range lines {
		size += len(lines[i].HTML) + 128
	}
	if cap(b)-len(b) < size {
		b = append(make([]byte, 0, len(b)+size), b...)
	}
	for i := range lines {
		l := &lines[i]
		if l.Last > 0 {
			b = appendGap(b, l)
			continue
		}
		b = append(b, `<div class="ln" id="L`...)
		b = strconv.AppendInt(b, l.N, 10)
		b = append(b, `" data-n="`...)
		b = strconv.AppendInt(b, l.N, 10)
		b = append(b, `" data-t="`...)
		b = strconv.AppendInt(b, l.At.UnixMilli(), 10)
		b = append(b, `" data-s="`...)
		b = append(b, streamCode(l.Stream)...)
		if l.Open {
			b = append(b, `" data-open="`...)
		}
		b = append(b, `"><a class="no" tabindex="-1" href="#L`...)
		b = strconv.AppendInt(b, l.N, 10)
		b = append(b, `">`...)
		b = strconv.AppendInt(b, l.N, 10)
		b = append(b, `</a><span class="tt">`...)
		b = append(b, l.HTML...)
		b = append(b, `</span></div>`...)
	}
	return b
}

// appendGap writes a line without a number or time of its own. Its id is its own,
// too: a page has one of it, and may still have lines that it stands for.
func appendGap(b []byte, l *Line) []byte {
	b = append(b, `<div class="ln" id="cut" data-n="`...)
	b = strconv.AppendInt(b, l.N, 10)
	b = append(b, `" data-to="`...)
	b = strconv.AppendInt(b, l.Last, 10)
	b = append(b, `" data-s="`...)
	b = append(b, streamCode(l.Stream)...)
	b = append(b, `"><span class="no"></span><span class="tt">`...)
	b = append(b, l.HTML...)
	return append(b, `</span></div>`...)
}

func streamCode(s scheduler.Stream) string {
	switch s {
	case scheduler.Stderr:
		return "err"
	case scheduler.System:
		return "sys"
	default:
		return "out"
	}
}
