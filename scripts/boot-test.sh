#!/usr/bin/env bash
# Boots nodes from their ISOs in QEMU and checks what they say on their serial consoles:
#   boot-test.sh ISO MODE [SITE]    MODE: (bios|uefi|uefi-secure)-(cd|usb); SITE: example, or bonded, with a bond and a VLAN on it
#   boot-test.sh all                makes the ISOs of both sites, boots each in every mode, and prints a table
# BOOT_ACCEL=auto|tcg|kvm: auto takes kvm where that boots a kernel; BOOT_TIMEOUT in seconds; BOOT_CD=virtio-scsi|ahci;
# BOOT_LOG: where the serial console of one boot goes. For `all`: BOOT_BUILDER is the layout of the builder image, which has to be of
# the hardware flavour for USB; BOOT_MODES and BOOT_SITES choose; the logs are in target/boot. An ISO for arm64 has no bios modes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
modes='bios-cd uefi-cd bios-usb uefi-usb uefi-secure-cd uefi-secure-usb' sites='example bonded'
usage() { sed -n '3,4s/^# *//p' "$0" >&2 && exit 2; }
row() { printf '%-16s %-8s %9s %7s %7s\n' "$@"; }
# one boot: its checks, and last its row of the table
boot() { # ISO MODE SITE LOG
  local wall=- cpu=- checks status=0
  "$here/boot/machine.sh" "$@" >"$work/took" & child=$!
  wait "$child" || status=1
  child=
  read -r wall cpu <"$work/took" || :
  checks=$("$here/boot-checks.sh" "$4" "$2" "$3") || status=1
  [[ $status == 0 ]] || tail -n 30 "$4" | tr -d '\r' >&2
  echo "$checks"
  row "$2" "$3" "${checks##*$'\n'}" "$wall" "$cpu"
  return $status
}
accelerated() { # ISO: settles the question for all boots
  [[ ${BOOT_ACCEL:-auto} != auto ]] || BOOT_ACCEL=$("$here/boot/accel.sh" "$1")
  export BOOT_ACCEL
}
all() {
  local dir=$here/../target/boot failed=0 mode site iso
  for site in ${BOOT_SITES:-$sites}; do
    iso=$("$here/boot/iso.sh" "$site" "${BOOT_BUILDER:-$here/../target/builder-image-hardware}" "$dir")
    accelerated "$iso"
    for mode in ${BOOT_MODES:-$modes}; do
      boot "$iso" "$mode" "$site" "$dir/$site-$mode.log" >"$work/said" || failed=1
      grep '^FAILED' "$work/said" || :
      tail -n 1 "$work/said" | tee -a "$work/table" >&2
    done
  done
  row mode site passed 'wall s' 'CPU s' | cat - "$work/table"
  return $failed
}
work=$(mktemp -d) child=
trap '[[ -z $child ]] || kill "$child"; rm -rf "$work"' EXIT
[[ $* != all ]] || { all && exit; exit 1; }
[[ $# =~ ^[23]$ && -r $1 && " $modes " == *" $2 "* && " $sites " == *" ${3:-example} "* ]] || usage
accelerated "$1"
boot "$1" "$2" "${3:-example}" "${BOOT_LOG:-$work/serial.log}"
