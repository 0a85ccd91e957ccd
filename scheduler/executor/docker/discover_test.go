package docker

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"belfry/scheduler/executor/docker/dockertest"
)

func TestDiscover(t *testing.T) {
	start(t)
	f := on(t, dockertest.Start(t))
	ctx, cancel := context.WithCancel(t.Context())
	reports := make(chan []Container, 100)
	ended := make(chan struct{})
	go func() {
		f.e.Discover(ctx, DiscoverOptions{Filters: []string{"label=team=a"}, Events: true}, func(list []Container) { reports <- list })
		close(ended)
	}()
	expect := func(why string, names ...string) {
		t.Helper()
		list := await(t, reports, why)
		var got []string
		for _, c := range list {
			got = append(got, c.Name)
			if !c.Running || c.Labels["team"] != "a" || c.ID == "" {
				t.Errorf("%+v", c)
			}
		}
		if strings.Join(got, " ") != strings.Join(names, " ") {
			t.Fatalf("%s: %v, want %v", why, got, names)
		}
	}
	expect("at the beginning")
	labels := map[string]string{"ofelia.enabled": "true", "team": "a"}
	begin := func(name string, labels map[string]string) string {
		t.Helper()
		id := f.labelled(name, labels)
		if _, err := f.api.ContainerStart(t.Context(), id, client.ContainerStartOptions{}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	begin("of-another-team", map[string]string{"ofelia.enabled": "true", "team": "b"})
	began := time.Now()
	one := begin("one", labels)
	expect("one is started", "one")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	begin("two", labels)
	expect("two is started", "one", "two")
	if _, err := f.api.ContainerRename(t.Context(), one, client.ContainerRenameOptions{NewName: "uno"}); err != nil {
		t.Fatal(err)
	}
	expect("one is renamed", "two", "uno")
	if _, err := f.api.ContainerRemove(t.Context(), one, client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	expect("one is removed", "two")
	if err := f.d.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "disconnected", func() bool { return f.e.Ping(t.Context()) == Disconnected })
	if err := f.d.Restart(); err != nil {
		t.Fatal(err)
	}
	list := await(t, reports, "the engine is back") // without live-restore, it has stopped what ran
	if len(list) > 1 {
		t.Errorf("%+v", list)
	}
	all, err := f.e.Containers(t.Context())
	if err != nil || len(all) != 2 || all[0].Name != "of-another-team" || all[0].Image != f.d.Image || all[0].State == "" {
		t.Errorf("%+v, %v", all, err)
	}
	cancel()
	await(t, ended, "the end of Discover")
	if len(reports) > 1 {
		t.Errorf("%d more reports", len(reports))
	}
}

func TestDiscoverPolls(t *testing.T) {
	f := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.labelled("polled-"+f.e.opts.Instance, map[string]string{"ofelia.enabled": "true", "who": "poll"})
	reports := 0
	f.e.Discover(ctx, DiscoverOptions{Filters: []string{"label=who=poll"}, IncludeStopped: true, PollInterval: 10 * time.Millisecond}, func(list []Container) {
		if len(list) != 1 || list[0].Running || list[0].State != "created" {
			t.Errorf("%+v", list)
		}
		if reports++; reports == 3 {
			cancel()
		}
	})
	if reports != 3 {
		t.Error(reports)
	}
}
