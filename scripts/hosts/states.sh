#!/usr/bin/env bash
# The states: each a function that prepares this mount namespace and then does "$@", which begins with `as USER`.
# shellcheck disable=SC2034 # used by those who source this
root=root single=airship-hosts-single subid=airship-hosts-subid
states=("plain root single subid" "bare_environment root single subid" "no_user_namespaces root single subid"
  "no_mount_namespaces root single" "no_pid_namespaces single" "cgroup_2 root single subid" "cgroup_tmpfs root single"
  "cgroup_none root single" "cgroup_read_only root single" "masked_proc root single subid" "nested root single"
  "noexec_cache root single" "noexec_everything root single" "nodev_cache root single" "full_home root single"
  "tmpfs_home single subid" "read_only_home single subid" "state_elsewhere single" "read_only_volume root single")
cgroups=/sys/fs/cgroup

as() { # USER COMMAND...: as this user, with a home of its own and hardly any environment
  local home=$AIRSHIP_HOSTS/$1/home
  setpriv --reuid "$1" --regid "$1" --init-groups env -i PATH="${AS_PATH-/usr/sbin:/usr/bin:/sbin:/bin}" HOME="$home" \
    XDG_STATE_HOME="${AS_STATE:-$home/.state}" AIRSHIP_STATE_DIR="${AS_STATE:-$home/.state/airshipctl}" \
    AIRSHIP_ROOTFS_CACHE="$home/cache" AIRSHIP_HOSTS="$AIRSHIP_HOSTS" STATE="${STATE:-}" /bin/bash "$AIRSHIP_HOSTS/hosts/do.sh" "${@:2}"
}
memory() { # DIRECTORY USER OPTIONS: a file system of its own there
  mkdir -p "$1" && mount -t tmpfs -o "mode=700,uid=$(id -u "$2"),gid=$(id -g "$2"),$3" tmpfs "$1"
}
read_only() { mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"; }
anew() { "$@" load && "$@"; }

plain() { "$@"; }
bare_environment() { AS_PATH='' "$@"; }
no_user_namespaces() { python3 "$AIRSHIP_HOSTS/hosts/limited.py" user bash "$AIRSHIP_HOSTS/hosts/enter.sh" plain "$2"; }
no_mount_namespaces() { python3 "$AIRSHIP_HOSTS/hosts/limited.py" mnt bash "$AIRSHIP_HOSTS/hosts/enter.sh" plain "$2"; }
no_pid_namespaces() { python3 "$AIRSHIP_HOSTS/hosts/limited.py" pid bash "$AIRSHIP_HOSTS/hosts/enter.sh" plain "$2"; }
cgroup_2() { [[ ! -d $cgroups/unified ]] || mount --bind $cgroups/unified $cgroups && "$@"; }
cgroup_tmpfs() { mount -t tmpfs tmpfs $cgroups && "$@"; }
cgroup_none() { umount --recursive --lazy $cgroups && "$@"; }
cgroup_read_only() {
  for dir in $(findmnt -rn -o TARGET | grep "^$cgroups"); do mount -o remount,bind,ro "$dir"; done && "$@"
}
masked_proc() { # as engines do; not every kernel has all of them
  for file in kcore keys timer_list; do [[ ! -e /proc/$file ]] || mount --bind /dev/null "/proc/$file"; done
  for dir in acpi scsi irq; do [[ ! -e /proc/$dir ]] || mount -t tmpfs -o ro tmpfs "/proc/$dir"; done
  "$@"
}
nested() { python3 "$AIRSHIP_HOSTS/hosts/nested.py" bash "$AIRSHIP_HOSTS/hosts/enter.sh" plain "$2"; }
noexec_cache() { memory "$AIRSHIP_HOSTS/$2/home/cache" "$2" noexec && anew "$@"; }
noexec_everything() { memory "$AIRSHIP_HOSTS/$2/home" "$2" noexec && anew "$@"; }
nodev_cache() { memory "$AIRSHIP_HOSTS/$2/home/cache" "$2" nodev && anew "$@"; }
full_home() { memory "$AIRSHIP_HOSTS/$2/home" "$2" size=3500k && anew "$@"; }
tmpfs_home() { memory "$AIRSHIP_HOSTS/$2/home" "$2" nosuid,nodev && anew "$@"; }
read_only_home() { read_only "$AIRSHIP_HOSTS/$2/home" && "$@"; }
state_elsewhere() { read_only "$AIRSHIP_HOSTS/$2/home" && AS_STATE=$AIRSHIP_HOSTS/$2/state "$@"; }
read_only_volume() { read_only "$AIRSHIP_HOSTS/$2/volume" && "$@"; }
