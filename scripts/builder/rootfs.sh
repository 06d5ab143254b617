#!/usr/bin/env bash
# A Debian root file system as a tar on standard output: rootfs.sh NAME LAYERS VARIANT PACKAGES [mmdebstrap option...]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/settings.sh"
name=$1 layers=$2 variant=$3 packages=$4
shift 4
debs=$BUILDER_CACHE/debs/$name
mkdir -p "$debs"
# Python's bytecode stays: a cached rootfs or live medium could not keep what is compiled later. SOURCE_DATE_EPOCH makes the
# packages' scripts put hashes of the sources, not their dates, into it.
# Hooks are given as text, not as files: with subordinate ids they run as another user, who may not reach this directory.
# shellcheck disable=SC2016
options=(
  --mode="$(mmdebstrap_mode)" --variant="$variant" --format=tar --architectures=amd64 --include="$packages"
  --aptopt="$layers/apt.conf"
  # without it the package usrmerge comes in, and 47 MB of perl with it
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr
  --dpkgopt=force-unsafe-io
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright'
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*'
  --skip=download/empty --skip=essential/unlink --skip=cleanup/apt
  --setup-hook='mkdir -p "$1"/var/cache/apt/archives/partial'
  --setup-hook="sync-in '$debs' /var/cache/apt/archives/"
  # superseded versions leave the cache
  --customize-hook='apt-get -o Dir::Cache::archives="$1/var/cache/apt/archives" autoclean -qq'
  --customize-hook="sync-out /var/cache/apt/archives '$debs'"
  "$@"
  # the host's mirrors, proxies and dates are no business of the image's users
  --customize-hook='rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$1"/etc/apt/sources.list.d/*'
  --customize-hook="printf 'deb http://deb.debian.org/debian %s main\n' $BUILDER_SUITE $BUILDER_SUITE-updates > \"\$1\"/etc/apt/sources.list"
  --customize-hook="echo deb http://deb.debian.org/debian-security $BUILDER_SUITE-security main >> \"\$1\"/etc/apt/sources.list"
  --customize-hook='rm -rf "$1"/var/cache/* "$1"/var/lib/apt/lists/* "$1"/var/log/* "$1"/tmp/* "$1"/var/lib/dpkg/*-old "$1"/run/*'
  # compiled while packages were installed, other than by their scripts: with dates
  --customize-hook='rm -rf "$1"/usr/share/python3/debpython/__pycache__'
)
exec mmdebstrap "${options[@]}" "$BUILDER_SUITE" - "$layers/apt.sources"
