package views

import (
	"testing"
	"time"

	"belfry/scheduler"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 ms", 0: "0 ms", 340 * time.Millisecond: "340 ms", 999999 * time.Microsecond: "999 ms",
		time.Second: "1 s", 4230 * time.Millisecond: "4.2 s", 9999 * time.Millisecond: "9.9 s", 42 * time.Second: "42 s",
		72 * time.Second: "1 m 12 s", time.Hour - 1: "59 m 59 s", 2*time.Hour + 5*time.Minute: "2 h 5 m", 76 * time.Hour: "3 d 4 h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "now", 900 * time.Millisecond: "now", -900 * time.Millisecond: "now", 12 * time.Second: "12 s ago", -3 * time.Minute: "in 3 m",
		5 * 24 * time.Hour: "5 d ago", -26 * time.Hour: "in 1 d", 800 * 24 * time.Hour: "2 y ago",
	} {
		if got := Ago(sampleNow.Add(-d), sampleNow); got != want {
			t.Errorf("Ago(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestTimesAreInTheZone(t *testing.T) {
	berlin := samplePage("", NavNone).zone()
	summer := time.Date(2026, 7, 1, 22, 30, 5, 123e6, time.UTC)
	for got, want := range map[string]string{
		Clock(sampleNow, sampleNow, berlin):                        "15:05:09",
		Clock(sampleNow.Add(10*time.Hour), sampleNow, berlin):      "21 Nov 01:05", // today in UTC, not in Berlin
		Clock(sampleNow.AddDate(-2, 0, 0), sampleNow, berlin):      "20 Nov 2024",
		Stamp(sampleNow.AddDate(0, 0, -1), sampleNow, berlin):      "19 Nov 15:05:09",
		Exact(summer, berlin):                                      "Thu 2 Jul 2026 00:30:05.123 +02:00 Europe/Berlin",
		Exact(sampleNow, time.UTC):                                 "Fri 20 Nov 2026 14:05:09 +00:00 UTC",
		Exact(time.Date(2026, 11, 20, 0, 0, 0, 0, berlin), berlin): "Fri 20 Nov 2026 00:00:00 +01:00 Europe/Berlin",
		machine(sampleNow):                                         "2026-11-20T14:05:09.000Z",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSizeAndNumber(t *testing.T) {
	for n, want := range map[int64]string{-5: "0 B", 0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 64 << 10: "64 KiB", 1<<20 - 1: "1 MiB", 100 << 20: "100 MiB", 3 << 40: "3 TiB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := Number(n); got != want {
			t.Errorf("Number(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPercentIsNeverFlattering(t *testing.T) {
	for _, c := range []struct {
		part, whole int64
		want        string
	}{{0, 0, none}, {1, 1, "100 %"}, {9999, 10000, "99.9 %"}, {1, 3, "33.3 %"}, {0, 9, "0 %"}} {
		if got := percent(c.part, c.whole); got != c.want {
			t.Errorf("percent(%d, %d) = %q, want %q", c.part, c.whole, got, c.want)
		}
	}
}

func TestEveryStateHasItsOwnWordAndShape(t *testing.T) {
	labels, icons := map[string]bool{}, map[string]bool{}
	for _, s := range scheduler.States {
		l := lookOf(s)
		if l.Label == string(s) || labels[l.Label] || icons[l.Icon] {
			t.Errorf("%s: %+v is not its own", s, l)
		}
		labels[l.Label], icons[l.Icon] = true, true
	}
	if StateLabel("new-one") != "new-one" {
		t.Error("an unknown state has no word")
	}
}

func TestVerdict(t *testing.T) {
	p := sampleNowProps()
	if got, want := p.Verdict(), "2 failing, 1 late, 1 running, 98.1 % over 24 h"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (NowProps{Page: p.Page}).Verdict(), "Nothing is failing"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEnding(t *testing.T) {
	row := func(executor string, state scheduler.State, code int, signal, reason string) ExecutionRowProps {
		return ExecutionRowProps{Executor: executor, Execution: scheduler.Execution{State: state, ExitCode: &code, Signal: signal, Reason: reason}}
	}
	for want, r := range map[string]ExecutionRowProps{
		"":                         row("shell", scheduler.Succeeded, 0, "", ""),
		"exit 2":                   row("shell", scheduler.Failed, 2, "", ""),
		"exit code 2":              row("shell", scheduler.Failed, 2, "", "exit code 2"),
		"killed by SIGKILL":        row("shell", scheduler.Failed, 137, "SIGKILL", "killed by SIGKILL"),
		"SIGTERM · stopped by ada": row("shell", scheduler.Cancelled, 143, "SIGTERM", "stopped by ada"),
		"another execution still running (concurrency forbid)": row("shell", scheduler.Skipped, 0, "", "skipped: execution 01a1fe47-d2f2-75c8-b1ec-badcaaf2d173 still running (concurrency forbid)"),
		"status 204":                     row("http", scheduler.Succeeded, 204, "", ""),
		"status 500 · not what is asked": row("http", scheduler.Failed, 500, "", "not what is asked"),
	} {
		if got := r.ending(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHourShapesStayInside(t *testing.T) {
	p := sampleNowProps()
	shapes := hourShapes(p)
	if len(shapes) != 24 {
		t.Fatalf("%d columns", len(shapes))
	}
	p.Since = p.Now.AddDate(-1, 0, 0)
	if hourShapes(p) != nil {
		t.Error("a year of columns was drawn")
	}
	p.Since = p.Now.Add(time.Hour)
	if len(hourShapes(p)) > 1 {
		t.Error("a future beginning was drawn")
	}
}

func TestFormValuesComeBack(t *testing.T) {
	v := FormValues(sampleJobs()[0].Job.Draft)
	for name, want := range map[string]string{
		"name": "nightly-backup", "enabled": "true", "schedule": "30 2 * * *", "timezone": "Europe/Berlin",
		"timeout": "5m", "grace": "10s", "retry.delay": "1s", "retry.factor": "2", "retry.max_delay": "1h", "retries": "2",
		"config.env": "RESTIC_REPOSITORY=/srv/backup\nTZ=UTC", "config.dir": "/srv", "concurrency": "forbid",
	} {
		if v[name] != want {
			t.Errorf("%s = %q, want %q", name, v[name], want)
		}
	}
	v = FormValues(scheduler.Draft{Config: []byte(`{"argv":["a","b c"],"n":12345678901234567890,"headers":{"X":"y"}}`)})
	if v["config.argv"] != "a\nb c" || v["config.n"] != "12345678901234567890" || v["config.headers"] != "X: y" {
		t.Errorf("config: %q", v)
	}
	v = FormValues(scheduler.Draft{Config: []byte(`{"argv":["a","two\nlines"]}`)})
	if v["config.argv"] != `["a","two\nlines"]` {
		t.Errorf("argv with a line break: %q", v["config.argv"])
	}
	if v := FormValues(scheduler.Draft{Config: []byte(`nonsense`)}); len(v) == 0 {
		t.Error("a broken configuration lost the rest")
	}
}
