package views

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"belfry/scheduler"
)

// configField is one field of an executor's configuration in the form.
type configField struct {
	Key, Label, Hint string
	Rows             int         // of a text area; 0 is a line
	Choices          [][2]string // value and label, for what is true or false; "" is the default
	Placeholder      string
	List             string // id of the list of what is offered
	More             bool   // folded away until asked for
}

// configFields are the forms of the executors we know, by kind. Fields of others
// can be set through the API and are shown on the job's page.
var configFields = func() map[string][]configField {
	all := dockerFields()
	maps.Copy(all, hostFields)
	return all
}()

var hostFields = map[string][]configField{
	"shell": {
		{Key: "command", Label: "Command", Rows: 4, Placeholder: "/usr/local/bin/backup --all", Hint: "A script for the shell."},
		{
			Key: "argv", Label: "Or a program and its arguments", Rows: 3, More: true,
			Hint: "Instead of a command: one argument a line, the program first. No shell reads them.",
		},
		{Key: "env", Label: "Environment", Rows: 3, Placeholder: "NAME=value", Hint: "One NAME=value a line, added to the server's.", More: true},
		{Key: "dir", Label: "Working directory", Placeholder: "/srv/app", More: true},
		{Key: "user", Label: "User", Hint: "Whom to run as. Only a server that runs as root can.", More: true},
		{Key: "group", Label: "Group", Hint: "Instead of the user's own.", More: true},
		{Key: "memory_limit", Label: "Memory limit", Placeholder: "512 MiB", Hint: "Of all its processes together; whoever takes more is killed. Empty: none.", More: true},
		{Key: "stdin", Label: "Standard input", Rows: 3, More: true},
		{Key: "umask", Label: "Umask", Placeholder: "0022", More: true},
		{Key: "env_files", Label: "Environment files", Rows: 2, Placeholder: "/etc/app.env", Hint: "One path a line; read when it runs.", More: true},
		{Key: "shell", Label: "Shell", Placeholder: "/bin/sh", Hint: "none: the command is split into words and run without a shell.", More: true},
	},
	"http": {
		{Key: "url", Label: "Address", Placeholder: "https://example.com/health"},
		{Key: "method", Label: "Method", Placeholder: "GET"},
		{Key: "headers", Label: "Headers", Rows: 3, Placeholder: "Name: value", Hint: "One Name: value a line.", More: true},
		{Key: "body", Label: "Body", Rows: 4, More: true},
		{Key: "timeout", Label: "Timeout of the request", Hint: "Like 5s. Empty: the job's timeout.", More: true},
		{Key: "expect_codes", Label: "Expected status", Placeholder: "200-299", Hint: "Codes and ranges, separated by commas.", More: true},
		{Key: "expect_body", Label: "Expected in the answer", Hint: "A regular expression (RE2).", More: true},
		{Key: "follow_redirects", Label: "Redirects", Choices: [][2]string{{"", "Follow"}, {"false", "Do not follow"}}, More: true},
		{Key: "insecure_skip_verify", Label: "Certificate of the server", Choices: [][2]string{{"", "Check it"}, {"true", "Believe any"}}, More: true},
		{Key: "ca_file", Label: "Authorities", Hint: "A PEM file, instead of the system's.", Placeholder: "/etc/ssl/own-ca.pem", More: true},
		{Key: "client_cert_file", Label: "Client certificate", Hint: "A PEM file.", More: true},
		{Key: "client_key_file", Label: "Client key", Hint: "A PEM file.", More: true},
	},
}

// configKinds are the executors that the form has, in its order.
var configKinds = []string{"shell", "http", "docker-exec", "docker-run", "docker-service"}

// ConfigPrefix begins the names of an executor's fields in the form. Those of the
// Docker executors are told apart: all of them have a command.
func ConfigPrefix(executor string) string {
	if strings.HasPrefix(executor, "docker-") {
		return executor + "."
	}
	return "config."
}

// ConfigKeys are the fields that the form has for an executor, each behind its
// ConfigPrefix.
func ConfigKeys(executor string) []string {
	keys := make([]string, len(configFields[executor]))
	for i, f := range configFields[executor] {
		keys[i] = f.Key
	}
	return keys
}

func configLabel(executor, key string) string {
	for _, f := range configFields[executor] {
		if f.Key == key {
			return f.Label
		}
	}
	return key
}

type configFact struct {
	Name, Value string
	Tall        bool
}

// configFacts are a job's configuration as its page shows it, in the form's order.
func configFacts(d scheduler.Draft) []configFact {
	var config map[string]json.RawMessage
	if json.Unmarshal(d.Config, &config) != nil {
		return nil
	}
	values := FormValues(d)
	var keys []string
	for _, f := range configFields[d.Executor] {
		if _, ok := config[f.Key]; ok {
			keys = append(keys, f.Key)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(config)) {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	var facts []configFact
	for _, k := range keys {
		v := values[ConfigPrefix(d.Executor)+k]
		if v == "" {
			continue
		}
		facts = append(facts, configFact{
			Name: configLabel(d.Executor, k), Value: v,
			Tall: strings.Contains(v, "\n") || len(v) > 60 || k == "command",
		})
	}
	return facts
}
