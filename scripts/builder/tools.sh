#!/usr/bin/env bash
# The layer with what a run needs, and no more: xorriso, Python, its YAML parser. tools.sh OUT WORK
set -euo pipefail
here=$(dirname "$0")
# shellcheck disable=SC2016
"$here/rootfs.sh" tools "$2" essential --skip=output/dev \
  --customize-hook='rm -f "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/etc/machine-id; : > "$1"/etc/machine-id' \
  >"$1/layer.tar"
sha256sum <"$1/layer.tar" >"$1/diff_id"
zstd -q --rm "-$BUILDER_LAYER_LEVEL" "$1/layer.tar"
