#!/usr/bin/env bash
# Checks the serial log of a node, one line for each check, and last how many passed: checks.sh LOG container|control-plane
set -euo pipefail
log=$(tr -d '\r' <"$1" | sed 's/\x1b\[[0-9;]*[A-Za-z]//g') level=$2 passed=0 failed=0
# shows WHAT REGEX: some line of the log matches
shows() {
  if grep -qE -- "$2" <<<"$log"; then
    printf 'ok      %s\n' "$1"
    passed=$((passed + 1))
  else
    printf 'FAILED  %s: no line matches %s\n' "$1" "$2"
    failed=$((failed + 1))
  fi
}
image() { shows "image $1" "^node: image registry\\.example/kubernetes/$1:"; }
pod() { shows "pod $1" "^pods: kube-system +$1-ephemeral-node +1/1 +Running "; }
image busybox
case $level in
  container)
    shows 'the kernel modules' '^node: [0-9]+ s: modules br_netfilter overlay'
    shows 'packets are forwarded, and those of bridges filtered' '^node: [0-9]+ s: forwarding 1 1 '
    shows 'the container ran from its image' '^container: process 1, user 0, host ephemeral-node, root bin dev proc run sys '
    shows 'it ended well' '^node: [0-9]+ s: container ended with status 0$'
    ;;
  control-plane)
    for name in pause etcd kube-apiserver kube-controller-manager kube-scheduler; do image "$name"; done
    shows 'kubeadm ended well' '^node: [0-9]+ s: kubeadm ended with status 0$'
    shows 'the node is Ready' '^nodes: ephemeral-node +Ready +control-plane,master .* v1\.20\.2 +10\.23\.25\.101 '
    for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do pod "$name"; done
    shows 'a pod of its own ran, with an address' '^hello: process 1 of 10\.244\.0\.[0-9]+$'
    ;;
esac
shows 'powered off by itself' 'reboot: Power down'
echo "$passed of $((passed + failed))"
[[ $failed == 0 ]]
