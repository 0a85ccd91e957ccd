package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"belfry/db"
	"belfry/scheduler"
)

// TestBackupFolder: what was made is listed whole, and a copy that was cut is not
// taken for one that is.
func TestBackupFolder(t *testing.T) {
	ctx := context.Background()
	flags := dataFlags{Data: filepath.Join(t.TempDir(), "it's data")}
	if err := os.MkdirAll(flags.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	store, err := db.Open(ctx, db.Options{Path: flags.file()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	b := backupFolder{flags.Data, flags.file()}
	if list, err := b.List(); err != nil || len(list) != 0 {
		t.Fatalf("before there is a folder: %v, %v", list, err)
	}
	first, err := b.Make(ctx)
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.Make(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(second.File, second.Bytes-4096); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"mine.db", ".belfry-backup-1", "belfry-20269999-999999.999.db", "belfry-20261121-120000.000.db-wal"} {
		if err := os.WriteFile(b.path(other), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := b.List()
	if err != nil || len(list) != 2 || list[0].Name != second.Name || list[0].Whole || list[1].Name != first.Name || !list[1].Whole ||
		list[1].Bytes != first.Bytes || !list[1].MadeAt.Equal(first.MadeAt) {
		t.Fatalf("listed %+v, %v of %+v", list, err, first)
	}
	for _, name := range []string{"mine.db", "../belfry.db", "", "belfry-20261121-120000.000.db"} {
		if err := b.Delete(name); scheduler.CodeOf(err) != scheduler.CodeNotFound {
			t.Errorf("deleting %q: %v", name, err)
		}
		if _, _, err := b.Open(name); scheduler.CodeOf(err) != scheduler.CodeNotFound {
			t.Errorf("opening %q: %v", name, err)
		}
	}
	if err := b.Delete(second.Name); err != nil {
		t.Fatal(err)
	}
	if list, err := b.List(); err != nil || len(list) != 1 {
		t.Errorf("after one was deleted: %v, %v", list, err)
	}
	if want := "belfry restore --data '" + filepath.Dir(flags.Data) + `/it'\''s data' --force x.db`; b.Restore("x.db") != want {
		t.Errorf("the command is %s, want %s", b.Restore("x.db"), want)
	}
}
