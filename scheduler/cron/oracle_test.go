package cron

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The oracles know nothing of the parser's bits and the search's arithmetic: a column is drawn as text together with a predicate, and the
// fires are found by walking the clock, or the calendar, one step at a time.

type column struct {
	text    string
	matches func(time.Time) bool
}

func (c column) star() bool { return c.text[0] == '*' || c.text[0] == '?' }

// plainItem draws a value, range or step of low..high and the values it stands for.
func plainItem(t *rapid.T, low, high int, names []string) (string, []int) {
	write := func(v int) string {
		if names != nil && rapid.Bool().Draw(t, "named") {
			return names[v-low]
		}
		return fmt.Sprint(v)
	}
	from, to, step := low, high, rapid.IntRange(1, max(1, high/2)).Draw(t, "step")
	var text string
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		text = "*"
	case 1:
		from = rapid.IntRange(low, high).Draw(t, "value")
		return write(from), []int{from}
	case 2:
		from = rapid.IntRange(low, high).Draw(t, "from")
		return fmt.Sprintf("%s/%d", write(from), step), seq(from, high, step, low, high)
	default:
		from, to = rapid.IntRange(low, high).Draw(t, "from"), rapid.IntRange(low, high).Draw(t, "to")
		text = write(from) + "-" + write(to)
	}
	if rapid.Bool().Draw(t, "stepped") {
		return fmt.Sprintf("%s/%d", text, step), seq(from, to, step, low, high)
	}
	return text, seq(from, to, 1, low, high)
}

func seq(from, to, step, low, high int) (values []int) {
	for v, i := from, 0; ; i++ {
		if i%step == 0 {
			values = append(values, v)
		}
		if v == to {
			return values
		}
		if v++; v > high {
			v = low
		}
	}
}

func drawColumn(t *rapid.T, low, high int, names []string, of func(time.Time) int) column {
	var texts []string
	var all []int
	for range rapid.IntRange(1, 2).Draw(t, "items") {
		text, values := plainItem(t, low, high, names)
		texts, all = append(texts, text), append(all, values...)
	}
	return column{strings.Join(texts, ","), func(d time.Time) bool { return slices.Contains(all, of(d)) }}
}

func lastDay(d time.Time) int { return time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() }

func workday(d time.Time) bool { return d.Weekday() != time.Saturday && d.Weekday() != time.Sunday }

func drawMonthday(t *rapid.T) column {
	n := rapid.IntRange(1, 31).Draw(t, "n")
	switch rapid.IntRange(0, 7).Draw(t, "special day") {
	case 0:
		return column{"L", func(d time.Time) bool { return d.Day() == lastDay(d) }}
	case 1:
		return column{fmt.Sprintf("L-%d", n-1), func(d time.Time) bool { return d.Day() == lastDay(d)-n+1 }}
	case 2:
		return column{"LW", func(d time.Time) bool {
			last := time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC)
			for !workday(last) {
				last = last.AddDate(0, 0, -1)
			}
			return d.Day() == last.Day()
		}}
	case 3:
		return column{fmt.Sprintf("%dW", n), func(d time.Time) bool {
			if n > lastDay(d) {
				return false
			}
			for _, away := range []int{0, -1, 1, -2, 2} {
				near := time.Date(d.Year(), d.Month(), n+away, 0, 0, 0, 0, time.UTC)
				if near.Month() == d.Month() && workday(near) {
					return d.Day() == near.Day()
				}
			}
			return false
		}}
	case 4, 5:
		return column{"*", func(time.Time) bool { return true }}
	}
	if rapid.Bool().Draw(t, "late") {
		late := rapid.IntRange(29, 31).Draw(t, "day")
		return column{fmt.Sprint(late), func(d time.Time) bool { return d.Day() == late }}
	}
	return drawColumn(t, 1, 31, nil, time.Time.Day)
}

func drawWeekday(t *rapid.T) column {
	day, n := rapid.IntRange(0, 7).Draw(t, "weekday"), rapid.IntRange(1, 5).Draw(t, "which")
	switch rapid.IntRange(0, 5).Draw(t, "special weekday") {
	case 0:
		return column{fmt.Sprintf("%dL", day), func(d time.Time) bool { return int(d.Weekday()) == day%7 && d.Day() > lastDay(d)-7 }}
	case 1:
		return column{fmt.Sprintf("%d#%d", day, n), func(d time.Time) bool { return int(d.Weekday()) == day%7 && (d.Day()+6)/7 == n }}
	case 2, 3:
		return column{"?", func(time.Time) bool { return true }}
	}
	return drawColumn(t, 0, 6, weekdayNames[:], func(d time.Time) int { return int(d.Weekday()) })
}

func drawMonth(t *rapid.T) column {
	if rapid.Bool().Draw(t, "any month") {
		return column{"*", func(time.Time) bool { return true }}
	}
	return drawColumn(t, 1, 12, monthNames[:], func(d time.Time) int { return int(d.Month()) })
}

func dayMatches(dom, month, dow column, d time.Time) bool {
	if !month.matches(d) {
		return false
	}
	if dom.star() || dow.star() {
		return dom.matches(d) && dow.matches(d)
	}
	return dom.matches(d) || dow.matches(d)
}

func TestNextAgainstTheCalendar(t *testing.T) {
	const years = 9
	rapid.Check(t, func(t *rapid.T) {
		dom, month, dow := drawMonthday(t), drawMonth(t), drawWeekday(t)
		text := fmt.Sprintf("0 12 %s %s %s", dom.text, month.text, dow.text)
		day := time.Date(2000, 1, rapid.IntRange(1, 150*365).Draw(t, "start"), 12, 0, 0, 0, time.UTC)
		var want time.Time
		for d := day.AddDate(0, 0, 1); d.Before(day.AddDate(years, 0, 0)) && want.IsZero(); d = d.AddDate(0, 0, 1) {
			if dayMatches(dom, month, dow, d) {
				want = d
			}
		}
		s, err := Standard.Parse(text, "UTC")
		if err != nil {
			if !want.IsZero() || !strings.Contains(err.Error(), "never") {
				t.Fatalf("%q: %v, but %v matches", text, err, want)
			}
			return
		}
		got, ok := s.Next(day)
		if !ok || want.IsZero() && got.Before(day.AddDate(years, 0, 0)) || !want.IsZero() && !got.Equal(want) {
			t.Fatalf("%q after %v\n got %v, %v\nwant %v", text, day, got, ok, want)
		}
	})
}
