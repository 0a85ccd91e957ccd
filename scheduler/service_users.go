package scheduler

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"
)

// Limits of passwords: long enough to resist guessing through the throttle,
// short enough that hashing one costs no more than hashing another.
const (
	minPassword = 8
	maxPassword = 1024
)

// CreateUser adds somebody who can log in. It needs the role admin.
func (s *Service) CreateUser(ctx context.Context, by Principal, name, password string, role Role) (User, error) {
	if err := authorize(by, Admin, "adding a user"); err != nil {
		return User{}, err
	}
	name = strings.TrimSpace(name)
	var f fields
	f.name("username", name)
	if strings.ContainsRune(name, ':') {
		f.add("username", "must not contain a colon, which HTTP Basic uses to end the name")
	}
	f.password(password)
	f.role(role)
	if err := f.err(); err != nil {
		return User{}, err
	}
	return s.insertUser(ctx, by, name, password, role)
}

// FirstUser creates the first admin when there is no user at all, and reports
// whether it did. The password is the operator's own choice and may be short.
func (s *Service) FirstUser(ctx context.Context, name, password string) (bool, error) {
	users, err := s.Store.ListUsers(ctx)
	if err != nil || len(users) > 0 {
		return false, err
	}
	_, err = s.insertUser(ctx, Server, name, password, Admin)
	return err == nil, err
}

func (s *Service) insertUser(ctx context.Context, by Principal, name, password string, role Role) (User, error) {
	hash, err := s.Passwords.Hash(password)
	if err != nil {
		return User{}, err
	}
	u := User{ID: s.NewID(), Name: name, PasswordHash: hash, Role: role, CreatedAt: s.now()}
	err = s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.InsertUser(ctx, u); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "user.create", u.Name, nil, map[string]Role{"role": role}))
	})
	if errors.Is(err, ErrNameTaken) {
		err = &Error{
			Code: CodeConflict, Message: "the name is taken",
			Fields: []FieldError{{"username", "a user of this name exists"}},
		}
	}
	return u, err
}

// SetPassword changes a user's password and ends all of the user's sessions. It
// needs the role admin, or to be that user.
func (s *Service) SetPassword(ctx context.Context, by Principal, name, password string) error {
	if by.Name != name || by.Via != ViaPage {
		if err := authorize(by, Admin, "changing somebody's password"); err != nil {
			return err
		}
	}
	var f fields
	f.password(password)
	if err := f.err(); err != nil {
		return err
	}
	hash, err := s.Passwords.Hash(password)
	if err != nil {
		return err
	}
	return s.changeUser(ctx, by, "user.password", name, func(tx Tx, u *User) error {
		u.PasswordHash = hash
		return tx.RevokeLogins(ctx, u.ID, "", s.now())
	})
}

// SetRole changes what a user may do. It needs the role admin. CodeConflict: it
// would leave nobody who is admin.
func (s *Service) SetRole(ctx context.Context, by Principal, name string, role Role) error {
	if err := authorize(by, Admin, "changing a role"); err != nil {
		return err
	}
	var f fields
	f.role(role)
	if err := f.err(); err != nil {
		return err
	}
	return s.changeUser(ctx, by, "user.role", name, func(tx Tx, u *User) error {
		if u.Role == Admin && role != Admin {
			if err := keepAnAdmin(ctx, tx); err != nil {
				return err
			}
		}
		u.Role = role
		return nil
	})
}

func (s *Service) changeUser(ctx context.Context, by Principal, action, name string, change func(Tx, *User) error) error {
	u, err := s.Store.UserByName(ctx, name)
	if err != nil {
		return err
	}
	return s.Store.InTx(ctx, func(tx Tx) error {
		changed := u
		if err := change(tx, &changed); err != nil {
			return err
		}
		if err := tx.UpdateUser(ctx, changed); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, action, name, map[string]Role{"role": u.Role}, map[string]Role{"role": changed.Role}))
	})
}

// DeleteUser removes a user, ends the sessions and revokes the tokens. It needs
// the role admin. CodeConflict: it would leave nobody who is admin.
func (s *Service) DeleteUser(ctx context.Context, by Principal, name string) error {
	if err := authorize(by, Admin, "deleting a user"); err != nil {
		return err
	}
	u, err := s.Store.UserByName(ctx, name)
	if err != nil {
		return err
	}
	return s.Store.InTx(ctx, func(tx Tx) error {
		if u.Role == Admin {
			if err := keepAnAdmin(ctx, tx); err != nil {
				return err
			}
		}
		if err := tx.DeleteUser(ctx, u.ID); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "user.delete", name, map[string]Role{"role": u.Role}, nil))
	})
}

func keepAnAdmin(ctx context.Context, tx Tx) error {
	n, err := tx.CountAdmins(ctx)
	if err == nil && n <= 1 {
		err = Errorf(CodeConflict, "this is the last admin; make another one first")
	}
	return err
}

func (f *fields) password(p string) {
	switch n := utf8.RuneCountInString(p); {
	case n < minPassword:
		f.add("password", "must have at least %d characters", minPassword)
	case len(p) > maxPassword:
		f.add("password", "is too long: at most %d bytes", maxPassword)
	}
}

func (f *fields) role(r Role) {
	if !r.Valid() {
		f.add("role", "must be one of viewer, operator, editor, admin")
	}
}
