package timer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"belfry/scheduler"
)

func every(text string) []scheduler.Schedule {
	return []scheduler.Schedule{{Text: text, Zone: "UTC"}}
}

type fired struct {
	job string
	due time.Time
}

func TestFiresAtDueTimesInTheBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := New(time.Now)
		var got []fired
		if err := tm.Put(scheduler.JobTimes{ID: "a", Schedules: every("*/2 * * * * *")}); err != nil {
			t.Fatal(err)
		}
		if err := tm.Start(func(job string, due time.Time) { got = append(got, fired{job, due}) }); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		time.Sleep(7 * time.Second)
		synctest.Wait()
		tm.Stop()
		want := []fired{}
		for s := 2; s <= 6; s += 2 {
			want = append(want, fired{"a", start.Add(time.Duration(s) * time.Second)})
		}
		if fmt.Sprint(unix(got)) != fmt.Sprint(unix(want)) {
			t.Fatalf("fired %v, want %v", got, want)
		}
	})
}

func TestStopThenStartGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := New(time.Now)
		var n atomic.Int64
		count := func(string, time.Time) { n.Add(1) }
		_ = tm.Put(scheduler.JobTimes{ID: "a", Schedules: every("* * * * * *")})
		for range 20 {
			if err := tm.Start(count); err != nil {
				t.Fatal(err)
			}
			before := n.Load()
			time.Sleep(3 * time.Second)
			synctest.Wait()
			tm.Stop()
			if fires := n.Load() - before; fires < 2 {
				t.Fatalf("%d fires in 3 s after a restart", fires)
			}
		}
	})
}

func TestPutReplacesAndRemoveEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := New(time.Now)
		var got []fired
		_ = tm.Start(func(job string, due time.Time) { got = append(got, fired{job, due}) })
		defer tm.Stop()
		_ = tm.Put(scheduler.JobTimes{ID: "a", Schedules: every("* * * * * *")})
		time.Sleep(2500 * time.Millisecond)
		_ = tm.Put(scheduler.JobTimes{ID: "a", Schedules: every("@every 1h")})
		synctest.Wait()
		n := len(got)
		if n != 2 {
			t.Fatalf("%d fires before the replacement, want 2", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(got) != n {
			t.Fatal("the replaced schedule still fires")
		}
		tm.Remove("a")
		if _, ok := tm.Next("a"); ok {
			t.Fatal("a removed job has a next time")
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if len(got) != n {
			t.Fatal("a removed job fires")
		}
	})
}

// TestAClockThatIsSet: set back, the next due time is the first one after the
// clock; set forward, the first due time that was passed fires, and then one that
// is not long past.
func TestAClockThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		tm := New(func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
		start := time.Now()
		ahead.Store(int64(time.Hour))
		_ = tm.Put(scheduler.JobTimes{ID: "a", Schedules: every("*/10 * * * *")})
		if at, _ := tm.Next("a"); at.Sub(start) != 70*time.Minute {
			t.Errorf("next %v after the start, want 70 minutes", at.Sub(start))
		}
		ahead.Store(0)
		tm.Refresh()
		if at, _ := tm.Next("a"); at.Sub(start) != 10*time.Minute {
			t.Errorf("after setting the clock back next is %v after the start, want 10 minutes", at.Sub(start))
		}
		var got []time.Duration
		_ = tm.Start(func(_ string, due time.Time) { got = append(got, due.Sub(start)) })
		defer tm.Stop()
		time.Sleep(15 * time.Minute) // one fire
		ahead.Store(int64(3 * time.Hour))
		tm.Refresh()
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if len(got) < 2 || got[0] != 10*time.Minute || got[1] != 20*time.Minute {
			t.Fatalf("fired %v", got)
		}
		if at, _ := tm.Next("a"); at.Sub(start) < 3*time.Hour {
			t.Errorf("next is %v after the start: it lies in the gap", at.Sub(start))
		}
	})
}

func TestJobsThatNeverFireHaveNoNext(t *testing.T) {
	tm := New(time.Now)
	for _, text := range []string{"@manually", "@at 2001-01-01T00:00:00Z"} {
		if err := tm.Put(scheduler.JobTimes{ID: "a", Schedules: every(text)}); err != nil {
			t.Fatal(err)
		}
		if at, ok := tm.Next("a"); ok {
			t.Errorf("%s: next is %v", text, at)
		}
	}
	if err := tm.Put(scheduler.JobTimes{ID: "a", Schedules: every("61 * * * *")}); err == nil {
		t.Error("a wrong schedule was taken")
	}
}

func TestEarliestOfSeveralSchedules(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	tm := New(func() time.Time { return now })
	both := append(every("0 0 18 * * *"), every("0 30 12 * * *")...)
	if err := tm.Put(scheduler.JobTimes{ID: "a", Schedules: both}); err != nil {
		t.Fatal(err)
	}
	if at, _ := tm.Next("a"); !at.Equal(now.Add(30 * time.Minute)) {
		t.Fatalf("next is %v", at)
	}
}

func TestUpcomingIsTheSortedHead(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tm := New(func() time.Time { return now })
	var all []time.Time
	for i := range 500 {
		at := now.Add(time.Duration(1+rand.IntN(100000)) * time.Second)
		all = append(all, at)
		if err := tm.Put(scheduler.JobTimes{ID: fmt.Sprint(i), Schedules: every("@at " + at.Format(time.RFC3339))}); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	got := tm.Upcoming(50)
	if len(got) != 50 {
		t.Fatalf("%d of 50", len(got))
	}
	for i, d := range got {
		if !d.At.Equal(all[i]) {
			t.Fatalf("upcoming %d is %v, want %v", i, d.At, all[i])
		}
	}
}

func unix(f []fired) (s []int64) {
	for _, x := range f {
		s = append(s, x.due.Unix())
	}
	return s
}

func BenchmarkPut100000(b *testing.B) {
	for b.Loop() {
		tm := New(time.Now)
		for i := range 100_000 {
			_ = tm.Put(scheduler.JobTimes{ID: fmt.Sprint(i), Schedules: every("*/5 * * * *")})
		}
	}
}
