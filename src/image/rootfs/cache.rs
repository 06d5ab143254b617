//! Where rootfses are in the cache, and how one becomes visible: all at once or not at all.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::failure::{Failed, invalid};
use super::list::Condition;
use super::record::{Mapping, Record, VERSION};
use super::remove::{empty_directory, remove_tree};
use super::{Rootfs, check};
use crate::error::{Doing, Error, ErrorKind, Fault, Result};
use crate::image::digest::Digest;
use crate::image::layer::{Layer, chain_id};
use crate::interrupt::Interrupt;

const RECORD: &str = "record.json";
/// The tree inside of a rootfs's directory.
pub(super) const TREE: &str = "rootfs";
/// Longest record that is read; one of 1000 layers has 80 KiB.
const LONGEST_RECORD: u64 = 1 << 20;
/// How often a wait for another process looks again.
const PATIENCE: Duration = Duration::from_millis(50);

/// The place of one rootfs in one cache.
pub(super) struct Slot<'a> {
    cache: &'a Path,
    mapping: &'a Mapping,
    pub chain_id: Digest,
    pub diff_ids: Vec<Digest>,
}

impl<'a> Slot<'a> {
    /// Fails for an image without layers, which has no chain id.
    pub fn new(cache: &'a Path, mapping: &'a Mapping, layers: &[Layer]) -> Result<Self> {
        let chain_id = chain_id(layers).ok_or_else(|| invalid("the image has no layers"))?;
        let diff_ids = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        Ok(Self { cache, mapping, chain_id, diff_ids })
    }

    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.mapping, self.chain_id.algorithm(), self.chain_id.digest())
    }

    fn temporary_name(&self) -> String {
        format!("{}{}-{}", temporary_prefix(self.mapping), self.chain_id.algorithm(), self.chain_id.digest())
    }

    fn parent(&self) -> PathBuf {
        self.cache.join(TREE)
    }

    /// The complete rootfs, if it is there.
    pub fn find(&self) -> Result<Option<Rootfs>> {
        let path = self.parent().join(self.name());
        let directory = match rustix::fs::open(&path, directory_flags(), Mode::empty()) {
            Ok(directory) => directory,
            // EACCES: another user's, 0700
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => return Ok(None),
            Err(errno) => return Err(errno).failed(&format!("opening {}", path.display())),
        };
        match self.trusted_record(&directory) {
            Ok(record) => Ok(Some(Rootfs { path: path.join(TREE), record })),
            Err(reason) => {
                tracing::warn!("ignoring {}: {reason}", path.display());
                Ok(None)
            }
        }
    }

    /// What is there, for those who report it; [`Slot::find`] for those who run it.
    pub fn condition(&self) -> Result<Condition> {
        let path = self.parent().join(self.name());
        let directory = match rustix::fs::open(&path, directory_flags(), Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOENT) => return Ok(Condition::Absent),
            Err(Errno::ACCESS) => return Ok(Condition::Foreign),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Ok(Condition::Invalid("it is not a directory".to_owned()));
            }
            Err(errno) => return Err(errno).failed(&format!("opening {}", path.display())),
        };
        let owner = rustix::fs::fstat(&directory).failed("looking at it")?.st_uid;
        if owner != rustix::process::geteuid().as_raw() {
            return Ok(Condition::Foreign);
        }
        Ok(self
            .trusted_record(&directory)
            .map_or_else(|why| Condition::Invalid(why.to_string()), |_| Condition::Valid))
    }

    fn trusted_record(&self, directory: &OwnedFd) -> Result<Record> {
        let stat = rustix::fs::fstat(directory).failed("looking at it")?;
        // another user's tree, or one copied without its owners, would run as something else
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(invalid("it belongs to another user"));
        }
        // file systems without owners, as sticks have, give everything to the caller
        if stat.st_mode & 0o022 != 0 {
            return Err(invalid("other users may write it"));
        }
        rustix::fs::openat(directory, TREE, directory_flags(), Mode::empty()).failed("opening its tree")?;
        let record = read_record(directory)?;
        let same = record.version == VERSION
            && record.mapping == *self.mapping
            && record.chain_id == self.chain_id
            && record.diff_ids == self.diff_ids;
        match same {
            true => Ok(record),
            false => Err(invalid("its completion record is that of another rootfs or version")),
        }
    }

    /// Makes the temporary directory of this rootfs and locks it, after whoever holds it is done.
    /// `None` when that one finished or gave up: then look again.
    pub fn claim(&self, interrupt: Option<&Interrupt>) -> Result<Option<Workplace>> {
        let parent = self.parent();
        std::fs::create_dir_all(&parent)
            .doing(ErrorKind::Image, || format!("making {}", parent.display()))
            .map_err(|error| error.hint("name a directory that this user can write with --rootfs-cache"))?;
        let parent = rustix::fs::open(&parent, directory_flags() - OFlags::NOFOLLOW, Mode::empty())
            .failed(&format!("opening {}", parent.display()))?;
        let name = self.temporary_name();
        match rustix::fs::mkdirat(&parent, &name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno).failed(&format!("making {name}")),
        }
        let directory = match rustix::fs::openat(&parent, &name, directory_flags(), Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.failed(&format!("opening {name}"))?,
        };
        wait_for(&directory, interrupt)?;
        if !is_still(&parent, &name, &directory) {
            return Ok(None);
        }
        Ok(Some(Workplace { parent, directory, name, state: State::Working, flushing: Arc::default() }))
    }

    /// Puts the finished tree in its place: everything on disk, then the record, then the name.
    pub fn publish(&self, mut work: Workplace, record: &Record) -> Result<Rootfs> {
        rustix::fs::syncfs(&work.directory).failed("writing the tree to disk")?;
        write_record(&work.directory, record)?;
        rustix::fs::fsync(&work.directory).failed("writing the record to disk")?;
        let name = self.name();
        let renamed = match rustix::fs::renameat(&work.parent, &work.name, &work.parent, &name) {
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => self.displace(&work, &name),
            other => other.failed("making it visible"),
        };
        renamed?;
        work.state = State::Published;
        rustix::fs::fsync(&work.parent).failed("making it visible for good")?;
        let path = self.parent().join(name).join(TREE);
        Ok(Rootfs { path, record: record.clone() })
    }

    /// Replaces what has the name but is no rootfs: half of one, or one of another version.
    fn displace(&self, work: &Workplace, name: &str) -> Result<()> {
        let aside = format!("{}.old-{}", work.name, std::process::id());
        tracing::warn!("replacing {name}, which is not a valid rootfs");
        rustix::fs::renameat(&work.parent, name, &work.parent, &aside)
            .failed("setting the invalid one aside")?;
        rustix::fs::renameat(&work.parent, &work.name, &work.parent, name).failed("making it visible")?;
        // a sweep may be at it already; if this fails, the next one gets it
        if let Err(error) = sweep_one(&work.parent, &aside) {
            tracing::warn!("{error}");
        }
        Ok(())
    }
}

enum State {
    Working,
    Published,
}

/// The locked temporary directory of one rootfs; removed with all in it unless published.
pub(super) struct Workplace {
    parent: OwnedFd,
    /// Open file description with the lock; closing it gives the lock back.
    directory: OwnedFd,
    name: String,
    state: State,
    /// Whether what was written is on its way to disk already.
    flushing: Arc<AtomicBool>,
}

impl Workplace {
    /// An empty tree, after what a killed process left was removed.
    pub fn new_tree(&self) -> Result<OwnedFd> {
        let again = rustix::fs::openat(&self.directory, ".", directory_flags(), Mode::empty());
        again.and_then(empty_directory).failed("removing what an earlier attempt left")?;
        rustix::fs::mkdirat(&self.directory, TREE, Mode::RWXU).failed("making the tree")?;
        let tree = rustix::fs::openat(&self.directory, TREE, directory_flags(), Mode::empty())
            .failed("opening the tree")?;
        disinherit(&tree).failed("preparing the tree")?;
        Ok(tree)
    }
}

impl Workplace {
    /// Begins to write to disk what is there, in the background, so that less is left for the end.
    pub fn flush(&self) {
        // of its own: an open file description is told of a failed write only once, and that is for
        // `publish` to hear
        let again = rustix::fs::openat(&self.directory, ".", directory_flags(), Mode::empty());
        let Ok(directory) = again else { return };
        if self.flushing.swap(true, Ordering::SeqCst) {
            return;
        }
        let flushing = Arc::clone(&self.flushing);
        std::thread::spawn(move || {
            let _ = rustix::fs::syncfs(&directory);
            flushing.store(false, Ordering::SeqCst);
        });
    }
}

/// Takes back what the cache's directory may hand down: a setgid bit, its group, ACLs. All that is
/// made in the tree would have them.
fn disinherit(tree: &OwnedFd) -> rustix::io::Result<()> {
    for name in ["system.posix_acl_default", "system.posix_acl_access"] {
        match rustix::fs::fremovexattr(tree, name) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(errno) => return Err(errno),
        }
    }
    if rustix::fs::fstat(tree)?.st_gid != rustix::process::getegid().as_raw() {
        rustix::fs::fchown(tree, None, Some(rustix::process::getegid()))?;
    }
    rustix::fs::fchmod(tree, Mode::RWXU)
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if matches!(self.state, State::Published) {
            return;
        }
        // while the lock is held, so that nobody begins in a directory that is going away
        if let Err(errno) = remove_tree(self.parent.as_fd(), self.name.as_bytes()) {
            tracing::warn!("removing {}: {errno}", self.name);
        }
    }
}

/// Removes the temporary directories of this mapping that nobody holds; see [`super::sweep`].
pub(super) fn sweep(cache: &Path, mapping: &Mapping) -> Result<u64> {
    let path = cache.join(TREE);
    let parent = match rustix::fs::open(&path, directory_flags() - OFlags::NOFOLLOW, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(0),
        other => other.failed(&format!("opening {}", path.display()))?,
    };
    let (mut removed, mut faults) = (0, Vec::new());
    for name in names(&parent).failed(&format!("listing {}", path.display()))? {
        if !name.starts_with(&temporary_prefix(mapping)) {
            continue;
        }
        match sweep_one(&parent, &name) {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!("removed {name}, which an interrupted unpack had left");
                removed += 1;
            }
            // to the end all the same
            Err(error) => faults.push(Fault::new(None, error.to_string())),
        }
    }
    match faults.is_empty() {
        true => Ok(removed),
        false => Err(Error::faults(ErrorKind::Image, format!("sweeping {}", path.display()), faults)),
    }
}

pub(super) fn names(directory: &OwnedFd) -> rustix::io::Result<Vec<String>> {
    let name = |entry: rustix::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    Dir::read_from(directory)?.map(|entry| entry.map(name)).collect()
}

/// Whether [`sweep`] would find work, or directories that another process works on.
pub(super) fn has_leftovers(cache: &Path, mapping: &Mapping) -> bool {
    let prefix = temporary_prefix(mapping);
    let mut entries = std::fs::read_dir(cache.join(TREE)).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
}

pub(super) fn sweep_one(parent: &OwnedFd, name: &str) -> Result<bool> {
    let directory = match rustix::fs::openat(parent, name, directory_flags(), Mode::empty()) {
        Err(Errno::NOENT) => return Ok(false),
        // what was in a rootfs's place need not have been a directory; nobody works on it
        Err(Errno::NOTDIR | Errno::LOOP) => {
            let removed = remove_tree(parent.as_fd(), name.as_bytes());
            return removed.map(|()| true).failed(&format!("removing {name}"));
        }
        other => other.failed(&format!("opening {name}"))?,
    };
    match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(false),
        other => other.failed(&format!("locking {name}"))?,
    }
    if !is_still(parent, name, &directory) {
        return Ok(false);
    }
    remove_tree(parent.as_fd(), name.as_bytes()).failed(&format!("removing {name}"))?;
    Ok(true)
}

/// No mapping's name is the beginning of another's with a dash, so prefixes do not overlap.
fn temporary_prefix(mapping: &Mapping) -> String {
    format!(".tmp-{mapping}-")
}

pub(super) fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn wait_for(directory: &OwnedFd, interrupt: Option<&Interrupt>) -> Result<()> {
    let mut told = false;
    loop {
        match rustix::fs::flock(directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(errno) => {
                let failed = Err(errno).failed("locking the temporary directory");
                return failed.map_err(|error| error.hint("name a local directory with --rootfs-cache"));
            }
        }
        check(interrupt)?;
        if !std::mem::replace(&mut told, true) {
            tracing::info!("another process is unpacking the same image; waiting for it");
        }
        std::thread::sleep(PATIENCE);
    }
}

/// Whether the name still leads to the directory, that is, nobody renamed or removed it.
fn is_still(parent: &OwnedFd, name: &str, directory: &OwnedFd) -> bool {
    let identity = |stat: Stat| (stat.st_dev, stat.st_ino);
    let now = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map(identity);
    // the link count too: file systems may give a removed directory's number to its successor
    let held = rustix::fs::fstat(directory).ok().filter(|stat| stat.st_nlink > 0).map(identity);
    now.ok().is_some_and(|now| held == Some(now))
}

fn read_record(directory: &OwnedFd) -> Result<Record> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(directory, RECORD, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Err(invalid("it has no completion record")),
        other => std::fs::File::from(other.failed("opening its completion record")?),
    };
    let mut text = String::new();
    file.take(LONGEST_RECORD)
        .read_to_string(&mut text)
        .doing(ErrorKind::Image, || "reading its completion record".into())?;
    serde_json::from_str(&text).doing(ErrorKind::Image, || "reading its completion record".into())
}

fn write_record(directory: &OwnedFd, record: &Record) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, RECORD, flags, Mode::RUSR | Mode::WUSR)
        .failed("making the completion record")?;
    let text = serde_json::to_vec_pretty(record)
        .doing(ErrorKind::Internal, || "writing the completion record".into())?;
    let mut file = std::fs::File::from(file);
    let written = file.write_all(&text).and_then(|()| file.sync_all());
    written.map_err(|error| match error.raw_os_error() {
        Some(code) => super::failure::os(Errno::from_raw_os_error(code), "writing the completion record"),
        None => Error::caused(ErrorKind::Image, "writing the completion record", &error),
    })
}
