package dbtest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

func addUser(t *testing.T, s *db.Store, name string, role scheduler.Role) scheduler.User {
	t.Helper()
	u := scheduler.User{ID: NewID(), Name: name, PasswordHash: "$argon2id$…", Role: role, CreatedAt: at(1), LastLoginAt: at(2)}
	tx(t, s, func(tx scheduler.Tx) error { return tx.InsertUser(bg, u) })
	return u
}

func users(t *testing.T, s *db.Store) {
	zoe, anna := addUser(t, s, "zoe", scheduler.Admin), addUser(t, s, "Anna", scheduler.Viewer)
	if d := cmp.Diff([]scheduler.User{anna, zoe}, must(s.ListUsers(bg))); d != "" {
		t.Errorf("list (-want +got):\n%s", d)
	}
	if d := cmp.Diff(zoe, must(s.User(bg, zoe.ID))); d != "" {
		t.Errorf("by id (-want +got):\n%s", d)
	}
	if d := cmp.Diff(zoe, must(s.UserByName(bg, "zoe"))); d != "" {
		t.Errorf("by name (-want +got):\n%s", d)
	}
	_, err := s.User(bg, "no such id")
	wantCode(t, err, scheduler.CodeNotFound)
	_, err = s.UserByName(bg, "nobody")
	wantCode(t, err, scheduler.CodeNotFound)
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error {
		return tx.InsertUser(bg, scheduler.User{ID: NewID(), Name: "zoe"})
	}), scheduler.CodeConflict)
	anna.Name = "zoe"
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.UpdateUser(bg, anna) }), scheduler.CodeConflict)
	anna.Name, anna.Role, anna.PasswordHash, anna.LastLoginAt = "anna", scheduler.Admin, "new", time.Time{}
	tx(t, s, func(tx scheduler.Tx) error { return tx.UpdateUser(bg, anna) })
	if d := cmp.Diff(anna, must(s.User(bg, anna.ID))); d != "" {
		t.Errorf("updated (-want +got):\n%s", d)
	}
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.UpdateUser(bg, scheduler.User{ID: "x", Name: "x"}) }), scheduler.CodeNotFound)

	token := scheduler.Token{ID: NewID(), Name: "t", Hash: "h", UserID: anna.ID, CreatedAt: at(0)}
	login := scheduler.Login{ID: NewID(), UserID: anna.ID, CreatedAt: at(0), ExpiresAt: at(10)}
	tx(t, s, func(tx scheduler.Tx) error {
		if n, err := tx.CountAdmins(bg); n != 2 || err != nil {
			t.Errorf("%d admins, %v; want 2", n, err)
		}
		if err := tx.InsertToken(bg, token); err != nil {
			return err
		}
		return tx.InsertLogin(bg, login)
	})
	tx(t, s, func(tx scheduler.Tx) error { return tx.DeleteUser(bg, anna.ID) })
	_, err = s.User(bg, anna.ID)
	wantCode(t, err, scheduler.CodeNotFound)
	_, err = s.Login(bg, login.ID)
	wantCode(t, err, scheduler.CodeNotFound)
	if k := must(s.TokenByHash(bg, "h")); k.RevokedAt.IsZero() {
		t.Error("the token of a deleted user is live")
	}
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.DeleteUser(bg, anna.ID) }), scheduler.CodeNotFound)
}

func tokens(t *testing.T, s *db.Store) {
	u := addUser(t, s, "u", scheduler.Admin)
	add := func(name, hash string, created, expires time.Time) (scheduler.Token, error) {
		k := scheduler.Token{ID: NewID(), Name: name, Hash: hash, Role: scheduler.Editor, UserID: u.ID, CreatedAt: created, ExpiresAt: expires}
		return k, s.InTx(bg, func(tx scheduler.Tx) error { return tx.InsertToken(bg, k) })
	}
	ci, err := add("ci", "h1", at(0), at(100))
	ok(t, err)
	if d := cmp.Diff(ci, must(s.TokenByHash(bg, "h1"))); d != "" {
		t.Errorf("by hash (-want +got):\n%s", d)
	}
	_, err = s.TokenByHash(bg, "h9")
	wantCode(t, err, scheduler.CodeNotFound)
	_, err = add("ci", "h2", at(99), time.Time{})
	wantCode(t, err, scheduler.CodeConflict)
	again, err := add("ci", "h2", at(100), time.Time{}) // the first has expired
	ok(t, err)
	_, err = add("ci", "h3", at(5000), time.Time{})
	wantCode(t, err, scheduler.CodeConflict) // the second never does
	tx(t, s, func(tx scheduler.Tx) error { return tx.RevokeToken(bg, again.ID, at(200)) })
	tx(t, s, func(tx scheduler.Tx) error { return tx.RevokeToken(bg, again.ID, at(300)) })
	if k := must(s.TokenByHash(bg, "h2")); !k.RevokedAt.Equal(at(200)) {
		t.Errorf("revoked at %v, want %v: the first time counts", k.RevokedAt, at(200))
	}
	_, err = add("ci", "h3", at(300), time.Time{})
	ok(t, err)
	_, err = add("Build", "h4", at(300), time.Time{})
	ok(t, err)
	var names []string
	for _, k := range must(s.ListTokens(bg)) {
		names = append(names, k.Name)
	}
	if d := cmp.Diff([]string{"Build", "ci", "ci", "ci"}, names); d != "" {
		t.Errorf("list (-want +got):\n%s", d)
	}
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.RevokeToken(bg, "x", at(0)) }), scheduler.CodeNotFound)

	ok(t, s.Touch(bg, "", ci.ID, at(10)))
	ok(t, s.Touch(bg, "", ci.ID, at(40))) // within the minute: not written
	if k := must(s.TokenByHash(bg, "h1")); !k.LastUsedAt.Equal(at(10)) {
		t.Errorf("last used at %v, want %v", k.LastUsedAt, at(10))
	}
	ok(t, s.Touch(bg, "", ci.ID, at(70)))
	ok(t, s.Touch(bg, "no such login", "no such token", at(70)))
	ok(t, s.Touch(bg, "", "", at(70)))
	if k := must(s.TokenByHash(bg, "h1")); !k.LastUsedAt.Equal(at(70)) {
		t.Errorf("last used at %v, want %v", k.LastUsedAt, at(70))
	}
}

func logins(t *testing.T, s *db.Store) {
	u, v := addUser(t, s, "u", scheduler.Admin), addUser(t, s, "v", scheduler.Admin)
	var all []scheduler.Login
	for i, user := range []string{u.ID, u.ID, u.ID, v.ID} {
		l := scheduler.Login{
			ID: NewID(), UserID: user, From: "192.0.2.1", Agent: "Firefox", CreatedAt: at(i), SeenAt: at(i), ExpiresAt: at(1000 * (i + 1)),
		}
		tx(t, s, func(tx scheduler.Tx) error { return tx.InsertLogin(bg, l) })
		all = append(all, l)
	}
	if d := cmp.Diff(all[0], must(s.Login(bg, all[0].ID))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	_, err := s.Login(bg, "no such id")
	wantCode(t, err, scheduler.CodeNotFound)
	revoked := func(i int) bool { return !must(s.Login(bg, all[i].ID)).RevokedAt.IsZero() }
	tx(t, s, func(tx scheduler.Tx) error { return tx.RevokeLogins(bg, v.ID, all[0].ID, at(50)) }) // not v's
	tx(t, s, func(tx scheduler.Tx) error { return tx.RevokeLogins(bg, u.ID, all[1].ID, at(50)) })
	if revoked(0) || !revoked(1) || revoked(2) || revoked(3) {
		t.Error("revoking one login revoked others, or not that one")
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.RevokeLogins(bg, u.ID, "", at(60)) })
	if !revoked(0) || !revoked(2) || revoked(3) {
		t.Error("revoking all logins of a user revoked others, or not all")
	}
	if l := must(s.Login(bg, all[1].ID)); !l.RevokedAt.Equal(at(50)) {
		t.Errorf("revoked at %v, want %v: the first time counts", l.RevokedAt, at(50))
	}
	ok(t, s.Touch(bg, all[3].ID, "", at(100)))
	if l := must(s.Login(bg, all[3].ID)); !l.SeenAt.Equal(at(100)) {
		t.Errorf("seen at %v, want %v", l.SeenAt, at(100))
	}
	ok(t, s.DropExpired(bg, at(55))) // drops what was revoked at 50
	_, err = s.Login(bg, all[1].ID)
	wantCode(t, err, scheduler.CodeNotFound)
	ok(t, s.DropExpired(bg, at(4001)))
	_, err = s.Login(bg, all[3].ID)
	wantCode(t, err, scheduler.CodeNotFound)
}
