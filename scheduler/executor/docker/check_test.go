package docker

import (
	"encoding/json"
	"errors"
	"testing"

	"belfry/scheduler"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	e := New(Options{Host: "nonsense"}) // nothing is connected to
	for _, tt := range []struct {
		kind   string
		config string
		field  string // "" where it is valid
	}{
		{"exec", `{"container":"c","command":"a 'b c'"}`, ""},
		{"exec", `{"container":"c","argv":["a",""],"user":"1:1","tty":true,"env":{"A":"b"},"env_files":["/a"],"dir":"/","privileged":true}`, ""},
		{"exec", `{"command":"a"}`, "container"},
		{"exec", `{"container":"c"}`, "command"},
		{"exec", `{"container":"c","command":" "}`, "command"},
		{"exec", `{"container":"c","command":"''"}`, "command"},
		{"exec", `{"container":"c","command":"a 'b"}`, "command"},
		{"exec", `{"container":"c","command":"a","argv":["a"]}`, "argv"},
		{"exec", `{"container":"../c","command":"a"}`, "container"},
		{"exec", `{"container":"c","command":"a","env":{"1":""}}`, "env"},
		{"exec", `{"container":"c","command":"a","env":{"BELFRY_JOB":"b"}}`, "env.BELFRY_JOB"},
		{"exec", `{"container":"c","command":"a","env_files":["/a","b"]}`, "env_files.1"},
		{"exec", `{"container":"c","command":"a","dir":"b"}`, "dir"},
		{"exec", `{"container":"c","command":"a","image":"b"}`, "image"},
		{"exec", `{"container":"c","command":5}`, "command"},
		{"exec", `[]`, ""},
		{"run", `{"image":"debian:12"}`, ""},
		{"run", `{"image":"r.example:5000/a/b@sha256:0123456789012345678901234567890123456789012345678901234567890123","delete":false,"pull":"missing"}`, ""},
		{"run", `{"image":"a","volumes":["/a:/b:ro,z","n:/c","/d"],"stop_signal":"sigint","stop_timeout":"0s","memory":6291456,"cpus":0.5,"pids":9}`, ""},
		{"run", `{"image":"a","stop_signal":"SIGRTMIN+3"}`, ""},
		{"run", `{"container":"c","stop_timeout":"1m"}`, ""},
		{"run", `{}`, "image"},
		{"run", `{"image":"a","container":"b"}`, "container"},
		{"run", `{"image":"A b"}`, "image"},
		{"run", `{"container":"c","command":"a"}`, "command"},
		{"run", `{"container":"c","env":{"A":"b"}}`, "env"},
		{"run", `{"image":"a","pull":"sometimes"}`, "pull"},
		{"run", `{"image":"a","entrypoint":"\"a"}`, "entrypoint"},
		{"run", `{"image":"a","volumes":["/a:b"]}`, "volumes.0"},
		{"run", `{"image":"a","volumes":["/a","a/b:/c"]}`, "volumes.1"},
		{"run", `{"image":"a","volumes":["/a:/c:what"]}`, "volumes.0"},
		{"run", `{"image":"a","volumes":["/"]}`, "volumes.0"},
		{"run", `{"image":"a","volumes_from":[""]}`, "volumes_from.0"},
		{"run", `{"image":"a","annotations":{"belfry.job":"x"}}`, "annotations.belfry.job"},
		{"run", `{"image":"a","stop_signal":"a b"}`, "stop_signal"},
		{"run", `{"image":"a","stop_timeout":"soon"}`, "stop_timeout"},
		{"run", `{"image":"a","memory":5}`, "memory"},
		{"run", `{"image":"a","cpus":-1}`, "cpus"},
		{"run", `{"image":"a","pids":-1}`, "pids"},
		{"run", `{"image":"a","container_name":"a b"}`, "container_name"},
		{"service", `{"image":"a","volumes":["/a:/b:ro","n:/c:nocopy"]}`, ""},
		{"service", `{}`, "image"},
		{"service", `{"image":"a","volumes":["/a:/b:z"]}`, "volumes.0"},
		{"service", `{"image":"a","pids":5}`, "pids"},
	} {
		x := map[string]scheduler.Executor{"exec": e.Exec(), "run": e.RunContainer(), "service": e.Service()}[tt.kind]
		err := x.Check(json.RawMessage(tt.config))
		var invalid *scheduler.Error
		switch {
		case tt.config == "[]":
			if !errors.As(err, &invalid) || invalid.Fields[0].Message != "must be a JSON object" {
				t.Errorf("%s: %v", tt.config, err)
			}
		case tt.field == "" && err != nil:
			t.Errorf("%s %s: %v", tt.kind, tt.config, fieldsOf(err))
		case tt.field != "" && (!errors.As(err, &invalid) || invalid.Code != scheduler.CodeInvalid || len(invalid.Fields) != 1 || invalid.Fields[0].Field != tt.field):
			t.Errorf("%s %s: %v", tt.kind, tt.config, fieldsOf(err))
		}
	}
}

func fieldsOf(err error) any {
	var invalid *scheduler.Error
	if errors.As(err, &invalid) {
		return invalid.Fields
	}
	return err
}

// FuzzCheck looks for a configuration that panics.
func FuzzCheck(f *testing.F) {
	f.Add(`{"image":"a","command":"a 'b' \\","volumes":["a:b:c"],"env":{"A":"b"}}`)
	e := New(Options{})
	f.Fuzz(func(_ *testing.T, config string) {
		for _, x := range []scheduler.Executor{e.Exec(), e.RunContainer(), e.Service()} {
			_ = x.Check(json.RawMessage(config))
		}
	})
}
