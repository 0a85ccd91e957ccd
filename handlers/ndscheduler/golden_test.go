package ndscheduler

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// exchange is one that was recorded from a real server.
type exchange struct {
	file, method, path, body string
	header                   http.Header // of the request
	status                   int
	said                     http.Header // of the answer
	answer                   string
}

// recorded reads the exchanges of one server in their order.
func recorded(t *testing.T, server string) (list []exchange) {
	t.Helper()
	files, err := filepath.Glob("testdata/recorded/" + server + "/*.http")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e := exchange{file: strings.TrimSuffix(filepath.Base(file), ".http"), header: http.Header{}, said: http.Header{}}
		head, answer, _ := strings.Cut(string(raw), "\n\n")
		asked := strings.Split(head, "\n")
		e.method, e.path, _ = strings.Cut(strings.TrimPrefix(asked[0], "> "), " ")
		inBody := false
		for _, line := range asked[1:] {
			line = strings.TrimPrefix(strings.TrimPrefix(line, ">"), " ")
			name, value, _ := strings.Cut(line, ": ")
			switch {
			case inBody:
				e.body += line
			case line == "":
				inBody = true
			default:
				e.header.Set(name, value)
			}
		}
		head, e.answer, _ = strings.Cut(answer, "\n\n")
		said := strings.Split(head, "\n")
		code, _, _ := strings.Cut(strings.TrimPrefix(said[0], "< "), " ")
		if e.status, err = strconv.Atoi(code); err != nil {
			t.Fatal(file, err)
		}
		for _, line := range said[1:] {
			name, value, _ := strings.Cut(strings.TrimPrefix(line, "< "), ": ")
			e.said.Set(name, value)
		}
		e.answer = strings.TrimSpace(e.answer)
		list = append(list, e)
	}
	slices.SortFunc(list, func(x, y exchange) int { return number(x.file) - number(y.file) })
	return list
}

func number(file string) int {
	n, _, _ := strings.Cut(file, "-")
	i, _ := strconv.Atoi(n) // every file has one
	return i
}

// A golden is a replay. Ids of the recording are told apart from ours.
type golden struct {
	*world
	ours map[string]string // by the recorded id
}

// bind notes that our id stands for a recorded one.
func (g *golden) bind(recorded, id string) { g.ours[recorded] = id }

func (g *golden) translate(text string) string {
	for recorded, id := range g.ours {
		text = strings.ReplaceAll(text, recorded, id)
	}
	return text
}

// TestRecordedExchanges replays every exchange that was recorded from the original,
// in order, and compares status, headers that matter, keys and their order, types,
// null and absent, and values. What is otherwise here is in the table of README.md,
// and nothing else is.
func TestRecordedExchanges(t *testing.T) {
	g := &golden{newWorld(t), map[string]string{}}
	g.how = map[string]ending{
		"paused mod": {state: scheduler.Succeeded, result: "[\n    \"p\",\n    \"q\"\n]"},
		"bogus": {
			state: scheduler.Failed, reason: scheduler.ClassFault + `there is no job class "hello.world"`,
		},
		"shell-true":          {state: scheduler.Succeeded, result: "{\n    \"returncode\": 0\n}"},
		"shell-exit3":         {state: scheduler.Failed, reason: "exit code 3", stderr: "err\n", result: "{\n    \"returncode\": 3\n}"},
		"shell-sleep2":        {state: scheduler.Succeeded, result: "{\n    \"returncode\": 0\n}"},
		"shell-killed":        {state: scheduler.Failed, reason: "killed by SIGKILL", signal: "SIGKILL", result: "{\n    \"returncode\": -9\n}"},
		"shell-missing":       {state: scheduler.Failed, reason: "it could not be started"},
		"curl-get":            {state: scheduler.Succeeded, result: `"{\"error\": \"Job not found: nope\"}"`},
		"awesome-missing-arg": {state: scheduler.Failed, reason: "argument 2 is missing"},
		"slack-noenv":         {state: scheduler.Failed, reason: "the variable is not set"},
		"week+second":         {state: scheduler.Succeeded, result: "[\n    1,\n    2\n]"},
	}
	otherwise := tableOf(t)
	for _, e := range recorded(t, "nextdoor") {
		g.before(e.file)
		want, ok := otherwise[e.file]
		if ok && want != 0 {
			if e.status == want && e.answer != "" && e.file != "69-run-bogus-class" && e.file != "101-executions-range-offset-ignored" {
				t.Errorf("%s has the same status", e.file)
			}
			e.status, e.answer = want, ""
		}
		if differs := g.replay(&e); differs != (ok && want == 0) {
			t.Errorf("%s is answered otherwise: %t; README.md says %t", e.file, differs, !differs)
		}
		g.after(e)
	}
}

// tableOf reads which exchanges README.md says are answered otherwise, and with
// which status; 0 is with the same.
func tableOf(t *testing.T) map[string]int {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:login/)?[0-9]+-[a-z0-9-]+)` \\| (\\d*) ?\\|").FindAllStringSubmatch(string(readme), -1) {
		found[m[1]], _ = strconv.Atoi(m[2])
	}
	if len(found) < 10 {
		t.Fatalf("the table of README.md has %d lines", len(found))
	}
	return found
}

// before sends what is not among the exchanges that were kept, and what stands for
// those that are refused here.
func (g *golden) before(file string) {
	const awesome = `"job_class_string": "simple_scheduler.jobs.sample_job.AwesomeJob"`
	modified := "/api/v1/jobs/" + g.ours["7fe891407051483182bd80a6a1f06017"]
	put := func(body string) { g.want(200, "PUT", modified, `{`+awesome+`, `+body+`}`) }
	run := func(job, execution string) {
		id, _ := g.want(200, "POST", "/api/v1/executions/"+g.ours[job], "")["execution_id"].(string)
		g.bind(execution, id)
		g.work()
	}
	switch file {
	case "01-jobs-list":
		g.bind("5e9f6d0a974149f0a3d3dbe42493c441",
			g.add(`{`+awesome+`, "name": "My Awesome Job", "minute": "*/1", "pub_args": ["first parameter", {"second parameter": "can be a dict"}]}`))
	case "16-job-add-int-minute":
		g.bind("ea0f05b19f2f49cbb44afcf0d9821365", g.add(`{`+awesome+`, "name": "week+second", "minute": "0", "pub_args": [1, 2]}`))
	case "19-job-get-all-null":
		g.bind("637f5ca108d24bfb9609f8c59c112ee6", g.add(`{"job_class_string": "no.such.Klass", "name": "all null", "minute": "*"}`))
	case "21-job-add-pubargs-string":
		g.want(200, "DELETE", "/api/v1/jobs/"+g.ours["637f5ca108d24bfb9609f8c59c112ee6"], "")
	case "22-job-get-pubargs-string":
		g.bind("7a7354d6378249caab9fc3cf0d9c3174", g.add(`{`+awesome+`, "name": "str args", "minute": "1", "pub_args": ["a", "b"]}`))
	case "24-job-get-pubargs-dict":
		g.bind("ab637205ca594854a16a3f1728274aa1", g.add(`{`+awesome+`, "name": "dict args", "minute": "1", "pub_args": ["k"]}`))
	case "29-job-get-hour-only":
		g.bind("e66b6498e30c4a8c91909732dd6a075a", g.add(`{`+awesome+`, "name": "hour only", "hour": "5"}`))
	case "38-job-get-after-modify-hour-only":
		put(`"name": "minimal 3", "hour": "4"`)
	case "43-job-get-after-modify-unknown":
		put(`"name": "minimal 3", "minute": "11"`) // there the cron part of a refused change was made
	case "45-job-get-after-max-instances":
		put(`"name": "q10", "minute": "12"`)
	case "50-job-get-modified-paused":
		put(`"name": "paused mod", "minute": "13", "pub_args": ["p", "q"]`)
	case "53-job-get-resumed":
		g.want(200, "OPTIONS", modified, "")
	case "68-job-add-bogus-class":
		run("7fe891407051483182bd80a6a1f06017", "0b989d80dafc4a98a96888b5427f17a2")
		run("7fe891407051483182bd80a6a1f06017", "25cf5d59989f4f24b652d6a6e2575304")
	case "82-job-add-shell-missing":
		run("036adb787ff74e289844a951384b7986", "1ebfd506ab7b4c73af8d72b350d0e039")
	case "86-run-curl-get":
		g.bind("353bf60e559e41d3889403008ea36bbe",
			g.add(`{"job_class_string": "simple_scheduler.jobs.curl_job.CurlJob", "name": "curl-get", "minute": "1", "pub_args": ["http://127.0.0.1:18883/api/v1/jobs/nope", "GET"]}`))
	case "70-job-add-shell-true":
		list, _ := g.want(200, "GET", "/api/v1/executions?limit=1", "")["executions"].([]any)
		newest, _ := list[0].(map[string]any)
		id, _ := newest["execution_id"].(string)
		g.bind("5cba56c677aa466c96d29eacb99c41ba", id)
	case "97-executions-default":
		run("ea0f05b19f2f49cbb44afcf0d9821365", "f404c2e9c502427c98042759fd6d9ab8")
	case "107-job-delete":
		g.want(200, "DELETE", "/api/v1/jobs/"+g.ours["a50dc6ebc00e4ff68e7fd1cd95b827bb"], "")
	}
}

// after lets queued runs end, as the original answers behind them.
func (g *golden) after(e exchange) {
	if e.method == http.MethodPost && strings.Contains(e.path, "/executions/") {
		g.work()
	}
}

// replay sends an exchange and compares the answer. differs says that README.md has
// to have a word on it.
func (g *golden) replay(e *exchange) (differs bool) {
	t := g.t
	var headers []string
	for name := range e.header {
		headers = append(headers, name, e.header.Get(name))
	}
	rec := g.send(e.method, g.translate(e.path), e.body, headers...)
	if rec.Code != e.status {
		t.Errorf("%s: %s %s: %d %s, want %d", e.file, e.method, e.path, rec.Code, rec.Body, e.status)
		return false
	}
	if e.answer == "" {
		if location := e.said.Get("Location"); location != "" && rec.Header().Get("Location") != location {
			t.Errorf("%s: Location is %q, want %q", e.file, rec.Header().Get("Location"), location)
		}
		if e.status >= 400 {
			var refusal errorWire
			if json.Unmarshal(rec.Body.Bytes(), &refusal) != nil || refusal.Error == "" {
				t.Errorf("%s: the error is %s", e.file, rec.Body)
			}
		}
		return false
	}
	if got, want := rec.Header().Get("Content-Type"), e.said.Get("Content-Type"); got != want {
		t.Errorf("%s: Content-Type %q, want %q", e.file, got, want)
	}
	if (rec.Header().Get("Etag") != "") != (e.said.Get("Etag") != "") {
		t.Errorf("%s: Etag is %q, there %q", e.file, rec.Header().Get("Etag"), e.said.Get("Etag"))
	}
	g.learn(e.answer, rec.Body.String())
	want, untouched := parse(t, g.translate(e.answer)), parse(t, g.translate(e.answer))
	got := parse(t, rec.Body.String())
	addClass(want)
	addClass(untouched)
	differ(e.file, want, g.ours["5cba56c677aa466c96d29eacb99c41ba"], g.ours["5e9f6d0a974149f0a3d3dbe42493c441"])
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-recorded +got):\n%s", e.file, d)
	}
	return !cmp.Equal(want, untouched)
}

var newID = regexp.MustCompile(`^\{"(?:job|execution)_id": ?(?:"([0-9a-f]{32})"|null)\}$`)

// learn binds the id that an answer gives to something new.
func (g *golden) learn(recorded, got string) {
	there, here := newID.FindStringSubmatch(recorded), newID.FindStringSubmatch(got)
	if there != nil && here != nil && there[1] != "" && g.ours[there[1]] == "" {
		g.bind(there[1], here[1])
	}
}

// pair and object keep the order of keys.
type pair struct {
	Key   string
	Value any
}

type object []pair

func (o *object) get(key string) any {
	for _, p := range *o {
		if p.Key == key {
			return p.Value
		}
	}
	return nil
}

func (o *object) set(key string, v any) {
	for i := range *o {
		if (*o)[i].Key == key {
			(*o)[i].Value = v
		}
	}
}

// parse reads JSON with the order of its keys. A time with microseconds is no more
// than that: it is another one each time.
func parse(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	v, err := parseValue(d)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

var microseconds = regexp.MustCompile(`^2026-11-20T21:46:\d\d\.\d{6}\+00:00$`)

func parseValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case string:
		if microseconds.MatchString(v) {
			return "a time", nil
		}
		if strings.HasPrefix(v, `{"job_id"`) {
			return parseValue(json.NewDecoder(strings.NewReader(v))) // a log's description
		}
	case json.Delim:
		if v == '{' {
			o := &object{}
			for d.More() {
				key, err := d.Token()
				if err != nil {
					return nil, err
				}
				value, err := parseValue(d)
				if err != nil {
					return nil, err
				}
				*o = append(*o, pair{key.(string), value})
			}
			_, err = d.Token()
			return o, err
		}
		list := []any{}
		for d.More() {
			value, err := parseValue(d)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = d.Token()
		return list, err
	}
	return token, nil
}

// differ makes of a recorded answer what README.md says it is here.
func differ(file string, answer any, bogus, awesome string) {
	o, ok := answer.(*object)
	if !ok {
		return
	}
	switch {
	case file == "19-job-get-all-null":
		o.set("next_run_time", "2026-11-20T21:47:00+00:00")
	case o.get("executions") != nil:
		list, _ := o.get("executions").([]any)
		list = slices.DeleteFunc(list, func(v any) bool { // those were before the recording
			job, _ := v.(*object).get("job").(*object)
			return job.get("name") == "My Awesome Job"
		})
		for _, v := range list {
			differExecution(v.(*object))
		}
		o.set("executions", list)
	case o.get("execution_id") != nil && o.get("state") != nil:
		differExecution(o)
	case o.get("logs") != nil:
		list, _ := o.get("logs").([]any)
		o.set("logs", differLogs(list, bogus, awesome))
	}
}

// addClass adds to jobs of executions what the document has and the servers do not.
func addClass(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			addClass(item)
		}
	case *object:
		for i, p := range *v {
			addClass(p.Value)
			if p.Key == "task_name" {
				*v = slices.Insert(*v, i+1, pair{"job_class_string", p.Value})
				return
			}
		}
	}
}

func differExecution(e *object) {
	job, _ := e.get("job").(*object)
	switch job.get("name") {
	case "shell-exit3", "shell-killed": // as in the variant with login
		e.set("state", "failed")
	case "bogus":
		reason := scheduler.ClassFault + `there is no job class "hello.world"`
		e.set("description", reason)
		e.set("result", reason)
		e.set("hostname", nil)
		e.set("pid", nil)
	case "shell-missing":
		e.set("result", "it could not be started")
	case "awesome-missing-arg":
		e.set("result", "argument 2 is missing")
	case "slack-noenv":
		e.set("result", "the variable is not set")
	}
}

func differLogs(list []any, bogus, awesome string) []any {
	seen := map[string]bool{}
	demo := object{
		{"job_id", awesome}, {"job_name", "My Awesome Job"}, {"event", "added"}, {"user", "test"}, {"created_time", "a time"}, {"description", nil},
	}
	kept := []any{&demo}                      // there it is made by the server
	for _, v := range slices.Backward(list) { // oldest first
		l := v.(*object)
		l.set("user", "test")
		name, _ := l.get("job_name").(string)
		text, _ := l.get("description").(string)
		switch event := l.get("event"); event {
		case "paused", "resumed":
			if seen[name+event.(string)] {
				continue // it was so already
			}
			seen[name+event.(string)] = true
		case "modified":
			text = strings.NewReplacer(`>minimal <b>2</b><`, `>minimal &lt;b&gt;2&lt;/b&gt;<`, `('arg1', 2)`, `[&#34;arg1&#34;,2]`,
				`['z', 9]`, `[&#34;z&#34;,9]`, `['p', 'q']`, `[&#34;p&#34;,&#34;q&#34;]`).Replace(text)
			l.set("description", text)
			if name == "q10" { // before this, what stands for a change that was refused but for its schedule
				before := object{
					{"job_id", l.get("job_id")},
					{"job_name", "minimal 3"},
					{"event", "modified"},
					{"user", "test"},
					{"created_time", "a time"},
					{"description", `<b>minute</b>: <font color="red">0</font> => <font color="green">11</font><br>` +
						`<b>hour</b>: <font color="red">4</font> => <font color="green">*</font><br>`},
				}
				kept = append(kept, &before)
			}
		case "custom_run":
			if name == "bogus" {
				l.set("description", bogus)
			}
		case "deleted":
			if o, ok := l.get("description").(*object); ok && name == "all null" {
				o.set("next_run_time", "2026-11-20T21:47:00+00:00")
			}
		}
		kept = append(kept, l)
	}
	slices.Reverse(kept)
	return kept
}
