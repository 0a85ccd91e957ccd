package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"belfry/handlers/dkron"
	"belfry/handlers/httpkit"
)

// dkron is the API of that name: on the listener of the pages, or alone.
func (a *app) dkron(alone bool) func(httpkit.Doorman) httpkit.Dialect {
	return func(httpkit.Doorman) httpkit.Dialect {
		return dkron.New(dkron.Options{
			Service: a.service, Store: a.store, Timetable: a.timer, Workers: a.pool.Workers, Embedded: workerName,
			Node: nodeName(), ID: newID(), Version: versionText(), Address: a.doors.dkronAddress,
			Origins: func() []string { return a.config.cors().Origins }, Ready: a.ready, Stop: a.leave, Now: time.Now, Zone: time.Local,
			Alone: alone, Open: a.flags.Auth == "none", Pages: a.doors.pagesURL, Metrics: a.metrics, MetricsAuth: a.flags.MetricsAuth,
		})
	}
}

// nodeName is what this server is called among others.
func nodeName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "belfry"
	}
	return name
}

// leave ends the server as a signal would.
func (a *app) leave() {
	select {
	case a.leaving <- struct{}{}:
	default: // it is on its way already
	}
}

// doors are the listeners that have one API each, beside that of the pages.
type doors struct {
	pages, dkron atomic.Pointer[net.TCPAddr]
	servers      []*http.Server
	listeners    []net.Listener
}

func (d *doors) pagesURL() string {
	if at := d.pages.Load(); at != nil {
		return "http://" + at.String() + "/"
	}
	return "/"
}

// dkronAddress is where a Dkron's client would look for this server.
func (d *doors) dkronAddress() (host string, port int) {
	at := d.dkron.Load()
	if at == nil {
		at = d.pages.Load()
	}
	if at == nil {
		return "127.0.0.1", 0
	}
	if at.IP.IsUnspecified() {
		return "127.0.0.1", at.Port
	}
	return at.IP.String(), at.Port
}

// listenApart opens what the flags ask for. Nothing is answered before serveApart.
func (a *app) listenApart(ctx context.Context) error {
	if a.flags.DkronListen == "" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.flags.DkronListen)
	if err != nil {
		return fmt.Errorf("--dkron-listen: %w", err)
	}
	a.doors.dkron.Store(tcpAddr(listener))
	a.doors.listeners = append(a.doors.listeners, listener)
	a.doors.servers = append(a.doors.servers, a.newHTTP(a.pages.Alone(a.dkron(true))))
	return nil
}

func tcpAddr(l net.Listener) *net.TCPAddr {
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return nil
	}
	return at
}

// serveApart answers on those listeners.
func (a *app) serveApart() {
	for i, server := range a.doors.servers {
		a.log.Info("listening", "api", "dkron", "address", a.doors.listeners[i].Addr().String())
		go func() {
			if err := server.Serve(a.doors.listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				select {
				case a.failed <- err:
				default: // another one has failed already
				}
			}
		}()
	}
}

// close gives up listeners that nobody serves yet.
func (d *doors) close() {
	for _, l := range d.listeners {
		_ = l.Close()
	}
}

// shutdown lets requests that were begun end, and cuts off those that do not.
func (d *doors) shutdown(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range d.servers {
		all.Go(func() {
			if s.Shutdown(ctx) != nil {
				_ = s.Close()
			}
		})
	}
	all.Wait()
}
