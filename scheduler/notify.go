package scheduler

import (
	"context"
	"encoding/json"
	"time"
)

// Sender does one kind of notification: it sends a mail, or writes files. Its
// methods may be called concurrently.
type Sender interface {
	// Check validates a configuration, in which keys may be absent: the server's
	// defaults may have them. CodeInvalid: Fields name what is wrong, without the
	// "config." prefix.
	Check(config json.RawMessage) error
	// Complete reports whether a merged configuration says where to send to. It is
	// called within transactions: it only looks at config.
	Complete(config json.RawMessage) bool
	// Secrets are the keys of a configuration that nobody is shown.
	Secrets() []string
	// Targets are the keys that say to whom the secrets are given. A job with a
	// value of its own for one of them does not get the secrets of the defaults.
	Targets() []string
	// Send sends, and returns when nothing of it is left, soon after ctx has ended.
	// An error of CodeInvalid is final; after any other one it is sent again. Errors
	// are shown to people.
	Send(ctx context.Context, n Notification) error
}

// Notification is what a Sender is given. It may come more than once: when the
// server dies before it has stored that it was sent.
type Notification struct {
	Delivery  Delivery
	Execution Execution // the last of the group that ended
	Job       Job       // as it is now
	Config    json.RawMessage
	Output    OutputReader
}

// OutputReader reads what is kept of one execution's output.
type OutputReader interface {
	// Tail returns whole lines from the end, at most max bytes, and whether there
	// is more before them.
	Tail(ctx context.Context, max int) (data []byte, more bool, err error)
	// Each calls fn for all of it in order, in parts that fit into memory; gap is
	// what the output limit cut out before the part, zero for most.
	Each(ctx context.Context, fn func(c Chunk, gap Gap) error) error
}

// Defaults are what the server's configuration says for every job.
type Defaults struct {
	Notify []Notify // of each kind one
}

// DeliveryState is where a delivery is.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending DeliveryState = "pending" // is to be sent, at NextAt
	DeliverySent    DeliveryState = "sent"
	DeliveryFailed  DeliveryState = "failed" // is not tried again
)

// Delivery is one notification of one execution: a row of the outbox.
type Delivery struct {
	ID          string
	ExecutionID string
	JobName     string
	Kind        string
	Config      json.RawMessage // with its secrets; empty when it is not pending any more
	State       DeliveryState
	Attempts    int // begun so far
	NextAt      time.Time
	Error       string // of the last attempt
	CreatedAt   time.Time
	SentAt      time.Time
}

// DeliveryStore reads the outbox. What belongs to an execution is deleted with it.
type DeliveryStore interface {
	// ListDeliveries lists the deliveries of an execution in the order in which they
	// were made, without their Config.
	ListDeliveries(ctx context.Context, executionID string) ([]Delivery, error)
	// NextDelivery returns the earliest NextAt of what is pending; ok=false when
	// nothing is.
	NextDelivery(ctx context.Context) (at time.Time, ok bool, err error)
}

// DeliveryTx changes the outbox.
type DeliveryTx interface {
	// InsertDelivery stores a delivery of an execution that is stored.
	InsertDelivery(ctx context.Context, d Delivery) error
	// ClaimDeliveries returns at most limit pending deliveries whose NextAt is not
	// after now, earliest first. Until lease has come they are nobody else's: it is
	// their NextAt from now on, and Attempts counts one more.
	ClaimDeliveries(ctx context.Context, now, lease time.Time, limit int) ([]Delivery, error)
	// SettleDelivery stores State, Attempts, NextAt, Error and SentAt of a delivery
	// that was claimed, unless it is not pending any more, or somebody has claimed
	// it since, whose attempt is not attempt. What is not pending loses its Config.
	SettleDelivery(ctx context.Context, d Delivery, attempt int) error
}
