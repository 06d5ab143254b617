//! Whether a volume can be used: found by trying, before anything is pulled.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Access, AtFlags, FlockOperation};
use rustix::io::Errno;

use super::directory::Directory;
use crate::error::{Error, ErrorKind, Result};

/// Whether the volume could be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    Held,
    /// Some network file systems cannot lock a directory.
    Unsupported,
}

/// How long a helper may take to clean up.
const CLEANING_UP: Duration = Duration::from_secs(2);

/// A file that a killed run may leave; the next one removes it.
const PROBE: &str = ".airshipctl-probe";

/// Opens the directory.
pub(super) fn open(host: &Path) -> Result<Directory> {
    if !host.is_absolute() {
        return Err(failed(host, "its path is relative").hint("name the volume by its absolute path"));
    }
    if host.to_str().is_none() {
        return Err(failed(host, "its path is not UTF-8").hint("name a directory with a UTF-8 path"));
    }
    Directory::open(host).map_err(|error| explained(host, &error))
}

/// Takes the lock, without waiting for a run that has it. Only for one that is ending: after its command
/// line was killed, the helper has the volume until it has cleaned up.
pub(super) fn lock(host: &Path, directory: &Directory) -> Result<Lock> {
    let until = Instant::now() + CLEANING_UP;
    let locked = loop {
        match directory.lock(FlockOperation::NonBlockingLockExclusive) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => break other,
        }
    };
    match locked {
        Ok(()) => Ok(Lock::Held),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(failed(host, "it is busy with another run")
                .hint("wait until the other run has ended, or give this one a volume of its own"))
        }
        Err(error) => {
            // flock(2): NFS wants the file open for writing, which a directory never is
            tracing::warn!("volume {} cannot be locked ({error}): run nothing else in it", host.display());
            Ok(Lock::Unsupported)
        }
    }
}

/// Writes and removes a file: what a mount, an ACL or a full disk says is known only by trying.
pub(super) fn try_writing(host: &Path, directory: &Directory) -> Result<()> {
    let written = directory.create(PROBE, b"probe").map(drop);
    let removed = directory.remove(Path::new(PROBE));
    written.and(removed).map_err(|error| explained(host, &error))
}

/// Asks whether the directory could be written, for the effective user.
pub(super) fn ask_writing(host: &Path, directory: &Directory) -> Result<()> {
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::accessat(directory.as_fd(), ".", wanted, AtFlags::EACCESS)
        .map_err(|errno| explained(host, &errno.into()))
}

/// An error about the volume as a whole.
pub(super) fn failed(host: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("opening volume {}: {what}", host.display()))
}

fn explained(host: &Path, error: &io::Error) -> Error {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    let (what, hint) = match errno {
        Some(Errno::NOENT) => {
            ("there is no such directory", format!("create it: mkdir -p {}", host.display()))
        }
        Some(Errno::NOTDIR) => ("it is not a directory", "name a directory as container.volume".to_owned()),
        Some(Errno::ACCESS | Errno::PERM) => (
            "it is not writable for this user",
            "give this user write access, or choose another volume".to_owned(),
        ),
        Some(Errno::ROFS) => {
            ("it is on a read-only file system", "remount it writable, or choose another volume".to_owned())
        }
        Some(Errno::NOSPC | Errno::DQUOT) => {
            ("its disk is full", "free space there, or choose another volume".to_owned())
        }
        _ => return failed(host, &error.to_string()).hint("choose another volume"),
    };
    failed(host, what).hint(hint)
}
