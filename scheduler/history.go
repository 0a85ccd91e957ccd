package scheduler

import "context"

// ClearHistory deletes the executions of the named job that have ended, with their
// output, and begins its summary anew; only how the last group ended is still
// known. It needs the role editor. What is queued or running stays.
func (s *Service) ClearHistory(ctx context.Context, by Principal, name string) error {
	if err := authorize(by, Editor, "deleting executions"); err != nil {
		return err
	}
	found, err := s.Store.JobByName(ctx, name)
	if err != nil {
		return err
	}
	now := s.now()
	err = s.inTx(ctx, func(tx Tx, fx *effects) error { return s.forgetFires(ctx, tx, fx, by, found.ID) })
	for more := err == nil; more && err == nil; {
		if err = ctx.Err(); err != nil {
			break
		}
		err = s.Store.InTx(ctx, func(tx Tx) (err error) {
			more, err = tx.DeleteHistory(ctx, found.ID, now, retainBatch)
			return err
		})
	}
	return err
}

// forgetFires makes it safe to delete what has fired just now: nothing before this
// instant is looked for again.
func (s *Service) forgetFires(ctx context.Context, tx Tx, fx *effects, by Principal, id string) error {
	j, err := tx.Job(ctx, id)
	if err != nil {
		return err
	}
	if err := s.settleChange(ctx, tx, fx, j); err != nil {
		return err
	}
	j.LiveSince, j.Version = s.now(), j.Version+1
	if err := tx.UpdateJob(ctx, j); err != nil {
		return err
	}
	if err := tx.ClearSummary(ctx, id); err != nil {
		return err
	}
	fx.jobs = append(fx.jobs, jobChange{Job: j, change: JobUpdated})
	return tx.InsertAudit(ctx, s.audit(by, "executions.delete", j.Name, nil, nil))
}
