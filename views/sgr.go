package views

import "strconv"

// style is how text looks.
type style struct {
	fg, bg colour
	attr   uint8
}

// colour is none (0), 1 + the number of one of the 256, or trueColour and 0xRRGGBB.
type colour uint32

const trueColour colour = 1 << 24

// number is that of the colour, or of the one of the 256 that is closest to it.
func (c colour) number() int {
	if c&trueColour != 0 {
		return nearest(uint8(c>>16), uint8(c>>8), uint8(c))
	}
	return int(c) - 1
}

// ground is the colour as a background.
func (c colour) ground() rgb {
	if c&trueColour != 0 {
		return rgb(c &^ trueColour)
	}
	return palette[c-1]
}

// text is the colour as text on no background.
func (c colour) text() rgb {
	if c&trueColour != 0 {
		return readable(rgb(c &^ trueColour))
	}
	return textColours[c-1]
}

const (
	bold = 1 << iota
	dim
	italic
	underline
	inverse
	strike
)

// maxParams is how many parameters of a sequence are read; there is no use for more.
const maxParams = 32

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
			var chosen colour
			if end > i+1 {
				chosen = colourOf(p[i+1:end], true)
			} else {
				rest := p[end:n]
				chosen = colourOf(rest, false)
				switch {
				case len(rest) > 0 && rest[0] == 5:
					end = min(end+2, n)
				case len(rest) > 0 && rest[0] == 2:
					end = min(end+4, n)
				}
			}
			if chosen != 0 && c == 38 {
				s.fg = chosen
			} else if chosen != 0 && c == 48 {
				s.bg = chosen
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
		s.fg = colour(c - 30 + 1)
	case c == 39:
		s.fg = 0
	case c >= 40 && c <= 47:
		s.bg = colour(c - 40 + 1)
	case c == 49:
		s.bg = 0
	case c >= 90 && c <= 97:
		s.fg = colour(c - 90 + 8 + 1)
	case c >= 100 && c <= 107:
		s.bg = colour(c - 100 + 8 + 1)
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
func colourOf(p []int, colons bool) colour {
	switch {
	case len(p) >= 2 && p[0] == 5:
		if p[1] > 255 {
			return 0
		}
		return colour(p[1] + 1)
	case len(p) >= 4 && p[0] == 2:
		p = p[1:]
		if colons && len(p) >= 4 {
			p = p[1:]
		}
		return trueColour | colour(min(p[0], 255))<<16 | colour(min(p[1], 255))<<8 | colour(min(p[2], 255))
	}
	return 0
}

// attributes appends the attributes that show s. A text colour that could not be
// read on its background gives way to black or white. Exact colours are in data-f
// and data-g, since pages may have no style attributes: the page's script sets
// them, and without it the class has the closest of the 256.
func (s style) attributes(b []byte) []byte {
	b = append(b, ` class="`...)
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
		b = strconv.AppendInt(b, int64(bg.number()), 10)
		if fg != 0 && contrast(fg.text(), bg.ground()) < minContrast {
			fg = 0
		}
	}
	if fg != 0 {
		add("f")
		b = strconv.AppendInt(b, int64(fg.number()), 10)
	}
	for i, name := range [...]string{"tb", "td", "ti", "tu", "", "ts"} {
		if name != "" && s.attr&(1<<i) != 0 {
			add(name)
		}
	}
	b = append(b, '"')
	switch {
	case fg&trueColour != 0:
		b = appendColour(b, 'f', fg.text())
	case fg == 0 && bg&trueColour != 0:
		b = appendColour(b, 'f', blackOrWhite(bg.ground()))
	}
	if bg&trueColour != 0 {
		b = appendColour(b, 'g', bg.ground())
	}
	return b
}

func appendColour(b []byte, name byte, c rgb) []byte {
	const digits = "0123456789abcdef"
	b = append(b, " data-"...)
	b = append(b, name, '=', '"', '#')
	for shift := 20; shift >= 0; shift -= 4 {
		b = append(b, digits[c>>shift&0xf])
	}
	return append(b, '"')
}
