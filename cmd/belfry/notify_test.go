package main

import (
	"path/filepath"
	"testing"
)

// TestOutcomesAreToldAtTheEnd: what ends while the server stops is told before it
// is gone.
func TestOutcomesAreToldAtTheEnd(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "saved")
	s := serve(t, t.TempDir(), "--drain-grace", "30s")
	s.shellJob("j", "", "echo began; sleep 1; exit 3", map[string]any{
		"notify": []map[string]any{{"kind": "save", "on": "failure", "config": map[string]string{"folder": folder}}},
	})
	id := s.run("j")
	s.until(id, is("running"))
	if code := s.terminate(); code != 0 {
		t.Errorf("the server ended with %d\n%s", code, s.log)
	}
	for _, suffix := range []string{".json", ".stdout.log", ".stderr.log"} {
		if found, err := filepath.Glob(folder + "/*_j_" + id + suffix); err != nil || len(found) != 1 {
			t.Errorf("%s: %v, %v\n%s", suffix, found, err, s.log)
		}
	}
}
