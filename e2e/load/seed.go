package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"belfry/db"
	"belfry/scheduler"
)

// seeds is what a data folder is filled with.
type seeds struct{ jobs, executions int }

// seedSpan is how far the history reaches back.
const seedSpan = 30 * 24 * time.Hour

// seedBatch is how many executions one transaction makes and ends.
const seedBatch = 1000

// seed fills a data folder through the store, as the server does: each execution
// is queued, claimed and finished by the same statements, so that counters and
// indexes are what they would be. Only the clock is another one.
func seed(ctx context.Context, data string, n seeds) (err error) {
	store, err := db.Open(ctx, db.Options{Path: filepath.Join(data, "belfry.db")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	begin := time.Now().UTC().Truncate(time.Second).Add(-seedSpan)
	var jobs []scheduler.Job
	for i := range n.jobs {
		jobs = append(jobs, seedJob(i, begin.Add(time.Duration(i)*time.Second)))
	}
	for from := 0; from < len(jobs); from += seedBatch {
		part := jobs[from:min(from+seedBatch, len(jobs))]
		err := store.InTx(ctx, func(tx scheduler.Tx) error {
			for i := range part {
				if err := tx.InsertJob(ctx, &part[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	batches := n.executions / seedBatch
	begin = begin.Add(time.Duration(n.jobs) * time.Second)
	step := time.Since(begin) / time.Duration(batches+1)
	for batch := range batches {
		due := begin.Add(time.Duration(batch) * step).Truncate(time.Second)
		if err := seedExecutions(ctx, store, jobs, batch, due); err != nil {
			return err
		}
	}
	return nil
}

// kinds are the beginnings of names, so that searches find some.
var kinds = []string{"backup", "report", "cleanup", "import", "export", "sync", "index", "mail", "archive", "check"}

func seedJob(i int, at time.Time) scheduler.Job {
	name := fmt.Sprintf("%s-%05d", kinds[i%len(kinds)], i)
	d := scheduler.Draft{
		Name: name, DisplayName: fmt.Sprintf("Nightly %s no. %d", kinds[i%len(kinds)], i), Notes: "Made by the benchmark.", Enabled: i%50 != 0,
		Schedules: []scheduler.Schedule{{Text: farAhead(i), Zone: "Europe/Berlin"}}, Executor: "shell",
		Config: json.RawMessage(`{"command":"/usr/local/bin/nightly --target ` + name + ` --verbose"}`), Concurrency: scheduler.Forbid, Retries: i % 3,
	}
	d.Normalize()
	return scheduler.Job{ID: newID(at), Draft: d, Origin: scheduler.OriginAPI, Version: 1, CreatedAt: at, UpdatedAt: at}
}

// seedExecutions lets the next jobs in turn be due at an instant, a millisecond
// apart, and all of them end.
func seedExecutions(ctx context.Context, store *db.Store, jobs []scheduler.Job, batch int, due time.Time) error {
	first := batch * seedBatch
	return store.InTx(ctx, func(tx scheduler.Tx) error {
		queued := 0
		for i := range seedBatch {
			e := seedExecution(jobs[(first+i)%len(jobs)], first+i, due.Add(time.Duration(i)*time.Millisecond))
			if _, err := tx.InsertExecution(ctx, e); err != nil {
				return err
			}
			if e.State == scheduler.Queued {
				queued++
			}
		}
		claimed, err := tx.Claim(ctx, scheduler.Worker{Name: "server"}, due.Add(2*time.Second), seedBatch)
		if err != nil {
			return err
		}
		if len(claimed) != queued {
			return fmt.Errorf("seeding: %d claimed of %d queued", len(claimed), queued)
		}
		for i, a := range claimed {
			if err := seedEnd(ctx, tx, a.Execution, first+i); err != nil {
				return err
			}
		}
		return nil
	})
}

func seedExecution(j scheduler.Job, n int, due time.Time) scheduler.Execution {
	id := newID(due)
	e := scheduler.Execution{
		ID: id, JobID: j.ID, State: scheduler.Queued, Trigger: scheduler.Trigger{Kind: scheduler.TriggerSchedule},
		Group: id, Attempt: 1, DueAt: due, RunAt: due, QueuedAt: due,
	}
	switch {
	case n%101 == 0:
		e.State, e.FinishedAt, e.Reason = scheduler.Skipped, due, "skipped: another execution still running (concurrency forbid)"
	case n%53 == 0:
		e.Trigger = scheduler.Trigger{Kind: scheduler.TriggerManual, By: "admin"}
	}
	return e
}

// seedEnd ends one in fourteen badly, and gives one in ten some output.
func seedEnd(ctx context.Context, tx scheduler.Tx, e scheduler.Execution, n int) error {
	if n%10 == 0 {
		text := []byte("begin\n" + e.ID + "\nend\n")
		at := e.StartedAt.Truncate(time.Millisecond)
		chunk := scheduler.Chunk{FirstLine: 1, Data: text, Pieces: []scheduler.Piece{{Len: 6, At: at}, {Len: len(e.ID) + 1, At: at}, {Len: 4, At: at}}}
		if err := tx.AppendOutput(ctx, e.ID, chunk); err != nil {
			return err
		}
		e.OutputBytes, e.OutputLines = int64(len(text)), 3
	}
	code := 0
	e.State, e.ExitCode = scheduler.Succeeded, &code
	e.FinishedAt = e.StartedAt.Add(time.Duration(100+n%5000) * time.Millisecond)
	e.PeakMemory, e.CPUTime = int64(4+n%60)<<20, time.Duration(n%900)*time.Millisecond
	switch {
	case n%17 == 0:
		code = 1
		e.State, e.Reason = scheduler.Failed, "exit code 1"
	case n%97 == 0:
		e.State, e.Reason, e.ExitCode, e.Signal = scheduler.TimedOut, "still running after its timeout of 30s", nil, "SIGTERM"
	}
	return tx.Finish(ctx, e, scheduler.Running)
}

// newID makes a UUIDv7 of another time than now: ids order by time.
func newID(at time.Time) string {
	var id [16]byte
	_, _ = rand.Read(id[6:]) // crypto/rand never fails
	binary.BigEndian.PutUint32(id[:], uint32(at.UnixMilli()>>16))
	binary.BigEndian.PutUint16(id[4:], uint16(at.UnixMilli()))
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	text := hex.EncodeToString(id[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
