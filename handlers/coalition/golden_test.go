package coalition

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exchange is one that was recorded from a real Coalition.
type exchange struct {
	file, method, path, body string
	form                     bool
	status                   int
	answer                   string
}

func recorded(t *testing.T) (list []exchange) {
	t.Helper()
	files, err := filepath.Glob("testdata/recorded/*.txt")
	if err != nil || len(files) != 110 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		request, response, ok := strings.Cut(string(raw), "\n----- response -----\n")
		if !ok {
			t.Fatalf("%s is no exchange", file)
		}
		head, body, _ := strings.Cut(request, "\n\n")
		line, _, _ := strings.Cut(head, "\n")
		e := exchange{file: strings.TrimSuffix(filepath.Base(file), ".txt"), body: strings.TrimSpace(body), form: strings.Contains(head, "urlencoded")}
		e.method, e.path, _ = strings.Cut(strings.TrimSuffix(line, " HTTP/1.1"), " ")
		head, answer, _ := strings.Cut(response, "\n\n")
		if _, err := fmt.Sscanf(head, "HTTP/1.1 %d", &e.status); err != nil {
			t.Fatal(file, err)
		}
		e.answer = strings.TrimSuffix(answer, "\n")
		list = append(list, e)
	}
	return list
}

// deviation is what README.md says of an exchange that is answered otherwise here.
type deviation struct {
	status int
	answer string
}

// fieldRow is what README.md says of one value of an answer.
var fieldRow = regexp.MustCompile("(?m)^\\| `([0-9]{3}-[a-zA-Z0-9-]+)` \\| `(\\S+)` is `([^`]*)` \\|")

var deviationRow = regexp.MustCompile("(?m)^\\| `([0-9]{3}-[a-zA-Z0-9-]+)` \\| ([0-9]{3}) `([^`]*)` \\|")

func deviations(t *testing.T) (all map[string]deviation, fields map[string]string) {
	t.Helper()
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	all, fields = map[string]deviation{}, map[string]string{}
	for _, m := range fieldRow.FindAllStringSubmatch(string(raw), -1) {
		fields[m[1]+m[2]] = m[3]
	}
	for _, m := range deviationRow.FindAllStringSubmatch(string(raw), -1) {
		status, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		all[m[1]] = deviation{status, m[3]}
	}
	return all, fields
}

// TestRecordedExchanges replays every exchange that was recorded from a real
// Coalition in their order, and compares status and body: keys, types and values,
// and times as far as they are zero. What README.md lists as answered otherwise has
// to be answered as it says there.
func TestRecordedExchanges(t *testing.T) {
	w := newWorld(t)
	aside := newWorld(t) // for what is created here and was not there
	aside.ok("PUT", "/api/jobs", `{}`)
	aside.ok("PUT", "/api/jobs", `{}`)
	otherwise, fields := deviations(t)
	for _, e := range recorded(t) {
		if e.file == "171-drain-pick" {
			w = newWorld(t)
		}
		w.before(e.file)
		on := w
		switch e.file {
		case "019-job-put-dep-string-commas", "023-job-put-unicode", "025-job-put-both-quotes":
			on = aside
		}
		var headers []string
		if e.form {
			headers = []string{"Content-Type", "application/x-www-form-urlencoded"}
		}
		rec := on.send(e.method, e.path, e.body, headers...)
		got := rec.Body.String()
		if d, ok := otherwise[e.file]; ok {
			delete(otherwise, e.file)
			if begin, more := strings.CutSuffix(d.answer, "…"); rec.Code != d.status || !strings.HasPrefix(got, begin) || (!more && got != begin) {
				t.Errorf("%s: %d %s; README.md says %d %s", e.file, rec.Code, got, d.status, d.answer)
			}
			continue
		}
		if rec.Code != e.status {
			t.Errorf("%s: %d %s; want %d", e.file, rec.Code, got, e.status)
			continue
		}
		compareBodies(t, e, got, fields)
		w.wait(100 * time.Millisecond)
	}
	for file := range otherwise {
		t.Errorf("README.md lists %s, which was not recorded", file)
	}
	for place := range fields {
		t.Errorf("README.md lists %s, which was not compared", place)
	}
}

// before does what was done between recorded exchanges.
func (w *world) before(file string) {
	w.t.Helper()
	put := func(body string, id int) {
		w.t.Helper()
		if got := w.ok("PUT", "/api/jobs", body); got != strconv.Itoa(id) {
			w.t.Fatalf("before %s: made job %s, not %d", file, got, id)
		}
	}
	switch file {
	case "010-job-get-missing":
		put(`{}`, 1)
		put(`{"title": "Job 1", "command": "echo test", "dir": ".", "retry": 0, "timeout": 10000, "priority": 1000, "affinity": "linux", "user": "render",
			"url": "http://localhost/image.png", "progress_pattern": "#%percent"}`, 2)
		put(`{"title": "group", "priority": 100}`, 3)
	case "014-job-put-paused":
		put(`{"title": "c2", "command": "echo 2", "parent": 3, "dependencies": [4]}`, 5)
	case "023-job-put-unicode":
		put(`{"title": "hash", "command": "echo s", "affinity": "linux,#5"}`, 9)
	case "028-jobs-root":
		put(`{}`, 11)
	case "036-jobs-deps-get-empty":
		w.ok("POST", "/api/jobs/5/dependencies", "[]")
	case "104-workers-one":
		w.ok("DELETE", "/api/jobs", "[1,2,3,6,7,8,9,10,11,12]")
		put(`{}`, 13)
		w.ok("DELETE", "/api/jobs", "[13]")
		w.worker("pickjob", "w1")
	case "105-w-pick-job":
		put(`{"title": "leaf A", "command": "echo \"its\" $HOME", "dir": "/tmp", "user": "bob", "environment": "A=1\nB=two words", "priority": 100, "timeout": 0}`, 14)
	case "118-w-pick-b":
		put(`{"command": "echo x", "progress_pattern": "#%percent", "priority": 100}`, 15)
	case "125-pause-running":
		put(`{"command": "echo x", "priority": 100}`, 16)
		w.worker("pickjob", "w1")
	case "128-w-endjob-killed", "133-start-finished":
		if got := w.worker("heartbeat", "w1", "jobId", "16", "log", ""); got != "false" {
			w.t.Errorf("before %s: a heartbeat of what was paused, or reset, got %s", file, got)
		}
	case "131-reset-running":
		if got := w.worker("pickjob", "w1"); !strings.HasPrefix(got, "(16,") {
			w.t.Errorf("what was started again is not taken: %s", got)
		}
	case "138-log-deleted":
		if got := w.worker("heartbeat", "w1", "jobId", "14", "log", "eAo="); got != "false" {
			w.t.Errorf("a heartbeat of a deleted job got %s", got)
		}
	case "139-w-pick-e":
		w.ok("DELETE", "/api/jobs", "[16]")
		put(`{"command": "echo x", "priority": 100}`, 17)
	case "142-w-pick-stopped":
		if got := w.worker("heartbeat", "w1", "jobId", "17", "log", ""); got != "false" {
			w.t.Errorf("a heartbeat of a stopped worker got %s", got)
		}
	case "162-w-pick-inherited-affinity-other-worker":
		w.worker("endjob", "w1", "jobId", "17", "errorCode", "0")
		put(`{"title": "g", "affinity": "gpu"}`, 18)
		put(`{"command": "echo x", "parent": 18}`, 19)
	case "165-x":
		w.ok("DELETE", "/api/jobs", "[18]")
		put(`{"command": "echo x", "priority": 255}`, 20)
		put(`{"command": "echo x", "affinity": "win", "priority": 200}`, 21)
		put(`{"command": "echo x", "affinity": "linux", "priority": 1}`, 22)
		if got := w.worker("pickjob", "w1"); !strings.HasPrefix(got, "(22,") {
			w.t.Errorf("the first line of the worker's affinity does not come first: %s", got)
		}
	case "171-drain-pick":
		put(`{"title": "t", "command": "echo x", "priority": 100, "timeout": 0}`, 1)
	case "174-drain-end":
		if got := w.worker("heartbeat", "w1", "jobId", "1", "log", ""); got != "true" {
			w.t.Errorf("a heartbeat of a draining worker got %s", got)
		}
	case "176-legacy-addjob":
		put(`{"command": "echo"}`, 2)
	case "181-put-parent-null":
		put(`{"command": "echo"}`, 5)
	}
}

func compareBodies(t *testing.T, e exchange, got string, fields map[string]string) {
	t.Helper()
	if strings.HasPrefix(e.answer, "(") {
		if !equalTuples(tuple(t, e.answer), tuple(t, got)) {
			t.Errorf("%s: %s; want %s", e.file, got, e.answer)
		}
		return
	}
	var want, have any
	if json.Unmarshal([]byte(e.answer), &want) != nil {
		if got != e.answer {
			t.Errorf("%s: %q; want %q", e.file, got, e.answer)
		}
		return
	}
	if err := json.Unmarshal([]byte(got), &have); err != nil {
		t.Errorf("%s: %v in %s", e.file, err, got)
		return
	}
	compareJSON(t, e.file, "", want, have, fields)
}

// ours are keys that the document has and the server has not.
var ours = map[string]bool{"retry": true, "ping_time": true}

func compareJSON(t *testing.T, file, path string, want, got any, fields map[string]string) {
	t.Helper()
	if is, ok := fields[file+path]; ok {
		delete(fields, file+path)
		if fmt.Sprint(got) != is {
			t.Errorf("%s: %s is %v; README.md says %s", file, path, got, is)
		}
		return
	}
	switch want := want.(type) {
	case map[string]any:
		have, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s: %s is %v; want an object", file, path, got)
			return
		}
		for k, v := range want {
			if g, ok := have[k]; ok {
				compareJSON(t, file, path+"."+k, v, g, fields)
			} else {
				t.Errorf("%s: %s.%s is missing", file, path, k)
			}
		}
		for k := range have {
			if _, ok := want[k]; !ok && !ours[k] {
				t.Errorf("%s: %s.%s is too much", file, path, k)
			}
		}
	case []any:
		have, ok := got.([]any)
		if !ok || len(have) != len(want) {
			t.Errorf("%s: %s is %v; want %d elements", file, path, got, len(want))
			return
		}
		for i := range want {
			compareJSON(t, file, fmt.Sprintf("%s[%d]", path, i), want[i], have[i], fields)
		}
	case float64:
		have, ok := got.(float64)
		if !ok || !sameNumber(path[strings.LastIndexByte(path, '.')+1:], want, have) {
			t.Errorf("%s: %s is %v; want %v", file, path, got, want)
		}
	default:
		if got != want {
			t.Errorf("%s: %s is %v; want %v", file, path, got, want)
		}
	}
}

func sameNumber(key string, want, got float64) bool {
	switch key {
	case "start_time", "ping_time", "start", "current_event":
		return (want > 0) == (got > 0)
	case "priority": // what was sent is kept: README.md
		return want == got || want == 255 && got == 1000
	case "h_priority": // a float there
		return math.Abs(want-got) <= want/1e15
	default:
		return want == got
	}
}

// tuple reads a Python literal of five values, none of which holds a quote in
// quotes of its own kind.
var tupleValue = regexp.MustCompile(`-?[0-9]+|None|u?'((?:[^'\\]|\\.)*)'`)

func tuple(t *testing.T, text string) (values []string) {
	t.Helper()
	for _, m := range tupleValue.FindAllString(text, -1) {
		values = append(values, strings.TrimPrefix(m, "u"))
	}
	if len(values) != 5 || !strings.HasSuffix(text, ")") {
		t.Errorf("%s is no tuple of five", text)
	}
	return values
}

func equalTuples(a, b []string) bool {
	return strings.Join(a, "\x00") == strings.Join(b, "\x00")
}
