package scheduler_test

import (
	"testing"
	"time"

	"belfry/scheduler"
)

func TestAcknowledge(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	p.job("j", scheduler.Retention{})
	p.ran("bad", "j", scheduler.Failed, 0)
	p.ran("good", "j", scheduler.Succeeded, 0)
	id := func(name string) string {
		for id, made := range p.made {
			if made == name {
				return id
			}
		}
		t.Fatalf("no execution %s in %v", name, p.made)
		return ""
	}
	p.must(p.service.Acknowledge(bg, admin, id("bad")))
	got, err := p.service.Acknowledged(bg)
	p.must(err)
	j, err := p.store.JobByName(bg, "j")
	p.must(err)
	if a := got[j.ID]; len(got) != 1 || a.Execution != id("bad") || a.By != admin.Name || !a.At.Equal(p.now.UTC().Truncate(time.Microsecond)) {
		t.Errorf("acknowledged: %+v", got)
	}
	for _, c := range []struct {
		id   string
		by   scheduler.Principal
		want scheduler.Code
	}{
		{id("good"), admin, scheduler.CodeConflict},
		{"nothing", admin, scheduler.CodeNotFound},
		{id("bad"), scheduler.Principal{Name: "v", Role: scheduler.Viewer}, scheduler.CodeForbidden},
	} {
		if err := p.service.Acknowledge(bg, c.by, c.id); scheduler.CodeOf(err) != c.want {
			t.Errorf("acknowledging %s: %v, want %s", c.id, err, c.want)
		}
	}
}
