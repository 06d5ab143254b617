#!/usr/bin/env bash
# Boots the example site's ISO in QEMU and checks what the node says on its serial console:
# boot-test.sh ISO bios-cd|uefi-cd|bios-usb|uefi-usb
# BOOT_ACCEL=kvm (default tcg: some hosts offer a /dev/kvm that boots nothing), BOOT_TIMEOUT in seconds, BOOT_LOG
# shellcheck disable=SC2054 # the commas are qemu's
set -euo pipefail
usage() { echo "usage: boot-test.sh ISO bios-cd|uefi-cd|bios-usb|uefi-usb" >&2 && exit 2; }
[[ $# == 2 && -r $1 && $2 =~ ^(bios|uefi)-(cd|usb)$ ]] || usage
iso=$1 mode=$2 firmware=BIOS
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
log=${BOOT_LOG:-$dir/serial.log}
: >"$log"
qemu=(qemu-system-x86_64 -machine q35 -nodefaults -display none -m 1536 -smp 2 -no-reboot -serial "file:$log"
  -device virtio-rng-pci
  -netdev user,id=oam,restrict=on,net=10.23.25.0/24,host=10.23.25.2 -device virtio-net-pci,netdev=oam,mac=52:54:00:bf:b2:d8
  -netdev user,id=pxe,restrict=on,net=10.23.24.0/24,host=10.23.24.2 -device virtio-net-pci,netdev=pxe,mac=52:54:00:7d:15:63
  -drive "if=none,id=medium,readonly=on,format=raw,file=${iso//,/,,}")
case ${BOOT_ACCEL:-tcg} in
  # emulated byte by byte, the kernel's `rep stosb` clears one page in a second where program code has been
  tcg) qemu+=(-accel tcg,thread=multi -cpu max,-erms,-fsrm) ;;
  kvm) qemu+=(-accel kvm -cpu host) ;;
  *) usage ;;
esac
if [[ $mode == uefi-* ]]; then
  firmware=UEFI
  cp /usr/share/OVMF/OVMF_VARS_4M.fd "$dir/vars.fd"
  qemu+=(-drive if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd
    -drive "if=pflash,format=raw,unit=1,file=$dir/vars.fd")
fi
# the cloud kernel knows CDs behind virtio-scsi only; USB needs an image made with BUILDER_KERNEL=generic
case $mode in
  *-cd) qemu+=(-device virtio-scsi-pci -device scsi-cd,drive=medium,bootindex=0) ;;
  *-usb) qemu+=(-device qemu-xhci -device usb-storage,drive=medium,bootindex=0) ;;
esac
timeout "${BOOT_TIMEOUT:-1500}" "${qemu[@]}" &
trap 'kill $! 2>/dev/null || :; rm -rf "$dir"' EXIT
status=0
wait $! || status=$?
echo "$mode: qemu ended with status $status after $SECONDS s"
"$here/boot-checks.sh" "$log" "$firmware" "${mode#*-}" || { tail -n 30 "$log" | tr -d '\r' >&2 && exit 1; }
