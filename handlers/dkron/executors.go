package dkron

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

// nativeExecutor is how Belfry runs a job.
type nativeExecutor struct {
	kind    string
	config  json.RawMessage
	timeout time.Duration // of the job
}

const (
	kindShell       = "shell"
	kindHTTP        = "http"
	kindUnsupported = "unsupported"
)

// jobNameVar is what a run of Dkron finds in its environment.
const jobNameVar = "ENV_JOB_NAME"

// nativeOf maps an executor with its configuration, which checkExecutor has let
// pass. What cannot run is kept, and fails in words when it is run.
func nativeOf(name, executor string, c texts) nativeExecutor {
	switch {
	case executor == kindShell && c["command"] == "":
		return cannot(executor, "the executor shell needs a command: executor_config has none")
	case executor == kindShell:
		return shellOf(name, c)
	case executor == kindHTTP && (c["method"] == "" || c["url"] == ""):
		return cannot(executor, "the executor http needs a method and a url: executor_config lacks one of them")
	case executor == kindHTTP:
		return httpOf(c)
	case executor == "":
		return cannot(executor, "the job names no executor")
	default:
		return cannot(executor, "the executor "+strconv.Quote(executor)+" is not known here; there are shell and http")
	}
}

func cannot(executor, reason string) nativeExecutor {
	return nativeExecutor{kind: kindUnsupported, config: object(map[string]any{"executor": executor, "reason": reason})}
}

// object writes values that are texts, numbers, lists and maps of such.
func object(values map[string]any) json.RawMessage {
	for key, v := range values {
		if v == "" || v == false || v == int64(0) {
			delete(values, key)
		}
	}
	b, _ := json.Marshal(values) // of such values it cannot fail
	return b
}

func shellOf(name string, c texts) nativeExecutor {
	env := map[string]string{jobNameVar: name}
	for pair := range strings.SplitSeq(string(c["env"]), ",") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			env[strings.TrimSpace(key)] = value
		}
	}
	user, group, _ := strings.Cut(string(c["su"]), ":")
	shell := "none"
	if isTrue(c["shell"]) {
		shell = ""
	}
	memory, _ := parseSize(string(c["mem_limit"]))
	timeout, _ := time.ParseDuration(string(c["timeout"]))
	return nativeExecutor{kind: kindShell, timeout: timeout, config: object(map[string]any{
		"command": string(c["command"]), "shell": shell, "env": env, "dir": string(c["cwd"]), "user": user, "group": group,
		"memory_limit": memory, "stdin_base64": string(c["payload"]),
	})}
}

// withEnv is a shell's configuration with the environment of another: a text with
// commas between variables cannot say all that a variable may be.
func withEnv(config, other json.RawMessage) json.RawMessage {
	var is, was map[string]any
	_, _ = json.Unmarshal(config, &is), json.Unmarshal(other, &was) // both are objects
	env, _ := is["env"].(map[string]any)
	had, _ := was["env"].(map[string]any)
	for key, v := range had {
		env[key] = v
	}
	for key := range env {
		if _, kept := had[key]; !kept && key != jobNameVar {
			delete(env, key)
		}
	}
	b, _ := json.Marshal(is) // it was JSON a moment ago
	return b
}

func isTrue(t text) bool { v, err := strconv.ParseBool(string(t)); return err == nil && v }

func httpOf(c texts) nativeExecutor {
	headers := map[string]string{}
	var lines []string
	_ = json.Unmarshal([]byte(c["headers"]), &lines) // absent: none; otherwise checkExecutor has read it
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, ":"); ok {
			headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	codes := []string{"100-599"}
	if list := strings.FieldsFunc(string(c["expectCode"]), func(r rune) bool { return r == ',' || r == ' ' }); len(list) > 0 {
		codes = list
	}
	timeout := "30s"
	if n, err := strconv.Atoi(string(c["timeout"])); err == nil && n > 0 {
		timeout = (time.Duration(n) * time.Second).String()
	}
	values := map[string]any{
		"method": string(c["method"]), "url": string(c["url"]), "body": string(c["body"]), "timeout": timeout,
		"expect_codes": codes, "expect_body": string(c["expectBody"]), "insecure_skip_verify": isTrue(c["tlsNoVerifyPeer"]),
		"client_cert_file": string(c["tlsCertificateFile"]), "client_key_file": string(c["tlsCertificateKeyFile"]),
		"ca_file": string(c["tlsRootCAsFile"]),
	}
	if len(headers) > 0 {
		values["headers"] = headers
	}
	return nativeExecutor{kind: kindHTTP, config: object(values)}
}

// checkExecutor refuses values that cannot be read.
func checkExecutor(executor string, c texts) error {
	switch executor {
	case kindShell:
		if t := string(c["timeout"]); t != "" {
			if d, err := time.ParseDuration(t); err != nil || d < 0 {
				return invalid("Error parsing job timeout value")
			}
		}
		if limit := string(c["mem_limit"]); limit != "" {
			if _, ok := parseSize(limit); !ok {
				return invalid("Error parsing job memory limit value: invalid memory limit format: " + strings.ToUpper(limit))
			}
		}
		if _, err := base64.StdEncoding.DecodeString(string(c["payload"])); err != nil {
			return invalid("the payload is not base64")
		}
	case kindHTTP:
		var lines []string
		if h := c["headers"]; h != "" && json.Unmarshal([]byte(h), &lines) != nil {
			return invalid(`the headers must be a JSON list of texts like "Name: value"`)
		}
		if t := c["timeout"]; t != "" {
			if n, err := strconv.Atoi(string(t)); err != nil || n < 0 {
				return invalid("the timeout must be a number of seconds")
			}
		}
	}
	return nil
}

var sizePattern = regexp.MustCompile(`^(\d{1,15})\s*(|B|KB|MB|GB|TB)$`)

// parseSize reads a number of bytes: 1048576, 512MB, 2 gb.
func parseSize(s string) (int64, bool) {
	m := sizePattern.FindStringSubmatch(strings.ToUpper(strings.TrimSpace(s)))
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	shift := map[string]int{"": 0, "B": 0, "KB": 10, "MB": 20, "GB": 30, "TB": 40}[m[2]]
	return n << shift, err == nil && n > 0 && n <= (1<<62)>>shift
}

// shownExecutor is a job's executor as it came, or, when it was changed since, as
// near as this API can say it.
func shownExecutor(d *scheduler.Draft, k *kept) (string, texts) {
	n := nativeOf(d.Name, k.Executor, k.ExecutorConfig)
	if _, ours := d.Extra[Name]; ours && n.kind == d.Executor && n.timeout == timeoutOf(d) && sameJSON(n.config, d.Config) {
		if len(k.ExecutorConfig) == 0 {
			return k.Executor, nil
		}
		return k.Executor, k.ExecutorConfig
	}
	var c map[string]any
	_ = json.Unmarshal(d.Config, &c) // it was an object when it was stored
	switch d.Executor {
	case kindShell:
		return kindShell, shellTexts(d, c)
	case kindHTTP:
		return kindHTTP, httpTexts(c)
	}
	config := texts{}
	for key, v := range c {
		config[key] = flat(v)
	}
	return d.Executor, config
}

// timeoutOf is the timeout of the job where it belongs to the executor.
func timeoutOf(d *scheduler.Draft) time.Duration {
	if d.Executor == kindShell {
		return d.Timeout
	}
	return 0
}

func shellTexts(d *scheduler.Draft, c map[string]any) texts {
	out := texts{"shell": "true"}
	put(out, "command", c["command"])
	if argv, ok := c["argv"].([]any); ok {
		var words []string
		for _, w := range argv {
			words = append(words, "'"+strings.ReplaceAll(string(flat(w)), "'", `'\''`)+"'")
		}
		out["command"], out["shell"] = text(strings.Join(words, " ")), "false"
	}
	if c["shell"] == "none" {
		out["shell"] = "false"
	}
	if env, ok := c["env"].(map[string]any); ok {
		var pairs []string
		for _, key := range slices.Sorted(maps.Keys(env)) {
			if key != jobNameVar {
				pairs = append(pairs, key+"="+string(flat(env[key])))
			}
		}
		put(out, "env", strings.Join(pairs, ","))
	}
	put(out, "cwd", c["dir"])
	put(out, "su", c["user"])
	if group := flat(c["group"]); group != "" {
		out["su"] += ":" + group
	}
	put(out, "mem_limit", c["memory_limit"])
	put(out, "payload", c["stdin_base64"])
	if in := flat(c["stdin"]); in != "" {
		out["payload"] = text(base64.StdEncoding.EncodeToString([]byte(in)))
	}
	if d.Timeout > 0 {
		out["timeout"] = text(d.Timeout.String())
	}
	return out
}

func httpTexts(c map[string]any) texts {
	out := texts{"method": "GET"}
	for from, to := range map[string]string{
		"method": "method", "url": "url", "body": "body", "expect_body": "expectBody", "client_cert_file": "tlsCertificateFile",
		"client_key_file": "tlsCertificateKeyFile", "ca_file": "tlsRootCAsFile", "insecure_skip_verify": "tlsNoVerifyPeer",
	} {
		put(out, to, c[from])
	}
	if codes, ok := c["expect_codes"].([]any); ok {
		var list []string
		for _, code := range codes {
			list = append(list, string(flat(code)))
		}
		put(out, "expectCode", strings.Join(list, ","))
	}
	if headers, ok := c["headers"].(map[string]any); ok {
		var lines []string
		for _, name := range slices.Sorted(maps.Keys(headers)) {
			lines = append(lines, name+": "+string(flat(headers[name])))
		}
		b, _ := json.Marshal(lines) // of texts
		out["headers"] = text(b)
	}
	if d, err := time.ParseDuration(string(flat(c["timeout"]))); err == nil {
		out["timeout"] = text(strconv.Itoa(max(1, int(d/time.Second))))
	}
	return out
}

func put(out texts, key string, v any) {
	if t := flat(v); t != "" {
		out[key] = t
	}
}

// flat is a value of JSON as a text.
func flat(v any) text {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return text(v)
	default:
		b, _ := json.Marshal(v) // it came from JSON
		return text(b)
	}
}
