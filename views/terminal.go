package views

import (
	"bytes"
	"net/url"
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

// style is how text looks. Colours are 1 + their number, so that zero is none.
type style struct {
	fg, bg uint16
	attr   uint8
}

const (
	bold = 1 << iota
	dim
	italic
	underline
	inverse
	strike
)

const (
	maxURL    = 2048
	maxParams = 32
	// A cursor may be sent this far past the text: enough for any progress bar,
	// too little to fill memory with blanks.
	maxColumn = 1000
)

// NewTerminal returns a terminal in the state that State described; anything
// else is a reset one.
func NewTerminal(state string) *Terminal {
	var t Terminal
	for state != "" {
		end := 1
		for end < len(state) && state[end] >= '0' && state[end] <= '9' {
			end++
		}
		n, err := strconv.ParseUint(state[1:end], 10, 16)
		switch {
		case err != nil || n > 256:
			return &Terminal{}
		case state[0] == 'a':
			t.style.attr = uint8(n)
		case state[0] == 'f':
			t.style.fg = uint16(n)
		case state[0] == 'g':
			t.style.bg = uint16(n)
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
		n    uint16
	}{{'a', uint16(t.style.attr)}, {'f', t.style.fg}, {'g', t.style.bg}} {
		if p.n != 0 {
			b = strconv.AppendUint(append(b, p.name), uint64(p.n), 10)
		}
	}
	return string(b)
}

// TerminalHTML renders one line by itself.
func TerminalHTML(line []byte) string { return new(Terminal).Line(line) }

// Line renders one line, with or without its line break.
func (t *Terminal) Line(b []byte) string {
	b = bytes.TrimSuffix(b, []byte("\n"))
	b = bytes.TrimRight(b, "\r")
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

// kind is what a piece of input means to a terminal that has one line.
type kind uint8

const (
	kText   kind = iota // r is to be shown
	kNote               // r is to be shown by its code: invisible or misleading as itself
	kDrop               // nothing
	kSGR                // args
	kLink               // args is the address
	kReturn             // to the first column
	kBack               // n columns back
	kRight              // n columns on
	kColumn             // to column n, from 1
	kErase              // n: 0 to the end, 1 to the cursor, 2 all
)

type token struct {
	kind kind
	r    rune
	n    int
	args []byte
}

// next reads one token from the start of b, which is not empty.
func next(b []byte) (token, int) {
	c := b[0]
	switch {
	case c == 0x1b:
		return escape(b)
	case c == '\r':
		return token{kind: kReturn}, 1
	case c == '\b':
		return token{kind: kBack, n: 1}, 1
	case c == '\t' || c >= ' ' && c < 0x7f:
		return token{r: rune(c)}, 1
	case c == 0x07 || c == 0x0e || c == 0x0f: // bell and character sets
		return token{kind: kDrop}, 1
	case c < ' ':
		return token{r: 0x2400 + rune(c)}, 1 // ␀ and its like
	case c == 0x7f:
		return token{r: 0x2421}, 1
	}
	r, n := utf8.DecodeRune(b)
	switch {
	case r >= 0x80 && r < 0xa0, r == 0xfffe, r == 0xffff:
		r = utf8.RuneError
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029:
		// Text that reorders what surrounds it could make a log say what it does not.
		return token{kind: kNote, r: r}, n
	}
	return token{r: r}, n
}

// escape reads an escape sequence. One that does not end on this line loses its
// introduction only: what follows may be all there is to know.
func escape(b []byte) (token, int) {
	if len(b) < 2 {
		return token{kind: kDrop}, len(b)
	}
	switch c := b[1]; {
	case c == '[':
		return csi(b)
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
		end, size := stringEnd(b[2:])
		if end < 0 {
			return token{kind: kDrop}, 2
		}
		body := b[2 : 2+end]
		if c == ']' && bytes.HasPrefix(body, []byte("8;")) {
			if _, uri, ok := bytes.Cut(body[2:], []byte(";")); ok {
				return token{kind: kLink, args: uri}, 2 + end + size
			}
		}
		return token{kind: kDrop}, 2 + end + size
	case c >= 0x20 && c < 0x30: // intermediates, then a final byte
		i := 1
		for i < len(b) && b[i] >= 0x20 && b[i] < 0x30 {
			i++
		}
		if i < len(b) && b[i] >= 0x30 && b[i] < 0x7f {
			i++
		}
		return token{kind: kDrop}, i
	case c >= 0x30 && c < 0x7f:
		return token{kind: kDrop}, 2
	default:
		return token{kind: kDrop}, 1
	}
}

// stringEnd finds what ends a control string: BEL, or escape and backslash.
func stringEnd(b []byte) (end, size int) {
	for i, c := range b {
		switch {
		case c == 0x07:
			return i, 1
		case c == 0x1b:
			if i+1 < len(b) && b[i+1] == '\\' {
				return i, 2
			}
			return -1, 0
		}
	}
	return -1, 0
}

func csi(b []byte) (token, int) {
	i := 2
	for i < len(b) && b[i] >= 0x30 && b[i] < 0x40 {
		i++
	}
	args := b[2:i]
	private := len(args) > 0 && args[0] >= '<'
	for i < len(b) && b[i] >= 0x20 && b[i] < 0x30 {
		private = true // an intermediate makes it another function
		i++
	}
	if i == len(b) || b[i] < 0x40 || b[i] > 0x7e {
		return token{kind: kDrop}, i
	}
	final := b[i]
	i++
	if private {
		return token{kind: kDrop}, i
	}
	switch final {
	case 'm':
		return token{kind: kSGR, args: args}, i
	case 'K':
		return token{kind: kErase, n: number(args, 0)}, i
	case 'G', '`':
		return token{kind: kColumn, n: max(number(args, 1), 1)}, i
	case 'D':
		return token{kind: kBack, n: max(number(args, 1), 1)}, i
	case 'C', 'a':
		return token{kind: kRight, n: max(number(args, 1), 1)}, i
	}
	return token{kind: kDrop}, i
}

// number reads the first parameter.
func number(args []byte, missing int) int {
	n, digits := 0, 0
	for _, c := range args {
		if c < '0' || c > '9' {
			break
		}
		n, digits = min(n*10+int(c-'0'), 1<<20), digits+1
	}
	if digits == 0 {
		return missing
	}
	return n
}

// sgr applies "select graphic rendition" parameters.
func (s *style) sgr(args []byte) {
	var p [maxParams]int
	var sub [maxParams]bool // the parameter continues the one before it (colon)
	n := 0
	value, colon := 0, false
	for i := 0; i <= len(args); i++ {
		if i < len(args) && args[i] >= '0' && args[i] <= '9' {
			value = min(value*10+int(args[i]-'0'), 1<<16)
			continue
		}
		if n == maxParams {
			break
		}
		p[n], sub[n] = value, colon
		n++
		value, colon = 0, i < len(args) && args[i] == ':'
	}
	for i := 0; i < n; {
		end := i + 1
		for end < n && sub[end] {
			end++
		}
		switch c := p[i]; c {
		case 38, 48, 58:
			var colour uint16
			if end > i+1 {
				colour = colourOf(p[i+1:end], true)
			} else {
				rest := p[end:n]
				colour = colourOf(rest, false)
				switch {
				case len(rest) > 0 && rest[0] == 5:
					end = min(end+2, n)
				case len(rest) > 0 && rest[0] == 2:
					end = min(end+4, n)
				}
			}
			if colour != 0 && c == 38 {
				s.fg = colour
			} else if colour != 0 && c == 48 {
				s.bg = colour
			}
		case 4:
			s.set(underline, end == i+1 || p[i+1] != 0)
		default:
			s.simple(c)
		}
		i = end
	}
}

func (s *style) simple(c int) {
	switch {
	case c == 0:
		*s = style{}
	case c == 1:
		s.set(bold, true)
	case c == 2:
		s.set(dim, true)
	case c == 3:
		s.set(italic, true)
	case c == 7:
		s.set(inverse, true)
	case c == 9:
		s.set(strike, true)
	case c == 21:
		s.set(underline, true)
	case c == 22:
		s.set(bold|dim, false)
	case c == 23:
		s.set(italic, false)
	case c == 24:
		s.set(underline, false)
	case c == 27:
		s.set(inverse, false)
	case c == 29:
		s.set(strike, false)
	case c >= 30 && c <= 37:
		s.fg = uint16(c - 30 + 1)
	case c == 39:
		s.fg = 0
	case c >= 40 && c <= 47:
		s.bg = uint16(c - 40 + 1)
	case c == 49:
		s.bg = 0
	case c >= 90 && c <= 97:
		s.fg = uint16(c - 90 + 8 + 1)
	case c >= 100 && c <= 107:
		s.bg = uint16(c - 100 + 8 + 1)
	}
}

func (s *style) set(attr uint8, on bool) {
	if on {
		s.attr |= attr
	} else {
		s.attr &^= attr
	}
}

// colourOf reads what follows 38 or 48: 5;n or 2;r;g;b, where the form with
// colons may have a colour space before the red. Zero is "none of these".
func colourOf(p []int, colons bool) uint16 {
	switch {
	case len(p) >= 2 && p[0] == 5:
		if p[1] > 255 {
			return 0
		}
		return uint16(p[1] + 1)
	case len(p) >= 4 && p[0] == 2:
		p = p[1:]
		if colons && len(p) >= 4 {
			p = p[1:]
		}
		return uint16(nearest(uint8(min(p[0], 255)), uint8(min(p[1], 255)), uint8(min(p[2], 255)))) + 1
	}
	return 0
}

// link returns the address if it may be followed, else "".
func link(uri []byte) string {
	if len(uri) == 0 || len(uri) > maxURL {
		return ""
	}
	for _, c := range uri {
		if c <= ' ' || c >= 0x7f {
			return ""
		}
	}
	u, err := url.Parse(string(uri))
	if err != nil {
		return ""
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		if u.Host == "" {
			return ""
		}
	case "mailto":
	default:
		return ""
	}
	return string(uri)
}

// writer writes styled text as elements, each opened only when it has text.
type writer struct {
	buf    []byte
	style  style  // of what comes next
	href   string // of what comes next
	shown  style  // of the open span, if any
	linked string // of the open link, if any
	span   bool
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
	w.open()
	w.buf = append(w.buf, `<span class="tx">U+`...)
	w.buf = append(w.buf, strings.ToUpper(strconv.FormatInt(int64(r), 16))...)
	w.buf = append(w.buf, "</span>"...)
}

// open makes the elements around the next text what they have to be.
func (w *writer) open() {
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
		w.buf = append(w.buf, `<span class="`...)
		w.buf = w.style.classes(w.buf)
		w.buf = append(w.buf, `">`...)
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

// classes appends the classes that show s. A text colour that could not be read
// on its background gives way to the one that the background's class brings.
func (s style) classes(b []byte) []byte {
	start := len(b)
	add := func(name string) {
		if len(b) > start {
			b = append(b, ' ')
		}
		b = append(b, name...)
	}
	fg, bg := s.fg, s.bg
	if s.attr&inverse != 0 {
		fg, bg = bg, fg
		if bg == 0 {
			add("tv")
			fg = 0
		}
	}
	if bg != 0 {
		add("g")
		b = strconv.AppendUint(b, uint64(bg-1), 10)
		if fg != 0 && contrast(textColours[fg-1], palette[bg-1]) < minContrast {
			fg = 0
		}
	}
	if fg != 0 {
		add("f")
		b = strconv.AppendUint(b, uint64(fg-1), 10)
	}
	for i, name := range [...]string{"tb", "td", "ti", "tu", "", "ts"} {
		if name != "" && s.attr&(1<<i) != 0 {
			add(name)
		}
	}
	return b
}

// screen is one line of a terminal, for lines that are written over.
type screen struct {
	cells []cell
	col   int
	style style
	link  int16
	links []string
}

type cell struct {
	r     rune
	style style
	link  int16 // index in links + 1
	note  bool
}

func (s *screen) play(b []byte) {
	for len(b) > 0 {
		tok, n := next(b)
		b = b[n:]
		switch tok.kind {
		case kText, kNote:
			s.put(cell{r: tok.r, style: s.style, link: s.link, note: tok.kind == kNote})
		case kSGR:
			s.style.sgr(tok.args)
		case kLink:
			s.follow(link(tok.args))
		case kReturn:
			s.col = 0
		case kBack:
			s.col = max(s.col-tok.n, 0)
		case kRight:
			s.move(s.col + tok.n)
		case kColumn:
			s.move(tok.n - 1)
		case kErase:
			s.erase(tok.n)
		}
	}
}

func (s *screen) move(col int) { s.col = min(col, max(len(s.cells), maxColumn)) }

func (s *screen) follow(href string) {
	s.link = 0
	if href != "" && len(s.links) < 1<<15-1 {
		s.links = append(s.links, href)
		s.link = int16(len(s.links))
	}
}

func (s *screen) put(c cell) {
	for len(s.cells) < s.col {
		s.cells = append(s.cells, cell{r: ' '})
	}
	if s.col == len(s.cells) {
		s.cells = append(s.cells, c)
	} else {
		s.cells[s.col] = c
	}
	s.col++
}

func (s *screen) erase(mode int) {
	switch mode {
	case 0:
		s.cells = s.cells[:min(s.col, len(s.cells))]
	case 1:
		for i := range s.cells[:min(s.col+1, len(s.cells))] {
			s.cells[i] = cell{r: ' '}
		}
	case 2:
		s.cells = s.cells[:0]
	}
}

func (s *screen) draw(w *writer) {
	for _, c := range s.cells {
		w.style, w.href = c.style, ""
		if c.link != 0 {
			w.href = s.links[c.link-1]
		}
		if c.note {
			w.note(c.r)
		} else {
			w.rune(c.r)
		}
	}
	w.close()
}
