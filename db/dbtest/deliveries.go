package dbtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

func addDelivery(t testing.TB, s *db.Store, e scheduler.Execution, kind string, next time.Time) scheduler.Delivery {
	t.Helper()
	d := scheduler.Delivery{
		ID: NewID(), ExecutionID: e.ID, JobName: "j", Kind: kind, Config: json.RawMessage(`{"secret":"s3cret"}`),
		State: scheduler.DeliveryPending, NextAt: next, CreatedAt: at(0),
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.InsertDelivery(bg, d) })
	return d
}

func claimDeliveries(t testing.TB, s *db.Store, now, lease, limit int) (list []scheduler.Delivery) {
	t.Helper()
	tx(t, s, func(tx scheduler.Tx) (err error) {
		list, err = tx.ClaimDeliveries(bg, at(now), at(lease), limit)
		return err
	})
	return list
}

func settle(t testing.TB, s *db.Store, d scheduler.Delivery, attempt int) {
	t.Helper()
	tx(t, s, func(tx scheduler.Tx) error { return tx.SettleDelivery(bg, d, attempt) })
}

// deliveries is the life of the rows of the outbox.
func deliveries(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	e, other := ended(t, s, j, 0, 1, scheduler.Failed, 0), ended(t, s, j, 10, 1, scheduler.Succeeded, 0)
	if _, is, err := s.NextDelivery(bg); is || err != nil {
		t.Fatalf("of none one is next: %v, %v", is, err)
	}
	second, first, later := addDelivery(t, s, e, "mail", at(21)), addDelivery(t, s, e, "slack", at(20)), addDelivery(t, s, other, "save", at(90))
	next, is, err := s.NextDelivery(bg)
	if !is || err != nil || !next.Equal(at(20)) {
		t.Errorf("next at %v, %v, %v", next, is, err)
	}
	if list := claimDeliveries(t, s, 19, 100, 10); len(list) != 0 {
		t.Errorf("claimed before it was due: %v", list)
	}
	// Those that are due come in order, and are nobody else's until the lease ends.
	first.Attempts, first.NextAt = 1, at(60)
	if d := cmp.Diff([]scheduler.Delivery{first}, claimDeliveries(t, s, 30, 60, 1)); d != "" {
		t.Errorf("the first (-want +got):\n%s", d)
	}
	second.Attempts, second.NextAt = 1, at(61)
	if d := cmp.Diff([]scheduler.Delivery{second}, claimDeliveries(t, s, 30, 61, 10)); d != "" {
		t.Errorf("the second (-want +got):\n%s", d)
	}
	if list := claimDeliveries(t, s, 59, 100, 10); len(list) != 0 {
		t.Errorf("claimed twice: %v", list)
	}
	// One is sent, and keeps no secret; one is to be tried again, and keeps it.
	sent := first
	sent.State, sent.SentAt, sent.NextAt = scheduler.DeliverySent, at(40), time.Time{}
	settle(t, s, sent, 1)
	again := second
	again.NextAt, again.Error = at(70), "answered 500"
	settle(t, s, again, 1)
	sent.Config, again.Config = nil, nil
	if d := cmp.Diff([]scheduler.Delivery{again, sent}, must(s.ListDeliveries(bg, e.ID))); d != "" {
		t.Errorf("listed (-want +got):\n%s", d)
	}
	// Its lease ends without a word; who had it does not count any more.
	got := claimDeliveries(t, s, 80, 85, 10)
	if len(got) != 1 || got[0].ID != second.ID || got[0].Attempts != 2 || string(got[0].Config) != `{"secret":"s3cret"}` {
		t.Fatalf("claimed again: %+v", got)
	}
	if got = claimDeliveries(t, s, 86, 100, 10); len(got) != 1 || got[0].Attempts != 3 {
		t.Fatalf("claimed after the lease: %+v", got)
	}
	stale := got[0]
	stale.State, stale.Attempts = scheduler.DeliverySent, 2
	settle(t, s, stale, 2)
	if list := must(s.ListDeliveries(bg, e.ID)); list[0].State != scheduler.DeliveryPending {
		t.Errorf("settled by who lost it: %+v", list[0])
	}
	failed := got[0]
	failed.State, failed.Error = scheduler.DeliveryFailed, "no"
	settle(t, s, failed, 3)
	failed.Attempts, failed.State = 9, scheduler.DeliveryPending
	settle(t, s, failed, 3) // it is final
	if list := must(s.ListDeliveries(bg, e.ID)); list[0].State != scheduler.DeliveryFailed || list[0].Attempts != 3 || list[0].Error != "no" {
		t.Errorf("failed: %+v", list[0])
	}
	if next, _, err := s.NextDelivery(bg); err != nil || !next.Equal(at(90)) {
		t.Errorf("then next at %v, %v", next, err)
	}
	// They go with their execution.
	tx(t, s, func(tx scheduler.Tx) error {
		return tx.DeleteExecutions(bg, []scheduler.Record{{Key: 1, JobNum: j.Num}, {Key: 2, JobNum: j.Num}})
	})
	if _, is, err := s.NextDelivery(bg); is || err != nil {
		t.Errorf("%s is left of an execution that was deleted: %v", later.Kind, err)
	}
	err = s.InTx(bg, func(tx scheduler.Tx) error {
		return tx.InsertDelivery(bg, scheduler.Delivery{ID: NewID(), ExecutionID: e.ID, State: scheduler.DeliveryPending})
	})
	wantCode(t, err, scheduler.CodeNotFound)
}

// deliveriesOnce: of many servers that look at the same time, one gets each.
func deliveriesOnce(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	e := ended(t, s, j, 0, 1, scheduler.Failed, 0)
	var want, got []string
	for i := range 40 {
		want = append(want, addDelivery(t, s, e, fmt.Sprint(i), at(i%7)).ID)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				list := claimDeliveries(t, s, 10, 100, 3)
				mu.Lock()
				for _, d := range list {
					got = append(got, d.ID)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("claimed (-want +got):\n%s", d)
	}
}
