//! Limits that the kernel holds a container to by cgroups: whether it can here, and whether memory
//! ran out under them.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use oci_spec::runtime::Spec;

use super::cgroup;
use crate::container::driver::Limits;
use crate::container::ended::OutOfMemory;
use crate::container::limits::Swap;
use crate::container::oci::rung::Rung;
use crate::error::{Doing, Error, ErrorKind, Result};

/// The cgroup below which a container on this rung goes, so that the kernel can hold it to `limits`.
/// Nothing is made.
///
/// Errors: [`ErrorKind::Host`] where that cannot be, naming the option, the reason and the way out.
pub fn place(limits: &Limits, rung: &Rung) -> Result<PathBuf> {
    let root = Path::new(cgroup::ROOT);
    let (wanted, version_2_only) = (limits.controllers(), cgroup::is_version_2(root));
    if !rung.is_rootless() {
        for &(controller, option) in &wanted {
            let checked = match version_2_only {
                true => version_2(root, controller),
                false => version_1(root, controller),
            };
            checked.map_err(|error| {
                let hint = format!("use a host that has it for containers, or leave {option} out");
                error.context(doing(option)).hint(hint)
            })?;
        }
    } else if !wanted.is_empty() {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let parent = own_cgroup(&own).filter(|_| version_2_only);
        return parent.and_then(|own| delegated(root, &own, &wanted)).ok_or_else(|| refusal(&wanted));
    }
    Ok(PathBuf::from("/"))
}

fn doing(options: &str) -> String {
    format!("limiting the builder with {options}")
}

fn refusal(wanted: &[(&str, &str)]) -> Error {
    let (controllers, options): (Vec<&str>, Vec<&str>) = wanted.iter().copied().unzip();
    let (controllers, options) = (controllers.join(", "), options.join(", "));
    let why = format!(
        "no cgroup with {controllers} is delegated to this user, and the kernel limits nothing without"
    );
    Error::new(ErrorKind::Host, why).context(doing(&options)).hint(format!(
        "run as root; or, where cgroups are version 2 and systemd runs, below `systemd-run --user --scope`; or leave {options} out"
    ))
}

/// Our place in the tree of version 2 (cgroups(7), /proc/pid/cgroup).
fn own_cgroup(text: &str) -> Option<PathBuf> {
    text.lines().find_map(|line| line.strip_prefix("0::")).map(PathBuf::from)
}

/// The nearest cgroup above our own in which this user may make others that have the controllers.
/// Not our own: the children of a cgroup with processes in it have none (cgroups(7), "no internal
/// processes"). Its cgroup.procs has to be ours too, or no process could be moved across.
fn delegated(root: &Path, own: &Path, wanted: &[(&str, &str)]) -> Option<PathBuf> {
    let is_ours = |parent: &&Path| {
        let dir = root.join(parent.strip_prefix("/").unwrap_or(parent));
        let enabled = std::fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
        let has = |controller: &str| enabled.split_whitespace().any(|name| name == controller);
        let writable = |path: &Path| access(path, AccessFlags::W_OK).is_ok();
        writable(&dir) && writable(&dir.join("cgroup.procs")) && wanted.iter().all(|(name, _)| has(name))
    };
    own.ancestors().skip(1).find(is_ours).map(Path::to_owned)
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

/// Watches for processes that the kernel kills because memory ran out.
pub struct MemoryWatch {
    /// How many it had killed on the whole host before.
    before: Option<u64>,
}

impl MemoryWatch {
    pub fn start() -> Self {
        Self { before: killed_on_host() }
    }

    /// Asks the cgroup that config.json names, as long as it is there. Without one that counts, the
    /// kernel's own count at least rules it out.
    pub fn out_of_memory(&self, spec: &Spec) -> OutOfMemory {
        match of_cgroup(spec) {
            OutOfMemory::Unknown if self.before.is_some() && self.before == killed_on_host() => {
                OutOfMemory::No
            }
            known => known,
        }
    }
}

/// Of proc_vmstat(5), since Linux 4.13.
fn killed_on_host() -> Option<u64> {
    count(&std::fs::read_to_string("/proc/vmstat").ok()?)
}

fn of_cgroup(spec: &Spec) -> OutOfMemory {
    let root = Path::new(cgroup::ROOT);
    let Some(path) = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().as_ref()) else {
        return OutOfMemory::Unknown;
    };
    let path = path.strip_prefix("/").unwrap_or(path);
    let counters =
        [root.join("memory").join(path).join("memory.oom_control"), root.join(path).join("memory.events")];
    let read = counters.iter().find_map(|path| std::fs::read_to_string(path).ok());
    read.as_deref().map_or(OutOfMemory::Unknown, kills)
}

fn kills(counters: &str) -> OutOfMemory {
    match count(counters) {
        Some(0) => OutOfMemory::No,
        Some(_) => OutOfMemory::Yes,
        None => OutOfMemory::Unknown,
    }
}

/// Both versions of cgroups and the host count in a line of this name.
fn count(counters: &str) -> Option<u64> {
    let count = counters.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok())
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
    fn without_a_cgroup_the_hosts_count_rules_a_lack_of_memory_out() {
        let spec = Spec::default();
        let says = |before| MemoryWatch { before }.out_of_memory(&spec);
        assert_eq!(MemoryWatch::start().out_of_memory(&spec), OutOfMemory::No);
        assert_eq!((says(None), says(Some(u64::MAX))), (OutOfMemory::Unknown, OutOfMemory::Unknown));
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
    fn the_nearest_cgroup_that_is_ours_and_has_the_controllers_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let make = |path: &str, controllers: &str| {
            let dir = root.path().join(path);
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("cgroup.procs"), "").unwrap();
            std::fs::write(dir.join("cgroup.subtree_control"), controllers).unwrap();
        };
        make("user/app", "cpu memory pids\n");
        make("user/app/inner", "memory\n");
        make("user/app/inner/own", "memory pids\n");
        let own = own_cgroup("4:memory:/x\n0::/user/app/inner/own\n").unwrap();
        let of = |wanted: &[(&str, &str)]| delegated(root.path(), &own, wanted);
        let (memory, pids) = (("memory", "--memory"), ("pids", "--pids"));
        assert_eq!(of(&[memory]).unwrap(), Path::new("/user/app/inner"));
        assert_eq!(of(&[memory, pids]).unwrap(), Path::new("/user/app"));
        assert_eq!(of(&[("io", "--io")]), None);
        std::fs::remove_file(root.path().join("user/app/cgroup.procs")).unwrap();
        assert_eq!(of(&[memory, pids]), None);
        assert_eq!(own_cgroup("4:memory:/x\n"), None);
        let says = refusal(&[memory, pids]).to_string();
        assert!(says.contains("with --memory, --pids: no cgroup with memory, pids is delegated"), "{says}");
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
