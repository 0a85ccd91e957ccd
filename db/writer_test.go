package db

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"belfry/scheduler"
)

func openTemp(t *testing.T) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Path: filepath.Join(t.TempDir(), "x.db"), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func addSession(s *Store, name string) error {
	return s.PutSessionData(context.Background(), name, []byte("x"), time.Now().Add(time.Hour))
}

func hasSession(t *testing.T, s *Store, name string) bool {
	t.Helper()
	_, found, err := s.SessionData(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// block occupies the writer until the returned function is called.
func block(s *Store) (release func()) {
	running, gate := make(chan struct{}), make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		first := true
		_ = s.write(context.Background(), func(*tx) error {
			if first { // it may run again
				first = false
				close(running)
				<-gate
			}
			return nil
		})
	}()
	<-running
	return func() { close(gate); <-done }
}

// waitQueued waits until n requests wait for the writer.
func waitQueued(s *Store, n int) {
	for len(s.writer.queue) < n {
		runtime.Gosched()
	}
}

// TestGroupCommit: what waits shares one commit, and one failure in the middle
// does not undo the others.
func TestGroupCommit(t *testing.T) {
	for _, failing := range []bool{false, true} {
		s := openTemp(t)
		s.writer.batchTime = time.Hour // on a busy machine ten milliseconds are too few for 50
		release := block(s)
		before := s.writer.commits.Load()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				err := s.write(context.Background(), func(tx *tx) error {
					_, err := tx.exec(context.Background(), "INSERT INTO counters (name, value) VALUES ($1, 0)", fmt.Sprint("c", i))
					if failing && i == 20 {
						return errors.New("boom")
					}
					return err
				})
				if (err != nil) != (failing && i == 20) {
					t.Errorf("closure %d: %v", i, err)
				}
			})
		}
		waitQueued(s, 50)
		release()
		wg.Wait()
		var n int64
		if _, err := get(context.Background(), s.read, "SELECT COUNT(*) FROM counters WHERE name LIKE 'c%'", nil, &n); err != nil {
			t.Fatal(err)
		}
		commits := s.writer.commits.Load() - before
		if want := int64(50); !failing && (n != want || commits > 2) {
			t.Errorf("%d rows in %d commits, want %d in 1 or 2", n, commits, want)
		} else if failing && (n != 49 || commits > 2) {
			t.Errorf("%d rows in %d commits beside a failure, want 49 in 1 or 2", n, commits)
		}
	}
}

// TestCancelWaiting: a closure whose caller went away before it began never runs.
func TestCancelWaiting(t *testing.T) {
	s := openTemp(t)
	release := block(s)
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error)
	ran := false
	go func() {
		errs <- s.write(ctx, func(*tx) error { ran = true; return nil })
	}()
	waitQueued(s, 1)
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) || scheduler.CodeOf(err) != scheduler.CodeUnavailable {
		t.Errorf("got %v, want the context's error", err)
	}
	release()
	if err := s.write(context.Background(), func(*tx) error { return nil }); err != nil || ran {
		t.Errorf("%v, and the dropped closure ran: %v", err, ran)
	}
}

// TestGoexit: a closure that ends the writer's goroutine ends nothing else.
func TestGoexit(t *testing.T) {
	s := openTemp(t)
	err := s.write(context.Background(), func(tx *tx) error {
		_, _ = tx.exec(context.Background(), "DELETE FROM counters")
		runtime.Goexit()
		return nil
	})
	if scheduler.CodeOf(err) != scheduler.CodeInternal {
		t.Errorf("got %v, want an internal error", err)
	}
	if err := addSession(s, "after"); err != nil || !hasSession(t, s, "after") {
		t.Errorf("the writer is dead: %v", err)
	}
	var n int64
	if found, err := get(context.Background(), s.read, "SELECT value FROM counters WHERE name = 'ping'", nil, &n); !found || err != nil {
		t.Errorf("what it did before stays: %v", err)
	}
}

// TestOtherProcess: a job that another process changes is not served from memory.
func TestOtherProcess(t *testing.T) {
	ctx := context.Background()
	s := openTemp(t)
	j := scheduler.Job{ID: "id", Version: 1, Draft: scheduler.Draft{Name: "n", Notes: "old"}}
	notes := func(s *Store) (notes string) {
		err := s.InTx(ctx, func(tx scheduler.Tx) error {
			j, err := tx.Job(ctx, "id")
			notes = j.Notes
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return notes
	}
	if err := s.InTx(ctx, func(tx scheduler.Tx) error { return tx.InsertJob(ctx, &j) }); err != nil {
		t.Fatal(err)
	}
	var path string
	if _, err := get(ctx, s.read, "SELECT file FROM pragma_database_list WHERE name = 'main'", nil, &path); err != nil {
		t.Fatal(err)
	}
	other, err := Open(ctx, Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if notes(s) != "old" || notes(other) != "old" {
		t.Fatal("the job is not stored")
	}
	j.Notes, j.Version = "new", 2
	if err := other.InTx(ctx, func(tx scheduler.Tx) error { return tx.UpdateJob(ctx, j) }); err != nil {
		t.Fatal(err)
	}
	if got := notes(s); got != "new" {
		t.Errorf("notes are %q after another process changed them", got)
	}
}
