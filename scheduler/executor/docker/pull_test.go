package docker

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"belfry/scheduler"
	"belfry/scheduler/executor/docker/dockertest"
)

// startRegistry starts Debian's registry and returns its address.
func startRegistry(t *testing.T, htpasswd string) string {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		if os.Getenv(dockertest.RequireEnv) != "" {
			t.Fatal(err)
		}
		t.Skip("on Debian: apt-get install docker-registry")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n", dir, address)
	if htpasswd != "" {
		config += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %s}}\n", htpasswd)
	}
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(t, "the registry", func() bool {
		resp, err := plain.Get("http://" + address + "/v2/")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return address
}

// push makes a name for the local image and pushes it there.
func (f *fixture) push(name, auth string) {
	f.Helper()
	if _, err := f.api.ImageTag(f.Context(), client.ImageTagOptions{Source: f.d.Image, Target: name}); err != nil {
		f.Fatal(err)
	}
	if auth == "" {
		auth = "e30=" // {}: this engine wants something
	}
	messages, err := f.api.ImagePush(f.Context(), name, client.ImagePushOptions{RegistryAuth: auth})
	if err == nil {
		err = messages.Wait(f.Context())
	}
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) forget(name string) {
	f.Helper()
	if _, err := f.api.ImageRemove(f.Context(), name, client.ImageRemoveOptions{}); err != nil {
		f.Fatal(err)
	}
}

func TestPullPolicies(t *testing.T) {
	f := start(t)
	image := startRegistry(t, "") + "/busybox:1"
	f.push(image, "")
	f.forget(image)
	run := func(pull string) (scheduler.Result, *paper) {
		return f.run(RunConfig{Image: image, Pull: pull, Command: "true"})
	}
	r, out := run("never")
	must(t, r, out, scheduler.Failed, -1, "docker: the image "+image+" is not there, and the job says never to pull it")
	for _, pull := range []string{"missing", "missing", "", "always", "never"} {
		r, out = run(pull)
		must(t, r, out, scheduler.Succeeded, 0, "")
		if out.of(scheduler.Stderr) != "" {
			t.Errorf("%s: %q", pull, out.of(scheduler.Stderr))
		}
	}
	f.forget(image)
	r, out = run("always")
	must(t, r, out, scheduler.Succeeded, 0, "")
	f.forget(image)
	r, _ = f.run(RunConfig{Image: strings.TrimSuffix(image, "1") + "2", Command: "true"})
	if r.State != scheduler.Failed || !strings.HasPrefix(r.Reason, "docker: the image "+strings.TrimSuffix(image, "1")+"2 cannot be pulled: ") {
		t.Errorf("%+v", r)
	}
	// What is here but cannot be pulled is used, with a warning.
	nowhere := "127.0.0.1:1/busybox:1"
	if _, err := f.api.ImageTag(t.Context(), client.ImageTagOptions{Source: f.d.Image, Target: nowhere}); err != nil {
		t.Fatal(err)
	}
	defer f.forget(nowhere)
	r, out = f.run(RunConfig{Image: nowhere, Command: "true"})
	must(t, r, out, scheduler.Succeeded, 0, "")
	if !strings.HasPrefix(out.of(scheduler.Stderr), "docker: "+nowhere+" cannot be pulled, so the image that is here is used: ") {
		t.Errorf("%q", out.of(scheduler.Stderr))
	}
}

func TestPullWithALogin(t *testing.T) {
	if shared == nil {
		dockertest.Start(t)
	}
	f := on(t, shared) // not parallel: it changes the environment
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	file := filepath.Join(dir, "htpasswd")
	hash, err := exec.Command("python3", "-c", `import crypt; print(crypt.crypt("secret", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))`).Output()
	if err != nil {
		t.Skip("no bcrypt here")
	}
	if err := os.WriteFile(file, []byte("ann:"+string(hash)), 0o600); err != nil {
		t.Fatal(err)
	}
	address := startRegistry(t, file)
	image := address + "/private:1"
	auth, err := authconfig.Encode(registry.AuthConfig{Username: "ann", Password: "secret", ServerAddress: address})
	if err != nil {
		t.Fatal(err)
	}
	f.push(image, auth)
	f.forget(image)
	c := RunConfig{Image: image, Command: "true"}
	login := func(config string) {
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, _ := f.run(c)
	if r.State != scheduler.Failed || !strings.Contains(r.Reason, "cannot be pulled") || strings.Contains(r.Reason, "helper") {
		t.Errorf("without a login: %+v", r)
	}
	login(`{"credsStore":"pass","auths":{"` + address + `":{}}}`)
	r, _ = f.run(c)
	if r.State != scheduler.Failed || !strings.Contains(r.Reason, "names a credential helper, which Belfry does not use") {
		t.Errorf("with a helper: %+v", r)
	}
	login(`{"auths":{"https://` + address + `/v2/":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("ann:secret")) + `"}}}`)
	r, out := f.run(c)
	must(t, r, out, scheduler.Succeeded, 0, "")
	f.forget(image)
}

func TestStopWhilePulling(t *testing.T) {
	f := start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0") // a registry that does not answer
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := RunConfig{Image: l.Addr().String() + "/x:1", Command: "true"}
	ctx, stop := context.WithCancelCause(t.Context())
	out := &paper{}
	done := f.background(ctx, c, task(t, c), out)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stop(errStopped)
	must(t, await(t, done, "the end"), out, scheduler.Failed, -1, "stopped: stopped by ann")
}
