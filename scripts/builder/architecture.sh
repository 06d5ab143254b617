#!/usr/bin/env bash
# Refuses an architecture whose programs cannot be run here, since packages are configured by programs of theirs; prints what to
# put before commands that run them: architecture.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
host=$(dpkg --print-architecture)
[[ $BUILDER_ARCHITECTURE != "$host" ]] || exit 0
case $BUILDER_ARCHITECTURE in
  amd64) entry=/proc/sys/fs/binfmt_misc/qemu-x86_64 ;;
  arm64) entry=/proc/sys/fs/binfmt_misc/qemu-aarch64 ;;
esac
foreign=("$here/foreign.py" "$BUILDER_ARCHITECTURE")
# known to the whole host, and with F, so that the emulator need not be in the root
if grep -qsx enabled "$entry" && grep -qs '^flags:.*F' "$entry"; then foreign=(env); fi
# mmdebstrap asks the same program
if reason=$("${foreign[@]}" arch-test "$BUILDER_ARCHITECTURE" 2>&1); then
  [[ ${foreign[0]} == env ]] || printf '%s\n' "${foreign[@]}"
  exit 0
fi
{
  echo "$BUILDER_ARCHITECTURE: its packages cannot be configured on this $host host: ${reason:-programs of that architecture do not run}"
  echo "  hint: apt-get install qemu-user-static arch-test, with Linux 6.7 or newer and, for users, subordinate ids; before Linux 6.7 binfmt-support as well; or use a host of that architecture"
} >&2
exit 5
