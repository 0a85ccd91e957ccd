package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nginx starts one in front of a server, with the settings of deploy/nginx.conf
// but for the addresses, and returns its address.
func nginx(t *testing.T, upstream string) string {
	t.Helper()
	conf, err := os.ReadFile("../../deploy/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	_, location, found := strings.Cut(string(conf), "    location / {")
	if !found {
		t.Fatal("deploy/nginx.conf has no location /")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	dir := t.TempDir()
	test := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	upstream belfry { server %[2]s; keepalive 16; }
	server {
		listen %[3]s;
		location / {%[4]s
}
`, dir, strings.TrimPrefix(upstream, "http://"), address, location)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(test), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nginx", "-p", dir, "-c", path)
	if err := cmd.Start(); err != nil {
		t.Fatalf("nginx is needed (Debian's nginx-light): %v", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return "http://" + address
		}
	}
	log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
	t.Fatalf("nginx does not listen: %s", log)
	return ""
}

func TestStreamsPassNginxEventByEvent(t *testing.T) {
	s := serve(t, t.TempDir())
	goOn := filepath.Join(t.TempDir(), "go-on")
	s.shellJob("steps", "@manually", "echo one; until [ -e "+goOn+" ]; do sleep 0.05; done; echo two", nil)
	id := s.run("steps")
	api := clientFlags{Server: nginx(t, s.url)}.client()
	var seen []string
	_, done, err := api.events(t.Context(), "execution:"+id, "", func(event string, data []byte) (bool, error) {
		if event == "output" && strings.Contains(string(data), "one") && len(seen) == 0 {
			seen = append(seen, "one") // it is here while the run waits for us
			return false, os.WriteFile(goOn, nil, 0o600)
		}
		if strings.Contains(string(data), "two") {
			seen = append(seen, "two")
		}
		return event == "end", nil
	})
	if err != nil || !done || fmt.Sprint(seen) != "[one two]" {
		t.Fatalf("saw %v, done %v, %v", seen, done, err)
	}
	var e execution
	s.call(http.MethodGet, "/executions/"+id, nil, http.StatusOK, &e)
	if e.State != "succeeded" {
		t.Fatalf("%s: %s", e.State, e.Reason)
	}
}
