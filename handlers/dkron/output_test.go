package dkron

import (
	"testing"

	"belfry/scheduler"
)

// TestProcessing: an output is said to be elsewhere only when it is.
func TestProcessing(t *testing.T) {
	delivery := func(state scheduler.DeliveryState, attempts int, problem string) scheduler.Delivery {
		return scheduler.Delivery{Kind: "files", State: state, Attempts: attempts, Error: problem}
	}
	for name, c := range map[string]struct {
		delivery scheduler.Delivery
		failed   string
		pending  bool
	}{
		"waiting":              {delivery(scheduler.DeliveryPending, 0, ""), "", true},
		"at work":              {delivery(scheduler.DeliveryPending, 1, ""), "", true},
		"done":                 {delivery(scheduler.DeliverySent, 1, ""), "", false},
		"failed, tried again":  {delivery(scheduler.DeliveryPending, 2, "disk full"), "\nprocessor files: disk full\n", false},
		"done after a failure": {delivery(scheduler.DeliverySent, 2, "disk full"), "", false},
		"given up":             {delivery(scheduler.DeliveryFailed, 5, "disk full"), "\nprocessor files: disk full\n", false},
		"of another kind":      {scheduler.Delivery{Kind: "mail", State: scheduler.DeliveryPending}, "", false},
	} {
		if failed, pending := processing([]scheduler.Delivery{c.delivery}); failed != c.failed || pending != c.pending {
			t.Errorf("%s: %q, %t; want %q, %t", name, failed, pending, c.failed, c.pending)
		}
	}
}
