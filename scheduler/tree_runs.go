package scheduler

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"
)

// TakeTreeJob gives a worker the job of the tree that is next for it, which works
// from now on; ok=false: there is none, or everything is paused. rules are masks of
// affinities: see TreeStore.NextTreeJob. What the worker ran before waits again: it
// would not ask otherwise.
func (s *Service) TakeTreeJob(ctx context.Context, worker string, rules []int64) (j TreeJob, ok bool, err error) {
	if err := s.LeaveTreeJobs(ctx, worker, "its worker began anew"); err != nil {
		return j, false, err
	}
	if s.Frozen().Active() {
		return j, false, nil
	}
	// Most polls find nothing, and need no transaction for it.
	if _, ok, err := s.Store.NextTreeJob(ctx, rules); err != nil || !ok {
		return j, false, err
	}
	err = s.inTx(ctx, func(tx Tx, fx *effects) error {
		j, ok = TreeJob{}, false
		num, found, err := tx.NextTreeJob(ctx, rules)
		if err != nil || !found {
			return err
		}
		list, err := tx.TreeJobs(ctx, []int64{num})
		if err != nil || len(list) == 0 {
			return err
		}
		j, ok = list[0], true
		return s.takeTree(ctx, tx, fx, &j, worker)
	})
	if err != nil || !ok {
		return j, false, err
	}
	s.fleet.took(worker, j.Execution)
	return j, true, nil
}

func (s *Service) takeTree(ctx context.Context, tx Tx, fx *effects, j *TreeJob, worker string) error {
	was, now := *j, s.now()
	e := s.first(Job{ID: j.ID, Draft: Draft{Name: TreeName(j.Num)}}, Trigger{TriggerTree, worker}, now, now)
	e.Priority = int(Rank(j.Priority))
	if inserted, err := tx.InsertExecution(ctx, e); err != nil || !inserted {
		if err == nil {
			err = Errorf(CodeConflict, "job %d began twice at %s", j.Num, now)
		}
		return err
	}
	if err := tx.Begin(ctx, e.ID, worker, now); err != nil {
		return err
	}
	j.take(worker, e.ID, now)
	e.State, e.Worker, e.StartedAt = Running, worker, now
	fx.changed, fx.tree = append(fx.changed, e), true
	return tx.UpdateTree(ctx, TreeChange{was, *j})
}

// LeaveTreeJobs makes what a worker runs of the tree wait again.
func (s *Service) LeaveTreeJobs(ctx context.Context, worker, reason string) error {
	return s.endTreeJobs(ctx, worker, Execution{State: Cancelled, Reason: reason})
}

// LoseTreeJobs is LeaveTreeJobs for a worker that is lost.
func (s *Service) LoseTreeJobs(ctx context.Context, worker, reason string) error {
	return s.endTreeJobs(ctx, worker, Execution{State: Lost, Reason: reason})
}

func (s *Service) endTreeJobs(ctx context.Context, worker string, e Execution) error {
	nums, err := s.Store.TreeWorkingOn(ctx, worker)
	if err != nil || len(nums) == 0 {
		return err
	}
	return s.changeTreeRuns(ctx, nums, func(tx Tx, fx *effects, j *TreeJob) error {
		if j.Worker != worker {
			return nil
		}
		j.leave(s.now())
		if e.State == Lost {
			if err := tx.CountTreeRun(ctx, worker, false); err != nil {
				return err
			}
		}
		return s.finishTreeRun(ctx, tx, fx, j, e)
	})
}

// changeTreeRuns applies change to those of the jobs that work.
func (s *Service) changeTreeRuns(ctx context.Context, nums []int64, change func(tx Tx, fx *effects, j *TreeJob) error) error {
	return s.inTx(ctx, func(tx Tx, fx *effects) error {
		list, err := tx.TreeJobs(ctx, nums)
		if err != nil {
			return err
		}
		var changes []TreeChange
		for _, was := range list {
			if was.IsGroup() || was.State != TreeWorking {
				continue
			}
			is := was
			if err := change(tx, fx, &is); err != nil {
				return err
			}
			changes = append(changes, TreeChange{was, is})
			fx.tree = true
		}
		return tx.UpdateTree(ctx, changes...)
	})
}

// killed is what a worker's output ends with when it was told to end the job.
const killed = "KillJob: server required worker to kill job.\n"

// BeatTreeJob takes the output that a worker's job has written since the last time,
// and reports whether the job may go on: it is still that worker's, and neither it
// nor a group above is paused. What comes after that belongs to the run it had.
func (s *Service) BeatTreeJob(ctx context.Context, worker string, num int64, output []byte) (goesOn bool, err error) {
	j, err := s.Store.TreeJob(ctx, num)
	if CodeOf(err) == CodeNotFound {
		return false, nil
	}
	if err != nil || j.Worker != worker || j.Execution == "" {
		return false, err
	}
	if j.State == TreeWorking && j.HeldPaused > 0 {
		err := s.changeTreeRuns(ctx, []int64{num}, func(tx Tx, fx *effects, j *TreeJob) error {
			if j.HeldPaused == 0 || j.Worker != worker {
				return nil
			}
			return s.endTreeRun(ctx, tx, fx, j, "its group is paused")
		})
		if err != nil {
			return false, err
		}
		if j, err = s.Store.TreeJob(ctx, num); err != nil {
			return false, err
		}
	}
	goesOn = j.State == TreeWorking
	if len(output) == 0 {
		return goesOn, nil
	}
	if !goesOn {
		output = append(slices.Clip(output), killed...)
	}
	return goesOn, s.addTreeOutput(ctx, j, worker, output, goesOn)
}

// addTreeOutput stores output of j's last run, and how far it says that it is.
func (s *Service) addTreeOutput(ctx context.Context, j TreeJob, worker string, output []byte, working bool) error {
	out, end, err := s.treeOutput(ctx, j.Execution, output)
	if err != nil {
		return err
	}
	var done *float64
	if p, err := ParseTreeProgress(j.Progress); err == nil && working {
		if v, ok := p.Find(output); ok && v != j.Done {
			percent := 100 * v
			done, out.Progress = &v, &percent
		}
	}
	if err := s.AddOutput(ctx, j.Execution, out, end); err != nil || done == nil {
		return err
	}
	return s.changeTreeRuns(ctx, []int64{j.Num}, func(_ Tx, _ *effects, is *TreeJob) error {
		if is.Execution == j.Execution && is.Worker == worker {
			is.Done, is.PingAt = *done, s.now()
		}
		return nil
	})
}

// sealedOutput is how much output at once is worth compressing.
const sealedOutput = 32 << 10

// treeOutput cuts bytes into pieces that follow what an execution wrote before.
func (s *Service) treeOutput(ctx context.Context, id string, output []byte) (out Output, end int64, err error) {
	size, lines, err := s.Store.OutputSize(ctx, id)
	if err != nil {
		return out, 0, err
	}
	c := Chunk{FirstByte: size, FirstLine: lines + 1, Data: output}
	if size > 0 {
		last, err := s.Store.OutputAt(ctx, id, size-1, 1)
		if err != nil {
			return out, 0, err
		}
		if n := len(last.Pieces); n > 0 && last.Pieces[n-1].Open {
			c.FirstLine = lines
		}
	}
	at := s.now().Truncate(time.Millisecond)
	for rest := output; len(rest) > 0; {
		n := bytes.IndexByte(rest, '\n') + 1
		if n == 0 || n > maxTreeText {
			n = min(len(rest), maxTreeText)
		}
		c.Pieces = append(c.Pieces, Piece{Len: n, At: at, Open: rest[n-1] != '\n' && n < maxTreeText})
		rest = rest[n:]
	}
	if end = c.EndByte(); len(output) >= sealedOutput {
		out.Seal = []Chunk{c}
	} else {
		out.Append = &c
	}
	if keep := DefaultOutputLimit; end > keep.Head+keep.Tail {
		out.Cut = Cut{From: keep.Head, To: end - keep.Tail}
	}
	return out, end, nil
}

// EndTreeJob stores how a worker's job ended: well when the code is 0; below 0 a
// signal ended it, -1 that or the worker itself. It reports false when the job was
// not the worker's any more, which changes nothing.
func (s *Service) EndTreeJob(ctx context.Context, worker string, num int64, code int) (ended bool, err error) {
	err = s.changeTreeRuns(ctx, []int64{num}, func(tx Tx, fx *effects, j *TreeJob) error {
		ended = false
		if j.Worker != worker {
			return nil
		}
		ended = true
		return s.endTree(ctx, tx, fx, j, treeEnding(code))
	})
	return ended && err == nil, err
}

// treeEnding is how an execution ended by what a worker says.
func treeEnding(code int) Execution {
	e := Execution{State: Succeeded}
	if code >= 0 {
		e.ExitCode = &code
	}
	switch {
	case code > 0:
		e.State, e.Reason = Failed, fmt.Sprintf("exit code %d", code)
	case code < 0:
		e.State, e.Reason = Failed, fmt.Sprintf("ended by signal %d, or by the worker", -code)
	}
	return e
}

// endTree stores that j's run ended by itself.
func (s *Service) endTree(ctx context.Context, tx Tx, fx *effects, j *TreeJob, e Execution) error {
	tries := j.Retry
	j.end(e.State == Succeeded, s.now())
	if j.State == TreeWaiting {
		e.Reason += fmt.Sprintf("; %d of %d retries are left", tries-1, j.Retries)
	}
	if e.State == Succeeded && j.Execution != "" {
		if err := tx.SetProgress(ctx, j.Execution, 100); err != nil {
			return err
		}
	}
	if err := tx.CountTreeRun(ctx, j.Worker, e.State == Succeeded); err != nil {
		return err
	}
	return s.finishTreeRun(ctx, tx, fx, j, e)
}

// stopTreeRun ends a run as something that went wrong; nothing takes the job again
// by itself.
func (s *Service) stopTreeRun(ctx context.Context, by Principal, e Execution, reason string) error {
	num, err := s.treeNum(ctx, e.JobID)
	if err != nil {
		return err
	}
	return s.treeTx(ctx, by, "execution.stop", e.JobName, map[string]string{"execution": e.ID}, func(tx Tx, fx *effects) error {
		list, err := tx.TreeJobs(ctx, []int64{num})
		if err != nil {
			return err
		}
		if len(list) == 0 || list[0].Execution != e.ID || list[0].State != TreeWorking {
			return Errorf(CodeConflict, "the execution is ending already")
		}
		is := list[0]
		if err := s.endTreeRun(ctx, tx, fx, &is, reason); err != nil {
			return err
		}
		is.State = TreeError
		return tx.UpdateTree(ctx, TreeChange{list[0], is})
	})
}

func (s *Service) treeNum(ctx context.Context, jobID string) (int64, error) {
	j, err := s.Store.Job(ctx, jobID)
	return j.Num, err
}

// overdueAtOnce is how many timeouts one transaction ends.
const overdueAtOnce = 100

// EndOverdueTreeJobs ends what has worked longer than its timeout: that went wrong.
func (s *Service) EndOverdueTreeJobs(ctx context.Context) error {
	for {
		nums, err := s.Store.TreeOverdue(ctx, s.now(), overdueAtOnce)
		if err != nil || len(nums) == 0 {
			return err
		}
		err = s.changeTreeRuns(ctx, nums, func(tx Tx, fx *effects, j *TreeJob) error {
			if j.Deadline.IsZero() || j.Deadline.After(s.now()) {
				return nil
			}
			return s.endTree(ctx, tx, fx, j, Execution{State: TimedOut, Reason: "ran longer than its timeout of " + j.Timeout.String()})
		})
		if err != nil {
			return err
		}
	}
}
