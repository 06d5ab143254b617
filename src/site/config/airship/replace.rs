//! A file replaced at once: whoever reads it finds the old bytes or the new ones, whenever the writer
//! is killed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Doing, ErrorKind, Result};
use crate::site::config::isogen;

/// Another writer may replace the file between our opening and our locking it, but not for ever.
const ATTEMPTS: usize = 10;

/// A file that no other writer of ours changes meanwhile.
pub(super) struct Replacing {
    file: File,
    /// Links resolved: what they lead to is replaced, not they.
    path: PathBuf,
}

impl Replacing {
    /// Locks the file with flock(2), where its file system can do that; `None` while another process
    /// has it.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let path = fs::canonicalize(path).doing(ErrorKind::Usage, || "opening it".into())?;
        for _ in 0..ATTEMPTS {
            let file = isogen::open(&path)?;
            if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
                return Ok(None);
            }
            let same =
                |now: fs::Metadata, ours: fs::Metadata| (now.dev(), now.ino()) == (ours.dev(), ours.ino());
            let is_current = fs::metadata(&path).and_then(|now| Ok(same(now, file.metadata()?)));
            if is_current.doing(ErrorKind::Usage, || "opening it".into())? {
                return Ok(Some(Self { file, path }));
            }
        }
        Ok(None)
    }

    /// All of it.
    pub(super) fn content(&self) -> Result<Vec<u8>> {
        isogen::content(&self.file)
    }

    /// Puts `bytes` in its place, with the same mode and owner. If that fails, it is as it was.
    pub(super) fn replace(self, bytes: &[u8]) -> Result<()> {
        let doing = || format!("writing {}", self.path.display());
        let temporary = self.temporary();
        // left by a writer that was killed; none is at work, we hold the lock
        let _ = fs::remove_file(&temporary);
        let done = self.write(&temporary, bytes).and_then(|()| fs::rename(&temporary, &self.path));
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done.doing(ErrorKind::Usage, doing)?;
        // the file is whole under its name either way; that the name lasts is worth trying
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        File::open(parent).and_then(|directory| directory.sync_all()).doing(ErrorKind::Usage, doing)
    }

    /// Beside the file, since rename(2) does not cross file systems.
    fn temporary(&self) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".airshipctl.tmp");
        self.path.with_file_name(name)
    }

    fn write(&self, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
        let before = self.file.metadata()?;
        // nobody else's until it has its owner and mode
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
        let ours = file.metadata()?;
        if (before.uid(), before.gid()) != (ours.uid(), ours.gid()) {
            std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        file.set_permissions(fs::Permissions::from_mode(before.mode() & 0o7777))?;
        file.write_all(bytes)?;
        file.sync_all()
    }
}
