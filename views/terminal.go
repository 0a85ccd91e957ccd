package views

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Terminal renders a log's lines as a terminal would show them in the end:
// colours carry over from line to line, carriage returns and erasures have
// happened, and everything that could act on the reader's side is gone. What it
// writes is text, span elements with classes of static/css/terminal.css, and
// links to http, https and mailto; never a line break. The zero value is a
// terminal that has just been reset. A Terminal is not safe for concurrent use.
type Terminal struct{ style style }

// NewTerminal returns a terminal in the state that State described; anything
// else is a reset one.
func NewTerminal(state string) *Terminal {
	var t Terminal
	for state != "" {
		end := 1
		for end < len(state) && state[end] >= '0' && state[end] <= '9' {
			end++
		}
		n, err := strconv.ParseUint(state[1:end], 10, 32)
		c := colour(n)
		switch {
		case err != nil || (c > 256 && c&^0xffffff != trueColour):
			return &Terminal{}
		case state[0] == 'a' && n < 256:
			t.style.attr = uint8(n)
		case state[0] == 'f':
			t.style.fg = c
		case state[0] == 'g':
			t.style.bg = c
		default:
			return &Terminal{}
		}
		state = state[end:]
	}
	return &t
}

// State describes the terminal in [afg0-9]*, empty after a reset, so that a
// connection that is resumed goes on in the right colour.
func (t *Terminal) State() string {
	if t.style == (style{}) {
		return ""
	}
	var b []byte
	for _, p := range [...]struct {
		name byte
		n    colour
	}{{'a', colour(t.style.attr)}, {'f', t.style.fg}, {'g', t.style.bg}} {
		if p.n != 0 {
			b = strconv.AppendUint(append(b, p.name), uint64(p.n), 10)
		}
	}
	return string(b)
}

// TerminalHTML renders one line by itself.
func TerminalHTML(line []byte) string { return new(Terminal).Line(line) }

// TerminalText is what a reader sees of one line: the text of what Line renders.
// Where that is the line itself, no byte is copied.
func TerminalText(line []byte) []byte {
	line = trimBreak(line)
	if legible(line) {
		return line
	}
	w := writer{bare: true, buf: make([]byte, 0, len(line))}
	if !w.stream(line) {
		var s screen
		s.play(line)
		w.buf = w.buf[:0]
		s.draw(&w)
	}
	return w.buf
}

// legible reports whether b is shown as it is, but for what HTML escapes.
func legible(b []byte) bool {
	for i := 0; i < len(b); {
		if c := b[i]; c < utf8.RuneSelf {
			if (c < ' ' && c != '\t') || c == 0x7f {
				return false
			}
			i++
			continue
		}
		tok, n := next(b[i:])
		if tok.kind != kText || (tok.r == utf8.RuneError && n != len("\uFFFD")) {
			return false
		}
		i += n
	}
	return true
}

func trimBreak(b []byte) []byte {
	return bytes.TrimRight(bytes.TrimSuffix(b, []byte("\n")), "\r")
}

// Line renders one line, with or without its line break.
func (t *Terminal) Line(b []byte) string {
	b = trimBreak(b)
	if t.style == (style{}) && plain(b) {
		return string(b)
	}
	before := t.style
	w := writer{style: t.style}
	w.buf = make([]byte, 0, len(b)+len(b)/8+32)
	if !w.stream(b) {
		// The cursor moved back: only a screen line knows what is left in the end.
		s := screen{style: before}
		s.play(b)
		w = writer{buf: w.buf[:0]}
		s.draw(&w)
		t.style = s.style
		return string(w.buf)
	}
	w.close()
	t.style = w.style
	return string(w.buf)
}

// asIs marks the bytes that need neither escaping nor a look at their context.
var asIs = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = true
	}
	t['\t'] = true
	for _, c := range `<>&"'` {
		t[c] = false
	}
	return t
}()

func plain(b []byte) bool {
	for _, c := range b {
		if !asIs[c] {
			return false
		}
	}
	return true
}

// writer writes styled text as elements, each opened only when it has text.
type writer struct {
	buf    []byte
	style  style  // of what comes next
	href   string // of what comes next
	shown  style  // of the open span, if any
	linked string // of the open link, if any
	span   bool
	bare   bool // text only
}

// stream writes b as it comes and reports false when it meets what moves the
// cursor back over what was written.
func (w *writer) stream(b []byte) bool {
	for len(b) > 0 {
		run := 0
		for run < len(b) && asIs[b[run]] {
			run++
		}
		if run > 0 {
			w.open()
			w.buf = append(w.buf, b[:run]...)
			b = b[run:]
			continue
		}
		tok, n := next(b)
		switch tok.kind {
		case kText:
			w.rune(tok.r)
		case kNote:
			w.note(tok.r)
		case kSGR:
			w.style.sgr(tok.args)
		case kLink:
			w.href = link(tok.args)
		case kDrop:
		case kErase:
			if tok.n != 0 {
				return false
			}
		default:
			return false
		}
		b = b[n:]
	}
	return true
}

func (w *writer) rune(r rune) {
	if w.bare {
		w.buf = utf8.AppendRune(w.buf, r)
		return
	}
	w.open()
	switch r {
	case '<':
		w.buf = append(w.buf, "&lt;"...)
	case '>':
		w.buf = append(w.buf, "&gt;"...)
	case '&':
		w.buf = append(w.buf, "&amp;"...)
	case '"':
		w.buf = append(w.buf, "&#34;"...)
	case '\'':
		w.buf = append(w.buf, "&#39;"...)
	default:
		w.buf = utf8.AppendRune(w.buf, r)
	}
}

func (w *writer) note(r rune) {
	code := "U+" + strings.ToUpper(strconv.FormatInt(int64(r), 16))
	if w.bare {
		w.buf = append(w.buf, code...)
		return
	}
	w.open()
	w.buf = append(w.buf, `<span class="tx">`...)
	w.buf = append(w.buf, code...)
	w.buf = append(w.buf, "</span>"...)
}

// open makes the elements around the next text what they have to be.
func (w *writer) open() {
	if w.bare {
		return
	}
	if w.linked != w.href {
		w.close()
		if w.href != "" {
			w.buf = append(w.buf, `<a rel="noopener noreferrer nofollow" target="_blank" href="`...)
			for _, c := range []byte(w.href) {
				w.attr(c)
			}
			w.buf = append(w.buf, `">`...)
		}
		w.linked = w.href
	}
	if w.shown == w.style {
		return
	}
	if w.span {
		w.buf = append(w.buf, "</span>"...)
		w.span = false
	}
	if w.style != (style{}) {
		w.buf = append(w.buf, "<span"...)
		w.buf = w.style.attributes(w.buf)
		w.buf = append(w.buf, '>')
		w.span = true
	}
	w.shown = w.style
}

func (w *writer) attr(c byte) {
	switch c {
	case '&':
		w.buf = append(w.buf, "&amp;"...)
	case '"':
		w.buf = append(w.buf, "&#34;"...)
	case '<':
		w.buf = append(w.buf, "&lt;"...)
	case '>':
		w.buf = append(w.buf, "&gt;"...)
	default:
		w.buf = append(w.buf, c)
	}
}

func (w *writer) close() {
	if w.span {
		w.buf = append(w.buf, "</span>"...)
	}
	if w.linked != "" {
		w.buf = append(w.buf, "</a>"...)
	}
	w.span, w.shown, w.linked = false, style{}, ""
}
