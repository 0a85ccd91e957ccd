package notify

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"

	"belfry/scheduler"
)

type fluentConfig struct {
	Forward bool   `json:"forward"`
	Host    string `json:"host"` // empty: FLUENTBIT_HOST, or this machine
	Port    int    `json:"port"` // 0: FLUENTBIT_PORT, or 24224
	Tag     string `json:"tag"`  // empty: FLUENTBIT_TAG, or dkron
}

func (c fluentConfig) check() error {
	if c.Port < 0 || c.Port > 65535 {
		return scheduler.Invalid("port", "must be 0 to 65535")
	}
	return firstError(plainText("host", c.Host), plainText("tag", c.Tag))
}

// fluentTimeout is for connecting, for writing and for the acknowledgement each.
const fluentTimeout = 5 * time.Second

// sendFluent sends one record by Fluent's Forward protocol and waits until it is
// acknowledged: the outbox tries again, not the library.
func sendFluent(ctx context.Context, n scheduler.Notification, c fluentConfig) error {
	if err := c.check(); err != nil {
		return err
	}
	port := c.Port
	if port == 0 {
		port, _ = strconv.Atoi(cmp.Or(os.Getenv("FLUENTBIT_PORT"), "24224"))
	}
	out, err := lastOutput(ctx, n)
	if err != nil {
		return err
	}
	client, err := fluent.New(fluent.Config{
		FluentHost: cmp.Or(c.Host, os.Getenv("FLUENTBIT_HOST"), "127.0.0.1"), FluentPort: port, Timeout: fluentTimeout,
		WriteTimeout: fluentTimeout, ReadTimeout: fluentTimeout, RequestAck: true, MaxRetry: 1, RetryWait: 1, SubSecondPrecision: true,
	})
	if err != nil {
		return fmt.Errorf("no Fluent daemon: %w", err)
	}
	defer func() { _ = client.Close() }()
	e := &n.Execution
	return client.PostWithTime(cmp.Or(c.Tag, os.Getenv("FLUENTBIT_TAG"), "dkron"), e.FinishedAt, map[string]any{
		"job_name": e.JobName, "execution": e.ID, "group": e.Group, "attempt": e.Attempt, "node_name": e.Worker,
		"started_at": e.StartedAt.Format(time.RFC3339Nano), "finished_at": e.FinishedAt.Format(time.RFC3339Nano),
		"success": e.State == scheduler.Succeeded, "state": string(e.State), "reason": e.Reason, "output": out,
	})
}
