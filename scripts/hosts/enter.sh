#!/usr/bin/env bash
# Prepares a state and has doctor and run tried in it: enter.sh STATE USER
set -euo pipefail
# shellcheck source=scripts/hosts/states.sh
. "$AIRSHIP_HOSTS/hosts/states.sh"
export STATE=${STATE:-$1}
"$1" as "$2"
