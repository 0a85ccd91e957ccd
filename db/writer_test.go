package db

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"belfry/scheduler"
)

func openTemp(t *testing.T) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Path: filepath.Join(t.TempDir(), "x.db")})
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
		} else if failing && n != 49 {
			t.Errorf("%d rows beside a failure, want 49", n)
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

// TestDiskFull: writes fail in words, reads go on, and it heals.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("no small disk can be mounted: %v", err)
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: filepath.Join(dir, "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := addSession(s, "before"); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write(make([]byte, 4<<20)) // as far as it goes
	_ = f.Close()
	for i := range 50 { // the log file may have room left
		if err = s.PutSessionData(ctx, fmt.Sprint(i), make([]byte, 50_000), time.Now().Add(time.Hour)); err != nil {
			break
		}
	}
	if scheduler.CodeOf(err) != scheduler.CodeUnavailable || !strings.Contains(err.Error(), "full") {
		t.Errorf("writing on a full disk: %v; want it said", err)
	}
	if !hasSession(t, s, "before") {
		t.Error("what was stored before is gone")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := addSession(s, "after"); err != nil || !hasSession(t, s, "after") {
		t.Errorf("it does not heal: %v", err)
	}
	if err := s.Ping(ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
}

// TestKilled: what InTx answered is there after kill -9, whole.
func TestKilled(t *testing.T) {
	const env = "BELFRY_TEST_KILLED"
	if path := os.Getenv(env); path != "" {
		writeUntilKilled(path)
	}
	path := filepath.Join(t.TempDir(), "x.db")
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), env+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var answered []string
	for len(answered) < 300 && lines.Scan() {
		answered = append(answered, lines.Text())
	}
	_ = cmd.Process.Kill()
	for lines.Scan() {
		answered = append(answered, lines.Text())
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	if len(answered) < 300 {
		t.Fatalf("the writing process answered only %d times", len(answered))
	}
	s, err := Open(context.Background(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range answered {
		// Both halves of the transaction are there.
		if !hasSession(t, s, name) || !hasSession(t, s, name+"b") {
			t.Errorf("%s was answered and is not there", name)
		}
	}
	var ok string
	if _, err := get(context.Background(), s.read, "PRAGMA integrity_check", nil, &ok); err != nil || ok != "ok" {
		t.Errorf("integrity: %q, %v", ok, err)
	}
}

// writeUntilKilled prints the name of each session after it was answered.
func writeUntilKilled(path string) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: path})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var out sync.Mutex
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d-%d", w, i)
				err := s.write(ctx, func(t *tx) error {
					for _, n := range []string{name, name + "b"} {
						if _, err := t.exec(ctx, "INSERT INTO session_data (token, data, expires_at) VALUES ($1, $2, $3)",
							n, []byte("x"), time.Now().Add(time.Hour).UnixMicro()); err != nil {
							return err
						}
					}
					return nil
				})
				if err == nil {
					out.Lock()
					fmt.Println(name)
					out.Unlock()
				}
			}
		}()
	}
	select {}
}
