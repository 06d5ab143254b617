#!/usr/bin/env bash
# Makes what goes on the node, and writes a builder configuration that names it: recipe.sh container|control-plane DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) level=$1 dir=$2
mkdir -p "$dir"
if [[ $level == control-plane ]]; then
  "$here/source.sh" "$dir"
  "$here/binaries.sh" "$dir"
fi
"$here/images.sh" "$level" "$dir"
# file PATH SOURCE [MODE]
file() { printf '  - {path: %s, source: "%s", mode: "%s"}\n' "$1" "$2" "${3:-0644}"; }
{
  printf 'flavour: kubernetes\nimages: images-%s\n' "$level"
  if [[ $level == control-plane ]]; then
    echo 'files:'
    for name in kubeadm kubectl kubelet; do file "/usr/bin/$name" "bin/$name" 0755; done
    file /etc/systemd/system/kubelet.service "$here/node/kubelet.service"
    file /etc/containerd/config.toml "$here/node/containerd.toml"
    file /etc/cni/net.d/10-pods.conflist "$here/node/pods.conflist"
  fi
} >"$dir/$level.yaml"
echo "$dir/$level.yaml"
