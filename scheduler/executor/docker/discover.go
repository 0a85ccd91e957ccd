package docker

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// labelEnabled is what containers say that declare jobs.
const labelEnabled = "ofelia.enabled=true"

const debounce = 50 * time.Millisecond

// Container is one that the engine has.
type Container struct {
	ID      string
	Name    string
	Image   string
	State   string // as docker ps says it: running, exited, …
	Labels  map[string]string
	Running bool
}

// DiscoverOptions say which containers to look for, and when.
type DiscoverOptions struct {
	// Filters are as docker ps has them, like "label=team=a"; all must match.
	Filters []string
	// IncludeStopped lists containers that do not run too.
	IncludeStopped bool
	// Events looks whenever the engine says that something has changed.
	Events bool
	// PollInterval looks again and again; 0 is never, but every 10 seconds where
	// Events is off.
	PollInterval time.Duration
}

// Check says what is wrong with the filters. Discover with such does nothing.
func (o DiscoverOptions) Check() error {
	_, err := filtersOf(o.Filters)
	return err
}

// Discover calls changed with all containers that declare jobs: at the beginning,
// when they change, after each poll and after the connection was lost, until ctx
// ends. While the engine cannot be reached nothing is said: what was declared
// stays. Calls do not overlap.
func (e *Engine) Discover(ctx context.Context, o DiscoverOptions, changed func([]Container)) {
	const soon, late = 100 * time.Millisecond, 2 * time.Second
	filters, err := filtersOf(o.Filters)
	if err != nil {
		e.log.Error("docker discovery is off", "error", err)
	}
	if err != nil || e.opts.Disabled {
		<-ctx.Done()
		return
	}
	if o.PollInterval <= 0 && !o.Events {
		o.PollInterval = 10 * time.Second
	}
	for wait := soon; ctx.Err() == nil; wait = min(2*wait, late) {
		began := time.Now()
		err := e.discover(ctx, o, filters, changed)
		if err != nil && ctx.Err() == nil {
			e.failedCall(err)
			if time.Since(began) > late {
				wait = soon
			}
			e.log.Debug("docker discovery waits for the engine", "error", err)
			sleep(ctx, wait)
		}
	}
}

// discover does it until the connection is lost.
func (e *Engine) discover(ctx context.Context, o DiscoverOptions, filters client.Filters, changed func([]Container)) error {
	api, err := e.connect(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := e.guard(ctx, api)
	defer cancel()
	var events client.EventsResult
	if o.Events { // before the first look, so that nothing falls between
		events = api.Events(ctx, client.EventsListOptions{Filters: eventFilters()})
	}
	var poll <-chan time.Time
	if o.PollInterval > 0 {
		ticker := time.NewTicker(o.PollInterval)
		defer ticker.Stop()
		poll = ticker.C
	}
	var last []Container
	look := func(always bool) error {
		list, err := e.list(ctx, api, filters, o.IncludeStopped)
		if err == nil && (always || !reflect.DeepEqual(list, last)) {
			last = list
			changed(list)
		}
		return err
	}
	if err := look(true); err != nil {
		return err
	}
	var settle <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-events.Err:
			return cmp.Or(err, errLost)
		case <-events.Messages:
			if settle == nil {
				settle = time.After(debounce)
			}
		case <-settle:
			settle = nil
			if err := look(false); err != nil {
				return err
			}
		case <-poll:
			if err := look(true); err != nil {
				return err
			}
		}
	}
}

// eventFilters leave out what happens all the time, like health checks.
func eventFilters() client.Filters {
	return client.Filters{}.Add("type", "container").Add("label", labelEnabled).
		Add("event", "create", "start", "restart", "stop", "die", "destroy", "rename", "update", "pause", "unpause")
}

// filterNames are what an engine lists containers by; it answers others with an
// error, each time that it is asked.
var filterNames = []string{
	"ancestor", "before", "expose", "exited", "health", "id", "is-task", "isolation", "label", "name", "network", "publish", "since", "status", "volume",
}

func filtersOf(list []string) (client.Filters, error) {
	filters := client.Filters{}.Add("label", labelEnabled)
	for _, f := range list {
		key, value, ok := strings.Cut(f, "=")
		if !ok || strings.TrimSpace(key) == "" {
			return nil, errors.New(`a filter must be like "label=team=a": ` + f)
		}
		key = strings.ToLower(strings.TrimSpace(key))
		if !slices.Contains(filterNames, key) {
			return nil, errors.New("an engine does not filter by " + key + "; use one of " + strings.Join(filterNames, ", "))
		}
		filters.Add(key, value)
	}
	return filters, nil
}

// Containers lists all containers by name.
func (e *Engine) Containers(ctx context.Context) ([]Container, error) {
	api, err := e.connect(ctx)
	var list []Container
	if err == nil {
		list, err = e.list(ctx, api, nil, true)
	}
	if err != nil {
		e.failedCall(err)
		return nil, errors.New("docker: " + e.explain(err))
	}
	return list, nil
}

func (e *Engine) list(ctx context.Context, api *client.Client, filters client.Filters, all bool) ([]Container, error) {
	ctx, cancel := brief(ctx)
	defer cancel()
	found, err := api.ContainerList(ctx, client.ContainerListOptions{All: all, Filters: filters})
	if err != nil {
		return nil, err
	}
	list := make([]Container, 0, len(found.Items))
	for _, c := range found.Items {
		name := ""
		if len(c.Names) > 0 {
			name = strings.TrimPrefix(c.Names[0], "/")
		}
		list = append(list, Container{
			ID: c.ID, Name: name, Image: c.Image, State: string(c.State), Labels: c.Labels,
			Running: c.State == container.StateRunning,
		})
	}
	slices.SortFunc(list, func(a, b Container) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}
