package scheduler

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sync"
	"time"

	"belfry/scheduler/cron"
)

// Parse reads the schedule in its grammar and zone. Errors are about the field
// "schedule", or "timezone" when the zone is what is wrong.
func (s Schedule) Parse() (cron.Schedule, error) {
	if known, ok := parsed.get(s); ok {
		return known, nil
	}
	g, ok := cron.Lookup(s.Grammar)
	if !ok {
		return nil, Invalid("schedule", "unknown schedule grammar %q", cut(s.Grammar, 40))
	}
	made, err := g.Parse(s.Text, s.Zone)
	if err != nil {
		return nil, scheduleError(err)
	}
	parsed.put(s, made)
	return made, nil
}

// parsed shares what was read: a start reads every schedule several times, and
// thousands of jobs have few different ones.
var parsed schedules

// maxParsed bounds the schedules that are shared, about 200 bytes each.
const maxParsed = 4096

type schedules struct {
	mu sync.RWMutex
	m  map[Schedule]cron.Schedule
}

func (c *schedules) get(s Schedule) (cron.Schedule, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	found, ok := c.m[s]
	return found, ok
}

func (c *schedules) put(s Schedule, made cron.Schedule) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxParsed {
		c.m = map[Schedule]cron.Schedule{}
	}
	c.m[s] = made
}

// Times returns what decides about j's due times.
func (j *Job) Times() JobTimes {
	return JobTimes{j.ID, j.Schedules, j.StartsAt, j.EndsAt, j.PausedUntil, j.LiveSince}
}

// Live reports whether j's schedules fire at all.
func (j *Job) Live() bool { return j.Enabled && len(j.Schedules) > 0 }

// DueTimes are the due times of a job: of all its schedules, within its bounds.
type DueTimes struct {
	schedules []cron.Schedule
	from      time.Time // no due time before
	ends      time.Time // nor at or after; zero: no bound
}

// Parse reads the schedules.
func (t JobTimes) Parse() (DueTimes, error) {
	d := DueTimes{from: t.StartsAt, ends: t.EndsAt, schedules: make([]cron.Schedule, 0, len(t.Schedules))}
	if t.PausedUntil.After(d.from) {
		d.from = t.PausedUntil
	}
	for _, s := range t.Schedules {
		parsed, err := s.Parse()
		if err != nil {
			return d, err
		}
		d.schedules = append(d.schedules, parsed)
	}
	return d, nil
}

// Next returns the first due time after an instant; ok=false when there is none.
func (d DueTimes) Next(after time.Time) (next time.Time, ok bool) {
	if after.Before(d.from) {
		after = d.from.Add(-1)
	}
	for _, s := range d.schedules {
		if at, fires := s.Next(after); fires && (!ok || at.Before(next)) {
			next, ok = at, true
		}
	}
	if ok && !d.ends.IsZero() && !next.Before(d.ends) {
		return time.Time{}, false
	}
	return next, ok
}

// maxCounted bounds how many due times of a gap are counted.
const maxCounted = 10_000

// Between returns the due times after from and not after to: the newest max of
// them, oldest first, how many come before those (at most maxCounted are
// counted), and the first and last of those.
func (d DueTimes) Between(from, to time.Time, max int) (newest []time.Time, older int, first, last time.Time) {
	all := d.collect(from, to, maxCounted+max)
	if len(all) == 0 {
		return nil, 0, first, last
	}
	first = all[0]
	if len(all) == maxCounted+max { // perhaps more: look back from the end
		older = maxCounted
		all = d.before(from, to, max+1)
	} else {
		older = len(all) - min(len(all), max)
	}
	newest = all[len(all)-min(len(all), max):]
	if older > 0 {
		last = all[len(all)-len(newest)-1]
	}
	return newest, older, first, last
}

func (d DueTimes) collect(from, to time.Time, max int) (all []time.Time) {
	for len(all) < max {
		at, ok := d.Next(from)
		if !ok || at.After(to) {
			break
		}
		all = append(all, at.UTC())
		from = at
	}
	return all
}

// before returns at least n due times up to to, if there are as many after from.
func (d DueTimes) before(from, to time.Time, n int) []time.Time {
	for back := time.Minute; ; back *= 4 {
		start := to.Add(-back)
		if start.Before(from) {
			start = from
		}
		all := d.collect(start, to, math.MaxInt)
		if len(all) >= n || start.Equal(from) {
			return all
		}
	}
}

// Occupancy counts the active executions of a job.
type Occupancy struct {
	Running, Ready, Later, Turn int64 // Ready, Later and Turn are queued, by what they wait for

	First Execution // the oldest that does not wait for its turn, or else the oldest; without an id when there is none
}

// Active is how many there are.
func (o *Occupancy) Active() int64 { return o.Running + o.Ready + o.Later + o.Turn }

// limit is how many executions of j may be running or next to run; 0: any number.
// The copies of a fire count as one to people, and here each by itself.
func (j *Job) limit() int64 {
	fires := int64(j.MaxRunning)
	switch j.Concurrency {
	case Forbid, Replace:
		fires = 1
	case Queue:
		fires = int64(max(1, j.MaxRunning))
	}
	return fires * int64(max(1, j.Copies))
}

// busy is how many of j's limit are taken. Where executions come one after the
// other, a group keeps its place while it waits for its next attempt.
func (j *Job) busy(o *Occupancy) int64 {
	if j.Concurrency == Allow {
		return o.Running + o.Ready
	}
	return o.Running + o.Ready + o.Later
}

// free reports whether one more fire of j may be next to run.
func (j *Job) free(o *Occupancy) bool {
	return j.limit() == 0 || j.busy(o)+int64(max(1, j.Copies)) <= j.limit()
}

// place decides what becomes of a new execution of j that may run at runAt:
// Queued with what it waits for, or Skipped with the reason. patient executions
// wait where others would be skipped: they are caught up with.
func (j *Job) place(o *Occupancy, runAt, now time.Time, patient bool) (state State, wait Wait, reason string) {
	later := func() (State, Wait, string) {
		if runAt.After(now) {
			return Queued, WaitTime, "waits until " + clock(runAt)
		}
		return Queued, WaitNone, ""
	}
	turn := func() (State, Wait, string) { return Queued, WaitTurn, j.turnReason(o) }
	switch {
	case j.Concurrency == Forbid && o.Active() > 0 && !patient:
		return Skipped, WaitNone, fmt.Sprintf("skipped: execution %s still %s (concurrency forbid)", o.First.ID, o.First.State)
	case j.Concurrency == Replace && !patient: // the others are being cancelled
		if o.Running > 0 {
			return turn()
		}
		return later()
	case j.free(o) && o.Turn == 0:
		return later()
	case j.Concurrency == Queue && o.Turn >= int64(j.MaxQueued) && !patient:
		return Skipped, WaitNone, fmt.Sprintf("skipped: the queue is full, %d waiting (max_queued %d)", o.Turn, j.MaxQueued)
	default:
		return turn()
	}
}

// turnReason says what an execution of j that has to wait waits for.
func (j *Job) turnReason(o *Occupancy) string {
	if o.First.ID == "" {
		return "waits for its turn"
	}
	if limit := j.limit(); limit > 1 {
		return fmt.Sprintf("waits for its turn: %d of %d executions of the job are active (max_running)", j.busy(o), limit)
	}
	if j.Concurrency == Allow {
		return fmt.Sprintf("waits for its turn: execution %s still %s (max_running 1)", o.First.ID, o.First.State)
	}
	return fmt.Sprintf("waits for its turn: execution %s still %s (concurrency %s)", o.First.ID, o.First.State, j.Concurrency)
}

// clock writes an instant for a reason.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// span writes two instants for a reason; the day once, if it is one.
func span(from, to time.Time) string {
	from, to = from.UTC(), to.UTC()
	if from.Format(time.DateOnly) == to.Format(time.DateOnly) {
		return from.Format(time.DateTime) + " to " + to.Format("15:04:05 UTC")
	}
	return clock(from) + " to " + clock(to)
}

// jitter is how much later than its due time a job starts, below limit: by its
// name, so that it is the same after every restart.
func jitter(name string, limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return time.Duration(h.Sum64() % uint64(limit)).Truncate(time.Millisecond)
}

// retryAt returns when the attempt after e may start, and whether there is one.
// chance in [0,1) spreads the delay by up to 20 % either way, so that jobs which
// failed together do not come back together.
func retryAt(j Job, e Execution, now time.Time, chance float64) (time.Time, bool) {
	retryable := e.State == Failed || e.State == TimedOut || e.State == Lost
	if !retryable || e.Attempt > j.Retries {
		return time.Time{}, false
	}
	if codes := j.Retry.ExitCodes; len(codes) > 0 && (e.ExitCode == nil || !slices.Contains(codes, *e.ExitCode)) {
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
		Trigger: Trigger{Kind: TriggerRetry}, Group: e.Group, Attempt: e.Attempt + 1, Copy: e.Copy,
		DueAt: e.DueAt, RunAt: at, QueuedAt: now, Progress: -1, Config: e.Config,
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
