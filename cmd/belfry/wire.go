package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"belfry/db"
	"belfry/handlers"
	"belfry/handlers/dkron"
	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/scheduler/events"
	"belfry/scheduler/executor/class"
	"belfry/scheduler/executor/docker"
	"belfry/scheduler/executor/shell"
	"belfry/scheduler/executor/unsupported"
	"belfry/scheduler/executor/web"
	"belfry/scheduler/metrics"
	"belfry/scheduler/notify"
	"belfry/scheduler/runner"
	"belfry/scheduler/timer"
)

// workerName is the embedded worker's. It is the same on every machine: nothing
// about a stored execution may depend on a host name that changes.
const workerName = "server"

// app is the object graph of a server and its three lifetimes: accept requests
// and fires, work on what was claimed, finish what has ended.
type app struct {
	flags   *serveCmd
	log     *slog.Logger
	level   *slog.LevelVar
	store   *db.Store
	service *scheduler.Service
	shell   *shell.Executor
	timer   *timer.Timer
	pool    *runner.Pool
	drain   *notify.Drain
	hub     *events.Hub
	metrics *metrics.Metrics
	engine  *docker.Engine
	config  *configuration
	pages   *handlers.Server
	http    *http.Server
	doors   doors
	failed  chan error    // a listener's end
	leaving chan struct{} // somebody wants the server to end
	closing chan struct{} // closed when requests that wait are to be answered

	endFires, endClaims, endSends, endChores, endWatch context.CancelFunc
	firing, claiming, sending, chores, watching        sync.WaitGroup
	discovery                                          discovery
}

// build makes everything and starts nothing but the database.
func build(ctx context.Context, c *serveCmd, log *slog.Logger, level *slog.LevelVar) (*app, error) {
	sh, err := shell.New(log)
	if err != nil {
		return nil, err
	}
	store, err := c.open(ctx, log)
	if err != nil {
		return nil, err
	}
	if err := c.readAddresses(ctx, store, log); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	a := &app{
		flags: c, log: log, level: level, store: store, shell: sh, timer: timer.New(time.Now), hub: events.New(), failed: make(chan error, 1), leaving: make(chan struct{}, 1),
		closing:  make(chan struct{}),
		endFires: func() {}, endClaims: func() {}, endSends: func() {}, endChores: func() {}, endWatch: func() {},
	}
	if err := a.dockerEngine(); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	a.metrics = a.measure()
	executors := executorsOf(sh, a.engine, log)
	classes := &class.Executor{Executors: maps.Clone(executors)}
	executors[scheduler.ClassExecutor] = classes
	senders := notify.Senders()
	maps.Copy(senders, notify.Processors(log))
	a.pool = runner.New(runner.Options{
		Worker: workerName, Tags: append(slices.Clone(c.Tags), dkron.ServerTags...), Slots: c.slots(), Executors: executors, Now: time.Now, Log: log,
	})
	a.service = scheduler.New(scheduler.Options{
		Store: store, Timetable: a.timer, Launcher: a.pool, Publisher: a.metrics, Executors: executors, Senders: senders,
		Passwords: newPasswords(), Now: time.Now, NewID: newID, Log: log, Machine: ownMachine,
		Keep: scheduler.Retention{MaxAge: c.KeepAge, MaxCount: c.KeepCount, MaxBytes: c.KeepBytes},
	})
	classes.Catalogue = a.service
	a.drain = &notify.Drain{Source: a.service, Senders: senders, Now: time.Now, Log: log}
	a.config = newConfiguration(c.Config, a.service, store, log)
	a.config.apply = a.applyGlobal
	a.pages, err = handlers.New(handlers.Options{
		Service: a.service, Store: store, Timetable: a.timer, Hub: a.hub,
		AuthNone: c.Auth == "none", SecureCookies: c.SecureCookies, TrustedProxies: c.TrustedProxies,
		SessionLifetime: c.SessionTTL, Version: versionText(), Now: time.Now, Zone: time.Local, Log: log,
		Executors: executorKinds, TokenTTL: c.APITokenTTL,
		DatabaseKind: c.databaseKind(), Backups: c.backups(), Settings: c.inForce(),
		Configuration: a.config, Containers: a.containers, Imports: importFormats(a.store, a.service),
		Dialects: []func(httpkit.Doorman) httpkit.Dialect{a.ofelia, a.workers, a.dkron(false), a.ndscheduler(false), a.coalition(false)},
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	a.http = a.newHTTP(a.pages)
	a.http.RegisterOnShutdown(a.hub.Close) // open streams would keep Shutdown waiting
	a.http.RegisterOnShutdown(sync.OnceFunc(func() { close(a.closing) }))
	return a, nil
}

func (a *app) newHTTP(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
}

// executorsOf are the kinds of job that the server, and every worker, can run.
func executorsOf(sh *shell.Executor, engine *docker.Engine, log *slog.Logger) map[string]scheduler.Executor {
	return map[string]scheduler.Executor{
		"shell": sh, "http": web.New(log),
		"docker-exec": engine.Exec(), "docker-run": engine.RunContainer(), "docker-service": engine.Service(),
		unsupported.Kind: unsupported.Executor{},
	}
}

// start brings the server up in the order that loses nothing: what an earlier
// life left is ended before anything is claimed, and the timetable is full before
// requests change it.
func (a *app) start(ctx context.Context, con *console) error {
	instance, err := a.flags.instance()
	if err != nil {
		return err
	}
	if err := a.shell.Start(instance); err != nil {
		return err
	}
	password, err := a.firstUser(ctx)
	if err != nil {
		return err
	}
	if err := a.service.LoadClasses(ctx); err != nil {
		return err
	}
	if err := a.service.BeginLife(ctx, nodeName(), os.Getpid()); err != nil {
		return err
	}
	lost, err := a.service.Recover(ctx, workerName, "lost: the server stopped without warning while it ran")
	if err != nil {
		return err
	}
	if lost > 0 {
		a.service.Log.Warn("executions were running when the server stopped", "lost", lost)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.flags.address())
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	a.doors.pages.Store(tcpAddr(listener))
	err = a.listenApart(ctx)
	if err == nil {
		err = a.startConfiguration(ctx)
	}
	if err == nil {
		err = a.startWork(ctx, url)
	}
	if err != nil {
		_ = listener.Close()
		a.doors.close()
		return err
	}
	a.serveApart()
	go func() {
		if err := a.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- err
		}
	}()
	a.flags.announce(con, url, password)
	if a.flags.Demo {
		openBrowser(ctx, url)
	}
	return nil
}

func (a *app) startWork(ctx context.Context, url string) error {
	scheduled, err := a.service.Resume(ctx)
	if err != nil {
		return err
	}
	if a.flags.Demo {
		if err := seedDemo(ctx, a.service, url); err != nil {
			return err
		}
	}
	a.endFires = begin(&a.firing, a.service.FireLoop)
	a.endWatch = begin(&a.watching, func(ctx context.Context) {
		a.watching.Go(func() { a.engine.Run(ctx) })
		a.watching.Go(func() { a.watchConfiguration(ctx) })
		a.watching.Go(func() { a.service.Tend(ctx) })
		a.watching.Go(func() { a.service.LookAfterTree(ctx) })
		a.service.Watch(ctx)
	})
	a.endClaims = begin(&a.claiming, func(ctx context.Context) { a.pool.Run(ctx, a.service) })
	a.endSends = begin(&a.sending, a.drain.Run)
	a.endChores = begin(&a.chores, func(ctx context.Context) {
		a.chores.Go(func() { a.retain(ctx) })
		a.chores.Go(func() { a.runOnStart(ctx) })
		a.chores.Go(func() { a.service.AuditLoop(ctx, a.flags.AuditKeep) })
		a.doChores(ctx, scheduled)
	})
	return a.timer.Start(a.service.Fire)
}

// begin runs work in its own goroutine until the returned function is called.
// It does not end with the command's context: stop ends each in its turn.
func begin(group *sync.WaitGroup, work func(context.Context)) context.CancelFunc {
	ctx, cancel := context.WithCancel(context.Background())
	group.Go(func() { work(ctx) })
	return cancel
}

// doChores does what nobody waits for: once a minute it brings the timetable in
// line with the store, purges deleted jobs, and forgets old sessions.
func (a *app) doChores(ctx context.Context, scheduled map[string]bool) {
	every := time.NewTicker(time.Minute)
	defer every.Stop()
	for {
		if err := a.service.PurgeDeleted(ctx); err != nil && ctx.Err() == nil {
			a.service.Log.Error("purge deleted jobs", "error", err)
		}
		if err := a.store.DropExpired(ctx, time.Now()); err != nil && ctx.Err() == nil {
			a.service.Log.Error("forget old sessions", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		var err error
		if scheduled, err = a.service.Load(ctx, scheduled); err != nil && ctx.Err() == nil {
			a.service.Log.Error("reconcile the timetable", "error", err)
		}
	}
}

// retain deletes what is not to be kept, every minute, and while there is more of
// it with a pause for others in between.
func (a *app) retain(ctx context.Context) {
	for wait := time.Minute; ; { // a start has other things to do
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = time.Minute
		more, err := a.service.Retain(ctx)
		if err != nil && ctx.Err() == nil {
			a.service.Log.Error("delete old executions", "error", err)
		} else if more {
			wait = time.Second
		}
	}
}

// firstUser makes admin when there is no user, and returns the password if it
// was generated.
func (a *app) firstUser(ctx context.Context) (generated string, err error) {
	password := a.flags.AdminPassword
	if password == "" {
		generated = generatePassword()
		password = generated
	}
	made, err := a.service.FirstUser(ctx, "admin", password)
	if !made {
		generated = ""
	}
	return generated, err
}

// ready says why the server is not ready, "" when it is.
func (a *app) ready(ctx context.Context) string {
	if err := a.store.Ping(ctx); err != nil {
		return "database: " + err.Error()
	}
	return ""
}

// closing is how long endings may take to reach the disk after the grace.
const closing = 20 * time.Second

// stop ends the three lifetimes in turn: no more requests and fires, no more
// claims, and when everything that ran is stored, the database. Nothing queued is
// lost: the next start claims it.
func (a *app) stop(log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), a.flags.DrainGrace+closing)
	defer cancel()
	a.timer.Stop()
	a.discovery.restart(nil)
	a.endWatch()
	a.watching.Wait()
	if err := a.service.Alive(ctx); err != nil { // later due times are the next start's
		log.Warn("the time of the end could not be stored", "error", err)
	}
	a.endClaims()
	a.claiming.Wait()
	shut := make(chan error, 1)
	go func() {
		quick, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		apart := make(chan struct{})
		go func() { a.doors.shutdown(quick); close(apart) }()
		err := a.http.Shutdown(quick)
		<-apart
		shut <- err
	}()
	a.pool.Drain(ctx, a.flags.DrainGrace, "server stopping")
	if err := <-shut; err != nil {
		_ = a.http.Close()
		log.Warn("requests were cut off", "error", err)
	}
	a.hub.Close()
	a.endFires()
	a.firing.Wait()
	a.endSends() // what the last runs have to tell is sent, if that is quick
	a.sending.Wait()
	a.endChores()
	a.chores.Wait()
	a.engine.Close()
	err := errors.Join(a.pages.Close(), a.shell.Close(), a.store.Close())
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	log.Info("stopped")
	return nil
}
