package scheduler

import "testing"

func TestTransitions(t *testing.T) {
	legal := map[[2]State]bool{
		{"", Queued}: true, {"", Skipped}: true, {"", Missed}: true,
		{Queued, Running}: true, {Queued, Cancelled}: true, {Queued, Skipped}: true,
		{Running, Succeeded}: true, {Running, Failed}: true, {Running, TimedOut}: true,
		{Running, Cancelled}: true, {Running, Lost}: true,
	}
	for _, from := range append([]State{""}, States...) {
		for _, to := range append([]State{""}, States...) {
			if got := from.CanBecome(to); got != legal[[2]State{from, to}] {
				t.Errorf("%q -> %q: %v", from, to, got)
			}
		}
	}
}

func TestEveryStateIsActiveOrFinal(t *testing.T) {
	for _, s := range States {
		if s.Active() == s.Final() {
			t.Errorf("%s: active %v, final %v", s, s.Active(), s.Final())
		}
		if !s.Valid() {
			t.Errorf("%s is not valid", s)
		}
	}
	if State("done").Valid() {
		t.Error("an unknown state is valid")
	}
}

func TestRolesIncludeTheOnesBefore(t *testing.T) {
	for i, have := range Roles {
		for k, need := range Roles {
			if have.Allows(need) != (i >= k) {
				t.Errorf("%s allows %s: %v", have, need, have.Allows(need))
			}
		}
	}
	if Role("").Allows(Viewer) || Admin.Allows("") || Role("root").Valid() {
		t.Error("an unknown role allows something")
	}
}
