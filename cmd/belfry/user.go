package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"belfry/scheduler"
)

// admin is who the commands on the server's own machine act as: whoever may read
// the data folder may do this.
func admin() scheduler.Principal {
	name := os.Getenv("USER")
	if name == "" {
		name = "root"
	}
	return scheduler.Principal{Name: name, Role: scheduler.Admin, Via: scheduler.ViaCLI}
}

// withService runs fn on the service over the stored data, beside a running
// server or without one.
func withService(ctx context.Context, f dataFlags, c *console, fn func(*scheduler.Service) error) error {
	log := logFlags{}.logger(c.stderr, new(slog.LevelVar))
	store, err := f.open(ctx, log)
	if err != nil {
		return err
	}
	err = fn(scheduler.New(scheduler.Options{
		Store: store, Passwords: newPasswords(), Now: time.Now, NewID: newID, Log: log,
	}))
	if closing := store.Close(); err == nil {
		err = closing
	}
	return explainNil(err)
}

func explainNil(err error) error {
	if err == nil {
		return nil
	}
	return explain(err)
}

// newID makes ids that sort by the time they were made.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

type userCmd struct {
	Add    userAddCmd    `cmd:"" help:"Add a user. The password is read from standard input, or generated."`
	Passwd userPasswdCmd `cmd:"" help:"Change a password and end the user's sessions. Read from standard input, or generated."`
	List   userListCmd   `cmd:"" help:"List the users."`
}

type userAddCmd struct {
	dataFlags
	Name     string         `arg:"" help:"Name to log in with."`
	Role     scheduler.Role `help:"viewer, operator, editor or admin." default:"viewer"`
	Generate bool           `help:"Generate a password and print it."`
}

// Run adds a user.
func (u *userAddCmd) Run(ctx context.Context, c *console) error {
	password, err := newPassword(c, u.Generate)
	if err != nil {
		return err
	}
	return withService(ctx, u.dataFlags, c, func(s *scheduler.Service) error {
		if _, err := s.CreateUser(ctx, admin(), u.Name, password, u.Role); err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "added %s (%s)\n", u.Name, u.Role)
		return nil
	})
}

type userPasswdCmd struct {
	dataFlags
	Name     string `arg:"" help:"Whose password."`
	Generate bool   `help:"Generate a password and print it."`
}

// Run changes a password.
func (u *userPasswdCmd) Run(ctx context.Context, c *console) error {
	password, err := newPassword(c, u.Generate)
	if err != nil {
		return err
	}
	return withService(ctx, u.dataFlags, c, func(s *scheduler.Service) error {
		if err := s.SetPassword(ctx, admin(), u.Name, password); err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "changed the password of %s; its sessions have ended\n", u.Name)
		return nil
	})
}

// newPassword generates one and prints it, or reads one line of standard input.
func newPassword(c *console, generate bool) (string, error) {
	if generate {
		p := generatePassword()
		fmt.Fprintln(c.stdout, "password:", p)
		return p, nil
	}
	fmt.Fprint(c.stderr, "new password: ")
	line, err := bufio.NewReader(c.stdin).ReadString('\n')
	if err != nil && !(errors.Is(err, io.EOF) && line != "") {
		return "", errors.New("no password on standard input; use --generate to have one made")
	}
	return strings.TrimRight(line, "\r\n"), nil
}

type userListCmd struct{ dataFlags }

// Run lists the users.
func (u *userListCmd) Run(ctx context.Context, c *console) error {
	return withService(ctx, u.dataFlags, c, func(s *scheduler.Service) error {
		users, err := s.Store.ListUsers(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tROLE\tCREATED\tLAST LOGIN")
		for _, x := range users {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.Name, x.Role, stamp(x.CreatedAt), stamp(x.LastLoginAt))
		}
		return w.Flush()
	})
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04:05 -07:00")
}
