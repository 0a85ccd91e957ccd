package jobfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// env is a Lookup.
func env(name string) (string, bool) {
	v, ok := map[string]string{
		"NAME": "world", "EMPTY": "", "TRICKY": `a # b "c ${NAME}`, "LINES": "a\nb",
	}[name]
	return v, ok
}

// parsed writes sections so that they can be compared: key and value of each entry.
func parsed(all []section) string {
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "%d %s %s\n", s.line, s.kind, s.name)
		for _, e := range s.entries {
			fmt.Fprintf(&b, "%d %s %q\n", e.line, e.key, e.value)
		}
	}
	return b.String()
}

func TestParseValues(t *testing.T) {
	tests := []struct{ raw, want string }{
		{`date`, `date`},
		{`  spaces   inside  `, `spaces   inside`},
		{``, ``},
		{`""`, ``},
		{`"quoted # and ; inside"`, `quoted # and ; inside`},
		{`'single "with" double # x'`, `single "with" double # x`},
		{"`back 'tick' ; x`", `back 'tick' ; x`},
		{`"an \"escape\" and a \\"`, `an "escape" and a \`},
		{`"no other \n escape"`, `no other \n escape`},
		{`'no \n escape'`, `no \n escape`},
		{`'a\'`, `a\`},
		{`echo "a b"`, `echo "a b"`},
		{`echo "a # b" ';' x`, `echo "a # b" ';' x`},
		{`"a" "b"`, `"a" "b"`},
		{`'a' and "b"`, `'a' and "b"`},
		{`find . -exec rm {} \;`, `find . -exec rm {} \;`},
		{`echo \"half`, `echo \"half`},
		{`sh -c "echo \"a ; b\""`, `sh -c "echo \"a ; b\""`},
		{`0 0 * * MON#1`, `0 0 * * MON#1`},
		{`a;b#c`, `a;b#c`},
		{`a = b : c`, `a = b : c`},
		{`$HOME $$ $(date +%Y) %`, `$HOME $$ $(date +%Y) %`},
		{`hello ${NAME}!`, `hello world!`},
		{`'hello ${NAME}'`, `hello world`},
		{`${MISSING:-a default}`, `a default`},
		{`${EMPTY:-instead}`, `instead`},
		{`${EMPTY}|${MISSING:-}`, `|`},
		{`${NAME}${NAME}`, `worldworld`},
		{`${MISSING:-a:-b}`, `a:-b`},
		{`${TRICKY}`, `a # b "c ${NAME}`},
		{`$${NAME} and $$${NAME}`, `${NAME} and $${NAME}`},
		{`größe 日本`, `größe 日本`},
	}
	for _, tt := range tests {
		for _, end := range []string{"\n", "\r\n", ""} {
			var problems Problems
			all := parse("f", "[global]\nkey = "+tt.raw+end, env, &problems)
			if len(problems) > 0 || len(all) != 1 || len(all[0].entries) != 1 || all[0].entries[0].value != tt.want {
				t.Errorf("%s\n got %s%v\nwant %q", tt.raw, parsed(all), problems, tt.want)
			}
		}
	}
}

func TestParseRefusesValues(t *testing.T) {
	tests := []struct{ raw, want string }{
		{`date # comment`, "the # may begin a comment or belong to the value; quote the value, or put the comment on its own line"},
		{`date ; comment`, "the ; may begin a comment or belong to the value; quote the value, or put the comment on its own line"},
		{`# all of it`, "the # may begin a comment"},
		{"date\t#x", "the # may begin a comment"},
		{`"quoted" ; comment`, "the ; may begin a comment"},
		{`echo "a" 'b' # c`, "the # may begin a comment"},
		{`echo "open`, `the quote " is not closed; if it is meant as text, put the whole value in other quotes`},
		{`it's`, "the quote ' is not closed"},
		{`"`, `the quote " is not closed`},
		{`"a\"`, `the quote " is not closed`},
		{"`x", "the quote ` is not closed"},
		{`${MISSING}`, "the variable MISSING is not set; set it, give a default with ${MISSING:-default}, or write $${ for a literal ${"},
		{`${NAME`, "the } of a ${ is missing"},
		{`${NAME%.gz}`, "${NAME%.gz} is neither ${VAR} nor ${VAR:-default}; write $${ for a literal ${"},
		{`${}`, "${} is neither"},
		{`${1}`, "${1} is neither"},
		{`${LINES}`, "the value of the variable LINES contains what is no text, or more than one line"},
	}
	for _, tt := range tests {
		var problems Problems
		parse("jobs.ini", "[global]\n\nuser = "+tt.raw+"\nlog-level = info\n", env, &problems)
		if len(problems) != 1 || problems[0].File != "jobs.ini" || problems[0].Line != 3 || problems[0].Key != "user" ||
			!strings.HasPrefix(problems[0].Message, tt.want) {
			t.Errorf("%s\n got %v\nwant %s", tt.raw, problems, tt.want)
		}
	}
}

func TestParseLines(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"byte order mark, CR LF", "\ufeff[global]\r\nlog-level = info\r\n", "1 global \n2 log-level \"info\"\n"},
		{"comments", "; a\n# b\n[global]\n  ; c = d\n\n   # e\nuser = x\n", "3 global \n7 user \"x\"\n"},
		{"comments may hold anything", "# \xff \x00 \\\n[global]", "2 global \n"},
		{"colon", "[global]\nuser: a\nx=b:c\ny : c=d", "1 global \n2 user \"a\"\n3 x \"b:c\"\n4 y \"c=d\"\n"},
		{"continuation", "[global]\ncommand = sh -c 'a | \\\n   b > c \\\n d'\nuser = x", "1 global \n2 command \"sh -c 'a | b > c d'\"\n5 user \"x\"\n"},
		{"continuation ends with an empty line", "[global]\na = b \\\n\nc = d", "1 global \n2 a \"b\"\n4 c \"d\"\n"},
		{"continuation at the end", "[global]\na = b\\", "1 global \n2 a \"b\"\n"},
		{"a # within quotes goes on", "[global]\na = 'b \\\n# c'", "1 global \n2 a \"b # c\"\n"},
		{"a quoted backslash", "[global]\na = \"b\\\\\"\nc = d", "1 global \n2 a \"b\\\\\"\n3 c \"d\"\n"},
		{"headers", "[ job-exec  \"a ] b\" ] ; x\n[JOB_RUN 'it\"s']\n[job-local plain]\n[job-service \"s\"]\n[job-service-run \"t\"]\n[job-http \"a \\\"b\\\"\"]", "1 exec a ] b\n2 run it\"s\n3 local plain\n4 service s\n5 service t\n6 http a \"b\"\n"},
	}
	for _, tt := range tests {
		var problems Problems
		got := parsed(parse("f", tt.text, env, &problems))
		if diff := cmp.Diff(tt.want, got); diff != "" || len(problems) > 0 {
			t.Errorf("%s: %v\n%s", tt.name, problems, diff)
		}
	}
}

func TestParseRefusesLines(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no section", "user = x", `f:1: user: stands before the first section; sections look like [job-exec "name"]`},
		{"no delimiter", "[global]\n\nwhat is this", `f:3: "what is this" is neither a [section], nor key = value, nor a comment, which begins with ; or #`},
		{"no key", "[global]\n= x", `f:2: has no key before the '='`},
		{"no bracket", "[global", "f:1: the section's ] is missing"},
		{"behind the bracket", "[global] x", `f:1: nothing but a comment may follow the section's ], found "x"`},
		{"unknown section", "[job-exce \"a\"]\nfoo = bar", `f:1: [job-exce "a"] is not a section that is known (did you mean "job-exec"?); there are job-exec, job-run, job-local, job-service-run, job-http, global, docker, cors`},
		{"compose", "[job-compose \"a\"]", "f:1: job-compose is not supported; use a [job-local] whose command is docker compose"},
		{"webhook", "[webhook \"a\"]", "f:1: webhook sections are not supported; use slack-webhook in [global] or in the job"},
		{"no name", "[job-exec]", `f:1: the job needs a name: [job-exec "name"]`},
		{"empty name", "[job-exec \" \"]", `f:1: the job needs a name: [job-exec "name"]`},
		{"unquoted name", "[job-exec a b]", `f:1: the job's name has to stand in quotes: [job-exec "name"]`},
		{"two names", "[job-exec \"a\" \"b\"]", `f:1: the job's name has to stand in quotes: [job-exec "name"]`},
		{"name of global", "[global \"a\"]", "f:1: [global] has no name"},
		{"UTF-8", "[global]\nuser = \xff", "f:2: is not valid UTF-8"},
		{"NUL", "[global]\nuser = a\x00b", "f:2: contains the control character U+0000"},
		{"CR in a line", "[global]\nuser = a\rb", "f:2: contains the control character U+000D"},
		{"comment in a continuation", "[global]\nuser = a \\\n# b\n", "f:3: user: a comment cannot stand inside a value that goes on (the line before ends with a backslash)"},
		{"ambiguous continuation", "[global]\nuser = a \\\nb # c\n", "f:2: user: the # may begin a comment or belong to the value; quote the value, or put the comment on its own line"},
		{"control character in a continuation", "[global]\nuser = a \\\nb\x01\n", "f:3: contains the control character U+0001"},
	}
	for _, tt := range tests {
		_, err := Parse("f", tt.text, env)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s\n got %v\nwant %s", tt.name, err, tt.want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"schedule", "command", "container", "no-overlap", "user"}
	for word, want := range map[string]string{
		"shedule": "schedule", "scheduel": "schedule", "NO_OVERLAPS": "no-overlap", "cmd": "", "usr": "user",
		"contaner": "container", "x": "", "": "", strings.Repeat("y", 100): "",
	} {
		got := didYouMean(word, known)
		if want != "" {
			want = ` (did you mean "` + want + `"?)`
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}
