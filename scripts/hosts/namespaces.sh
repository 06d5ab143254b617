#!/usr/bin/env bash
# States of the kernel's own file systems, and of what is around this host.
cgroups=/sys/fs/cgroup
below() { "${@:2}" bash "$AIRSHIP_HOSTS/hosts/enter.sh" plain "$1"; } # USER WRAPPER...
limited() { below "$2" python3 "$AIRSHIP_HOSTS/hosts/limited.py" "$1"; }

no_user_namespaces() { limited user "$2"; }
no_mount_namespaces() { limited mnt "$2"; }
no_pid_namespaces() { limited pid "$2"; }
no_net_namespaces() { limited net "$2"; }
no_filters() { below "$2" python3 "$AIRSHIP_HOSTS/hosts/unfiltered.py"; }
nested() { below "$2" python3 "$AIRSHIP_HOSTS/hosts/nested.py"; }
cgroup_2() {
  if [[ -d $cgroups/unified ]]; then mount --bind $cgroups/unified $cgroups; fi && "$@"
}
cgroup_tmpfs() { mount -t tmpfs tmpfs $cgroups && "$@"; }
cgroup_none() { umount --recursive --lazy $cgroups && "$@"; }
cgroup_read_only() {
  for dir in $(findmnt -rn -o TARGET | grep "^$cgroups"); do mount -o remount,bind,ro "$dir"; done && "$@"
}
masked_proc() { # as engines do; not every kernel has all of them
  for file in kcore keys timer_list; do
    if [[ -e /proc/$file ]]; then mount --bind /dev/null "/proc/$file"; fi
  done
  for dir in acpi scsi irq; do
    if [[ -e /proc/$dir ]]; then mount -t tmpfs -o ro tmpfs "/proc/$dir"; fi
  done
  "$@"
}
no_proc() { umount --recursive --lazy /proc && "$@"; }
no_sys() { umount --recursive --lazy /sys && "$@"; }
changed_root() { # to a directory on which nothing is mounted
  local top=$AIRSHIP_HOSTS/said/root dir && mkdir -p "$top"
  for dir in /*; do
    if [[ -L $dir ]]; then cp -a "$dir" "$top"; elif [[ -d $dir ]]; then mkdir -p "$top$dir" && mount --rbind "$dir" "$top$dir"; fi
  done
  below "$2" chroot "$top"
}
