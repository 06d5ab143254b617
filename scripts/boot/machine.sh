#!/usr/bin/env bash
# A node in QEMU, from ISO until it powers off, with its serial console in LOG: machine.sh ISO MODE SITE LOG
# Prints the seconds it took: wall, and CPU of QEMU. BOOT_ACCEL=tcg|kvm; BOOT_TIMEOUT in seconds; BOOT_CD=virtio-scsi|ahci:
# the cloud kernel knows CDs behind virtio-scsi only, and no USB.
# shellcheck disable=SC2054 # the commas are qemu's
set -euo pipefail
iso=$1 mode=$2 site=$3 log=$4 pid=
dir=$(mktemp -d)
trap '[[ -z $pid ]] || { kill "$pid" && wait "$pid" || :; } 2>/dev/null; rm -rf "$dir"' EXIT
: >"$log"
# the loader that firmware looks for on the medium, by its name in FAT
if grep -aqF BOOTAA64EFI "$iso"; then
  # the sites' nodes speak on ttyS0, which is an extension card here, and ends up behind the console's log
  machine=virt cpu=cortex-a72 firmware=/usr/share/AAVMF/AAVMF size=''
  qemu=(qemu-system-aarch64 -chardev "file,id=card,path=$dir/card" -device pci-serial,chardev=card)
  [[ $mode != bios-* ]] || { echo "machine.sh: $iso is for arm64, which has no BIOS; hint: a mode that begins with uefi-" >&2 && exit 2; }
else
  # emulated byte by byte, the kernel's `rep stosb` clears one page in a second where program code has been: there QEMU keeps a
  # translation for every address at which any process had that code. The 10 s before systemd's first message are the same with
  # `rep stosq`; `norandmaps` would save them, and take from the node what it boots with elsewhere
  machine=q35 cpu=max,-erms,-fsrm firmware=/usr/share/OVMF/OVMF size=_4M
  qemu=(qemu-system-x86_64)
fi
qemu+=(-nodefaults -display none -m "${BOOT_MEMORY:-1536}" -smp 2 -no-reboot -serial "file:$log" -device virtio-rng-pci
  -drive "if=none,id=medium,readonly=on,format=raw,file=${iso//,/,,}")
accelerator=(-accel tcg,thread=multi -cpu "$cpu")
[[ ${BOOT_ACCEL:-tcg} != kvm ]] || accelerator=(-accel kvm -cpu host)
case $mode in
  bios-*) ;;
  # the keys are Microsoft's
  uefi-secure-*) code=${firmware}_CODE$size.ms.fd variables=${firmware}_VARS$size.ms.fd ;;
  uefi-*) code=${firmware}_CODE$size.fd variables=${firmware}_VARS$size.fd ;;
esac
# the firmware keeps its variables to itself by system management mode
if [[ $machine-$mode == q35-uefi-secure-* ]]; then
  machine+=,smm=on
  qemu+=(-global driver=cfi.pflash01,property=secure,value=on -global ICH9-LPC.disable_s3=1)
fi
if [[ -n ${variables:-} ]]; then
  cp "$variables" "$dir/vars.fd"
  qemu+=(-drive "if=pflash,format=raw,unit=0,readonly=on,file=$code" -drive "if=pflash,format=raw,unit=1,file=$dir/vars.fd")
fi
case $mode-${BOOT_CD:-virtio-scsi} in
  *-cd-virtio-scsi) qemu+=(-device virtio-scsi-pci -device scsi-cd,drive=medium,bootindex=0) ;;
  *-cd-ahci) qemu+=(-device ide-cd,drive=medium,bootindex=0) ;;
  *-usb-*) qemu+=(-device qemu-xhci -device usb-storage,drive=medium,bootindex=0) ;;
esac
# networks without anybody: a link is up, and that is all that addresses, bonds and VLANs take
case $site in
  example) addresses=(52:54:00:bf:b2:d8 52:54:00:7d:15:63) ;;
  bonded) addresses=(52:54:00:b0:0d:01 52:54:00:b0:0d:02 52:54:00:bf:b2:d8) ;;
esac
for i in "${!addresses[@]}"; do
  qemu+=(-netdev "user,id=net$i,restrict=on,ipv6=off" -device "virtio-net-pci,netdev=net$i,mac=${addresses[i]}")
done
timeout "${BOOT_TIMEOUT:-1500}" "${qemu[@]}" "${accelerator[@]}" -machine "$machine" >&2 &
pid=$! status=0
wait "$pid" || status=$?
pid=
[[ ! -e $dir/card ]] || cat "$dir/card" >>"$log"
[[ $status == 0 ]] || echo "$mode: qemu ended with status $status" >&2
times >"$dir/times"
awk -F '[ms ]+' -v wall="$SECONDS" 'NR == 2 { printf "%d %d\n", wall, 60 * ($1 + $3) + $2 + $4 }' "$dir/times"
