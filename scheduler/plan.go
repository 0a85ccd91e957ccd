package scheduler

import (
	"fmt"
	"math"
	"slices"
	"time"

	"belfry/scheduler/cron"
)

// Parse reads the schedule in its grammar and zone. Errors are about the field
// "schedule", or "timezone" when the zone is what is wrong.
func (s Schedule) Parse() (cron.Schedule, error) {
	g, ok := cron.Lookup(s.Grammar)
	if !ok {
		return nil, Invalid("schedule", "unknown schedule grammar %q", cut(s.Grammar, 40))
	}
	parsed, err := g.Parse(s.Text, s.Zone)
	if err != nil {
		return nil, scheduleError(err)
	}
	return parsed, nil
}

// skipReason decides about a fire of j while active (oldest first) is queued or
// running; "" means run.
func skipReason(j Job, active []Execution) string {
	if j.Concurrency != Forbid || len(active) == 0 {
		return ""
	}
	return fmt.Sprintf("skipped: execution %s still %s (concurrency forbid)", active[0].ID, active[0].State)
}

// retryAt returns when the attempt after e may start, and whether there is one.
// chance in [0,1) spreads the delay by up to 20 % either way, so that jobs which
// failed together do not come back together.
func retryAt(j Job, e Execution, now time.Time, chance float64) (time.Time, bool) {
	retryable := e.State == Failed || e.State == TimedOut || e.State == Lost
	if !retryable || e.Attempt > j.Retries {
		return time.Time{}, false
	}
	delay := float64(j.Retry.Delay) * math.Pow(j.Retry.Factor, float64(e.Attempt-1))
	delay = min(delay, float64(j.Retry.MaxDelay)) * (0.8 + 0.4*chance)
	return now.Add(time.Duration(delay)), true
}

// nextAttempt is the execution that retries e at the instant at.
func nextAttempt(id string, e Execution, now, at time.Time) Execution {
	return Execution{
		ID: id, JobID: e.JobID, JobName: e.JobName, State: Queued,
		Trigger: Trigger{Kind: TriggerRetry}, Group: e.Group, Attempt: e.Attempt + 1,
		DueAt: e.DueAt, RunAt: at, QueuedAt: now,
	}
}

// cut shortens text for a message, at a rune.
func cut(text string, max int) string {
	if len(text) <= max {
		return text
	}
	for max > 0 && text[max]&0xC0 == 0x80 {
		max--
	}
	return text[:max] + "…"
}

// sortFires orders fires of several schedules by time, drops what falls
// together, and keeps the first n.
func sortFires(fires *[]FireTime, n int) {
	slices.SortStableFunc(*fires, func(a, b FireTime) int { return a.At.Compare(b.At) })
	*fires = slices.CompactFunc(*fires, func(a, b FireTime) bool { return a.At.Equal(b.At) })
	*fires = (*fires)[:min(n, len(*fires))]
}
