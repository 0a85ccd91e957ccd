package views

// The forms of the Docker executors: what they have in common is written once.

func dockerFields() map[string][]configField {
	program := []configField{
		{
			Key: "argv", Label: "Or its words", Rows: 3, More: true,
			Hint: "Instead of a command: one word a line, the program first.",
		},
		{Key: "user", Label: "User in the container", Hint: "A name or an id, with :group if wanted.", More: true},
		{Key: "dir", Label: "Directory in the container", Placeholder: "/app", More: true},
		{Key: "env", Label: "Variables", Rows: 3, Placeholder: "NAME=value", Hint: "One NAME=value a line.", More: true},
		{Key: "env_files", Label: "Files of variables", Rows: 2, Placeholder: "/etc/app.env", Hint: "One path on this server a line; read when it runs.", More: true},
		{Key: "tty", Label: "Terminal", Choices: [][2]string{{"", "None"}, {"true", "One: both outputs become one"}}, More: true},
	}
	made := []configField{
		{Key: "network", Label: "Network", Placeholder: "backend", More: true},
		{Key: "hostname", Label: "Host name", More: true},
		{Key: "volumes", Label: "Volumes", Rows: 3, Placeholder: "/srv/data:/data:ro", Hint: "One a line: /host:/path, name:/path or /path, with :ro if wanted.", More: true},
		{Key: "annotations", Label: "Annotations", Rows: 2, Placeholder: "team=ops", Hint: "One NAME=value a line; they become labels.", More: true},
		{Key: "memory", Label: "Memory limit", Placeholder: "512 MiB", Hint: "Empty: none.", More: true},
		{Key: "cpus", Label: "Processors", Placeholder: "0.5", Hint: "Empty: as many as there are.", More: true},
	}
	deleted := func(what string) configField {
		return configField{Key: "delete", Label: "Afterwards", Choices: [][2]string{{"", "Remove the " + what}, {"false", "Keep the " + what}}, More: true}
	}
	container := configField{Key: "container", Label: "Name of the container", Placeholder: "db", Hint: "Name or id of one that runs.", List: "containers"}
	command := configField{Key: "command", Label: "Command in the container", Rows: 2, Placeholder: "pg_dump -U app -f /backup/app.sql", Hint: "Split into words; sh -c '…' is for a shell."}
	imageCommand := command
	imageCommand.Hint = "Split into words; empty is the image's own."
	image := configField{Key: "image", Label: "Image", Placeholder: "alpine:3.20"}

	exec := joined([]configField{container, command}, program, []configField{
		{Key: "privileged", Label: "Privileged", Choices: [][2]string{{"", "No"}, {"true", "Yes: it may all that the host may"}}, More: true},
	})
	started := container
	started.Label, started.Hint, started.More = "Or a stopped container to start", "Instead of an image: it is started, waited for, and left.", true
	run := joined([]configField{image, imageCommand, started}, program, []configField{
		{Key: "entrypoint", Label: "Entrypoint", Hint: "Instead of the image's; split into words.", More: true},
		{Key: "pull", Label: "Pull the image", Choices: [][2]string{{"", "Always"}, {"missing", "When it is not there"}, {"never", "Never"}}, More: true},
		deleted("container"),
		{Key: "container_name", Label: "What to call it", More: true},
		{Key: "volumes_from", Label: "Volumes of containers", Rows: 2, Placeholder: "data:ro", Hint: "One container a line.", More: true},
		{Key: "stop_signal", Label: "Stop signal", Placeholder: "SIGTERM", More: true},
		{Key: "stop_timeout", Label: "Stop timeout", Placeholder: "10s", Hint: "Empty: the grace below.", More: true},
		{Key: "pids", Label: "Processes", Hint: "At most so many. Empty: any number.", More: true},
	}, made)
	service := joined([]configField{image, imageCommand}, program, []configField{deleted("service")}, made)
	return map[string][]configField{"docker-exec": exec, "docker-run": run, "docker-service": service}
}

func joined(parts ...[]configField) (all []configField) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
