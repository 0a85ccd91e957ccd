package coalition

import (
	"context"
	"time"

	"belfry/scheduler"
)

// Service is what this dialect calls of the domain.
type Service interface {
	TreeService
	WorkerService
}

// TreeService is what it does with jobs.
type TreeService interface {
	CreateTreeJob(ctx context.Context, by scheduler.Principal, d scheduler.TreeDraft, affinities string, dependsOn []int64) (scheduler.TreeJob, error)
	EditTreeJobs(ctx context.Context, by scheduler.Principal, edits map[int64]scheduler.TreeEdit) error
	SetTreeDependencies(ctx context.Context, by scheduler.Principal, num int64, on []int64) error
	StartTreeJobs(ctx context.Context, by scheduler.Principal, nums []int64) error
	PauseTreeJobs(ctx context.Context, by scheduler.Principal, nums []int64) error
	ResetTreeJobs(ctx context.Context, by scheduler.Principal, nums []int64, onlyErrors bool) error
	DeleteTreeJobs(ctx context.Context, by scheduler.Principal, nums []int64) error
	Affinities(ctx context.Context) (scheduler.Affinities, error)
	SetAffinities(ctx context.Context, by scheduler.Principal, names map[int]string) error
	AffinityMask(ctx context.Context, field, text string) (int64, error)
}

// WorkerService is what it does with workers, and they with it.
type WorkerService interface {
	TreeFleet(ctx context.Context) ([]scheduler.Worker, error)
	EditTreeWorkers(ctx context.Context, by scheduler.Principal, edits map[string]scheduler.TreeWorkerEdit) error
	StopTreeWorkers(ctx context.Context, by scheduler.Principal, names []string) error
	SwitchTreeWorkers(ctx context.Context, by scheduler.Principal, names []string, active bool) error
	ForgetTreeWorkers(ctx context.Context, by scheduler.Principal, names []string) error
	AuthenticateWorker(ctx context.Context, secret string) (scheduler.WorkerToken, error)
	PollTree(ctx context.Context, token scheduler.WorkerToken, p scheduler.TreePing) (scheduler.TreeJob, bool, error)
	BeatTree(ctx context.Context, token scheduler.WorkerToken, p scheduler.TreePing, num int64, output []byte) (bool, error)
	EndTree(ctx context.Context, token scheduler.WorkerToken, p scheduler.TreePing, num int64, code int) (bool, error)
}

// Store is what it reads.
type Store interface {
	scheduler.TreeStore
	scheduler.OutputStore
}

// Options are what an API is made of.
type Options struct {
	Service Service
	Store   Store
	Now     func() time.Time
	// Alone: on a listener of its own, where a Coalition has it, and not below Prefix.
	Alone bool
	// WorkersOpen lets workers in that bring no token.
	WorkersOpen bool
	// Pages is where a browser finds the tree.
	Pages func() string
}

// API is the dialect.
type API struct{ Options }

// New makes the dialect.
func New(o Options) *API { return &API{o} }
