#!/usr/bin/env bash
# The layer with what goes on the medium: kernel, initrd, live root, boot loaders. live.sh OUT LAYERS
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) out=$1
case $BUILDER_KERNEL in
  cloud) kernel=linux-image-cloud-amd64 ;;
  generic) kernel=linux-image-amd64 ;;
  *) echo "BUILDER_KERNEL: $BUILDER_KERNEL is neither cloud nor generic" >&2 && exit 2 ;;
esac
packages=$kernel,systemd-sysv,systemd-resolved,udev,kmod,dbus,live-boot,live-boot-initramfs-tools,zstd
packages+=,cloud-init,netplan.io,openssh-server,sudo,iproute2,iputils-ping,ca-certificates,less
packages+=${BUILDER_EXTRA_PACKAGES:+,$BUILDER_EXTRA_PACKAGES}

medium=$out/tree/usr/share/isogen
mkdir -p "$medium/live" "$medium/boot"
# The date comes from SOURCE_DATE_EPOCH; mksquashfs refuses to be told it twice. It ignores the tar's entry for the
# root, and gives that to whoever runs it.
if [[ $EUID == 0 ]]; then squash=(mksquashfs); else squash=(fakeroot mksquashfs); fi
# shellcheck disable=SC2016
"$here/rootfs.sh" live "$2" minbase "$packages" \
  --essential-hook='mkdir -p "$1"/etc/initramfs-tools/conf.d; printf "COMPRESS=zstd\nCOMPRESSLEVEL=3\n" > "$1"/etc/initramfs-tools/conf.d/compress' \
  --essential-hook="$(<"$here/signed-hook.sh")" \
  --customize-hook="$(<"$here/live-hook.sh")" \
  --customize-hook="copy-out /boot/vmlinuz /boot/initrd.img '$medium/live'" \
  --customize-hook="copy-out /signed '$out'" \
  --customize-hook='rm -rf "$1"/boot/* "$1"/vmlinuz* "$1"/initrd.img* "$1"/signed' |
  "${squash[@]}" - "$medium/live/filesystem.squashfs" -tar -root-mode 755 -no-progress -quiet \
    -comp zstd -Xcompression-level "$BUILDER_SQUASHFS_LEVEL"
"$here/boot.sh" "$medium/boot" "$out/signed"
rm -r "$out/signed"
# summed up here, so that a run need not read them once more
(cd "$medium" && sha256sum live/* && sha256sum <boot/marker | sed 's|-$|.airship/live|') >"$medium/SHA256SUMS"
chmod 644 "$medium"/SHA256SUMS "$medium"/*/*
# everything in it is compressed already
tar --directory "$out/tree" --create --sort=name --owner=0 --group=0 --numeric-owner --format=gnu \
  --mtime="@$SOURCE_DATE_EPOCH" --file "$out/layer.tar" usr
sha256sum <"$out/layer.tar" >"$out/diff_id"
rm -r "$out/tree"
