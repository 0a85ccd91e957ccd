package shell

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"belfry/scheduler"
)

func TestCheckNamesTheField(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for config, want := range map[string]string{
		`{"command":"echo"}`: "",
		`{"argv":["echo","a"],"env":{"A_1":"b"},"dir":"/","user":"nobody","stdin":"a\u0000","umask":"022"}`: "",
		`{"command":"echo","shell":"/bin/bash"}`:                                                            "",
		`{}`:                                                                                                "command",
		`{"command":" "}`:                                                                                   "command",
		`{"command":"a\u0000b"}`:                                                                            "command",
		`{"command":"` + long(maxCommand+1) + `"}`:                                                          "command",
		`{"command":7}`:                                                                                     "command",
		`{"command":"a","argv":["b"]}`:                                                                      "argv",
		`{"argv":[""]}`:                                                                                     "argv",
		`{"argv":["a","b\u0000"]}`:                                                                          "argv.1",
		`{"argv":["` + long(maxString+1) + `"]}`:                                                            "argv.0",
		`{"argv":["a"` + strings.Repeat(`,"`+long(1<<17-2)+`"`, 17) + `]}`: "argv",
		`{"argv":["a"],"shell":"/bin/sh"}`:                                 "shell",
		`{"command":"a","shell":"sh"}`:                                     "shell",
		`{"command":"a","dir":"tmp"}`:                                      "dir",
		`{"command":"a","env":{"1A":"b"}}`:                                 "env",
		`{"command":"a","env":{"A=B":"b"}}`:                                "env",
		`{"command":"a","env":{"":"b"}}`:                                   "env",
		`{"command":"a","env":{"A":"\u0000"}}`:                             "env.A",
		`{"command":"a","env":{"BELFRY_JOB":"b"}}`:                         "env.BELFRY_JOB",
		`{"command":"a","env":{"A":7}}`:                                    "env",
		`{"command":"a","env":{"A":"` + long(1<<17) + `"}}`:                "env.A",
		`{"command":"a","umask":"8"}`:                                      "umask",
		`{"command":"a","umask":"01777"}`:                                  "umask",
		`{"command":"a","stdin":"` + long(maxStdin+1) + `"}`:               "stdin",
		`{"command":"a","Command":"b"}`:                                    "Command",
		`{"command":"a","colour":"red"}`:                                   "colour",
		`{"command":"a","user":"` + long(257) + `"}`:                       "user",
	} {
		err := new(Executor).Check(json.RawMessage(config))
		var e *scheduler.Error
		if want == "" {
			if err != nil {
				t.Errorf("%.60s: %v", config, err)
			}
			continue
		}
		if !errors.As(err, &e) || e.Code != scheduler.CodeInvalid || e.Fields[0].Field != want {
			t.Errorf("%.60s: %.200v, want the field %s", config, err, want)
		}
	}
	for _, config := range []string{``, `null`, `[]`, `7`, `{`, `{"command":"a"} {}`} {
		if err := new(Executor).Check(json.RawMessage(config)); scheduler.CodeOf(err) != scheduler.CodeInvalid {
			t.Errorf("%q: %v", config, err)
		}
	}
}

func TestPlainWords(t *testing.T) {
	for command, want := range map[string][]string{
		"/bin/true":                   {"/bin/true"},
		" /bin/echo a  -b=c x@y:1,2 ": {"/bin/echo", "a", "-b=c", "x@y:1,2"},
		"true":                        nil, // perhaps a builtin
		"/bin/echo *":                 nil,
		"/bin/echo $HOME":             nil,
		"/bin/echo 'a b'":             nil,
		"/bin/echo ~":                 nil,
		"/bin/true;":                  nil,
		"/bin/true\n":                 nil,
		"/bin/true #":                 nil,
		"/a=b c":                      nil,
		"":                            nil,
	} {
		if got := plainWords(command); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", command, got, want)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	whole := request{kind: reqStart, run: 7, start: start{
		files: 3, umask: 0o22, id: "id", path: "/bin/true", dir: "/", argv: []string{"true", ""}, env: []string{"A=b"},
		who: true, uid: 1, gid: 2, groups: []uint32{2, 300},
	}}
	f.Add(whole.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if size := frameSize(b); size < headerSize || size > len(b) {
			return
		}
		r, err := parseRequest(b)
		if err != nil {
			return
		}
		again, err := parseRequest(r.append(nil))
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}

func TestFrames(t *testing.T) {
	r := request{kind: reqStart, run: 7, start: start{
		files: 3, umask: -1, id: "id", path: "/bin/true", dir: "/", argv: []string{"true", ""}, env: []string{"A=b"},
		who: true, uid: 1, gid: 2, groups: []uint32{2, 300},
	}}
	got, err := parseRequest(r.append(nil))
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v", got, err)
	}
	rep := report{kind: repExited, run: 1, status: 2, left: 3, maxRSS: 4 << 40, cpu: 5 << 40}
	if got := parseReport(rep.append(nil)); got != rep {
		t.Errorf("%+v", got)
	}
}
