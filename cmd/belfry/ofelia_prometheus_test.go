package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	dashboardFile = "../../deploy/grafana/belfry.json"
	alertsFile    = "../../deploy/prometheus/alerts.yml"
)

// prometheusTool finds a program of Debian's package prometheus, or skips the test.
func prometheusTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("BELFRY_TEST_REQUIRE_PROMETHEUS") == "1" {
			t.Fatalf("%s is required here: %v", name, err)
		}
		t.Skipf("%s is not installed; on Debian: apt-get install prometheus", name)
	}
	return path
}

// measured is a server that has something of everything to measure, and what it
// says at /metrics.
func measured(t *testing.T) (s *server, text []byte) {
	t.Helper()
	s = ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	admin.create(`odd "name" ü`, "@manual", "true", nil)
	admin.ended(admin.start(`odd "name" ü`, nil))
	admin.create("bad", "@manual", "false", nil)
	admin.ended(admin.start("bad", nil))
	admin.create("tick", "* * * * * *", "true", nil)
	admin.runs("tick", 1)
	admin.listen()
	return s, admin.want(200, "GET", "/metrics", nil).body
}

func TestPromtoolAcceptsTheMetrics(t *testing.T) {
	t.Parallel()
	tool := prometheusTool(t, "promtool")
	_, text := measured(t)
	cmd := exec.Command(tool, "check", "metrics")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestPromtoolAcceptsTheAlerts(t *testing.T) {
	t.Parallel()
	tool := prometheusTool(t, "promtool")
	out, err := exec.Command(tool, "check", "rules", alertsFile).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "SUCCESS") {
		t.Errorf("promtool check rules: %v\n%s", err, out)
	}
	out, err = exec.Command(tool, "test", "rules", filepath.Join(filepath.Dir(alertsFile), "alerts_test.yml")).CombinedOutput()
	if err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, out)
	}
}

var metricName = regexp.MustCompile(`\b(?:belfry|ofelia|process|go)_[a-z0-9_]+\b`)

// TestMetricsOfTheDashboardAndTheAlertsExist: a metric that is renamed must not
// leave an empty panel, or an alert that never comes.
func TestMetricsOfTheDashboardAndTheAlertsExist(t *testing.T) {
	t.Parallel()
	_, text := measured(t)
	exists := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if name := metricName.FindString(line); name != "" && !strings.HasPrefix(line, "#") {
			exists[name] = true
		}
	}
	board, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		UID, Title string
		Panels     []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(board, &dashboard); err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			names := metricName.FindAllString(target.Expr, -1)
			if len(names) == 0 {
				t.Errorf("panel %q asks for no metric: %s", p.Title, target.Expr)
			}
			used = append(used, names...)
		}
	}
	alerts, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(alerts)) {
		if _, expr, is := strings.Cut(line, "expr:"); is {
			used = append(used, metricName.FindAllString(expr, -1)...)
		}
	}
	if len(used) < 15 {
		t.Errorf("only %v are used", used)
	}
	for _, name := range used {
		if !exists[name] {
			t.Errorf("%s is asked for and does not exist", name)
		}
	}
	// And what is worth measuring is worth being shown.
	for name := range exists {
		if base := strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count"); (strings.HasPrefix(name, "belfry_") || strings.HasPrefix(name, "ofelia_")) &&
			!slices.ContainsFunc(used, func(u string) bool { return u == name || strings.TrimSuffix(u, "_bucket") == base }) {
			t.Errorf("%s is on no panel and in no alert", name)
		}
	}
}

// TestPrometheusScrapes: a real one finds the server up and has its metrics.
func TestPrometheusScrapes(t *testing.T) {
	t.Parallel()
	program := prometheusTool(t, "prometheus")
	s, _ := measured(t)
	dir := t.TempDir()
	rules, err := filepath.Abs(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global:
  scrape_interval: 200ms
  scrape_timeout: 200ms
  evaluation_interval: 200ms
rule_files: [%q]
scrape_configs:
  - job_name: belfry
    static_configs:
      - targets: [%q]
`, rules, strings.TrimPrefix(s.url, "http://")))
	address := freeAddress(t)
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	log := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	defer stop()

	query := func(expr string) (value string) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/api/v1/query?query="+url.QueryEscape(expr), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return ""
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return ""
		}
		var answer struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		if json.Unmarshal(b, &answer) != nil || len(answer.Data.Result) == 0 {
			return ""
		}
		return fmt.Sprint(answer.Data.Result[0].Value[1])
	}
	asker := s.nobody(t)
	asker.eventually("Prometheus finds the server up", func() bool { return query("up") == "1" })
	asker.eventually("Prometheus has the metrics", func() bool { return query("ofelia_jobs_total >= 3") != "" })
	for expr, want := range map[string]string{
		"ofelia_jobs_failed_total": "1",
		`belfry_executions_total{exported_job="bad",executor="shell",state="failed"}`: "1",
		`belfry_executions_total{exported_job="odd \"name\" ü",state="succeeded"}`:    "1",
		`belfry_websocket_clients`:                                                    "1",
		`count(belfry_build_info)`:                                                    "1",
		`sum(ofelia_job_duration_seconds_count) > bool 2`:                             "1",
		`belfry_database_size_bytes > bool 0`:                                         "1",
		`histogram_quantile(0.99, belfry_schedule_lateness_seconds_bucket) < bool 60`: "1",
	} {
		if got := query(expr); got != want {
			t.Errorf("%s is %q, want %s", expr, got, want)
		}
	}
	if t.Failed() {
		stop()
		t.Logf("%s", log)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
