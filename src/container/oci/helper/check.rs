//! The steps from a fresh process to a container, each with the name by which errors and
//! `airshipctl doctor` call it.
//!
//! A run takes them and stops at the first that fails. For `doctor` the helper takes the very same,
//! says of each what came of it, and goes on behind those that others do not build on.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::{Channels, overlay};
use crate::container::oci::protocol::{Up, send};
use crate::container::record;
use crate::error::{Doing, ErrorKind, Result};

/// Who wants to know of each step; only in a helper of `doctor`. Forked processes have it too.
static LISTENER: OnceLock<Listener> = OnceLock::new();

struct Listener {
    up: File,
    /// A directory in which an overlay's upper layer is tried.
    upper: Option<PathBuf>,
}

/// From now on, the outcome of every step goes up.
pub fn listen(channels: &Channels, upper: Option<&Path>) -> Result<()> {
    let up = channels.up.as_fd().try_clone_to_owned();
    let up = File::from(up.doing(ErrorKind::Internal, || "copying a pipe".into())?);
    // set once: a helper has one job
    let _ = LISTENER.set(Listener { up, upper: upper.map(Path::to_owned) });
    Ok(())
}

/// Takes a step on which the next ones build.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let result = work().map_err(|error| error.of_check(name));
    if let Some(listener) = LISTENER.get() {
        let (name, error) = (name.to_owned(), result.as_ref().err().cloned());
        // the command line may be gone, and then nobody wants to know
        let _ = send(&listener.up, &Up::Checked { name, error });
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

/// Tries what a run does without where it must, for `doctor` alone.
pub fn dispensable(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    match LISTENER.get() {
        Some(_) => separate(name, work),
        None => Ok(()),
    }
}

/// More that the container will want of its root, or can do without. Too dear for a probe, which is on
/// the way of every run.
pub fn further(root: &Path) -> Result<()> {
    let Some(listener) = LISTENER.get() else { return Ok(()) };
    separate("container-mounts", || container_mounts(root))?;
    match &listener.upper {
        Some(upper) => separate("overlay-upper", || try_upper(upper)),
        None => Ok(()),
    }
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
    let scratch = dir.join(format!("{}{}", record::TRIAL, std::process::id()));
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
