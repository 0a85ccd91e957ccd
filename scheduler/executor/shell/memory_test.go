package shell

import (
	"testing"

	"belfry/scheduler"
)

// TestMemoryLimit: what uses too much is killed with all its processes, and has
// failed whatever its exit code; what does not is left alone.
func TestMemoryLimit(t *testing.T) {
	e, _ := started(t)
	const mb = 1 << 20
	// The child holds the memory, and the shell waits for it.
	hog := `sh -c 'x=$(head -c 40000000 /dev/zero | tr "\0" x); echo full; sleep 1000; :'; echo not reached`
	r, out := execute(t, e, Config{Command: hog, MemoryLimit: 20 * mb})
	if r.State != scheduler.Failed || r.Reason != "killed: it used more memory than its limit of 20971520 bytes" || r.Signal != "SIGKILL" {
		t.Errorf("%+v with %q", r, out.of(scheduler.Stdout))
	}
	if r, out := execute(t, e, Config{Command: "echo small", MemoryLimit: 500 * mb}); r.State != scheduler.Succeeded || out.of(scheduler.Stdout) != "small\n" {
		t.Errorf("%+v with %q", r, out.of(scheduler.Stdout))
	}
}

func TestBinaryInput(t *testing.T) {
	e, _ := started(t)
	if r, out := execute(t, e, Config{Command: "od -An -tx1", StdinBase64: "AP8K"}); r.State != scheduler.Succeeded || out.of(scheduler.Stdout) != " 00 ff 0a\n" {
		t.Errorf("%+v with %q", r, out.of(scheduler.Stdout))
	}
}
