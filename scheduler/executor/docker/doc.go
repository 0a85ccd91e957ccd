// Package docker runs jobs in a Docker engine: it has the executors
// "docker-exec", "docker-run" and "docker-service", and says which containers
// there are.
//
//	Engine ── Exec          a command in a running container          exec.go, end.go
//	   │   ── RunContainer  a container of its own, or a stopped one  run.go
//	   │   ── Service       a one-shot Swarm service                  service.go
//	   ├ Run, Ping, Sweep   is it there, and what did an earlier server leave?
//	   └ Discover           containers that declare jobs in their labels
//
// Nothing here needs an engine before a job does. One that is absent or goes away
// makes runs fail with words; the next run uses it when it is back.
//
// What an engine makes for us carries labels that say whose it is, since it
// outlives us: see labels. The processes of docker-exec carry the same in their
// environment.
package docker
