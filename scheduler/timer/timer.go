// Package timer is the alarm clock: go-quartz, told only when each job is due
// next, calls back at that time. Nothing runs inside it. Times come from
// scheduler/cron; quartz's own cron triggers are wrong about days 29 to 31 and
// lose jobs at daylight-saving changes, and no text ever reaches them.
package timer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/reugn/go-quartz/quartz"

	"belfry/scheduler"
	"belfry/scheduler/cron"
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
func (t *Timer) Put(jobID string, schedules []scheduler.Schedule) error {
	t.lock.Lock()
	defer t.lock.Unlock()
	key := quartz.NewJobKey(jobID)
	if old, err := t.queue.Get(key); err == nil && slices.Equal(old.Trigger().(*alarm).source, schedules) {
		return nil
	}
	a := &alarm{timer: t, jobID: jobID, source: slices.Clone(schedules)}
	for _, s := range schedules {
		parsed, err := s.Parse()
		if err != nil {
			return err
		}
		a.schedules = append(a.schedules, parsed)
	}
	next, err := a.NextFireTime(t.now().UnixNano())
	if err != nil { // it never fires: by hand only, or its time is over
		_, _ = t.queue.Remove(key)
		return nil
	}
	_ = t.queue.Push(&entry{alarm: a, detail: quartz.NewJobDetail(a, key), at: next})
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

// reset lets a running clock look at the head of the queue again.
func (t *Timer) reset() {
	if t.clock != nil {
		t.clock.Reset()
	}
}

// alarm is quartz's job and trigger of one of our jobs.
type alarm struct {
	timer     *Timer
	jobID     string
	source    []scheduler.Schedule
	schedules []cron.Schedule
}

// NextFireTime implements quartz.Trigger: the earliest fire of all schedules.
func (a *alarm) NextFireTime(prev int64) (int64, error) {
	var next time.Time
	for _, s := range a.schedules {
		if at, ok := s.Next(time.Unix(0, prev)); ok && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if next.IsZero() {
		return 0, quartz.ErrTriggerExpired
	}
	return next.UnixNano(), nil
}

// Description implements quartz.Trigger and quartz.Job.
func (a *alarm) Description() string { return a.jobID }

// Execute implements quartz.Job.
func (a *alarm) Execute(ctx context.Context) error {
	due, ok := ctx.Value(quartz.JobMetadataContextKey).(quartz.JobMetadata)
	if !ok {
		return fmt.Errorf("quartz gave no due time for job %s", a.jobID)
	}
	a.timer.fire(a.jobID, time.Unix(0, due.RunTime))
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
