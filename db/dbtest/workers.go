package dbtest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

func workersWhole(t *testing.T, s *db.Store) {
	w := scheduler.Worker{
		Name: "Müller", Kind: scheduler.WorkerRemote, Token: "t", Epoch: 7, Mode: scheduler.WorkerDraining, Presence: scheduler.WorkerOnline,
		Tags: []string{"gpu", "role:web"}, Rules: [][]string{{"gpu"}, {"gpu", "role:web"}},
		Sleep: scheduler.Sleep{Text: "daily 08:00-09:00", Zone: "Europe/Berlin"}, Slots: 4,
		About: scheduler.WorkerAbout{
			Version: "1.2", System: "linux/amd64", Address: "::1", Load: 1.5, CPUs: 8, MemoryFree: 1 << 33, MemoryTotal: 1 << 34, Skew: -3 * time.Second,
		},
		ConnectedAt: at(1), SeenAt: at(2),
	}
	plain := scheduler.Worker{Name: "a", Kind: scheduler.WorkerCoalition, Presence: scheduler.WorkerLost, Slots: 1}
	tx(t, s, func(tx scheduler.Tx) error { return errors.Join(tx.PutWorker(bg, w), tx.PutWorker(bg, plain)) })
	if d := cmp.Diff([]scheduler.Worker{plain, w}, must(s.ListWorkers(bg))); d != "" {
		t.Errorf("(-stored +read):\n%s", d)
	}
	w.Epoch, w.Mode, w.Presence, w.Tags = 8, "", scheduler.WorkerOffline, nil
	tx(t, s, func(tx scheduler.Tx) error { return tx.PutWorker(bg, w) })
	if d := cmp.Diff(w, must(s.ListWorkers(bg))[1]); d != "" {
		t.Errorf("stored again (-stored +read):\n%s", d)
	}
	tx(t, s, func(tx scheduler.Tx) error {
		return errors.Join(tx.DeleteWorker(bg, "a"), tx.DeleteWorker(bg, "nobody"))
	})
	if list := must(s.ListWorkers(bg)); len(list) != 1 || list[0].Name != w.Name {
		t.Errorf("after one was forgotten: %+v", list)
	}
}

func workerTokens(t *testing.T, s *db.Store) {
	k := scheduler.WorkerToken{ID: NewID(), Name: "farm", Hash: "h1", MadeBy: "anna", CreatedAt: at(0)}
	twin := scheduler.WorkerToken{ID: NewID(), Name: "farm", Hash: "h2", CreatedAt: at(1)}
	insert := func(k scheduler.WorkerToken) error {
		return s.InTx(bg, func(tx scheduler.Tx) error { return tx.InsertWorkerToken(bg, k) })
	}
	ok(t, insert(k))
	if err := insert(twin); !errors.Is(err, scheduler.ErrNameTaken) {
		t.Errorf("a second live token of the name: %v", err)
	}
	tx(t, s, func(tx scheduler.Tx) error {
		return errors.Join(tx.TouchWorkerToken(bg, k.ID, at(3)), tx.RevokeWorkerToken(bg, k.ID, at(4)), tx.RevokeWorkerToken(bg, k.ID, at(5)))
	})
	k.LastUsedAt, k.RevokedAt = at(3), at(4)
	if d := cmp.Diff(k, must(s.WorkerTokenByHash(bg, "h1"))); d != "" {
		t.Errorf("(-stored +read):\n%s", d)
	}
	ok(t, insert(twin)) // the name is free again
	if d := cmp.Diff([]scheduler.WorkerToken{k, twin}, must(s.ListWorkerTokens(bg))); d != "" {
		t.Errorf("listed (-want +got):\n%s", d)
	}
	_, err := s.WorkerTokenByHash(bg, "h3")
	wantCode(t, err, scheduler.CodeNotFound)
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.RevokeWorkerToken(bg, "x", at(1)) }), scheduler.CodeNotFound)
}

func claimAs(t *testing.T, s *db.Store, w scheduler.Worker, limit int) (ids []string) {
	t.Helper()
	tx(t, s, func(tx scheduler.Tx) error {
		list, err := tx.Claim(bg, w, at(100), limit)
		ids = nil
		for _, a := range list {
			ids = append(ids, a.Execution.ID)
		}
		return err
	})
	return ids
}

// workerRules: a worker takes what demands tags in the order of its rules, and
// then what demands none.
func workerRules(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	make := func(i, priority int, tags ...string) string {
		e := NewExecution(j.ID, at(i))
		e.Priority, e.Tags = priority, tags
		return addExecution(t, s, e).ID
	}
	plain := make(1, 200)
	second := make(2, 100, "win")
	first := make(3, 1, "gpu", "linux")
	early := make(4, 2, "linux")
	_ = make(5, 300, "gpu", "win") // no rule has both
	w := scheduler.Worker{Name: "w", Epoch: 1, Rules: [][]string{{"gpu", "linux"}, {"win"}}}
	if d := cmp.Diff([]string{early, first, second, plain}, claimAs(t, s, w, 10)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	ready := must(s.Claimable(bg, 5))
	if d := cmp.Diff([]scheduler.Ready{{Tags: []string{"gpu", "win"}, N: 1}}, ready); d != "" {
		t.Errorf("claimable (-want +got):\n%s", d)
	}
}

func claimable(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	if list := must(s.Claimable(bg, 5)); len(list) != 0 {
		t.Errorf("of an empty queue: %v", list)
	}
	for i := range 9 {
		e := NewExecution(j.ID, at(i))
		if i > 6 {
			e.Tags = []string{"gpu"}
		}
		if i == 8 {
			e.Wait = scheduler.WaitTurn
		}
		addExecution(t, s, e)
	}
	want := []scheduler.Ready{{N: 5}, {Tags: []string{"gpu"}, N: 1}}
	if d := cmp.Diff(want, must(s.Claimable(bg, 5))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// held: an execution is its worker's by its fence, and while it runs.
func held(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	e := addExecution(t, s, NewExecution(j.ID, at(0)))
	ask := func(worker string, fence int64) (n int64, err error) {
		err = s.InTx(bg, func(tx scheduler.Tx) (err error) {
			n, err = tx.Held(bg, e.ID, worker, fence)
			return err
		})
		return n, err
	}
	_, err := ask("w", 0)
	wantCode(t, err, scheduler.CodeConflict) // it is queued
	if got := claimAs(t, s, scheduler.Worker{Name: "w", Epoch: 3}, 1); len(got) != 1 {
		t.Fatalf("claimed %v", got)
	}
	tx(t, s, func(tx scheduler.Tx) error {
		return tx.AppendOutput(bg, e.ID, scheduler.Chunk{FirstLine: 1, Data: []byte("abc"), Pieces: []scheduler.Piece{{Len: 3, At: at(1)}}})
	})
	if n, err := ask("w", 3); n != 3 || err != nil {
		t.Errorf("by its worker: %d bytes, %v", n, err)
	}
	for _, other := range []struct {
		worker string
		fence  int64
	}{{"w", 2}, {"w", 4}, {"v", 3}, {"w", 0}} {
		_, err := ask(other.worker, other.fence)
		wantCode(t, err, scheduler.CodeConflict)
	}
	finish(t, s, e, scheduler.Lost, at(5))
	_, err = ask("w", 3)
	wantCode(t, err, scheduler.CodeConflict)
	err = s.InTx(bg, func(tx scheduler.Tx) error { _, err := tx.Held(bg, "nothing", "w", 1); return err })
	wantCode(t, err, scheduler.CodeNotFound)
}

// fireCopies: the copies of a fire go to different workers, and each is made once.
func fireCopies(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	var made [3]scheduler.Execution
	for k := range made {
		made[k] = NewExecution(j.ID, at(0))
		made[k].Copy = k
		addExecution(t, s, made[k])
	}
	twin := NewExecution(j.ID, at(0))
	twin.Copy = 1
	tx(t, s, func(tx scheduler.Tx) error {
		inserted, err := tx.InsertExecution(bg, twin)
		if inserted {
			t.Error("a copy was made twice")
		}
		return err
	})
	later := addExecution(t, s, NewExecution(j.ID, at(1)))
	a, b := scheduler.Worker{Name: "a"}, scheduler.Worker{Name: "b"}
	if d := cmp.Diff([]string{made[0].ID, later.ID}, claimAs(t, s, a, 10)); d != "" {
		t.Errorf("a (-want +got):\n%s", d)
	}
	if got := claimAs(t, s, a, 10); got != nil {
		t.Errorf("a got another copy: %v", got)
	}
	if d := cmp.Diff([]string{made[1].ID}, claimAs(t, s, b, 10)); d != "" {
		t.Errorf("b (-want +got):\n%s", d)
	}
	finish(t, s, made[0], scheduler.Failed, at(2))
	again := NewExecution(j.ID, at(0))
	again.Attempt, again.Group, again.Copy = 2, made[0].ID, 0
	addExecution(t, s, again)
	tx(t, s, func(tx scheduler.Tx) error {
		list, err := tx.Copies(bg, j.ID, at(0))
		if d := cmp.Diff([]string{again.ID, made[1].ID, made[2].ID}, ids(list)); d != "" {
			t.Errorf("copies (-want +got):\n%s", d)
		}
		return err
	})
	if got := claimAs(t, s, a, 10); len(got) != 1 { // its own has ended
		t.Errorf("a may have one more: %v", got)
	}
}

// failuresOnWorkers: a job that failed too often on a worker is not given to it,
// and is to others.
func failuresOnWorkers(t *testing.T, s *db.Store) {
	j, other := addJob(t, s, "j"), addJob(t, s, "other")
	for n := 1; n <= scheduler.MaxFailures; n++ {
		tx(t, s, func(tx scheduler.Tx) error {
			if got, err := tx.AddFailure(bg, "w", j.ID, "e", at(n)); got != n || err != nil {
				t.Errorf("failure %d counts %d, %v", n, got, err)
			}
			_, err := tx.AddFailure(bg, "v", other.ID, "e2", at(1))
			return err
		})
	}
	want := []scheduler.WorkerFailures{
		{Worker: "v", JobID: other.ID, Job: "other", Failures: 3, LastAt: at(1), Execution: "e2"},
		{Worker: "w", JobID: j.ID, Job: "j", Failures: 3, LastAt: at(3), Execution: "e"},
	}
	if d := cmp.Diff(want, must(s.WorkerFailures(bg))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	e := addExecution(t, s, NewExecution(j.ID, at(0)))
	e2 := addExecution(t, s, NewExecution(other.ID, at(1)))
	if d := cmp.Diff([]string{e2.ID}, claimAs(t, s, scheduler.Worker{Name: "w", Shuns: true}, 5)); d != "" {
		t.Errorf("claimed where it failed (-want +got):\n%s", d)
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.ClearFailures(bg, "w", j.ID) })
	if d := cmp.Diff([]string{e.ID}, claimAs(t, s, scheduler.Worker{Name: "w", Shuns: true}, 5)); d != "" {
		t.Errorf("claimed after it was cleared (-want +got):\n%s", d)
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.ClearFailures(bg, "v", "") })
	if left := must(s.WorkerFailures(bg)); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	tx(t, s, func(tx scheduler.Tx) error {
		_, err := tx.AddFailure(bg, "w", other.ID, "e2", at(1))
		return errors.Join(err, tx.Finish(bg, func() scheduler.Execution { e2.State, e2.FinishedAt = scheduler.Failed, at(9); return e2 }(), scheduler.Running))
	})
	tx(t, s, func(tx scheduler.Tx) error { return tx.DeleteJob(bg, other.ID) })
	if left := must(s.WorkerFailures(bg)); len(left) != 0 {
		t.Errorf("of a deleted job: %v", left)
	}
}
