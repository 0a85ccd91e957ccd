package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"belfry/handlers"
	"belfry/handlers/httpkit"
	"belfry/handlers/ofelia"
	"belfry/handlers/worker"
	"belfry/scheduler"
	"belfry/scheduler/executor/docker"
	"belfry/scheduler/jobfile"
	"belfry/scheduler/metrics"
)

// executorKinds are the kinds of job there are, in the order of pages.
var executorKinds = []string{"shell", "http", "docker-exec", "docker-run", "docker-service", scheduler.ClassExecutor, "unsupported"}

// ofelia is the API of that name.
func (a *app) ofelia(door httpkit.Doorman) httpkit.Dialect {
	api := ofelia.New(ofelia.Options{
		Service: a.service, Store: a.store, Timetable: a.timer, Executors: executorKinds, Hub: a.hub, Door: door,
		Configuration: a.config, CORS: a.config.cors, Metrics: a.metrics, MetricsAuth: a.flags.MetricsAuth,
		Ready: a.ready, Docker: func(ctx context.Context) string { return string(a.engine.Ping(ctx)) },
		RateLimit: a.flags.APIRateLimit, RateBurst: a.flags.APIRateBurst, Now: time.Now,
	})
	a.metrics.Register("belfry_websocket_clients", "Open WebSockets of the Ofelia API.", func() float64 { return float64(api.Sockets()) })
	return api
}

// workers is what remote workers talk to.
func (a *app) workers(httpkit.Doorman) httpkit.Dialect {
	return worker.New(worker.Options{Service: a.service, Now: time.Now, Stopping: a.closing})
}

// measure makes what Prometheus reads.
func (a *app) measure() *metrics.Metrics {
	soon := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), 5*time.Second)
	}
	return metrics.New(a.hub, metrics.Options{
		Version: versionText(), Job: a.store.Job, Readers: a.hub.Readers,
		Usage: func() (int, int) { return a.pool.Usage() },
		Database: func() (int64, error) {
			ctx, cancel := soon()
			defer cancel()
			return a.store.Size(ctx)
		},
		Queued: func() (int64, error) {
			ctx, cancel := soon()
			defer cancel()
			_, total, err := a.store.ListExecutions(ctx, scheduler.ExecutionFilter{States: []scheduler.State{scheduler.Queued}, Limit: 1})
			return total.N, err
		},
	})
}

// dockerEngine makes the engine that the flag names, or else the configuration.
func (a *app) dockerEngine() error {
	instance, err := a.flags.instance()
	if err != nil {
		return err
	}
	host := a.flags.Docker
	if host == "" {
		host = a.flags.dockerHost
	}
	a.engine = docker.New(docker.Options{Host: hostOrEmpty(host), Instance: instance, Disabled: host == "off", Log: a.log})
	return nil
}

func hostOrEmpty(host string) string {
	if host == "off" {
		return ""
	}
	return host
}

// startConfiguration takes what files define before anything fires.
func (a *app) startConfiguration(ctx context.Context) error {
	_, err := a.config.Reload(ctx, scheduler.Server)
	return err
}

// watchConfiguration reads the files again when they change, or on SIGHUP.
func (a *app) watchConfiguration(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	a.config.watch(ctx, hup)
}

// applyGlobal takes values of a configuration that hold at once. The engine's and
// the server's own address hold from the next start on.
func (a *app) applyGlobal(g jobfile.Global) {
	var level slog.Level
	if a.flags.LogLevel == nil && level.UnmarshalText([]byte(g.LogLevel)) == nil {
		a.level.Set(level)
	}
	a.discovery.restart(func(ctx context.Context) {
		a.engine.Discover(ctx, docker.DiscoverOptions{
			Filters: g.DockerFilters, IncludeStopped: g.DockerIncludeStopped, Events: g.DockerEvents, PollInterval: g.DockerPollInterval,
		}, func(list []docker.Container) { a.config.labelled(ctx, list) })
	}, g.DockerFilters, g.DockerIncludeStopped, g.DockerEvents, g.DockerPollInterval)
}

// containers lists what the engine has, for the form.
func (a *app) containers(ctx context.Context) ([]handlers.Container, error) {
	all, err := a.engine.Containers(ctx)
	list := make([]handlers.Container, len(all))
	for i, c := range all {
		list[i] = handlers.Container{Name: c.Name, Image: c.Image, State: c.State}
	}
	return list, err
}

// runOnStart runs the jobs that ask for it.
func (a *app) runOnStart(ctx context.Context) {
	if err := a.service.RunOnStart(ctx); err != nil && ctx.Err() == nil {
		a.log.Error("run what runs at the start", "error", err)
	}
}

// discovery runs the one search for labels that there is.
type discovery struct {
	mu   sync.Mutex
	key  string
	end  context.CancelFunc
	done sync.WaitGroup
}

// restart ends the search that runs and begins another, unless it is the same by
// its options; nil ends it.
func (d *discovery) restart(search func(context.Context), options ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := fmt.Sprintf("%#v", options)
	if search != nil && d.end != nil && key == d.key {
		return
	}
	if d.end != nil {
		d.end()
		d.end = nil
		if search == nil {
			d.done.Wait()
		}
	}
	if search == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.key, d.end = key, cancel
	d.done.Go(func() { search(ctx) })
}
