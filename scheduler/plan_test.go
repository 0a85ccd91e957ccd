package scheduler

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRetryDelays(t *testing.T) {
	now := time.Unix(1000, 0)
	j := Job{Draft: Draft{Retries: 4, Retry: RetryPolicy{Delay: time.Second, Factor: 2, MaxDelay: 5 * time.Second}}}
	tests := []struct {
		state   State
		attempt int
		chance  float64
		delay   time.Duration
		again   bool
	}{
		{Failed, 1, 0.5, time.Second, true},
		{TimedOut, 2, 0.5, 2 * time.Second, true},
		{Lost, 3, 0.5, 4 * time.Second, true},
		{Failed, 4, 0.5, 5 * time.Second, true}, // 8 s, cut by the maximum
		{Failed, 1, 0, 800 * time.Millisecond, true},
		{Failed, 1, 0.999999, 1200 * time.Millisecond, true},
		{Failed, 5, 0.5, 0, false}, // the attempts are used up
		{Succeeded, 1, 0.5, 0, false},
		{Cancelled, 1, 0.5, 0, false},
	}
	for _, tt := range tests {
		at, again := retryAt(j, Execution{State: tt.state, Attempt: tt.attempt}, now, tt.chance)
		if again != tt.again {
			t.Errorf("%s attempt %d: again %v", tt.state, tt.attempt, again)
		}
		if off := at.Sub(now.Add(tt.delay)).Abs(); again && off > time.Millisecond {
			t.Errorf("%s attempt %d: after %v, want %v", tt.state, tt.attempt, at.Sub(now), tt.delay)
		}
	}
}

func TestCutKeepsRunesWhole(t *testing.T) {
	if got := cut("aüb", 2); got != "a…" {
		t.Errorf("%q", got)
	}
	if got := cut("short", 10); got != "short" {
		t.Errorf("%q", got)
	}
}

func TestRetriesOnlyAfterGivenExitCodes(t *testing.T) {
	j := Job{Draft: Draft{Retries: 1, Retry: RetryPolicy{Delay: time.Second, Factor: 2, MaxDelay: time.Second, ExitCodes: []int{75}}}}
	code := func(n int) *int { return &n }
	for _, tt := range []struct {
		e     Execution
		again bool
	}{
		{Execution{State: Failed, Attempt: 1, ExitCode: code(75)}, true},
		{Execution{State: Failed, Attempt: 1, ExitCode: code(1)}, false},
		{Execution{State: TimedOut, Attempt: 1}, false},
		{Execution{State: Failed, Attempt: 2, ExitCode: code(75)}, false},
	} {
		if _, again := retryAt(j, tt.e, time.Unix(0, 0), 0.5); again != tt.again {
			t.Errorf("%+v: again %v", tt.e, again)
		}
	}
}

// TestPlace: what becomes of one more execution, by rule and by what is active.
func TestPlace(t *testing.T) {
	now := time.Unix(1000, 0)
	running := Execution{ID: "e1", State: Running}
	for _, tt := range []struct {
		what    string
		d       Draft
		o       Occupancy
		later   bool // it may not run yet
		patient bool
		state   State
		wait    Wait
		reason  string
	}{
		{"allow runs beside", Draft{Concurrency: Allow}, Occupancy{Running: 5, First: running}, false, false, Queued, WaitNone, ""},
		{"allow waits at max_running", Draft{Concurrency: Allow, MaxRunning: 2}, Occupancy{Running: 1, Ready: 1, First: running}, false, false, Queued, WaitTurn, "2 of 2 executions"},
		{"allow below max_running", Draft{Concurrency: Allow, MaxRunning: 2}, Occupancy{Running: 1, Later: 5, First: running}, false, false, Queued, WaitNone, ""},
		{"nobody overtakes who waits", Draft{Concurrency: Allow, MaxRunning: 2}, Occupancy{Running: 1, Turn: 1, First: running}, false, false, Queued, WaitTurn, ""},
		{"forbid skips", Draft{Concurrency: Forbid}, Occupancy{Running: 1, First: running}, false, false, Skipped, WaitNone, "skipped: execution e1 still running (concurrency forbid)"},
		{"forbid skips while a retry waits", Draft{Concurrency: Forbid}, Occupancy{Later: 1, First: running}, false, false, Skipped, WaitNone, "skipped"},
		{"forbid lets what catches up wait", Draft{Concurrency: Forbid}, Occupancy{Running: 1, First: running}, false, true, Queued, WaitTurn, "e1 still running"},
		{"forbid runs alone", Draft{Concurrency: Forbid}, Occupancy{}, false, false, Queued, WaitNone, ""},
		{"queue waits", Draft{Concurrency: Queue, MaxQueued: 2}, Occupancy{Running: 1, Turn: 1, First: running}, false, false, Queued, WaitTurn, "e1 still running (concurrency queue)"},
		{"queue is full", Draft{Concurrency: Queue, MaxQueued: 2}, Occupancy{Running: 1, Turn: 2, First: running}, false, false, Skipped, WaitNone, "the queue is full, 2 waiting (max_queued 2)"},
		{"queue of two", Draft{Concurrency: Queue, MaxQueued: 2, MaxRunning: 2}, Occupancy{Running: 1, First: running}, false, false, Queued, WaitNone, ""},
		{"a group keeps its place", Draft{Concurrency: Queue, MaxQueued: 2}, Occupancy{Later: 1, First: running}, false, false, Queued, WaitTurn, ""},
		{"replace waits for the end", Draft{Concurrency: Replace}, Occupancy{Running: 1, Ready: 1, First: running}, false, false, Queued, WaitTurn, "concurrency replace"},
		{"replace of what is queued", Draft{Concurrency: Replace}, Occupancy{Ready: 1, First: running}, false, false, Queued, WaitNone, ""},
		{"its time has not come", Draft{Concurrency: Forbid}, Occupancy{}, true, false, Queued, WaitTime, "waits until 1970-01-01 00:17:40 UTC"},
	} {
		runAt := now
		if tt.later {
			runAt = now.Add(time.Minute)
		}
		state, wait, reason := (&Job{Draft: tt.d}).place(&tt.o, runAt, now, tt.patient)
		if state != tt.state || wait != tt.wait || !strings.Contains(reason, tt.reason) || tt.reason == "" && wait == WaitNone && reason != "" {
			t.Errorf("%s: %s, waits for %q, %q", tt.what, state, wait, reason)
		}
	}
}

func TestDueTimesOfAGap(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse("2006-01-02 15:04:05", text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	j := Job{Draft: Draft{
		Schedules: []Schedule{{Text: "*/10 * * * *", Zone: "UTC"}, {Text: "*/15 * * * *", Zone: "UTC"}},
		StartsAt:  at("2026-01-01 01:00:00"), EndsAt: at("2026-01-01 03:00:00"), PausedUntil: at("2026-01-01 02:00:00"),
	}}
	due, err := j.Times().Parse()
	if err != nil {
		t.Fatal(err)
	}
	got, older, _, _ := due.Between(at("2026-01-01 00:00:00"), at("2026-01-02 00:00:00"), 10)
	var minutes []int
	for _, d := range got {
		minutes = append(minutes, d.Minute())
	}
	// Each once; the hour from two to three, its first instant included.
	if want := []int{0, 10, 15, 20, 30, 40, 45, 50}; !slices.Equal(minutes, want) || older != 0 || got[0].Hour() != 2 {
		t.Errorf("minutes %v from %v, %d older", minutes, got[0], older)
	}
	if _, ok := due.Next(at("2026-01-01 02:50:00")); ok {
		t.Error("a due time at or after the end")
	}
	second := Job{Draft: Draft{Schedules: []Schedule{{Text: "* * * * * *", Zone: "UTC"}}}}
	due, err = second.Times().Parse()
	if err != nil {
		t.Fatal(err)
	}
	from, to := at("2026-01-01 00:00:00"), at("2026-02-01 00:00:00")
	got, older, first, last := due.Between(from, to, 100)
	if len(got) != 100 || older != maxCounted || !got[99].Equal(to) || !got[0].Equal(to.Add(-99*time.Second)) ||
		!first.Equal(from.Add(time.Second)) || !last.Equal(to.Add(-100*time.Second)) {
		t.Errorf("of a month of seconds: %d newest from %v to %v, %d older from %v to %v", len(got), got[0], got[len(got)-1], older, first, last)
	}
}

func TestJitterIsStableAndBounded(t *testing.T) {
	seen := map[time.Duration]bool{}
	for _, name := range []string{"a", "b", "backup", "a job with a long name"} {
		d := jitter(name, time.Minute)
		if d != jitter(name, time.Minute) || d < 0 || d >= time.Minute {
			t.Errorf("%s: %v", name, d)
		}
		seen[d] = true
	}
	if len(seen) != 4 || jitter("a", 0) != 0 {
		t.Errorf("jitters %v", seen)
	}
}
