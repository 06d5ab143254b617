#!/usr/bin/env bash
# Measures side by side in one run, as root: bench.sh run, bench.sh pull [IMAGE...]
#   run: from the start to the builder's first line, and the CPU time of all processes; pulled and unpacked first (cold),
#        from the cache (warm), and `runc run` with the same config.json on the same rootfs. After demo.sh.
#   pull: from a registry on this host to an unpacked image, beside other programs; scripts/bench/pull.py has the settings.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ "$*" == run || ${1:-} == pull ]] || { echo "usage: bench.sh run|pull [IMAGE...]" >&2 && exit 2; }
[[ $EUID == 0 ]] || { echo "bench.sh: other programs are compared as root" >&2 && exit 1; }
[[ $1 != pull ]] || exec python3 scripts/bench/pull.py "${@:2}"
for program in runc skopeo docker-registry; do
  command -v "$program" >/dev/null || { echo "bench.sh: install $program (scripts/setup.sh bench)" >&2 && exit 1; }
done
dir=$(mktemp -d)
trap 'kill "$registry" 2>/dev/null || :; rm -rf "$dir"' EXIT
cat >"$dir/registry.yml" <<CONF
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $dir/registry}}
http: {addr: "127.0.0.1:5801"}
CONF
docker-registry serve "$dir/registry.yml" >"$dir/registry.log" 2>&1 &
registry=$!
skopeo --insecure-policy copy -q --dest-tls-verify=false oci:target/builder-image:localhost/isogen-builder:latest \
  docker://127.0.0.1:5801/builder:1
python3 scripts/bench/run.py "$dir" 127.0.0.1:5801/builder:1
