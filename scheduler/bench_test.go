package scheduler_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"belfry/db"
	"belfry/scheduler"
)

// BenchmarkRun is what the service does for one run of a plain job: queue, claim,
// finish.
func BenchmarkRun(b *testing.B) {
	store, err := db.Open(bg, db.Options{Path: filepath.Join(b.TempDir(), "x.db"), NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	var told []scheduler.Event
	world, ids := idle{&told}, 0
	service := scheduler.New(scheduler.Options{
		Store: store, Timetable: world, Launcher: world, Publisher: world,
		Executors: map[string]scheduler.Executor{"sim": simExecutor{}}, Passwords: simPasswords{},
		Now: time.Now, NewID: func() string { ids++; return fmt.Sprintf("%08d", ids) }, Log: slog.New(slog.DiscardHandler),
	})
	if _, err := service.CreateJob(bg, admin, scheduler.Draft{Name: "j", Executor: "sim"}, scheduler.OriginAPI); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := service.RunJob(bg, admin, "j", nil); err != nil {
			b.Fatal(err)
		}
		claimed, err := service.Claim(bg, scheduler.Worker{Name: "w"}, 1)
		if err != nil {
			b.Fatal(err)
		}
		end := scheduler.Ending{Execution: claimed[0].Execution, Job: claimed[0].Job}
		end.Execution.State, end.Execution.FinishedAt = scheduler.Succeeded, time.Now()
		if err := service.Finish(bg, end); err != nil {
			b.Fatal(err)
		}
		told = told[:0]
	}
}
