package db

import (
	"context"
	"strings"

	"belfry/scheduler"
)

// insertLabels stores what j can be found by.
func (t *tx) insertLabels(ctx context.Context, j *scheduler.Job) error {
	insert := func(kind, name, value string) error {
		_, err := t.exec(ctx, "INSERT INTO job_labels (kind, name, value, job) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			kind, clean(name), clean(value), j.Num)
		return err
	}
	for _, tag := range j.Tags {
		if err := insert("t", tag, ""); err != nil {
			return err
		}
	}
	for k, v := range j.Metadata {
		if err := insert("m", k, v); err != nil {
			return err
		}
	}
	return nil
}

// tagsOf writes tags for an execution: ",a,b,", or nothing.
func (t *tx) tagsOf(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	t.s.tagged.Store(true)
	return "," + clean(strings.Join(tags, ",")) + ","
}

func splitTags(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.Trim(text, ","), ",")
}

// Setting returns what PutSetting stored, "" when nothing.
func (s *Store) Setting(ctx context.Context, name string) (value string, err error) {
	_, err = get(ctx, s.read, "SELECT value FROM settings WHERE name = $1", []any{name}, &value)
	return value, err
}

// PutSetting stores one of Belfry's own small values.
func (t *tx) PutSetting(ctx context.Context, name, value string) error {
	_, err := t.exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, clean(value))
	return err
}

// AddSetting stores a value unless the name has one.
func (t *tx) AddSetting(ctx context.Context, name, value string) error {
	_, err := t.exec(ctx, "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, clean(value))
	return err
}
