//! Locks between processes: `flock(2)`, which ends with the last copy of the file descriptor.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::space::Making;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

const USE: &str = "lock";
const INDEX: &str = ".index.lock";
/// How often a lock held by another process is asked for; `flock` itself cannot be interrupted.
const POLL: Duration = Duration::from_millis(50);

/// A lock on the cache as a whole; released when the last copy of its descriptor is closed, so
/// that a helper process that has inherited one keeps it.
#[derive(Debug)]
pub struct CacheLock(File);

impl AsFd for CacheLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Says that the cache is in use, so that nothing in it may be removed.
pub(super) fn shared(dir: &Path) -> Result<CacheLock> {
    let doing = || format!("locking cache {}", dir.display());
    let file = lock_file(&dir.join(USE)).or_else(|error| match error.kind() {
        // a read-only cache that was only ever copied to: nobody can remove anything from it
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => File::open(dir),
        _ => Err(error),
    });
    let file = file.making(dir, doing)?;
    file.lock_shared().doing(ErrorKind::Image, doing)?;
    Ok(CacheLock(file))
}

/// Says that something is being removed: nobody else may use the cache meanwhile. Does not wait,
/// as a run may take hours.
pub(super) fn exclusive(dir: &Path) -> Result<CacheLock> {
    let doing = || format!("locking cache {}", dir.display());
    let file = lock_file(&dir.join(USE)).making(dir, doing)?;
    match file.try_lock() {
        Ok(()) => Ok(CacheLock(file)),
        Err(TryLockError::WouldBlock) => {
            let why = format!("{}: it is in use by a run or another command", doing());
            Err(Error::new(ErrorKind::Image, why).hint("try again when that has ended"))
        }
        Err(TryLockError::Error(error)) => Err(error).doing(ErrorKind::Image, doing),
    }
}

/// Makes this process the only one that changes the layout's own files.
pub(super) fn index(dir: &Path) -> Result<CacheLock> {
    let doing = || format!("locking the index of cache {}", dir.display());
    let file = lock_file(&dir.join(INDEX)).making(dir, doing)?;
    // held for the moment of one small write only
    file.lock().doing(ErrorKind::Image, doing)?;
    Ok(CacheLock(file))
}

/// Waits for an exclusive lock on `file` until a signal arrives.
pub(super) fn wait(file: &File, path: &Path, interrupt: &Interrupt) -> Result<()> {
    loop {
        interrupt.check()?;
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
            Err(TryLockError::Error(error)) => {
                return Err(error).doing(ErrorKind::Image, || format!("locking {}", path.display()));
            }
        }
    }
}

/// Opened for writing where possible: over NFS an exclusive lock needs it.
fn lock_file(path: &Path) -> io::Result<File> {
    let open = |options: &mut OpenOptions| options.custom_flags(nix::libc::O_NOFOLLOW).open(path);
    open(OpenOptions::new().read(true).write(true).create(true).mode(0o600)).or_else(|error| {
        match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                open(OpenOptions::new().read(true)).map_err(|_| error)
            }
            _ => Err(error),
        }
    })
}
