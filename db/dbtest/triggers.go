package dbtest

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

// triggers: a job names others that it starts, by what they are called now.
func triggers(t *testing.T, s *db.Store) {
	a, b := addJob(t, s, "a"), addJob(t, s, "b")
	parent := NewJob("parent")
	parent.Source, parent.RunOnStart = "/etc/belfry.ini:3", true
	parent.Triggers = []scheduler.Dependency{
		{JobID: b.ID, Job: "b", On: scheduler.OnFailure},
		{JobID: a.ID, Job: "a", On: scheduler.OnSuccess},
		{JobID: a.ID, Job: "a", On: scheduler.OnFailure},
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.InsertJob(bg, &parent) })
	got := must(s.Job(bg, parent.ID))
	if d := cmp.Diff(parent.Draft, got.Draft); d != "" || got.Source != parent.Source {
		t.Errorf("stored from %q (-want +got):\n%s", got.Source, d)
	}
	by := func(id string) (list []scheduler.Dependency) {
		tx(t, s, func(tx scheduler.Tx) (err error) {
			list, err = tx.TriggeredBy(bg, id)
			return err
		})
		return list
	}
	if d := cmp.Diff([]scheduler.Dependency{{JobID: parent.ID, Job: "parent", On: scheduler.OnFailure}}, by(b.ID)); d != "" {
		t.Errorf("what starts b (-want +got):\n%s", d)
	}
	a.Version, a.Name = 2, "renamed"
	tx(t, s, func(tx scheduler.Tx) error {
		if _, err := tx.Job(bg, parent.ID); err != nil {
			return err
		}
		return tx.UpdateJob(bg, a)
	})
	if list := must(s.Job(bg, parent.ID)).Triggers; len(list) != 3 || list[1].Job != "renamed" {
		t.Errorf("after renaming: %+v", list)
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.DeleteJob(bg, b.ID) })
	left := must(s.Job(bg, parent.ID))
	if len(left.Triggers) != 2 || left.Triggers[0].JobID != a.ID || left.Version != 2 {
		t.Errorf("after deleting b: version %d, %+v", left.Version, left.Triggers)
	}
	left.Version, left.Triggers = 3, nil
	tx(t, s, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, left) })
	if list := by(a.ID); len(list) != 0 {
		t.Errorf("what starts a after the change: %+v", list)
	}
	tx(t, s, func(tx scheduler.Tx) error { return tx.DeleteJob(bg, parent.ID) })
}

// changedConfig: an execution keeps what it changes of its job's configuration.
func changedConfig(t *testing.T, s *db.Store) {
	j := addJob(t, s, "j")
	e := NewExecution(j.ID, at(1))
	e.Config = json.RawMessage(`{"command":"other"}`)
	addExecution(t, s, e)
	if got := claim(t, s, "w", at(2), 1)[0].Execution.Config; string(got) != string(e.Config) {
		t.Errorf("claimed with %s", got)
	}
	if got := must(s.Execution(bg, e.ID)).Config; string(got) != string(e.Config) {
		t.Errorf("read with %s", got)
	}
}

// size: a database takes some space, and says how much.
func size(t *testing.T, s *db.Store) {
	if n := must(s.Size(bg)); n < 64<<10 {
		t.Errorf("%d bytes", n)
	}
}

// addSetting: a value is added once, whoever is first.
func addSetting(t *testing.T, s *db.Store) {
	for _, v := range []string{"first", "second"} {
		tx(t, s, func(tx scheduler.Tx) error { return tx.AddSetting(bg, "key", v) })
	}
	if got := must(s.Setting(bg, "key")); got != "first" {
		t.Errorf("read %q", got)
	}
}
