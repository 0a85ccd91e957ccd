#!/usr/bin/env bash
# Everything that a change can break, on a bare Debian 12 with Go and Node, within ten minutes on two
# cores. Installs what is missing, starts a PostgreSQL of its own, and leaves neither processes nor files
# behind (except the ignored node_modules and e2e/.results).
#
#   .ci/test.sh            all of it
#   .ci/test.sh e2e [ARG]  only the browser tests; arguments go to `playwright test`
#
# Steps that fail do not stop the later ones: one run shows all that is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/debian.sh

work=$(mktemp -d "${TMPDIR:-/tmp}/belfry-test.XXXXXX")
children=() # process ids that must end with this script
passed=0 failed=0 skipped=0
summary=()

cleanup() {
  local pid
  for pid in "${children[@]}"; do
    # INT is PostgreSQL's fast shutdown. The installer, as every background job of a script, ignores it and
    # is waited for: an interrupted dpkg would leave the machine in need of repair.
    kill -INT "$pid" 2>/dev/null || true
  done
  for pid in "${children[@]}"; do
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# step NAME COMMAND... : runs it, shows how long it took, remembers a failure and goes on.
step() {
  local name=$1 start=$SECONDS status=0
  shift
  echo "== $name"
  "$@" || status=$?
  if ((status == 0)); then
    echo "== $name: ok ($((SECONDS - start)) s)"
  else
    summary+=("FAIL  $name (exit status $status)")
    echo "== $name: FAILED ($((SECONDS - start)) s)"
  fi
}

# count FILE : adds the three numbers that a test runner's reporter left in FILE.
count() {
  local p f s
  [[ -s $1 ]] || return 0
  read -r p f s <"$1"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# start_installing PACKAGE... : in the background. Downloads wait for the network and dpkg for the disk,
# while the checks that need none of it keep the cores busy.
start_installing() {
  debian_install "$@" </dev/null >"$work/install.log" 2>&1 &
  installer=$!
  children+=("$installer")
}

await_installing() {
  if ! wait "$installer"; then
    cat "$work/install.log" >&2
    return 1
  fi
}

free_port() {
  node -e 'const s = require("net").createServer(); s.listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'
}

start_postgres() {
  local bin dir port as=() try
  bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin | sort -V | tail -n 1)
  dir=$work/postgres
  mkdir "$dir"
  if ((EUID == 0)); then
    # PostgreSQL refuses to run as root. setpriv replaces itself, so the server stays our own child.
    chmod 711 "$work"
    chown postgres: "$dir"
    as=(setpriv --reuid=postgres --regid=postgres --init-groups --)
  fi
  "${as[@]}" "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$work/initdb.log" || return
  port=$(free_port)
  # These tests are about SQL, not about power loss: without fsync they take a third of the time.
  "${as[@]}" "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses=127.0.0.1 -p "$port" \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 \
    </dev/null >"$work/postgres.log" 2>&1 &
  children+=($!)
  for ((try = 0; try < 300; try++)); do
    if "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; then
      # The contract with db/dbtest: with this set the store's promises are tested on PostgreSQL too, and
      # with the second one a test that cannot reach it fails instead of being skipped.
      export BELFRY_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
      export BELFRY_TEST_REQUIRE_POSTGRES=1
      return 0
    fi
    sleep 0.1
  done
  cat "$work/postgres.log" >&2
  return 1
}

# Half a minute of both builds is the compiler on SQLite's one huge package, on one core each: so vet's build
# and the race detector's go side by side. The tests themselves have the machine to themselves.
warm_race_build() {
  CGO_ENABLED=1 go build -race ./... >/dev/null 2>&1 &
  race_build=$!
  children+=("$race_build")
}

go_tests() {
  local status=0
  # A private engine can only be started as root; elsewhere its tests are skipped, and counted as such.
  if ((EUID == 0)); then export BELFRY_TEST_REQUIRE_DOCKER=1; fi
  wait "$race_build" || true # what does not build is reported by go test
  # -count=1: what the tests read besides Go files (go list, the database, the binary) is not in the test
  # cache's key, so a cached "ok" could hide a broken import rule.
  CGO_ENABLED=1 go test -race -shuffle=on -count=1 -vet=off -timeout 15m -json ./... 2>"$work/go-test.stderr" |
    node .ci/gotest.mjs "$work/go-test.count" || status=$?
  cat "$work/go-test.stderr" >&2
  return "$status"
}

# The engine's simulation once more, ten times as long as the race detector allows.
simulation() { go test -count=1 -vet=off ./scheduler -run '^TestSimulation$' -v | tail -n 60; }

browser_tests() {
  BELFRY_BIN=$work/belfry BELFRY_E2E_COUNT=$work/e2e.count \
    node_modules/.bin/playwright test --config e2e/playwright.config.ts "$@"
}

# Without cgo as in the released binary, and so that vet, staticcheck and the build share one build cache.
export CGO_ENABLED=0

if [[ ${1:-} == e2e ]]; then
  start_installing chromium
  step "npm" npm ci --no-progress
  step "build" go build -o "$work/belfry" ./cmd/belfry
  step "install" await_installing
  step "browser tests" browser_tests "${@:2}"
else
  # gcc and libc6-dev: the race detector links with cgo.
  start_installing gcc libc6-dev chromium postgresql nginx-light docker.io busybox-static docker-registry prometheus curl "${oracle_packages[@]}"
  export BELFRY_TEST_REQUIRE_PROMETHEUS=1
  step "npm" npm ci --no-progress
  step "modules" go mod download
  step "verify" .ci/verify.sh
  step "install" await_installing
  warm_race_build
  step "vet" go vet ./...
  step "staticcheck" go tool staticcheck ./...
  step "postgres" start_postgres
  step "go test" go_tests
  step "simulation" simulation
  step "build" go build -o "$work/belfry" ./cmd/belfry
  step "browser tests" browser_tests
fi
count "$work/go-test.count"
count "$work/e2e.count"

echo
echo "finished in $SECONDS s"
((${#summary[@]} == 0)) || printf '%s\n' "${summary[@]}"
# A step can fail without a failing test; then the steps are what is counted.
((failed > 0)) || failed=${#summary[@]}
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
