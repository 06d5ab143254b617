//! The switches, limits and files of this host that decide which rungs hold.

use std::fs;

use nix::unistd::Uid;

use super::cgroups::cgroups;
use super::features::features;
use super::subordinate::subordinate;
use super::{Check, Status};

/// Kinds of namespaces that have a limit of their own (namespaces(7), /proc/sys/user).
const KINDS: [&str; 7] = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];

/// All of them.
pub fn host() -> Vec<Check> {
    let mut checks = features();
    checks.extend([limits(), restriction(), subordinate(), cgroups(), proc()]);
    checks
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn limits() -> Check {
    judge_limits(|kind| read(&format!("/proc/sys/user/max_{kind}_namespaces")))
}

/// Zero forbids; whether others are used up, the ladder tries.
fn judge_limits(limit: impl Fn(&str) -> Option<String>) -> Check {
    const NAME: &str = "namespace-limits";
    let forbidden: Vec<String> = KINDS
        .iter()
        .filter(|kind| limit(kind).as_deref() == Some("0"))
        .map(|kind| format!("user.max_{kind}_namespaces"))
        .collect();
    if forbidden.is_empty() {
        let each = KINDS.iter().filter_map(|kind| Some(format!("{kind} {}", limit(kind)?)));
        return Check::ok(NAME, each.collect::<Vec<_>>().join(", "));
    }
    let settings: Vec<String> = forbidden.iter().map(|name| format!("{name}=15000")).collect();
    Check::warn(NAME, format!("{} is 0", forbidden.join(", ")))
        .with_fix(format!("as root: sysctl -w {}", settings.join(" ")))
}

/// The switches that distributions put in front of user namespaces.
fn restriction() -> Check {
    const NAME: &str = "user-namespace-restriction";
    let is = |path: &str, value: &str| read(path).as_deref() == Some(value);
    let check = if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        Check::warn(NAME, "AppArmor restricts user namespaces to programs whose profile has `userns,`").with_fix(
            "as root: give airshipctl a profile with `userns,` in /etc/apparmor.d, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        )
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        Check::warn(NAME, "kernel.unprivileged_userns_clone is 0")
            .with_fix("as root: sysctl -w kernel.unprivileged_userns_clone=1")
    } else {
        Check::ok(NAME, "neither AppArmor nor kernel.unprivileged_userns_clone restricts user namespaces")
    };
    match Uid::effective().is_root() && check.status != Status::Ok {
        true => Check {
            status: Status::Ok,
            fix: None,
            message: format!("{}, but not root", check.message),
            ..check
        },
        false => check,
    }
}

fn proc() -> Check {
    judge_proc(&read("/proc/self/mountinfo").unwrap_or_default())
}

/// A /proc with something mounted below it is not given whole to a user namespace (mount_namespaces(7),
/// "Restrictions on mount namespaces").
fn judge_proc(mountinfo: &str) -> Check {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    // a trap for automounting, which hides nothing
    let below = points.filter(|at| at.starts_with("/proc/") && *at != "/proc/sys/fs/binfmt_misc");
    let below: Vec<&str> = below.collect();
    match below.as_slice() {
        [] => Check::ok("proc", "nothing is mounted over parts of it"),
        some => Check::warn("proc", format!("parts of it are mounted over: {}", some.join(", "))).with_fix(
            "where this is a container, run that with unmasked system paths (Docker: --security-opt systempaths=unconfined)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_zero_is_named_with_the_command_that_lifts_it() {
        let check = judge_limits(|kind| Some(if kind == "user" { "0" } else { "7" }.to_owned()));
        assert_eq!(check.message, "user.max_user_namespaces is 0");
        assert_eq!(check.fix.as_deref(), Some("as root: sysctl -w user.max_user_namespaces=15000"));
        assert_eq!(judge_limits(|_| Some("7".into())).status, Status::Ok);
        assert_eq!(judge_limits(|_| None).status, Status::Ok);
    }

    #[test]
    fn a_masked_proc_is_seen_in_the_list_of_mounts() {
        let masked = "1 0 0:5 / /proc rw - proc proc rw\n2 1 0:6 / /proc/acpi ro - tmpfs tmpfs ro\n";
        assert!(judge_proc(masked).message.ends_with("/proc/acpi"));
        let automount = "2 1 0:6 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n";
        assert_eq!(judge_proc(automount).status, Status::Ok);
    }
}
