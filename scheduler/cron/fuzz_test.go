package cron

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"* * * * *", "*/15 9-17 * * MON-FRI", "0 0 L-3,15W,LW 2 5#3,FRIL", "TZ=Europe/Berlin 30 2 * * *", "TZ=", "CRON_TZ= ", "TZ=0", "TZ=UTC",
		"@every 1h30m", "@every 2562047h47m16s", "@at 9999-12-31T23:59:59Z", "@at 0000-01-01T00:00:00+23:59", "@daily", "@manually", "?/2 22-2/3 ? * 7-7",
		"\x00 * * * *", "１ * * * *", "0 0 29 2 1", "*/5 2 * 3 0L", "99999999999999999999 * * * *", "0-0/1 1-0 31-1 12-1 SAT-SUN", "L W # - /", "1#1#1 , ,, * *L",
	} {
		f.Add(text, "Europe/Berlin", int64(1790000000))
	}
	f.Add("30 2 * * *", "Pacific/Apia", int64(1325200000))
	f.Add("0 0 1 1 *", "America/New_York", int64(253402300799))
	f.Fuzz(func(t *testing.T, text, zone string, unix int64) {
		// The fuzzer itself would wait for minutes.
		defer time.AfterFunc(10*time.Second, func() { panic(fmt.Sprintf("%q in %q does not come to an end", text, zone)) }).Stop()
		s, err := Standard.Parse(text, zone)
		if err != nil {
			var perr *ParseError
			if !errors.As(err, &perr) || perr.Msg == "" || len(err.Error()) > 500 || perr.Pos < 0 || perr.Pos > MaxLength {
				t.Fatalf("Parse(%q) = %#v", text, err)
			}
			return
		}
		if s.Describe() == "" || s.Location() == nil {
			t.Fatalf("%q has no meaning or no zone", text)
		}
		after := time.Unix(unix, 0)
		begin := time.Now()
		fires := Preview(s, after, 20)
		for _, fire := range fires {
			if !fire.At.After(after) || fire.At.Nanosecond() != 0 || fire.At.Location() != s.Location() {
				t.Fatalf("%q: %v follows %v", text, fire.At, after)
			}
			if !isDue(s, fire.At) {
				t.Fatalf("%q fires at %v, which it does not name", text, fire.At)
			}
			if again, ok := s.Next(fire.At.Add(-time.Nanosecond)); !ok || !again.Equal(fire.At) {
				t.Fatalf("%q: after %v comes %v, but just before that comes %v", text, after, fire.At, again)
			}
			after = fire.At
		}
		if len(fires) < 20 {
			if next, ok := s.Next(after); ok {
				t.Fatalf("%q: the preview ends with %v, but then comes %v", text, after, next)
			}
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Fatalf("%q took %v", text, took)
		}
	})
}

// isDue looks at one instant only: does the clock show a time the schedule names, or has it just jumped over one?
func isDue(s Schedule, at time.Time) bool {
	switch s := s.(type) {
	case *every:
		return at.Unix()%s.period == 0
	case *once:
		return at.Equal(s.at)
	case *crontab:
		first := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
		days := s.daysIn(int(first.Weekday()), first.AddDate(0, 1, -1).Day())
		if s.seconds>>at.Second()&1 != 0 && s.minutes>>at.Minute()&1 != 0 && s.hours>>at.Hour()&1 != 0 &&
			days>>at.Day()&1 != 0 && s.months>>at.Month()&1 != 0 {
			return true
		}
		_, now := at.Zone()
		_, before := at.Add(-time.Second).Zone()
		return !s.followsRealTime && now > before
	}
	return false
}
