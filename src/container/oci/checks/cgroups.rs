//! Cgroups: which kind there is, and whether a run can have one of its own, which limits need.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use nix::unistd::{AccessFlags, access};

use super::Check;

const ROOT: &str = "/sys/fs/cgroup";
/// What `--memory`, `--cpus` and `--pids` need, and the rules for devices.
const WANTED: [&str; 4] = ["memory", "cpu", "pids", "devices"];

/// No run fails for want of a cgroup of its own; it just cannot be limited.
pub fn cgroups() -> Check {
    let root = Path::new(ROOT);
    let is_2 = |path: &Path| statfs(path).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC);
    let (version, places) = match (is_2(root), is_2(&root.join("unified"))) {
        (true, _) => ("version 2", vec![version_2(root)]),
        (false, true) => ("version 1 and 2 (hybrid)", version_1(root)),
        (false, false) if version_1(root).is_empty() => {
            return Check::warn("cgroup", format!("there are none below {ROOT}: runs have no limits"))
                .with_fix(format!("mount them, as root: mount -t cgroup2 cgroup2 {ROOT}"));
        }
        (false, false) => ("version 1", version_1(root)),
    };
    let has = |names: &str, wanted: &str| names.split(' ').any(|name| name == wanted);
    let (mut usable, mut why) = (Vec::new(), None);
    for (place, names) in &places {
        match try_making(place) {
            Ok(()) => usable.extend(WANTED.into_iter().filter(|wanted| has(names, wanted))),
            Err(error) => why = Some(format!("{}: {error}", place.display())),
        }
    }
    match (why, usable.is_empty()) {
        (None, _) => Check::ok("cgroup", format!("{version}, writable, with {}", listed(&usable))),
        (Some(why), false) => {
            Check::warn("cgroup", format!("{version}, writable for {}, not {why}", listed(&usable)))
        }
        (Some(why), true) => {
            Check::warn("cgroup", format!("{version}, not writable ({why}): runs have no limits"))
                .with_fix(
                "for limits run as root, where cgroups are mounted read-write, or below `systemd-run --user --scope`",
            )
        }
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "no controller that limits".to_owned() } else { names.join(", ") }
}

/// Where a cgroup of a run goes, and the controllers there. A user's goes below the nearest one above its
/// own that was delegated to it (cgroups(7), "Delegation").
fn version_2(root: &Path) -> (PathBuf, String) {
    let list =
        |dir: &Path, file: &str| fs::read_to_string(dir.join(file)).unwrap_or_default().trim().to_owned();
    let of_root = (root.to_owned(), list(root, "cgroup.controllers"));
    if nix::unistd::geteuid().is_root() {
        return of_root;
    }
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let above = Path::new(own).ancestors().skip(1).map(|parent| root.join(parent));
    let mut delegated = above.filter(|dir| access(dir, AccessFlags::W_OK).is_ok());
    delegated.next().map_or(of_root, |dir| (dir.clone(), list(&dir, "cgroup.subtree_control")))
}

/// The hierarchies with a controller of interest; `cpu,cpuacct` is one directory.
fn version_1(root: &Path) -> Vec<(PathBuf, String)> {
    let dirs = WANTED.iter().map(|name| root.join(name)).filter(|dir| dir.join("tasks").exists());
    dirs.filter_map(|dir| Some((dir.clone(), dir.file_name()?.to_string_lossy().into_owned()))).collect()
}

/// Makes an empty cgroup and removes it.
fn try_making(place: &Path) -> io::Result<()> {
    let dir = place.join(format!("airshipctl-doctor-{}", std::process::id()));
    fs::create_dir(&dir)?;
    fs::remove_dir(&dir)
}
