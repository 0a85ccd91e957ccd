package cron

import (
	"errors"
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
		at := time.Unix(unix, 0)
		begin := time.Now()
		for _, fire := range Preview(s, at, 20) {
			if !fire.At.After(at) || fire.At.Nanosecond() != 0 || fire.At.Location() != s.Location() {
				t.Fatalf("%q: %v follows %v", text, fire.At, at)
			}
			at = fire.At
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Fatalf("%q took %v", text, took)
		}
	})
}
