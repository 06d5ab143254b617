//! Removes a tree without following a symlink, however deep it is and whatever its modes.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

/// A directory on the way down: its name in its parent and its subdirectories still to be removed.
struct Level {
    name: CString,
    pending: Vec<CString>,
}

/// Removes `name`, whatever it is, with all below it. What is not there is no error.
pub(super) fn remove_tree(parent: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // Linux says EISDIR, POSIX EPERM
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    empty_directory(open_directory(parent, &name)?)?;
    rustix::fs::unlinkat(parent, &name, AtFlags::REMOVEDIR)
}

/// Removes all that is in `directory`. Holds one descriptor whatever the depth, as a layer may nest
/// directories deeper than a process may open files; the way up is `..`, which is safe where nobody
/// else renames directories: below a directory of mode 0700.
pub(super) fn empty_directory(mut directory: OwnedFd) -> Result<()> {
    let mut levels = vec![Level { name: CString::default(), pending: unlink_files(&directory)? }];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.pending.pop() {
            directory = open_directory(directory.as_fd(), &name)?;
            levels.push(Level { name, pending: unlink_files(&directory)? });
            continue;
        }
        // cannot be empty: `last_mut` just gave a level
        let Some(done) = levels.pop() else { break };
        if !levels.is_empty() {
            directory = rustix::fs::openat(&directory, "..", flags(), Mode::empty())?;
            rustix::fs::unlinkat(&directory, &done.name, AtFlags::REMOVEDIR)?;
        }
    }
    Ok(())
}

fn flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// Opens a subdirectory so that its entries can be listed and removed.
fn open_directory(parent: BorrowedFd<'_>, name: &CString) -> Result<OwnedFd> {
    let directory = match rustix::fs::openat(parent, name, flags(), Mode::empty()) {
        Err(Errno::ACCESS) => {
            // the last component is a directory, or opening had said ENOTDIR or ELOOP
            rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            rustix::fs::openat(parent, name, flags(), Mode::empty())?
        }
        other => other?,
    };
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&directory)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        // as root of a user namespace it may be another's, and removing works all the same
        let _ = rustix::fs::fchmod(&directory, Mode::RWXU);
    }
    Ok(directory)
}

/// Removes what is not a directory and returns the names of the directories.
fn unlink_files(directory: &OwnedFd) -> Result<Vec<CString>> {
    let mut subdirectories = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            subdirectories.push(name.to_owned());
            continue;
        }
        match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            // file systems that do not tell types in listings
            Err(Errno::ISDIR | Errno::PERM) => subdirectories.push(name.to_owned()),
            Err(error) => return Err(error),
        }
    }
    Ok(subdirectories)
}
