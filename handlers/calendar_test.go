package handlers

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

func TestSlots(t *testing.T) {
	for _, c := range []struct {
		zone, day  string
		hours      float64
		gap, twice int // -1: none
	}{
		{"Europe/Berlin", "2026-11-21", 24, -1, -1},
		{"Europe/Berlin", "2026-03-29", 23, 2, -1},
		{"Europe/Berlin", "2026-10-25", 25, -1, 2},
		{"Asia/Beirut", "2026-03-29", 23, 0, -1},    // midnight itself does not exist
		{"Asia/Beirut", "2026-03-28", 24, -1, -1},   // and this day ends where it would be
		{"America/Havana", "2026-11-01", 25, -1, 0}, // the first hour comes twice
		{"America/New_York", "2026-03-08", 23, 2, -1},
		{"Asia/Kathmandu", "2026-06-01", 24, -1, -1},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		day, err := time.ParseInLocation(time.DateOnly, c.day, zone)
		if err != nil {
			t.Fatal(err)
		}
		if day.Hour() == 23 { // Go may go back where midnight does not exist
			day = day.Add(time.Hour)
		}
		list := slots(day)
		if got := list[23].To.Sub(list[0].From).Hours(); got != c.hours {
			t.Errorf("%s in %s has %g hours, want %g", c.day, c.zone, got, c.hours)
		}
		for h, s := range list {
			if s.Gap != (h == c.gap) || s.Twice != (h == c.twice) || s.Hour != h || s.To.Before(s.From) || h > 0 && !list[h-1].To.Equal(s.From) {
				t.Errorf("%s in %s, %d: %+v", c.day, c.zone, h, s)
			}
			if !s.Gap && s.From.In(zone).Hour() != h {
				t.Errorf("%s in %s: %d begins at %v", c.day, c.zone, h, s.From)
			}
		}
	}
}

// The days on which the clocks change are marked in the week and in the day.
func TestCalendarMarksTheChangeOfClocks(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *Options) { o.Zone = zone })
	for date, want := range map[string]string{"2027-03-28": "clocks go forward: 23 h", "2027-10-31": "clocks go back: 25 h", "2027-03-21": ""} {
		for _, view := range []string{"week", "day"} {
			page := w.expect(http.StatusOK, ask{path: "/calendar?view=" + view + "&date=" + date, as: scheduler.Viewer}.page()).Body.String()
			if want == "" && strings.Contains(page, "clocks go") || !strings.Contains(page, want) {
				t.Errorf("the %s of %s does not say %q", view, date, want)
			}
		}
	}
}

func TestCalendar(t *testing.T) {
	w := newWorld(t)
	w.clock.at = time.Date(2026, 11, 21, 10, 20, 0, 0, time.UTC)
	for name, text := range map[string]string{"quarter": "*/15 * * * *", "noon": "0 12 * * *"} {
		_, err := w.service.CreateJob(t.Context(), scheduler.Server, scheduler.Draft{
			Name: name, Enabled: true, Executor: "shell", Config: json.RawMessage(`{"command":"x"}`),
			Schedules: []scheduler.Schedule{{Text: text, Zone: "UTC"}},
		}, scheduler.OriginAPI)
		w.must(err)
	}
	j, err := w.store.JobByName(t.Context(), "noon")
	w.must(err)
	due := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	w.must(w.store.InTx(t.Context(), func(tx scheduler.Tx) error {
		_, err := tx.InsertExecution(t.Context(), scheduler.Execution{
			ID: "m", JobID: j.ID, Group: "m", Attempt: 1, State: scheduler.Missed, Reason: "the server was down", Trigger: scheduler.Trigger{Kind: scheduler.TriggerSchedule},
			DueAt: due, RunAt: due, QueuedAt: due.Add(time.Hour), FinishedAt: due.Add(time.Hour), Progress: -1,
		})
		return err
	}))
	week := decode[calendarOut](t, w.expect(http.StatusOK, ask{path: "/calendar?date=2026-11-18", as: scheduler.Viewer}))
	if len(week.Slots) != 7*24 {
		t.Fatalf("a week of %d hours", len(week.Slots))
	}
	var fires int64
	for i, s := range week.Slots {
		fires += s.Fires
		if missed := i == 4*24+12; (s.Missed == 1) != missed {
			t.Errorf("missed in %v: %d", time.Time(s.From), s.Missed)
		}
	}
	// Saturday from 10:20 has 54 quarters, Sunday 96, and noon is twice.
	if fires != 54+96+2 {
		t.Errorf("%d fires", fires)
	}
	day := decode[calendarOut](t, w.expect(http.StatusOK, ask{path: "/calendar?view=day", as: scheduler.Viewer}))
	if len(day.Slots) != 24 || day.Slots[12].Due != 2 || len(day.Slots[12].Jobs) != 2 {
		t.Errorf("the day: %+v", day.Slots)
	}
	hour := decode[calendarHourOut](t, w.expect(http.StatusOK, ask{path: "/calendar?view=hour&date=2026-11-21&hour=12", as: scheduler.Viewer}))
	if hour.Jobs != 2 || hour.Fires[0].Count+hour.Fires[1].Count != 5 {
		t.Errorf("the hour: %+v", hour)
	}
	// What ran belongs to the hour in which it was queued.
	w.must(w.store.InTx(t.Context(), func(tx scheduler.Tx) error {
		for i, state := range []scheduler.State{scheduler.Succeeded, scheduler.Succeeded, scheduler.TimedOut, scheduler.Cancelled} {
			at := due.Add(time.Duration(1+i) * 10 * time.Minute)
			e := scheduler.Execution{
				ID: at.String(), JobID: j.ID, Group: at.String(), Attempt: 1, State: scheduler.Queued, Trigger: scheduler.Trigger{Kind: scheduler.TriggerManual},
				DueAt: at, RunAt: at, QueuedAt: at, Progress: -1,
			}
			if _, err := tx.InsertExecution(t.Context(), e); err != nil {
				return err
			}
			if state == scheduler.Cancelled {
				e.State, e.FinishedAt = state, at.Add(time.Hour)
				return tx.Finish(t.Context(), e, scheduler.Queued)
			}
			claimed, err := tx.Claim(t.Context(), scheduler.Worker{Name: "w"}, at, 1)
			if err != nil {
				return err
			}
			e = claimed[0].Execution
			e.State, e.FinishedAt = state, at.Add(time.Hour)
			if err := tx.Finish(t.Context(), e, scheduler.Running); err != nil {
				return err
			}
		}
		return nil
	}))
	week = decode[calendarOut](t, w.expect(http.StatusOK, ask{path: "/calendar?date=2026-11-18", as: scheduler.Viewer}))
	for i, s := range week.Slots {
		want := map[scheduler.State]int64{}
		if i == 4*24+12 {
			want = map[scheduler.State]int64{scheduler.Succeeded: 2, scheduler.TimedOut: 1, scheduler.Cancelled: 1, scheduler.Missed: 1}
		}
		if !maps.Equal(s.Ended, want) || s.Capped {
			t.Errorf("ended in %v: %+v", time.Time(s.From), s.Ended)
		}
	}
	cell := w.expect(http.StatusOK, ask{path: "/calendar?date=2026-11-18", as: scheduler.Viewer}.page()).Body.String()
	if want := `aria-label="Fri 20 Nov 12:00: 2 succeeded, 1 timed out, 1 cancelled, 1 missed"`; !strings.Contains(cell, want) {
		t.Errorf("the week does not say %s", want)
	}
	past := decode[calendarHourOut](t, w.expect(http.StatusOK, ask{path: "/calendar?date=2026-11-20&hour=12", as: scheduler.Viewer}))
	if past.Jobs != 0 || len(past.Missed) != 1 || past.Missed[0].Job != "noon" || past.Ended[scheduler.Succeeded] != 2 ||
		len(past.Executions) != 4 || past.Total != 4 || past.Executions[0].State != "cancelled" {
		t.Errorf("the past hour: %+v", past)
	}
	for _, query := range []string{"view=year", "date=yesterday", "date=0001-01-01", "hour=24", "view=hour", "hour=x"} {
		w.expect(http.StatusBadRequest, ask{path: "/calendar?" + query, as: scheduler.Viewer})
	}
}
