#!/usr/bin/env bash
# Fetches the packages of a lock file that are not saved, and leaves archives of exactly those for apt: fetch.sh WORK DEBS
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) work=$1 debs=$2
# shellcheck source-path=SCRIPTDIR
. "$here/apt.sh"
recipe() { python3 -IB "$here/recipe" "$@"; }
recipe missing "$work/builder.lock" "$debs" >"$work/missing"
if [[ -s $work/missing ]]; then
  private_apt "$work"
  mkdir "$work/download"
  # what cannot be had is named below, all of it at once
  (cd "$work/download" && recipe available "$work/missing" | xargs -r apt-get -qq download 2>"$work/errors") || :
  find "$work/download" -name '*.deb' -exec mv -t "$debs" {} +
  recipe missing --refuse "$work/builder.lock" "$debs" >/dev/null || { [[ ! -e $work/errors ]] || grep '^E: ' "$work/errors" >&2; exit 4; }
fi
for root in live tools boot; do recipe index "$root" "$work/builder.lock" "$debs" "$work/$root"; done
# versions of long ago; those in use have a new date
find "$debs" -maxdepth 1 -name '*.deb' -mtime +180 -delete
touch "$work/fetched"
