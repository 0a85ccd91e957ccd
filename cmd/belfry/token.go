package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"belfry/scheduler"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make an API token and print it; it cannot be shown again."`
	List   tokenListCmd   `cmd:"" help:"List the API tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"Make a token useless at once."`
}

type tokenCreateCmd struct {
	dataFlags
	Name    string         `arg:"" help:"What the token is for."`
	Role    scheduler.Role `help:"viewer, operator, editor or admin." default:"operator"`
	Expires time.Duration  `help:"How long it works, as 720h; 0 is for ever." default:"0"`
}

// Run makes a token.
func (t *tokenCreateCmd) Run(ctx context.Context, c *console) error {
	return withService(ctx, t.dataFlags, c, func(s *scheduler.Service) error {
		_, secret, err := s.CreateToken(ctx, admin(), t.Name, t.Role, t.Expires)
		if err != nil {
			return err
		}
		fmt.Fprintln(c.stdout, secret)
		return nil
	})
}

type tokenListCmd struct{ dataFlags }

// Run lists the tokens.
func (t *tokenListCmd) Run(ctx context.Context, c *console) error {
	return withService(ctx, t.dataFlags, c, func(s *scheduler.Service) error {
		tokens, err := s.Store.ListTokens(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tROLE\tCREATED\tEXPIRES\tLAST USED\tSTATE")
		for _, x := range tokens {
			state := "live"
			if !x.RevokedAt.IsZero() {
				state = "revoked"
			} else if !x.Live(time.Now()) {
				state = "expired"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", x.Name, x.Role, stamp(x.CreatedAt), stamp(x.ExpiresAt), stamp(x.LastUsedAt), state)
		}
		return w.Flush()
	})
}

type tokenRevokeCmd struct {
	dataFlags
	Name string `arg:"" help:"The token's name."`
}

// Run revokes a token.
func (t *tokenRevokeCmd) Run(ctx context.Context, c *console) error {
	return withService(ctx, t.dataFlags, c, func(s *scheduler.Service) error {
		tokens, err := s.Store.ListTokens(ctx)
		if err != nil {
			return err
		}
		for _, x := range tokens {
			if x.Name == t.Name && x.RevokedAt.IsZero() {
				if err := s.RevokeToken(ctx, admin(), x.ID); err != nil {
					return err
				}
				fmt.Fprintln(c.stdout, "revoked", x.Name)
				return nil
			}
		}
		return fmt.Errorf("no live token is named %s", t.Name)
	})
}
