package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// ClassService is the catalogue of job classes.
type ClassService interface {
	Classes() []scheduler.JobClass
	CreateClass(ctx context.Context, by scheduler.Principal, c scheduler.JobClass) error
	UpdateClass(ctx context.Context, by scheduler.Principal, c scheduler.JobClass) error
	DeleteClass(ctx context.Context, by scheduler.Principal, name string) error
}

type classArgument struct {
	Type        string `json:"type"`
	Description string `json:"description"`
}

type classOut struct {
	Name      string          `json:"name"`
	Notes     string          `json:"notes"`
	Executor  string          `json:"executor"`
	Template  json.RawMessage `json:"template"`
	Arguments []classArgument `json:"arguments"`
	Example   json.RawMessage `json:"example"`
	Source    string          `json:"source"` // "": it can be changed here
}

func presentClass(c scheduler.JobClass) classOut {
	out := classOut{
		Name: c.Name, Notes: c.Notes, Executor: c.Executor, Template: rawOrNull(string(c.Template)),
		Arguments: []classArgument{}, Example: rawOrNull(string(c.Example)), Source: c.Source,
	}
	for _, a := range c.Arguments {
		out.Arguments = append(out.Arguments, classArgument(a))
	}
	return out
}

// classIn is a class that is sent. Its name may come in the path.
type classIn struct {
	Name      string          `json:"name"`
	Notes     string          `json:"notes"`
	Executor  string          `json:"executor"`
	Template  json.RawMessage `json:"template"`
	Arguments []classArgument `json:"arguments"`
	Example   json.RawMessage `json:"example"`
}

// readClass also returns what was typed, for the form.
func readClass(c echo.Context) (scheduler.JobClass, map[string]string, error) {
	var in classIn
	var typed map[string]string
	if httpkit.IsJSON(c.Request()) {
		if err := httpkit.JSON(c, &in); err != nil {
			return scheduler.JobClass{}, nil, err
		}
	} else {
		values, err := httpkit.Form(c)
		if err != nil {
			return scheduler.JobClass{}, nil, err
		}
		typed = map[string]string{}
		for _, name := range []string{"name", "notes", "executor", "template", "arguments", "example"} {
			typed[name] = formText(values, name)
		}
		in = classIn{
			Name: typed["name"], Notes: typed["notes"], Executor: typed["executor"], Arguments: argumentLines(typed["arguments"]),
			Template: json.RawMessage(strings.TrimSpace(typed["template"])), Example: json.RawMessage(strings.TrimSpace(typed["example"])),
		}
	}
	class := scheduler.JobClass{Name: in.Name, Notes: in.Notes, Executor: in.Executor, Template: notNull(in.Template), Example: notNull(in.Example)}
	for _, a := range in.Arguments {
		class.Arguments = append(class.Arguments, scheduler.ClassArgument(a))
	}
	return class, typed, nil
}

func notNull(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return raw
}

// argumentLines reads a line each: "type: description", or the description.
func argumentLines(text string) (list []classArgument) {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		kind, description, ok := strings.Cut(line, ":")
		if !ok {
			kind, description = "", line
		}
		list = append(list, classArgument{strings.TrimSpace(kind), strings.TrimSpace(description)})
	}
	return list
}

func (s *Server) listClasses(c echo.Context) error {
	q, err := listQuery(c.Request(), classOrders.names())
	if err != nil {
		return err
	}
	return s.classesPage(c, http.StatusOK, views.ClassesProps{Query: q, Values: map[string]string{"executor": "shell"}})
}

func (s *Server) classesPage(c echo.Context, status int, props views.ClassesProps) error {
	if err := needs(c, scheduler.Admin, "seeing the job classes"); err != nil {
		return err
	}
	list := slices.DeleteFunc(s.Service.Classes(), func(one scheduler.JobClass) bool { return !hasText(props.Query.Q, one.Name, one.Notes) })
	classOrders.sort(list, props.Query.Sort)
	if props.Query.Limit == 0 { // after a form that was wrong
		props.Query.Limit = pageSize
	}
	props.Classes, props.Total = pageOf(list, props.Query.Limit, props.Query.Offset)
	items := make([]classOut, len(props.Classes))
	for i, one := range props.Classes {
		items[i] = presentClass(one)
	}
	props.Page, props.Executors = s.page(c, "Job classes", views.NavSettings), s.classExecutors()
	return respond(c, status, answer{
		page: views.SettingsClassesPage(props), json: listOf(items, props.Total),
		file: "classes", table: func() [][]string { return classTable(items) },
	})
}

// classExecutors are what classes can be run by.
func (s *Server) classExecutors() []string {
	kinds := slices.DeleteFunc(slices.Clone(s.Executors), func(kind string) bool { return kind == scheduler.ClassExecutor || kind == "unsupported" })
	return append(kinds, scheduler.ClassPython, scheduler.ClassNoop)
}

func (s *Server) showClass(c echo.Context) error {
	class, err := s.class(c)
	if err != nil {
		return err
	}
	return s.classPage(c, http.StatusOK, views.ClassesProps{Class: class, Values: views.ClassValues(class)})
}

func (s *Server) classPage(c echo.Context, status int, props views.ClassesProps) error {
	if err := needs(c, scheduler.Admin, "seeing the job classes"); err != nil {
		return err
	}
	props.Page, props.Executors = s.page(c, props.Class.Name, views.NavSettings), s.classExecutors()
	return respond(c, status, answer{page: views.SettingsClassPage(props), json: presentClass(props.Class)})
}

// class finds the class of the path.
func (s *Server) class(c echo.Context) (scheduler.JobClass, error) {
	if err := needs(c, scheduler.Admin, "seeing the job classes"); err != nil {
		return scheduler.JobClass{}, err
	}
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return scheduler.JobClass{}, err
	}
	for _, class := range s.Service.Classes() {
		if class.Name == name {
			return class, nil
		}
	}
	return scheduler.JobClass{}, scheduler.Errorf(scheduler.CodeNotFound, "there is no job class of that name")
}

func (s *Server) createClass(c echo.Context) error {
	class, typed, err := readClass(c)
	if err != nil {
		return err
	}
	if err := s.Service.CreateClass(c.Request().Context(), httpkit.Principal(c), class); err != nil {
		return s.refuseClass(c, views.ClassesProps{Values: typed}, err)
	}
	return s.done(c, http.StatusCreated, views.ClassPath(strings.TrimSpace(class.Name)), good("Made the job class "+class.Name+"."), answer{json: presentClass(class)})
}

func (s *Server) updateClass(c echo.Context) error {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	class, typed, err := readClass(c)
	if err != nil {
		return err
	}
	if class.Name != "" && class.Name != name {
		return scheduler.Invalid("name", "a job class keeps its name; make another one")
	}
	class.Name = name
	if err := s.Service.UpdateClass(c.Request().Context(), httpkit.Principal(c), class); err != nil {
		return s.refuseClass(c, views.ClassesProps{Class: scheduler.JobClass{Name: name}, Values: typed}, err)
	}
	return s.done(c, http.StatusOK, views.ClassPath(name), good("Saved the job class."), answer{json: presentClass(class)})
}

func (s *Server) deleteClass(c echo.Context) error {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	if err := s.Service.DeleteClass(c.Request().Context(), httpkit.Principal(c), name); err != nil {
		return err
	}
	return s.done(c, http.StatusNoContent, "/settings/classes", good("Deleted the job class "+name+"."), answer{})
}

// refuseClass shows the form again with what is wrong.
func (s *Server) refuseClass(c echo.Context, props views.ClassesProps, err error) error {
	var domain *scheduler.Error
	if form(c.Request()) != asPage || props.Values == nil || !errors.As(err, &domain) || !shownBeside(domain.Code) {
		return err
	}
	props.Errors = fieldMap(domain.Fields)
	if len(domain.Fields) == 0 {
		props.Problem = domain.Message
	}
	if props.Class.Name == "" {
		return s.classesPage(c, http.StatusUnprocessableEntity, props)
	}
	return s.classPage(c, http.StatusUnprocessableEntity, props)
}

// classChoice is a class as who makes jobs sees it.
type classChoice struct {
	Name      string          `json:"name"`
	Notes     string          `json:"notes"`
	Arguments []classArgument `json:"arguments"`
	Example   json.RawMessage `json:"example"`
}

// offerClasses is for the field of the job form that names one.
func (s *Server) offerClasses(c echo.Context) error {
	if err := needs(c, scheduler.Editor, "seeing the job classes"); err != nil {
		return err
	}
	var list []classChoice
	var options []views.Choice
	for _, class := range s.Service.Classes() {
		out := presentClass(class)
		list = append(list, classChoice{out.Name, out.Notes, out.Arguments, out.Example})
		options = append(options, views.Choice{Value: class.Name, Label: class.Notes})
	}
	return respond(c, http.StatusOK, answer{
		page: views.ClassChoices(options), fragment: views.ClassChoices(options),
		json: listOf(list, scheduler.Total{N: int64(len(list))}),
	})
}
