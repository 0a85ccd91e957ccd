package cron

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxQuoted is how much of a user's text a message repeats.
const maxQuoted = 60

func shorten(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func quote(s string) string { return strconv.Quote(shorten(s)) }

// join writes a list as English does: "1, 2 and 3".
func join(items []string, word string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " " + word + " " + items[last]
}

func count(n int64, unit string) string {
	if n != 1 {
		unit += "s"
	}
	return strconv.FormatInt(n, 10) + " " + unit
}

func ordinal(n int) string {
	names := [...]string{1: "first", "second", "third", "fourth", "fifth"}
	if n < len(names) {
		return names[n]
	}
	return strconv.Itoa(n) + "th"
}

func twoDigits(n int) string { return fmt.Sprintf("%02d", n) }

// clock is the time of day of a wall time, with its seconds if it has any.
func clock(wall int64) string {
	s := wall - floorDiv(wall, secondsPerDay)*secondsPerDay
	if s%60 == 0 {
		return fmt.Sprintf("%02d:%02d", s/3600, s/60%60)
	}
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

// ones yields the values in a set.
func ones(set uint64) iter.Seq[int] {
	return func(yield func(int) bool) {
		for ; set != 0; set &= set - 1 {
			if !yield(bits.TrailingZeros64(set)) {
				return
			}
		}
	}
}

// stretch says whether the set is two or more neighbours, or a single value.
func stretch(set uint64) (from, to int, ok bool) {
	from = bits.TrailingZeros64(set)
	to = bits.Len64(set) - 1
	return from, to, set>>from == 1<<(to-from+1)-1
}

// stepOf is k if the set is 0, k, 2k ... and goes on evenly into the next round of size values, else 0.
func stepOf(set uint64, size int) int {
	if set&1 == 0 || set == 1 {
		return 0
	}
	k := bits.TrailingZeros64(set &^ 1)
	if size%k != 0 {
		return 0
	}
	var even uint64
	for n := 0; n < size; n += k {
		even |= 1 << n
	}
	if set != even {
		return 0
	}
	return k
}

// list writes the values of a set, three and more neighbours as "1 through 5".
func list(set uint64, word string, name func(int) string) string {
	var items []string
	for set != 0 {
		from := bits.TrailingZeros64(set)
		to := from + bits.TrailingZeros64(^(set >> from)) - 1
		if to-from < 2 {
			to = from
			items = append(items, name(from))
		} else {
			items = append(items, name(from)+" through "+name(to))
		}
		set = set >> (to + 1) << (to + 1)
	}
	return join(items, word)
}

// phrase is "every minute", "every 5 minutes" or "at minutes 1 and 2".
func phrase(set uint64, size int, unit string) string {
	switch k := stepOf(set, size); k {
	case 0:
		return "at " + enumerate(set, unit)
	case 1:
		return "every " + unit
	default:
		return "every " + count(int64(k), unit)
	}
}

func enumerate(set uint64, unit string) string {
	return plural(set, unit) + " " + list(set, "and", strconv.Itoa)
}

func plural(set uint64, unit string) string {
	if bits.OnesCount64(set) > 1 {
		unit += "s"
	}
	return unit
}
