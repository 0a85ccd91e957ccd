#!/usr/bin/env bash
# Copies the browser libraries that Belfry serves from node_modules (pinned by package-lock.json) into
# static/vendor, with their versions, licences and checksums. The copies are committed, so that building
# and running Belfry needs neither Node nor a network.
#
#   .ci/vendor.sh           copy again (after a change of package.json and `npm ci`)
#   .ci/vendor.sh --check   compare: the committed files with SHA256SUMS, and with node_modules if it is there
#
# The folder stays flat: Go leaves packages below a folder called "vendor" out of module archives, but not
# files that lie in it directly.
set -euo pipefail
cd "$(dirname "$0")/.."

# npm package : file in it : name here
files=(
  "htmx.org:dist/htmx.min.js:htmx.min.js"
  "htmx-ext-sse:dist/sse.min.js:htmx-ext-sse.min.js"
  "idiomorph:dist/idiomorph-ext.min.js:idiomorph-ext.min.js"
)

copy_into() {
  local out=$1 entry package file name
  : >"$out/VERSIONS"
  for entry in "${files[@]}"; do
    IFS=: read -r package file name <<<"$entry"
    if [[ ! -f node_modules/$package/$file ]]; then
      echo "vendor: node_modules/$package/$file is missing: run npm ci first" >&2
      return 1
    fi
    # install, not cp: npm's tarballs carry odd modes.
    install -m 0644 "node_modules/$package/$file" "$out/$name"
    install -m 0644 "node_modules/$package/LICENSE" "$out/$package.LICENSE"
    node -p "const p = require('./node_modules/$package/package.json'); ['$name', p.name, p.version, p.license || '(see its LICENSE)'].join(' ')" >>"$out/VERSIONS"
  done
  (cd "$out" && sha256sum -- *.js *.LICENSE VERSIONS >SHA256SUMS)
}

case "${1:-}" in
"")
  rm -f static/vendor/*
  mkdir -p static/vendor
  copy_into static/vendor
  cat static/vendor/VERSIONS
  ;;
--check)
  (cd static/vendor && sha256sum --check --strict --quiet SHA256SUMS)
  if [[ -d node_modules/htmx.org ]]; then
    fresh=$(mktemp -d)
    trap 'rm -rf "$fresh"' EXIT
    copy_into "$fresh"
    if ! diff -r "$fresh" static/vendor; then
      echo "vendor: static/vendor is not what package-lock.json pins: run make vendor" >&2
      exit 1
    fi
  fi
  ;;
*)
  echo "usage: .ci/vendor.sh [--check]" >&2
  exit 2
  ;;
esac
