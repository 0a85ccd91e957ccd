package handlers

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// Configuration is what files and labels of containers say.
type Configuration interface {
	State() ConfigurationState
	// Reload reads them again. It needs the role admin. CodeInvalid: something is
	// wrong, and nothing was changed.
	Reload(ctx context.Context, by scheduler.Principal) (scheduler.Applied, error)
}

// ConfigurationState is a configuration as it is in force.
type ConfigurationState struct {
	Names   []string       // of files, and patterns, that are read
	Files   []string       // that they stand for
	Loaded  time.Time      // when they were read
	Jobs    int            // that they and labels define
	Global  map[string]any // values for all jobs, without secrets
	Refused []string       // why the last reading changed nothing
	Labels  []string       // what is wrong with labels
}

// Container is one that a Docker engine has.
type Container struct {
	Name  string `json:"name"`
	Image string `json:"image"`
	State string `json:"state"`
}

type configurationOut struct {
	Names    []string       `json:"names"`
	Files    []string       `json:"files"`
	LoadedAt instant        `json:"loaded_at"`
	Jobs     int            `json:"jobs"`
	Global   map[string]any `json:"global"`
	Refused  []string       `json:"refused"`
	Labels   []string       `json:"labels"`
}

func (s *Server) showConfiguration(c echo.Context) error {
	return s.configurationPage(c, http.StatusOK)
}

func (s *Server) configurationPage(c echo.Context, status int) error {
	if err := needs(c, scheduler.Admin, "seeing the configuration"); err != nil {
		return err
	}
	state := s.Configuration.State()
	props := views.ConfigurationProps{
		Page: s.page(c, "Configuration", views.NavSettings), Names: state.Names, Files: state.Files, Loaded: state.Loaded,
		Jobs: state.Jobs, Global: state.Global, Refused: state.Refused, Labels: state.Labels,
	}
	return respond(c, status, answer{page: views.SettingsConfigurationPage(props), json: configurationOut{
		orEmpty(state.Names), orEmpty(state.Files), instant(state.Loaded), state.Jobs, state.Global,
		orEmpty(state.Refused), orEmpty(state.Labels),
	}})
}

// reloadConfiguration reads everything again. What is wrong is on the page.
func (s *Server) reloadConfiguration(c echo.Context) error {
	done, err := s.Configuration.Reload(c.Request().Context(), httpkit.Principal(c))
	var invalid *scheduler.Error
	if errors.As(err, &invalid) && invalid.Code == scheduler.CodeInvalid && form(c.Request()) != asJSON {
		return s.configurationPage(c, http.StatusUnprocessableEntity)
	}
	if err != nil {
		return err
	}
	said := good(views.AppliedWords(done.Added, done.Updated, done.Removed))
	return s.done(c, http.StatusOK, "/settings/configuration", said, answer{json: appliedOut(done)})
}

type appliedOut struct {
	Added   int `json:"added"`
	Updated int `json:"updated"`
	Removed int `json:"removed"`
}

// listContainers is for the field of the form that names one: it offers nothing
// while the engine does not answer.
func (s *Server) listContainers(c echo.Context) error {
	if err := needs(c, scheduler.Editor, "seeing containers"); err != nil {
		return err
	}
	list, err := s.Containers(c.Request().Context())
	if err != nil && form(c.Request()) == asJSON {
		return scheduler.Errorf(scheduler.CodeUnavailable, "the Docker engine does not answer")
	}
	slices.SortFunc(list, func(a, b Container) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	options := make([]views.Choice, len(list))
	for i, one := range list {
		options[i] = views.Choice{Value: one.Name, Label: one.Image + ", " + one.State}
	}
	return respond(c, http.StatusOK, answer{
		page: views.ContainerChoices(options), fragment: views.ContainerChoices(options),
		json: listOf(list, scheduler.Total{N: int64(len(list))}),
	})
}
