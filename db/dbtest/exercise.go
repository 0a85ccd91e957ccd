package dbtest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

// Exercise tests every promise of scheduler.Store on databases that open opens:
// each call a new and empty one.
func Exercise(t *testing.T, open func(testing.TB) *db.Store) {
	for name, test := range map[string]func(*testing.T, *db.Store){
		"jobs are stored whole":                  jobsWhole,
		"a job's number counts up":               jobNumbers,
		"a job's name is taken once":             jobNames,
		"a job is updated from its last version": jobVersions,
		"jobs are listed":                        jobLists,
		"enabled jobs with a schedule":           enabledJobs,
		"executions are stored whole":            executionsWhole,
		"a fire happens once":                    fireOnce,
		"illegal transitions are refused":        transitions,
		"claims come in order":                   claimOrder,
		"claims happen once":                     claimOnce,
		"what is queued follows its job":         editQueued,
		"dependencies":                           dependencies,
		"triggers":                               triggers,
		"a run with another configuration":       changedConfig,
		"size":                                   size,
		"a setting that is added":                addSetting,
		"jobs are found by tag and metadata":     labels,
		"settings":                               settings,
		"settings of the tree":                   treeSettings,
		"what may be deleted":                    expendable,
		"deleting leaves true counters":          deleteExecutions,
		"output that may be deleted":             expendableOutput,
		"deliveries":                             deliveries,
		"deliveries are claimed once":            deliveriesOnce,
		"executions are listed":                  executionLists,
		"a job's history is counted":             histories,
		"executions are counted up to a limit":   cappedTotal,
		"attempts of a group":                    attempts,
		"what changed":                           changedSince,
		"what runs where":                        runningOn,
		"counters equal a recount":               counters,
		"statistics of jobs":                     jobStats,
		"when a job ran last":                    lastStarted,
		"summaries of jobs":                      summaries,
		"a job's history is deleted":             deleteHistory,
		"runs by when they began":                startedAt,
		"deleted jobs vanish":                    deleteJob,
		"what is to be told outlives its job":    deleteUntold,
		"output is read back":                    outputBasics,
		"output is appended at its end":          outputOrder,
		"output by byte and line":                outputProperties,
		"output is cut in the middle":            outputCut,
		"output of two streams is cut":           outputCutStreams,
		"progress":                               progress,
		"workers are stored whole":               workersWhole,
		"worker tokens":                          workerTokens,
		"a worker's rules":                       workerRules,
		"what may be claimed":                    claimable,
		"an execution is its worker's":           held,
		"copies of a fire":                       fireCopies,
		"failures on workers":                    failuresOnWorkers,
		"users":                                  users,
		"tokens":                                 tokens,
		"logins":                                 logins,
		"session data":                           sessionData,
		"audit rows":                             auditRows,
		"audit chain":                            auditChain,
		"text that no database takes":            hostileText,
		"a failing closure leaves nothing":       failingClosure,
		"a panicking closure leaves nothing":     panickingClosure,
		"failures do not undo others":            isolation,
		"a cancelled caller":                     cancelled,
		"what was answered is read":              readYourWrites,
		"a closed store":                         closedStore,
		"the tree is stored whole":               treeWhole,
		"the tree equals a recount":              treeRandom,
		"the tree's order":                       treeOrder,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they mostly wait for the disk
			test(t, open(t))
		})
	}
}

func failingClosure(t *testing.T, s *db.Store) {
	boom := errors.New("boom")
	j := NewJob("gone")
	err := s.InTx(bg, func(tx scheduler.Tx) error {
		if err := tx.InsertJob(bg, &j); err != nil {
			return err
		}
		if _, err := tx.InsertExecution(bg, NewExecution(j.ID, at(0))); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v, want the closure's own error", err)
	}
	_, err = s.Job(bg, j.ID)
	wantCode(t, err, scheduler.CodeNotFound)
	_, total, err := s.ListExecutions(bg, scheduler.ExecutionFilter{})
	ok(t, err)
	if total.N != 0 {
		t.Errorf("the counters say %d executions after a failure, want none", total.N)
	}
	// The number that the failed insert had may be given out; a version must not
	// be mistaken for the one that was taken back.
	kept := addJob(t, s, "kept")
	err = s.InTx(bg, func(tx scheduler.Tx) error {
		kept := kept
		kept.Version, kept.Notes = 2, "taken back"
		if err := tx.UpdateJob(bg, kept); err != nil {
			return err
		}
		if got, err := tx.Job(bg, kept.ID); err != nil || got.Notes != "taken back" {
			t.Errorf("a transaction reads %q, %v: not what it wrote itself", got.Notes, err)
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	tx(t, s, func(tx scheduler.Tx) error {
		got, err := tx.Job(bg, kept.ID)
		if d := cmp.Diff(kept, got); d != "" {
			t.Errorf("a transaction reads what was taken back:\n%s", d)
		}
		return err
	})
}

func panickingClosure(t *testing.T, s *db.Store) {
	j := NewJob("gone")
	err := s.InTx(bg, func(tx scheduler.Tx) error {
		if err := tx.InsertJob(bg, &j); err != nil {
			return err
		}
		panic("oh no")
	})
	wantCode(t, err, scheduler.CodeInternal)
	_, err = s.Job(bg, j.ID)
	wantCode(t, err, scheduler.CodeNotFound)
	addJob(t, s, "next") // the store goes on
}

// isolation runs many closures at once, of which every third fails, panics or
// ends its goroutine's work after it has written.
func isolation(t *testing.T, s *db.Store) {
	const n = 120
	var wg sync.WaitGroup
	jobs := make([]scheduler.Job, n)
	errs := make([]error, n)
	for i := range n {
		jobs[i] = NewJob(NewID())
		wg.Go(func() {
			errs[i] = s.InTx(bg, func(tx scheduler.Tx) error {
				j := jobs[i]
				if err := tx.InsertJob(bg, &j); err != nil {
					return err
				}
				if _, err := tx.InsertExecution(bg, NewExecution(j.ID, at(i))); err != nil {
					return err
				}
				switch i % 6 {
				case 2:
					return errors.New("boom")
				case 5:
					panic("oh no")
				}
				return nil
			})
		})
	}
	wg.Wait()
	good := 0
	for i := range n {
		_, err := s.Job(bg, jobs[i].ID)
		if i%3 == 2 {
			wantCode(t, err, scheduler.CodeNotFound)
			if errs[i] == nil {
				t.Errorf("closure %d failed and InTx did not", i)
			}
			continue
		}
		good++
		if err != nil || errs[i] != nil {
			t.Errorf("closure %d: InTx %v, and its job: %v", i, errs[i], err)
		}
	}
	list, total, err := s.ListExecutions(bg, scheduler.ExecutionFilter{})
	ok(t, err)
	if len(list) != good || total.N != int64(good) {
		t.Errorf("%d executions listed, %d counted, want %d", len(list), total.N, good)
	}
	seen := map[int64]bool{}
	all, _, err := s.ListJobs(bg, scheduler.JobFilter{})
	ok(t, err)
	for _, j := range all {
		if j.Num < 1 || seen[j.Num] {
			t.Errorf("job number %d is given out twice", j.Num)
		}
		seen[j.Num] = true
	}
}

func cancelled(t *testing.T, s *db.Store) {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	ran := false
	err := s.InTx(ctx, func(scheduler.Tx) error { ran = true; return nil })
	wantCode(t, err, scheduler.CodeUnavailable)
	if !errors.Is(err, context.Canceled) || ran {
		t.Errorf("got %v, ran=%v: want the context's error and nothing run", err, ran)
	}
	// A context that ends while the closure runs: then the outcome is the truth.
	ctx, cancel = context.WithCancel(bg)
	j := NewJob("either")
	err = s.InTx(ctx, func(tx scheduler.Tx) error {
		defer cancel()
		return tx.InsertJob(ctx, &j)
	})
	_, found := s.Job(bg, j.ID)
	if (err == nil) != (found == nil) {
		t.Errorf("InTx says %v, and the job is there: %v", err, found == nil)
	}
	_, err = s.Job(ctx, j.ID)
	wantCode(t, err, scheduler.CodeUnavailable)
}

// readYourWrites: what InTx answered, any reader sees; from many goroutines.
func readYourWrites(t *testing.T, s *db.Store) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				j := NewJob(NewID())
				if err := s.InTx(bg, func(tx scheduler.Tx) error { return tx.InsertJob(bg, &j) }); err != nil {
					t.Error(err)
					return
				}
				if got, err := s.JobByName(bg, j.Name); err != nil || got.Num != j.Num {
					t.Errorf("a stored job is read as %d, %v; want %d", got.Num, err, j.Num)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Ping(bg); err != nil {
		t.Errorf("Ping: %v", err)
	}
}

func closedStore(t *testing.T, s *db.Store) {
	addJob(t, s, "a")
	ok(t, s.Close())
	ok(t, s.Close())
	wantCode(t, s.InTx(bg, func(scheduler.Tx) error { return nil }), scheduler.CodeUnavailable)
	_, err := s.JobByName(bg, "a")
	wantCode(t, err, scheduler.CodeUnavailable)
	wantCode(t, s.Ping(bg), scheduler.CodeUnavailable)
	wantCode(t, s.PutSessionData(bg, "t", nil, time.Now()), scheduler.CodeUnavailable)
}
