package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"belfry/scheduler"
	"belfry/scheduler/executor/docker"
	"belfry/scheduler/executor/shell"
	"belfry/scheduler/remote"
	"belfry/scheduler/runner"
)

// workerCmd are the flags of `belfry worker`.
type workerCmd struct {
	logFlags
	Server     string        `help:"Address of the server, http:// or https://." required:"" placeholder:"URL"`
	TokenFile  string        `help:"File with the worker token that the page Workers makes." required:"" placeholder:"FILE"`
	CAFile     string        `help:"File with certificates (PEM) to trust besides the system's, for a server with one of your own." name:"ca-file" placeholder:"FILE"`
	Name       string        `help:"Name of this worker, its own; the host's name when empty." placeholder:"NAME"`
	Tags       []string      `help:"What this worker has that jobs may ask for: gpu,linux,zone=eu." placeholder:"TAG"`
	Slots      int           `help:"How many executions run at once; 0 is twice the number of processors." default:"0"`
	Docker     string        `help:"Address of the Docker engine; off: none. Empty: what DOCKER_HOST says, or the usual socket." placeholder:"HOST"`
	DrainGrace time.Duration `help:"How long running executions may go on after SIGTERM before they are cancelled." default:"30s"`
}

// Validate refuses what cannot work; kong calls it.
func (c *workerCmd) Validate() error {
	if c.Slots < 0 || c.DrainGrace < 0 {
		return errors.New("--slots and --drain-grace must not be negative")
	}
	u, err := url.Parse(c.Server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("--server %q is not an address like https://belfry.example.com", c.Server)
	}
	return nil
}

// Run works until ctx ends, then drains.
func (c *workerCmd) Run(ctx context.Context, con *console) error {
	log := c.logger(con.stderr, new(slog.LevelVar))
	token, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return fmt.Errorf("--token-file: %w", err)
	}
	if c.Name == "" {
		if c.Name, err = os.Hostname(); err != nil {
			return fmt.Errorf("this host has no name (%w); give the worker one with --name", err)
		}
	}
	transport, err := c.transport()
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(strings.TrimSuffix(c.Server, "/") + "\n" + c.Name))
	instance := hex.EncodeToString(sum[:8])
	alone, err := holdInstance(instance)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("a worker named %s of %s runs on this machine already; give each its own --name", c.Name, c.Server)
	}
	if err != nil {
		return err
	}
	defer alone.Close()
	sh, err := shell.New(log)
	if err != nil {
		return err
	}
	if err := sh.Start(instance); err != nil {
		return err
	}
	engine := docker.New(docker.Options{Host: hostOrEmpty(c.Docker), Instance: instance, Disabled: c.Docker == "off", Log: log})
	slots := c.Slots
	if slots == 0 {
		slots = 2 * runtime.NumCPU()
	}
	var pool *runner.Pool
	client := remote.New(remote.Options{
		Server: c.Server, Token: strings.TrimSpace(string(token)), Name: c.Name, Tags: c.Tags, Slots: slots,
		Version: versionText(), System: runtime.GOOS + "/" + runtime.GOARCH, HTTP: &http.Client{Transport: transport},
		Stop: func(id, reason string) bool { return pool.Stop(id, reason) }, Measure: measureMachine, Log: log,
	})
	pool = runner.New(runner.Options{
		Worker: c.Name, Tags: c.Tags, Slots: slots, Executors: executorsOf(sh, engine, log), Now: client.Now, Log: log,
	})
	err = c.work(ctx, client, pool, engine, log)
	engine.Close()
	return errors.Join(err, sh.Close())
}

// holdInstance sees to it that no other worker on this machine has the same name and
// server until the result is closed or this process ends, however it ends. Each of
// two would take the other's processes for leftovers of its own earlier life, and
// kill them. EADDRINUSE: there is one.
func holdInstance(instance string) (io.Closer, error) {
	// An address of the abstract namespace, so that no file remains.
	return net.Listen("unix", "@belfry-worker-"+instance)
}

// work claims and runs until ctx ends or the server lets this worker in no more.
// Then it ends what runs: what the server does not count on at once, the rest
// within the grace.
func (c *workerCmd) work(ctx context.Context, client *remote.Client, pool *runner.Pool, engine *docker.Engine, log *slog.Logger) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	talking, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	var all sync.WaitGroup
	var refused error
	all.Go(func() {
		if refused = client.Run(talking); refused != nil {
			stop()
		}
	})
	all.Go(func() { engine.Run(talking) })
	pool.Run(working, client)
	log.Info("stopping", "grace", c.DrainGrace)
	ending, cancel := context.WithTimeout(context.Background(), c.DrainGrace+closing)
	defer cancel()
	pool.Drain(ending, c.DrainGrace, "worker stopping")
	hangUp()
	all.Wait()
	if refused != nil {
		return fmt.Errorf("the server does not let this worker in: %w", refused)
	}
	if err := client.Leave(ending); err != nil {
		log.Warn("the server did not hear that this worker leaves", "error", err)
	}
	log.Info("stopped")
	return nil
}

// transport trusts the system's certificates and those of --ca-file.
func (c *workerCmd) transport() (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	// Over one connection a large output would hold up the heartbeat.
	t.ForceAttemptHTTP2, t.Protocols = false, nil
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca-file: there is no certificate in %s", c.CAFile)
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// ownMachine is measureMachine of a server, with what runs there.
func ownMachine() scheduler.WorkerAbout {
	about := measureMachine()
	about.Version, about.System = versionText(), runtime.GOOS+"/"+runtime.GOARCH
	return about
}

// measureMachine reads load and memory where the system says them in /proc;
// elsewhere they stay unknown.
func measureMachine() scheduler.WorkerAbout {
	about := scheduler.WorkerAbout{CPUs: runtime.NumCPU()}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(b), " ")
		about.Load, _ = strconv.ParseFloat(first, 64)
	}
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return about
	}
	kilobytes := map[string]int64{}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 {
			kilobytes[f[0]], _ = strconv.ParseInt(f[1], 10, 64)
		}
	}
	about.MemoryTotal = kilobytes["MemTotal:"] << 10
	about.MemoryFree = cmp.Or(kilobytes["MemAvailable:"], kilobytes["MemFree:"]) << 10
	return about
}
