package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"

	"belfry/scheduler"
	"belfry/scheduler/executor/docker"
	"belfry/scheduler/jobfile"
	"belfry/scheduler/notify"
)

// settingGlobal is where what was changed of [global] through the API is kept: a
// JSON object, by that API's keys.
const settingGlobal = "global"

// changedGlobal reads what was changed of [global] through the API. What an earlier
// version took and this one refuses is left out: the server has to start for it to
// be changed.
func changedGlobal(ctx context.Context, store scheduler.Store, log *slog.Logger) (map[string]json.RawMessage, error) {
	text, err := store.Setting(ctx, settingGlobal)
	if err != nil || text == "" {
		return nil, err
	}
	var changed map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &changed); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		g := jobfile.DefaultGlobal()
		err := g.Merge(map[string]json.RawMessage{key: changed[key]})
		if err == nil {
			err = checkGlobal(g)
		}
		if err != nil {
			log.Warn("a value that was set through the API is not valid, and does not count", "key", key, "error", g.InKeys(err))
			delete(changed, key)
		}
	}
	return changed, nil
}

// checkGlobal says with CodeInvalid what is wrong with values that only their users
// can judge, by the domain's names of fields.
func checkGlobal(g jobfile.Global) error {
	err := scheduler.CheckDefaults(scheduler.Defaults{Notify: g.Notify()}, notify.Senders())
	wrong := docker.DiscoverOptions{Filters: g.DockerFilters}.Check()
	if wrong == nil {
		return err
	}
	invalid := scheduler.Invalid(jobfile.DockerFilters, "%s", wrong)
	var e *scheduler.Error
	if errors.As(err, &e) {
		invalid.Fields = append(slices.Clone(e.Fields), invalid.Fields...)
	}
	return invalid
}
