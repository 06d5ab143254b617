#!/usr/bin/env bash
# Makes the images that are preloaded on the node, from programs of this host: images.sh container|control-plane DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) level=$1 dir=$2
images=$dir/images-$level registry=registry.example/kubernetes
rm -rf "$images.new" && mkdir -p "$images.new"
archive() { "$here/archive.py" "$images.new/$1.tar" "$registry/$1:$2" "${@:3}"; }

archive busybox 1 /bin/busybox=/bin/busybox /bin/sh=/bin/busybox -- /bin/busybox
if [[ $level == control-plane ]]; then
  gcc -O2 -static -s -o "$dir/bin/pause" "$here/pause.c"
  # the names and versions that kubeadm asks for
  archive pause 3.2 /pause="$dir/bin/pause" -- /pause
  archive etcd 3.4.23 /usr/local/bin/etcd="$dir/bin/etcd"
  for name in apiserver controller-manager scheduler; do
    archive "kube-$name" v1.20.2 "/usr/local/bin/kube-$name=$dir/bin/kube-$name"
  done
fi
rm -rf "$images" && mv "$images.new" "$images"
