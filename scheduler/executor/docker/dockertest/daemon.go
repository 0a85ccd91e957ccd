// Package dockertest gives tests a Docker engine of their own: a private dockerd
// with its own socket and data folder, and an image, without a network.
package dockertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

// Image is in every engine's store: busybox with all its applets, and a user
// "worker" (uid 1000).
const Image = "busybox:local"

// RequireEnv makes tests fail where they would be skipped for lack of an engine.
const RequireEnv = "BELFRY_TEST_REQUIRE_DOCKER"

const patience = 60 * time.Second

// Daemon is a private Docker engine.
type Daemon struct {
	// Host is what DOCKER_HOST would be.
	Host string
	// Image is the name of an image that is there.
	Image string

	dir   string
	cmd   *exec.Cmd     // nil while it does not run
	ended chan struct{} // closed when cmd has ended
}

// Start starts an engine that ends with the test. It skips the test when there
// is no dockerd, or fails it where RequireEnv is set.
func Start(tb testing.TB) *Daemon {
	tb.Helper()
	if err := Available(); err != nil {
		if os.Getenv(RequireEnv) != "" {
			tb.Fatal(err)
		}
		tb.Skip(err)
	}
	d, err := Launch()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return d
}

// Available says why no engine can be started here.
func Available() error {
	for _, program := range []string{"dockerd", "busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w; on Debian: apt-get install docker.io busybox-static", err)
		}
	}
	if os.Geteuid() != 0 {
		return errors.New("a private Docker engine can only be started as root")
	}
	return nil
}

// Launch starts an engine for somebody who calls Stop: a TestMain.
func Launch() (*Daemon, error) {
	dir, err := os.MkdirTemp("", "belfry-docker")
	if err != nil {
		return nil, err
	}
	d := &Daemon{Host: "unix://" + filepath.Join(dir, "docker.sock"), Image: Image, dir: dir}
	err = d.Restart()
	if err == nil {
		err = d.importImage()
	}
	if err != nil {
		return nil, errors.Join(err, d.Stop())
	}
	return d, nil
}

// Client returns a client of the engine.
func (d *Daemon) Client() (*client.Client, error) { return client.New(client.WithHost(d.Host)) }

// Restart starts the engine's process again after Kill, and waits for it.
func (d *Daemon) Restart() error {
	if d.cmd != nil {
		return errors.New("the engine runs already")
	}
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(d.dir, name) }
	// Who was killed leaves a pid file, and another may have the pid: dockerd would
	// wait for a containerd that died with it and is not reaped yet.
	os.Remove(at("pid"))
	awaitDeath(at("exec/containerd/containerd.pid"))
	cmd := exec.Command("dockerd", "-H", d.Host, "--data-root", at("data"), "--exec-root", at("exec"), "-p", at("pid"), //nolint:noctx // it outlives every context
		"--storage-driver", "overlay2", "--iptables=false", "--ip6tables=false", "--bridge=none", "--ip-forward=false", "--ip-masq=false",
		"--shutdown-timeout", "3")
	cmd.Stdout, cmd.Stderr = log, log
	// A test that panics does not stop it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The signal comes when the thread ends that has started it.
		runtime.LockOSThread()
		defer close(ended)
		defer log.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // says how it was ended
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	d.cmd, d.ended = cmd, ended
	return d.await()
}

// await waits until the engine answers.
func (d *Daemon) await() error {
	c, err := d.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err = c.Ping(ctx, client.PingOptions{}); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			text, _ := os.ReadFile(filepath.Join(d.dir, "log"))
			return fmt.Errorf("the engine does not answer: %w\n%s", err, tail(text, 4<<10))
		case <-tick.C:
		}
	}
}

// Kill ends the engine's process as a power cut would; its containers live on
// until Restart.
func (d *Daemon) Kill() error {
	if d.cmd == nil {
		return errors.New("the engine does not run")
	}
	err := d.cmd.Process.Kill()
	<-d.ended
	d.cmd = nil
	return err
}

// Signal sends a signal to the engine's process: SIGSTOP makes it hang.
func (d *Daemon) Signal(s os.Signal) error { return d.cmd.Process.Signal(s) }

// Stop ends the engine and everything of it, and removes its files.
func (d *Daemon) Stop() error {
	if d.cmd != nil {
		d.removeContainers()
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-d.ended:
		case <-time.After(20 * time.Second):
			_ = d.cmd.Process.Kill()
			<-d.ended
		}
		d.cmd = nil
	}
	killAll(d.dir)
	unmountBelow(d.dir)
	return os.RemoveAll(d.dir)
}

// removeContainers leaves the engine nothing to wait for.
func (d *Daemon) removeContainers() {
	c, err := d.Client()
	if err != nil {
		return
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, _ = c.SwarmLeave(ctx, client.SwarmLeaveOptions{Force: true})
	list, err := c.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return
	}
	for _, item := range list.Items {
		_, _ = c.ContainerRemove(ctx, item.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	}
}

func tail(b []byte, n int) []byte { return bytes.TrimSpace(b[max(0, len(b)-n):]) }
