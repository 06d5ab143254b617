#!/bin/sh
# Settings of the live root, whose directory is $1; run by mmdebstrap.
set -eu
cd "$1"
# what mmdebstrap took from the host, and a package kept of that
rm -f etc/hostname etc/.resolv.conf.systemd-resolved.bak
echo live >etc/hostname
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >etc/hosts
# made anew on the node
rm -f etc/machine-id var/lib/dbus/machine-id etc/ssh/ssh_host_*
: >etc/machine-id
ln -sf ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf
# No search for metadata servers. The seed is one of two directories of the medium, which live-boot has mounted before cloud-init
# looks: `ds=nocloud;s=` on the kernel's command line would make cloud-init 22.4 leave out network-config.
cat >etc/cloud/cloud.cfg.d/95_isogen.cfg <<'CFG'
datasource_list: [ NoCloud, ConfigDrive, None ]
locale: C.UTF-8
preserve_hostname: false
# the root is an overlay in memory
growpart: { mode: "off" }
resize_rootfs: false
system_info:
  network:
    renderers: [ netplan, networkd ]
CFG
mkdir -p var/lib/cloud/seed
ln -s /run/live/medium/nocloud var/lib/cloud/seed/nocloud
ln -s /run/live/medium/config-drive var/lib/cloud/seed/config_drive
chroot "$1" systemctl enable systemd-networkd.service systemd-resolved.service >/dev/null 2>&1
# nothing is upgraded or trimmed on a node that lives for hours
for unit in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim; do
  ln -sf /dev/null "etc/systemd/system/$unit.timer"
done
# it takes live-boot's `ip=frommedia` for its own, and fails
ln -sf /dev/null etc/systemd/system/systemd-network-generator.service
rm -rf usr/share/doc/*/changelog*
cd boot
mv vmlinuz-* vmlinuz
mv initrd.img-* initrd.img
