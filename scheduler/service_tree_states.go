package scheduler

import (
	"context"
	"slices"
)

func (s *Service) setTreeState(ctx context.Context, tx Tx, fx *effects, by Principal, j *TreeJob, to TreeState) error {
	words := map[TreeState]string{TreeWaiting: "started again", TreePaused: "paused", TreeFinished: "called finished", TreeError: "called wrong"}[to]
	switch {
	case words == "":
		return Invalid("state", "cannot be set to %q; WAITING starts a job, PAUSED pauses it, FINISHED and ERROR end it", cut(string(to), 40))
	case to != TreeWaiting && to != TreePaused && j.IsGroup():
		return Invalid("state", "of a group follows from its jobs; it can be started or paused")
	}
	if j.State == TreeWorking && !j.IsGroup() {
		if err := s.endTreeRun(ctx, tx, fx, j, words+" by "+by.Name); err != nil {
			return err
		}
	}
	switch to {
	case TreeWaiting:
		j.restart()
	case TreePaused:
		j.Paused = true
	default:
		j.State = to
	}
	return nil
}

// endTreeRun ends what j runs without an outcome.
func (s *Service) endTreeRun(ctx context.Context, tx Tx, fx *effects, j *TreeJob, reason string) error {
	now := s.now()
	j.leave(now)
	return s.finishTreeRun(ctx, tx, fx, j, Execution{State: Cancelled, Reason: reason})
}

// finishTreeRun stores how j's run ended.
func (s *Service) finishTreeRun(ctx context.Context, tx Tx, fx *effects, j *TreeJob, e Execution) error {
	e.ID, e.JobID, e.FinishedAt = j.Execution, j.ID, s.now()
	fx.reread = append(fx.reread, e.ID)
	return tx.Finish(ctx, e, Running)
}

// StartTreeJobs lets jobs of the tree run, whatever they came to; of a group it
// ends the pause. It needs the role operator.
func (s *Service) StartTreeJobs(ctx context.Context, by Principal, nums []int64) error {
	return s.switchTree(ctx, by, "tree.start", "starting a job", nums, TreeWaiting)
}

// PauseTreeJobs keeps jobs of the tree, and what is in groups of them, from being
// taken; what runs is ended and waits. It needs the role operator.
func (s *Service) PauseTreeJobs(ctx context.Context, by Principal, nums []int64) error {
	return s.switchTree(ctx, by, "tree.pause", "pausing a job", nums, TreePaused)
}

func (s *Service) switchTree(ctx context.Context, by Principal, action, what string, nums []int64, to TreeState) error {
	if err := authorize(by, Operator, what); err != nil {
		return err
	}
	return s.treeTx(ctx, by, action, treeObjects(nums), nums, func(tx Tx, fx *effects) error {
		list, err := tx.TreeJobs(ctx, nums)
		if err != nil {
			return err
		}
		var changes []TreeChange
		for _, was := range once(list) {
			is := was
			if err := s.setTreeState(ctx, tx, fx, by, &is, to); err != nil {
				return err
			}
			changes = append(changes, TreeChange{was, is})
		}
		return tx.UpdateTree(ctx, changes...)
	})
}

// once returns each job of a list once.
func once(list []TreeJob) []TreeJob {
	seen := map[int64]bool{}
	return slices.DeleteFunc(list, func(j TreeJob) bool {
		again := seen[j.Num]
		seen[j.Num] = true
		return again
	})
}

// ResetTreeJobs makes jobs of the tree, and all that is in groups of them, wait as
// if they had not run; with onlyErrors only those that went wrong. What runs is ended.
// It needs the role operator.
func (s *Service) ResetTreeJobs(ctx context.Context, by Principal, nums []int64, onlyErrors bool) error {
	if err := authorize(by, Operator, "resetting a job"); err != nil {
		return err
	}
	action := "tree.reset"
	if onlyErrors {
		action = "tree.reset-errors"
	}
	return s.treeTx(ctx, by, action, treeObjects(nums), nums, func(tx Tx, fx *effects) error {
		list, err := tx.TreeJobs(ctx, nums)
		if err != nil {
			return err
		}
		for _, j := range list {
			below, err := tx.TreeBelow(ctx, j.Num)
			if err != nil {
				return err
			}
			list = append(list, below...)
		}
		var changes []TreeChange
		for _, was := range once(list) {
			if was.IsGroup() || (onlyErrors && was.State != TreeError) {
				continue
			}
			is := was
			if is.State == TreeWorking {
				if err := s.endTreeRun(ctx, tx, fx, &is, "reset by "+by.Name); err != nil {
					return err
				}
			}
			is.reset()
			changes = append(changes, TreeChange{was, is})
		}
		return tx.UpdateTree(ctx, changes...)
	})
}
