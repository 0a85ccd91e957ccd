// Command belfry is a job scheduler: one binary that serves, administers and
// talks to a server.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // zones must work where the machine has no zone files

	"belfry/scheduler/executor/shell"
)

func main() {
	// The supervisor of shell jobs is this binary again. It is not a command for
	// people, and it must start fast and small.
	if len(os.Args) == 2 && os.Args[1] == "supervise" {
		if err := shell.Supervise(); err != nil {
			fmt.Fprintln(os.Stderr, "belfry supervise:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
