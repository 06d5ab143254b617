#!/usr/bin/env bash
# The layer with what goes on the medium: kernel, initrd, live root, boot loaders. live.sh OUT WORK
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) out=$1 work=$2
medium=$out/tree/usr/share/isogen
mkdir -p "$medium/live" "$medium/boot"
# The date comes from SOURCE_DATE_EPOCH; mksquashfs refuses to be told it twice. It ignores the tar's entry for the
# root, and gives that to whoever runs it, so that it has to be root to its own eyes.
squash=(mksquashfs - "$medium/live/filesystem.squashfs" -tar -root-mode 755)
[[ $EUID == 0 ]] || squash=(fakeroot "${squash[@]}")
# Before packages are configured: a hook of initramfs-tools, as MODULES=most leaves out some. The kernel's scripts would make an
# initrd, and initramfs-tools' trigger another one when all is configured; both by this program, which comes back when they are done.
# shellcheck disable=SC2016
initrd='mkdir -p "$1"/etc/initramfs-tools/conf.d "$1"/etc/initramfs-tools/hooks
printf "COMPRESS=zstd\nCOMPRESSLEVEL=3\n" > "$1"/etc/initramfs-tools/conf.d/compress
printf "#!/bin/sh\n[ \"\$1\" = prereqs ] && exit\n. /usr/share/initramfs-tools/hook-functions\nmanual_add_modules %s\n" "$BUILDER_INITRD_MODULES" > "$1"/etc/initramfs-tools/hooks/isogen
chmod 755 "$1"/etc/initramfs-tools/hooks/isogen
chroot "$1" dpkg-divert --quiet --local --rename --add /usr/sbin/update-initramfs &&
ln -s /bin/true "$1"/usr/sbin/update-initramfs'
# shellcheck disable=SC2016
once='rm "$1"/usr/sbin/update-initramfs &&
chroot "$1" dpkg-divert --quiet --local --rename --remove /usr/sbin/update-initramfs &&
chroot "$1" update-initramfs -c -k all'
# extracted on the node's side of chroot: no link there leads out of it
# shellcheck disable=SC2016
configured=(
  --customize-hook="upload '$work/files.tar' /files.tar"
  --customize-hook='chroot "$1" tar --extract --file=/files.tar --same-permissions --no-overwrite-dir; rm "$1"/files.tar'
  --customize-hook='[ -z "$BUILDER_UNITS" ] || chroot "$1" systemctl enable $BUILDER_UNITS'
)
# shellcheck disable=SC2016
"$here/rootfs.sh" live "$work" minbase --essential-hook="$initrd" --customize-hook="$once" --customize-hook="$(<"$here/live-hook.sh")" "${configured[@]}" \
  --customize-hook="copy-out /boot/vmlinuz /boot/initrd.img '$medium/live'" \
  --customize-hook='rm -rf "$1"/boot/* "$1"/vmlinuz* "$1"/initrd.img*' |
  "${squash[@]}" -no-progress -quiet -comp zstd -Xcompression-level "$BUILDER_SQUASHFS_LEVEL"
"$here/boot.sh" "$medium/boot" "$work/boot"
# summed up here, so that a run need not read them once more
(cd "$medium" && sha256sum live/* && sha256sum <boot/marker | sed 's|-$|.airship/live|') >"$medium/SHA256SUMS"
chmod 644 "$medium"/*/*
# everything in it is compressed already
tar --directory "$out/tree" --create --sort=name --owner=0 --group=0 --numeric-owner --format=gnu \
  --mtime="@$SOURCE_DATE_EPOCH" --file "$out/layer.tar" usr
sha256sum <"$out/layer.tar" >"$out/diff_id"
rm -r "$out/tree"
