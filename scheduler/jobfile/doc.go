// Package jobfile reads job definitions that are written with Ofelia's keys: INI
// files, labels of containers, and JSON objects whose keys are the camelCase of
// the INI keys. One table of fields (fields_*.go) serves all three, in both
// directions, so that a key means the same wherever it stands.
//
// # INI
//
//	[job-exec "backup"]
//	schedule = @daily
//	container = db
//	command = sh -c "pg_dump app | gzip > /backup/app.gz"
//	environment = PGUSER=app
//	environment = PGHOST=db
//
// The parser is ours because a problem has to name its file, line and key, list
// keys repeat, and the library that Ofelia uses keeps no line numbers and cuts a
// value at a ; or # without a word ("0 0 * * MON#1" became weekly).
//
//   - Sections: [job-exec "name"], job-run, job-local, job-service-run (or
//     job-service), job-http, [class "name"] for a job class, and [global], [docker],
//     [cors]. Each may stand once in a file; the last three may stand in several files.
//   - A line is "key = value" or "key: value". Upper and lower case, - and _ make
//     no difference in keys. A list key is repeated, one value each time; any other
//     key may stand once.
//   - A comment is a line that begins with ; or #. Behind white space inside a
//     value they are refused, as nobody can tell a comment from text: quote the
//     value, or give the comment a line of its own.
//   - Quotes around a whole value, "…" '…' or `…`, protect and are taken away.
//     Within "…" \" is " and \\ is \; no other escape exists. Quotes inside a value
//     (echo "a # b") stay, and protect ; and # as they would in a shell, where \
//     takes a quote's meaning away. Quotes that are not closed are refused.
//   - A line that ends with \ goes on with the next one, whose leading white space
//     is dropped. A value whose last character is \ has to be quoted.
//   - ${VAR} and ${VAR:-default} in values are replaced by what the lookup knows,
//     whatever the quotes; the default also stands in for an empty variable, and is
//     text up to the first }. A variable without value and default is refused.
//     $${ is a literal ${. Everything else with a $, $VAR and $$ and $(date), stays
//     for the shell. What is put in is text: it is not read again.
//   - Files are UTF-8, with or without byte order mark, with LF or CR LF.
//
// # Labels
//
// See Labels. Their values are taken as they are: no quotes, no continuation and
// no ${VAR}, which would hand the server's environment to whoever labels a container.
package jobfile
