package scheduler

import (
	"context"
	"slices"
	"sync"
	"time"
)

// lateness remembers how late the newest fires were.
type lateness struct {
	mu     sync.Mutex
	newest [1024]time.Duration
	n      int // fires seen
}

func (l *lateness) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest[l.n%len(l.newest)] = max(d, 0)
	l.n++
}

// Lateness is how long after their due times the newest fires were recorded: the
// median and the 99th percentile of fires, which are at most 1,024.
func (s *Service) Lateness() (p50, p99 time.Duration, fires int) {
	l := &s.late
	l.mu.Lock()
	all := slices.Clone(l.newest[:min(l.n, len(l.newest))])
	l.mu.Unlock()
	if len(all) == 0 {
		return 0, 0, 0
	}
	slices.Sort(all)
	return all[(len(all)-1)/2], all[(len(all)*99+99)/100-1], len(all)
}

// BackupAction is what is done with a copy of the database, as its audit row has it.
type BackupAction string

// The actions.
const (
	BackupMade       BackupAction = "backup"
	BackupDownloaded BackupAction = "backup.download"
	BackupDeleted    BackupAction = "backup.delete"
)

// Backup lets do make, open or delete a copy of the database for by, who has to be
// admin, and notes it with the copy's name, also when whoever asked has left meanwhile.
func (s *Service) Backup(ctx context.Context, by Principal, action BackupAction, do func(context.Context) (file string, err error)) error {
	if err := authorize(by, Admin, "a backup"); err != nil {
		return err
	}
	file, err := do(ctx)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	return s.Store.InTx(ctx, func(tx Tx) error {
		return tx.InsertAudit(ctx, s.audit(by, string(action), file, nil, nil))
	})
}
