#!/usr/bin/env bash
# States of the file systems that a run uses.
memory() { # DIRECTORY USER OPTIONS: a file system of its own there
  mkdir -p "$1" && mount -t tmpfs -o "mode=700,uid=$(id -u "$2"),gid=$(id -g "$2"),$3" tmpfs "$1"
}
read_only() { mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"; }
anew() { "$@" load && "$@"; } # with the image in the cache that is there now

noexec_cache() { memory "$AIRSHIP_HOSTS/$2/home/cache" "$2" noexec && anew "$@"; }
noexec_everything() { memory "$AIRSHIP_HOSTS/$2/home" "$2" noexec && anew "$@"; }
nodev_cache() { memory "$AIRSHIP_HOSTS/$2/home/cache" "$2" nodev && anew "$@"; }
full_home() { memory "$AIRSHIP_HOSTS/$2/home" "$2" size=3500k && anew "$@"; }
tmpfs_home() { memory "$AIRSHIP_HOSTS/$2/home" "$2" nosuid,nodev && anew "$@"; }
read_only_home() { read_only "$AIRSHIP_HOSTS/$2/home" && "$@"; }
state_elsewhere() { read_only "$AIRSHIP_HOSTS/$2/home" && AS_STATE=$AIRSHIP_HOSTS/$2/state "$@"; }
read_only_volume() { read_only "$AIRSHIP_HOSTS/$2/volume" && "$@"; }
