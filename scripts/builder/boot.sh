#!/usr/bin/env bash
# Boot loaders for BIOS and UEFI, made once with neither root nor loop devices: boot.sh OUT
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$1"
modules=(normal configfile linux echo test search search_fs_file search_label iso9660 part_msdos part_gpt fat serial terminal
  minicmd reboot halt ls cat)
cp "$here/grub.cfg" .
grub-mkimage -O i386-pc-eltorito -o eltorito.img -p /boot/grub -c "$here/early.cfg" "${modules[@]}" biosdisk
grub-mkimage -O x86_64-efi -o bootx64.efi -p /boot/grub -c "$here/early.cfg" "${modules[@]}" all_video efi_gop gfxterm
cp /usr/lib/grub/i386-pc/boot_hybrid.img .
# the EFI system partition; a fixed serial number (-N) and date keep it the same in every build
truncate -s 1440K efi.img
touch -d "@$SOURCE_DATE_EPOCH" bootx64.efi
mformat -i efi.img -f 1440 -N 41495253 -v AIRSHIPEFI ::
mmd -i efi.img ::/EFI ::/EFI/BOOT
mcopy -m -i efi.img bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
rm bootx64.efi
# grub finds the medium by this file's presence, whatever the disk is called
echo 'the live medium of an ephemeral node' >marker
