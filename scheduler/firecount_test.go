package scheduler_test

import (
	"fmt"
	"testing"
	"time"

	"belfry/scheduler"
)

func (p *past) fires(name string, change func(*scheduler.Draft), texts ...string) scheduler.Job {
	p.t.Helper()
	d := scheduler.Draft{Name: name, Enabled: true, Executor: "sim"}
	for _, text := range texts {
		d.Schedules = append(d.Schedules, scheduler.Schedule{Text: text, Zone: "UTC"})
	}
	if change != nil {
		change(&d)
	}
	j, err := p.service.CreateJob(bg, admin, d, scheduler.OriginAPI)
	p.must(err)
	return j
}

func TestFiresOfACalendar(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	p.now = time.Date(2026, 11, 21, 10, 20, 0, 0, time.UTC)
	quarter := p.fires("quarter", nil, "*/15 * * * *")
	p.fires("same", nil, "*/15 * * * *")
	p.fires("late", func(d *scheduler.Draft) { d.StartsAt = p.now.Add(90 * time.Minute) }, "*/15 * * * *")
	p.fires("both", nil, "5 11 * * *", "50 11 * * *")
	p.fires("off", func(d *scheduler.Draft) { d.Enabled = false }, "* * * * *")
	second := p.fires("second", nil, "* * * * * *")
	first := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	var edges []time.Time
	for i := range 9 {
		edges = append(edges, first.Add(time.Duration(i)*time.Hour))
	}
	got, err := p.service.CountFires(bg, edges, 1)
	p.must(err)
	var said []string
	for _, s := range got.Slots[:4] {
		said = append(said, fmt.Sprintf("%d/%d/%d", s.N, s.Due, len(s.Jobs)))
	}
	// 9 is past, of 10 what comes after 10:20; "late" begins at 11:50.
	if fmt.Sprint(said) != "[0/0/0 2404/3/1 3610/4/1 3612/4/1]" || got.Slots[1].Jobs[0] != quarter.ID {
		t.Errorf("fires/jobs/named by hour: %v", said)
	}
	if len(got.Often) != 0 || got.Left != 0 {
		t.Errorf("often: %v, left: %d", got.Often, got.Left)
	}
	// A month of every second is more than is counted, and keeps no other from it.
	got, err = p.service.CountFires(bg, []time.Time{first, first.AddDate(0, 1, 0)}, 1)
	p.must(err)
	if len(got.Often) != 1 || got.Often[0] != second.ID || got.Slots[0].Due != 4 {
		t.Errorf("often in a month: %v, counted: %+v", got.Often, got.Slots)
	}

	list, n, err := p.service.FiresWithin(bg, edges[2], edges[3], 2)
	p.must(err)
	if n != 4 || len(list) != 2 || !list[0].First.Equal(edges[2]) {
		t.Errorf("within the hour: %d jobs, %+v", n, list)
	}
	if list, n, err = p.service.FiresWithin(bg, edges[0], edges[1], 9); err != nil || n != 0 || len(list) != 0 {
		t.Errorf("within a past hour: %v, %d, %v", list, n, err)
	}
}
