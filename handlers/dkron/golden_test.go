package dkron

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

// exchange is one that was recorded from a real Dkron.
type exchange struct {
	file, method, path, body string
	status                   int
	header                   http.Header
	answer                   string
}

// timed is what is left of an exchange of which only status and time were kept.
var timed = regexp.MustCompile(`^(\d{3}) [\d.]+s\n`)

func recorded(t *testing.T) (list []exchange) {
	t.Helper()
	files, err := filepath.Glob("testdata/recorded/*.txt")
	if err != nil || len(files) != 120 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if took := timed.FindSubmatch(raw); took != nil {
			raw = []byte("### REQUEST\nPOST /v1/jobs/slow\n\n### RESPONSE\nHTTP/1.1 " + string(took[1]))
		}
		if !bytes.HasPrefix(raw, []byte("###")) {
			raw = append([]byte("### REQUEST\nPOST /v1/leave\n\n### RESPONSE\n"), raw...) // only its answer was kept
		}
		request, response, ok := strings.Cut(string(raw), "\n### RESPONSE\n")
		if !ok {
			t.Fatalf("%s is no exchange", file)
		}
		line, body, _ := strings.Cut(strings.TrimPrefix(request, "### REQUEST\n"), "\n")
		method, path, _ := strings.Cut(line, " ")
		e := exchange{file: strings.TrimSuffix(filepath.Base(file), ".txt"), method: method, path: path, body: strings.TrimSpace(body), header: http.Header{}}
		head, answer, _ := strings.Cut(response, "\n\n")
		lines := bufio.NewScanner(strings.NewReader(head))
		lines.Scan()
		if _, err := fmt.Sscanf(lines.Text(), "HTTP/1.1 %d", &e.status); err != nil {
			t.Fatal(file, err)
		}
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			e.header.Set(name, value)
		}
		e.answer = strings.TrimSuffix(answer, "\n")
		list = append(list, e)
	}
	return list
}

// TestRecordedExchanges replays every exchange that was recorded from a real Dkron
// in their order, and compares status, headers that matter, and bodies: keys and
// their order, types, null and absent, values, and times as far as they are zero
// and in which zone they are.
func TestRecordedExchanges(t *testing.T) {
	w := newWorld(t)
	w.how["failer"] = ending{state: scheduler.Failed, code: 3, reason: "exit code 3", stdout: "out\n", stderr: "err\n", errsFirst: 3}
	w.how["tmo"] = ending{state: scheduler.TimedOut, signal: "SIGTERM", reason: "still running after its timeout of 1s"}
	w.how["bigout"] = ending{state: scheduler.Succeeded, stdout: "1\n99997\n99998\n99999\n100000\n"}
	w.how["httpjob"] = ending{state: scheduler.Succeeded, code: 200, heads: "> GET http://127.0.0.1\n", stdout: `{"status":"healthy"}`}
	w.how["httpbad"] = ending{state: scheduler.Failed, code: 200, reason: "status 200, expected 204", heads: "> GET http://127.0.0.1\n", stdout: `{"status":"healthy"}`}
	for _, name := range []string{"unkex", "noex"} {
		w.how[name] = ending{state: scheduler.Failed, code: -1, reason: `the executor "nope" is not known here`}
	}
	for _, e := range recorded(t) {
		w.before(e.file)
		var headers []string
		switch e.file {
		case "002_root_json":
			headers = []string{"Accept", "application/json"}
		case "018_options_cors", "019_get_cors":
			headers = []string{"Origin", "http://example.com"}
		}
		if strings.HasSuffix(e.file, "_exec_one") {
			e.path = "/v1/jobs/failer/executions/" + w.executionsOf("failer", "")[0].ID
		}
		if text, ok := restored[e.file]; ok {
			e.body, headers = upload(text), []string{"Content-Type", `multipart/form-data; boundary=b`}
		}
		rec := w.send(e.method, e.path, e.body, headers...)
		compare(t, e, rec)
		w.after(e.file)
	}
	if w.stopped != 1 {
		t.Errorf("the server was stopped %d times", w.stopped)
	}
}

// before brings the world to where the real server was; some exchanges on the way
// there were not kept.
func (w *world) before(file string) {
	switch file {
	case "301_run_job_run":
		w.ok("POST", "/v1/jobs", `{"name":"job1","schedule":"@every 30m","executor":"shell","executor_config":{"command":"echo hello dkron"}}`)
		w.ok("POST", "/v1/jobs", `{"name":"job2","displayname":"Job Two","timezone":"Europe/Berlin","schedule":"@every 10m","owner":"Platform Team",
			"owner_email":"p@example.com","tags":{"server":"true:1"},"metadata":{"office":"Barcelona"},"retries":2,
			"processors":{"files":{"forward":"true","log_dir":"/var/log/dkron"}},"executor":"shell","executor_config":{"command":"echo hello dkron"},"expires_at":"2030-01-01T00:00:00Z"}`)
		w.ok("POST", "/v1/jobs", `{"name":"failer","schedule":"@manually","retries":2,"executor":"shell","executor_config":{"shell":"true","command":"echo out; echo err 1>&2; exit 3"}}`)
		w.ok("POST", "/v1/jobs", `{"name":"tmo","schedule":"@manually","executor":"shell","executor_config":{"shell":"true","command":"sleep 30","timeout":"1s"}}`)
		w.ok("POST", "/v1/jobs", `{"name":"bigout","schedule":"@manually","executor":"shell","executor_config":{"shell":"true","command":"seq 1 100000"}}`)
		w.ok("POST", "/v1/jobs", `{"name":"envjob","schedule":"@manually","executor":"shell","executor_config":{"command":"pwd; echo $A $B $ENV_JOB_NAME; cat","cwd":"/tmp","env":"A=1,B=2","payload":"aGVsbG8=","shell":"true"}}`)
		w.ok("DELETE", "/v1/jobs/roc/executions", "")
		w.ok("POST", "/v1/jobs/roc", "")
		w.ok("POST", "/v1/jobs/job2", "")
		w.work()
	case "231_err_every0": // there it was refused
		w.ok("DELETE", "/v1/jobs/x", "")
	case "304_run_fail":
		w.work()
		w.ok("POST", "/v1/jobs/envjob", "")
		w.ok("POST", "/v1/jobs/eph", "")
		w.ok("POST", "/v1/jobs/noex", "")
	case "314_run_slow_timing":
		w.work()
	case "315_busy_running":
		a := w.claim()[0] // 314 was answered, and nothing has run yet
		out := scheduler.Output{Append: &scheduler.Chunk{FirstLine: 1, Data: []byte("start\n"), Pieces: []scheduler.Piece{{Len: 6, At: w.clock.now().Truncate(time.Millisecond)}}}}
		if err := w.service.AddOutput(w.t.Context(), a.Execution.ID, out, 6); err != nil {
			w.t.Fatal(err)
		}
	case "330_job_bigout":
		running, err := w.store.RunningOn(w.t.Context(), "server")
		if err != nil || len(running) != 1 {
			w.t.Fatal(running, err)
		}
		j, err := w.store.Job(w.t.Context(), running[0].JobID)
		if err != nil {
			w.t.Fatal(err)
		}
		w.how["slow"] = ending{state: scheduler.Succeeded}
		w.finish(scheduler.Assignment{Execution: running[0], Job: j})
		w.ok("POST", "/v1/jobs/slow", "")
		w.ok("POST", "/v1/jobs/e0", "")
		w.work()
		w.ok("POST", "/v1/jobs", `{"name":"dis","schedule":"@every 1s","disabled":true,"executor":"shell","executor_config":{"command":"echo hello dkron"}}`)
		w.ok("POST", "/v1/jobs", `{"name":"ems","schedule":"@every 100ms","disabled":true,"executor":"shell","executor_config":{"command":"echo hello dkron"}}`)
		w.ok("POST", "/v1/jobs", `{"name":"later","schedule":"@every 1m","starts_at":"2031-01-01T00:00:00Z","executor":"shell","executor_config":{"command":"echo hello dkron"}}`)
	case "506_parent_after":
		w.ok("DELETE", "/v1/jobs/child1", "")
	}
}

// restored are the files of those exchanges, which were not kept.
var restored = map[string]string{"702_restore_badjson": `[{"name":`, "703_restore_badjob": `[{"name":"Bad Name","schedule":"@daily"}]`}

func upload(text string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"jobs.json\"\r\n\r\n" + text + "\r\n--b--\r\n"
}

// after lets what an exchange began come to its end.
func (w *world) after(file string) {
	switch file {
	case "109_create_runoncreate", "301_run_job_run", "302_run_child":
		w.work()
	}
}

// deviation is what of an exchange is not as it was recorded. Each of them is in
// README.md, which a test looks after.
type deviation struct {
	status int               // 0: as recorded
	header map[string]string // "": not sent
	values map[string]string // JSON of the value at a path; "*": any
	answer string            // of text answers; "*": any
}

var (
	plainText = map[string]string{"Content-Type": "text/plain; charset=utf-8"}
	jsonText  = map[string]string{"Content-Type": "application/json; charset=utf-8"}
)

var deviations = map[string]deviation{
	"015_metrics":                  {answer: "*", header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}},
	"016_debug_vars":               {status: 404, answer: pageNotFound, header: map[string]string{"Content-Type": "text/plain", "X-Whom": ""}},
	"018_options_cors":             {status: 204, answer: "", header: map[string]string{"Content-Type": "", "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*"}},
	"105_put_job":                  {header: map[string]string{"Location": "/v1/jobs/job1"}, values: map[string]string{".dependent_jobs": `["child1"]`}},
	"106_put_name_mismatch":        {header: map[string]string{"Location": "/v1/jobs/jobput"}},
	"109_create_runoncreate":       {header: map[string]string{"Location": "/v1/jobs/roc"}},
	"225_err_delexecs404":          {status: 404},
	"228_err_processors_bool":      {status: 201, answer: "*", header: map[string]string{"Content-Type": "application/json; charset=utf-8", "Location": "/v1/jobs/x"}},
	"317_slow_execs_while_running": {values: map[string]string{"[0].output": `"start\n"`}},
	"330_job_failer":               {values: map[string]string{".error_count": "1"}},
	"331_execs_unkex":              {values: map[string]string{"[0].output": "*"}},
	"342_execs_page":               {values: map[string]string{"": "*"}},
	"400_jobs":                     {values: map[string]string{"[4].success_count": "*", "[7].error_count": "1"}},
	"407_jobs_sort_bad":            {status: 400, answer: `jobs cannot be sorted by "bogus"`, header: plainText},
	"410_jobs_start_beyond":        {status: 200, answer: "[]", header: jsonText},
	"411_jobs_start_gt_end":        {status: 200, answer: "[]", header: jsonText},
	"413_jobs_status_failed":       {values: map[string]string{"[0].error_count": "1"}},
	"408_jobs_sort_next":           {values: map[string]string{"[2].error_count": "1"}},
	"417_jobs_id_param":            {values: map[string]string{"[4].success_count": "*", "[7].error_count": "1"}},
	"800_leave":                    {answer: "*"},
}

// deviationOf adds what all exchanges of a kind differ in.
func deviationOf(e exchange) deviation {
	d := deviations[e.file]
	if d.values == nil {
		d.values = map[string]string{}
	}
	switch {
	case e.status == 201:
		d.values[".id"] = "*" // the name
		d.values[".next"] = "*"
	case strings.HasPrefix(e.file, "3") && e.method == "POST", e.file == "602_run_paused":
		d.status = 202
	}
	return d
}

// compare fails unless an answer is the recorded one, but for its deviation.
func compare(t *testing.T, e exchange, rec *httptest.ResponseRecorder) {
	t.Helper()
	d := deviationOf(e)
	want := e.status
	if d.status != 0 {
		want = d.status
	}
	if rec.Code != want {
		t.Errorf("%s: status %d, want %d: %s", e.file, rec.Code, want, rec.Body)
	}
	if len(e.header) == 0 {
		return // not kept
	}
	for _, name := range []string{"Content-Type", "Location", "X-Total-Count", "X-Whom", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers"} {
		want := e.header.Get(name)
		if v, other := d.header[name]; other {
			want = v
		}
		if got := rec.Header().Get(name); got != want {
			t.Errorf("%s: %s is %q, want %q", e.file, name, got, want)
		}
	}
	answer := rec.Body.String()
	if d.answer == "*" {
		return
	}
	if !strings.HasPrefix(e.header.Get("Content-Type"), "application/json") || d.answer != "" || d.status == 204 {
		if want := strings.TrimSuffix(e.answer, "\n"); d.answer == "" && d.status != 204 && answer != want || d.answer != "" && answer != d.answer {
			t.Errorf("%s: the answer is %q, want %q", e.file, answer, want)
		}
		return
	}
	if strings.HasSuffix(answer, "\n") || strings.Contains(e.answer, "\n    ") != strings.Contains(answer, "\n    ") {
		t.Errorf("%s: the answer is not laid out as recorded: %q", e.file, answer)
	}
	var problems []string
	same(tree(t, e.answer), tree(t, answer), "", d.values, &problems)
	if len(problems) > 0 {
		t.Errorf("%s: %s\n got %s\nwant %s", e.file, strings.Join(problems, "; "), answer, e.answer)
	}
}

// member is one of an object, in its place.
type member struct {
	key   string
	value any
}

// tree reads JSON with the order of its keys.
func tree(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := read(d)
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}

func read(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		list := []member{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := read(d)
			if err != nil {
				return nil, err
			}
			list = append(list, member{key.(string), v})
		}
		_, err = d.Token()
		return list, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := read(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	return token, nil
}

// changing are values that are never the same twice.
var changing = regexp.MustCompile(`^\[\d+\]\.(id|group)$|^\.(group|Port|Addr)$|port$|rpc_addr$|\.agent\.version|\.members$`)

func same(want, got any, path string, other map[string]string, problems *[]string) {
	bad := func(format string, args ...any) {
		*problems = append(*problems, path+": "+fmt.Sprintf(format, args...))
	}
	if text, ok := other[path]; ok {
		b, _ := json.Marshal(got)
		if text != "*" && string(b) != text {
			bad("is %s, want %s", b, text)
		}
		return
	}
	if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
		if _, list := other[path+"[0]"]; !list {
			bad("is a %T, want a %T", got, want)
		}
		return
	}
	switch want := want.(type) {
	case []member:
		have := got.([]member)
		keys := func(list []member) (k []string) {
			for _, m := range list {
				k = append(k, m.key)
			}
			return k
		}
		expected := keys(want)
		if _, added := other[path+".output"]; added && !slices.Contains(expected, "output") {
			i := slices.Index(expected, "node_name")
			expected = slices.Insert(expected, i, "output")
			want = slices.Insert(want, i, member{"output", ""})
		}
		if !slices.Equal(expected, keys(have)) {
			bad("has the keys %v, want %v", keys(have), expected)
			return
		}
		for i := range want {
			same(want[i].value, have[i].value, path+"."+want[i].key, other, problems)
		}
	case []any:
		have := got.([]any)
		if len(want) != len(have) {
			bad("has %d elements, want %d", len(have), len(want))
			return
		}
		for i := range want {
			same(want[i], have[i], fmt.Sprintf("%s[%d]", path, i), other, problems)
		}
	case string:
		sameText(want, got.(string), bad, changing.MatchString(path) || strings.HasSuffix(path, ".id") && strings.Contains(want, "-bench1"))
	case json.Number:
		if !changing.MatchString(path) && want != got.(json.Number) {
			bad("is %v, want %v", got, want)
		}
	default:
		if want != got {
			bad("is %v, want %v", got, want)
		}
	}
}

func sameText(want, got string, bad func(string, ...any), changes bool) {
	at, err := time.Parse(time.RFC3339, want)
	if err != nil {
		if want != got && !changes {
			bad("is %q, want %q", got, want)
		}
		return
	}
	is, err := time.Parse(time.RFC3339, got)
	_, zone := at.Zone()
	_, isZone := is.Zone()
	switch fixed := at.Year() < 1971 || at.Year() > 2027; {
	case err != nil:
		bad("is %q, want a time", got)
	case fixed && got != want, !fixed && is.Year() < 2026:
		bad("is %s, want %s", got, want)
	case zone != isZone:
		bad("is in another zone: %s, want one like %s", got, want)
	}
}

// TestDeviationsAreInTheReadme: what the test above lets pass is written down, by
// the number of the recorded exchange, and nothing else is.
func TestDeviationsAreInTheReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := bytes.Cut(readme, []byte("## Where recorded exchanges differ"))
	if !ok {
		t.Fatal("README.md has no such section")
	}
	written := map[string]bool{}
	for _, n := range regexp.MustCompile("`(\\d{3}_\\w+)`").FindAllSubmatch(list, -1) {
		written[string(n[1])] = true
	}
	for _, e := range recorded(t) {
		d := deviationOf(e)
		differs := d.status != 0 || len(d.header) > 0 || len(d.values) > 0 || d.answer != ""
		number := e.file
		general := e.status == 201 || d.status == 202
		if differs && !general && !written[number] {
			t.Errorf("%s differs, and README.md does not say so", e.file)
		}
		if written[number] && !differs {
			t.Errorf("README.md says that %s differs; it does not", number)
		}
	}
}
