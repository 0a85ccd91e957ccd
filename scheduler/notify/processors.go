package notify

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"belfry/scheduler"
)

// Processors are what takes a run's output somewhere else, by kind, as Dkron's
// plugins of these names do. log is where the kind "log" writes.
func Processors(log *slog.Logger) map[string]scheduler.Sender {
	return map[string]scheduler.Sender{
		"log": processor[logConfig]{send: logSender(log)}, "files": processor[filesConfig]{send: sendFiles},
		"syslog": processor[syslogConfig]{send: sendSyslog}, "fluent": processor[fluentConfig]{send: sendFluent},
	}
}

// processorConfig is a processor's configuration. Forward says whether the output
// is still shown where Dkron's clients look; it is for them, and changes nothing
// here.
type processorConfig interface{ check() error }

// processor is a sender that needs no configuration.
type processor[C processorConfig] struct {
	send func(ctx context.Context, n scheduler.Notification, c C) error
}

// Secrets returns none.
func (processor[C]) Secrets() []string { return nil }

// Targets returns none: there are no secrets.
func (processor[C]) Targets() []string { return nil }

// Check validates a configuration.
func (processor[C]) Check(config json.RawMessage) error {
	c, err := read[C](config)
	if err != nil {
		return err
	}
	return c.check()
}

// Complete reports true: everything has a default.
func (processor[C]) Complete(config json.RawMessage) bool {
	_, err := read[C](config)
	return err == nil
}

// Send takes the output where it belongs.
func (p processor[C]) Send(ctx context.Context, n scheduler.Notification) error {
	c, err := read[C](n.Config)
	if err != nil {
		return err
	}
	return p.send(ctx, n, c)
}

func read[C any](config json.RawMessage) (c C, err error) { return c, decode(config, &c) }

// processedBytes is how much of an output's end a message holds.
const processedBytes = 256_000

// lastOutput returns the end of what a run wrote.
func lastOutput(ctx context.Context, n scheduler.Notification) (string, error) {
	data, _, err := n.Output.Tail(ctx, processedBytes)
	return strings.ToValidUTF8(string(data), "\uFFFD"), err
}

type logConfig struct {
	Forward bool `json:"forward"`
}

func (logConfig) check() error { return nil }

// logSender writes into the server's log, one line for an execution.
func logSender(log *slog.Logger) func(context.Context, scheduler.Notification, logConfig) error {
	return func(ctx context.Context, n scheduler.Notification, _ logConfig) error {
		out, err := lastOutput(ctx, n)
		if err != nil {
			return err
		}
		e := &n.Execution
		log.LogAttrs(ctx, slog.LevelInfo, "output of a job", slog.String("job", e.JobName), slog.String("execution", e.ID),
			slog.String("state", string(e.State)), slog.String("output", out))
		return nil
	}
}

type filesConfig struct {
	Forward bool   `json:"forward"`
	LogDir  string `json:"log_dir"`
}

// defaultLogDir is where Dkron keeps them.
const defaultLogDir = "/var/log/dkron"

func (c filesConfig) check() error {
	if c.LogDir != "" && !filepath.IsAbs(c.LogDir) {
		return scheduler.Invalid("log_dir", "must be an absolute path")
	}
	return plainText("log_dir", c.LogDir)
}

// sendFiles writes all of the output that is kept into one file. Sent again, it
// writes the same file again.
func sendFiles(ctx context.Context, n scheduler.Notification, c filesConfig) error {
	folder := c.LogDir
	if folder == "" {
		folder = defaultLogDir
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	file := filepath.Join(folder, safeName(n.Execution.ID)+".log")
	return writeBeside(n.Delivery.ID, []string{file}, func(w []io.Writer) error {
		return n.Output.Each(ctx, func(chunk scheduler.Chunk, gap scheduler.Gap) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !gap.IsZero() {
				if _, err := io.WriteString(w[0], gap.String()+"\n"); err != nil {
					return err
				}
			}
			_, err := w[0].Write(chunk.Data)
			return err
		})
	})
}
