package notify

import (
	"context"
	"fmt"
	"log/syslog"
	"net/url"
	"strings"

	"belfry/scheduler"
)

type syslogConfig struct {
	Forward bool   `json:"forward"`
	Address string `json:"address"` // udp://, tcp:// or unixgram:// of a daemon; empty: this machine's
}

func (c syslogConfig) check() error {
	if c.Address == "" {
		return nil
	}
	if _, _, err := c.dial(); err != nil {
		return scheduler.Invalid("address", "must begin with udp://, tcp:// or unixgram://")
	}
	return nil
}

// dial is the network and the address in it.
func (c syslogConfig) dial() (network, address string, err error) {
	if c.Address == "" {
		return "", "", nil
	}
	u, err := url.Parse(c.Address)
	if err != nil {
		return "", "", err
	}
	switch u.Scheme {
	case "udp", "tcp":
		return u.Scheme, u.Host, nil
	case "unixgram":
		return u.Scheme, u.Path, nil
	}
	return "", "", fmt.Errorf("%s is no network of syslog", u.Scheme)
}

// sendSyslog sends a line of the output each, as an error when the run did not
// succeed.
func sendSyslog(ctx context.Context, n scheduler.Notification, c syslogConfig) error {
	network, address, err := c.dial()
	if err != nil {
		return scheduler.Invalid("address", "must begin with udp://, tcp:// or unixgram://")
	}
	out, err := lastOutput(ctx, n)
	if err != nil {
		return err
	}
	w, err := syslog.Dial(network, address, syslog.LOG_CRON|syslog.LOG_INFO, "belfry")
	if err != nil {
		return fmt.Errorf("no syslog daemon: %w", err)
	}
	defer func() { _ = w.Close() }()
	write := w.Info
	if n.Execution.State != scheduler.Succeeded {
		write = w.Err
	}
	if out == "" {
		out = headline(&n.Execution)
	}
	for line := range strings.Lines(out) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := write(n.Execution.JobName + ": " + strings.TrimRight(line, "\r\n")); err != nil {
			return err
		}
	}
	return nil
}
