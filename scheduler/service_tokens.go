package scheduler

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// TokenPrefix begins every API token, so that scanners can find leaked ones.
const TokenPrefix = "bfy_"

// CreateToken makes an API token and returns its secret, which nobody can read
// again. It needs the role admin. ttl 0 means it does not expire.
func (s *Service) CreateToken(ctx context.Context, by Principal, name string, role Role, ttl time.Duration) (Token, string, error) {
	if err := authorize(by, Admin, "making a token"); err != nil {
		return Token{}, "", err
	}
	name = strings.TrimSpace(name)
	var f fields
	f.name("name", name)
	f.role(role)
	f.duration("ttl", ttl, 0, 10*maxDuration)
	if err := f.err(); err != nil {
		return Token{}, "", err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // crypto/rand never fails
	secret := TokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	t := Token{ID: s.NewID(), Name: name, Hash: hashToken(secret), Role: role, UserID: by.UserID, CreatedAt: s.now()}
	if ttl > 0 {
		t.ExpiresAt = t.CreatedAt.Add(ttl)
	}
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.InsertToken(ctx, t); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "token.create", name, nil, map[string]any{"role": role, "expires_at": t.ExpiresAt}))
	})
	if errors.Is(err, ErrNameTaken) {
		err = &Error{
			Code: CodeConflict, Message: "the name is taken",
			Fields: []FieldError{{"name", "a token of this name exists"}},
		}
	}
	if err != nil {
		return Token{}, "", err
	}
	return t, secret, nil
}

// RevokeToken makes a token useless at once. It needs the role admin.
func (s *Service) RevokeToken(ctx context.Context, by Principal, id string) error {
	if err := authorize(by, Admin, "revoking a token"); err != nil {
		return err
	}
	return s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.RevokeToken(ctx, id, s.now()); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "token.revoke", id, nil, nil))
	})
}

func hashToken(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
