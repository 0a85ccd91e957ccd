//go:build !race

package scheduler_test

const simulationSteps = 10_000
