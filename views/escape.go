package views

import (
	"bytes"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxURL is the longest address that a link may have.
const maxURL = 2048

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
