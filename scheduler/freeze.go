package scheduler

import (
	"cmp"
	"context"
	"encoding/json"
	"time"
)

// Freeze is a time in which nothing fires and nothing starts. The zero value is
// none.
type Freeze struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // zero: until somebody ends it
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	// Ended is set while the due times of a freeze that is over are accounted for.
	Ended time.Time `json:"ended,omitzero"`
}

// Active reports whether nothing may start.
func (f Freeze) Active() bool { return !f.Since.IsZero() && f.Ended.IsZero() }

// covers reports whether a due time is accounted for when the freeze ends.
func (f Freeze) covers(due time.Time) bool {
	end := f.end()
	return !f.Since.IsZero() && !due.Before(f.Since) && (end.IsZero() || due.Before(end))
}

// end is when it ends or ended; zero: nobody knows yet.
func (f Freeze) end() time.Time { return cmp.Or(f.Ended, f.Until) }

// String says it in words.
func (f Freeze) String() string {
	text := "everything is paused since " + clock(f.Since)
	if !f.Until.IsZero() {
		text += " until " + clock(f.Until)
	}
	if f.By != "" {
		text += " by " + f.By
	}
	if f.Reason != "" {
		text += ": " + f.Reason
	}
	return text
}

// Frozen returns the freeze in force.
func (s *Service) Frozen() Freeze {
	if f := s.freeze.Load(); f != nil {
		return *f
	}
	return Freeze{}
}

func (s *Service) loadFreeze(ctx context.Context) error {
	text, err := s.Store.Setting(ctx, settingFreeze)
	if err != nil {
		return err
	}
	var f Freeze
	if text != "" {
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			return err
		}
	}
	s.freeze.Store(&f)
	return nil
}

// Freeze pauses everything: nothing fires and nothing that is queued starts until
// Unfreeze, or until an instant unless that is zero. What runs goes on. It needs
// the role operator. CodeConflict: everything is paused already.
func (s *Service) Freeze(ctx context.Context, by Principal, reason string, until time.Time) (Freeze, error) {
	if err := authorize(by, Operator, "pausing everything"); err != nil {
		return Freeze{}, err
	}
	var f fields
	f.text("reason", reason, maxName, false)
	now := s.now()
	if !until.IsZero() && !until.After(now) {
		f.add("until", "must be in the future")
	}
	if err := f.err(); err != nil {
		return Freeze{}, err
	}
	s.freezing.Lock()
	defer s.freezing.Unlock()
	if old := s.Frozen(); !old.Since.IsZero() {
		return old, Errorf(CodeConflict, "%s", old.String())
	}
	made := Freeze{Since: now, Until: until.UTC().Truncate(time.Microsecond), Reason: reason, By: by.Name}
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.PutSetting(ctx, settingFreeze, jsonOrEmpty(made)); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "freeze", "everything", nil, made))
	})
	if err != nil {
		return Freeze{}, err
	}
	s.freeze.Store(&made)
	s.Publisher.Publish(Event{Kind: FreezeChanged, Frozen: true})
	return made, nil
}

// Unfreeze ends a freeze. The due times within it become executions by each job's
// rule about catching up. It needs the role operator. CodeConflict: nothing is
// paused.
func (s *Service) Unfreeze(ctx context.Context, by Principal) error {
	if err := authorize(by, Operator, "ending the pause of everything"); err != nil {
		return err
	}
	s.freezing.Lock()
	defer s.freezing.Unlock()
	if !s.Frozen().Active() {
		return Errorf(CodeConflict, "nothing is paused")
	}
	at := s.now()
	if until := s.Frozen().Until; !until.IsZero() && until.Before(at) {
		at = until // from then on it fired
	}
	return s.thaw(ctx, by, at)
}

// thaw ends the freeze at an instant. It is in three steps, each of which may be
// the last before the process dies: the next start goes on. From the first on,
// what comes due fires again.
func (s *Service) thaw(ctx context.Context, by Principal, at time.Time) error {
	f := s.Frozen()
	if f.Ended.IsZero() {
		before := f
		f.Ended = at
		err := s.Store.InTx(ctx, func(tx Tx) error {
			if err := tx.PutSetting(ctx, settingFreeze, jsonOrEmpty(f)); err != nil {
				return err
			}
			return tx.InsertAudit(ctx, s.audit(by, "unfreeze", "everything", before, nil))
		})
		if err != nil {
			return err
		}
		s.freeze.Store(&f)
	}
	g := gap{from: f.Since.Add(-1), to: f.Ended, why: "everything was paused from " + clock(f.Since) + " to " + clock(f.Ended)}
	if f.Ended.Equal(f.Until) {
		g.to = f.Until.Add(-1) // what was due then has fired
	}
	if f.Reason != "" {
		g.why += ": " + f.Reason
	}
	jobs, err := s.enabledJobs(ctx)
	if err != nil {
		return err
	}
	if err := s.settle(ctx, jobs, g); err != nil {
		return err
	}
	err = s.Store.InTx(ctx, func(tx Tx) error { return tx.PutSetting(ctx, settingFreeze, "") })
	if err != nil {
		return err
	}
	s.freeze.Store(&Freeze{})
	s.wakeWorkers()
	s.Publisher.Publish(Event{Kind: FreezeChanged})
	return nil
}

// Watch looks at the clock once a second until ctx ends: it notes that the server
// is alive, ends a freeze whose time is over, and lets the timetable look again
// when the clock was set or the machine slept.
func (s *Service) Watch(ctx context.Context) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	last := s.Now()
	var noted time.Time
	for {
		now := s.Now()
		if jumped(last, now) {
			s.Log.Warn("the clock was set, or the machine slept", "before", last.Round(0), "now", now.Round(0))
			if err := s.ClockSet(ctx); err != nil && ctx.Err() == nil {
				s.Log.Error("take the clock as it is", "error", err)
			}
			s.wakeWorkers()
		}
		last = now
		if err := s.Tick(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("end the pause of everything", "error", err)
		}
		if now.Sub(noted).Abs() >= aliveEvery {
			if err := s.Alive(ctx); err != nil && ctx.Err() == nil {
				s.Log.Error("note that the server is alive", "error", err)
			}
			noted = now
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// jumped compares the two clocks that a time carries.
func jumped(last, now time.Time) bool {
	wall, real := now.Round(0).Sub(last.Round(0)), now.Sub(last)
	return (wall - real).Abs() > 500*time.Millisecond
}

// Tick ends a freeze whose time is over, and finishes one that was being ended
// when the server died.
func (s *Service) Tick(ctx context.Context) error {
	f := s.Frozen()
	if f.Since.IsZero() || f.Active() && (f.Until.IsZero() || s.now().Before(f.Until)) {
		return nil
	}
	s.freezing.Lock()
	defer s.freezing.Unlock()
	if f = s.Frozen(); f.Since.IsZero() {
		return nil
	}
	return s.thaw(ctx, Server, f.Until)
}
