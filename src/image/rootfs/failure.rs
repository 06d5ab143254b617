//! Turns what the kernel and the archive say into errors of this program.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use rustix::io::Errno;

use super::place::mount_point;
use crate::error::{Error, ErrorKind, Result};

/// The image is not what it may be.
pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Image, message)
}

/// The layer could not be read: damaged, truncated, malformed.
pub(super) fn reading(error: io::Error) -> Error {
    invalid(error.to_string())
}

/// The way out of a full file system; also what such an error is known by.
const ROOM: &str = "free space or inodes there, or name a directory elsewhere with --rootfs-cache";

/// Whether the file system had no room: another try would end the same way.
pub fn is_full(error: &Error) -> bool {
    error.hint_text() == Some(ROOM)
}

/// Says of an error for want of room where that is, and what has been needed so far; how much it
/// will be in all only the layers' ends tell.
pub(super) fn with_room(error: Error, dir: &Path, bytes: u64) -> Error {
    let Some(stat) = rustix::fs::statvfs(dir).ok().filter(|_| is_full(&error)) else { return error };
    let (mount, left) = (mount_point(dir), stat.f_bavail.saturating_mul(stat.f_frsize));
    let mount = mount.display();
    error.because(match lacks_inodes(dir) {
        true => format!("the file system {mount} has no free inodes left (`df -i`)"),
        false => format!(
            "the file system {mount} has {left} bytes left, and the rootfs needs more than the {bytes} that it \
             has come to"
        ),
    })
}

/// The cache could not be written or read.
pub(super) fn os(errno: Errno, doing: &str) -> Error {
    let error = Error::caused(ErrorKind::Image, doing, &errno);
    match errno {
        Errno::NOSPC | Errno::DQUOT => {
            Error::new(ErrorKind::Image, "the rootfs cache is full").context(doing).hint(ROOM)
        }
        Errno::ACCESS | Errno::ROFS => {
            error.hint("name a directory that this user can write with --rootfs-cache")
        }
        Errno::LOOP => error.hint("the image has symlinks that lead to themselves"),
        // as many as ext4 has (65,000), though no image needs them that is not made for that
        Errno::MLINK => error.hint(
            "the cache's file system allows fewer names of one file than the image has; name a directory on another one (xfs, btrfs, tmpfs) with --rootfs-cache",
        ),
        Errno::NOMEM => invalid("its names and attributes need too much memory").context(doing),
        _ => error,
    }
}

/// Whether no more files can be made there, however much room there is for their contents.
pub(in crate::image) fn lacks_inodes(dir: &Path) -> bool {
    // btrfs and others that make inodes as they are needed count none at all
    statvfs(dir).is_ok_and(|stat| stat.files() > 0 && stat.files_available() == 0)
}

/// Names the operation that a system call was for.
pub(super) trait Failed<T> {
    fn failed(self, doing: &str) -> Result<T>;
}

impl<T> Failed<T> for rustix::io::Result<T> {
    fn failed(self, doing: &str) -> Result<T> {
        self.map_err(|errno| os(errno, doing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_can_do_about_is_told() {
        for (errno, says, hint) in [
            (Errno::NOSPC, "full", "--rootfs-cache"),
            (Errno::DQUOT, "full", "--rootfs-cache"),
            (Errno::ROFS, "Read-only", "--rootfs-cache"),
            (Errno::MLINK, "Too many links", "another one"),
            (Errno::LOOP, "symbolic links", "symlinks"),
        ] {
            let error = os(errno, "making it");
            assert_eq!(error.kind(), ErrorKind::Image);
            assert!(
                error.to_string().starts_with("making it: ") && error.to_string().contains(says),
                "{error}"
            );
            assert!(error.hint_text().unwrap().contains(hint));
        }
        assert!(!lacks_inodes(Path::new("/proc")) && !lacks_inodes(Path::new("/nonexistent")));
    }
}
