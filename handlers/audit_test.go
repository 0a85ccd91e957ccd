package handlers

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"belfry/scheduler"
)

// TestAudit: every change is there with what it was before, for whom it may concern.
func TestAudit(t *testing.T) {
	w := newWorld(t)
	w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: `{"name":"=cmd|' /C calc'!A0","config":{"command":"one","env":{"DB_PASSWORD":"hunter2"}}}`})
	path := "/jobs/" + url.PathEscape("=cmd|' /C calc'!A0")
	w.expect(http.StatusOK, ask{method: "PUT", path: path, as: scheduler.Editor, body: `{"name":"=cmd|' /C calc'!A0","config":{"command":"<b>two</b>","env":{"DB_PASSWORD":"hunter2"}}}`})
	w.expect(http.StatusOK, ask{method: "POST", path: path + "/disable", as: scheduler.Operator})
	list := func(role scheduler.Role, query string) []auditOut {
		t.Helper()
		return decode[listOut[auditOut]](t, w.expect(http.StatusOK, ask{path: "/audit" + query, as: role})).Items
	}
	all := list(scheduler.Admin, "?action=job.")
	if len(all) != 3 || all[0].Action != "job.disable" || all[1].Action != "job.update" || all[2].Action != "job.create" {
		t.Fatalf("the rows are %+v", all)
	}
	var before, after struct{ Config map[string]any }
	w.must(json.Unmarshal(all[1].Before, &before))
	w.must(json.Unmarshal(all[1].After, &after))
	if before.Config["command"] != "one" || after.Config["command"] != "<b>two</b>" || string(all[2].Before) != "null" || all[1].Actor != "test editor" || *all[1].From != "192.0.2.1" {
		t.Errorf("the change is %+v, %v to %v", all[1], before, after)
	}
	for query, want := range map[string]int{
		"?action=job.update": 1, "?actor=test+operator": 1, "?object=" + url.QueryEscape("=cmd|' /C calc'!A0"): 3, "?object=nothing": 0,
		"?via=token&action=job.": 3, "?action=job.&from=2020-01-01": 3, "?action=job.&to=2020-01-01": 0, "?action=job.&limit=2&offset=1": 2,
	} {
		if got := list(scheduler.Admin, query); len(got) != want {
			t.Errorf("%s: %d rows, want %d", query, len(got), want)
		}
	}
	for _, row := range list(scheduler.Viewer, "") {
		if !strings.HasPrefix(row.Action, "job.") || row.From != nil {
			t.Errorf("a viewer sees %+v", row)
		}
	}
	users := list(scheduler.Admin, "?action=user.")
	if len(users) == 0 {
		t.Error("an admin sees no users")
	}
	page := w.expect(http.StatusOK, ask{path: "/audit", as: scheduler.Admin}.page()).Body.String()
	for _, want := range []string{"changed the job", "<del dir=\"auto\">one</del>", "&lt;b&gt;two&lt;/b&gt;", "***", "/audit/export?format=csv"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if strings.Contains(page, "hunter2") {
		t.Error("the page has a secret")
	}
	for _, query := range []string{"?from=nonsense", "?from=2020-01-02&to=2020-01-01", "?to=yesterday&offset=50"} {
		wrong := w.expect(http.StatusOK, ask{path: "/audit" + query, as: scheduler.Admin}.htmx()).Body.String()
		if !strings.Contains(wrong, "The filter is not right") || strings.Contains(wrong, "<table") || strings.Contains(wrong, "format=") {
			t.Errorf("%s: the list is %s", query, wrong)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		w.expect(http.StatusMethodNotAllowed, ask{method: method, path: "/audit", as: scheduler.Admin})
		w.expect(http.StatusNotFound, ask{method: method, path: fmt.Sprint("/audit/", all[0].ID), as: scheduler.Admin})
	}
}

// TestAuditExport sends more rows than one reading has.
func TestAuditExport(t *testing.T) {
	w := newWorld(t)
	const n = 2*scheduler.MaxPage + 7
	w.must(w.store.InTx(t.Context(), func(tx scheduler.Tx) error {
		for i := range n {
			a := scheduler.AuditEntry{At: w.clock.now(), Actor: "=1+1", Via: "page", Action: "job.run", Object: fmt.Sprint("job ", i), After: `{"a":"x,\"y\"\nz"}`}
			if err := tx.InsertAudit(t.Context(), a); err != nil {
				return err
			}
		}
		return nil
	}))
	rec := w.expect(http.StatusOK, ask{path: "/audit/export?format=csv&action=job.run", as: scheduler.Viewer}.page())
	rows, err := csv.NewReader(rec.Body).ReadAll()
	w.must(err)
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		seen[row[6]] = true
		if row[2] != "'=1+1" || row[8] != `{"a":"x,\"y\"\nz"}` {
			t.Fatalf("a row is %q", row)
		}
	}
	if len(rows) != n+1 || len(seen) != n || rows[0][0] != "id" || rec.Header().Get("Content-Disposition") != `attachment; filename="audit.csv"` {
		t.Errorf("%d rows, %d different ones", len(rows), len(seen))
	}
	var all []auditOut
	w.must(json.Unmarshal(w.expect(http.StatusOK, ask{path: "/audit/export?format=json&action=job.run&limit=1", as: scheduler.Admin}).Body.Bytes(), &all))
	if len(all) != n || all[0].Actor != "=1+1" {
		t.Errorf("%d rows", len(all))
	}
	w.must(json.Unmarshal(w.expect(http.StatusOK, ask{path: "/audit/export?format=json&object=nothing", as: scheduler.Admin}).Body.Bytes(), &all))
	if len(all) != 0 {
		t.Errorf("%d rows of nothing", len(all))
	}
}

// brokenAudit has one page of audit rows, and fails at the next.
type brokenAudit struct{ Store }

func (brokenAudit) ListAudit(_ context.Context, f scheduler.AuditFilter) ([]scheduler.AuditEntry, scheduler.Total, error) {
	if f.Below.ID != 0 {
		return nil, scheduler.Total{}, errors.New("the disk is gone")
	}
	return slices.Repeat([]scheduler.AuditEntry{{ID: 1, Action: "job.run"}}, f.Limit), scheduler.Total{}, nil
}

// TestAuditExportThatIsNotWholeBreaks: half an answer must not look like all of it.
func TestAuditExportThatIsNotWholeBreaks(t *testing.T) {
	w := newLiveWorld(t)
	w.server.Store = brokenAudit{w.store}
	for _, format := range []string{"csv", "json"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/audit/export?format="+format, nil)
		w.must(err)
		r.Header.Set("Authorization", "Bearer "+w.token(scheduler.Admin))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			continue // broken before the first byte
		}
		body, err := io.ReadAll(resp.Body)
		w.must(resp.Body.Close())
		if err == nil {
			t.Errorf("%s: status %d and %d bytes that end as if they were whole", format, resp.StatusCode, len(body))
		}
	}
}
