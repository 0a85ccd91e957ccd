package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"belfry/scheduler"
)

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Compare every row of the audit log with its hash, while a server may be running. Exits with 1 when something is wrong."`
}

type auditVerifyCmd struct {
	dataFlags
	Known string `help:"A hash that was noted earlier; the chain has to have it." placeholder:"HASH"`
}

// Run checks the chain and prints its last hash, or what is wrong.
func (a *auditVerifyCmd) Run(ctx context.Context, c *console) error {
	if a.Database == "" {
		if _, err := os.Stat(a.file()); err != nil {
			return err // there is nothing to check, and nothing is made
		}
	}
	store, err := a.open(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	report, err := scheduler.VerifyAudit(ctx, store, a.Known)
	if err = errors.Join(err, store.Close()); err != nil {
		return err
	}
	switch {
	case report.Problem != "":
		fmt.Fprintf(c.stderr, "the audit log was tampered with: %s\n", report.Problem)
		return exitError(1)
	case !report.Seen:
		fmt.Fprintf(c.stderr, "the audit log was written anew, or cut off behind it: no row has the hash %s\n", a.Known)
		return exitError(1)
	}
	fmt.Fprintf(c.stdout, "%d rows, %d to %d: none was changed\n", report.Rows, report.Anchor.Seq+1, report.Head.Seq)
	if report.Loose > 0 {
		fmt.Fprintf(c.stdout, "%d rows are not in the chain yet; a running server adds them within a second\n", report.Loose)
	}
	if report.Head.Hash != "" {
		fmt.Fprintln(c.stdout, report.Head.Hash)
	}
	return nil
}
