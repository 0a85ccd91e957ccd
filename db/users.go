package db

import (
	"context"
	"database/sql"
	"time"

	"belfry/scheduler"
)

const userColumns = "id, name, password_hash, role, created_at, last_login_at"

func someUsers(ctx context.Context, q querier, query string, args ...any) ([]scheduler.User, error) {
	list := []scheduler.User{}
	err := each(ctx, q, query, args, func(rows *sql.Rows) error {
		var u scheduler.User
		var created, login int64
		err := rows.Scan(&u.ID, &u.Name, &u.PasswordHash, (*string)(&u.Role), &created, &login)
		u.CreatedAt, u.LastLoginAt = fromMicros(created), fromMicros(login)
		list = append(list, u)
		return err
	})
	return list, err
}

func (s *Store) oneUser(ctx context.Context, cond, arg string) (scheduler.User, error) {
	list, err := someUsers(ctx, s.read, "SELECT "+userColumns+" FROM users WHERE "+cond, arg)
	if err != nil {
		return scheduler.User{}, err
	}
	if len(list) == 0 {
		return scheduler.User{}, noUser(arg)
	}
	return list[0], nil
}

func noUser(what string) error { return notFound("there is no user %q", what) }

// User returns a user by id.
func (s *Store) User(ctx context.Context, id string) (scheduler.User, error) {
	return s.oneUser(ctx, "id = $1", id)
}

// UserByName returns a user by the exact name.
func (s *Store) UserByName(ctx context.Context, name string) (scheduler.User, error) {
	return s.oneUser(ctx, "name = $1", clean(name))
}

// ListUsers lists all users by name.
func (s *Store) ListUsers(ctx context.Context) ([]scheduler.User, error) {
	list, err := someUsers(ctx, s.read, "SELECT "+userColumns+" FROM users")
	sortFolded(list, func(u scheduler.User) string { return u.Name })
	return list, err
}

// InsertUser stores a user.
func (t *tx) InsertUser(ctx context.Context, u scheduler.User) error {
	n, err := t.exec(ctx, "INSERT INTO users ("+userColumns+") VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
		u.ID, clean(u.Name), u.PasswordHash, string(u.Role), micros(u.CreatedAt), micros(u.LastLoginAt))
	if err == nil && n == 0 {
		err = scheduler.ErrNameTaken
	}
	return err
}

// UpdateUser stores u. CodeNotFound: there is no such user; CodeConflict: the
// name is taken.
func (t *tx) UpdateUser(ctx context.Context, u scheduler.User) error {
	var other string
	taken, err := get(ctx, t, "SELECT id FROM users WHERE name = $1 AND id <> $2", []any{clean(u.Name), u.ID}, &other)
	if err != nil {
		return err
	}
	if taken {
		return scheduler.ErrNameTaken
	}
	n, err := t.exec(ctx, `UPDATE users SET name = $2, password_hash = $3, role = $4, created_at = $5, last_login_at = $6
		WHERE id = $1`, u.ID, clean(u.Name), u.PasswordHash, string(u.Role), micros(u.CreatedAt), micros(u.LastLoginAt))
	if scheduler.CodeOf(err) == scheduler.CodeConflict {
		return scheduler.ErrNameTaken
	}
	if err == nil && n == 0 {
		err = noUser(u.ID)
	}
	return err
}

// DeleteUser deletes a user with the logins, and revokes the tokens.
func (t *tx) DeleteUser(ctx context.Context, id string) error {
	if _, err := t.exec(ctx, "UPDATE tokens SET revoked_at = $2, holds_name = $3 WHERE user_id = $1 AND revoked_at = 0",
		id, time.Now().UnixMicro(), false); err != nil {
		return err
	}
	n, err := t.exec(ctx, "DELETE FROM users WHERE id = $1", id) // the logins go with it
	if err == nil && n == 0 {
		err = noUser(id)
	}
	return err
}

// CountAdmins counts the admins, and on PostgreSQL keeps them admins until the
// transaction ends: two of them cannot remove each other at once.
func (t *tx) CountAdmins(ctx context.Context) (n int, err error) {
	err = each(ctx, t, "SELECT id FROM users WHERE role = $1 ORDER BY id"+t.s.dialect.update,
		[]any{string(scheduler.Admin)}, func(*sql.Rows) error {
			n++
			return nil
		})
	return n, err
}
