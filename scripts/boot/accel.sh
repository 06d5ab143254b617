#!/usr/bin/env bash
# Prints kvm where that gets ISO's kernel as far as its first program, else tcg: accel.sh ISO
# A /dev/kvm says little: in some virtual machines there is one that boots nothing, or the firmware and no kernel.
set -euo pipefail
[[ -w /dev/kvm ]] || { echo tcg && exit; }
dir=$(mktemp -d) found=tcg
trap 'rm -rf "$dir"' EXIT
BOOT_ACCEL=kvm BOOT_TIMEOUT=20 "$(dirname "$0")/machine.sh" "$1" bios-cd example "$dir/log" >"$dir/said" 2>&1 &
while kill -0 $! 2>/dev/null; do
  if grep -qs 'Run /init as init process' "$dir/log"; then
    found=kvm
    kill $!
    break
  fi
  sleep 0.2
done
wait $! 2>/dev/null || :
echo $found
