#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each; go test takes one target at a time.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-60s}
grep -rlE --include='*_test.go' '^func Fuzz' cmd handlers views scheduler db migrations static | while read -r file; do
  package=./$(dirname "$file")
  sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$file" | while read -r target; do
    echo "== $package $target for $time"
    # Both loops read a pipe: go must not eat it. By default go may spend a minute, so all of the time, on making one
    # interesting input shorter.
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1s "$package" </dev/null
  done
done
