package db

import (
	"cmp"
	"context"
	"database/sql"
	"strconv"
	"strings"
	"sync"
	"time"

	"belfry/scheduler"
)

const auditColumns = "id, at, actor, via, address, action, object, before, after, seq, previous, hash"

func scanAudit(rows *sql.Rows) (a scheduler.AuditEntry, err error) {
	var at int64
	err = rows.Scan(&a.ID, &at, &a.Actor, &a.Via, &a.From, &a.Action, &a.Object, &a.Before, &a.After, &a.Seq, &a.Previous, &a.Hash)
	a.At = fromMicros(at)
	return a, err
}

func auditRows(ctx context.Context, q querier, query string, args ...any) ([]scheduler.AuditEntry, error) {
	list := []scheduler.AuditEntry{}
	err := each(ctx, q, "SELECT "+auditColumns+" FROM audit "+query, args, func(rows *sql.Rows) error {
		a, err := scanAudit(rows)
		list = append(list, a)
		return err
	})
	return list, err
}

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

// auditOrders are the columns behind scheduler.AuditSorts, each of an index.
var auditOrders = map[string][]string{
	"at": {"at", "id"}, "actor": {"actor", "at", "id"}, "action": {"action", "at", "id"}, "object": {"object", "at", "id"},
}

// ListAudit lists audit rows. CodeInvalid: there is no such order.
func (s *Store) ListAudit(ctx context.Context, f scheduler.AuditFilter) ([]scheduler.AuditEntry, scheduler.Total, error) {
	column, down := strings.CutPrefix(cmp.Or(f.Sort, "-at"), "-")
	columns := auditOrders[column]
	if columns == nil {
		return nil, scheduler.Total{}, scheduler.Invalid("sort", "audit rows cannot be ordered by %q", f.Sort)
	}
	direction, follows := "", " > "
	if down {
		direction, follows = " DESC", " < "
	}
	counted := auditWhere(f, false)
	w := auditWhere(f, column != "at")
	if b := f.Below; b.ID != 0 {
		var values []string
		for _, v := range map[string][]any{
			"at": {micros(b.At), b.ID}, "actor": {b.Actor, micros(b.At), b.ID}, "action": {b.Action, micros(b.At), b.ID}, "object": {b.Object, micros(b.At), b.ID},
		}[column] {
			values = append(values, w.arg(v))
		}
		w.conds = append(w.conds, "("+strings.Join(columns, ", ")+")"+follows+"("+strings.Join(values, ", ")+")")
	}
	limit, offset := page(f.Limit, f.Offset)
	list, err := auditRows(ctx, s.read, w.text()+" ORDER BY "+strings.Join(columns, direction+", ")+direction+
		" LIMIT "+number(w.arg(limit))+" OFFSET "+number(w.arg(offset)), w.args...)
	if err != nil {
		return nil, scheduler.Total{}, err
	}
	var n int64
	_, err = get(ctx, s.read, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM audit"+counted.text()+" LIMIT "+strconv.Itoa(maxCount+1)+") c", counted.args, &n)
	return list, scheduler.Total{N: min(n, maxCount), Capped: n > maxCount}, err
}

// auditWhere makes one condition at most good for an index that also orders by
// time: the object is the narrowest. The others are looked at row by row, as an
// expression that is in no index; all of them are where the rows are ordered by
// something else.
func auditWhere(f scheduler.AuditFilter, ordered bool) *where {
	w := &where{}
	indexed := ordered
	equal := func(column, v string) {
		switch {
		case v == "":
		case indexed:
			w.add("("+column+" || '') = ?", v)
		default:
			w.add(column+" = ?", v)
			indexed = true
		}
	}
	equal("object", f.Object)
	equal("actor", f.Actor)
	if len(f.Actions) == 1 && !strings.HasSuffix(f.Actions[0], ".") {
		equal("action", f.Actions[0])
	} else if len(f.Actions) > 0 {
		var any []string
		for _, a := range f.Actions {
			if strings.HasSuffix(a, ".") {
				any = append(any, "substr(action, 1, "+strconv.Itoa(len(a))+") = "+w.arg(a))
			} else {
				any = append(any, "(action || '') = "+w.arg(a))
			}
		}
		w.conds = append(w.conds, "("+strings.Join(any, " OR ")+")")
	}
	equal("via", f.Via)
	at := "at"
	if ordered {
		at += " + 0"
	}
	if !f.From.IsZero() {
		w.add(at+" >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		w.add(at+" < ?", micros(f.To))
	}
	return w
}

// AuditChain lists rows of the chain.
func (s *Store) AuditChain(ctx context.Context, after int64, limit int) ([]scheduler.AuditEntry, error) {
	return auditRows(ctx, s.read, "WHERE seq > 0 AND seq > $1 ORDER BY seq LIMIT "+number("$2"), after, limit)
}

// AuditLinks returns both ends of the chain.
func (s *Store) AuditLinks(ctx context.Context) (anchor, head scheduler.AuditLink, loose int64, err error) {
	for name, to := range map[string]*scheduler.AuditLink{"anchor": &anchor, "head": &head} {
		if _, err := get(ctx, s.read, "SELECT seq, hash FROM audit_links WHERE name = $1", []any{name}, &to.Seq, &to.Hash); err != nil {
			return anchor, head, 0, err
		}
	}
	_, err = get(ctx, s.read, "SELECT COUNT(*) FROM audit WHERE seq = 0", nil, &loose)
	return anchor, head, loose, err
}

// AuditHead returns the end of the chain and keeps others from adding to it.
func (t *tx) AuditHead(ctx context.Context) (head scheduler.AuditLink, err error) {
	_, err = get(ctx, t, "SELECT seq, hash FROM audit_links WHERE name = 'head'"+t.s.dialect.update, nil, &head.Seq, &head.Hash)
	return head, err
}

// LooseAudit lists rows that are not in the chain.
func (t *tx) LooseAudit(ctx context.Context, limit int) ([]scheduler.AuditEntry, error) {
	return auditRows(ctx, t, "WHERE seq = 0 ORDER BY id LIMIT "+number("$1"), limit)
}

// ChainAudit puts a row at the end of the chain.
func (t *tx) ChainAudit(ctx context.Context, a scheduler.AuditEntry) error {
	n, err := t.exec(ctx, "UPDATE audit SET seq = $1, previous = $2, hash = $3 WHERE id = $4 AND seq = 0", a.Seq, a.Previous, a.Hash, a.ID)
	if err == nil && n == 0 {
		err = scheduler.Errorf(scheduler.CodeConflict, "the audit row %d is in the chain already", a.ID)
	}
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "UPDATE audit_links SET seq = $1, hash = $2 WHERE name = 'head'", a.Seq, a.Hash)
	return err
}

// DropAudit deletes the beginning of the chain.
func (t *tx) DropAudit(ctx context.Context, before time.Time, limit int) (deleted int, err error) {
	if _, err := t.AuditHead(ctx); err != nil {
		return 0, err
	}
	rows, err := auditRows(ctx, t, "WHERE seq > 0 ORDER BY seq LIMIT "+number("$1"), limit)
	if err != nil {
		return 0, err
	}
	for deleted < len(rows) && rows[deleted].At.Before(before) {
		deleted++
	}
	if deleted == 0 {
		return 0, nil
	}
	last := rows[deleted-1]
	if _, err := t.exec(ctx, "DELETE FROM audit WHERE seq > 0 AND seq <= $1", last.Seq); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, "UPDATE audit_links SET seq = $1, hash = $2 WHERE name = 'anchor'", last.Seq, last.Hash)
	return deleted, err
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
