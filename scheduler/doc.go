// Package scheduler is Belfry's domain: what a job is, what an execution may
// become, who may do what, and the use cases behind every front door. It knows
// no database, no HTTP and no process; what it needs from outside is in ports.go.
//
// # Glossary
//
// Each word has one meaning everywhere: in code, pages, JSON and logs.
//
//   - Job: a definition. What to run, when, and under which limits.
//   - Schedule: text in a Grammar read in a time zone; it names due times.
//   - Due time: the instant a schedule said. (job, due time) identifies a fire.
//   - Fire: the moment a due time arrives. It makes at most one execution.
//   - Execution: one attempt to run a job.
//   - Attempt: the number of an execution inside its group, from 1.
//   - Group: an execution and its retries; its id is the first attempt's.
//   - Outcome of a group: the state of its last attempt. It is what triggers
//     dependents.
//   - Overlap: more than one active execution of a job; its Concurrency decides.
//   - Turn: what an execution waits for whose job may not run more at once.
//   - Dependency: a job and the Condition its group has to end in; the job that
//     waits is its dependent.
//   - Notification: what somebody is told of an outcome, by a Sender of its kind.
//   - Delivery: one notification of one execution; together they are the outbox.
//   - Missed: a due time nothing fired. Catch-up: running for it all the same.
//   - Freeze: nothing fires and nothing starts, for a reason, until an end.
//   - Tag: what a job demands of a worker. Metadata: notes to search by.
//   - Trigger: why an execution exists: its kind, and who or what did it.
//   - State: where an execution is; see the table in execution.go.
//   - Reason: the words that say why a state that is not succeeded was reached,
//     or why an execution waits.
//   - Executor: what knows how to run one kind of job (shell, http).
//   - Job class: an entry of the catalogue; it says how jobs run that name it.
//   - Audit row: one mutation, as it is kept. Chain: all rows, each with the hash
//     of the one before.
//   - Output: the bytes a run wrote, in order of arrival, from two Streams.
//   - Piece: a run of output bytes of one stream with one arrival time; a line
//     is one or more pieces.
//   - Chunk: consecutive output of one execution as it is stored.
//   - Worker: something that claims executions and has slots: the server's own, one
//     that dials in (remote), or one of Coalition's.
//   - Slot: room for one running execution on a worker.
//   - Worker token: what lets workers in, and nothing else.
//   - Epoch: counts a worker's connections. An execution keeps the epoch that
//     claimed it as its fence: who comes with another one has nothing to say of it.
//   - Copy: one of the executions of a fire that runs on several workers at once.
//   - Tree: jobs that run once each, when a worker takes them (TreeJob). A group of
//     the tree is one of them without a command; what is in it may be groups.
//   - Affinity: what a job of the tree demands of a worker, a bit of a mask.
//   - Node: a server process.
//   - Principal: who asks: a user, or a token acting with a role.
//   - Role: viewer, operator, editor or admin; each may all that the former may.
package scheduler
