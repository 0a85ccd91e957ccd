// Package unsupported is the executor "unsupported": it keeps jobs that another
// system knows how to run and Belfry does not, and fails their runs in words.
package unsupported

import (
	"context"
	"encoding/json"

	"belfry/scheduler"
)

// Kind is the executor's name in jobs.
const Kind = "unsupported"

// Config says what the job would need.
type Config struct {
	Executor string `json:"executor"` // its name in the other system; may be empty
	Reason   string `json:"reason"`   // why it cannot run here, in words
}

// Executor is the executor.
type Executor struct{}

var _ scheduler.Executor = Executor{}

// Check takes any reason.
func (Executor) Check(config json.RawMessage) error {
	var c Config
	if json.Unmarshal(config, &c) != nil {
		return scheduler.Invalid("", "must be an object with the texts executor and reason")
	}
	return nil
}

// Execute runs nothing.
func (Executor) Execute(_ context.Context, t scheduler.Task, _ scheduler.OutputWriter) scheduler.Result {
	var c Config
	_ = json.Unmarshal(t.Job.Config, &c) // as Check has let it pass
	if c.Reason == "" {
		c.Reason = "Belfry has no executor for this job"
	}
	return scheduler.Result{State: scheduler.Failed, Reason: c.Reason}
}
