#!/usr/bin/env bash
# Which packages the roots are made of, by the mirrors' lists of now, as builder.lock: resolve.sh WORK
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) work=$1
# shellcheck source-path=SCRIPTDIR
. "$here/apt.sh"
private_apt "$work"
# as mmdebstrap chooses: what is essential in the release itself, and for the live root what is required
ours() { echo "?narrow(?or(?archive(^$BUILDER_SUITE\$),?codename(^$BUILDER_SUITE\$)),?architecture($BUILDER_ARCHITECTURE),$1)"; }
patterns() {
  case $1 in
    live) ours '?essential' && ours '?and(?priority(required),?not(?essential))' ;;
    tools) ours '?essential' ;;
  esac
}
complain() {
  grep '^E: ' "$1" >&2 || cat "$1" >&2
  echo "  hint: check \`packages\` of the configuration; $BUILDER_SUITE may not have them for $BUILDER_ARCHITECTURE, or \`sources\` not name where they are" >&2
  exit 4
}
for root in live tools; do
  mapfile -t wanted < <(patterns "$root" && cat "$work/$root.packages")
  apt-get -qq --simulate install "${wanted[@]}" >"$work/$root.simulation" 2>"$work/errors" || complain "$work/errors"
  sed -nE 's/^Inst (\S+) \((\S+) .*/\1=\2/p' "$work/$root.simulation" |
    xargs -r apt-cache show >"$work/$root.stanzas" 2>"$work/errors" || complain "$work/errors"
done
# boot loaders alone: what they depend on is for those who install them
xargs apt-cache show --no-all-versions <"$work/boot.packages" >"$work/boot.stanzas" 2>"$work/errors" || complain "$work/errors"
exec python3 -IB "$here/recipe" write-lock "$work"
