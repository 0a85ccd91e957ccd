package db

import (
	"context"

	"belfry/scheduler"
)

// tx is what may be done in one transaction.
type tx struct {
	s *Store
	querier
	pending *deltas // counters to change before the commit
	wrote   bool    // something is in the transaction that would have to be undone

	treeLocked bool // see lockTree
}

var _ scheduler.Tx = (*tx)(nil)

func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	n, err := t.querier.exec(ctx, query, args...)
	if n > 0 {
		t.wrote = true
	}
	return n, err
}

// flush writes the counters that wait, for a statement that reads or deletes
// them. They are then part of the transaction as it is now.
func (t *tx) flush() error {
	t.wrote = true
	if err := t.pending.flush(t); err != nil {
		return err
	}
	t.pending.reset()
	return nil
}
