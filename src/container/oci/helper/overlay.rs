//! The container's root: an overlay on top of the cached rootfs, so that no run writes into the cache.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::mount::{MsFlags, mount};

use crate::error::{Doing, ErrorKind, Result};

/// Mounts `lower` and a fresh upper directory below `run_dir` as one tree, and returns where.
/// Where the file system of `run_dir` cannot be an upper layer (an overlay itself, NFS), the upper
/// layer lies in memory.
pub fn mount_root(lower: &Path, run_dir: &Path) -> Result<PathBuf> {
    mount_over(&[lower], run_dir)
}

/// The same over several trees, the uppermost first.
pub fn mount_over(lowers: &[&Path], run_dir: &Path) -> Result<PathBuf> {
    let (merged, layers) = make_dirs(run_dir)?;
    if let Err(error) = mount_layers(lowers, &layers, &merged) {
        tracing::debug!("{error}; the container's root goes to memory");
        mount(Some("tmpfs"), &layers, Some("tmpfs"), MsFlags::MS_NODEV, Some("mode=0700"))
            .doing(ErrorKind::Host, || "mounting a tmpfs for the container's root".into())?;
        mount_layers(lowers, &layers, &merged)?;
    }
    Ok(merged)
}

/// The same, where the upper layer is to be below `run_dir` or nowhere.
pub fn mount_without_memory(lower: &Path, run_dir: &Path) -> Result<()> {
    let (merged, layers) = make_dirs(run_dir)?;
    mount_layers(&[lower], &layers, &merged)
}

fn make_dirs(run_dir: &Path) -> Result<(PathBuf, PathBuf)> {
    let (merged, layers) = (run_dir.join("merged"), run_dir.join("overlay"));
    make_dir(&merged)?;
    make_dir(&layers)?;
    Ok((merged, layers))
}

fn mount_layers(lowers: &[&Path], layers: &Path, merged: &Path) -> Result<()> {
    let (upper, work) = (layers.join("upper"), layers.join("work"));
    make_dir(&upper)?;
    make_dir(&work)?;
    if let Some(uppermost) = lowers.first() {
        copy_mode(uppermost, &upper)?;
    }
    let (upper_fd, work_fd) = (open(&upper)?, open(&work)?);
    let lower_fds = lowers.iter().map(|lower| open(lower)).collect::<Result<Vec<_>>>()?;
    let lower_paths: Vec<_> =
        lower_fds.iter().map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd())).collect();
    // paths through /proc, because a `:` or `,` in a real one would end the option
    let options = format!(
        "lowerdir={},upperdir=/proc/self/fd/{},workdir=/proc/self/fd/{},volatile{}",
        lower_paths.join(":"),
        upper_fd.as_raw_fd(),
        work_fd.as_raw_fd(),
        if in_user_namespace() { ",userxattr" } else { "" },
    );
    mount(Some("overlay"), merged, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .doing(ErrorKind::Host, || format!("mounting an overlay on {}", merged.display()))
}

/// The mode of the upper directory becomes that of the container's `/`.
fn copy_mode(lower: &Path, upper: &Path) -> Result<()> {
    std::fs::metadata(lower)
        .and_then(|found| std::fs::set_permissions(upper, found.permissions()))
        .doing(ErrorKind::Host, || format!("setting the mode of {}", upper.display()))
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open(path)
        .doing(ErrorKind::Host, || format!("opening {}", path.display()))
}

fn make_dir(path: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.doing(ErrorKind::Host, || format!("creating {}", path.display())),
    }
}

/// Whether this process is in a user namespace that does not map every id.
pub fn in_user_namespace() -> bool {
    !std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.contains("4294967295"))
}
