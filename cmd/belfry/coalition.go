package main

import (
	"time"

	"belfry/handlers/coalition"
	"belfry/handlers/httpkit"
)

// coalition is the API of that name: on the listener of the pages, or alone. Workers
// without a token are let in where they are expected: at a listener of their own, if
// there is one.
func (a *app) coalition(alone bool) func(httpkit.Doorman) httpkit.Dialect {
	open := a.flags.CoalitionWorkersOpen && (alone || a.flags.CoalitionListen == "")
	return func(httpkit.Doorman) httpkit.Dialect {
		return coalition.New(coalition.Options{
			Service: a.service, Store: a.store, Now: time.Now, Alone: alone,
			WorkersOpen: open || a.flags.Auth == "none",
			Pages:       func() string { return a.doors.pagesURL() + "tree" },
		})
	}
}
