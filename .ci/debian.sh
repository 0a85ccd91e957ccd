# shellcheck shell=bash
# Sourced. Installs Debian packages that are missing, and says what to do where it may not.

# debian_install PACKAGE... : installs those that are not there yet; costs nothing when none is missing.
debian_install() {
  local package missing=()
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return 0
  if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]}. On Debian: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    return 1
  fi
  echo "installing ${missing[*]}"
  # A package list as old as the machine's image names files that the mirror no longer has. The lock's
  # time-out is for machines where something else upgrades in the background.
  apt-get -q -o DPkg::Lock::Timeout=120 update
  DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 \
    install -y --no-install-recommends "${missing[@]}"
}

# The programs whose answers scheduler/cron compares its own with. An installed systemd-analyze is as good, whatever package it is from.
# shellcheck disable=SC2034 # for who sources this
oracle_packages=(python3-croniter python3-apscheduler tzdata)
command -v systemd-analyze >/dev/null || oracle_packages+=(systemd)
# Without them these tests would be skipped, and nobody would notice.
export BELFRY_TEST_REQUIRE_ORACLES=1
