package db

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestFileShrinks: what deleting frees is given back to the file system, in steps,
// but for what is soon used again.
func TestFileShrinks(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	s, err := Open(ctx, Options{Path: path, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	const n = 1000
	for i := range n { // 32 MB, of which each tenth stays, all over the file
		if err := s.PutSessionData(ctx, fmt.Sprint(i), make([]byte, 32<<10), time.Unix(int64(1+i%10), 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := each(ctx, s.read, "PRAGMA wal_checkpoint(PASSIVE)", nil, noRows); err != nil {
		t.Fatal(err)
	}
	full := size()
	if more, err := s.Shrink(ctx); more || err != nil || size() != full {
		t.Errorf("a file without free pages shrinks: %v, %v", more, err)
	}
	if err := s.Exec(ctx, "DELETE FROM session_data WHERE expires_at < $1", time.Unix(10, 0).UnixMicro()); err != nil {
		t.Fatal(err)
	}
	steps := 0
	for more := true; more && steps < 1000; steps++ {
		if more, err = s.Shrink(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if steps < 5 {
		t.Errorf("it took %d steps: they are too large", steps)
	}
	if got := size(); full < 30<<20 || got > full/6 {
		t.Errorf("the file had %d bytes and has %d, want less than a sixth", full, got)
	}
	var left int
	if _, err := get(ctx, s.read, "SELECT COUNT(*) FROM session_data", nil, &left); err != nil || left != n/10 {
		t.Errorf("%d rows are left, %v; want %d", left, err, n/10)
	}
	var ok string
	if _, err := get(ctx, s.read, "PRAGMA integrity_check", nil, &ok); err != nil || ok != "ok" {
		t.Errorf("integrity: %q, %v", ok, err)
	}
}
