package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"belfry/scheduler"
)

// deliveryColumns are in the order of scanDelivery.
const deliveryColumns = "d.id, e.id, d.job_name, d.kind, d.config, d.state, d.attempts, d.next_at, d.error, d.created_at, d.sent_at"

func scanDelivery(rows *sql.Rows) (d scheduler.Delivery, err error) {
	var config string
	var next, created, sent int64
	err = rows.Scan(&d.ID, &d.ExecutionID, &d.JobName, &d.Kind, &config, (*string)(&d.State), &d.Attempts, &next, &d.Error, &created, &sent)
	if config != "" {
		d.Config = json.RawMessage(config)
	}
	d.NextAt, d.CreatedAt, d.SentAt = fromMicros(next), fromMicros(created), fromMicros(sent)
	return d, err
}

// ListDeliveries lists the deliveries of an execution without their secrets.
func (s *Store) ListDeliveries(ctx context.Context, executionID string) ([]scheduler.Delivery, error) {
	var list []scheduler.Delivery
	err := each(ctx, s.read, "SELECT "+deliveryColumns+` FROM executions e CROSS JOIN deliveries d
		WHERE e.id = $1 AND d.execution = e.seq ORDER BY d.id`, []any{executionID}, func(rows *sql.Rows) error {
		d, err := scanDelivery(rows)
		d.Config = nil
		list = append(list, d)
		return err
	})
	return list, err
}

// NextDelivery returns when the next delivery is due.
func (s *Store) NextDelivery(ctx context.Context) (at time.Time, ok bool, err error) {
	var next int64
	ok, err = get(ctx, s.read, "SELECT next_at FROM deliveries WHERE state = 'pending' ORDER BY next_at, id LIMIT 1", nil, &next)
	return fromMicros(next), ok, err
}

// InsertDelivery stores a delivery of an execution.
func (t *tx) InsertDelivery(ctx context.Context, d scheduler.Delivery) error {
	n, err := t.exec(ctx, `INSERT INTO deliveries (id, execution, job_name, kind, config, state, attempts, next_at, error, created_at, sent_at)
		SELECT $1, seq, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM executions WHERE id = $2`,
		d.ID, d.ExecutionID, clean(d.JobName), clean(d.Kind), clean(string(d.Config)), string(d.State), d.Attempts,
		micros(d.NextAt), clean(d.Error), micros(d.CreatedAt), micros(d.SentAt))
	if err == nil && n == 0 {
		return noExecution(d.ExecutionID)
	}
	return err
}

// ClaimDeliveries takes what is due, for a time.
func (t *tx) ClaimDeliveries(ctx context.Context, now, lease time.Time, limit int) ([]scheduler.Delivery, error) {
	var claimed []scheduler.Delivery
	err := each(ctx, t, "SELECT "+deliveryColumns+` FROM deliveries d CROSS JOIN executions e
		WHERE d.state = 'pending' AND d.next_at <= $1 AND e.seq = d.execution
		ORDER BY d.next_at, d.id LIMIT `+number("$2")+t.s.dialect.skipOf("d"), []any{micros(now), limit}, func(rows *sql.Rows) error {
		d, err := scanDelivery(rows)
		claimed = append(claimed, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range claimed {
		d := &claimed[i]
		d.Attempts++
		d.NextAt = lease
		if _, err := t.exec(ctx, "UPDATE deliveries SET attempts = $2, next_at = $3 WHERE id = $1", d.ID, d.Attempts, micros(lease)); err != nil {
			return nil, err
		}
	}
	return claimed, nil
}

// SettleDelivery stores what became of a claimed delivery.
func (t *tx) SettleDelivery(ctx context.Context, d scheduler.Delivery, attempt int) error {
	_, err := t.exec(ctx, `UPDATE deliveries SET state = $3, attempts = $4, next_at = $5, error = $6, sent_at = $7,
		config = CASE WHEN $8 THEN config ELSE '' END WHERE id = $1 AND state = 'pending' AND attempts = $2`,
		d.ID, attempt, string(d.State), d.Attempts, micros(d.NextAt), clean(d.Error), micros(d.SentAt), d.State == scheduler.DeliveryPending)
	return err
}
