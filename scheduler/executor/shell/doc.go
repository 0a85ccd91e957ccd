// Package shell runs commands: it is the executor "shell".
//
// Every run is forked by a helper process, a supervisor: the same binary,
// started with the single argument "supervise" by Start, one for each processor.
// It is the subreaper of its runs, so whatever a command leaves behind or
// detaches becomes its child and cannot hide, and when the server dies (kill -9
// too) it kills all of them.
//
//	server                                       supervisor
//	Executor ── keeper ── link ── unix socket ── fork.go    forks, one at a time
//	   └ run: pipes for stdout and stderr        end.go     reaps, ends what is left
//	                                             orphan.go  whose is a stray process?
//
// A supervisor is for many runs because a process per run would cost as much
// again as the run itself. There are several because forking waits for the exec,
// in which a new program may itself have to wait for a processor.
package shell
