#!/usr/bin/env bash
# Installs the Debian packages that one of the other scripts needs, where they are missing: setup.sh builder|demo|test|bench|kubernetes
set -euo pipefail
# what makes the builder image, the last three of them for ordinary users; then a linker for cargo
packages=(python3 python3-yaml mmdebstrap squashfs-tools zstd mtools grub-common grub-pc-bin grub-efi-amd64-bin uidmap fakechroot fakeroot)
[[ ${1:-} == builder ]] || packages+=(gcc libc6-dev file)
case ${1:-} in
  builder | demo) ;;
  test) packages+=(docker-registry docker.io skopeo umoci runc busybox-static xorriso genisoimage qemu-system-x86 ovmf shellcheck libglib2.0-0 strace
    python3-jsonschema python3-jinja2 python3-configobj python3-oauthlib python3-jsonpatch python3-requests fdisk gdisk dosfstools) ;;
  bench) packages+=(docker-registry e2fsprogs gzip time openssl runc skopeo umoci podman charliecloud python3-lark docker.io) ;;
  kubernetes) packages+=(golang-go dpkg-dev busybox-static qemu-system-x86 ovmf) ;;
  *) echo "usage: setup.sh builder|demo|test|bench|kubernetes" >&2 && exit 2 ;;
esac
missing=()
for package in "${packages[@]}"; do
  # shellcheck disable=SC2016 # dpkg-query's own variable
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
as_root() {
  if [[ $EUID == 0 ]]; then
    "$@"
  elif [[ -t 0 ]]; then
    sudo "$@"
  else
    # a password can be asked for on a terminal only
    sudo -n "$@"
  fi
}
# tests ask cloud-init and netplan; they are unpacked only, since installed they configure the host at its next boot
unpack() {
  local into && into=$(dirname "$0")/../target/$1
  [[ ! -e $into ]] || return 0
  # of an old list of packages they would be older than those on a node, with faults that were mended since
  [[ -n ${updated:-} ]] || as_root apt-get -qq update >&2 || echo "setup.sh: the lists of packages are as they were" >&2
  updated=1
  # complete or not there at all
  rm -rf "$into.part" && mkdir -p "$into.part"
  (cd "$into.part" && apt-get -qq download "${@:2}" >&2 && for deb in *.deb; do dpkg -x "$deb" .; done && rm ./*.deb)
  mv "$into.part" "$into"
}
finish() {
  [[ $1 != test ]] || { unpack cloud-init cloud-init && unpack netplan netplan.io libnetplan0 &&
    unpack loaders isolinux syslinux-common shim-signed grub-efi-amd64-signed ipxe memtest86+ grub-rescue-pc; }
  exit
}
[[ ${#missing[@]} != 0 ]] || finish "$1"

if ! as_root true 2>/dev/null; then
  echo "setup.sh: these packages are missing, and installing them takes root: ${missing[*]}" >&2
  echo "hint: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
install=(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq --no-install-recommends install "${missing[@]}")
echo "installing ${missing[*]}" >&2
# the lists of packages may be missing or out of date
"${install[@]}" >&2 || { as_root apt-get -qq update >&2 && "${install[@]}" >&2; }
finish "$1"
