//! The steps from a fresh process to a container, each with the name by which errors and
//! `airshipctl doctor` call it.
//!
//! A run takes them and stops at the first that fails. For `doctor` the helper takes the very same,
//! says of each what came of it, and goes on behind those that others do not build on.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::OnceLock;

use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::{Channels, overlay};
use crate::container::oci::protocol::{Up, send};
use crate::error::{Doing, ErrorKind, Result};

/// Where the outcome of each step is told; only in a helper of `doctor`. Forked processes have it too.
static LISTENER: OnceLock<File> = OnceLock::new();

/// Takes a step on which the next ones build.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let result = work().map_err(|error| error.of_check(name));
    if let Some(listener) = LISTENER.get() {
        let (name, error) = (name.to_owned(), result.as_ref().err().cloned());
        // the command line may be gone, and then nobody wants to know
        let _ = send(listener, &Up::Checked { name, error });
    }
    result
}

/// Takes a step without which the next ones can be tried all the same, for `doctor` alone.
pub fn separate(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    match (step(name, work), LISTENER.get()) {
        (Err(_), Some(_)) => Ok(()),
        (result, _) => result,
    }
}

/// From now on, the outcome of every step goes up.
pub fn listen(channels: &Channels) -> Result<()> {
    let listener = channels.up.as_fd().try_clone_to_owned();
    let listener = File::from(listener.doing(ErrorKind::Internal, || "copying a pipe".into())?);
    // set once: a helper has one job
    let _ = LISTENER.set(listener);
    Ok(())
}

/// What libcontainer will do behind the steps of the probe, which is on the way of every run and must
/// not take longer. `upper` is a directory in which an overlay's upper layer is tried; what is made
/// there is removed.
pub fn further(root: &Path, upper: Option<&Path>) -> Result<()> {
    separate("namespaces", other_namespaces)?;
    separate("container-mounts", || container_mounts(root))?;
    if let Some(upper) = upper {
        separate("overlay-upper", || try_upper(upper))?;
    }
    separate("seccomp", load_filter)?;
    separate("pivot-root", || pivot(root))
}

/// Those that the container gets from libcontainer.
fn other_namespaces() -> Result<()> {
    let all = CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWCGROUP;
    unshare(all).doing(ErrorKind::Host, || "creating ipc, uts and cgroup namespaces".into())
}

/// The file systems of config.json that are neither proc nor tmpfs.
fn container_mounts(root: &Path) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    for (kind, options) in [("devpts", Some("newinstance,ptmxmode=0666,mode=0620")), ("mqueue", None)] {
        let at = root.join(kind);
        std::fs::create_dir(&at).doing(ErrorKind::Host, || "writing to an overlay".into())?;
        mount(Some(kind), &at, Some(kind), flags, options)
            .doing(ErrorKind::Host, || format!("mounting {kind}"))?;
    }
    Ok(())
}

/// Where it cannot be, the container's own layer goes to memory.
fn try_upper(dir: &Path) -> Result<()> {
    let doing = || format!("trying an upper layer in {}", dir.display());
    let scratch = dir.join(format!(".new-doctor-{}", std::process::id()));
    let lower = scratch.join("lower");
    std::fs::create_dir(&scratch).and_then(|()| std::fs::create_dir(&lower)).doing(ErrorKind::Host, doing)?;
    let merged = scratch.join("merged");
    let tried = overlay::mount_without_memory(&lower, &scratch);
    // no mount, no unmounting
    let _ = umount2(&merged, MntFlags::MNT_DETACH);
    let removed = std::fs::remove_dir_all(&scratch);
    tried.map_err(|error| error.context(doing()))?;
    removed.doing(ErrorKind::Host, || format!("removing {}", scratch.display()))
}

/// Loads a filter that allows everything into this process, which is about to end.
fn load_filter() -> Result<()> {
    const ALLOW: libc::sock_filter =
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
    let mut program = [ALLOW];
    let filter = libc::sock_fprog { len: 1, filter: program.as_mut_ptr() };
    // SAFETY: the program outlives the call, which copies it; it allows everything
    let loaded = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &filter) };
    nix::errno::Errno::result(loaded).map(drop).doing(ErrorKind::Host, || "loading a seccomp filter".into())
}

/// The last step: nothing outside `root` can be reached afterwards.
fn pivot(root: &Path) -> Result<()> {
    let doing = || format!("making {} the root", root.display());
    std::env::set_current_dir(root).doing(ErrorKind::Host, doing)?;
    // the old root below the new one at the same place (pivot_root(2), "pivot_root(".", ".")")
    nix::unistd::pivot_root(".", ".").doing(ErrorKind::Host, doing)?;
    umount2(".", MntFlags::MNT_DETACH).doing(ErrorKind::Host, || "letting go of the old root".into())
}
