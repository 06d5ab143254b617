//! Room on the file system of the cache.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use crate::error::{Error, ErrorKind, Result};

const HINT: &str = "make room there, or name a cache elsewhere with --rootfs-cache or $AIRSHIP_ROOTFS_CACHE";

/// Makes sure that `needed` bytes can be written below `dir`.
pub(super) fn require(dir: &Path, needed: u64) -> Result<()> {
    // a file system that cannot say is left to fail when it is full
    let Some(available) = available(dir) else { return Ok(()) };
    match available >= needed {
        true => Ok(()),
        false => Err(exhausted(dir, needed, available)),
    }
}

/// Whether an error means that the file system, or the user's share of it, is full.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The error for a write that found no room, with `needed` bytes still to come.
pub(super) fn full(dir: &Path, needed: u64, cause: &io::Error) -> Error {
    exhausted(dir, needed, available(dir).unwrap_or(0)).context(cause.to_string())
}

/// The error for a small write, with the way out where there was no room.
pub(super) fn write_error(doing: String, cause: &io::Error) -> Error {
    let error = Error::caused(ErrorKind::Image, doing, cause);
    match is_exhausted(cause) {
        true => error.hint(HINT),
        false => error,
    }
}

fn exhausted(dir: &Path, needed: u64, available: u64) -> Error {
    let mount = mount_point(dir);
    let why = format!(
        "the file system {} of cache {} has {available} bytes left and {needed} more are needed",
        mount.display(),
        dir.display()
    );
    Error::new(ErrorKind::Image, why).hint(HINT)
}

/// Bytes that this user may still write.
fn available(dir: &Path) -> Option<u64> {
    let stat = statvfs(dir).ok()?;
    // pseudo file systems count no blocks at all
    (stat.blocks() > 0).then(|| stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// The uppermost directory on the same device.
fn mount_point(dir: &Path) -> PathBuf {
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    let own = device(dir);
    dir.ancestors().take_while(|path| device(path) == own).last().unwrap_or(dir).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_is_names_the_file_system_and_both_figures() {
        let dir = tempfile::tempdir().unwrap();
        require(dir.path(), 1).unwrap();
        let error = require(dir.path(), u64::MAX).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Image);
        assert!(error.to_string().contains(&u64::MAX.to_string()), "{error}");
        assert!(error.to_string().contains(&mount_point(dir.path()).display().to_string()), "{error}");
        assert!(error.hint_text().unwrap().contains("--rootfs-cache"));
    }
}
