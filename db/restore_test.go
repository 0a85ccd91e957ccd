package db

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"belfry/scheduler"
)

// TestRestoredWorkersAreStrangers: a worker that stayed connected while the database
// was put back has nothing to say of what it was given before.
func TestRestoredWorkersAreStrangers(t *testing.T) {
	ctx, at := context.Background(), filepath.Join(t.TempDir(), "x.db")
	s, err := Open(ctx, Options{Path: at})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := scheduler.Worker{Name: "w", Kind: scheduler.WorkerRemote, Epoch: 3, Slots: 1, Presence: scheduler.WorkerOnline}
	if err := s.InTx(ctx, func(tx scheduler.Tx) error { return tx.PutWorker(ctx, w) }); err != nil {
		t.Fatal(err)
	}
	copied, path := filepath.Join(t.TempDir(), "copy.db"), filepath.Join(t.TempDir(), "belfry.db")
	if _, err := Backup(ctx, at, copied, false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Restore(ctx, copied, path, false, time.Now()); err != nil {
		t.Fatal(err)
	}
	restored, err := Open(ctx, Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	list, err := restored.ListWorkers(ctx)
	if err != nil || len(list) != 1 || list[0].Epoch <= 1000 {
		t.Errorf("%+v, %v", list, err)
	}
}
