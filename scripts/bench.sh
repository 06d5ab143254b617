#!/usr/bin/env bash
# Measures side by side in one run, as root: bench.sh run, bench.sh pull [IMAGE...], bench.sh render, bench.sh iso
#   run: from the start to the first instruction of a builder in the cache, beside other engines;
#        scripts/bench/run.py has the settings.
#   pull: from a registry on this host to an unpacked image, beside other programs; scripts/bench/pull.py has the settings.
#   render: a site of 2,000 documents beside kubectl kustomize, and streams up to 100 MB; scripts/bench/render.py.
#   iso: the builder's assembly of an ISO beside a bare xorriso and its checksums; scripts/bench/iso.py.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ "$*" == run || "$*" == render || "$*" == iso || ${1:-} == pull ]] || { echo "usage: bench.sh run|pull [IMAGE...]|render|iso" >&2 && exit 2; }
[[ $EUID == 0 ]] || { echo "bench.sh: other programs are compared as root" >&2 && exit 1; }
exec python3 "scripts/bench/$1.py" "${@:2}"
