//! Turns what the kernel and the archive say into errors of this program.

use std::io;

use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result};

/// The image is not what it may be.
pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Image, message)
}

/// The layer could not be read: damaged, truncated, malformed.
pub(super) fn reading(error: io::Error) -> Error {
    invalid(error.to_string())
}

/// The cache could not be written or read.
pub(super) fn os(errno: Errno, doing: &str) -> Error {
    let error = Error::caused(ErrorKind::Image, doing, &errno);
    match errno {
        Errno::NOSPC | Errno::DQUOT => Error::new(ErrorKind::Image, "the rootfs cache is full")
            .context(doing)
            .hint("free space or inodes there, or name a directory elsewhere with --rootfs-cache"),
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
