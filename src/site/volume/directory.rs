//! File operations relative to an open directory: nothing here follows a symbolic link or leaves
//! the directory, whatever a builder or another process puts in the way (openat2(2)).

use std::ffi::OsString;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// An open directory.
pub(super) struct Directory(OwnedFd);

impl Directory {
    /// Opens a directory of the host; links in `path` are the user's own and are followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::openat(CWD, path, flags, Mode::empty())?))
    }

    /// Opens `path` below this directory; `None` if it is not there.
    pub fn file(&self, path: &Path, flags: OFlags) -> io::Result<Option<OwnedFd>> {
        found(self.beneath(path, flags))
    }

    /// The directory `path` below this one; `None` if it is not there.
    pub fn child(&self, path: &Path) -> io::Result<Option<Self>> {
        Ok(found(self.beneath(path, OFlags::RDONLY | OFlags::DIRECTORY))?.map(Self))
    }

    fn beneath(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let mut flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if !flags.contains(OFlags::PATH) {
            // a named pipe left by a builder must not hang the run
            flags |= OFlags::NONBLOCK;
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        loop {
            match rustix::fs::openat2(&self.0, path, flags, Mode::empty(), resolve) {
                // a rename elsewhere made the kernel unsure about BENEATH: openat2(2), EAGAIN
                Err(Errno::AGAIN | Errno::INTR) => continue,
                opened => return opened,
            }
        }
    }

    /// What `path` below this directory is, a link being just a link; `None` if it is not there.
    pub fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        match self.file(path, OFlags::PATH)? {
            Some(file) => Ok(Some(rustix::fs::fstat(file)?)),
            None => Ok(None),
        }
    }

    /// What this directory itself is.
    pub fn own_stat(&self) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(&self.0)?)
    }

    /// At most `limit` bytes of the regular file `path`; `None` if it is not there.
    pub fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        if !self.stat(path)?.is_some_and(|stat| is_regular(&stat)) {
            return Ok(None); // opening a device can do things: look first
        }
        let Some(file) = self.file(path, OFlags::RDONLY)? else { return Ok(None) };
        let mut bytes = Vec::new();
        File::from(file).take(limit).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Makes and opens a directory that only its owner can enter.
    pub fn make(&self, name: &Path) -> io::Result<Self> {
        step()?;
        rustix::fs::mkdirat(&self.0, name, Mode::RWXU)?;
        self.child(name)?.ok_or_else(|| Errno::NOENT.into())
    }

    /// Writes a new file, mode 0600, in place of any that has this name.
    pub fn create(&self, name: &str, bytes: &[u8]) -> io::Result<File> {
        self.remove(Path::new(name))?;
        step()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?);
        step()?;
        file.write_all(bytes)?;
        Ok(file)
    }

    /// Writes a file so that at any time either the old or the new content is there, durably.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // a name of its own: two processes may recover the same run
        let temporary = format!("{name}.{:016x}.tmp", random());
        sync(self.create(&temporary, bytes)?)?;
        step()?;
        rustix::fs::renameat(&self.0, &temporary, &self.0, name)?;
        self.sync()
    }

    /// Removes what is no directory; that nothing is there is fine.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        step()?;
        let (parent, name) = match self.parent(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        found(rustix::fs::unlinkat(parent, name, AtFlags::empty())).map(drop)
    }

    /// Removes an empty directory; that nothing is there is fine.
    pub fn remove_directory(&self, name: &Path) -> io::Result<()> {
        step()?;
        found(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)).map(drop)
    }

    /// Renames `from` below this directory to `to` below another one, replacing what is no directory.
    pub fn rename(&self, from: &Path, other: &Self, to: &Path) -> io::Result<()> {
        step()?;
        let ((old_parent, old_name), (new_parent, new_name)) = (self.parent(from)?, other.parent(to)?);
        Ok(rustix::fs::renameat(old_parent, old_name, new_parent, new_name)?)
    }

    /// The directory that holds `path`, opened, and the last component.
    fn parent<'p>(&self, path: &'p Path) -> io::Result<(OwnedFd, &'p Path)> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        Ok((self.beneath(parent, OFlags::PATH | OFlags::DIRECTORY)?, Path::new(name)))
    }

    /// Calls `each` with every name in the directory until it answers `false`.
    pub fn names(&self, mut each: impl FnMut(OsString) -> io::Result<bool>) -> io::Result<()> {
        for entry in Dir::read_from(&self.0)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." && !each(OsString::from_vec(name))? {
                break;
            }
        }
        Ok(())
    }

    /// Makes the names in this directory durable.
    pub fn sync(&self) -> io::Result<()> {
        sync(&self.0)
    }

    /// Takes the exclusive lock on the directory, waiting for it if `operation` says so.
    pub fn lock(&self, operation: FlockOperation) -> io::Result<()> {
        Ok(rustix::io::retry_on_intr(|| rustix::fs::flock(&self.0, operation))?)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether it is a regular file.
pub(super) fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// Whether it is a directory.
pub(super) fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Makes a file's or directory's content durable.
pub(super) fn sync(fd: impl AsFd) -> io::Result<()> {
    match rustix::fs::fsync(fd) {
        // fsync(2): some network and FUSE file systems do not sync directories at all
        Err(Errno::INVAL) => Ok(()),
        result => Ok(result?),
    }
}

fn found<T>(result: rustix::io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(Errno::NOENT) => Ok(None),
        result => Ok(Some(result?)),
    }
}

/// The standard library seeds its hashers from the kernel's generator.
pub(super) fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// A point at which the process may die: each change of the disk passes one. Only tests stop here.
fn step() -> io::Result<()> {
    #[cfg(test)]
    crash::step()?;
    Ok(())
}

/// Lets a test stop the "process" before its n-th change of the disk.
#[cfg(test)]
pub(super) mod crash {
    use std::cell::Cell;
    use std::io;

    thread_local!(static LEFT: Cell<Option<u32>> = const { Cell::new(None) });

    /// Runs `act`, every change after the first `steps` ones failing. Says whether any did.
    pub fn after<T>(steps: u32, act: impl FnOnce() -> T) -> (T, bool) {
        LEFT.set(Some(steps + 1));
        let result = act();
        (result, LEFT.replace(None) == Some(0))
    }

    pub fn step() -> io::Result<()> {
        match LEFT.get() {
            None => return Ok(()),
            Some(left) => LEFT.set(Some(left.saturating_sub(1))),
        }
        if LEFT.get() == Some(0) { Err(io::Error::other("stopped by the test")) } else { Ok(()) }
    }
}
