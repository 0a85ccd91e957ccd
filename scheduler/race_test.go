//go:build race

package scheduler_test

// simulationSteps are fewer where every memory access is checked.
const simulationSteps = 1000
