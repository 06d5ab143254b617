#!/usr/bin/env bash
# The states: each a function that prepares this mount namespace and then does "$@", which begins with `as USER`.
# shellcheck disable=SC2034 # used by those who source this
root=root single=airship-hosts-single subid=airship-hosts-subid
states=("plain root single subid" "forced_root root single" "forced_subid single subid" "forced_emulate root subid"
  "forced_single root single" "bare_environment root single subid" "no_new_privileges root single subid"
  "no_filters root single subid" "no_mount_capability root" "no_user_namespaces root single subid" "no_mount_namespaces root single"
  "no_pid_namespaces single" "no_net_namespaces root single" "no_newuidmap subid" "unprivileged_newuidmap subid"
  "cgroup_2 root single subid" "cgroup_tmpfs root single" "cgroup_none root single" "cgroup_read_only root single"
  "masked_proc root single subid" "no_proc root single" "no_sys root single" "changed_root root single"
  "nested root single" "noexec_cache root single" "noexec_everything root single" "nodev_cache root single"
  "full_home root single" "tmpfs_home single subid" "read_only_home single subid" "state_elsewhere single"
  "read_only_volume root single")

as() { # USER COMMAND...: as this user, with a home of its own and hardly any environment
  local home=$AIRSHIP_HOSTS/$1/home
  # shellcheck disable=SC2086 # none or several options
  setpriv --reuid "$1" --regid "$1" --init-groups ${AS_WITH:-} env -i PATH="${AS_PATH-/usr/sbin:/usr/bin:/sbin:/bin}" \
    HOME="$home" AIRSHIP_STATE_DIR="${AS_STATE:-$home/state}" AIRSHIP_ROOTFS_CACHE="$home/cache" HOW="${AS_HOW:-auto}" \
    AIRSHIP_HOSTS="$AIRSHIP_HOSTS" STATE="${STATE:-}" /bin/bash "$AIRSHIP_HOSTS/hosts/do.sh" "${@:2}"
}
# shellcheck source=scripts/hosts/namespaces.sh
. "${BASH_SOURCE%/*}/namespaces.sh"
# shellcheck source=scripts/hosts/places.sh
. "${BASH_SOURCE%/*}/places.sh"

plain() { "$@"; }
forced_root() { AS_HOW=root "$@"; }
forced_subid() { AS_HOW=subid "$@"; }
forced_emulate() { AS_HOW=emulate "$@"; }
forced_single() { AS_HOW=single "$@"; }
bare_environment() { AS_PATH='' "$@"; }
no_new_privileges() { AS_WITH=--no-new-privs "$@"; }
no_mount_capability() { AS_WITH=--bounding-set=-sys_admin "$@"; }
no_newuidmap() { mount --bind /dev/null "$(command -v newuidmap)" && "$@"; }
unprivileged_newuidmap() { # a copy has no setuid bit
  cp "$(command -v newuidmap)" "$AIRSHIP_HOSTS/said/" && chmod 755 "$AIRSHIP_HOSTS/said/newuidmap" &&
    mount --bind "$AIRSHIP_HOSTS/said/newuidmap" "$(command -v newuidmap)" && "$@"
}
