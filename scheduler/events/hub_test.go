package events

import (
	"strconv"
	"testing"

	"belfry/scheduler"
)

func changed(id string) scheduler.Event {
	return scheduler.Event{Kind: scheduler.ExecutionChanged, ExecutionID: id}
}

func woken(s scheduler.Subscription) bool {
	select {
	case <-s.Wake():
		return true
	default:
		return false
	}
}

func TestBoardSeesEverythingOnce(t *testing.T) {
	h := New()
	h.Publish(changed("before"))
	s := h.Subscribe(true, nil)
	defer s.Close()
	h.Publish(changed("a"))
	h.Publish(changed("b"))
	if !woken(s) {
		t.Fatal("not woken by two events")
	}
	u := s.Take()
	if len(u.Events) != 2 || u.Events[0].ExecutionID != "a" || u.Events[1].ExecutionID != "b" || u.Lagged {
		t.Fatalf("took %+v", u)
	}
	if u = s.Take(); len(u.Events) != 0 || woken(s) {
		t.Fatalf("took %+v again", u)
	}
	h.Publish(changed("c"))
	if !woken(s) || len(s.Take().Events) != 1 {
		t.Fatal("the event after a Take was not seen")
	}
}

func TestReaderBehindIsToldAndGoesOn(t *testing.T) {
	h := New()
	s := h.Subscribe(true, nil)
	defer s.Close()
	for i := range ringSize + 1 {
		h.Publish(changed(strconv.Itoa(i)))
	}
	if u := s.Take(); !u.Lagged || len(u.Events) != 0 {
		t.Fatalf("lagged=%v with %d events", u.Lagged, len(u.Events))
	}
	h.Publish(changed("next"))
	if u := s.Take(); u.Lagged || len(u.Events) != 1 || u.Events[0].ExecutionID != "next" {
		t.Fatalf("after the lag: %+v", u)
	}
}

func TestWatcherIsTouchedByItsExecutionOnly(t *testing.T) {
	h := New()
	s := h.Subscribe(false, []string{"mine"})
	defer s.Close()
	h.Publish(changed("other"))
	h.Publish(scheduler.Event{Kind: scheduler.OutputGrew, ExecutionID: "other"})
	if woken(s) || s.Take().Touched {
		t.Fatal("touched by another execution")
	}
	h.Publish(scheduler.Event{Kind: scheduler.OutputGrew, ExecutionID: "mine"})
	if !woken(s) || !s.Take().Touched {
		t.Fatal("not touched by its own output")
	}
}

func TestCloseLeavesNothingAndEndsReaders(t *testing.T) {
	h := New()
	s := h.Subscribe(true, []string{"x"})
	h.Close()
	<-s.Done()
	s.Close()
	late := h.Subscribe(true, nil)
	<-late.Done()
	late.Close()
	if h.Readers() != 0 || len(h.watchers) != 0 || len(h.waiting) != 0 {
		t.Fatalf("left: %d readers, %d watchers, %d waiting", h.Readers(), len(h.watchers), len(h.waiting))
	}
}

func BenchmarkPublishToIdlePages(b *testing.B) {
	h := New()
	for range 1000 {
		defer h.Subscribe(true, nil).Close()
	}
	e := changed("x")
	for b.Loop() {
		h.Publish(e)
	}
}
