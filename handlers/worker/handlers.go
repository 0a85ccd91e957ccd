package worker

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/scheduler/remote"
)

func (a *API) connect(c echo.Context, token scheduler.WorkerToken) error {
	var in remote.ConnectIn
	if err := httpkit.LooseJSON(c, &in); err != nil {
		return err
	}
	ws, err := a.Service.ConnectWorker(c.Request().Context(), token, scheduler.Hello{
		Name: in.Name, Kind: scheduler.WorkerRemote, Tags: in.Tags, Slots: in.Slots,
		About: scheduler.WorkerAbout{Version: in.Version, System: in.System, Address: c.RealIP()},
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, remote.ConnectOut{Worker: ws.Name, Epoch: ws.Epoch, Time: a.Now().UTC()})
}

func (a *API) claim(c echo.Context, token scheduler.WorkerToken) error {
	var in remote.ClaimIn
	if err := httpkit.LooseJSON(c, &in); err != nil {
		return err
	}
	ctx, cancel := a.waiting(c)
	defer cancel()
	list, err := a.Service.WorkerClaim(ctx, session(token, in.Session), scheduler.ClaimAsk{
		Have: in.Have, Limit: in.Limit, Wait: millis(in.WaitMS),
	})
	if err != nil {
		return err
	}
	out := remote.ClaimOut{Executions: make([]remote.Assignment, len(list))}
	for i := range list {
		out.Executions[i] = remote.FromAssignment(list[i])
	}
	return c.JSON(http.StatusOK, out)
}

func (a *API) beat(c echo.Context, token scheduler.WorkerToken) error {
	var in remote.BeatIn
	if err := httpkit.LooseJSON(c, &in); err != nil {
		return err
	}
	ctx, cancel := a.waiting(c)
	defer cancel()
	o, err := a.Service.WorkerBeat(ctx, session(token, in.Session), scheduler.Beat{
		About: scheduler.WorkerAbout{
			Address: c.RealIP(), Load: in.Load, CPUs: in.CPUs, MemoryFree: in.MemoryFree, MemoryTotal: in.MemoryTotal, Skew: millis(in.SkewMS),
		},
		Running: in.Running, Stopping: in.Stopping, Leaving: in.Leaving, Wait: millis(in.WaitMS),
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, remote.BeatOut{Time: a.Now().UTC(), Stop: o.Stop, Draining: o.Draining})
}

func (a *API) output(c echo.Context, token scheduler.WorkerToken) error {
	var in remote.OutputIn
	if err := httpkit.LooseJSON(c, &in); err != nil {
		return err
	}
	out, err := in.Output.Output()
	if err != nil {
		return err
	}
	if end, any := out.End(); any && end != in.End {
		return scheduler.Invalid("end", "must be %d, where this output ends", end)
	}
	if err := a.Service.WorkerOutput(c.Request().Context(), session(token, in.Session), in.Execution, out, in.End); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (a *API) finish(c echo.Context, token scheduler.WorkerToken) error {
	var in remote.FinishIn
	if err := httpkit.LooseJSON(c, &in); err != nil {
		return err
	}
	out, err := in.Output.Output()
	if err != nil {
		return err
	}
	err = a.Service.WorkerFinish(c.Request().Context(), session(token, in.Session), scheduler.Report{
		ID: in.Execution, State: scheduler.State(in.State), Reason: in.Reason, ExitCode: in.ExitCode, Signal: in.Signal,
		PeakMemory: in.PeakMemory, CPUTime: time.Duration(in.CPUTimeUS) * time.Microsecond, FinishedAt: in.FinishedAt, Output: out,
	})
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (a *API) leave(c echo.Context, token scheduler.WorkerToken) error {
	var in remote.Session
	if err := httpkit.LooseJSON(c, &in); err != nil {
		return err
	}
	if err := a.Service.WorkerLeave(c.Request().Context(), session(token, in)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func session(token scheduler.WorkerToken, in remote.Session) scheduler.WorkerSession {
	return scheduler.WorkerSession{Token: token.ID, Name: in.Worker, Epoch: in.Epoch}
}

// millis keeps a duration within a day, which is enough for any wait and any clock.
func millis(n int64) time.Duration {
	const day = int64(24 * time.Hour / time.Millisecond)
	return time.Duration(min(max(n, -day), day)) * time.Millisecond
}

// waiting is the request's context, which ends too when the server stops.
func (a *API) waiting(c echo.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.Request().Context())
	if a.Stopping == nil {
		return ctx, cancel
	}
	stop := make(chan struct{})
	go func() {
		select {
		case <-a.Stopping:
			cancel()
		case <-stop:
		}
	}()
	return ctx, func() { close(stop); cancel() }
}
