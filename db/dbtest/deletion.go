package dbtest

import (
	"testing"
	"time"

	"belfry/db"
	"belfry/scheduler"
)

func deleteJob(t *testing.T, s *db.Store) {
	gone, stays := addJob(t, s, "gone"), addJob(t, s, "stays")
	for i := range 7 {
		addExecution(t, s, NewExecution(gone.ID, at(i)))
	}
	later := NewExecution(stays.ID, at(50))
	later.Wait = scheduler.WaitTime
	other := addExecution(t, s, later)
	var running scheduler.Execution
	for i, a := range claim(t, s, "w", at(10), 6) { // 4 end, 2 run, 1 waits
		if i < 4 {
			finish(t, s, a.Execution, scheduler.Failed, at(20+i))
			continue
		}
		running = a.Execution
	}
	c := scheduler.Chunk{FirstLine: 1, Data: []byte("x\n"), Pieces: []scheduler.Piece{{Len: 2, At: at(1).Truncate(time.Millisecond)}}}
	tx(t, s, func(tx scheduler.Tx) error { return tx.AppendOutput(bg, running.ID, c) })
	tx(t, s, func(tx scheduler.Tx) error { return tx.DeleteJob(bg, gone.ID) })

	_, err := s.Job(bg, gone.ID)
	wantCode(t, err, scheduler.CodeNotFound)
	list, total, err := s.ListExecutions(bg, scheduler.ExecutionFilter{})
	ok(t, err)
	if len(list) != 1 || list[0].ID != other.ID || total.N != 1 {
		t.Errorf("listed: %v of %d, want only the other job's", ids(list), total.N)
	}
	list, total, err = s.ListExecutions(bg, scheduler.ExecutionFilter{Trigger: scheduler.TriggerSchedule})
	ok(t, err)
	if len(list) != 1 || total.N != 1 {
		t.Errorf("listed with a filter: %v of %d, want only the other job's", ids(list), total.N)
	}
	if list, _, _ := s.ListExecutions(bg, scheduler.ExecutionFilter{JobID: gone.ID}); len(list) != 0 {
		t.Errorf("a deleted job lists %v", ids(list))
	}
	if got := claim(t, s, "w", at(30), 10); len(got) != 0 {
		t.Errorf("claimed of a deleted job: %v", got)
	}
	if next, found, err := s.NextRunAt(bg); err != nil || !found || !next.Equal(at(50)) {
		t.Errorf("next run at %v, %v, %v; want the other job's %v", next, found, err, at(50))
	}
	// What runs is known until it ends, by its job's name.
	if got := must(s.RunningOn(bg, "w")); len(got) != 2 || got[0].JobName != "gone" || got[0].JobID != gone.ID {
		t.Errorf("running of a deleted job: %+v", got)
	}
	purged := 0
	for more := true; more && purged < 20; purged++ {
		tx(t, s, func(tx scheduler.Tx) (err error) { more, err = tx.PurgeDeleted(bg, 2); return err })
	}
	if purged < 3 || purged >= 20 {
		t.Errorf("purged in %d steps of 2, want 3 to 4", purged)
	}
	got := must(s.Execution(bg, running.ID))
	if got.JobName != "gone" || got.State != scheduler.Running {
		t.Errorf("a running execution of a deleted job is %+v", got)
	}
	for _, e := range must(s.RunningOn(bg, "w")) {
		finish(t, s, e, scheduler.Cancelled, at(40))
	}
	tx(t, s, func(tx scheduler.Tx) error {
		more, err := tx.PurgeDeleted(bg, 100)
		if more {
			t.Error("something is left to purge")
		}
		return err
	})
	_, err = s.Execution(bg, running.ID)
	wantCode(t, err, scheduler.CodeNotFound)
	if n, _, err := s.OutputSize(bg, running.ID); n != 0 || err != nil {
		t.Errorf("a purged execution has %d bytes of output, %v", n, err)
	}
	if _, total, _ := s.ListExecutions(bg, scheduler.ExecutionFilter{}); total.N != 1 {
		t.Errorf("the total is %d after the purge, want 1", total.N)
	}
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.DeleteJob(bg, gone.ID) }), scheduler.CodeNotFound)
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error {
		_, err := tx.InsertExecution(bg, NewExecution(gone.ID, at(99)))
		return err
	}), scheduler.CodeNotFound)
	addJob(t, s, "gone") // the name is free
}

// deleteUntold: what is still to be told of a deleted job's execution is not
// deleted before that.
func deleteUntold(t *testing.T, s *db.Store) {
	gone := addJob(t, s, "gone")
	addExecution(t, s, NewExecution(gone.ID, at(0)))
	e := finish(t, s, claim(t, s, "w", at(0), 1)[0].Execution, scheduler.Failed, at(1))
	d := addDelivery(t, s, e, "mail", at(1))
	tx(t, s, func(tx scheduler.Tx) error { return tx.DeleteJob(bg, gone.ID) })
	purge := func() {
		tx(t, s, func(tx scheduler.Tx) error {
			more, err := tx.PurgeDeleted(bg, 100)
			if more {
				t.Error("something is left to purge")
			}
			return err
		})
	}
	purge()
	if got, err := s.Execution(bg, e.ID); err != nil || got.JobName != "gone" {
		t.Errorf("%+v, %v", got, err)
	}
	claimed := claimDeliveries(t, s, 2, 60, 5)
	if len(claimed) != 1 || claimed[0].ID != d.ID {
		t.Fatalf("claimed %+v", claimed)
	}
	claimed[0].State, claimed[0].SentAt = scheduler.DeliverySent, at(3)
	settle(t, s, claimed[0], claimed[0].Attempts)
	purge()
	_, err := s.Execution(bg, e.ID)
	wantCode(t, err, scheduler.CodeNotFound)
}
