package db

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"belfry/scheduler"
)

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
