// Package class runs jobs that name a class of a catalogue and give it arguments,
// as ndscheduler's jobs do: it is the executor "class".
//
// A job's configuration is {"class": "jobs.shell.ShellJob", "args": ["ls", 1]}. The
// class's template is the configuration of another executor; in its texts
//
//	{{args}}     are all arguments, quoted for a shell, with blanks between
//	{{json}}     are all of them as a JSON array
//	{{1}}        is the first one as it is
//	{{json 1}}   is the first one as JSON
//	{{env NAME}} is a variable of the server's environment
//
// and an item of a list that is nothing but "{{argv}}" becomes one item for each
// argument. In a text under the key "command", which a shell may read, all of them
// are quoted, and must not be inside quotes. Arguments that are not strings are written as JSON. An argument or a
// variable that is missing fails the run.
package class
