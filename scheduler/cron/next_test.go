package cron

import (
	"fmt"
	"testing"
	"time"
	"unsafe"
)

func TestNext(t *testing.T) {
	tests := []struct{ text, after, want string }{
		{"* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"},
		{"* * * * *", "2026-01-01T00:00:59.999Z", "2026-01-01T00:01:00Z"},
		{"* * * * * *", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:01Z"},
		{"0 40 0 31 * ?", "2024-09-23T00:00:00Z", "2024-10-31T00:40:00Z"},
		{"0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"0 0 29 2 */7", "2026-03-01T00:00:00Z", "2032-02-29T00:00:00Z"},
		{"0 0 * 2 6#5", "2026-03-01T00:00:00Z", "2048-02-29T00:00:00Z"},
		{"0 0 13 * 5", "2026-02-01T00:00:00Z", "2026-02-06T00:00:00Z"},
		{"0 0 */2 * 1", "2026-02-01T00:00:00Z", "2026-02-09T00:00:00Z"},
		{"0 0 L * *", "2028-02-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"0 0 L-3 * *", "2026-02-01T00:00:00Z", "2026-02-25T00:00:00Z"},
		{"0 0 LW * *", "2026-05-01T00:00:00Z", "2026-05-29T00:00:00Z"},
		{"0 0 1W * *", "2026-08-01T00:00:00Z", "2026-08-03T00:00:00Z"},
		{"0 0 31W * *", "2026-05-01T00:00:00Z", "2026-05-29T00:00:00Z"},
		{"0 0 15W * *", "2026-02-01T00:00:00Z", "2026-02-16T00:00:00Z"},
		{"0 0 * * 5#3", "2026-02-01T00:00:00Z", "2026-02-20T00:00:00Z"},
		{"0 0 * * 5L", "2026-02-01T00:00:00Z", "2026-02-27T00:00:00Z"},
		{"@every 7m", "2026-01-01T00:00:00Z", "2026-01-01T00:07:00Z"},
		{"@every 7m", "2026-01-01T00:03:20Z", "2026-01-01T00:07:00Z"},
		{"@every 11s", "1970-01-01T00:00:00Z", "1970-01-01T00:00:11Z"},
		{"@every 24h", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"},
		{"@every 24h", "1969-12-30T12:00:00Z", "1969-12-31T00:00:00Z"},
		{"@at 2026-12-24T18:00:00.9+01:00", "2026-01-01T00:00:00Z", "2026-12-24T17:00:00Z"},
		{"@at 2026-12-24T18:00:00Z", "2026-12-24T18:00:00Z", ""},
		{"@manually", "2026-01-01T00:00:00Z", ""},
		{"* * * * *", "0001-01-01T00:00:00Z", "0001-01-01T00:01:00Z"},
		{"0 0 1 1 *", "9998-06-01T00:00:00Z", "9999-01-01T00:00:00Z"},
		{"0 0 1 1 *", "9999-06-01T00:00:00Z", ""},
		{"* * * * *", "9999-12-31T23:59:59Z", ""},
		{"@every 1s", "9999-12-31T23:59:59Z", ""},
	}
	for _, tt := range tests {
		after, err := time.Parse(time.RFC3339, tt.after)
		if err != nil {
			t.Fatal(err)
		}
		next, ok := mustParse(t, tt.text, "UTC").Next(after)
		got := ""
		if ok {
			got = next.Format(time.RFC3339Nano)
		}
		if got != tt.want {
			t.Errorf("%q after %s\n got %s\nwant %s", tt.text, tt.after, got, tt.want)
		}
	}
}

func TestNextOfExtremeTimes(t *testing.T) {
	for _, text := range []string{"* * * * *", "30 2 * * *", "@every 3s", "@manually", "@at 0000-01-01T00:00:00Z", "*/5 0 29 2 *"} {
		for _, zone := range []string{"UTC", "Europe/Berlin", "Asia/Manila", "Pacific/Apia"} {
			s := mustParse(t, text, zone)
			for _, at := range []time.Time{
				time.Unix(1<<62, 0), time.Unix(-1<<62, 0), time.Unix(1<<63-1, 0), time.Unix(-1<<63, 0),
				time.Unix(1<<50, 0), time.Unix(-1<<50, 0),
				{},
				time.Unix(minInstant-1, 0), time.Unix(maxInstant, 0),
			} {
				if next, ok := s.Next(at); ok && (next.Before(at) || next.Year() > 9999) {
					t.Errorf("%q in %s: Next(%v) = %v", text, zone, at, next)
				}
			}
		}
	}
}

// Every last Sunday of March Berlin skips 02:00 to 03:00, so in real time this never fires; no search may hang on it.
func TestNextEndsInAGapThatAlwaysReturns(t *testing.T) {
	s := mustParse(t, "*/5 2 * 3 0L", "Europe/Berlin")
	begin := time.Now()
	if next, ok := s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); ok {
		t.Errorf("fires at %v", next)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("took %v", took)
	}
}

func TestSchedulesAreSmall(t *testing.T) {
	if size := unsafe.Sizeof(crontab{}); size > 80 {
		t.Errorf("a schedule has %d bytes", size)
	}
	one, two := mustParse(t, "0 0 * * *", "Europe/Berlin"), mustParse(t, "TZ=Europe/Berlin 1 1 * * *", "")
	if one.Location() != two.Location() {
		t.Error("two schedules hold two copies of one zone")
	}
}

func BenchmarkNext(b *testing.B) {
	for _, text := range []string{"* * * * *", "*/15 * * * *", "30 2 * * *", "0 9 * * 1-5", "0 0 LW * *", "0 0 29 2 *", "@every 2s"} {
		for _, zone := range []string{"UTC", "Europe/Berlin"} {
			b.Run(fmt.Sprintf("%s/%s", text, zone), func(b *testing.B) {
				s := mustParse(b, text, zone)
				at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
				b.ReportAllocs()
				for b.Loop() {
					s.Next(at)
				}
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, text := range []string{"*/15 * * * *", "30 2 * * 1-5", "TZ=Europe/Berlin 0 0 9 15W JAN-MAR MON#1,FRIL", "@every 90s", "@daily", "0 0 31 2 *"} {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Standard.Parse(text, "Europe/Berlin")
			}
		})
	}
}
