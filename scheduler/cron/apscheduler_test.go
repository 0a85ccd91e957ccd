package cron

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"
)

type apVector struct {
	ID       string
	Fields   map[string]any
	Timezone string
	From     string
	Next     []string
	Next311  []string `json:"next_3_11_2"`
	Echoed   map[string]string
	Note     string
}

func apVectors(t testing.TB) (vectors struct {
	Valid       []apVector
	TriggerOnly []apVector `json:"trigger_only"`
	Invalid     []apVector
},
) {
	t.Helper()
	b, err := os.ReadFile("testdata/apscheduler.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

// text writes a vector's fields as Python's str does, which is what APScheduler
// reads.
func (v apVector) text() string {
	fields := map[string]string{}
	for name, value := range v.Fields {
		if value != nil {
			fields[name] = fmt.Sprint(value)
		}
	}
	return APText(fields)
}

func (v apVector) start(t *testing.T, loc *time.Location) time.Time {
	t.Helper()
	if at, err := time.Parse(time.RFC3339, v.From); err == nil {
		return at
	}
	at, err := time.ParseInLocation("2006-01-02T15:04:05.999999", v.From, loc)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// refusedByUs are vectors that APScheduler takes: it drops what follows a name, and
// fields that are all null fire every second.
var refusedByUs = map[string]bool{
	"quirk-dow-trailing": true, "quirk-dow-hash": true, "quirk-last-offset": true, "all-null": true,
}

func TestAPSchedulerVectors(t *testing.T) {
	all := apVectors(t)
	for _, v := range append(all.Valid, all.TriggerOnly...) {
		t.Run(v.ID, func(t *testing.T) {
			s, err := APScheduler.Parse(v.text(), v.Timezone)
			if refusedByUs[v.ID] {
				if err == nil {
					t.Errorf("%s is read", v.text())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := v.Next
			if v.Next311 != nil {
				want = v.Next311 // where its versions differ
			}
			at := v.start(t, s.Location()).Add(-1) // the first one may be now
			for i, text := range want {
				next, ok := s.Next(at)
				if w, _ := time.Parse(time.RFC3339, text); !ok || !next.Equal(w) {
					t.Fatalf("fire %d after %v is %v %v, want %v", i, at, next, ok, text)
				}
				at = next
			}
			if next, more := s.Next(at); more && len(want) < 5 {
				t.Errorf("after %v comes %v", at, next)
			}
			echoes(t, v)
		})
	}
	for _, v := range all.Invalid {
		if _, err := APScheduler.Parse(v.text(), "UTC"); err == nil {
			t.Errorf("%s is read", v.text())
		}
	}
	if n := len(all.Valid) + len(all.TriggerOnly) + len(all.Invalid); n < 57 {
		t.Errorf("only %d vectors", n)
	}
}

// echoes checks that fields have the canonical spelling, and that it means the same.
func echoes(t *testing.T, v apVector) {
	t.Helper()
	values, err := APValues(v.text())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range v.Echoed {
		if values[name] != want {
			t.Errorf("%s is echoed as %q, want %q", name, values[name], want)
		}
	}
	again, err := APValues(APText(values))
	if err != nil || fmt.Sprint(again) != fmt.Sprint(values) {
		t.Errorf("%v becomes %v, %v", values, again, err)
	}
}

func TestAPSchedulerText(t *testing.T) {
	for _, c := range []struct{ text, want, echo string }{
		{"minute=*/5", "every 5 minutes", "minute"},
		{"hour='2' minute='30'", "at 02:30 every day", "hour"},
		{`day="3rd fri" hour=9`, "at 09:00 on the third Friday of the month", "day"},
		{"day='1,last' hour=0", "at 00:00 on day 1 and the last day of the month", "day"},
		{"day=13 day_of_week=fri", "at 00:00 on day 13 of the month if it is Friday", "day"},
		{"month=jan-mar day='last sun' hour=2", "at 02:00 on the last Sunday of the month, in January through March", "month"},
		{"day_of_week=0-4 hour=9 minute=30", "at 09:30 on Monday through Friday", "day_of_week"},
		{"week=1 day_of_week=mon", "at 00:00 on Monday, in calendar week 1", "week"},
		{"year=2028 month=2 day=29", "at 00:00 on day 29 of the month, in February, in 2028", "year"},
		{"month=2 day=30", "never: there is no such date", "day"},
		{"second=*/10", "every 10 seconds", "second"},
		{"minute=0-0/5 hour=*", "every hour", "minute"},
	} {
		s, err := APScheduler.Parse(c.text, "UTC")
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := s.Describe(); got != c.want {
			t.Errorf("%s: %q, want %q", c.text, got, c.want)
		}
	}
	if v, _ := APValues("minute=0-0/5"); v["minute"] != "0-0/5" {
		t.Errorf("0-0/5 is echoed as %q, which means something else", v["minute"])
	}
	for _, bad := range []string{
		"* * * * *", "minute", "minutes=5", "minute='5", "minute=5 minute=6", "minute='5'hour=2=", "day='mon'", "minute=1--2",
		"day_of_week=mon-4", "day_of_week=mon/2", "year=1969", "week=54", "day='last  '' fri'", "minute=５",
	} {
		if s, err := APScheduler.Parse(bad, "UTC"); err == nil {
			t.Errorf("%s is read as %s", bad, s.Describe())
		}
	}
}

// TestAPSchedulerClockChanges: what README of handlers/ndscheduler promises.
func TestAPSchedulerClockChanges(t *testing.T) {
	for _, c := range []struct {
		text, after string
		want        []string
	}{
		// 02:00 to 03:00 does not exist on 2026-03-08.
		{"hour=2 minute=0,30", "2026-03-07T12:00:00-05:00", []string{"03-08 03:00", "03-08 03:30", "03-09 02:00"}},
		{"hour=2,3 minute=30", "2026-03-08T01:59:59-05:00", []string{"03-08 03:30", "03-09 02:30"}},
		{"hour=2,3 minute=15,30", "2026-03-08T03:20:00-04:00", []string{"03-08 03:30", "03-09 02:15"}},
		{"hour=2 minute=30", "2026-03-08T03:29:59-04:00", []string{"03-08 03:30", "03-09 02:30"}},
		{"hour=2 minute=30", "2026-03-08T03:30:00-04:00", []string{"03-09 02:30"}},
		{"minute=30", "2026-03-08T01:00:00-05:00", []string{"03-08 01:30", "03-08 03:30"}},
		{"hour=2 minute=*/30", "2026-03-08T01:00:00-05:00", []string{"03-09 02:00"}},
		// 01:00 to 02:00 comes twice on 2026-11-01.
		{"hour=1 minute=30", "2026-10-31T12:00:00-04:00", []string{"11-01 01:30", "11-02 01:30"}},
		{"minute=30", "2026-11-01T01:00:00-04:00", []string{"11-01 01:30", "11-01 01:30", "11-01 02:30"}},
	} {
		s, err := APScheduler.Parse(c.text, "America/New_York")
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range Preview(s, at, len(c.want)) {
			if got := f.At.Format("01-02 15:04"); got != c.want[i] {
				t.Errorf("%s after %s: fire %d is %s, want %s", c.text, c.after, i, got, c.want[i])
			}
		}
	}
	s, _ := APScheduler.Parse("hour=2 minute=30", "America/New_York")
	at, _ := time.Parse(time.RFC3339, "2026-03-08T00:00:00-05:00")
	if note := Preview(s, at, 1)[0].Note; note != "02:30 does not exist on this day (clocks go forward): fires at 03:30" {
		t.Errorf("the note is %q", note)
	}
}

func FuzzAPScheduler(f *testing.F) {
	for _, v := range apVectors(f).Valid {
		f.Add(v.text(), "Europe/Berlin", int64(1790000000))
	}
	f.Add("hour=2,3 minute='30,15'", "America/New_York", int64(1772953199))
	f.Add("year=*/9 month=2 day=29 day_of_week=6", "UTC", int64(-1))
	f.Add(`week=53 day='5th tue,last mon,31' second="*/59"`, "Australia/Lord_Howe", int64(4102444800))
	f.Fuzz(func(t *testing.T, text, zone string, unix int64) {
		defer time.AfterFunc(10*time.Second, func() { panic(fmt.Sprintf("%q in %q does not come to an end", text, zone)) }).Stop()
		s, err := APScheduler.Parse(text, zone)
		if err != nil {
			return
		}
		if s.Describe() == "" {
			t.Fatalf("%q has no meaning", text)
		}
		values, err := APValues(text)
		if err != nil {
			t.Fatal(err)
		}
		same, err := APScheduler.Parse(APText(values), zone)
		if err != nil {
			t.Fatalf("%q is spelled %v, which is not read: %v", text, values, err)
		}
		after := time.Unix(unix, 0)
		for _, fire := range Preview(s, after, 10) {
			if !fire.At.After(after) {
				t.Fatalf("%q: %v follows %v", text, fire.At, after)
			}
			if again, ok := s.Next(fire.At.Add(-time.Nanosecond)); !ok || !again.Equal(fire.At) {
				t.Fatalf("%q: after %v comes %v, but just before that comes %v", text, after, fire.At, again)
			}
			if other, ok := same.Next(after); !ok || !other.Equal(fire.At) {
				t.Fatalf("%q fires at %v, as %v at %v", text, fire.At, values, other)
			}
			after = fire.At
		}
	})
}
