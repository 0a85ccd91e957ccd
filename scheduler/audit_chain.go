package scheduler

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// AuditSorts are the columns that audit rows can be ordered by; rows that are the
// same in one are by time in the same direction.
var AuditSorts = []string{"at", "actor", "action", "object"}

// AuditFilter selects audit rows. The zero value selects all, newest first.
type AuditFilter struct {
	Actor   string
	Actions []string // any of them; one that ends with a dot stands for all that begin so
	Object  string
	Via     string
	From    time.Time // at or after; zero: no bound
	To      time.Time // before; zero: no bound
	// Below selects what follows a row in the list; zero: no bound.
	Below  AuditEntry
	Sort   string // one of AuditSorts, "-" before it for descending; "" is "-at"
	Limit  int    // 1 to MaxPage
	Offset int
}

// AuditLink is a place in the chain of audit rows: a row's number and its hash.
type AuditLink struct {
	Seq  int64
	Hash string
}

// AuditStore reads audit rows.
type AuditStore interface {
	ListAudit(ctx context.Context, f AuditFilter) ([]AuditEntry, Total, error)
	// AuditChain lists rows of the chain that follow a number, in its order.
	AuditChain(ctx context.Context, after int64, limit int) ([]AuditEntry, error)
	// AuditLinks returns where the chain begins, behind rows that retention deleted,
	// where it ends, and how many rows are not in it yet.
	AuditLinks(ctx context.Context) (anchor, head AuditLink, loose int64, err error)
}

// AuditTx makes the chain. Nothing changes a row that is in it.
type AuditTx interface {
	InsertAudit(ctx context.Context, a AuditEntry) error
	// AuditHead returns the end of the chain; until the transaction ends nobody else
	// can add to it.
	AuditHead(ctx context.Context) (AuditLink, error)
	// LooseAudit lists rows that are not in the chain yet, oldest first.
	LooseAudit(ctx context.Context, limit int) ([]AuditEntry, error)
	// ChainAudit puts a row at the end of the chain: a has its Seq, Previous and Hash.
	// CodeConflict: it is in it already.
	ChainAudit(ctx context.Context, a AuditEntry) error
	// DropAudit deletes at most limit rows from the beginning of the chain that are
	// older than t, and remembers where it begins now.
	DropAudit(ctx context.Context, t time.Time, limit int) (deleted int, err error)
}

// AuditHash is the hash of a row of the chain: of the one before, and of all that
// the row says.
func AuditHash(a AuditEntry) string {
	text, err := json.Marshal([]any{
		a.Previous, a.Seq, a.ID, a.At.UnixMicro(), a.Actor, a.Via, a.From, a.Action, a.Object, a.Before, a.After,
	})
	if err != nil {
		return "" // of texts and numbers: it cannot fail
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// auditBatch is how many rows one transaction adds to the chain, or deletes.
const auditBatch = 500

// SealAudit adds to the chain what is not in it yet. Rows are written without
// waiting for each other, as everything that is done writes one; so the chain is
// made behind them, a moment later.
func (s *Service) SealAudit(ctx context.Context) error {
	for more := true; more; {
		err := s.Store.InTx(ctx, func(tx Tx) error {
			head, err := tx.AuditHead(ctx)
			if err != nil {
				return err
			}
			rows, err := tx.LooseAudit(ctx, auditBatch)
			for _, a := range rows {
				a.Seq, a.Previous = head.Seq+1, head.Hash
				a.Hash = AuditHash(a)
				if err := tx.ChainAudit(ctx, a); err != nil {
					return err
				}
				head = AuditLink{a.Seq, a.Hash}
			}
			more = len(rows) == auditBatch
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// AuditLoop keeps the chain up with what is written, and deletes rows that are
// older than keep (0: none), until ctx ends.
func (s *Service) AuditLoop(ctx context.Context, keep time.Duration) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	s.auditLoose.Store(true) // what an earlier life left
	again := false           // what was being written a moment ago is there now
	for n := 0; ; n++ {
		if written := s.auditLoose.Swap(false); written || again || n%60 == 0 { // other processes write, too
			again = written
			if err := s.SealAudit(ctx); err != nil && ctx.Err() == nil {
				s.auditLoose.Store(true)
				s.Log.Error("chain audit rows", "error", err)
			}
		}
		if keep > 0 && n%600 == 0 {
			if err := s.DropAudit(ctx, s.now().Add(-keep)); err != nil && ctx.Err() == nil {
				s.Log.Error("delete old audit rows", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			s.sealLast(ctx)
			return
		case <-every.C:
		}
	}
}

// sealLast adds what was written at the end, so that a server that is stopped
// leaves a whole chain.
func (s *Service) sealLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.SealAudit(ctx); err != nil {
		s.Log.Error("chain audit rows", "error", err)
	}
}

// DropAudit deletes the rows of the chain that are older than t.
func (s *Service) DropAudit(ctx context.Context, t time.Time) error {
	for n := auditBatch; n == auditBatch; {
		err := s.Store.InTx(ctx, func(tx Tx) (err error) {
			n, err = tx.DropAudit(ctx, t, auditBatch)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// AuditReport is what checking the chain found.
type AuditReport struct {
	Rows         int64 // of the chain
	Loose        int64 // not in it yet
	Anchor, Head AuditLink
	Seen         bool   // the hash that was asked for is in the chain
	Problem      string // the first thing that is wrong, "" when nothing is
}

// VerifyAudit reads the chain from its beginning to its end and compares every row
// with its hash. known is a hash that was noted earlier, "" for none: a chain that
// was written anew does not have it. The server may go on meanwhile.
func VerifyAudit(ctx context.Context, store AuditStore, known string) (r AuditReport, err error) {
	if r.Anchor, r.Head, r.Loose, err = store.AuditLinks(ctx); err != nil {
		return r, err
	}
	at := r.Anchor
	r.Seen = known == "" || known == at.Hash
	for {
		rows, err := store.AuditChain(ctx, at.Seq, MaxPage)
		if err != nil {
			return r, err
		}
		if len(rows) > 0 && rows[0].Seq != at.Seq+1 { // unless retention deleted the rows between
			if r.Anchor, _, _, err = store.AuditLinks(ctx); err != nil {
				return r, err
			}
			if r.Anchor.Seq >= rows[0].Seq-1 {
				at = r.Anchor
				continue
			}
		}
		for _, a := range rows {
			if r.Problem = wrongLink(at, r.Head, a); r.Problem != "" {
				return r, nil
			}
			at = AuditLink{a.Seq, a.Hash}
			r.Rows++
			r.Seen = r.Seen || known == a.Hash
		}
		if len(rows) < MaxPage {
			break
		}
	}
	_, now, _, err := store.AuditLinks(ctx)
	switch {
	case err != nil:
	case at.Seq < r.Head.Seq:
		r.Problem = fmt.Sprintf("the chain ends with row %d, but %d were written: the last ones were deleted", at.Seq, r.Head.Seq)
	case at.Seq > now.Seq:
		r.Problem = fmt.Sprintf("there is a row %d, but only %d were written", at.Seq, now.Seq)
	}
	r.Head = at
	return r, err
}

func wrongLink(at, head AuditLink, a AuditEntry) string {
	switch {
	case a.Seq != at.Seq+1:
		return fmt.Sprintf("row %d is missing", at.Seq+1)
	case a.Hash != AuditHash(a) && a.Previous == at.Hash:
		return fmt.Sprintf("row %d (%s %s by %s, %s) was changed after it was written", a.Seq, a.Action, a.Object, a.Actor, a.At.Format(time.RFC3339))
	case a.Previous != at.Hash:
		return fmt.Sprintf("row %d does not follow row %d: one of them was changed", a.Seq, at.Seq)
	case a.Seq == head.Seq && a.Hash != head.Hash:
		return fmt.Sprintf("row %d is not the one that was written", a.Seq)
	}
	return ""
}
