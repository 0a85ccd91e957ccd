package jobfile

import "belfry/scheduler"

// The kinds of notifications that the dialect has words for.
const (
	slack = "slack"
	mail  = "mail"
	save  = "save"
)

var notifyFields = []field[*draft]{
	onHost(notifyText("save-folder", save, "folder")),
	onlyOnError("save-only-on-error", save),
	masked(notifyText("slack-webhook", slack, "webhook"), maskWebhook, unmaskWhole),
	onlyOnError("slack-only-on-error", slack),
	notifyText("smtp-host", mail, "host"),
	smtpPort(),
	notifyText("smtp-user", mail, "user"),
	masked(notifyText("smtp-password", mail, "password"), maskPassword, unmaskWhole),
	skipVerify(),
	notifyText("email-to", mail, "to"),
	notifyText("email-from", mail, "from"),
	notifyText("email-subject", mail, "subject"),
	onlyOnError("mail-only-on-error", mail),
}

func notifyText(key, kind, name string) field[*draft] {
	return field[*draft]{
		key: key, domain: []string{"notify." + kind + "." + name},
		get: func(d *draft) any { return get(d.notifyConfig(kind), name, "") },
		set: func(d *draft, v any) error { return setNotifyMember(d, kind, name, v) },
	}
}

func setNotifyMember(d *draft, kind, name string, v any) error {
	d.setNotify(kind, func(_ *scheduler.Notify, config object) { config.put(name, v) })
	return nil
}

// smtpPort is 0 when the job has none of its own.
func smtpPort() field[*draft] {
	f := notifyText("smtp-port", mail, "port")
	f.kind, f.max = number, 65535
	f.get = func(d *draft) any { return get(d.notifyConfig(mail), "port", int64(0)) }
	f.set = func(d *draft, v any) error {
		if v.(int64) == 0 {
			v = "" // absent: the server's default
		}
		return setNotifyMember(d, mail, "port", v)
	}
	return f
}

func skipVerify() field[*draft] {
	f := notifyText("smtp-tls-skip-verify", mail, "tls_skip_verify")
	f.kind = yesNo
	f.get = func(d *draft) any { return get(d.notifyConfig(mail), "tls_skip_verify", false) }
	return f
}

// onlyOnError says which outcomes count. false is not the same as absent: it
// overrules a default.
func onlyOnError(key, kind string) field[*draft] {
	return field[*draft]{
		key: key, kind: yesNo, domain: []string{"notify." + kind + ".on"},
		get: func(d *draft) any { return d.notify(kind).On == scheduler.OnFailure },
		set: func(d *draft, v any) error {
			on := scheduler.OnAny
			if v.(bool) {
				on = scheduler.OnFailure
			}
			d.setNotify(kind, func(n *scheduler.Notify, _ object) { n.On = on })
			return nil
		},
	}
}
