package views

import "math"

// rgb is a colour of the screen, 0xRRGGBB.
type rgb uint32

// The terminal is dark in both themes, so that a log looks as its author meant
// it, and its colours need to be readable on one background only.
const (
	terminalBack rgb = 0x0e1318
	terminalText rgb = 0xdde3ea
	minContrast      = 4.5 // WCAG AA for text
)

// palette are the 256 colours as backgrounds; the first sixteen are ours.
var palette = func() (p [256]rgb) {
	copy(p[:], []rgb{
		0x3b434d, 0xff7b72, 0x3fb950, 0xd29922, 0x58a6ff, 0xbc8cff, 0x39c5cf, 0xb1bac4,
		0x7d8590, 0xffa198, 0x56d364, 0xe3b341, 0x79c0ff, 0xd2a8ff, 0x56d4dd, 0xf0f6fc,
	})
	steps := [6]rgb{0, 0x5f, 0x87, 0xaf, 0xd7, 0xff}
	for i := range 216 {
		p[16+i] = steps[i/36]<<16 | steps[i/6%6]<<8 | steps[i%6]
	}
	for i := range 24 {
		g := rgb(8 + 10*i)
		p[232+i] = g<<16 | g<<8 | g
	}
	return p
}()

// textColours are the same as text: lightened until they can be read.
var textColours = func() (p [256]rgb) {
	for i, c := range palette {
		p[i] = readable(c)
	}
	return p
}()

// readable is a colour, lightened until it can be read.
func readable(c rgb) rgb {
	light := c
	for mix := 0.0; contrast(light, terminalBack) < minContrast; mix += 0.02 {
		light = towardsWhite(c, mix)
	}
	return light
}

// blackOrWhite is what can be read better on a background.
func blackOrWhite(ground rgb) rgb {
	if contrast(0, ground) > contrast(0xffffff, ground) {
		return 0
	}
	return 0xffffff
}

func towardsWhite(c rgb, mix float64) rgb {
	part := func(shift uint) rgb {
		v := float64(c >> shift & 0xff)
		return rgb(math.Round(v+(255-v)*mix)) << shift
	}
	return part(16) | part(8) | part(0)
}

// contrast is WCAG's ratio of two colours, 1 to 21.
func contrast(a, b rgb) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(c rgb) float64 {
	return 0.2126*linear[c>>16&0xff] + 0.7152*linear[c>>8&0xff] + 0.0722*linear[c&0xff]
}

var linear = func() (t [256]float64) {
	for i := range t {
		v := float64(i) / 255
		if v <= 0.04045 {
			t[i] = v / 12.92
		} else {
			t[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return t
}()

// nearest returns the number of the colour closest to the given one among those
// that are the same in every terminal: the cube and the greys.
func nearest(r, g, b uint8) int {
	level := func(v uint8) (index, value int) {
		switch {
		case v < 48:
			return 0, 0
		case v < 115:
			return 1, 95
		default:
			i := (int(v) - 35) / 40
			return i, 55 + 40*i
		}
	}
	ri, rv := level(r)
	gi, gv := level(g)
	bi, bv := level(b)
	grey := min(max((int(r)+int(g)+int(b))/3-3, 0)/10, 23)
	greyValue := 8 + 10*grey
	square := func(x, y, z int) int {
		dx, dy, dz := x-int(r), y-int(g), z-int(b)
		return dx*dx + dy*dy + dz*dz
	}
	if square(greyValue, greyValue, greyValue) < square(rv, gv, bv) {
		return 232 + grey
	}
	return 16 + 36*ri + 6*gi + bi
}
