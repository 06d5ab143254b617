#!/usr/bin/env bash
# As the user, in the state: doctor and then a run, and what both say; or `load`, which fills the user's cache.
set -uo pipefail
cd "$AIRSHIP_HOSTS" || exit 1
if [[ ${1:-} == load ]]; then exec ./airshipctl image load layout; fi
own=${HOME%/home}
said=said/$STATE-${own##*/}
all=(--conf "$own/isogen.yaml" --offline --rootless "$HOW")
listing() { /usr/bin/find "$own" -type f -printf '%p %m %s %T@\n' -o -printf '%p %m\n' | /usr/bin/sort; }
listing >"$said.before"
./airshipctl doctor --output json "${all[@]}" >"$said.json" 2>"$said.err"
echo $? >"$said.doctor"
listing >"$said.after"
./airshipctl bootstrap isogen "${all[@]}" documents >"$said.out" 2>&1
echo $? >"$said.run"
