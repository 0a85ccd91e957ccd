package scheduler_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"belfry/db"
	"belfry/scheduler"
)

// history is a store with executions that ended, each with a kilobyte of output
// that does not compress, one a minute until now.
type history struct {
	t       *testing.T
	path    string
	store   *db.Store
	service *scheduler.Service
	now     time.Time
}

func newHistory(t *testing.T) *history {
	h := &history{t: t, path: filepath.Join(t.TempDir(), "x.db"), now: simStart}
	var err error
	if h.store, err = db.Open(bg, db.Options{Path: h.path, NoSync: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.store.Close() })
	n := 0
	w := &simulation{t: t} // a timetable, launcher and publisher that do nothing
	w.times, w.next = map[string]scheduler.JobTimes{}, map[string]time.Time{}
	h.service = scheduler.New(scheduler.Options{
		Store: h.store, Timetable: w, Launcher: w, Publisher: w,
		Executors: map[string]scheduler.Executor{"sim": simExecutor{}}, Passwords: simPasswords{},
		Now: func() time.Time { return h.now }, NewID: func() string { n++; return fmt.Sprintf("%08d", n) },
		Log: slog.New(slog.DiscardHandler),
	})
	return h
}

func (h *history) job(name string, keep scheduler.Retention) {
	h.t.Helper()
	_, err := h.service.CreateJob(bg, admin, scheduler.Draft{Name: name, Executor: "sim", Enabled: true, Retention: keep}, scheduler.OriginAPI)
	if err != nil {
		h.t.Fatal(err)
	}
}

// run adds executions of a job; the first fails, the others succeed.
func (h *history) run(job string, n int) {
	h.t.Helper()
	for i := range n {
		h.now = h.now.Add(time.Minute)
		if _, err := h.service.RunJob(bg, admin, job); err != nil {
			h.t.Fatal(err)
		}
		claimed, err := h.service.Claim(bg, scheduler.Worker{Name: "w"}, 1)
		if err != nil || len(claimed) != 1 {
			h.t.Fatal(len(claimed), err)
		}
		data := make([]byte, 1000)
		_, _ = rand.Read(data)
		end := scheduler.Ending{Execution: claimed[0].Execution, Job: claimed[0].Job, Output: scheduler.Output{Seal: []scheduler.Chunk{{
			FirstLine: 1, Data: data, Pieces: []scheduler.Piece{{Len: len(data), At: h.now}},
		}}}}
		end.Execution.State, end.Execution.FinishedAt = scheduler.Succeeded, h.now
		if i == 0 {
			end.Execution.State, end.Execution.Reason = scheduler.Failed, "broken"
		}
		if err := h.service.Finish(bg, end); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *history) retain(keep scheduler.Keep) {
	h.t.Helper()
	if _, err := h.service.Retain(bg, keep); err != nil {
		h.t.Fatal(err)
	}
}

// left returns how many executions of a job there are, by the counters and by the
// rows.
func (h *history) left(job string) int {
	h.t.Helper()
	j, err := h.store.JobByName(bg, job)
	if err != nil {
		h.t.Fatal(err)
	}
	list, total, err := h.store.ListExecutions(bg, scheduler.ExecutionFilter{JobID: j.ID})
	if err != nil || int(total.N) != len(list) {
		h.t.Errorf("%s: %d rows, %d by the counters, %v", job, len(list), total.N, err)
	}
	return len(list)
}

func TestHistoryIsBounded(t *testing.T) {
	for _, tt := range []struct {
		what       string
		own        scheduler.Retention
		all        scheduler.Keep
		own1, all1 int // what is left of 50 of the job with bounds of its own, and of the other's 50
	}{
		{"no bound", scheduler.Retention{}, scheduler.Keep{}, 50, 50},
		// Each keeps its one failure, the oldest, besides.
		{"age of all", scheduler.Retention{}, scheduler.Keep{Age: 20*time.Minute + time.Second}, 2, 22},
		{"count of all", scheduler.Retention{}, scheduler.Keep{Count: 10}, 10, 10},
		{"own age", scheduler.Retention{MaxAge: 55*time.Minute + time.Second}, scheduler.Keep{}, 7, 50},
		{"own count", scheduler.Retention{MaxCount: 5}, scheduler.Keep{Count: 10}, 5, 10},
		{"the stricter count", scheduler.Retention{MaxCount: 20}, scheduler.Keep{Count: 10}, 10, 10},
		{"own bytes", scheduler.Retention{MaxBytes: 7500}, scheduler.Keep{}, 7, 50},
		{"bytes of all", scheduler.Retention{}, scheduler.Keep{Bytes: 30_000}, 2, 28},
	} {
		t.Run(tt.what, func(t *testing.T) {
			h := newHistory(t)
			h.job("own", tt.own)
			h.job("other", scheduler.Retention{})
			h.run("own", 50)
			h.run("other", 50)
			for range 2 { // the second time there is nothing to do
				h.retain(tt.all)
				if own, other := h.left("own"), h.left("other"); own != tt.own1 || other != tt.all1 {
					t.Errorf("%d and %d are left, want %d and %d", own, other, tt.own1, tt.all1)
				}
			}
			if stats, err := h.store.Ended(bg, simStart); err != nil || len(stats) == 0 {
				t.Errorf("the counts by hour are gone: %v", err)
			}
		})
	}
}

// TestTheFileShrinks: what was deleted is given back to the system.
func TestTheFileShrinks(t *testing.T) {
	h := newHistory(t)
	h.job("job", scheduler.Retention{})
	h.run("job", 6000)
	size := func() int64 {
		// The log is merged into the file when the last connection closes.
		if err := h.store.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(h.path)
		if err != nil {
			t.Fatal(err)
		}
		if h.store, err = db.Open(bg, db.Options{Path: h.path, NoSync: true}); err != nil {
			t.Fatal(err)
		}
		h.service.Store = h.store
		return info.Size()
	}
	before := size()
	began := time.Now()
	h.retain(scheduler.Keep{Count: 10})
	took := time.Since(began)
	if after := size(); after > before/3 {
		t.Errorf("%d bytes before, %d after", before, after)
	} else {
		t.Logf("%d bytes before, %d after; 5990 executions went in %v", before, after, took.Round(time.Millisecond))
	}
}
