package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"belfry/handlers/httpkit"
)

// doors are the listeners that have one API each, beside that of the pages.
type doors struct {
	pages, dkron, ndscheduler, coalition atomic.Pointer[net.TCPAddr]
	apart                                []apart
}

// apart is a listener that has one API.
type apart struct {
	api      string
	server   *http.Server
	listener net.Listener
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
	for _, d := range []struct {
		api, address string
		at           *atomic.Pointer[net.TCPAddr]
		dialect      func(httpkit.Doorman) httpkit.Dialect
	}{
		{"dkron", a.flags.DkronListen, &a.doors.dkron, a.dkron(true)},
		{"ndscheduler", a.flags.NdschedulerListen, &a.doors.ndscheduler, a.ndscheduler(true)},
		{"coalition", a.flags.CoalitionListen, &a.doors.coalition, a.coalition(true)},
	} {
		if d.address == "" {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", d.address)
		if err != nil {
			return fmt.Errorf("--%s-listen: %w", d.api, err)
		}
		d.at.Store(tcpAddr(listener))
		a.doors.apart = append(a.doors.apart, apart{d.api, a.newHTTP(a.pages.Alone(d.dialect)), listener})
	}
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
	for _, d := range a.doors.apart {
		a.log.Info("listening", "api", d.api, "address", d.listener.Addr().String())
		go func() {
			if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
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
	for _, one := range d.apart {
		_ = one.listener.Close()
	}
}

// shutdown lets requests that were begun end, and cuts off those that do not.
func (d *doors) shutdown(ctx context.Context) {
	var all sync.WaitGroup
	for _, one := range d.apart {
		all.Go(func() {
			if one.server.Shutdown(ctx) != nil {
				_ = one.server.Close()
			}
		})
	}
	all.Wait()
}
