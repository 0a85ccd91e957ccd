package main

import (
	"time"

	"belfry/handlers/httpkit"
	"belfry/handlers/ndscheduler"
)

// ndscheduler is the API of that name: on the listener of the pages, or alone.
func (a *app) ndscheduler(alone bool) func(httpkit.Doorman) httpkit.Dialect {
	return func(door httpkit.Doorman) httpkit.Dialect {
		return ndscheduler.New(ndscheduler.Options{
			Service: a.service, Store: a.store, Timetable: a.timer, Door: door, Embedded: workerName,
			CORS: func() ndscheduler.CORS {
				o := a.config.cors()
				return ndscheduler.CORS{Origins: o.Origins, Credentials: o.Credentials}
			},
			Now: time.Now, Zone: time.Local, Alone: alone,
		})
	}
}
