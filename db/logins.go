package db

import (
	"context"
	"sync"
	"time"

	"belfry/scheduler"
)

// Login returns a login, also one that has ended, until DropExpired deletes it.
func (s *Store) Login(ctx context.Context, id string) (scheduler.Login, error) {
	var l scheduler.Login
	var created, seen, expires, revoked int64
	found, err := get(ctx, s.read, `SELECT id, user_id, address, agent, created_at, seen_at, expires_at, revoked_at
		FROM logins WHERE id = $1`, []any{clean(id)}, &l.ID, &l.UserID, &l.From, &l.Agent, &created, &seen, &expires, &revoked)
	if err == nil && !found {
		err = notFound("there is no such login")
	}
	l.CreatedAt, l.SeenAt = fromMicros(created), fromMicros(seen)
	l.ExpiresAt, l.RevokedAt = fromMicros(expires), fromMicros(revoked)
	return l, err
}

// InsertLogin stores a login.
func (t *tx) InsertLogin(ctx context.Context, l scheduler.Login) error {
	_, err := t.exec(ctx, `INSERT INTO logins (id, user_id, address, agent, created_at, seen_at, expires_at, revoked_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, l.ID, l.UserID, clean(l.From), clean(l.Agent),
		micros(l.CreatedAt), micros(l.SeenAt), micros(l.ExpiresAt), micros(l.RevokedAt))
	return err
}

// RevokeLogins revokes one login, or all of a user's.
func (t *tx) RevokeLogins(ctx context.Context, userID, loginID string, at time.Time) error {
	w := where{args: []any{micros(at)}}
	w.add("user_id = ? AND revoked_at = 0", userID)
	if loginID != "" {
		w.add("id = ?", loginID)
	}
	_, err := t.exec(ctx, "UPDATE logins SET revoked_at = $1"+w.text(), w.args...)
	return err
}

// SessionData returns a session's data.
func (s *Store) SessionData(ctx context.Context, token string) (data []byte, found bool, err error) {
	found, err = get(ctx, s.read, "SELECT data FROM session_data WHERE token = $1 AND expires_at > $2",
		[]any{clean(token), time.Now().UnixMicro()}, &data)
	return data, found, err
}

// PutSessionData stores a session's data in the place of what was there.
func (s *Store) PutSessionData(ctx context.Context, token string, data []byte, expires time.Time) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO session_data (token, data, expires_at) VALUES ($1, $2, $3)
			ON CONFLICT (token) DO UPDATE SET data = excluded.data, expires_at = excluded.expires_at`,
			clean(token), blob(data), micros(expires))
		return err
	})
}

// DeleteSessionData forgets a session.
func (s *Store) DeleteSessionData(ctx context.Context, token string) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, "DELETE FROM session_data WHERE token = $1", clean(token))
		return err
	})
}

// DropExpired deletes sessions and logins that ended before at.
func (s *Store) DropExpired(ctx context.Context, at time.Time) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := t.exec(ctx, "DELETE FROM session_data WHERE expires_at < $1", micros(at)); err != nil {
			return err
		}
		_, err := t.exec(ctx, "DELETE FROM logins WHERE expires_at < $1 OR (revoked_at > 0 AND revoked_at < $1)", micros(at))
		return err
	})
}

// touchEvery is how fine "last used" is: every request touches, and a write
// waits for the disk.
const touchEvery = time.Minute

// Touch records that a login and a token were used, at most once a minute each.
func (s *Store) Touch(ctx context.Context, loginID, tokenID string, at time.Time) error {
	login := loginID != "" && s.touched.due("login "+loginID, at)
	token := tokenID != "" && s.touched.due("token "+tokenID, at)
	if !login && !token {
		return nil
	}
	err := s.write(ctx, func(t *tx) error {
		if login {
			if _, err := t.exec(ctx, "UPDATE logins SET seen_at = $2 WHERE id = $1 AND seen_at < $2", loginID, micros(at)); err != nil {
				return err
			}
		}
		if token {
			if _, err := t.exec(ctx, "UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2", tokenID, micros(at)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.touched.undo("login "+loginID, "token "+tokenID)
	}
	return err
}

// recently remembers when keys were last due. It forgets all when there are too
// many: that costs a write each, no more.
type recently struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (r *recently) due(key string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.at[key]; ok && at.Sub(last).Abs() < touchEvery {
		return false
	}
	if r.at == nil || len(r.at) > 10_000 {
		r.at = map[string]time.Time{}
	}
	r.at[key] = at
	return true
}

func (r *recently) undo(keys ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		delete(r.at, k)
	}
}

// blob makes an empty value that is not NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
