package dbtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

func jobsWhole(t *testing.T, s *db.Store) {
	whole := NewJob("whole")
	whole.MaxQueued, whole.MaxRunning, whole.Priority, whole.Retry.ExitCodes = 5, 2, -3, []int{1, 75}
	whole.Once, whole.CatchUp, whole.CatchUpWindow, whole.Jitter = true, scheduler.CatchUpAll, time.Hour, time.Minute
	whole.StartsAt, whole.EndsAt, whole.PausedUntil, whole.LiveSince = at(1), at(2), at(3), at(4)
	whole.Tags, whole.Copies, whole.Metadata = []string{"gpu"}, 3, map[string]string{"k": "v\n"}
	whole.OutputLimit, whole.Progress = scheduler.OutputLimit{Head: 1, Tail: 2}, `(\d+)%`
	whole.Retention = scheduler.Retention{MaxAge: time.Hour, MaxCount: 7, MaxBytes: 9}
	whole.Notify = []scheduler.Notify{{Kind: "mail", On: scheduler.OnFailure, Config: json.RawMessage(`{"to":"a@b"}`)}, {Kind: "save"}}
	bare := scheduler.Job{ID: NewID(), Draft: scheduler.Draft{Name: "bare"}}
	tx(t, s, func(tx scheduler.Tx) error {
		if err := tx.InsertJob(bg, &whole); err != nil {
			return err
		}
		return tx.InsertJob(bg, &bare)
	})
	for _, want := range []scheduler.Job{whole, bare} {
		got, err := s.Job(bg, want.ID)
		ok(t, err)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("by id (-stored +read):\n%s", d)
		}
		got, err = s.JobByName(bg, want.Name)
		ok(t, err)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("by name (-stored +read):\n%s", d)
		}
		for range 2 { // from the row, and from what is kept of it
			tx(t, s, func(tx scheduler.Tx) error {
				got, err := tx.Job(bg, want.ID)
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("in a transaction (-stored +read):\n%s", d)
				}
				if len(got.Schedules) > 0 { // must not reach the store
					got.Schedules[0].Text = "changed by the caller"
					got.Config[0] = 'X'
				}
				return err
			})
		}
	}
	_, err := s.Job(bg, "no such id")
	wantCode(t, err, scheduler.CodeNotFound)
	_, err = s.JobByName(bg, "WHOLE")
	wantCode(t, err, scheduler.CodeNotFound)
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error {
		_, err := tx.Job(bg, "no such id")
		return err
	}), scheduler.CodeNotFound)
}

func jobNumbers(t *testing.T, s *db.Store) {
	for want := int64(1); want <= 3; want++ {
		if j := addJob(t, s, fmt.Sprint("job ", want)); j.Num != want {
			t.Errorf("job number %d, want %d", j.Num, want)
		}
	}
	last, err := s.JobByName(bg, "job 3")
	ok(t, err)
	tx(t, s, func(tx scheduler.Tx) error { return tx.DeleteJob(bg, last.ID) })
	if j := addJob(t, s, "job 4"); j.Num != 4 {
		t.Errorf("job number %d after the deletion of 3, want 4: numbers are never used again", j.Num)
	}
}

func jobNames(t *testing.T, s *db.Store) {
	first := addJob(t, s, "backup")
	second := NewJob("backup")
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.InsertJob(bg, &second) }), scheduler.CodeConflict)
	if second.Num != 0 {
		t.Errorf("a refused job has the number %d", second.Num)
	}
	// A refusal does not end the transaction.
	tx(t, s, func(tx scheduler.Tx) error {
		j := second
		wantCode(t, tx.InsertJob(bg, &j), scheduler.CodeConflict)
		second.Name = "Backup" // names differ by case
		return tx.InsertJob(bg, &second)
	})
	first.Name, first.Version = "Backup", 2
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, first) }), scheduler.CodeConflict)
	tx(t, s, func(tx scheduler.Tx) error { return tx.DeleteJob(bg, second.ID) })
	tx(t, s, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, first) })
}

func jobVersions(t *testing.T, s *db.Store) {
	j := addJob(t, s, "versions")
	tx(t, s, func(tx scheduler.Tx) error { // so that it is kept
		_, err := tx.Job(bg, j.ID)
		return err
	})
	j.Version, j.Notes, j.Enabled, j.UpdatedAt = 2, "new", false, at(1)
	tx(t, s, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, j) })
	for _, read := range []func() (scheduler.Job, error){
		func() (scheduler.Job, error) { return s.Job(bg, j.ID) },
		func() (got scheduler.Job, err error) {
			err = s.InTx(bg, func(tx scheduler.Tx) error { got, err = tx.Job(bg, j.ID); return err })
			return got, err
		},
	} {
		got, err := read()
		ok(t, err)
		if d := cmp.Diff(j, got); d != "" {
			t.Errorf("(-stored +read):\n%s", d)
		}
	}
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, j) }), scheduler.CodeConflict)
	j.Version = 4
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, j) }), scheduler.CodeConflict)
	j.ID = NewID()
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.UpdateJob(bg, j) }), scheduler.CodeNotFound)
}

func jobLists(t *testing.T, s *db.Store) {
	for i, name := range []string{"beta", "Alpha", "gamma 100%", "delta_x", `eps\ilon`, "Ümlaut"} {
		j := NewJob(name)
		j.DisplayName, j.CreatedAt, j.UpdatedAt = "Show "+name, at(i), at(100-i)
		j.Enabled = i%2 == 0
		if i == 0 {
			j.Executor, j.Origin = "http", scheduler.OriginDemo
		}
		tx(t, s, func(tx scheduler.Tx) error { return tx.InsertJob(bg, &j) })
	}
	ended := NewExecution(must(s.JobByName(bg, "beta")).ID, at(0))
	ended.State, ended.FinishedAt = scheduler.Missed, at(1)
	addExecution(t, s, ended)
	yes := true
	for _, c := range []struct {
		f    scheduler.JobFilter
		want []string
		n    int64
	}{
		{scheduler.JobFilter{}, []string{"Alpha", "beta", "delta_x", `eps\ilon`, "gamma 100%", "Ümlaut"}, 6},
		{scheduler.JobFilter{Sort: "-name", Limit: 2}, []string{"Ümlaut", "gamma 100%"}, 6},
		{scheduler.JobFilter{Sort: "name", Limit: 2, Offset: 1}, []string{"beta", "delta_x"}, 6},
		{scheduler.JobFilter{Sort: "created", Limit: 2}, []string{"beta", "Alpha"}, 6},
		{scheduler.JobFilter{Sort: "updated", Limit: 1}, []string{"Ümlaut"}, 6},
		{scheduler.JobFilter{Sort: "-" + scheduler.JobsByLast, Limit: 1}, []string{"beta"}, 6},
		{scheduler.JobFilter{Sort: scheduler.JobsByLast, Limit: 1, Offset: 5}, []string{"beta"}, 6},
		{scheduler.JobFilter{Offset: 10}, []string{}, 6},
		{scheduler.JobFilter{Query: "ALPHA"}, []string{"Alpha"}, 1},
		{scheduler.JobFilter{Query: "show b"}, []string{"beta"}, 1},
		{scheduler.JobFilter{Query: "%"}, []string{"gamma 100%"}, 1},
		{scheduler.JobFilter{Query: "_"}, []string{"delta_x"}, 1},
		{scheduler.JobFilter{Query: `\`}, []string{`eps\ilon`}, 1},
		{scheduler.JobFilter{Query: "üml"}, []string{"Ümlaut"}, 1},
		{scheduler.JobFilter{Enabled: &yes, Limit: 2}, []string{"beta", `eps\ilon`}, 3},
		{scheduler.JobFilter{Executor: "http"}, []string{"beta"}, 1},
		{scheduler.JobFilter{Origin: scheduler.OriginDemo}, []string{"beta"}, 1},
		{scheduler.JobFilter{State: scheduler.Missed}, []string{"beta"}, 1},
		{scheduler.JobFilter{State: scheduler.Failed}, []string{}, 0},
	} {
		list, total, err := s.ListJobs(bg, c.f)
		ok(t, err)
		names := []string{}
		for _, j := range list {
			names = append(names, j.Name)
		}
		if d := cmp.Diff(c.want, names); d != "" || total.N != c.n || total.Capped {
			t.Errorf("%+v: total %+v, want %d, and (-want +got):\n%s", c.f, total, c.n, d)
		}
	}
	_, _, err := s.ListJobs(bg, scheduler.JobFilter{Sort: "name; DROP TABLE jobs"})
	wantCode(t, err, scheduler.CodeInvalid)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func enabledJobs(t *testing.T, s *db.Store) {
	on, off, manual := NewJob("on"), NewJob("off"), NewJob("manual")
	off.Enabled, manual.Schedules = false, nil
	tx(t, s, func(tx scheduler.Tx) error {
		for _, j := range []*scheduler.Job{&on, &off, &manual} {
			if err := tx.InsertJob(bg, j); err != nil {
				return err
			}
		}
		return nil
	})
	var got []scheduler.JobTimes
	ok(t, s.EachEnabledJob(bg, func(j scheduler.JobTimes) error { got = append(got, j); return nil }))
	if d := cmp.Diff([]scheduler.JobTimes{on.Times()}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	boom := errors.New("boom")
	if err := s.EachEnabledJob(bg, func(scheduler.JobTimes) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v, want fn's error", err)
	}
}
