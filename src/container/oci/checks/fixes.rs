//! The way out of a step that failed, where the error itself has none.

/// By the name of the step.
pub fn fix(check: &str) -> Option<&'static str> {
    Some(match check {
        "pid-namespace" | "mount-namespace" | "network-namespace" | "namespaces" => {
            "raise what `sysctl user` shows as 0 or used up; inside a container, give that one CAP_SYS_ADMIN and a \
             seccomp profile that allows unshare and mount"
        }
        "user-0" => "run as root of the host, or of a user namespace with 65536 ids",
        "cgroup-view" => {
            "mount cgroups where they are expected, as root: mount -t cgroup2 cgroup2 /sys/fs/cgroup"
        }
        "helper" => "mount /proc and let this program execute itself from there",
        "tmpfs" => "inside a container, let that one mount file systems",
        "overlay" => {
            "have the kernel load its module, as root: modprobe overlay; users need kernel 5.11 or newer"
        }
        "container-mounts" => {
            "have the kernel provide devpts and mqueue; inside a container, let that one mount them"
        }
        "device-nodes" => "give root CAP_MKNOD, or run as an ordinary user",
        "pivot-root" => "boot from a root file system that is not the initial ramfs",
        "seccomp-filter" => {
            "use a kernel with CONFIG_SECCOMP_FILTER; inside a container, let that one call seccomp"
        }
        _ => return None,
    })
}
