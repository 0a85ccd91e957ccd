package handlers

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// tokenIn is a token to make. Programs say TTL, the page's list of choices days.
type tokenIn struct {
	Name    string `json:"name"`
	Role    string `json:"role"`
	TTL     string `json:"ttl"`
	Expires string `json:"-"`
}

// lifetime is how long the token lasts; 0 is for ever.
func (in tokenIn) lifetime() (time.Duration, error) {
	if in.Expires != "" {
		days, err := strconv.Atoi(in.Expires)
		if err != nil || days < 1 || days > 3650 {
			return 0, scheduler.Invalid("expires", "must be a number of days, at most 3650")
		}
		return time.Duration(days) * 24 * time.Hour, nil
	}
	if in.TTL == "" {
		return 0, nil
	}
	ttl, err := time.ParseDuration(in.TTL)
	if err != nil || ttl <= 0 {
		return 0, scheduler.Invalid("ttl", "is not a duration; write it like 720h")
	}
	return ttl, nil
}

func readToken(c echo.Context) (tokenIn, error) {
	var in tokenIn
	if httpkit.IsJSON(c.Request()) {
		return in, httpkit.JSON(c, &in)
	}
	values, err := httpkit.Form(c)
	return tokenIn{values.Get("name"), values.Get("role"), values.Get("ttl"), strings.TrimSpace(values.Get("expires"))}, err
}

func (s *Server) listTokens(c echo.Context) error {
	q, err := listQuery(c.Request(), tokenOrders.names())
	if err != nil {
		return err
	}
	return s.tokensPage(c, http.StatusOK, views.TokensProps{Query: q})
}

func (s *Server) tokensPage(c echo.Context, status int, props views.TokensProps) error {
	if err := needs(c, scheduler.Admin, "seeing the tokens"); err != nil {
		return err
	}
	ctx := c.Request().Context()
	tokens, err := s.Store.ListTokens(ctx)
	if err != nil {
		return err
	}
	users, err := s.Store.ListUsers(ctx)
	if err != nil {
		return err
	}
	owner := map[string]string{}
	for _, u := range users {
		owner[u.ID] = u.Name
	}
	var rows []views.TokenRow
	for _, t := range tokens {
		if hasText(props.Query.Q, t.Name, owner[t.UserID]) {
			rows = append(rows, views.TokenRow{Token: t, Owner: owner[t.UserID]})
		}
	}
	tokenOrders.sort(rows, props.Query.Sort)
	if props.Query.Limit == 0 { // after a form
		props.Query.Limit = pageSize
	}
	props.Tokens, props.Total = pageOf(rows, props.Query.Limit, props.Query.Offset)
	var items []tokenOut
	for _, r := range props.Tokens {
		items = append(items, presentToken(r.Token, r.Owner))
	}
	props.Page = s.page(c, "API tokens", views.NavSettings)
	return respond(c, status, answer{
		page: views.SettingsTokensPage(props), json: listOf(items, props.Total),
		file: "tokens", table: func() [][]string { return tokenTable(items) },
	})
}

// createToken shows the secret in its own answer, the only time: it must not
// travel through a redirect.
func (s *Server) createToken(c echo.Context) error {
	in, err := readToken(c)
	if err != nil {
		return err
	}
	ttl, wrong := in.lifetime()
	if wrong != nil {
		ttl = -1 // the service refuses it with what else is wrong, after asking for the role
	}
	by := httpkit.Principal(c)
	t, secret, err := s.Service.CreateToken(c.Request().Context(), by, in.Name, scheduler.Role(in.Role), ttl)
	if err != nil {
		return s.refuseToken(c, in, mergeTTL(err, wrong))
	}
	if form(c.Request()) != asJSON {
		return s.tokensPage(c, http.StatusCreated, views.TokensProps{Secret: secret, SecretName: t.Name})
	}
	out := presentToken(t, by.Name)
	out.Secret = secret
	return respond(c, http.StatusCreated, answer{json: out})
}

// mergeTTL puts the words about what was typed in the place of the service's.
func mergeTTL(err, wrong error) error {
	var said, typed *scheduler.Error
	if !errors.As(err, &said) || said.Code != scheduler.CodeInvalid || !errors.As(wrong, &typed) {
		return err
	}
	merged := *said
	merged.Fields = append([]scheduler.FieldError{}, typed.Fields...)
	for _, f := range said.Fields {
		if f.Field != "ttl" {
			merged.Fields = append(merged.Fields, f)
		}
	}
	return &merged
}

func (s *Server) refuseToken(c echo.Context, in tokenIn, err error) error {
	var domain *scheduler.Error
	if form(c.Request()) != asPage || !errors.As(err, &domain) || !shownBeside(domain.Code) {
		return err
	}
	props := views.TokensProps{
		Values: map[string]string{"name": in.Name, "role": in.Role, "expires": in.Expires}, Errors: fieldMap(domain.Fields),
	}
	if len(domain.Fields) == 0 {
		props.Problem = domain.Message
	}
	return s.tokensPage(c, http.StatusUnprocessableEntity, props)
}

func (s *Server) revokeToken(c echo.Context) error {
	id, err := httpkit.Param(c, "id")
	if err != nil {
		return err
	}
	if err := s.Service.RevokeToken(c.Request().Context(), httpkit.Principal(c), id); err != nil {
		return err
	}
	return s.done(c, http.StatusNoContent, "/settings/tokens", good("Revoked the token."), answer{})
}
