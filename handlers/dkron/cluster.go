package dkron

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// showStatus has the keys of a Dkron alone: what they count there is none here.
func (a *API) showStatus(c echo.Context) error {
	serf := map[string]string{
		"coordinate_resets": "0", "encrypted": "false", "event_queue": "0", "event_time": "1", "failed": "0", "health_score": "0", "intent_queue": "0",
		"left": "0", "member_time": "1", "members": strconv.Itoa(len(a.members())), "query_queue": "0", "query_time": "1",
	}
	return a.json(c, http.StatusOK, statusWire{map[string]string{"name": a.Node, "version": a.Version}, serf, a.self().Tags})
}

// self is this server as a member.
func (a *API) self() memberWire {
	host, port := a.Address()
	rpc := host + ":" + strconv.Itoa(port)
	tags := workerTags(ServerTags)
	maps.Copy(tags, map[string]string{"expect": "1", "port": strconv.Itoa(port), "rpc_addr": rpc, "version": a.Version})
	return memberWire{leaderWire{a.Node, host, port, tags, 1, 1, 5, 2, 2, 5, 4}, a.ID, "alive"}
}

// members are this server and the workers of others.
func (a *API) members() []memberWire {
	self := a.self()
	list := []memberWire{self}
	for _, w := range a.Workers() {
		tags := workerTags(w.Tags)
		if w.Name == a.Embedded {
			maps.Copy(tags, self.Tags)
			list[0].Tags = tags
			continue
		}
		tags["server"], tags["role"] = "false", "dkron"
		m := memberWire{leaderWire{w.Name, "", 0, tags, 1, 1, 5, 2, 2, 5, 4}, w.Name, "alive"}
		list = append(list, m)
	}
	return list
}

func (a *API) listMembers(c echo.Context) error {
	list := a.members()
	c.Response().Header().Set("X-Total-Count", strconv.Itoa(len(list)))
	return a.json(c, http.StatusOK, list)
}

func (a *API) showLeader(c echo.Context) error {
	return a.json(c, http.StatusOK, a.members()[0].leaderWire)
}

func (a *API) isLeader(c echo.Context) error {
	return a.json(c, http.StatusOK, "I am a leader")
}

// leave stops this server as a signal would: what runs has its grace.
func (a *API) leave(c echo.Context) error {
	if err := a.Service.StopServer(c.Request().Context(), httpkit.Principal(c), a.Stop); err != nil {
		return err
	}
	return a.json(c, http.StatusOK, a.members())
}

func (a *API) showHealth(c echo.Context) error {
	if why := a.Ready(c.Request().Context()); why != "" {
		return a.json(c, http.StatusServiceUnavailable, healthWire{"unhealthy", []string{why}})
	}
	return a.json(c, http.StatusOK, healthWire{Status: "healthy"})
}

// showStats counts by day how executions ended.
func (a *API) showStats(c echo.Context) error {
	days := 30
	if text := c.QueryParam("days"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 366 {
			return say(http.StatusBadRequest, "days must be a number from 1 to 366")
		}
		days = n
	}
	today := a.Now().UTC().Truncate(24 * time.Hour)
	first := today.AddDate(0, 0, 1-days)
	hours, err := a.Store.Ended(c.Request().Context(), first)
	if err != nil {
		return err
	}
	out := statsWire{make([]dayWire, days)}
	for i := range out.Stats {
		out.Stats[i].Date = first.AddDate(0, 0, i).Format(time.DateOnly)
	}
	for _, h := range hours {
		i := int(h.Hour.Sub(first) / (24 * time.Hour))
		switch {
		case i < 0 || i >= days:
		case h.State == scheduler.Succeeded:
			out.Stats[i].SuccessCount += h.N
		case scheduler.OnAny.Met(h.State):
			out.Stats[i].FailedCount += h.N
		}
	}
	return a.json(c, http.StatusOK, out)
}

// showRoot sends people to the pages.
func (a *API) showRoot(c echo.Context) error {
	accept := c.Request().Header.Get(echo.HeaderAccept)
	if accept == "" || strings.Contains(accept, "text/html") || strings.Contains(accept, "*/*") {
		return a.showPages(c)
	}
	return say(http.StatusNotFound, "")
}

// showPages sends people to the pages, also those who kept an address of Dkron's.
func (a *API) showPages(c echo.Context) error { return c.Redirect(http.StatusSeeOther, a.Pages()) }

func (a *API) showMetrics(c echo.Context) error {
	a.Metrics.ServeHTTP(c.Response(), c.Request())
	return nil
}
