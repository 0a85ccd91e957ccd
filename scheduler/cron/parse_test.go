package cron

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func mustParse(t testing.TB, text, zone string) Schedule {
	t.Helper()
	s, err := Standard.Parse(text, zone)
	if err != nil {
		t.Fatalf("Parse(%q, %q): %v", text, zone, err)
	}
	return s
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		text, want string
		pos        int
	}{
		{"", "schedule: is empty", 0},
		{" \t\n", "schedule: is empty", 0},
		{"75 * * * *", "minute: 75 is out of range 0-59", 0},
		{"  0 24 * * *", "hour: 24 is out of range 0-23", 4},
		{"0 0 32 * *", "day of month: 32 is out of range 1-31", 4},
		{"0 0 0 * *", "day of month: 0 is out of range 1-31", 4},
		{"0 0 * 13 *", "month: 13 is out of range 1-12 or JAN-DEC", 6},
		{"0 0 * * 8", "day of week: 8 is out of range 0-7 or SUN-SAT", 8},
		{"60 * * * * *", "second: 60 is out of range 0-59", 0},
		{"1,2,99999999999999999999 * * * *", "minute: 99999999999999999999 is out of range 0-59", 4},
		{"*/0 * * * *", "minute: step 0 is out of range 1-59", 0},
		{"*/60 * * * *", "minute: step 60 is out of range 1-59", 0},
		{"*/x * * * *", `minute: step "x" is not a number`, 0},
		{"1/2/3 * * * *", `minute: step "2/3" is not a number`, 0},
		{"1,,2 * * * *", "minute: an item of the list is empty", 2},
		{"5- * * * *", "minute: a value is missing; allowed is 0-59", 0},
		{"-5 * * * *", "minute: a value is missing; allowed is 0-59", 0},
		{"*5 * * * *", `minute: "*5" is not a value; allowed is 0-59`, 0},
		{"* * * foo *", `month: "foo" is not a value; allowed is 1-12 or JAN-DEC`, 6},
		{"* * * * funday", `day of week: "funday" is not a value; allowed is 0-7 or SUN-SAT`, 8},
		{"* * L-31 * *", `day of month: "L-31" is out of range; L-n counts n days back from the last, allowed is L-0 to L-30`, 4},
		{"* * 32W * *", "day of month: 32 is out of range 1-31", 4},
		{"* * W * *", "day of month: a value is missing; allowed is 1-31", 4},
		{"* * * * L", `day of week: "L" needs a weekday, for example 5L for the last Friday`, 8},
		{"* * * * 5#6", `day of week: "5#6" is out of range; the number after # says which one of the month, allowed is 1-5`, 8},
		{"* L * * *", `hour: "L" is not a value; allowed is 0-23`, 2},
		{"* * * *", "schedule: needs 5 fields (minute hour day-of-month month day-of-week), or 6 with the second first, but has 4", 6},
		{"* * * * * * *", "schedule: needs 5 fields (minute hour day-of-month month day-of-week), or 6 with the second first, but has 7", 12},
		{"0 0 31 2 *", "day of month: 31 does not exist in February, this would never fire", 4},
		{"0 0 31 2,4 *", "day of month: 31 does not exist in February or April, this would never fire", 4},
		{"0 0 L-30 4 *", "day of month: no such day exists in April, this would never fire", 4},
		{"0 0 30W 2 ?", "day of month: no such day exists in February, this would never fire", 4},
		{"0 0 */10 * 0#4", "day of month: no such day is the fourth Sunday of the month, this would never fire", 4},
		{"0 0 */31 * 0L", "day of month: no such day is the last Sunday of the month, this would never fire", 4},
		{"TZ= * * * * *", "timezone: a name must follow TZ=, for example TZ=Europe/Berlin", 0},
		{"TZ=UTC", "schedule: nothing follows the time zone", 0},
		{"CRON_TZ=Mars/Base 0 0 * * *", `timezone: "Mars/Base" is not a time zone known here; use a name like Europe/Berlin or UTC`, 8},
		{"@every", "schedule: @every needs a duration, for example @every 90s", 0},
		{"@every fast", `@every: "fast" is not a duration such as 90s, 15m or 1h30m`, 7},
		{"@every 0", "@every: 0 is too short, the least is 1s", 7},
		{"@every -5m", "@every: -5m is too short, the least is 1s", 7},
		{"@every 999ms", "@every: 999ms is too short, the least is 1s", 7},
		{"@every 1500ms", "@every: 1500ms is not a whole number of seconds", 7},
		{"@every 1m 2m", `schedule: nothing may follow @every, found "2m"`, 10},
		{"@daily x", `schedule: nothing may follow @daily, found "x"`, 7},
		{"@at", "schedule: @at needs an instant, for example @at 2026-12-24T18:00:00Z", 0},
		{"@at noon", `@at: "noon" is not an RFC 3339 time such as 2026-12-24T18:00:00Z`, 4},
		{"@reboot", `schedule: "@reboot" is unknown; there are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, @every, @at and @manually`, 0},
	}
	for _, tt := range tests {
		_, err := Standard.Parse(tt.text, "UTC")
		var perr *ParseError
		if !errors.As(err, &perr) {
			t.Errorf("Parse(%q) = %v, want a *ParseError", tt.text, err)
			continue
		}
		if err.Error() != tt.want || perr.Pos != tt.pos || perr.Text != tt.text {
			t.Errorf("Parse(%q)\n got %q at %d\nwant %q at %d", tt.text, err, perr.Pos, tt.want, tt.pos)
		}
	}
}

func TestParseRefusesUnknownZone(t *testing.T) {
	for _, zone := range []string{"Mars/Base", " UTC", "../etc/passwd", "UTC\x00", "/etc/localtime", strings.Repeat("A", 100000)} {
		_, err := Standard.Parse("* * * * *", zone)
		var perr *ParseError
		if !errors.As(err, &perr) || perr.Field != "timezone" || len(perr.Error()) > 300 {
			t.Errorf("zone %.20q: got %.300v", zone, err)
		}
	}
}

func TestParseDoesNotRepeatHugeTexts(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("*", 100000), strings.Repeat("ä", 499) + " * * * *", "@" + strings.Repeat("x", 900),
		"@every " + strings.Repeat("9", 900), strings.Repeat("1", 900) + " * * * *", "* * * * 1#" + strings.Repeat("1", 900),
	} {
		_, err := Standard.Parse(text, "UTC")
		var perr *ParseError
		if !errors.As(err, &perr) || len(perr.Error()) > 300 || len(perr.Text) > MaxLength {
			t.Errorf("%.20q: got %.400v", text, err)
		}
	}
	if _, err := Standard.Parse(strings.Repeat("*", MaxLength+1), ""); err.Error() != "schedule: has 1001 characters, at most 1000 are allowed" {
		t.Error(err)
	}
}

// Texts that mean the same share one meaning, whatever their spelling.
func TestParseAccepts(t *testing.T) {
	for _, same := range [][]string{
		{"0 0 * * 0", "0 0 * * 7", "0 0 * * SUN", "0 0 * * sunday", "@weekly", "0 0 0 * * 7", "  0   0\t? * 0", "0 0 * * 7/2", "0 0 * * 7-7"},
		{"0 0 1 1 *", "@yearly", "@annually", "@YEARLY", "0 0 1 jan ?", "0 0 1 January *"},
		{"0 0 * * *", "@daily", "@midnight", "0 0 0 * * *", "0 0 ? * ?"},
		{"0 0 1 * *", "@monthly"},
		{"0 * * * *", "@hourly", "0 */1 * * *"},
		{"0 22,23,0,1,2 * * *", "0 22-2 * * *"},
		{"0 0 * * 5,6,0,1", "0 0 * * FRI-MON", "0 0 * * 5-1"},
		{"0 0 * * 5,6,0", "0 0 * * 5-7", "0 0 * * fri-sun"},
		{"0 0 * * 1,3,5,0", "0 0 * * 1-7/2"},
		{"0 0 * * 0,1,2", "0 0 * * 7-2"},
		{"5,20,35,50 * * * *", "5/15 * * * *", "5-59/15 * * * *"},
		{"0 0 28-31,1,2 * *", "0 0 28-2 * *"},
		{"0 0 * 11,12,1 *", "0 0 * NOV-JAN *"},
		{"50,55,0,5 * * * *", "50-5/5 * * * *"},
		{"0 0 L * *", "0 0 l * *", "0 0 L-0 * *"},
		{"0 0 * * 5L", "0 0 * * FRIL", "0 0 * * 5#L", "0 0 * * fridayl"},
		{"0 0 * * 0#2", "0 0 * * SUN#2", "0 0 * * 7#2"},
	} {
		want := mustParse(t, same[0], "UTC")
		for _, text := range same[1:] {
			got := mustParse(t, text, "UTC")
			at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
			other := at
			for i := range 20 {
				at, _ = want.Next(at)
				if other, _ = got.Next(other); !at.Equal(other) {
					t.Errorf("%q and %q differ at fire %d: %v and %v", same[0], text, i, at, other)
					break
				}
			}
		}
	}
}

func TestZone(t *testing.T) {
	tests := []struct{ text, zone, want string }{
		{"0 9 * * *", "Asia/Tokyo", "Asia/Tokyo"},
		{"TZ=Europe/Berlin 0 9 * * *", "Asia/Tokyo", "Europe/Berlin"},
		{"CRON_TZ=UTC @every 5s", "Asia/Tokyo", "UTC"},
		{"TZ=America/New_York @at 2027-01-01T00:00:00Z", "", "America/New_York"},
		{"TZ=UTC @manually", "", "UTC"},
		{"0 9 * * *", "", "Local"},
		{"0 9 * * *", "Local", "Local"},
	}
	for _, tt := range tests {
		if got := mustParse(t, tt.text, tt.zone).Location().String(); got != tt.want {
			t.Errorf("%q in %q is in %s, want %s", tt.text, tt.zone, got, tt.want)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, name := range []string{"", "cron"} {
		if g, ok := Lookup(name); !ok || g.Name != "cron" || g.Help() == "" {
			t.Errorf("Lookup(%q) = %v, %v", name, g.Name, ok)
		}
	}
	g, ok := Lookup("quartz")
	if ok {
		t.Error("found a grammar that is not here")
	}
	if _, err := g.Parse("* * * * *", ""); err == nil {
		t.Error("the zero Grammar parsed something")
	}
}

func TestNewGrammarMakesParseErrors(t *testing.T) {
	odd := NewGrammar("odd", "", func(string, *time.Location) (Schedule, error) { return nil, errors.New("no odd texts today") })
	_, err := odd.Parse(" x", "UTC")
	var perr *ParseError
	if !errors.As(err, &perr) || perr.Text != " x" || err.Error() != "schedule: no odd texts today" {
		t.Errorf("got %#v", err)
	}
	shifted := NewGrammar("shifted", "", func(text string, loc *time.Location) (Schedule, error) {
		return Standard.Parse("0 "+text, loc.String())
	})
	if _, err = shifted.Parse("75 * * *", "UTC"); err == nil || err.Error() != "hour: 75 is out of range 0-23" {
		t.Error(err)
	}
}
