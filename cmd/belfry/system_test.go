package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestInForce: the page of the system has every flag of serve, and no secret.
func TestInForce(t *testing.T) {
	var all cli
	parser, err := kong.New(&all, kong.Vars{"import_formats": formatNames()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse([]string{"serve", "--admin-password", "hunter2 the second", "--database", "postgres://u:hunter2@h/d"})
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, kv := range all.Serve.inForce() {
		shown = append(shown, kv[0])
		if strings.Contains(kv[1], "hunter2") {
			t.Errorf("%s shows %q", kv[0], kv[1])
		}
	}
	for _, node := range parser.Model.Children {
		if node.Name != "serve" {
			continue
		}
		for _, flag := range node.Flags {
			if !slices.Contains(shown, flag.Name) && flag.Name != "admin-password" && flag.Name != "help" {
				t.Errorf("--%s is not shown", flag.Name)
			}
		}
	}
	if len(shown) < 20 {
		t.Errorf("only %v is shown", shown)
	}
}
