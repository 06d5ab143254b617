#!/usr/bin/env bash
# Boot loaders for BIOS and UEFI, made once with neither root nor loop devices: boot.sh OUT SIGNED
# SIGNED: what Debian's packages of boot loaders hold, unpacked. BUILDER_ARCHITECTURE: amd64 (default) or arm64, which has no BIOS.
set -euo pipefail
# FAT keeps local time
export TZ=UTC
here=$(cd "$(dirname "$0")" && pwd)
signed=$(cd "$2" && pwd)
cd "$1"
cp "$here/grub.cfg" .
case ${BUILDER_ARCHITECTURE:-amd64} in
  amd64)
    suffix=x64 grub=x86_64-efi pc=$signed/usr/lib/grub/i386-pc
    modules=(normal configfile linux echo test search search_fs_file search_label iso9660 part_msdos part_gpt fat serial terminal
      minicmd reboot halt ls cat biosdisk)
    grub-mkimage -d "$pc" -O i386-pc-eltorito -o eltorito.img -p /boot/grub -c "$here/early.cfg" "${modules[@]}"
    cp "$pc/boot_hybrid.img" .
    ;;
  arm64) suffix=aa64 grub=arm64-efi ;;
  *) echo "BUILDER_ARCHITECTURE: $BUILDER_ARCHITECTURE is neither amd64 nor arm64" >&2 && exit 2 ;;
esac
# The firmware trusts the shim, that trusts Debian's GRUB, and that Debian's kernels. GRUB's own modules are all that it can
# have then; it takes its menu from where its prefix is, which for the CD's GRUB is beside it or, by search, anywhere.
mkdir efi
trap 'rm -rf efi' EXIT
cp "$signed/usr/lib/shim/shim$suffix.efi.signed" "efi/BOOT${suffix^^}.EFI"
cp "$signed/usr/lib/shim/mm$suffix.efi.signed" "efi/mm$suffix.efi"
cp "$signed/usr/lib/grub/$grub-signed/gcd$suffix.efi.signed" "efi/grub$suffix.efi"
cp "$here/early.cfg" efi/grub.cfg
touch -d "@$SOURCE_DATE_EPOCH" efi/*
# the EFI system partition: FAT16 of 512-byte clusters, with some air; a fixed serial number (-N) and date keep it the same in every build
sectors=$(($(du --apparent-size --block-size=512 efi | cut -f 1) / 64 * 64 + 512))
truncate -s "$((sectors * 512))" efi.img
mformat -i efi.img -T "$sectors" -h 64 -s 32 -c 1 -N 41495253 -v AIRSHIPEFI ::
mmd -i efi.img ::/EFI ::/EFI/BOOT ::/boot ::/boot/grub
mcopy -m -i efi.img efi/*.EFI efi/*.efi ::/EFI/BOOT/
mcopy -m -i efi.img efi/grub.cfg ::/boot/grub/grub.cfg
# grub finds the medium by this file's presence, whatever the disk is called
echo 'the live medium of an ephemeral node' >marker
