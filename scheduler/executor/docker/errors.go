package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"belfry/scheduler"
)

// errLost ends a run whose engine does not answer any more.
var errLost = errors.New("the engine went away during the run")

func failed(reason string) scheduler.Result {
	return scheduler.Result{State: scheduler.Failed, Reason: reason}
}

// trouble is the result of what the engine could not or would not do.
func (e *Engine) trouble(ctx context.Context, doing string, err error) scheduler.Result {
	e.failedCall(err)
	if errors.Is(context.Cause(ctx), errLost) {
		return failed("docker: " + errLost.Error())
	}
	if ctx.Err() != nil {
		return failed("stopped: " + context.Cause(ctx).Error())
	}
	if doing != "" && !unreachable(err) && !errors.Is(err, errLost) && !errors.Is(err, errDisabled) {
		return failed("docker: " + doing + ": " + e.explain(err))
	}
	return failed("docker: " + e.explain(err))
}

// unreachable reports whether err means that nobody answered.
func unreachable(err error) bool {
	var network net.Error
	return client.IsErrConnectionFailed(err) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		err != nil && strings.Contains(err.Error(), "annot connect to the Docker daemon")
}

// explain says an error of the engine or its client in words.
func (e *Engine) explain(err error) string {
	text := strings.TrimSpace(strings.TrimPrefix(err.Error(), "Error response from daemon: "))
	switch {
	case errors.Is(err, errLost), errors.Is(err, errDisabled):
		return text
	case errors.Is(err, context.Canceled): // what was not to be broken off: see afterwards
		return errLost.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "the engine at " + e.host() + " did not answer in time"
	case errors.Is(err, os.ErrPermission), strings.Contains(text, "permission denied while trying to connect"):
		return "the engine at " + e.host() + " is not reachable: this server may not use its socket"
	case unreachable(err):
		return "the engine at " + e.host() + " is not reachable: is it running?"
	case strings.Contains(text, "not a swarm manager"):
		return "this node is not a swarm manager"
	case errdefs.IsNotFound(err), errdefs.IsConflict(err), errdefs.IsInvalidArgument(err):
		return lowerFirst(text)
	}
	return lowerFirst(text)
}

func (e *Engine) host() string {
	if e.opts.Host != "" {
		return e.opts.Host
	}
	if host := os.Getenv(client.EnvOverrideHost); host != "" {
		return host
	}
	return client.DefaultDockerHost
}

// lowerFirst begins a text of the engine's, which is a sentence of its own, as
// part of ours.
func lowerFirst(s string) string {
	if len(s) > 1 && 'A' <= s[0] && s[0] <= 'Z' && 'a' <= s[1] && s[1] <= 'z' || strings.HasPrefix(s, "No ") {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}

// exited is the result of a process that ended with code. Docker says an end by
// signal n as a shell does: 128+n.
func exited(code int, outOfMemory bool) scheduler.Result {
	r := scheduler.Result{State: scheduler.Failed, ExitCode: &code}
	if code > 128 && code < 128+int(unix.SIGSYS)+1 {
		r.Signal = unix.SignalName(unix.Signal(code - 128))
	}
	switch {
	case code == 0:
		r.State = scheduler.Succeeded
	case outOfMemory:
		r.Reason = "killed: out of memory"
	case r.Signal != "":
		r.Reason = "killed by " + r.Signal
	default:
		r.Reason = fmt.Sprintf("exit code %d", code)
	}
	return r
}
