#!/usr/bin/env bash
# Refuses an architecture whose programs cannot be run here, since packages are configured by programs of theirs: architecture.sh
set -euo pipefail
host=$(dpkg --print-architecture)
[[ $BUILDER_ARCHITECTURE != "$host" ]] || exit 0
case $BUILDER_ARCHITECTURE in
  amd64) machine=x86_64 ;;
  arm64) machine=aarch64 ;;
esac
# registered with F, so that the interpreter need not be in the root
if grep -qsx enabled "/proc/sys/fs/binfmt_misc/qemu-$machine" && grep -qs '^flags:.*F' "/proc/sys/fs/binfmt_misc/qemu-$machine"; then exit 0; fi
{
  echo "$BUILDER_ARCHITECTURE: its packages cannot be configured on this $host host: the kernel has nothing to run their programs with"
  echo "  hint: apt-get install qemu-user-static binfmt-support, and mount -t binfmt_misc none /proc/sys/fs/binfmt_misc if that is empty; or use a host of that architecture"
} >&2
exit 5
