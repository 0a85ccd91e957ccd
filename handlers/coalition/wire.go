package coalition

// jobWire is a job. Dependencies are told of a single job only.
type jobWire struct {
	ID              int64    `json:"id"`
	Parent          int64    `json:"parent"`
	Title           string   `json:"title"`
	Command         string   `json:"command"`
	Dir             string   `json:"dir"`
	Environment     string   `json:"environment"`
	State           string   `json:"state"`
	Paused          int      `json:"paused"`
	Worker          string   `json:"worker"`
	StartTime       int64    `json:"start_time"`
	Duration        int64    `json:"duration"`
	PingTime        int64    `json:"ping_time"`
	RunDone         int      `json:"run_done"`
	Retry           int      `json:"retry"`
	Timeout         int64    `json:"timeout"`
	Priority        int64    `json:"priority"`
	Affinity        string   `json:"affinity"`
	AffinityBits    int64    `json:"affinity_bits"`
	User            string   `json:"user"`
	Finished        int64    `json:"finished"`
	Errors          int64    `json:"errors"`
	Working         int64    `json:"working"`
	Total           int64    `json:"total"`
	TotalFinished   int64    `json:"total_finished"`
	TotalErrors     int64    `json:"total_errors"`
	TotalWorking    int64    `json:"total_working"`
	URL             string   `json:"url"`
	Progress        *float64 `json:"progress"`
	ProgressPattern string   `json:"progress_pattern"`
	HAffinity       int64    `json:"h_affinity"`
	HPriority       uint64   `json:"h_priority"`
	HPaused         int      `json:"h_paused"`
	HDepth          int      `json:"h_depth"`
	Dependencies    *[]int64 `json:"dependencies,omitempty"`
}

// workerWire is a worker. CPU is a list as a text, as it is there.
type workerWire struct {
	Name         string  `json:"name"`
	IP           string  `json:"ip"`
	Affinity     string  `json:"affinity"`
	State        string  `json:"state"`
	PingTime     int64   `json:"ping_time"`
	StartTime    float64 `json:"start_time"`
	Finished     int64   `json:"finished"`
	Error        int64   `json:"error"`
	LastJob      int64   `json:"last_job"`
	CurrentEvent int64   `json:"current_event"`
	CPU          string  `json:"cpu"`
	FreeMemory   int64   `json:"free_memory"`
	TotalMemory  int64   `json:"total_memory"`
	Active       int     `json:"active"`
}

// eventWire is a run of a job on a worker.
type eventWire struct {
	ID       int64  `json:"id"`
	Worker   string `json:"worker"`
	JobID    int64  `json:"job_id"`
	JobTitle string `json:"job_title"`
	State    string `json:"state"`
	Start    int64  `json:"start"`
	Duration int64  `json:"duration"`
}

// edgeWire is a dependency of a child.
type edgeWire struct {
	ID         int64 `json:"id"`
	Dependency int64 `json:"dependency"`
}
