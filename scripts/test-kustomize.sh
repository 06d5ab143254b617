#!/usr/bin/env bash
# Compares our rendering of the cases in tests/kustomize with that of kustomize, where it is installed, else with what is
# committed: how many agree in meaning, and byte for byte. test-kustomize.sh [--regenerate] [--committed] [--verbose] [FEATURE...]
set -euo pipefail
cd "$(dirname "$0")/.."
python3 -c 'import yaml' 2>/dev/null || { echo "test-kustomize.sh: scripts/setup.sh test installs python3-yaml" >&2 && exit 1; }
[[ -n ${AIRSHIPCTL:-} ]] || cargo build --locked
exec python3 scripts/kustomize/table.py "$@"
