//! The trial of a rung: what a run does to this host's kernel, done in a worker that ends with it.

use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{chdir, pivot_root};

use super::check::{dispensable, separate, step};
use super::run::{NetworkMode, Seccomp};
use super::{check, overlay, worker};
use crate::container::oci::rung::Rung;
use crate::container::oci::seccomp;
use crate::error::{Doing, ErrorKind, Result};

/// Fails with [`ErrorKind::Host`] at the first thing that this host does not allow. The process is
/// good for nothing else afterwards.
pub fn run(rung: &Rung) -> Result<()> {
    worker::namespaces(rung, NetworkMode::None)?;
    let rest = CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWCGROUP;
    separate("namespaces", || {
        unshare(rest).doing(ErrorKind::Host, || "creating ipc, uts and cgroup namespaces".into())
    })?;
    // in this mount namespace alone; any directory that exists everywhere will do
    let scratch = Path::new("/dev");
    let lower = scratch.join("lower");
    step("tmpfs", || {
        mount(Some("tmpfs"), scratch, Some("tmpfs"), MsFlags::empty(), None::<&str>)
            .doing(ErrorKind::Host, || "mounting a tmpfs".into())?;
        std::fs::create_dir(&lower).doing(ErrorKind::Host, || "writing to a tmpfs".into())
    })?;
    if !overlay::in_user_namespace() {
        separate("device-nodes", || make_device(&lower.join("null")))?;
    }
    let root = step("overlay", || overlay::mount_root(&lower, scratch))?;
    check::further(&root)?;
    separate("pivot-root", || change_root(&root))?;
    let filters = Seccomp { profile: true, emulation: matches!(rung, Rung::Emulated { .. }) };
    let load = || seccomp::probe(filters);
    match rung {
        // as Seccomp::to_be_had, which a run asks anyway
        Rung::Single { .. } => dispensable("seccomp-filter", load),
        _ => separate("seccomp-filter", load),
    }
}

/// In a user namespace they are bound instead.
fn make_device(path: &Path) -> Result<()> {
    let mode = Mode::from_bits_truncate(0o666);
    mknod(path, SFlag::S_IFCHR, mode, makedev(1, 3)).doing(ErrorKind::Host, || "making a device node".into())
}

/// Refused where / is the initial ramfs, for one.
fn change_root(root: &Path) -> Result<()> {
    let change = || {
        chdir(root)?;
        pivot_root(".", ".")?;
        umount2(".", MntFlags::MNT_DETACH)
    };
    change().doing(ErrorKind::Host, || "making the container's root the root (pivot_root)".into())
}
