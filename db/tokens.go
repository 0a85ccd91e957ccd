package db

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"belfry/scheduler"
)

const tokenColumns = "id, name, hash, role, user_id, created_at, expires_at, last_used_at, revoked_at"

func someTokens(ctx context.Context, q querier, query string, args ...any) ([]scheduler.Token, error) {
	list := []scheduler.Token{}
	err := each(ctx, q, query, args, func(rows *sql.Rows) error {
		var k scheduler.Token
		var created, expires, used, revoked int64
		err := rows.Scan(&k.ID, &k.Name, &k.Hash, (*string)(&k.Role), &k.UserID, &created, &expires, &used, &revoked)
		k.CreatedAt, k.ExpiresAt = fromMicros(created), fromMicros(expires)
		k.LastUsedAt, k.RevokedAt = fromMicros(used), fromMicros(revoked)
		list = append(list, k)
		return err
	})
	return list, err
}

// TokenByHash returns a token, also one that is not live any more.
func (s *Store) TokenByHash(ctx context.Context, hash string) (scheduler.Token, error) {
	list, err := someTokens(ctx, s.read, "SELECT "+tokenColumns+" FROM tokens WHERE hash = $1", clean(hash))
	if err != nil {
		return scheduler.Token{}, err
	}
	if len(list) == 0 {
		return scheduler.Token{}, notFound("there is no such token")
	}
	return list[0], nil
}

// ListTokens lists all tokens by name.
func (s *Store) ListTokens(ctx context.Context) ([]scheduler.Token, error) {
	list, err := someTokens(ctx, s.read, "SELECT "+tokenColumns+" FROM tokens ORDER BY created_at, id")
	sortFolded(list, func(k scheduler.Token) string { return k.Name })
	return list, err
}

func sortFolded[T any](list []T, name func(T) string) {
	slices.SortStableFunc(list, func(a, b T) int { return strings.Compare(fold(name(a)), fold(name(b))) })
}

// InsertToken stores a token; the names of expired ones are free again.
func (t *tx) InsertToken(ctx context.Context, k scheduler.Token) error {
	if _, err := t.exec(ctx, "UPDATE tokens SET holds_name = $1 WHERE name = $2 AND holds_name AND expires_at > 0 AND expires_at <= $3",
		false, clean(k.Name), micros(k.CreatedAt)); err != nil {
		return err
	}
	n, err := t.exec(ctx, "INSERT INTO tokens ("+tokenColumns+`, holds_name)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
		k.ID, clean(k.Name), k.Hash, string(k.Role), k.UserID, micros(k.CreatedAt), micros(k.ExpiresAt),
		micros(k.LastUsedAt), micros(k.RevokedAt), k.RevokedAt.IsZero())
	if err == nil && n == 0 {
		err = scheduler.ErrNameTaken
	}
	return err
}

// RevokeToken revokes a token; one that is revoked already stays as it is.
func (t *tx) RevokeToken(ctx context.Context, id string, at time.Time) error {
	n, err := t.exec(ctx, `UPDATE tokens SET revoked_at = CASE WHEN revoked_at = 0 THEN $2 ELSE revoked_at END,
		holds_name = $3 WHERE id = $1`, id, micros(at), false)
	if err == nil && n == 0 {
		err = notFound("there is no token %q", id)
	}
	return err
}
