package scheduler

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"
)

// outbox is what the service knows of notifications.
type outbox struct {
	defaults atomic.Pointer[Defaults] // nil: none
	wake     chan struct{}            // capacity 1
}

// CheckDefaults says with CodeInvalid what SetDefaults refuses.
func CheckDefaults(d Defaults, senders map[string]Sender) error {
	var f fields
	f.checkNotify(normalizeNotify(d.Notify), senders)
	seen := map[string]bool{}
	for _, n := range d.Notify {
		if seen[n.Kind] {
			f.add("notify", "has %s twice", cut(n.Kind, 40))
		}
		seen[n.Kind] = true
	}
	return f.err()
}

// SetDefaults replaces what the server's configuration says for every job; it
// counts for groups that end from now on. CodeInvalid: it is not valid, and
// nothing changed.
func (s *Service) SetDefaults(d Defaults) error {
	if err := CheckDefaults(d, s.Senders); err != nil {
		return err
	}
	d.Notify = normalizeNotify(d.Notify)
	if len(d.Notify) == 0 {
		s.outbox.defaults.Store(nil)
		return nil
	}
	s.outbox.defaults.Store(&d)
	return nil
}

// notify puts what is to be told of e, the last of its group, into the outbox. It
// is on the way of every run that ends: jobs without notifications cost nothing.
func (s *Service) notify(ctx context.Context, tx Tx, fx *effects, j *Job, e *Execution) error {
	defaults := s.outbox.defaults.Load()
	if j.ID == "" || len(j.Notify) == 0 && defaults == nil {
		return nil // a job that was deleted tells nobody
	}
	now := s.now()
	for _, n := range defaults.with(j.Notify, s.Senders) {
		sender := s.Senders[n.Kind]
		if sender == nil || !n.meets(e.State) || !sender.Complete(orObject(n.Config)) {
			continue
		}
		err := tx.InsertDelivery(ctx, Delivery{
			ID: s.NewID(), ExecutionID: e.ID, JobName: j.Name, Kind: n.Kind, Config: orObject(n.Config),
			State: DeliveryPending, NextAt: now, CreatedAt: now,
		})
		if err != nil {
			return err
		}
		fx.deliver = true
	}
	return nil
}

func orObject(config json.RawMessage) json.RawMessage {
	if len(config) == 0 {
		return json.RawMessage("{}")
	}
	return config
}

// wakeOutbox tells whoever reads NewDeliveries.
func (s *Service) wakeOutbox() {
	select {
	case s.outbox.wake <- struct{}{}:
	default:
	}
}

// NewDeliveries yields a value when deliveries were made since the last one. It
// is for one reader.
func (s *Service) NewDeliveries() <-chan struct{} { return s.outbox.wake }

// NextDelivery returns when the next pending delivery is to be sent.
func (s *Service) NextDelivery(ctx context.Context) (time.Time, bool, error) {
	return s.Store.NextDelivery(ctx)
}

// ClaimDeliveries returns at most limit deliveries that are to be sent now. If
// they are not settled within lease, somebody else will send them.
func (s *Service) ClaimDeliveries(ctx context.Context, limit int, lease time.Duration) ([]Delivery, error) {
	var claimed []Delivery
	now := s.now()
	err := s.Store.InTx(ctx, func(tx Tx) (err error) {
		claimed, err = tx.ClaimDeliveries(ctx, now, now.Add(lease), limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// SettleDelivery stores what became of a claimed delivery, of which attempt was
// the number when it was claimed.
func (s *Service) SettleDelivery(ctx context.Context, d Delivery, attempt int) error {
	return s.Store.InTx(ctx, func(tx Tx) error { return tx.SettleDelivery(ctx, d, attempt) })
}

// Notification makes what a sender needs for a delivery; of a job that was deleted
// since, its id and name. CodeInvalid: its
// execution is not there any more.
func (s *Service) Notification(ctx context.Context, d Delivery) (Notification, error) {
	n := Notification{Delivery: d, Config: d.Config, Output: &storedOutput{s.Store, d.ExecutionID}}
	var err error
	if n.Execution, err = s.Store.Execution(ctx, d.ExecutionID); err == nil {
		n.Job, err = s.Store.Job(ctx, n.Execution.JobID)
	}
	if CodeOf(err) == CodeNotFound && n.Execution.ID != "" {
		n.Job, err = Job{ID: n.Execution.JobID, Draft: Draft{Name: d.JobName}}, nil // it was deleted since
	}
	if CodeOf(err) == CodeNotFound {
		return n, Errorf(CodeInvalid, "the job was deleted before it was sent")
	}
	return n, err
}

// storedOutput is the output of a stored execution.
type storedOutput struct {
	store OutputStore
	id    string
}

func (o *storedOutput) Tail(ctx context.Context, max int) ([]byte, bool, error) {
	c, err := o.store.OutputTail(ctx, o.id, max)
	return c.Data, c.FirstByte > 0, err
}

func (o *storedOutput) Each(ctx context.Context, fn func(Chunk, Gap) error) error {
	return EachPart(ctx, o.store, o.id, fn)
}
