//! The cgroup file system as a rootless container needs it, and the removal of what a run left in it.

use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use oci_spec::runtime::Spec;

use crate::error::{Doing, ErrorKind, Result};

pub(super) const ROOT: &str = "/sys/fs/cgroup";

/// The cgroup of a run below `parent`, as config.json names it: absolute, or libcontainer would ask
/// systemd for it.
pub fn path(parent: &Path, id: &str) -> PathBuf {
    Path::new("/").join(parent).join(name(id))
}

fn name(id: &str) -> String {
    format!("airshipctl-{id}")
}

/// Makes `/sys/fs/cgroup` a cgroup2 tree in this mount namespace. libcontainer cannot run without
/// one, and on v1 and hybrid hosts its v1 manager fails without privileges, while its v2 manager
/// tolerates a tree that it may not write.
pub fn version_2_view() -> Result<()> {
    let root = Path::new(ROOT);
    if is_version_2(root) {
        return Ok(());
    }
    let unified = root.join("unified");
    if is_version_2(&unified) {
        return mount(Some(&unified), root, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .doing(ErrorKind::Host, || format!("binding {} over {ROOT}", unified.display()));
    }
    // a cgroup2 mount of a user namespace wants a cgroup namespace that belongs to it
    unshare(CloneFlags::CLONE_NEWCGROUP).doing(ErrorKind::Host, || "creating a cgroup namespace".into())?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("cgroup2"), root, Some("cgroup2"), flags, None::<&str>)
        .doing(ErrorKind::Host, || format!("mounting cgroup2 on {ROOT}"))
}

/// Whether this host enforces device rules: version 1 does; version 2 would need BPF, which the
/// driver does not load.
pub fn enforces_devices() -> bool {
    Path::new(ROOT).join("devices").is_dir()
}

pub(super) fn is_version_2(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC)
}

/// Removes the (empty) cgroups of a run whose processes are dead: in every hierarchy, and where the
/// config.json below its directory says that it is elsewhere.
pub fn remove(run_dir: &Path, id: &str) -> Result<()> {
    let spec = Spec::load(run_dir.join("bundle/config.json")).ok();
    let path = spec.and_then(|spec| spec.linux().as_ref()?.cgroups_path().clone());
    // whoever could change that file may not have us remove what is not this run's
    if let Some(path) = path.filter(|path| path.file_name() == Some(name(id).as_ref())) {
        let cgroup = Path::new(ROOT).join(path.strip_prefix("/").unwrap_or(&path));
        if cgroup.is_dir() {
            remove_one(&cgroup)?;
        }
    }
    let hierarchies = std::fs::read_dir(ROOT).into_iter().flatten().flatten().map(|entry| entry.path());
    for hierarchy in hierarchies.chain([PathBuf::from(ROOT)]) {
        let cgroup = hierarchy.join(name(id));
        if cgroup.is_dir() {
            remove_one(&cgroup)?;
        }
    }
    Ok(())
}

fn remove_one(cgroup: &Path) -> Result<()> {
    let mut removed = std::fs::remove_dir(cgroup);
    for _ in 0..20 {
        match &removed {
            // the last process is still on its way out
            Err(error) if error.raw_os_error() == Some(nix::libc::EBUSY) => {
                std::thread::sleep(std::time::Duration::from_millis(50));
                removed = std::fs::remove_dir(cgroup);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            _ => break,
        }
    }
    removed.doing(ErrorKind::Internal, || format!("removing cgroup {}", cgroup.display()))
}
