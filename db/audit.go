package db

import (
	"context"
	"database/sql"
	"strconv"
	"sync"
	"time"

	"belfry/scheduler"
)

// InsertAudit appends an audit row and gives it its id.
func (t *tx) InsertAudit(ctx context.Context, a scheduler.AuditEntry) error {
	for {
		n, err := t.exec(ctx, `INSERT INTO audit (id, at, actor, via, address, action, object, before, after)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
			t.s.auditID.next(), micros(a.At), clean(a.Actor), clean(a.Via), clean(a.From), clean(a.Action),
			clean(a.Object), clean(a.Before), clean(a.After))
		if err != nil || n > 0 {
			return err
		}
		// Another server took this microsecond.
	}
}

// ListAudit lists audit rows, newest first.
func (s *Store) ListAudit(ctx context.Context, limit, offset int) ([]scheduler.AuditEntry, scheduler.Total, error) {
	limit, offset = page(limit, offset)
	list := []scheduler.AuditEntry{}
	err := each(ctx, s.read, `SELECT id, at, actor, via, address, action, object, before, after FROM audit
		ORDER BY id DESC LIMIT `+number("$1")+" OFFSET "+number("$2"), []any{limit, offset}, func(rows *sql.Rows) error {
		var a scheduler.AuditEntry
		var at int64
		err := rows.Scan(&a.ID, &at, &a.Actor, &a.Via, &a.From, &a.Action, &a.Object, &a.Before, &a.After)
		a.At = fromMicros(at)
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, scheduler.Total{}, err
	}
	var n int64
	_, err = get(ctx, s.read, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM audit LIMIT "+strconv.Itoa(maxCount+1)+") c", nil, &n)
	return list, scheduler.Total{N: min(n, maxCount), Capped: n > maxCount}, err
}

// ticket gives out growing numbers without asking the database, where a counter
// would make every writer wait for the one before: the time in microseconds, or
// one more than the last.
type ticket struct {
	mu   sync.Mutex
	last int64
}

func (k *ticket) next() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = max(k.last+1, time.Now().UnixMicro())
	return k.last
}

// after makes the next number larger than n.
func (k *ticket) after(n int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = max(k.last, n)
}
