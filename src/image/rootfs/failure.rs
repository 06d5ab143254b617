//! Turns what the kernel and the archive say into errors of this program.

use std::io;
use std::path::Path;

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
    let (left, inodes) = (stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_favail);
    let mount = mount_point(dir);
    error.because(format!(
        "the file system {} has {left} bytes left and {inodes} inodes, and the rootfs needs more than the {bytes} \
         bytes that it has come to",
        mount.display()
    ))
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
        Errno::NOMEM => invalid("its names and attributes need too much memory").context(doing),
        _ => error,
    }
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
