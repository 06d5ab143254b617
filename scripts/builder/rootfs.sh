#!/usr/bin/env bash
# A Debian root file system as a tar on standard output: rootfs.sh ROOT WORK VARIANT [mmdebstrap option...]
# Its packages are those of WORK/ROOT, the archive that fetch.sh made; neither the network nor the host's apt has a say.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/settings.sh"
root=$1 work=$2 variant=$3
shift 3
# Python's bytecode stays: a cached rootfs or live medium could not keep what is compiled later. SOURCE_DATE_EPOCH makes the
# packages' scripts put hashes of the sources, not their dates, into it.
# Hooks are given as text, not as files: with subordinate ids they run as another user, who may not reach this directory.
# shellcheck disable=SC2016
options=(
  --mode="$(mmdebstrap_mode)" --variant="$variant" --format=tar --architectures="$BUILDER_ARCHITECTURE"
  --include="$(paste -sd, "$work/$root.packages")"
  --dpkgopt=force-unsafe-io
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright'
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*'
  --skip=download/empty --skip=essential/unlink --skip=cleanup/apt
  # usr-is-merged wants it so; mmdebstrap's own hook would do as the host's debootstrap does
  --setup-hook='for dir in bin sbin lib lib32 lib64 libx32; do
    case $dir$BUILDER_ARCHITECTURE in lib*2*|lib64arm64) continue; esac; mkdir -p "$1/usr/$dir"; ln -s "usr/$dir" "$1/$dir"; done'
  --setup-hook='mkdir -p "$1"/var/cache/apt/archives/partial'
  --setup-hook="sync-in '$work/$root' /var/cache/apt/archives/"
  --setup-hook='echo "deb [trusted=yes] copy:$1/var/cache/apt/archives ./" > "$1"/etc/apt/sources.list'
  "$@"
  --customize-hook='rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap'
  # the host's mirrors are no business of the image's users
  --customize-hook="printf 'deb http://deb.debian.org/debian %s main\n' $BUILDER_SUITE $BUILDER_SUITE-updates > \"\$1\"/etc/apt/sources.list"
  --customize-hook="echo deb http://deb.debian.org/debian-security $BUILDER_SUITE-security main >> \"\$1\"/etc/apt/sources.list"
  --customize-hook='rm -rf "$1"/var/cache/* "$1"/var/lib/apt/lists/* "$1"/var/log/* "$1"/tmp/* "$1"/var/lib/dpkg/*-old "$1"/run/*'
  # compiled while packages were installed, other than by their scripts: with dates
  --customize-hook='rm -rf "$1"/usr/share/python3/debpython/__pycache__'
)
# Programs under fakechroot look for libraries where mmdebstrap has seen some, in directories of the root's ld.so.conf when the first
# packages are there. systemd's programs have one in a directory of their own; a host with systemd has it too, by chance the same.
if [[ $(mmdebstrap_mode) == fakechroot ]]; then
  case $BUILDER_ARCHITECTURE in
    amd64) systemd=/usr/lib/x86_64-linux-gnu/systemd ;;
    arm64) systemd=/usr/lib/aarch64-linux-gnu/systemd ;;
  esac
  options+=(--setup-hook="mkdir -p \"\$1\"/etc/ld.so.conf.d \"\$1\"$systemd; echo $systemd >\"\$1\"/etc/ld.so.conf.d/systemd.conf"
    --extract-hook="rmdir \"\$1\"$systemd; rm \"\$1\"/etc/ld.so.conf.d/systemd.conf")
fi
# the Debian programs that mmdebstrap runs are Debian's, whatever else is on the caller's path
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
exec mmdebstrap "${options[@]}" '' - 'deb [trusted=yes] copy:/nonexistent ./'
