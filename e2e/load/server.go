package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is a running Belfry with a data folder of its own.
type server struct {
	bench *bench
	cmd   *exec.Cmd
	data  string
	args  []string
	addr  string // host:port
	token string
	ready time.Duration // from its start until it was ready
	log   *serverLog
	ended chan struct{}
	http  *http.Client
}

// adminPassword is the first user's, who makes the token.
const adminPassword = "bench-of-belfry"

// serve starts a server with an empty data folder, and gets a token from it.
func (b *bench) serve(ctx context.Context, args ...string) (*server, error) {
	data, err := os.MkdirTemp(b.dir, "data-")
	if err != nil {
		return nil, err
	}
	s, err := b.serveFrom(ctx, data, args...)
	if err != nil {
		return nil, err
	}
	return s, s.makeToken(ctx)
}

// serveFrom starts a server with a data folder that may have something in it,
// and returns when it is ready. Whoever gets a server has to stop it.
func (b *bench) serveFrom(ctx context.Context, data string, args ...string) (*server, error) {
	s := &server{
		bench: b, data: data, args: args, ended: make(chan struct{}),
		log: &serverLog{address: make(chan string, 1)},
		http: &http.Client{Transport: &http.Transport{
			DisableCompression: true, MaxIdleConnsPerHost: 8,
		}},
	}
	s.cmd = exec.CommandContext(ctx, b.binary, append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0"}, args...)...)
	s.cmd.WaitDelay = 5 * time.Second
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "TZ=UTC", "BELFRY_ADMIN_PASSWORD=" + adminPassword}
	s.cmd.Stderr = s.log
	// A benchmark that is killed leaves no server; its supervisor follows it.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	if err := s.await(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("start a server: %w\n%s", err, s.log)
	}
	s.ready = time.Since(begin)
	return s, nil
}

func (s *server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	select {
	case s.addr = <-s.log.address:
	case <-s.ended:
		return fmt.Errorf("it ended: %s", s.cmd.ProcessState)
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.call(ctx, http.MethodGet, "/health/readiness", nil, nil)
}

// restart starts a server again over the data of one that has ended.
func (s *server) restart(ctx context.Context) (*server, error) {
	again, err := s.bench.serveFrom(ctx, s.data, s.args...)
	if err == nil {
		again.token = s.token
	}
	return again, err
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// memory is that of the server and its supervisor.
func (s *server) memory() (all memory) {
	for _, pid := range family(s.pid()) {
		m := memoryOf(pid)
		all.pss += m.pss
		all.rss += m.rss
	}
	return all
}

// settled waits until the memory has stopped falling, at most for a time: the
// runtime gives back bit by bit what it does not need.
func (s *server) settled(ctx context.Context, most time.Duration) memory {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	least, since := s.memory().pss, time.Now()
	_ = poll(ctx, 250*time.Millisecond, func() (bool, error) {
		if now := s.memory().pss; now < least-least/200 {
			least, since = now, time.Now()
		}
		return time.Since(since) > most/3, nil
	})
	return s.memory()
}

// stop ends the server and adds to the table what it complained about.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	grace := time.NewTimer(15 * time.Second)
	defer grace.Stop()
	select {
	case <-s.ended:
	case <-grace.C:
		s.bench.results.note("the server", "does not end within 15 s of SIGTERM")
		s.kill()
	}
	s.http.CloseIdleConnections()
	if n, first := s.log.complaints(); n > 0 {
		s.bench.results.note("the server's log", fmt.Sprintf("%d warnings and errors, as: %s", n, first))
	}
}

// kill ends the server as a power cut would.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// size is what the database takes on the disk.
func (s *server) size() (n int64) {
	files, _ := filepath.Glob(filepath.Join(s.data, "belfry.db*"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			n += info.Size()
		}
	}
	return n
}

// serverLog collects standard error, as much as anybody will read, and tells
// where the server listens.
type serverLog struct {
	mu      sync.Mutex
	text    strings.Builder
	known   bool
	address chan string
	count   int
	first   string
}

// Write implements io.Writer. slog writes whole lines.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(string(p)) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") || strings.Contains(line, "panic") {
			if l.count++; l.count == 1 {
				l.first = strings.TrimSpace(line)
			}
		}
	}
	if l.text.Len() < 4<<10 {
		l.text.Write(p)
	}
	if _, rest, found := strings.Cut(l.text.String(), "is ready:  http://"); found && !l.known && strings.Contains(rest, "\n") {
		l.known = true
		l.address <- strings.Fields(rest)[0]
	}
	return len(p), nil
}

func (l *serverLog) complaints() (n int, first string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count, l.first
}

func (l *serverLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
