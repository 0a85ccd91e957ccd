package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// bareCommand makes this program the loop that the server is compared with: a
// process of its own, so that neither its memory nor its garbage is this one's.
const bareCommand = "bare"

// bareRate is what the loop has measured.
type bareRate struct {
	Rate    float64       // runs per second
	CPU     time.Duration // of the loop and what it runs, for one run
	Machine time.Duration // of the whole machine, for one run
}

// bare measures fork, exec and wait of /bin/true without anything around it.
func (b *bench) bare(ctx context.Context, parallel int) (r bareRate, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, b.window+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, bareCommand, strconv.Itoa(parallel), b.window.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("the bare loop: %w", err)
	}
	return r, json.Unmarshal(out, &r)
}

func bareMain(args []string) int {
	parallel, _ := strconv.Atoi(args[0])
	window, _ := time.ParseDuration(args[1])
	r, err := bareLoop(parallel, window)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load bare:", err)
		return 1
	}
	return 0
}

func bareLoop(parallel int, window time.Duration) (bareRate, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return bareRate{}, err
	}
	defer null.Close()
	attr := &os.ProcAttr{Env: []string{"PATH=/usr/bin:/bin"}, Files: []*os.File{null, null, null}}
	var runs atomic.Int64
	var failed atomic.Pointer[error]
	var group sync.WaitGroup
	worked, _ := busy()
	begin := time.Now()
	for range parallel {
		group.Go(func() {
			for time.Since(begin) < window && failed.Load() == nil {
				p, err := os.StartProcess("/bin/true", []string{"/bin/true"}, attr)
				if err == nil {
					_, err = p.Wait()
				}
				if err != nil {
					failed.Store(&err)
					return
				}
				runs.Add(1)
			}
		})
	}
	group.Wait()
	took := time.Since(begin)
	if err := failed.Load(); err != nil {
		return bareRate{}, *err
	}
	now, _ := busy()
	own, children := cpuOf(os.Getpid())
	n := time.Duration(max(1, runs.Load()))
	return bareRate{float64(n) / took.Seconds(), (own + children) / n, (now - worked) / n}, nil
}
