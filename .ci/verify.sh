#!/usr/bin/env bash
# Are the committed derived files what their sources say? Changes nothing. Reports every difference, not
# only the first.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

failed=0
problem() {
  echo "verify: $*" >&2
  failed=1
}

# Only our own Go folders: node_modules may hold Go files of others.
sources=()
for dir in cmd handlers views scheduler db migrations static e2e; do
  [[ -d $dir ]] && sources+=("$dir")
done

unformatted=$(go tool gofumpt -l "${sources[@]}") || problem "gofumpt failed"
[[ -z $unformatted ]] || problem "not formatted with gofumpt (make generate):"$'\n'"$unformatted"

if compgen -G 'views/*.templ' >/dev/null; then
  go tool templ generate -check -path views -log-level error || problem "generated templ code is stale: make generate"
  unformatted=$(go tool templ fmt -fail -log-level error views 2>&1) || problem "not formatted with templ fmt (make generate):"$'\n'"$unformatted"
fi

go mod tidy -diff || problem "go.mod is not tidy: go mod tidy"

# modernc.org/sqlite is a translation of C that calls into modernc.org/libc by layout: any other libc
# version than the one it was generated with can corrupt memory, and Go's version selection knows nothing
# of that.
libc_of_sqlite=$(awk '$1 == "modernc.org/libc" { print $2 } $1 == "require" && $2 == "modernc.org/libc" { print $3 }' \
  "$(go mod download -json modernc.org/sqlite | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')")
libc_chosen=$(go list -m -f '{{.Version}}' modernc.org/libc)
[[ -n $libc_of_sqlite && $libc_of_sqlite == "$libc_chosen" ]] ||
  problem "modernc.org/libc is $libc_chosen but modernc.org/sqlite was made with ${libc_of_sqlite:-?}"

.ci/vendor.sh --check || problem "static/vendor differs"

((failed == 0)) && echo "verify: generated code, formatting, go.mod, libc and static/vendor are as they should be"
exit "$failed"
