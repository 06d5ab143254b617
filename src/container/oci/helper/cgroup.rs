//! The cgroup file system as a container needs it, and the removal of what a run left in it.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, FsType, statfs};
use nix::unistd::{AccessFlags, access};
use oci_spec::runtime::Spec;

use super::{devices, overlay};
use crate::container::oci::rung::Rung;
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

/// Who looks after the cgroup of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgroups {
    /// libcontainer makes one, or in a user namespace tries to.
    Tried,
    /// Nobody: root cannot make one here.
    Absent,
}

/// Makes `/sys/fs/cgroup` in this mount namespace what libcontainer can work with. There is no switch
/// that keeps it from cgroups, so it gets a tree of which it expects nothing.
pub fn prepare(rung: &Rung) -> Result<Cgroups> {
    if overlay::in_user_namespace() {
        version_2_view(rung)?;
        return Ok(if rung.is_rootless() { Cgroups::Tried } else { Cgroups::Absent });
    }
    if is_writable() {
        return Ok(Cgroups::Tried);
    }
    no_view()?;
    Ok(Cgroups::Absent)
}

/// Takes version 2 alone into this mount namespace where a host has both, for a container that wants
/// nothing of cgroups but device rules. libcontainer would put it into each of the dozen hierarchies of
/// version 1, which takes as long as all the rest of its start.
pub fn take_version_2() -> Result<()> {
    let (root, unified) = (Path::new(ROOT), Path::new(ROOT).join("unified"));
    let both = !is_version_2(root) && is_version_2(&unified);
    match both && access(&unified, AccessFlags::W_OK).is_ok() && devices::loadable() {
        true => make_version_2_view(root),
        false => Ok(()),
    }
}

/// Whether root may make cgroups in all hierarchies that libcontainer would use. Inside containers
/// they are mounted read-only.
fn is_writable() -> bool {
    let root = Path::new(ROOT);
    let may_write = |path: &Path| access(path, AccessFlags::W_OK).is_ok();
    if has_type(root, CGROUP2_SUPER_MAGIC) {
        return may_write(root);
    }
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut hierarchies = entries.filter(|path| has_type(path, CGROUP_SUPER_MAGIC)).peekable();
    hierarchies.peek().is_some() && hierarchies.all(|path| may_write(&path))
}

/// The version 1 manager of libcontainer is for trees below `/sys/fs/cgroup` that the kernel's list of
/// mounts has; a tmpfs without any of them is to it a host without controllers.
fn no_view() -> Result<()> {
    let detach = |path: &Path| umount2(path, MntFlags::MNT_DETACH).is_ok();
    while detach(Path::new(ROOT)) {}
    // elsewhere, or below a /sys that was covered
    version_1_mounts().iter().for_each(|path| while detach(path) {});
    while !version_1_mounts().is_empty() && detach(Path::new("/sys")) {}
    make_mount_point()?;
    mount_on_root("tmpfs")
}

/// Mount points from mountinfo (proc_pid_mountinfo(5)); field 5, and after the `-` the type.
fn version_1_mounts() -> Vec<PathBuf> {
    let list = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let point = |line: &str| Some(PathBuf::from(line.split(' ').nth(4)?));
    list.lines().filter(|line| line.contains(" - cgroup ")).filter_map(point).collect()
}

/// Where nothing is mounted on /sys, there is no directory to mount on.
fn make_mount_point() -> Result<()> {
    let root = Path::new(ROOT);
    if root.is_dir() {
        return Ok(());
    }
    mount(Some("tmpfs"), "/sys", Some("tmpfs"), MsFlags::MS_NODEV, None::<&str>)
        .and_then(|()| std::fs::create_dir_all(root).map_err(|_| Errno::EROFS))
        .doing(ErrorKind::Host, || format!("making a mount point {ROOT}"))
}

/// Makes `/sys/fs/cgroup` a cgroup2 tree. On v1 and hybrid hosts libcontainer's v1 manager fails
/// without privileges, while its v2 manager tolerates a tree that it may not write.
fn version_2_view(rung: &Rung) -> Result<()> {
    let root = Path::new(ROOT);
    if !has_type(root, CGROUP2_SUPER_MAGIC) {
        make_version_2_view(root)?;
    }
    match rung {
        // the host's root owns the tree, and the host's cgroups are not the container's
        Rung::Emulated { uid: 0, .. } | Rung::Single { uid: 0, .. } => read_only(root),
        _ => Ok(()),
    }
}

fn make_version_2_view(root: &Path) -> Result<()> {
    let unified = root.join("unified");
    if has_type(&unified, CGROUP2_SUPER_MAGIC) {
        return mount(Some(&unified), root, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .doing(ErrorKind::Host, || format!("binding {} over {ROOT}", unified.display()));
    }
    make_mount_point()?;
    // a cgroup2 mount of a user namespace wants a cgroup namespace that belongs to it
    unshare(CloneFlags::CLONE_NEWCGROUP).doing(ErrorKind::Host, || "creating a cgroup namespace".into())?;
    mount_on_root("cgroup2").or_else(|error| match version_1_mounts().is_empty() {
        true => mount_on_root("tmpfs"),
        false => Err(error),
    })
}

fn mount_on_root(kind: &str) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some(kind), ROOT, Some(kind), flags, None::<&str>)
        .doing(ErrorKind::Host, || format!("mounting {kind} on {ROOT}"))
}

fn read_only(root: &Path) -> Result<()> {
    let doing = || format!("making {ROOT} read-only");
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(root), root, None::<&str>, bind, None::<&str>).doing(ErrorKind::Host, doing)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
    mount(None::<&str>, root, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags, None::<&str>)
        .doing(ErrorKind::Host, doing)
}

/// Whether this host enforces device rules: version 1 does, version 2 by a program that we may have
/// to be allowed to load.
pub fn enforces_devices() -> bool {
    has_type(&Path::new(ROOT).join("devices"), CGROUP_SUPER_MAGIC)
        || (version_2_root().is_some() && devices::loadable())
}

/// The tree of version 2, where that is all there is.
pub fn version_2_root() -> Option<&'static Path> {
    Some(Path::new(ROOT)).filter(|root| is_version_2(root))
}

pub(super) fn is_version_2(path: &Path) -> bool {
    has_type(path, CGROUP2_SUPER_MAGIC)
}

fn has_type(path: &Path, kind: FsType) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == kind)
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
