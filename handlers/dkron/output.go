package dkron

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"belfry/scheduler"
)

// outputBytes is how much of an output's end an execution holds.
const outputBytes = 256_000

// output is what an execution wrote, as Dkron shows it: without Belfry's own words
// among it, behind the error when it failed, or where a processor has taken it.
func (a *API) output(ctx context.Context, j *scheduler.Job, e *scheduler.Execution) (string, error) {
	var problems string
	if e.State.Final() && len(j.Notify) > 0 {
		deliveries, err := a.Store.ListDeliveries(ctx, e.ID)
		if err != nil {
			return "", err
		}
		failed, pending := processing(deliveries)
		if place := processed(j.Notify, e); place != "" && failed == "" && !pending {
			return place, nil
		}
		problems = failed
	}
	chunk, err := a.Store.OutputTail(ctx, e.ID, outputBytes)
	if err != nil {
		return "", err
	}
	return failure(j, e, written(chunk)) + problems, nil
}

// processing says which processors of an execution failed, in lines, and whether
// some are not done yet: one that is at work has been attempted, and has no outcome.
func processing(deliveries []scheduler.Delivery) (failed string, pending bool) {
	for _, d := range deliveries {
		if _, is := processors[d.Kind]; !is {
			continue
		}
		pending = pending || d.State == scheduler.DeliveryPending && d.Error == ""
		if d.State != scheduler.DeliverySent && d.Error != "" {
			failed += "\nprocessor " + d.Kind + ": " + d.Error + "\n"
		}
	}
	return failed, pending
}

// written is what the run itself wrote.
func written(c scheduler.Chunk) string {
	var b strings.Builder
	at := 0
	for _, p := range c.Pieces {
		end := min(at+p.Len, len(c.Data))
		if p.Stream != scheduler.System {
			b.Write(c.Data[at:end])
		}
		at = end
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// failure puts Dkron's words for a failure around an output.
func failure(j *scheduler.Job, e *scheduler.Execution, out string) string {
	if !e.State.Final() || e.State == scheduler.Succeeded {
		return out
	}
	k := keptOf(&j.Draft)
	switch {
	case e.State == scheduler.TimedOut:
		return fmt.Sprintf("signal: killed\n%sshell: Job '%s' execution time exceeding defined timeout %s. Job was killed",
			out, k.ExecutorConfig["command"], j.Timeout)
	case e.State != scheduler.Failed:
		return e.Reason + "\n" + out
	case e.ExitCode != nil && j.Executor == kindShell:
		return fmt.Sprintf("exit status %d\n%s", *e.ExitCode, out)
	case e.ExitCode != nil && j.Executor == kindHTTP:
		return unexpected(j, *e.ExitCode) + "\n" + out
	case signalNames[e.Signal] != "" && e.Reason == "killed by "+e.Signal:
		return "signal: " + signalNames[e.Signal] + "\n" + out
	case out == "":
		return e.Reason
	default:
		return e.Reason + "\n" + out
	}
}

// unexpected says what of an answer was not as the job expects it.
func unexpected(j *scheduler.Job, status int) string {
	var c struct {
		Codes []string `json:"expect_codes"`
	}
	_ = json.Unmarshal(j.Config, &c) // it was an object when it was stored
	for _, code := range c.Codes {
		if code == fmt.Sprint(status) || code == "100-599" {
			return "received response body did not match the expected body"
		}
	}
	return "received response code does not match the expected code"
}

// signalNames are Go's names of signals, which Dkron's output has.
var signalNames = map[string]string{
	"SIGHUP": "hangup", "SIGINT": "interrupt", "SIGQUIT": "quit", "SIGILL": "illegal instruction", "SIGTRAP": "trace/breakpoint trap",
	"SIGABRT": "aborted", "SIGBUS": "bus error", "SIGFPE": "floating point exception", "SIGKILL": "killed", "SIGUSR1": "user defined signal 1",
	"SIGSEGV": "segmentation fault", "SIGUSR2": "user defined signal 2", "SIGPIPE": "broken pipe", "SIGALRM": "alarm clock", "SIGTERM": "terminated",
}
