package main

import (
	"os"
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
