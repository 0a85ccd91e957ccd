package cron

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDkronNext(t *testing.T) {
	for _, tt := range []struct{ text, zone, after, want string }{
		{"0 30 4 * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T04:30:00Z"},
		{"*/5 * * * * ?", "UTC", "2026-01-01T00:00:01Z", "2026-01-01T00:00:05Z"},
		{"0 0 8 * * *", "America/New_York", "2026-01-01T00:00:00Z", "2026-01-01T13:00:00Z"},
		{"TZ=America/New_York 0 0 8 * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T13:00:00Z"},
		{"CRON_TZ=Europe/Berlin 0 0 8 * * *", "America/New_York", "2026-01-01T00:00:00Z", "2026-01-01T07:00:00Z"},
		{"TZ=Europe/Berlin @daily", "UTC", "2026-01-01T12:00:00Z", "2026-01-01T23:00:00Z"},
		{"0 0 0 */2 * 1", "UTC", "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z"}, // a Monday, though an even day
		{"0 0 0 1 JAN SUN", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"},
		{"@yearly", "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"@annually", "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"@monthly", "UTC", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"},
		{"@weekly", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"},
		{"@daily", "UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"},
		{"@midnight", "UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"},
		{"@hourly", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"},
		{"@minutely", "UTC", "2026-01-01T00:00:01Z", "2026-01-01T00:01:00Z"},
		{"@Minutely", "UTC", "2026-01-01T00:00:01Z", "2026-01-01T00:01:00Z"},
		{"@every 0s", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"},
		{"@every 100ms", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"},
		{"@every 2500ms", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:00:02Z"},
		{"@every 1h30m", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z"},
		{"@at 2026-12-24T18:00:00+01:00", "UTC", "2026-01-01T00:00:00Z", "2026-12-24T17:00:00Z"},
		{"@at 2020-01-01T00:00:00Z", "UTC", "2026-01-01T00:00:00Z", ""},
		{"@after 2026-12-24T18:00:00Z <PT30M", "UTC", "2026-01-01T00:00:00Z", "2026-12-24T18:00:00Z"},
		{"@manually", "UTC", "2026-01-01T00:00:00Z", ""},
	} {
		s, err := Dkron.Parse(tt.text, tt.zone)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		after, err := time.Parse(time.RFC3339, tt.after)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if next, ok := s.Next(after); ok {
			got = next.UTC().Format(time.RFC3339)
		}
		if got != tt.want {
			t.Errorf("%q in %s after %s: %s, want %s", tt.text, tt.zone, tt.after, got, tt.want)
		}
	}
}

func TestDkronRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"every now and then":                     "expected exactly 6 fields, found 4: [every now and then]",
		"* * * * *":                              "expected exactly 6 fields, found 5: [* * * * *]",
		"TZ=UTC * * * * *":                       "expected exactly 6 fields, found 5: [* * * * *]",
		"TZ=Mars/Base 0 * * * * *":               "Mars/Base",
		"0 0 0 31 2 *":                           "never",
		"61 * * * * *":                           "61",
		"~ * * * * *":                            "~",
		"@at":                                    "takes 1 value",
		"@at badtime":                            `failed to parse date @at badtime: parsing time "badtime" as "2006-01-02T15:04:05Z07:00"`,
		"@every":                                 "takes 1 value",
		"@every soon":                            "failed to parse duration @every soon",
		"@after 2026-12-24T18:00:00Z":            "takes 2 values",
		"@after 2026-12-24T18:00:00Z 30 minutes": "takes 2 values",
		"@after 2026-12-24T18:00:00Z <30M":       "ISO 8601",
		"@fortnightly":                           "@fortnightly",
	} {
		_, err := Dkron.Parse(text, "UTC")
		var wrong *ParseError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestHashed: the number is the sum of the name's characters, as Dkron has it.
func TestHashed(t *testing.T) {
	const name = "job" // 106 + 111 + 98 = 315
	for text, want := range map[string]string{
		"~ ~ ~ ~ ~ ~":           "15 15 3 8 4 0",
		"0 ~/15 * * * *":        "0 15/15 * * * *",
		"TZ=UTC 0 ~ * * * *":    "TZ=UTC 0 15 * * * *",
		"0 0 0 * * *":           "0 0 0 * * *",
		"@daily":                "@daily",
		"~ ~":                   "~ ~",
		"":                      "",
		"CRON_TZ=UTC ~ * * * *": "CRON_TZ=UTC ~ * * * *",
	} {
		if got := Hashed(text, name); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for _, name := range []string{"", "größe-ñ_1", strings.Repeat("z", 200)} {
		if _, err := Dkron.Parse(Hashed("~ ~ ~ ~ ~ ~", name), "UTC"); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestAfter: what is read up to so long late runs at once, once.
func TestAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 9, 20, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"@after 2026-01-01T09:00:00Z <PT30M":  "@at 2026-01-01T09:20:02Z",
		"@after 2026-01-01T09:00:00Z PT30M":   "@at 2026-01-01T09:20:02Z",
		"@after 2025-12-31T09:00:00Z <P1DT1H": "@at 2026-01-01T09:20:02Z",
		"@after 2026-01-01T09:00:00Z <PT10M":  "@after 2026-01-01T09:00:00Z <PT10M",
		"@after 2026-01-01T10:00:00Z <PT30M":  "@after 2026-01-01T10:00:00Z <PT30M",
		"@daily":                              "@daily",
	} {
		if got := After(text, now); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
