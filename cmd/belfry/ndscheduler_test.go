package main

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var ndschedulerListens = regexp.MustCompile(`msg=listening api=ndscheduler address=(\S+)`)

// ndschedulerServer starts a server with such a listener; apart is the same server
// as that listener's clients see it.
func ndschedulerServer(t *testing.T, args ...string) (s, apart *server) {
	t.Helper()
	s = serve(t, t.TempDir(), append([]string{"--ndscheduler-listen", "127.0.0.1:0", "--docker", "off", "--api-rate-limit", "0"}, args...)...)
	t.Cleanup(s.end)
	there := *s
	s.nobody(t).eventually("the listener", func() bool {
		m := ndschedulerListens.FindStringSubmatch(s.log.String())
		if m != nil {
			there.url = "http://" + m[1]
		}
		return m != nil
	})
	return s, &there
}

// ndschedulerLogin is ndscheduler's document's session, word for word but for the port.
const ndschedulerLogin = `
curl --silent --output /dev/null \
     --data-urlencode "username=user" \
     --data-urlencode 'password=Very$ecret' \
     --cookie-jar - 'http://localhost:8887/login' \
     > my_cookie.txt

curl --cookie my_cookie.txt \
     -X POST \
     --header "Content-Type:application/json" \
     --data "{\"job_class_string\": \"simple_scheduler.jobs.sample_job.AwesomeJob\", \
              \"name\": \"My first job\", \"minute\": \"*/1\", \"pub_args\": [\"arg1\", 2]}" \
     localhost:8887/api/v1/jobs \
       
       
`

// ndschedulerRun is its other one.
const ndschedulerRun = `
    # Add a job
    curl -X POST localhost:8888/api/v1/jobs \
       --header "Content-Type:application/json" \
       -d "{\"job_class_string\": \"simple_scheduler.jobs.sample_job.AwesomeJob\", \
            \"name\": \"My first job\", \"minute\": \"*/1\", \"pub_args\": [\"arg1\", 2]}"
 
    # Get all jobs
    curl localhost:8888/api/v1/jobs
`

// session runs a session of the document in an empty folder against a server.
func session(t *testing.T, words, at string) string {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(at, "http://"), ":")
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", strings.NewReplacer(":8887", ":"+port, ":8888", ":"+port).Replace(words))
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestNdschedulerDocument(t *testing.T) {
	t.Parallel()
	made := regexp.MustCompile(`^\{"job_id":"[0-9a-f]{32}"\}$`)
	s, apart := ndschedulerServer(t, "--auth", "session", "--admin-password", "secret")
	s.cli("Very$ecret\n", "user", "add", "--role", "editor", "user")
	for _, at := range []string{apart.url, s.url} {
		if got := session(t, ndschedulerLogin, at); !made.MatchString(got) {
			t.Errorf("the document's login at %s: %s", at, got)
		}
		if got := session(t, strings.Replace(ndschedulerLogin, "Very$ecret", "very$ecret", 1), at); !strings.Contains(got, `{"error":"`) {
			t.Errorf("a wrong password at %s: %s", at, got)
		}
	}
	_, open := ndschedulerServer(t)
	got := session(t, ndschedulerRun, open.url)
	if !regexp.MustCompile(`^\{"job_id":"[0-9a-f]{32}"\}\{"jobs":\[\{"job_id":"[0-9a-f]{32}","name":"My first job",.*"minute":"\*/1"\}\]\}$`).MatchString(got) {
		t.Errorf("the document's other session: %s", got)
	}
}

// TestNdschedulerLogin replays what was recorded of the variant with users.
func TestNdschedulerLogin(t *testing.T) {
	t.Parallel()
	s, apart := ndschedulerServer(t, "--auth", "session", "--admin-password", "secret")
	s.cli("Very$ecret\n", "user", "add", "--role", "editor", "user")
	otherwise := map[string]int{}
	readme, err := os.ReadFile("../../handlers/ndscheduler/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `login/([0-9a-z-]+)` \\| (\\d+) ").FindAllStringSubmatch(string(readme), -1) {
		if otherwise[m[1]], err = strconv.Atoi(m[2]); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob("../../handlers/ndscheduler/testdata/recorded/login/*.http")
	if err != nil || len(files) != 7 {
		t.Fatal(files, err)
	}
	cookie := ""
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".http")
		asked, answered, _ := strings.Cut(string(raw), "\n\n<")
		lines := bufio.NewScanner(strings.NewReader(asked))
		lines.Scan()
		method, path, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "> "), " ")
		as, body := apart.nobody(t), any(nil)
		for lines.Scan() {
			line := strings.TrimPrefix(strings.TrimPrefix(lines.Text(), ">"), " ")
			key, value, header := strings.Cut(line, ": ")
			switch {
			case header && key == "Cookie":
				as = as.with(key, cookie)
			case header:
				as = as.with(key, value)
			case line != "":
				body = line
			}
		}
		var want int
		if _, err := fmt.Sscan(answered, &want); err != nil {
			t.Fatal(name, err)
		}
		location := ""
		if _, rest, ok := strings.Cut(answered, "< Location: "); ok {
			location, _, _ = strings.Cut(rest, "\n")
		}
		if n, ok := otherwise[name]; ok {
			want, location = n, ""
		}
		got := as.do(method, path, body)
		if got.status != want || location != got.header.Get("Location") {
			t.Errorf("%s: %d to %q, want %d to %q: %s", name, got.status, got.header.Get("Location"), want, location, got.body)
		}
		set := got.header.Get("Set-Cookie")
		if strings.HasSuffix(name, "login-ok") != (set != "") {
			t.Errorf("%s sets the cookie %q", name, set)
		}
		if set != "" {
			cookie, _, _ = strings.Cut(set, ";")
		}
	}
	// A browser is sent to the form, which logs in; a logout ends it, everywhere.
	browser := apart.nobody(t).with("Accept", "text/html")
	if a := browser.want(302, "GET", "/api/v1/jobs?x=1", nil); a.header.Get("Location") != "/login?next=%2Fapi%2Fv1%2Fjobs%3Fx%3D1" {
		t.Errorf("a browser is sent to %s", a.header.Get("Location"))
	}
	if a := browser.want(200, "GET", "/login", nil); !strings.Contains(string(a.body), `action="/login"`) {
		t.Errorf("the form is %s", a.body)
	}
	in := s.nobody(t).with("Cookie", cookie)
	in.want(200, "GET", "/api/v1/jobs", nil)
	in.want(200, "GET", "/jobs", nil)
	(&asker{t: t, s: apart, header: in.header}).want(302, "GET", "/logout", nil)
	in.want(401, "GET", "/api/v1/jobs", nil)
	form := apart.nobody(t).with("Content-Type", "application/x-www-form-urlencoded")
	form.want(400, "POST", "/login", "username=user")
	form.with("Origin", "https://evil.example.com").want(403, "POST", "/login", "username=user&password=Very%24ecret")
	for i := 0; ; i++ {
		a := form.do("POST", "/login", "username=user&password=wrong")
		if a.status == 429 {
			break
		}
		if a.status != 302 || i > 5 {
			t.Fatalf("guess %d: %d", i, a.status)
		}
	}
}

// runClass runs a job made by a body, and returns the execution when it has ended.
func (o *asker) runClass(class, args string) object {
	o.t.Helper()
	body := fmt.Sprintf(`{"job_class_string": %q, "name": "a job", "month": "1", "pub_args": %s}`, class, args)
	job := o.want(201, "POST", "/api/v1/jobs", body).object()["job_id"]
	run := o.want(200, "POST", fmt.Sprint("/api/v1/executions/", job), nil).object()["execution_id"]
	var e object
	o.eventually(class+" ends", func() bool {
		e = o.want(200, "GET", fmt.Sprint("/api/v1/executions/", run), nil).object()
		return e["state"] != "scheduled" && e["state"] != "running"
	})
	return e
}

// TestNdschedulerClasses runs every built-in class, one of a file, and Python
// classes of a folder, for real.
func TestNdschedulerClasses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "ours.py"), `
import os
from ndscheduler import job
class Report(job.JobBase):
    def run(self, month, *args, **kwargs):
        print('for', month)
        return {'month': month, 'region': os.environ['REGION']}
class Broken(job.JobBase):
    def run(self):
        raise ValueError('no report')
`)
	python, err := exec.CommandContext(t.Context(), "python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Skip("no python3")
	}
	config := filepath.Join(t.TempDir(), "classes.ini")
	writeFile(t, config, fmt.Sprintf(`
[class "jobs.Echo"]
executor = shell
template = {"command": "printf '<%%s>' {{args}}"}

[class "ours.*"]
executor = python
template = {"path": [%q], "python": %q, "env": {"REGION": "eu"}}
`, folder, strings.TrimSpace(string(python))))
	s, apart := ndschedulerServer(t, "--config", config)
	c := apart.nobody(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	const sample = "simple_scheduler.jobs."
	for _, e := range []struct{ class, args, state, result string }{
		{sample + "sample_job.AwesomeJob", `["arg1", {"k": 2}, "more"]`, "succeeded", "[\n    \"arg1\",\n    {\n        \"k\": 2\n    }\n]"},
		{sample + "sample_job.AwesomeJob", `["arg1"]`, "failed", "argument 2 (Second argument) is missing: 1 given"},
		{sample + "shell_job.ShellJob", `["sh", "-c", "echo \"$1\"; exit 3", "x", "a b; exit 0"]`, "failed", "{\n    \"returncode\": 3\n}"},
		{sample + "shell_job.ShellJob", `["true"]`, "succeeded", "{\n    \"returncode\": 0\n}"},
		{sample + "shell_job.ShellJob", `["sh", "-c", "kill -9 $$"]`, "failed", "{\n    \"returncode\": -9\n}"},
		{sample + "curl_job.CurlJob", `["` + s.url + `/api/v1/jobs/nope", "GET"]`, "succeeded", `"{\"error\":\"Job not found: nope\"}"`},
		{sample + "slack_job.SlackJob", `["#c", "n", ":e:", "m"]`, "failed", "the variable SIMPLE_SCHEDULER_SLACK_URL is not set in the server's environment"},
		{"jobs.Echo", `["a b", "it's"]`, "succeeded", "{\n    \"returncode\": 0\n}"},
		{"ours.Report", `["2026-11"]`, "succeeded", "{\n    \"month\": \"2026-11\",\n    \"region\": \"eu\"\n}"},
	} {
		got := c.runClass(e.class, e.args)
		if got["state"] != e.state || got["result"] != e.result || got["hostname"] != host || got["pid"] != float64(s.cmd.Process.Pid) ||
			got["description"] != fmt.Sprintf("hostname: %s | pid: %d", host, s.cmd.Process.Pid) {
			t.Errorf("%s %s is %v", e.class, e.args, got)
		}
	}
	if got := c.runClass("ours.Broken", `[]`); got["state"] != "failed" || !strings.Contains(fmt.Sprint(got["result"]), "Traceback") || !strings.HasSuffix(fmt.Sprint(got["result"]), "ValueError: no report") {
		t.Errorf("a Python class that fails is %v", got)
	}
	for class, words := range map[string]string{"ours.NoSuch": "could not be loaded", "hello.world": "known are jobs.Echo, ours.*, simple_scheduler"} {
		got := c.runClass(class, `[]`)
		if got["state"] != "scheduled error" || !strings.Contains(fmt.Sprint(got["description"]), words) || got["pid"] != nil {
			t.Errorf("%s is %v", class, got)
		}
	}
	// A file that is changed changes the catalogue; one that is wrong does not.
	writeFile(t, config, "[class \"jobs.Echo\"]\nexecutor = nothing\n")
	s.nobody(t).eventually("the file is read", func() bool { return strings.Contains(s.log.String(), "executor") })
	if got := c.runClass("jobs.Echo", `[]`); got["state"] != "succeeded" {
		t.Errorf("after a wrong file: %v", got)
	}
	writeFile(t, config, "")
	s.nobody(t).eventually("the class is gone", func() bool { return c.runClass("jobs.Echo", `[]`)["state"] == "scheduled error" })
	s.terminate()
}

// TestNdschedulerOptions: a page's OPTIONS resumes a job; what a browser asks before
// a page of another site may do that is answered, and resumes nothing.
func TestNdschedulerOptions(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "cors.ini")
	writeFile(t, config, "[cors]\nallowed-origins = https://app.example.com\nallow-credentials = true\n")
	s, apart := ndschedulerServer(t, "--config", config)
	id := s.nobody(t).want(201, "POST", "/api/v1/jobs", `{"job_class_string": "a.B", "name": "x", "minute": "1"}`).object()["job_id"]
	path := fmt.Sprint("/api/v1/jobs/", id)
	for _, at := range []*server{s, apart} {
		c := at.nobody(t)
		paused := func() bool { return c.want(200, "GET", path, nil).object()["next_run_time"] == "" }
		page := c.with("Origin", at.url).with("Sec-Fetch-Site", "same-origin").with("Sec-Fetch-Mode", "cors").with("X-Requested-With", "XMLHttpRequest")
		other := c.with("Origin", "https://app.example.com").with("Sec-Fetch-Site", "cross-site").with("Sec-Fetch-Mode", "cors")
		page.want(200, "PATCH", path, nil)
		if page.want(200, "OPTIONS", path, nil).object()["job_id"] != id || paused() {
			t.Error("a page's OPTIONS did not resume")
		}
		page.want(200, "PATCH", path, nil)
		a := other.with("Access-Control-Request-Method", "OPTIONS").want(204, "OPTIONS", path, nil)
		if a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || a.header.Get("Access-Control-Allow-Credentials") != "true" ||
			!strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "OPTIONS") || !paused() {
			t.Errorf("a preflight: %v", a.header)
		}
		a = other.with("Origin", "https://evil.example.com").with("Access-Control-Request-Method", "OPTIONS").want(204, "OPTIONS", path, nil)
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("a stranger's preflight: %v", a.header)
		}
		other.with("Origin", "https://evil.example.com").want(403, "OPTIONS", path, nil)
		other.with("Origin", "https://evil.example.com").want(403, "DELETE", path, nil)
		if !paused() {
			t.Error("a stranger resumed")
		}
		if a = other.want(200, "OPTIONS", path, nil); a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || paused() {
			t.Errorf("a friend's OPTIONS: %v", a.header)
		}
	}
}

// TestNdschedulerImport takes jobs over from a server with users, by its login.
func TestNdschedulerImport(t *testing.T) {
	t.Parallel()
	s, from := ndschedulerServer(t, "--auth", "session", "--admin-password", "secret")
	s.cli("Very$ecret\n", "user", "add", "--role", "editor", "user")
	as := from.nobody(t).with("Authorization", basic("user", "Very$ecret"))
	for _, name := range []string{"same", "same", "paused"} {
		id := as.want(201, "POST", "/api/v1/jobs", fmt.Sprintf(`{"job_class_string": "no.Such", "name": %q, "hour": "5", "pub_args": [1]}`, name)).object()["job_id"]
		if name == "paused" {
			as.want(200, "PATCH", fmt.Sprint("/api/v1/jobs/", id), nil)
		}
	}
	to := serve(t, t.TempDir(), "--docker", "off")
	t.Cleanup(to.end)
	source := strings.Replace(from.url, "http://", "http://user:Very$ecret@", 1)
	run := func(code int, args ...string) string {
		t.Helper()
		cmd := command(t, append([]string{"import", "--server", to.url}, args...)...)
		out, _ := cmd.CombinedOutput() // the code is looked at
		if cmd.ProcessState.ExitCode() != code {
			t.Errorf("%v: exit code %d\n%s", args, cmd.ProcessState.ExitCode(), out)
		}
		return string(out)
	}
	if out := run(0, "ndscheduler", source, "--dry-run"); !strings.Contains(out, "3 would be made") {
		t.Errorf("a preview: %s", out)
	}
	if out := run(0, "ndscheduler", source); !strings.Contains(out, "3 made") || !strings.Contains(out, "paused there") || !strings.Contains(out, "no job class no.Such") {
		t.Errorf("the import: %s", out)
	}
	if out := run(0, "ndscheduler", source); !strings.Contains(out, "3 as it was") {
		t.Errorf("again: %s", out)
	}
	if out := run(1, "ndscheduler", strings.Replace(source, "Very$", "very$", 1)); !strings.Contains(out, "cannot log in") {
		t.Errorf("with a wrong password: %s", out)
	}
	var jobs struct{ Jobs []object }
	to.nobody(t).want(200, "GET", "/api/v1/jobs", nil).into(&jobs)
	names := map[any]int{}
	for _, j := range jobs.Jobs {
		names[j["name"]]++
		if (j["next_run_time"] == "") != (j["name"] == "paused") || j["hour"] != "5" {
			t.Errorf("a job is %v", j)
		}
	}
	if names["same"] != 2 || len(jobs.Jobs) != 3 {
		t.Errorf("the jobs are %v", names)
	}
	b, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "jobs.json")
	writeFile(t, file, strings.Replace(string(b), `"Jobs"`, `"jobs"`, 1))
	if out := run(0, "ndscheduler", file); !strings.Contains(out, "3 as it was") {
		t.Errorf("from a file: %s", out)
	}
}

// TestAuditVerify: a chain that is whole has a hash; one that somebody changed is
// told, with what.
func TestAuditVerify(t *testing.T) {
	t.Parallel()
	s, apart := ndschedulerServer(t)
	c := apart.nobody(t)
	id := c.want(201, "POST", "/api/v1/jobs", `{"job_class_string": "a.B", "name": "audited", "minute": "1"}`).object()["job_id"]
	c.want(200, "PATCH", fmt.Sprint("/api/v1/jobs/", id), nil)
	var noted string
	c.eventually("the rows are chained", func() bool {
		out := strings.Split(s.cli("", "audit", "verify"), "\n")
		noted = out[len(out)-1]
		return len(out) == 2 && strings.HasSuffix(out[0], "none was changed") && !strings.HasPrefix(out[0], "0 rows")
	})
	c.want(200, "OPTIONS", fmt.Sprint("/api/v1/jobs/", id), nil)
	data := dataOf(s)
	if code := s.terminate(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, s.log)
	}
	verify := func(args ...string) (int, string) {
		t.Helper()
		cmd := command(t, append([]string{"audit", "verify", "--data", data}, args...)...)
		out, _ := cmd.CombinedOutput() // the code is looked at
		return cmd.ProcessState.ExitCode(), string(out)
	}
	if code, out := verify("--known", noted); code != 0 {
		t.Errorf("the hash that was noted: %d %s", code, out)
	}
	if code, out := verify("--known", strings.Repeat("0", 64)); code != 1 || !strings.Contains(out, "no row has the hash") {
		t.Errorf("a hash that never was: %d %s", code, out)
	}
	conn, err := sql.Open("sqlite", filepath.Join(data, "belfry.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec("UPDATE audit SET actor = 'mallory' WHERE action = 'job.disable'"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if code, out := verify(); code != 1 || !strings.Contains(out, "job.disable audited by mallory") || !strings.Contains(out, "was changed after it was written") {
		t.Errorf("a row that was changed: %d %s", code, out)
	}
	if out, err := command(t, "audit", "verify", "--data", filepath.Join(t.TempDir(), "none")).CombinedOutput(); err == nil {
		t.Errorf("no database: %s", out)
	}
}
