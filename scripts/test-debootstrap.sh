#!/usr/bin/env bash
# Shows that Debian is made and extended inside a builder by a user without subordinate ids: apt-get install, mmdebstrap
# and debootstrap, under root emulation. Takes root, to become that user, and a mirror; the program may be given as $1.
set -euo pipefail
cd "$(dirname "$0")/.."
airshipctl=$(realpath "${1:-target/release/airshipctl}") id=64123
source scripts/builder/settings.sh
scripts/setup.sh test
dir=$(mktemp -d) && chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir"/{apt,base,top/tree/usr/local/bin,home,volume}
scripts/builder/apt-sources.sh "$dir/apt"
mmdebstrap --quiet --mode=root --variant=apt --include=mmdebstrap,debootstrap,ca-certificates --aptopt="$dir/apt/apt.conf" \
  "$BUILDER_SUITE" "$dir/base/layer.tar" "$dir/apt/apt.sources"

# what is run in the container; its result need only look bootable
cat >"$dir/top/tree/usr/local/bin/build-iso" <<'BUILDER'
#!/bin/bash
set -euxo pipefail
export DEBIAN_FRONTEND=noninteractive
mirror=$(grep -rhoE 'https?://[^ ]+' /etc/apt/sources.list.d | head -n 1)
source /etc/os-release && suite=$VERSION_CODENAME
cat /proc/self/uid_map && [[ $ISOGEN_ROOT_EMULATION == 1 && $(id -u) == 0 ]]
apt-get -qq update
apt-get -qq install --no-install-recommends man-db sudo polkitd openssh-server dbus cron xorriso
[[ -z $(dpkg --audit) ]] && id sshd && su -s /bin/sh -c 'true' nobody
mmdebstrap --quiet --variant=essential "$suite" /tmp/essential.tar
tar -tf /tmp/essential.tar | grep -c .
debootstrap --variant=minbase "$suite" /tmp/minbase "$mirror" >/tmp/log 2>&1 || { tail -n 30 /tmp/log /tmp/minbase/debootstrap/debootstrap.log; exit 1; }
chroot /tmp/minbase dpkg --audit
chroot /tmp/minbase apt-get --version
mkdir /tmp/medium && printf "\353\376" >/tmp/medium/boot.img && truncate -s 2048 /tmp/medium/boot.img
xorriso -as mkisofs -b boot.img -no-emul-boot -boot-load-size 4 -o /config/out.iso /tmp/medium
echo "bootImagePath: $(sed -n 's/^ *volume: *"\?\([^:]*\):.*/\1/p' "$BUILDER_CONFIG")/out.iso" >/config/output-metadata.yaml
BUILDER
chmod 755 "$dir/top/tree/usr/local/bin/build-iso"
tar -C "$dir/top/tree" --owner=0 --group=0 -cf "$dir/top/layer.tar" .
for layer in base top; do sha256sum <"$dir/$layer/layer.tar" >"$dir/$layer/diff_id"; done
python3 scripts/builder/image_layout.py "$dir/layout" "$dir/base" "$dir/top"
sed "s|/srv/isogen|$dir/volume|" tests/fixtures/example-site/isogen.yaml >"$dir/isogen.yaml"
cp -r tests/fixtures/example-site/documents "$dir" && cp "$airshipctl" "$dir/airshipctl"
chown -R "$id:$id" "$dir"
as_user=(setpriv --reuid "$id" --regid "$id" --clear-groups --reset-env env --chdir "$dir" HOME="$dir/home")
"${as_user[@]}" ./airshipctl image load layout
"${as_user[@]}" ./airshipctl --debug bootstrap isogen --network host --rootless emulate --conf isogen.yaml documents
