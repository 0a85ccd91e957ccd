package scheduler

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"belfry/scheduler/cron"
)

// Sleep is when a worker gets nothing new: windows of the week, one a line, in a
// zone: "Mon-Fri 08:00-18:00", "Sat,Sun 22:00-06:00" (the end is on the next
// day), "daily 12:00-13:00". The zero value is never.
type Sleep struct {
	Text string `json:"text,omitempty"`
	Zone string `json:"zone,omitempty"` // IANA name; empty is the server's zone
}

const maxSleep = 20

// window is a time of the day on some days; an end at or before the start is on
// the next day.
type window struct {
	days     [7]bool
	from, to int // minutes of the day
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// At reports whether an instant is within a window. What cannot be read is never:
// it was refused when it was to be stored.
func (s Sleep) At(now time.Time) bool {
	if s.Text == "" {
		return false
	}
	windows, loc, err := s.parse()
	if err != nil {
		return false
	}
	now = now.In(loc)
	minute, day := now.Hour()*60+now.Minute(), int(now.Weekday())
	return slices.ContainsFunc(windows, func(w window) bool {
		if w.from < w.to {
			return w.days[day] && minute >= w.from && minute < w.to
		}
		return w.days[day] && minute >= w.from || w.days[(day+6)%7] && minute < w.to
	})
}

// Check returns what is wrong, as CodeInvalid about the fields "sleep" and
// "sleep_zone".
func (s Sleep) Check() error {
	_, _, err := s.parse()
	return err
}

func (s Sleep) parse() (list []window, loc *time.Location, err error) {
	if loc, err = cron.Zone(s.Zone); err != nil {
		return nil, nil, Invalid("sleep_zone", "%q is not a time zone", cut(s.Zone, 60))
	}
	for line := range strings.Lines(s.Text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		w, problem := parseWindow(line)
		if problem != "" {
			return nil, nil, Invalid("sleep", "%q: %s", cut(line, 60), problem)
		}
		list = append(list, w)
	}
	if len(list) > maxSleep {
		return nil, nil, Invalid("sleep", "at most %d windows", maxSleep)
	}
	return list, loc, nil
}

func parseWindow(line string) (w window, problem string) {
	days, hours, ok := strings.Cut(line, " ")
	from, to, dash := strings.Cut(strings.TrimSpace(hours), "-")
	if !ok || !dash {
		return w, "write days and hours, like Mon-Fri 08:00-18:00"
	}
	for part := range strings.SplitSeq(strings.ToLower(days), ",") {
		if part == "daily" {
			part = "sun-sat"
		}
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		a, b := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if a < 0 || b < 0 {
			return w, fmt.Sprintf("%q is no day; use Mon, Tue, Wed, Thu, Fri, Sat, Sun or daily", part)
		}
		for day := a; ; day = (day + 1) % 7 {
			w.days[day] = true
			if day == b {
				break
			}
		}
	}
	var fine bool
	if w.from, fine = minuteOf(from); !fine {
		return w, fmt.Sprintf("%q is no time of the day; write 08:00", from)
	}
	if w.to, fine = minuteOf(to); !fine {
		return w, fmt.Sprintf("%q is no time of the day; write 18:00", to)
	}
	return w, ""
}

// minuteOf reads HH:MM up to 24:00.
func minuteOf(text string) (minute int, ok bool) {
	if text == "24:00" {
		return 24 * 60, true
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil
}
