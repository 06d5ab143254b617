# shellcheck shell=bash
# Sourced by build.sh: steps that end with it, whatever ends it.
# shellcheck disable=SC2154 # here is of build.sh
# a process group of its own, so that one signal reaches mmdebstrap and whatever it is piped into
set -m
child='' signal=TERM
stop() {
  trap '' INT TERM HUP
  # mmdebstrap takes its time to unmount and remove what it made
  [[ -z $child ]] || while kill -"$signal" -- "-$child" 2>/dev/null; do signal=0 && sleep 0.2; done
  exit "$1"
}
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 143' TERM
recipe() { python3 -IB "$here/recipe" "$@"; }

# run WHAT COMMAND...: in the background, since bash handles signals only between commands
run() {
  local what=$1 status=0
  shift
  "$@" </dev/null 9>&- &
  child=$!
  wait "$child" || status=$?
  child=
  [[ $status == 0 ]] || { echo "$what: failed" >&2 && exit "$status"; }
}
