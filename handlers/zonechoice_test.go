package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

// TestTimesOfJobs: with each job's zone chosen, whatever is a time of a job is in its
// zone, and says so; the rest is in the browser's.
func TestTimesOfJobs(t *testing.T) {
	w := newWorld(t)
	w.clock.at = time.Date(2026, 7, 1, 10, 5, 0, 0, time.UTC)
	for name, zone := range map[string]string{"tokyo": "Asia/Tokyo", "kolkata": "Asia/Kolkata", "server": ""} {
		_, err := w.service.CreateJob(t.Context(), scheduler.Server, scheduler.Draft{
			Name: name, Enabled: true, Executor: "shell", Config: []byte(`{"command":"x"}`), Schedules: []scheduler.Schedule{{Text: "30 * * * *", Zone: zone}},
		}, scheduler.OriginAPI)
		w.must(err)
	}
	ran := w.finished("tokyo", "x\n")
	cookie := w.logIn("admin", adminPassword)
	rec := w.expect(http.StatusSeeOther, ask{method: "POST", path: "/zone", form: url.Values{"zone": {"job"}, "mine": {"America/New_York"}}}.page().with("Cookie", cookie))
	set, _, _ := strings.Cut(rec.Header().Get("Set-Cookie"), ";")
	read := func(path string) string {
		t.Helper()
		a := ask{path: path}.page()
		if strings.HasSuffix(path, "/history") { // it is a part of a page
			a = ask{path: path}.htmx()
		}
		return w.expect(http.StatusOK, a.with("Cookie", cookie+"; "+set)).Body.String()
	}
	for path, want := range map[string][]string{
		"/":                     {">19:30:00 JST<", ">16:30:00 IST<", ">10:30:00 UTC<"},
		"/jobs":                 {">19:30:00 JST<", ">16:30:00 IST<", ">10:30:00 UTC<"},
		"/jobs/tokyo":           {">19:05:00 JST<"},
		"/jobs/tokyo/history":   {"<span>19:05:00 JST</span>", "Days are those of Asia/Tokyo"},
		"/executions":           {">19:05:00 JST<"},
		"/executions?job=tokyo": {">19:05:00 JST<", "From, Asia/Tokyo"},
		"/executions?job=tokyo&from=2026-07-01T19:00:00&to=2026-07-01T19:10:00": {">19:05:00 JST<"},
		"/executions/" + ran.ID: {">19:05:00 JST<"},
		"/calendar":             {"Hours are in this browser&#39;s time zone, America/New_York"},
		"/calendar?view=hour&date=2026-07-01&hour=6":  {">06:30:00<", ">19:30:00 JST<", ">10:30:00 UTC<", ">06:05:00<", ">19:05:00 JST<"},
		"/calendar?view=hour&date=2026-07-01&hour=22": {">22:30:00<"},
	} {
		page := read(path)
		for _, text := range want {
			if !strings.Contains(page, text) {
				t.Errorf("%s does not have %s", path, text)
			}
		}
	}
	// A time that is typed on a job's page is in the zone that the page says.
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/jobs/tokyo/pause", form: url.Values{"until": {"2026-07-02 08:00"}}}.page().with("Cookie", cookie+"; "+set))
	j, err := w.store.JobByName(t.Context(), "tokyo")
	w.must(err)
	if want := time.Date(2026, 7, 1, 23, 0, 0, 0, time.UTC); !j.PausedUntil.Equal(want) {
		t.Errorf("paused until %v, want %v", j.PausedUntil, want)
	}
}

// TestStreamKeepsTheZone: what patches a page later is in the zone of the page.
func TestStreamKeepsTheZone(t *testing.T) {
	w := newLiveWorld(t)
	w.must(w.service.CreateJob(t.Context(), scheduler.Server, scheduler.Draft{
		Name: "tokyo", Executor: "shell", Config: []byte(`{"command":"x"}`), Schedules: []scheduler.Schedule{{Text: "0 0 1 1 *", Zone: "Asia/Tokyo"}},
	}, scheduler.OriginAPI))
	w.must(w.service.RunJob(t.Context(), scheduler.Server, "tokyo", nil))
	claimed, err := w.service.Claim(t.Context(), scheduler.Worker{Name: "server"}, 1)
	w.must(err)
	w.end(claimed[0], 0, 0)
	w.cookie = zoneCookie + "=job"
	s := w.open("?format=html&topics=execution:"+claimed[0].Execution.ID, "")
	for f, ok := s.next(); ok; f, ok = s.next() {
		if f.event == "execution" && !strings.Contains(f.data, " JST<") {
			t.Errorf("the header: %s", f.data)
		}
	}
}
