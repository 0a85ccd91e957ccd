package handlers

import (
	"belfry/scheduler"
)

type workersOut struct {
	listOut[workerOut]
	Withhold bool `json:"withhold"`
}

type workerOut struct {
	Name        string       `json:"name"`
	Kind        string       `json:"kind"`
	State       string       `json:"state"`
	Mode        string       `json:"mode"`
	Tags        []string     `json:"tags"`
	Rules       [][]string   `json:"rules"`
	Sleep       string       `json:"sleep"`
	SleepZone   string       `json:"sleep_zone"`
	Slots       int          `json:"slots"`
	Used        int          `json:"used"`
	Version     *string      `json:"version"`
	System      *string      `json:"system"`
	Address     *string      `json:"address"`
	Load        *float64     `json:"load"`
	CPUs        *int         `json:"cpus"`
	MemoryFree  *int64       `json:"memory_free"`
	MemoryTotal *int64       `json:"memory_total"`
	SkewMS      int64        `json:"skew_ms"`
	ConnectedAt instant      `json:"connected_at"`
	SeenAt      instant      `json:"seen_at"`
	Failures    []failureOut `json:"failures"`
}

type failureOut struct {
	Job       string  `json:"job"`
	Failures  int     `json:"failures"`
	Withheld  bool    `json:"withheld"`
	LastAt    instant `json:"last_at"`
	Execution string  `json:"execution"`
}

func (s *Server) presentWorker(w scheduler.Worker, failures []scheduler.WorkerFailures) workerOut {
	out := workerOut{
		Name: w.Name, Kind: string(w.Kind), State: w.Status(s.Now()), Mode: string(w.Mode), Tags: orEmpty(w.Tags), Rules: orEmpty(w.Rules),
		Sleep: w.Sleep.Text, SleepZone: w.Sleep.Zone, Slots: w.Slots, Used: w.Used,
		Version: some(w.About.Version), System: some(w.About.System), Address: some(w.About.Address), CPUs: some(w.About.CPUs),
		MemoryFree: some(w.About.MemoryFree), MemoryTotal: some(w.About.MemoryTotal), SkewMS: w.About.Skew.Milliseconds(),
		ConnectedAt: instant(w.ConnectedAt), SeenAt: instant(w.SeenAt), Failures: []failureOut{},
	}
	if w.About.CPUs > 0 {
		out.Load = &w.About.Load
	}
	for _, f := range failures {
		out.Failures = append(out.Failures, failureOut{f.Job, f.Failures, f.Blocked() && s.Service.Withholding(), instant(f.LastAt), f.Execution})
	}
	return out
}

type workerTokenOut struct {
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	MadeBy     string  `json:"made_by"`
	CreatedAt  instant `json:"created_at"`
	LastUsedAt instant `json:"last_used_at"`
	RevokedAt  instant `json:"revoked_at"`
	Secret     string  `json:"secret,omitempty"`  // in the answer that made it only
	Command    string  `json:"command,omitempty"` // likewise
}

func presentWorkerToken(t scheduler.WorkerToken) workerTokenOut {
	return workerTokenOut{
		ID: t.ID, Name: t.Name, MadeBy: t.MadeBy, CreatedAt: instant(t.CreatedAt), LastUsedAt: instant(t.LastUsedAt), RevokedAt: instant(t.RevokedAt),
	}
}
