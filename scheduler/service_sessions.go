package scheduler

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"sync"
	"time"
)

// errCredentials says the same for a wrong name and a wrong password.
var errCredentials = &Error{Code: CodeUnauthenticated, Message: "the user name or the password is wrong"}

// Authenticate returns the user whose name and password these are. It takes the
// same time whether the name exists or not. CodeUnauthenticated: they are wrong.
func (s *Service) Authenticate(ctx context.Context, name, password string) (User, error) {
	u, err := s.Store.UserByName(ctx, name)
	if err != nil && CodeOf(err) != CodeNotFound {
		return User{}, err
	}
	known := err == nil
	hash := u.PasswordHash
	if !known {
		hash = s.dummy()
	}
	if len(password) > maxPassword {
		password = ""
	}
	if !s.verified.has(name, password, hash) {
		if !s.Passwords.Matches(password, hash) || !known {
			return User{}, errCredentials
		}
		s.verified.add(name, password, hash)
	}
	return u, nil
}

// verifiedPasswords remembers for a minute which credentials matched, so that a
// script that sends Basic credentials with every request pays for the slow hash
// once. It holds keyed digests only, and a changed password misses it.
type verifiedPasswords struct {
	mu   sync.Mutex
	key  []byte
	seen map[[sha256.Size]byte]time.Time
}

func (v *verifiedPasswords) digest(name, password, hash string) (sum [sha256.Size]byte) {
	if v.key == nil {
		v.key = make([]byte, 32)
		_, _ = rand.Read(v.key) // crypto/rand never fails
		v.seen = map[[sha256.Size]byte]time.Time{}
	}
	m := hmac.New(sha256.New, v.key)
	for _, part := range []string{name, password, hash} {
		m.Write([]byte(part))
		m.Write([]byte{0})
	}
	m.Sum(sum[:0])
	return sum
}

func (v *verifiedPasswords) has(name, password, hash string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	until, ok := v.seen[v.digest(name, password, hash)]
	return ok && time.Now().Before(until)
}

func (v *verifiedPasswords) add(name, password, hash string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	sum := v.digest(name, password, hash)
	if len(v.seen) >= 1000 {
		clear(v.seen)
	}
	v.seen[sum] = time.Now().Add(time.Minute)
}

// LogIn begins a session of a user who was authenticated.
func (s *Service) LogIn(ctx context.Context, u User, from, agent string, lifetime time.Duration) (Login, error) {
	now := s.now()
	l := Login{
		ID: s.NewID(), UserID: u.ID, From: from, Agent: cut(strings.ToValidUTF8(agent, ""), 200),
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(lifetime),
	}
	by := Principal{UserID: u.ID, Name: u.Name, Role: u.Role, Via: ViaPage, From: from}
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.InsertLogin(ctx, l); err != nil {
			return err
		}
		u.LastLoginAt = now
		if err := tx.UpdateUser(ctx, u); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "session.login", u.Name, nil, nil))
	})
	return l, err
}

// LogOut ends one session.
func (s *Service) LogOut(ctx context.Context, by Principal, loginID string) error {
	return s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.RevokeLogins(ctx, by.UserID, loginID, s.now()); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "session.logout", by.Name, nil, nil))
	})
}

// LoginPrincipal returns who a session belongs to. CodeUnauthenticated: it
// ended, was revoked, or its user is gone.
func (s *Service) LoginPrincipal(ctx context.Context, loginID, from string) (Principal, error) {
	l, err := s.Store.Login(ctx, loginID)
	if err == nil && (!l.RevokedAt.IsZero() || !s.now().Before(l.ExpiresAt)) {
		err = errSession
	}
	if err != nil {
		return Principal{}, unauthenticated(err, errSession)
	}
	u, err := s.Store.User(ctx, l.UserID)
	if err != nil {
		return Principal{}, unauthenticated(err, errSession)
	}
	if err := s.Store.Touch(ctx, l.ID, "", s.now()); err != nil {
		s.Log.Warn("record the use of a session", "error", err)
	}
	return Principal{UserID: u.ID, Name: u.Name, Role: u.Role, Via: ViaPage, From: from}, nil
}

// TokenPrincipal returns who an API token acts as. CodeUnauthenticated: it is
// unknown, expired or revoked.
func (s *Service) TokenPrincipal(ctx context.Context, secret, from string) (Principal, error) {
	if !strings.HasPrefix(secret, TokenPrefix) || len(secret) > 200 {
		return Principal{}, errToken
	}
	t, err := s.Store.TokenByHash(ctx, hashToken(secret))
	if err == nil && !t.Live(s.now()) {
		err = errToken
	}
	if err != nil {
		return Principal{}, unauthenticated(err, errToken)
	}
	if err := s.Store.Touch(ctx, "", t.ID, s.now()); err != nil {
		s.Log.Warn("record the use of a token", "error", err)
	}
	return Principal{UserID: t.UserID, Name: t.Name, Role: t.Role, Via: ViaToken, From: from}, nil
}

var (
	errSession = &Error{Code: CodeUnauthenticated, Message: "the session has ended; log in again"}
	errToken   = &Error{Code: CodeUnauthenticated, Message: "the token is unknown, expired or revoked"}
)

// unauthenticated hides which part of a credential was not found.
func unauthenticated(err error, as *Error) error {
	if code := CodeOf(err); code == CodeNotFound || code == CodeUnauthenticated {
		return as
	}
	return err
}

// Secret returns a key of 32 random bytes, made when it is asked for the first
// time, that only this store's servers know.
func (s *Service) Secret(ctx context.Context, name string) ([]byte, error) {
	made := make([]byte, 32)
	_, _ = rand.Read(made) // crypto/rand never fails
	for {
		text, err := s.Store.Setting(ctx, name)
		if err != nil {
			return nil, err
		}
		if text != "" {
			return base64.StdEncoding.DecodeString(text)
		}
		// Another server may be first: what is stored then is the key.
		err = s.Store.InTx(ctx, func(tx Tx) error {
			return tx.AddSetting(ctx, name, base64.StdEncoding.EncodeToString(made))
		})
		if err != nil {
			return nil, err
		}
	}
}
