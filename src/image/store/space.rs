//! Room on the file system of the cache.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::error::{Error, ErrorKind, Result};
use crate::image::rootfs::{lacks_inodes, mount_point};

const HINT: &str = "make room there, or name a cache elsewhere with --rootfs-cache or $AIRSHIP_ROOTFS_CACHE";

const INODES: &str = "remove files there (`df -i` counts them), or name a cache elsewhere with --rootfs-cache or $AIRSHIP_ROOTFS_CACHE";

const UNWRITABLE: &str = "name a cache that this user can write with --rootfs-cache, and this one with \
                          --additional-rootfs-cache";

/// Bytes that are about to be written below a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand<'a> {
    pub(super) dir: &'a Path,
    /// For people: `blobs`, `the archive` …
    pub(super) what: &'static str,
    /// So many at least.
    pub(super) sure: u64,
    /// So many by experience.
    pub(super) likely: u64,
    /// The way out.
    pub(super) hint: &'static str,
}

impl<'a> Demand<'a> {
    /// Of a known size, for the cache.
    pub(super) fn new(dir: &'a Path, what: &'static str, bytes: u64) -> Self {
        Self { dir, what, sure: bytes, likely: bytes, hint: HINT }
    }
}

/// Makes sure that every file system has room for what is demanded of it in all; a likely lack is a
/// warning. Fails with [`ErrorKind::Image`].
pub(super) fn require(demands: &[Demand<'_>]) -> Result<()> {
    for (number, first) in demands.iter().enumerate() {
        let same = |it: &&Demand<'_>| device(existing(it.dir)) == device(existing(first.dir));
        if demands[..number].iter().any(|it| same(&it)) {
            continue;
        }
        // a file system that cannot say is left to fail when it is full
        let Some(available) = available(existing(first.dir)) else { continue };
        let here: Vec<&Demand<'_>> = demands.iter().filter(same).collect();
        let sum = |bytes: fn(&Demand<'_>) -> u64| {
            here.iter().fold(0, |sum: u64, demand| sum.saturating_add(bytes(demand)))
        };
        let (sure, likely) = (sum(|it| it.sure), sum(|it| it.likely));
        let parts: Vec<String> = here.iter().map(|it| it.describe()).collect();
        if sure > available {
            let error = exhausted(first.dir, sure, available);
            return Err(error.because(parts.join(", ")).hint(first.hint));
        }
        if likely > available {
            let mount = mount_point(existing(first.dir));
            tracing::warn!(
                "the file system {} has {available} bytes left and {likely} may be needed: {}",
                mount.display(),
                parts.join(", ")
            );
        }
    }
    Ok(())
}

impl Demand<'_> {
    fn describe(&self) -> String {
        let dir = self.dir.display();
        match self.likely > self.sure {
            true => format!("{} in {dir} at least {}, likely {}", self.what, self.sure, self.likely),
            false => format!("{} in {dir} {}", self.what, self.sure),
        }
    }
}

/// The directory, or the one in which it will be made.
fn existing(dir: &Path) -> &Path {
    dir.ancestors().find(|dir| dir.exists()).unwrap_or(dir)
}

fn device(path: &Path) -> Option<u64> {
    path.metadata().map(|metadata| metadata.dev()).ok()
}

/// Whether an error means that the file system, or the user's share of it, is full.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The error for a write that found no room, with `needed` bytes still to come.
pub(super) fn full(dir: &Path, needed: u64, cause: &io::Error) -> Error {
    exhausted(dir, needed, available(dir).unwrap_or(0)).context(cause.to_string()).hint(HINT)
}

/// The error for a small write to `dir`, with the way out where there was no room or no right.
pub(super) fn write_error(dir: &Path, doing: String, cause: &io::Error) -> Error {
    let error = Error::caused(ErrorKind::Image, doing, cause);
    match cause.kind() {
        _ if is_exhausted(cause) && lacks_inodes(existing(dir)) => {
            error.because("no free inodes are left there").hint(INODES)
        }
        _ if is_exhausted(cause) => error.hint(HINT),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => error.hint(UNWRITABLE),
        _ => error,
    }
}

/// The same for what makes files and directories.
pub(super) trait Making<T> {
    fn making(self, dir: &Path, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Making<T> for io::Result<T> {
    fn making(self, dir: &Path, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| write_error(dir, doing(), &error))
    }
}

fn exhausted(dir: &Path, needed: u64, available: u64) -> Error {
    let mount = mount_point(existing(dir));
    let why = format!(
        "the file system {} of {} has {available} bytes left and at least {needed} more are needed",
        mount.display(),
        dir.display()
    );
    Error::new(ErrorKind::Image, why)
}

/// Bytes that this user may still write.
fn available(dir: &Path) -> Option<u64> {
    let stat = statvfs(dir).ok()?;
    // pseudo file systems count no blocks at all
    (stat.blocks() > 0).then(|| stat.blocks_available().saturating_mul(stat.fragment_size()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_is_names_the_file_system_and_both_figures() {
        let dir = tempfile::tempdir().unwrap();
        require(&[Demand::new(dir.path(), "blobs", 1)]).unwrap();
        let error = require(&[Demand::new(dir.path(), "blobs", u64::MAX)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Image);
        assert!(error.to_string().contains(&u64::MAX.to_string()), "{error}");
        assert!(error.to_string().contains(&mount_point(dir.path()).display().to_string()), "{error}");
        assert!(error.hint_text().unwrap().contains("--rootfs-cache"));
    }

    #[test]
    fn what_goes_to_one_file_system_is_added_up_and_what_is_only_likely_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let half = available(dir.path()).unwrap() / 2 + (1 << 30);
        let later = dir.path().join("not/there/yet");
        let (blobs, rootfs) = (Demand::new(dir.path(), "blobs", half), Demand::new(&later, "rootfs", half));
        require(&[blobs]).unwrap();
        require(&[blobs, Demand { sure: 0, ..rootfs }]).unwrap();
        let error = require(&[blobs, rootfs]).unwrap_err().to_string();
        assert!(error.contains("blobs in") && error.contains("rootfs in"), "{error}");
        // procfs has no blocks and so says nothing
        require(&[Demand::new(Path::new("/proc"), "blobs", u64::MAX)]).unwrap();
    }
}
