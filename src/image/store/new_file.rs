//! A file that has its name only when it is whole.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use super::{layout, space};
use crate::error::{Doing, Error, ErrorKind, Result};

/// A file on its way (0600). It has no name at all where the file system can do that (`O_TMPFILE`), so
/// that a killed process leaves nothing; elsewhere a temporary one, which is locked while it is
/// written to, and removed when dropped, or by the next one for the same path.
pub(super) struct NewFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    named: Named,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Not,
    Temporarily,
}

impl NewFile {
    /// Fails with [`ErrorKind::Usage`] for a path that cannot be a file, or is in the `cache`.
    pub(super) fn create(path: &Path, cache: &Path) -> Result<Self> {
        let doing = || format!("creating {}", path.display());
        let refuse = |why: &str, hint: &str| {
            Err(Error::new(ErrorKind::Usage, format!("{}: {why}", doing())).hint(hint))
        };
        // what a symlink leads to is replaced, not the link
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.is_file() => {
                return refuse("it is there and is no regular file", "give - to write to standard output");
            }
            _ => {}
        }
        let Some(name) = path.file_name() else {
            return refuse("it is not the name of a file", "give the name of the archive");
        };
        let parent = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let parent = fs::canonicalize(parent).doing(ErrorKind::Usage, doing)?;
        if parent.starts_with(cache) {
            return refuse("it would be in the rootfs cache", "name a file elsewhere");
        }
        remove_leftovers(&parent, name);
        let temporary = parent.join(temporary_name(name));
        let (file, named) = open(&parent, &temporary).doing(ErrorKind::Usage, doing)?;
        Ok(Self { file, temporary, path: parent.join(name), named })
    }

    pub(super) fn contents(&mut self) -> &mut dyn Write {
        &mut self.file
    }

    pub(super) fn parent(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    pub(super) fn failed(&self, error: Error) -> Error {
        error.context(format!("writing {}", self.path.display()))
    }

    /// Makes it visible in place of what had the name.
    pub(super) fn publish(mut self) -> Result<()> {
        let publish = |new: &mut Self| -> io::Result<()> {
            new.file.sync_all()?;
            if new.named == Named::Not {
                // linkat cannot replace, rename can
                let nameless = format!("/proc/self/fd/{}", new.file.as_raw_fd());
                rustix::fs::linkat(CWD, nameless, CWD, &new.temporary, AtFlags::SYMLINK_FOLLOW)?;
                new.named = Named::Temporarily;
            }
            fs::rename(&new.temporary, &new.path)?;
            layout::sync_dir(new.parent())
        };
        let (dir, doing) = (self.parent().to_owned(), format!("writing {}", self.path.display()));
        publish(&mut self).map_err(|error| space::write_error(&dir, doing, &error))
    }
}

fn open(parent: &Path, temporary: &Path) -> io::Result<(File, Named)> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    // without /proc it would never get its name
    let nameless = match Path::new("/proc/self/fd").exists() {
        true => rustix::fs::open(parent, flags, Mode::RUSR | Mode::WUSR).ok().map(File::from),
        false => None,
    };
    let (file, named) = match nameless {
        Some(file) => (file, Named::Not),
        None => {
            let mut options = OpenOptions::new();
            (options.write(true).create_new(true).mode(0o600).open(temporary)?, Named::Temporarily)
        }
    };
    // says that somebody works on it; a file system without locks has no leftovers removed
    let _ = rustix::fs::flock(file.as_fd(), rustix::fs::FlockOperation::NonBlockingLockExclusive);
    Ok((file, named))
}

fn temporary_name(name: &OsStr) -> OsString {
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    temporary
}

/// Removes what killed processes left of earlier files for the same name.
fn remove_leftovers(parent: &Path, name: &OsStr) {
    let (Some(name), Ok(entries)) = (name.to_str(), fs::read_dir(parent)) else { return };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_leftover = |found: &str| {
        let rest = found.strip_prefix('.').and_then(|it| it.strip_prefix(name));
        let number = rest.and_then(|it| it.strip_prefix('.')?.strip_suffix(".tmp"));
        number.is_some_and(is_number)
    };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_leftover)) {
        let path = entry.path();
        let mut options = OpenOptions::new();
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let file = options.read(true).custom_flags(flags).open(&path);
        let is_free = |file: &File| file.metadata().is_ok_and(|it| it.is_file()) && file.try_lock().is_ok();
        if file.is_ok_and(|file| is_free(&file)) && fs::remove_file(&path).is_ok() {
            tracing::info!("removed {}, which an interrupted save had left", path.display());
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.named == Named::Temporarily {
            // published, it is not there under this name
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
