package handlers

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// userIn is what the settings send about a user. Which of it counts depends on
// the address.
type userIn struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Role     string `json:"role"`
}

func readUser(c echo.Context) (userIn, error) {
	var in userIn
	if httpkit.IsJSON(c.Request()) {
		return in, httpkit.JSON(c, &in)
	}
	values, err := httpkit.Form(c)
	return userIn{values.Get("username"), values.Get("password"), values.Get("role")}, err
}

func (s *Server) showSettings(c echo.Context) error {
	return c.Redirect(http.StatusSeeOther, "/settings/users")
}

func (s *Server) listUsers(c echo.Context) error {
	q, err := listQuery(c.Request(), userOrders.names())
	if err != nil {
		return err
	}
	return s.usersPage(c, http.StatusOK, views.UsersProps{Query: q})
}

func (s *Server) usersPage(c echo.Context, status int, props views.UsersProps) error {
	if err := needs(c, scheduler.Admin, "seeing the users"); err != nil {
		return err
	}
	users, err := s.Store.ListUsers(c.Request().Context())
	if err != nil {
		return err
	}
	users = slices.DeleteFunc(users, func(u scheduler.User) bool { return !hasText(props.Query.Q, u.Name) })
	userOrders.sort(users, props.Query.Sort)
	if props.Query.Limit == 0 { // after a form that was wrong: the page that says so
		props.Query.Limit = pageSize
		at := slices.IndexFunc(users, func(u scheduler.User) bool { return u.Name == props.On })
		props.Query.Offset = max(at, 0) / pageSize * pageSize
	}
	users, props.Total = pageOf(users, props.Query.Limit, props.Query.Offset)
	var items []userOut
	self := httpkit.Principal(c).UserID
	for _, u := range users {
		items = append(items, presentUser(u))
		props.Users = append(props.Users, views.UserRow{User: u, Self: u.ID == self})
	}
	props.Page = s.page(c, "Users", views.NavSettings)
	return respond(c, status, answer{
		page: views.SettingsUsersPage(props), json: listOf(items, props.Total),
		file: "users", table: func() [][]string { return userTable(users) },
	})
}

func (s *Server) createUser(c echo.Context) error {
	in, err := readUser(c)
	if err != nil {
		return err
	}
	u, err := s.Service.CreateUser(c.Request().Context(), httpkit.Principal(c), in.Username, in.Password, scheduler.Role(in.Role))
	if err != nil {
		return s.refuseUser(c, "", in, err)
	}
	return s.done(c, http.StatusCreated, "/settings/users", good("Added "+u.Name+"."), answer{json: presentUser(u)})
}

func (s *Server) setRole(c echo.Context) error {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	in, err := readUser(c)
	if err != nil {
		return err
	}
	if err := s.Service.SetRole(c.Request().Context(), httpkit.Principal(c), name, scheduler.Role(in.Role)); err != nil {
		return s.refuseUser(c, name, in, err)
	}
	return s.done(c, http.StatusNoContent, "/settings/users", good(name+" is "+in.Role+" now."), answer{})
}

func (s *Server) setPassword(c echo.Context) error {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	in, err := readUser(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := s.Service.SetPassword(ctx, httpkit.Principal(c), name, in.Password); err != nil {
		return s.refuseUser(c, name, in, err)
	}
	if err := s.stayIn(ctx, c, name); err != nil {
		return err
	}
	return s.done(c, http.StatusNoContent, "/settings/users", good("Changed the password of "+name+"; its sessions have ended."), answer{})
}

// stayIn gives whoever changed their own password in a page a new session: the
// change has ended all of them.
func (s *Server) stayIn(ctx context.Context, c echo.Context, name string) error {
	by := httpkit.Principal(c)
	if by.Name != name || by.Via != scheduler.ViaPage {
		return nil
	}
	u, err := s.Store.UserByName(ctx, name)
	if err != nil {
		return err
	}
	l, err := s.Service.LogIn(ctx, u, c.RealIP(), c.Request().UserAgent(), s.SessionLifetime)
	if err != nil {
		return err
	}
	session, err := s.session(c)
	if err != nil {
		return err
	}
	return s.begin(c, session, l)
}

func (s *Server) deleteUser(c echo.Context) error {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	if err := s.Service.DeleteUser(c.Request().Context(), httpkit.Principal(c), name); err != nil {
		return s.refuseUser(c, name, userIn{}, err)
	}
	return s.done(c, http.StatusNoContent, "/settings/users", good("Deleted "+name+"."), answer{})
}

// refuseUser shows the page again with what is wrong: beside the new user's
// fields, or in the row of the user on.
func (s *Server) refuseUser(c echo.Context, on string, in userIn, err error) error {
	var domain *scheduler.Error
	if form(c.Request()) != asPage || !errors.As(err, &domain) || !shownBeside(domain.Code) {
		return err
	}
	props := views.UsersProps{
		On: on, Values: map[string]string{"username": in.Username, "role": in.Role}, Errors: fieldMap(domain.Fields),
	}
	if len(domain.Fields) == 0 {
		props.Problem = domain.Message
	}
	return s.usersPage(c, http.StatusUnprocessableEntity, props)
}

// shownBeside are the codes that are about what was typed.
func shownBeside(code scheduler.Code) bool {
	return code == scheduler.CodeInvalid || code == scheduler.CodeConflict
}

func good(text string) views.Flash { return views.Flash{Kind: views.FlashGood, Text: text} }
