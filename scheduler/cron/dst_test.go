package cron

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// fires lists what falls into [from, to), each with its offset.
func fires(t *testing.T, s Schedule, from, to time.Time) []string {
	t.Helper()
	var got []string
	for at := from.Add(-1); ; {
		next, ok := s.Next(at)
		if !ok || !next.Before(to) {
			return got
		}
		if !next.After(at) {
			t.Fatalf("Next(%v) = %v, not later", at, next)
		}
		got = append(got, next.Format("15:04-07:00"))
		at = next
	}
}

// untilFour is a day's beginning, even if the clock jumps over midnight, and its 04:00.
func untilFour(t *testing.T, day string, loc *time.Location) (from, to time.Time) {
	t.Helper()
	d, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	from = time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, loc)
	if from.Day() != d.Day() {
		_, from = from.ZoneBounds()
	}
	return from, time.Date(d.Year(), d.Month(), d.Day(), 4, 0, 0, 0, loc)
}

// everyMinutes writes every k-th minute of an hour the way fires does.
func everyMinutes(k int, offset string, hours ...int) (texts []string) {
	for _, h := range hours {
		for m := 0; m < 60; m += k {
			texts = append(texts, fmt.Sprintf("%02d:%02d%s", h, m, offset))
		}
	}
	return texts
}

func TestDaylightSaving(t *testing.T) {
	tests := []struct {
		zone, day string // the hours 00:00 to 04:00 of this day
		text      string
		want      string
	}{
		// Berlin: 02:00 -> 03:00 in spring, 03:00 -> 02:00 in autumn.
		{"Europe/Berlin", "2026-03-29", "30 2 * * *", "03:00+02:00"},
		{"Europe/Berlin", "2026-03-29", "0 2 * * *", "03:00+02:00"},
		{"Europe/Berlin", "2026-03-29", "0,30 2 * * *", "03:00+02:00"},
		{"Europe/Berlin", "2026-03-29", "*/20 30 2 * * *", "03:00+02:00"}, // three seconds of one minute in the gap, one fire
		{"Europe/Berlin", "2026-03-29", "30 2,3 * * *", "03:00+02:00 03:30+02:00"},
		{"Europe/Berlin", "2026-03-29", "0 2,3 * * *", "03:00+02:00"},
		{"Europe/Berlin", "2026-03-29", "59 1 * * *", "01:59+01:00"},
		{"Europe/Berlin", "2026-03-29", "0 * * * *", "00:00+01:00 01:00+01:00 03:00+02:00"},
		{"Europe/Berlin", "2026-03-29", "30 * * * *", "00:30+01:00 01:30+01:00 03:30+02:00"},
		{"Europe/Berlin", "2026-03-29", "0 */2 * * *", "00:00+01:00"},
		{"Europe/Berlin", "2026-03-29", "*/30 2 * * *", ""},
		{"Europe/Berlin", "2026-10-25", "30 2 * * *", "02:30+02:00"},
		{"Europe/Berlin", "2026-10-25", "0,30 2 * * *", "02:00+02:00 02:30+02:00"},
		{"Europe/Berlin", "2026-10-25", "0 3 * * *", "03:00+01:00"},
		{"Europe/Berlin", "2026-10-25", "0 * * * *", "00:00+02:00 01:00+02:00 02:00+02:00 02:00+01:00 03:00+01:00"},
		{"Europe/Berlin", "2026-10-25", "30 */2 * * *", "00:30+02:00 02:30+02:00 02:30+01:00"},
		{"Europe/Berlin", "2026-10-25", "*/30 2 * * *", "02:00+02:00 02:30+02:00 02:00+01:00 02:30+01:00"},
		{"Europe/Berlin", "2026-10-25", "0 0-23 * * *", "00:00+02:00 01:00+02:00 02:00+02:00 03:00+01:00"},
		// New York: 02:00 -> 03:00, 02:00 -> 01:00.
		{"America/New_York", "2026-03-08", "30 2 * * *", "03:00-04:00"},
		{"America/New_York", "2026-03-08", "0 * * * *", "00:00-05:00 01:00-05:00 03:00-04:00"},
		{"America/New_York", "2026-11-01", "30 1 * * *", "01:30-04:00"},
		{"America/New_York", "2026-11-01", "30 2 * * *", "02:30-05:00"},
		{"America/New_York", "2026-11-01", "30 * * * *", "00:30-04:00 01:30-04:00 01:30-05:00 02:30-05:00 03:30-05:00"},
		// Lord Howe moves by half an hour: 02:00 -> 02:30, 02:00 -> 01:30.
		{"Australia/Lord_Howe", "2026-10-04", "15 2 * * *", "02:30+11:00"},
		{"Australia/Lord_Howe", "2026-10-04", "15,45 2 * * *", "02:30+11:00 02:45+11:00"},
		{"Australia/Lord_Howe", "2026-10-04", "0 * * * *", "00:00+10:30 01:00+10:30 03:00+11:00"},
		{"Australia/Lord_Howe", "2026-04-05", "45 1 * * *", "01:45+11:00"},
		{"Australia/Lord_Howe", "2026-04-05", "15 1 * * *", "01:15+11:00"},
		{"Australia/Lord_Howe", "2026-04-05", "45 * * * *", "00:45+11:00 01:45+11:00 01:45+10:30 02:45+10:30 03:45+10:30"},
		// The hour's last fires come again, although its next one by the clock is tomorrow's.
		{"Australia/Lord_Howe", "2026-04-05", "*/15 1 * * *", "01:00+11:00 01:15+11:00 01:30+11:00 01:45+11:00 01:30+10:30 01:45+10:30"},
		// Azores change at midnight: 00:00 -> 01:00, 01:00 -> 00:00.
		{"Atlantic/Azores", "2026-03-29", "30 0 * * *", "01:00+00:00"},
		{"Atlantic/Azores", "2026-03-29", "0 0 29 3 *", "01:00+00:00"},
		{"Atlantic/Azores", "2026-03-29", "0 * * * *", "01:00+00:00 02:00+00:00 03:00+00:00"},
		{"Atlantic/Azores", "2026-10-25", "30 0 * * *", "00:30+00:00"},
		{"Atlantic/Azores", "2026-10-25", "30 * * * *", "00:30+00:00 00:30-01:00 01:30-01:00 02:30-01:00 03:30-01:00"},
		// Nothing ever happens in UTC.
		{"UTC", "2026-03-29", "30 2 * * *", "02:30+00:00"},
		{"UTC", "2026-03-29", "0 * * * *", "00:00+00:00 01:00+00:00 02:00+00:00 03:00+00:00"},
		// @every knows no clock.
		{"Europe/Berlin", "2026-03-29", "@every 1h", "00:00+01:00 01:00+01:00 03:00+02:00"},
	}
	for _, tt := range tests {
		s := mustParse(t, tt.text, tt.zone)
		from, to := untilFour(t, tt.day, s.Location())
		if got := strings.Join(fires(t, s, from, to), " "); got != tt.want {
			t.Errorf("%q in %s on %s\n got %s\nwant %s", tt.text, tt.zone, tt.day, got, tt.want)
		}
	}
}

func TestQuartersOfAnHourNeverPause(t *testing.T) {
	tests := []struct {
		zone, day string
		want      []string
	}{
		{"Europe/Berlin", "2026-03-29", slices.Concat(everyMinutes(15, "+01:00", 0, 1), everyMinutes(15, "+02:00", 3))},
		{"Europe/Berlin", "2026-10-25", slices.Concat(everyMinutes(15, "+02:00", 0, 1, 2), everyMinutes(15, "+01:00", 2, 3))},
		{"America/New_York", "2026-03-08", slices.Concat(everyMinutes(15, "-05:00", 0, 1), everyMinutes(15, "-04:00", 3))},
		{"Australia/Lord_Howe", "2026-04-05", slices.Concat(everyMinutes(15, "+11:00", 0, 1), everyMinutes(15, "+10:30", 1)[2:], everyMinutes(15, "+10:30", 2, 3))},
	}
	for _, tt := range tests {
		s := mustParse(t, "*/15 * * * *", tt.zone)
		from, to := untilFour(t, tt.day, s.Location())
		if got := fires(t, s, from, to); !slices.Equal(got, tt.want) {
			t.Errorf("%s %s\n got %s\nwant %s", tt.zone, tt.day, got, tt.want)
		}
	}
}

func TestPreviewNotes(t *testing.T) {
	tests := []struct{ zone, text, after, want string }{
		{"Europe/Berlin", "30 2 * * *", "2026-03-27T12:00:00Z", `
2026-03-28T02:30:00+01:00
2026-03-29T03:00:00+02:00 02:30 does not exist on this day (clocks go forward): fires at 03:00
2026-03-30T02:30:00+02:00`},
		{"America/New_York", "30 1 * * *", "2026-10-31T12:00:00Z", `
2026-11-01T01:30:00-04:00 01:30 happens twice on this day: fires at the first
2026-11-02T01:30:00-05:00`},
		{"America/New_York", "30 * * * *", "2026-11-01T05:00:00Z", `
2026-11-01T01:30:00-04:00 01:30 happens twice on this day: fires both times
2026-11-01T01:30:00-05:00 01:30 happens twice on this day: fires both times
2026-11-01T02:30:00-05:00`},
		{"Europe/Berlin", "*/30 2 * * *", "2026-03-28T01:00:00Z", `
2026-03-28T02:30:00+01:00
2026-03-30T02:00:00+02:00 02:00 does not exist on 2026-03-29 (clocks go forward): nothing fires for it`},
		{"Australia/Lord_Howe", "15 15 2 * * *", "2026-10-03T00:00:00Z", `
2026-10-04T02:30:00+11:00 02:15:15 does not exist on this day (clocks go forward): fires at 02:30`},
		{"Europe/Berlin", "@at 2026-03-29T01:00:00Z", "2026-01-01T00:00:00Z", `
2026-03-29T03:00:00+02:00`},
		{"UTC", "@manually", "2026-01-01T00:00:00Z", ""},
	}
	for _, tt := range tests {
		after, err := time.Parse(time.RFC3339, tt.after)
		if err != nil {
			t.Fatal(err)
		}
		n := strings.Count(tt.want, "\n")
		if n < 2 {
			n++ // also sees where @at and @manually end
		}
		var got strings.Builder
		for _, f := range Preview(mustParse(t, tt.text, tt.zone), after, n) {
			got.WriteString("\n" + strings.TrimSpace(f.At.Format(time.RFC3339)+" "+f.Note))
		}
		if !strings.HasPrefix(got.String(), tt.want) {
			t.Errorf("%q in %s\n got %s\nwant %s", tt.text, tt.zone, got.String(), tt.want)
		}
	}
}
