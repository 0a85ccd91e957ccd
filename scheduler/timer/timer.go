// Package timer is the alarm clock: go-quartz, told only when each job is due
// next, calls back at that time. Nothing runs inside it. Times come from
// scheduler/cron; quartz's own cron triggers are wrong about days 29 to 31 and
// lose jobs at daylight-saving changes, and no text ever reaches them.
package timer

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/reugn/go-quartz/quartz"

	"belfry/scheduler"
)

// Timer implements scheduler.Timetable. Its methods may be called concurrently,
// before Start and after Stop too.
type Timer struct {
	now func() time.Time

	// lock is quartz's queue lock as well: between taking a due job out of the
	// queue and putting it back, quartz must not see it removed or replaced.
	lock  sync.Mutex
	queue *queue
	clock *quartz.StdScheduler // nil when stopped
	fire  func(jobID string, due time.Time)
}

// New returns a timer that does not run yet.
func New(now func() time.Time) *Timer { return &Timer{now: now, queue: newQueue()} }

// outdated is how late quartz may be and still call back. Whether a late fire
// still counts is decided by the domain.
const outdated = 100 * 365 * 24 * time.Hour

// Start begins to call fire at due times, one call after the other; fire must
// return at once. The due time is what the schedule said, not when it was noticed.
// When the clock was set forward beyond several due times of a job, fire is called
// for the first, and next for one that is not past by scheduler.SkipsAfter.
func (t *Timer) Start(fire func(jobID string, due time.Time)) error {
	clock, err := quartz.NewStdScheduler(
		quartz.WithQueue(t.queue, &t.lock), quartz.WithOutdatedThreshold(outdated),
		quartz.WithBlockingExecution(), quartz.WithJobMetadata(),
	)
	if err != nil {
		return fmt.Errorf("make the alarm clock: %w", err)
	}
	t.lock.Lock()
	t.clock, t.fire = clock.(*quartz.StdScheduler), fire
	t.lock.Unlock()
	clock.Start(context.Background())
	return nil
}

// Stop ends the calls and returns when none is under way. A quartz scheduler
// cannot be started twice; Start makes a new one over the same queue.
func (t *Timer) Stop() {
	t.lock.Lock()
	clock := t.clock
	t.clock = nil
	t.lock.Unlock()
	if clock != nil {
		clock.Stop()
		clock.Wait(context.Background())
	}
}

// Put implements scheduler.Timetable. Putting what is there already changes nothing.
func (t *Timer) Put(times scheduler.JobTimes) error {
	t.lock.Lock()
	defer t.lock.Unlock()
	key := quartz.NewJobKey(times.ID)
	if old, err := t.queue.Get(key); err == nil && old.Trigger().(*alarm).source.Equal(times) {
		return nil
	}
	times.Schedules = slices.Clone(times.Schedules)
	due, err := times.Parse()
	if err != nil {
		return err
	}
	a := &alarm{timer: t, source: times, due: due}
	next, ok := due.Next(t.now())
	if !ok { // it never fires: by hand only, or its time is over
		_, _ = t.queue.Remove(key)
		t.reset()
		return nil
	}
	_ = t.queue.Push(&entry{alarm: a, detail: quartz.NewJobDetail(a, key), at: next.UnixNano()})
	t.reset()
	return nil
}

// Remove implements scheduler.Timetable.
func (t *Timer) Remove(jobID string) {
	t.lock.Lock()
	defer t.lock.Unlock()
	_, _ = t.queue.Remove(quartz.NewJobKey(jobID))
	t.reset()
}

// Next implements scheduler.Timetable.
func (t *Timer) Next(jobID string) (time.Time, bool) {
	e, err := t.queue.Get(quartz.NewJobKey(jobID))
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(0, e.NextRunTime()), true
}

// Upcoming implements scheduler.Timetable.
func (t *Timer) Upcoming(n int) []scheduler.Due {
	var due []scheduler.Due
	for _, e := range t.queue.first(n) {
		due = append(due, scheduler.Due{JobID: name(e.JobDetail().JobKey()), At: time.Unix(0, e.NextRunTime())})
	}
	return due
}

// Refresh implements scheduler.Timetable. A due time that has come already stays:
// the callee accounts for what lies between it and now.
func (t *Timer) Refresh() {
	t.lock.Lock()
	defer t.lock.Unlock()
	now := t.now()
	for _, e := range t.queue.first(math.MaxInt) {
		a := e.Trigger().(*alarm)
		if next, ok := a.due.Next(now); ok && next.UnixNano() < e.NextRunTime() {
			_ = t.queue.Push(&entry{alarm: a, detail: e.JobDetail(), at: next.UnixNano()})
		}
	}
	t.reset()
}

// reset lets a running clock look at the head of the queue again.
func (t *Timer) reset() {
	if t.clock != nil {
		t.clock.Reset()
	}
}

// alarm is quartz's job and trigger of one of our jobs.
type alarm struct {
	timer  *Timer
	source scheduler.JobTimes
	due    scheduler.DueTimes
}

// NextFireTime implements quartz.Trigger: the due time after prev. When the clock
// is far ahead of it, the first one behind the clock: who is called accounts for
// those between.
func (a *alarm) NextFireTime(prev int64) (int64, error) {
	next, ok := a.due.Next(time.Unix(0, prev))
	if now := a.timer.now(); ok && now.Sub(next) > scheduler.SkipsAfter {
		next, ok = a.due.Next(now)
	}
	if !ok {
		return 0, quartz.ErrTriggerExpired
	}
	return next.UnixNano(), nil
}

// Description implements quartz.Trigger and quartz.Job.
func (a *alarm) Description() string { return a.source.ID }

// Execute implements quartz.Job.
func (a *alarm) Execute(ctx context.Context) error {
	due, ok := ctx.Value(quartz.JobMetadataContextKey).(quartz.JobMetadata)
	if !ok {
		return fmt.Errorf("quartz gave no due time for job %s", a.source.ID)
	}
	a.timer.fire(a.source.ID, time.Unix(0, due.RunTime))
	return nil
}

// entry implements quartz.ScheduledJob.
type entry struct {
	alarm  *alarm
	detail *quartz.JobDetail
	at     int64
}

func (e *entry) JobDetail() *quartz.JobDetail { return e.detail }
func (e *entry) Trigger() quartz.Trigger      { return e.alarm }
func (e *entry) NextRunTime() int64           { return e.at }
