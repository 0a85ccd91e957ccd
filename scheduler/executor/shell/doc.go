// Package shell runs commands: it is the executor "shell".
//
// Every run is forked by one helper process, the supervisor: the same binary,
// started with the single argument "supervise" by Start. It is the subreaper of
// all runs, so whatever a command leaves behind or detaches becomes its child
// and cannot hide, and when the server dies (kill -9 too) it kills all of them.
//
//	server                                     supervisor
//	Executor ── link ── unix socket ────────── fork.go   forks, one at a time
//	   └ run: pipes for stdout and stderr      reap.go   waits for everything
//	                                           end.go    ends what is left of a run
//
// The supervisor is one for all runs because a process per run would cost as
// much again as the run itself.
package shell
