package handlers

import (
	"net/http"
	"strings"
	"testing"

	"belfry/scheduler"
)

// TestConfigurationPage: what is in force, what is wrong, and who may see it.
func TestConfigurationPage(t *testing.T) {
	c := &configuration{}
	w := newWorld(t, func(o *Options) { o.Configuration = c })
	w.expect(http.StatusForbidden, ask{path: "/settings/configuration", as: scheduler.Editor})
	page := w.expect(http.StatusOK, ask{path: "/settings/configuration", as: scheduler.Admin}.page()).Body.String()
	for _, part := range []string{"/etc/belfry/jobs.ini", "slackChannel", "#ops", "container web: ofelia.job-local.x: no"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	reload := ask{method: "POST", path: "/settings/configuration/reload", as: scheduler.Admin}
	w.expect(http.StatusSeeOther, reload.page())
	c.problem = scheduler.Invalid("/etc/belfry/jobs.ini:3", "schedule: is required")
	rec := w.expect(http.StatusUnprocessableEntity, reload.page())
	if !strings.Contains(rec.Body.String(), "/etc/belfry/jobs.ini:3") {
		t.Errorf("it does not say what is wrong: %.500s", rec.Body)
	}
	w.problem(w.expect(http.StatusUnprocessableEntity, reload))
}

// TestContainersForTheForm: the field that names one offers those that there are.
func TestContainersForTheForm(t *testing.T) {
	w := newWorld(t)
	rec := w.expect(http.StatusOK, ask{path: "/containers", as: scheduler.Editor}.htmx())
	if body := rec.Body.String(); strings.Index(body, `value="db"`) > strings.Index(body, `value="web"`) || !strings.Contains(body, "nginx:1, running") {
		t.Errorf("%s", body)
	}
	w.expect(http.StatusForbidden, ask{path: "/containers", as: scheduler.Viewer})
}
