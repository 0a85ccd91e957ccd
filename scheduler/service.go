package scheduler

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a Service needs. All fields are required but Senders, Keep
// and Rand.
type Options struct {
	Store     Store
	Timetable Timetable
	Launcher  Launcher
	Publisher Publisher
	Executors map[string]Executor
	Senders   map[string]Sender // by kind of notification
	Passwords Passwords
	Now       func() time.Time
	NewID     func() string      // unique, and ordered by time
	Keep      Retention          // bounds every job's history too; MaxBytes is that of all output together
	Rand      func() float64     // in [0,1); nil: math/rand
	Machine   func() WorkerAbout // what the server's own worker says of itself; nil: nothing
	Log       *slog.Logger
}

// Passwords hashes passwords slowly and compares in constant time.
type Passwords interface {
	Hash(password string) (string, error)
	Matches(password, hash string) bool
}

// Service holds the use cases. Its methods may be called concurrently; each
// mutation checks the principal's role, writes one audit row in its own
// transaction, and publishes only after the commit.
type Service struct {
	Options
	fires      fireQueue
	alarm      alarm
	past       retention
	outbox     outbox
	fleet      fleet
	classes    catalogue
	lives      lives
	auditLoose atomic.Bool // rows were written that are not chained
	freeze     atomic.Pointer[Freeze]
	freezing   sync.Mutex  // held while a freeze begins or ends
	paused     atomic.Bool // new jobs and changes are refused
	declaring  sync.Mutex  // held while the jobs of an origin are replaced
	outlived   sync.Map    // deleted jobs, as *Job, by the id of an execution whose end is still to be told
	names      treeNames
	verified   verifiedPasswords
	dummy      func() string // a hash that no password matches, made once

	late lateness // of the newest fires

	acknowledging sync.Mutex // held while a failure is acknowledged

	fleetNoted time.Time // when the store learned last when workers were heard of: LookAfter's own
}

// New makes a service. Start makes it live.
func New(o Options) *Service {
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	s := &Service{Options: o, fleet: newFleet()}
	s.fires.wake, s.outbox.wake = make(chan struct{}, 1), make(chan struct{}, 1)
	s.dummy = sync.OnceValue(func() string {
		h, err := o.Passwords.Hash(o.NewID())
		if err != nil {
			o.Log.Error("hash a password", "error", err)
		}
		return h
	})
	return s
}

// now is the clock at the store's resolution, so that what is written and what
// is read again are equal.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// Load fills the timetable from the store and drops from it what the store does
// not have. It is safe at any time.
func (s *Service) Load(ctx context.Context, scheduled map[string]bool) (map[string]bool, error) {
	jobs, err := s.enabledJobs(ctx)
	if err != nil {
		return scheduled, err
	}
	return s.schedule(jobs, scheduled), nil
}

// enabledJobs reads what decides about the due times of all jobs.
func (s *Service) enabledJobs(ctx context.Context) (jobs []JobTimes, err error) {
	err = s.Store.EachEnabledJob(ctx, func(t JobTimes) error {
		jobs = append(jobs, t)
		return nil
	})
	return jobs, err
}

// schedule puts jobs into the timetable, and drops those that were there and are
// not among them.
func (s *Service) schedule(jobs []JobTimes, scheduled map[string]bool) map[string]bool {
	seen := make(map[string]bool, len(jobs))
	for _, j := range jobs {
		seen[j.ID] = true
		if err := s.Timetable.Put(j); err != nil {
			s.Log.Error("a stored job cannot be scheduled", "job", j.ID, "error", err)
		}
	}
	for id := range scheduled {
		if !seen[id] {
			s.Timetable.Remove(id)
		}
	}
	return seen
}

// authorize refuses what by's role does not allow.
func authorize(by Principal, need Role, what string) error {
	if by.Role == "" {
		return Errorf(CodeUnauthenticated, "log in first")
	}
	if !by.Role.Allows(need) {
		return Errorf(CodeForbidden, "%s needs the role %s; you are %s", what, need, by.Role)
	}
	return nil
}

// audit makes the row of one mutation. before and after are any JSON values, nil
// for "did not exist".
func (s *Service) audit(by Principal, action, object string, before, after any) AuditEntry {
	s.auditLoose.Store(true)
	before, after = s.withoutSecrets(before), s.withoutSecrets(after)
	return AuditEntry{
		At: s.now(), Actor: by.Name, Via: by.Via, From: by.From, Action: action, Object: object,
		Before: jsonOrEmpty(before), After: jsonOrEmpty(after),
	}
}

// withoutSecrets hides what only the senders know to be secret.
func (s *Service) withoutSecrets(v any) any {
	if j, ok := v.(auditedJob); ok {
		j.Notify = s.MaskNotify(j.Notify)
		return j
	}
	return v
}

func jsonOrEmpty(v any) string {
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
