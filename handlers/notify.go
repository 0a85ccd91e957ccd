package handlers

import (
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
)

// notifyOut is shown without its secrets.
type notifyOut struct {
	Kind   string          `json:"kind"`
	On     string          `json:"on"` // "": the defaults' word, or any
	Config json.RawMessage `json:"config"`
}

type notifyIn struct {
	Kind   string          `json:"kind"`
	On     string          `json:"on"`
	Config json.RawMessage `json:"config"` // a secret that is masked stays as it is stored
}

type deliveryOut struct {
	ID        string  `json:"id"`
	Kind      string  `json:"kind"`
	State     string  `json:"state"`
	Attempts  int     `json:"attempts"`
	Error     string  `json:"error"` // of the last attempt
	CreatedAt instant `json:"created_at"`
	NextAt    instant `json:"next_at"` // of the next attempt, or when the present one is given up; null: none
	SentAt    instant `json:"sent_at"`
}

func (s *Server) presentNotify(all []scheduler.Notify) []notifyOut {
	out := make([]notifyOut, 0, len(all))
	for _, n := range s.Service.MaskNotify(all) {
		if n.Config == nil {
			n.Config = json.RawMessage("{}")
		}
		out = append(out, notifyOut{n.Kind, string(n.On), n.Config})
	}
	return out
}

func readNotify(in []notifyIn) []scheduler.Notify {
	var all []scheduler.Notify
	for _, n := range in {
		all = append(all, scheduler.Notify{Kind: n.Kind, On: scheduler.Condition(n.On), Config: n.Config})
	}
	return all
}

// executionJSON is one execution with what was told of it.
func (s *Server) executionJSON(c echo.Context, e scheduler.Execution) error {
	list, err := s.Store.ListDeliveries(c.Request().Context(), e.ID)
	if err != nil {
		return err
	}
	out := s.presentExecution(e)
	out.Deliveries = make([]deliveryOut, len(list))
	for i, d := range list {
		out.Deliveries[i] = deliveryOut{
			ID: d.ID, Kind: d.Kind, State: string(d.State), Attempts: d.Attempts, Error: d.Error,
			CreatedAt: instant(d.CreatedAt), SentAt: instant(d.SentAt),
		}
		if d.State == scheduler.DeliveryPending {
			out.Deliveries[i].NextAt = instant(d.NextAt)
		}
	}
	return respond(c, http.StatusOK, answer{json: out})
}
