//! Limits that the kernel holds a container to by cgroups: whether it can here, and whether memory
//! ran out under them.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use serde::{Deserialize, Serialize};

use super::cgroup;
use crate::container::driver::Limits;
use crate::container::limits::Swap;
use crate::container::oci::rung::Rung;
use crate::error::{Doing, Error, ErrorKind, Result};

/// Whether the kernel killed a process of a container because memory ran out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutOfMemory {
    No,
    Yes,
    /// The container has no cgroup that would tell.
    #[default]
    Unknown,
}

/// Fails with [`ErrorKind::Host`] where a container on this rung cannot be held to `limits`, naming
/// the option, the reason and the way out. Nothing is made.
pub fn check(limits: &Limits, rung: &Rung) -> Result<()> {
    let root = Path::new(cgroup::ROOT);
    limits.controllers().into_iter().try_for_each(|(controller, option)| {
        let checked = match (rung.is_rootless(), cgroup::is_version_2(root)) {
            (false, true) => version_2(root, controller),
            (false, false) => version_1(root, controller),
            (true, _) => Err(Error::new(
                ErrorKind::Host,
                "the cgroups of this host are root's, and no limit is possible without one",
            )),
        };
        checked.map_err(|error| {
            error.context(format!("limiting the builder with {option}")).hint(format!(
                "run as root on a host with the cgroup controller {controller}, or leave {option} out"
            ))
        })
    })
}

fn version_1(root: &Path, controller: &str) -> Result<()> {
    let hierarchy = root.join(controller);
    match hierarchy.is_dir() {
        true => writable(&hierarchy),
        false => Err(missing(controller)),
    }
}

/// libcontainer makes the container's cgroup a child of the root, and enables there what it can.
fn version_2(root: &Path, controller: &str) -> Result<()> {
    let has = |file: &str| {
        let listed = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        listed.split_whitespace().any(|name| name == controller)
    };
    if !has("cgroup.controllers") {
        return Err(missing(controller));
    }
    if !has("cgroup.subtree_control") {
        // a cgroup with processes of its own has none for its children, unless it is the host's root
        let path = root.join("cgroup.subtree_control");
        std::fs::write(&path, format!("+{controller}"))
            .doing(ErrorKind::Host, || format!("enabling it in {}", path.display()))?;
    }
    writable(root)
}

fn missing(controller: &str) -> Error {
    Error::new(ErrorKind::Host, format!("this host has no cgroup controller {controller}"))
}

fn writable(dir: &Path) -> Result<()> {
    access(dir, AccessFlags::W_OK).doing(ErrorKind::Host, || format!("making a cgroup in {}", dir.display()))
}

/// What this host's cgroups make of swap.
pub fn swap() -> Swap {
    let root = Path::new(cgroup::ROOT);
    let counted = match cgroup::is_version_2(root) {
        // the first line is a heading; without a swap file there is nothing to limit
        true => std::fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1),
        // absent where the kernel does not account for swap
        false => root.join("memory/memory.memsw.limit_in_bytes").exists(),
    };
    if counted { Swap::Counted } else { Swap::Ignored }
}

/// Asks the cgroup of the run `id`, as long as it is there.
pub fn out_of_memory(id: &str) -> OutOfMemory {
    let root = Path::new(cgroup::ROOT);
    let name = cgroup::path(id);
    let name = name.strip_prefix("/").unwrap_or(&name);
    let counters: [PathBuf; 2] =
        [root.join("memory").join(name).join("memory.oom_control"), root.join(name).join("memory.events")];
    let read = counters.iter().find_map(|path| std::fs::read_to_string(path).ok());
    read.as_deref().map_or(OutOfMemory::Unknown, kills)
}

/// Both versions of cgroups count in a line of this name.
fn kills(counters: &str) -> OutOfMemory {
    let count = counters.lines().find_map(|line| line.strip_prefix("oom_kill "));
    match count.and_then(|count| count.trim().parse::<u64>().ok()) {
        Some(0) => OutOfMemory::No,
        Some(_) => OutOfMemory::Yes,
        None => OutOfMemory::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_tell_of_killed_processes() {
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"), OutOfMemory::Yes);
        assert_eq!(kills("low 0\nhigh 0\nmax 7\noom 2\noom_kill 0\noom_group_kill 0\n"), OutOfMemory::No);
        assert_eq!(kills("oom_kill_disable 0\n"), OutOfMemory::Unknown);
    }

    #[test]
    fn a_controller_that_is_not_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        let says = |result: Result<()>| result.unwrap_err().to_string();
        assert!(says(version_1(root.path(), "memory")).contains("no cgroup controller memory"));
        std::fs::write(root.path().join("cgroup.controllers"), "cpu pids\n").unwrap();
        assert!(says(version_2(root.path(), "memory")).contains("no cgroup controller memory"));
    }

    #[test]
    fn a_controller_that_is_there_serves() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("memory")).unwrap();
        version_1(root.path(), "memory").unwrap();
        std::fs::write(root.path().join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        std::fs::write(root.path().join("cgroup.subtree_control"), "memory\n").unwrap();
        version_2(root.path(), "memory").unwrap();
        version_2(root.path(), "pids").unwrap();
        let enabled = std::fs::read_to_string(root.path().join("cgroup.subtree_control")).unwrap();
        assert_eq!(enabled, "+pids");
    }
}
