package views

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

func (p WorkersProps) field(name string) formField {
	return formField{form: "token-", name: name, values: p.Values, errors: p.Errors}
}

func (p WorkerProps) field(name string) formField {
	return formField{form: "worker-", name: name, values: p.Values, errors: p.Errors}
}

// value is what was typed, or else what is stored.
func (p WorkerProps) value(name string) string {
	if p.Values != nil {
		return p.Values[name]
	}
	switch name {
	case "rules":
		lines := make([]string, len(p.Worker.Rules))
		for i, r := range p.Worker.Rules {
			lines[i] = strings.Join(r, ",")
		}
		return strings.Join(lines, "\n")
	case "sleep":
		return p.Worker.Sleep.Text
	default:
		return p.Worker.Sleep.Zone
	}
}

// workerLook is how a worker's status is shown.
func workerLook(status string) look {
	switch status {
	case "online":
		return look{Label: "Online", Icon: "circle-check", Tone: "good"}
	case "draining":
		return look{Label: "Draining", Icon: "pause", Tone: "busy"}
	case "asleep":
		return look{Label: "Asleep", Icon: "clock", Tone: "idle"}
	case "lost":
		return look{Label: "Lost", Icon: "unplug", Tone: "bad"}
	case "disconnected":
		return look{Label: "Disconnected", Icon: "ban", Tone: "warn"}
	default:
		return look{Label: "Offline", Icon: "circle-dot", Tone: "idle"}
	}
}

func kindWords(k scheduler.WorkerKind) string {
	switch k {
	case scheduler.WorkerServer:
		return "this server"
	case scheduler.WorkerCoalition:
		return "Coalition"
	default:
		return "remote"
	}
}

// machineWords say how busy a worker's machine is, as far as it is known.
func machineWords(w *scheduler.Worker) string {
	var parts []string
	if words := loadWords(w); words != "" {
		parts = append(parts, words)
	}
	if w.About.MemoryTotal > 0 {
		parts = append(parts, Size(w.About.MemoryFree)+" of "+Size(w.About.MemoryTotal)+" free")
	}
	if w.About.Skew.Abs() >= time.Second {
		parts = append(parts, "clock "+skewWords(w.About.Skew))
	}
	return strings.Join(parts, ", ")
}

// loadWords say how many processes want to run, and on how many CPUs; nothing where
// that is not known.
func loadWords(w *scheduler.Worker) string {
	if w.About.CPUs == 0 {
		return ""
	}
	return fmt.Sprintf("load %.1f on %s", w.About.Load, plural(int64(w.About.CPUs), "CPU", "CPUs"))
}

// skewWords say how far a worker's clock is off. Below what the network adds it is
// right.
func skewWords(skew time.Duration) string {
	switch {
	case skew.Abs() < 100*time.Millisecond:
		return "right"
	case skew > 0:
		return Duration(skew) + " ahead"
	default:
		return Duration(-skew) + " behind"
	}
}

func timesWords(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}
