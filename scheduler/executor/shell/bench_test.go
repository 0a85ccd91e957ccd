package shell

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"belfry/scheduler"
)

func parallel(b *testing.B, n int, f func() error) {
	var wg sync.WaitGroup
	var next atomic.Int64
	b.ResetTimer()
	for range n {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

func BenchmarkTrue(b *testing.B) {
	for _, n := range []int{1, 4, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e, _ := started(b)
			t := task(b, Config{Argv: []string{"/bin/true"}})
			parallel(b, n, func() error {
				if r := e.Execute(b.Context(), t, &counter{}); r.State != scheduler.Succeeded {
					return fmt.Errorf("%+v", r)
				}
				return nil
			})
		})
	}
}

// BenchmarkBareForkExec is what BenchmarkTrue is compared with: fork, exec and
// wait, and nothing else.
func BenchmarkBareForkExec(b *testing.B) {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	for _, n := range []int{1, 4, 8} {
		b.Run(fmt.Sprintf("exec.Cmd/%d", n), func(b *testing.B) {
			parallel(b, n, func() error { return exec.Command("/bin/true").Run() })
		})
		b.Run(fmt.Sprintf("ForkExec/%d", n), func(b *testing.B) {
			fd := null.Fd()
			parallel(b, n, func() error {
				pid, err := syscall.ForkExec("/bin/true", []string{"/bin/true"}, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{fd, fd, fd}})
				if err != nil {
					return err
				}
				_, err = syscall.Wait4(pid, nil, 0, nil)
				return err
			})
		})
	}
}
