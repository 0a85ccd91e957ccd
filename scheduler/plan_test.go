package scheduler

import (
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
