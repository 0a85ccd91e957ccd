package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// What Belfry remembers of itself.
const (
	settingAlive  = "alive"  // when the server was last known to fire, unix microseconds
	settingFreeze = "freeze" // a Freeze as JSON
)

const (
	// aliveEvery is how often the server notes that it is alive.
	aliveEvery = 10 * time.Second
	// unsettled is how long before the last note fires may not have been stored.
	unsettled = 30 * time.Second
	// settleBatch is how many jobs' gaps share a transaction.
	settleBatch = 50
)

// Alive notes that everything due until now fires.
func (s *Service) Alive(ctx context.Context) error {
	now := strconv.FormatInt(s.now().UnixMicro(), 10)
	return s.Store.InTx(ctx, func(tx Tx) error { return tx.PutSetting(ctx, settingAlive, now) })
}

// Resume accounts for what came due while no server was there: each due time
// becomes an execution, run or missed by its job's rules. It fills the timetable,
// as Load does; call it before that starts.
func (s *Service) Resume(ctx context.Context) (scheduled map[string]bool, err error) {
	if err := errors.Join(s.loadFreeze(ctx), s.loadPause(ctx)); err != nil {
		return nil, err
	}
	if err := s.loadFleet(ctx); err != nil {
		return nil, err
	}
	text, err := s.Store.Setting(ctx, settingAlive)
	if err != nil {
		return nil, err
	}
	if err := s.ClockSet(ctx); err != nil {
		return nil, err
	}
	jobs, err := s.enabledJobs(ctx)
	if err != nil {
		return nil, err
	}
	if micros, err := strconv.ParseInt(text, 10, 64); err == nil { // else it is the first start of all
		if err := s.settleDowntime(ctx, jobs, time.UnixMicro(micros).UTC()); err != nil {
			return nil, err
		}
	}
	return s.schedule(jobs, nil), nil
}

// settleDowntime accounts for what came due since the server was last known to
// fire.
func (s *Service) settleDowntime(ctx context.Context, jobs []JobTimes, last time.Time) error {
	now := s.now()
	why := "the server was down from " + span(last, now)
	for _, g := range s.Frozen().outside(gap{last.Add(-unsettled), now, why}) {
		if err := s.settle(ctx, jobs, g); err != nil {
			return err
		}
	}
	return nil
}

// ClockSet takes the clock as it is now: what was to be later than now by the
// clock as it was, is now. The timetable fires again what lies between; what has
// an execution already gets no second one.
func (s *Service) ClockSet(ctx context.Context) error {
	now := s.now()
	f := s.Frozen()
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.LiveNow(ctx, now); err != nil {
			return err
		}
		if f.Since.After(now) {
			f.Since = now
			if err := tx.PutSetting(ctx, settingFreeze, jsonOrEmpty(f)); err != nil {
				return err
			}
		}
		return tx.PutSetting(ctx, settingAlive, strconv.FormatInt(now.UnixMicro(), 10))
	})
	if err != nil {
		return err
	}
	s.freeze.Store(&f)
	s.Timetable.Refresh()
	return nil
}

// gap is a time in which nothing fired: after from, until to.
type gap struct {
	from, to time.Time
	why      string
}

// outside returns the parts of a gap that the end of the freeze will not account
// for.
func (f Freeze) outside(g gap) []gap {
	if f.Since.IsZero() {
		return []gap{g}
	}
	parts := []gap{{g.from, earlier(g.to, f.Since.Add(-1)), g.why}}
	if end := f.end(); !end.IsZero() {
		parts = append(parts, gap{later(g.from, end.Add(-1)), g.to, g.why})
	}
	return parts
}

// settle accounts for the due times of jobs in a gap. It may be repeated.
func (s *Service) settle(ctx context.Context, jobs []JobTimes, g gap) error {
	if !g.to.After(g.from) {
		return nil
	}
	var ids []string
	for _, t := range jobs {
		due, err := t.Parse()
		if err != nil {
			s.Log.Error("a stored job cannot be scheduled", "job", t.ID, "error", err)
			continue
		}
		if at, ok := due.Next(later(g.from, t.LiveSince.Add(-1))); ok && !at.After(g.to) {
			ids = append(ids, t.ID)
		}
	}
	for len(ids) > 0 {
		batch := ids[:min(len(ids), settleBatch)]
		ids = ids[len(batch):]
		err := s.inTx(ctx, func(tx Tx, fx *effects) error {
			for _, id := range batch {
				j, exists, err := currentJob(ctx, tx, id)
				if err != nil {
					return err
				}
				if !exists || !j.Live() {
					continue
				}
				if err := s.settleJob(ctx, tx, fx, j, g); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// settleJob accounts for one job's due times in a gap: those that its rule
// catches up with run, the others are missed. Of very many, the older ones share
// one record.
func (s *Service) settleJob(ctx context.Context, tx Tx, fx *effects, j Job, g gap) error {
	due, err := j.Times().Parse()
	if err != nil {
		return err
	}
	now := s.now()
	newest, older, first, last := due.Between(later(g.from, j.LiveSince.Add(-1)), g.to, maxCatchUp)
	if older > 0 {
		count := strconv.Itoa(older)
		if older >= maxCounted {
			count = "more than " + strconv.Itoa(maxCounted)
		}
		// Not at one of the due times: the last of them may be stored already.
		e := s.first(j, Trigger{Kind: TriggerSchedule}, last.Add(time.Microsecond), now)
		e.State = Missed
		e.Reason = fmt.Sprintf("missed: %s due times from %s to %s: %s", count, clock(first), clock(last), g.why)
		if _, _, err := s.insert(ctx, tx, fx, e); err != nil {
			return err
		}
	}
	var told *Execution // of all that a gap makes a job miss, the newest is told
	for i, at := range newest {
		e := s.first(j, Trigger{Kind: TriggerSchedule}, at, now)
		if j.catchesUp(at, now, i == len(newest)-1) {
			e.RunAt = now
			e.Reason = "catches up: " + g.why
			if _, _, err := s.beginCopies(ctx, tx, fx, j, e, true); err != nil {
				return err
			}
			continue
		}
		e.State, e.Reason = Missed, "missed: "+g.why
		if now.Sub(at) > j.CatchUpWindow && j.CatchUp != CatchUpSkip {
			e.Reason += fmt.Sprintf(" (outside the catch-up window of %s)", j.CatchUpWindow)
		}
		_, inserted, err := s.insert(ctx, tx, fx, e)
		if err != nil {
			return err
		}
		if inserted {
			told = &e
		}
	}
	if told == nil {
		return nil
	}
	return s.notify(ctx, tx, fx, &j, told)
}

// catchesUp reports whether a due time in a gap is run all the same.
func (j *Job) catchesUp(due, now time.Time, newest bool) bool {
	if now.Sub(due) > j.CatchUpWindow {
		return false
	}
	return j.CatchUp == CatchUpAll || j.CatchUp == CatchUpLatest && newest
}
