//! Blobs by digest: read small ones verified, write any so that it is seen only when whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;

use super::layout::{self, BLOBS, PARTIAL};
use super::space::Making;
use super::{lock, space};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::image::digest::{Digest, Hasher, Verified};
use crate::image::manifest;
use crate::interrupt::Interrupt;

const CHUNK: usize = 128 << 10;

/// Where the blob lies once it is whole. `digest` has been checked to be of a known algorithm,
/// whose values are hexadecimal, so that it cannot lead elsewhere.
pub(super) fn path(dir: &Path, digest: &Digest) -> PathBuf {
    dir.join(BLOBS).join(digest.algorithm().as_ref()).join(digest.digest())
}

/// Opens a regular file and nothing else: a cache from a stick or a share may hold links out of
/// it, or FIFOs that would never answer.
pub fn open_plain(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file")),
    }
}

/// The whole of a small file; one of more than `limit` bytes is an error.
pub(super) fn read_plain(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_plain(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {limit} bytes"))),
        false => Ok(bytes),
    }
}

/// A manifest, index or configuration of the layout in `dir`, verified.
pub(super) fn read(dir: &Path, digest: &Digest, size: Option<u64>) -> Result<Vec<u8>> {
    manifest::check_digest(digest)?;
    let path = path(dir, digest);
    let read = || -> io::Result<Vec<u8>> {
        let file = open_plain(&path)?;
        let mut bytes = Vec::new();
        // one byte more than may be, so that a file that grew is found too long, not cut
        let bounded = file.take(size.unwrap_or(manifest::DOCUMENT_LIMIT) + 1);
        Verified::new(bounded, digest, size)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().doing(ErrorKind::Image, || format!("reading blob {}", path.display()))
}

/// The size of a blob that is there; `None` for one that is not, or is no regular file.
pub(super) fn size(dir: &Path, digest: &Digest) -> Option<u64> {
    manifest::check_digest(digest).ok()?;
    let metadata = fs::symlink_metadata(path(dir, digest)).ok()?;
    metadata.is_file().then_some(metadata.len())
}

/// A blob that is wanted: there already, or to be written by this process alone.
pub enum Slot {
    Present,
    Absent(Box<Partial>),
}

/// A blob under way: a file named by its digest below `.partial`, locked while it is open. What
/// a killed process left in it is kept, re-hashed and continued: a name that said more than the
/// digest would leave orphans that nobody takes up again.
pub struct Partial {
    file: File,
    path: PathBuf,
    placed: PathBuf,
    dir: PathBuf,
    digest: Digest,
    size: u64,
    hasher: Hasher,
    written: u64,
}

/// What makes a blob that is there good enough not to be written again.
#[derive(Clone, Copy, Debug)]
pub enum Presence {
    /// For layers, which are large and verified when they are applied.
    BySize,
    /// For documents: a damaged one is replaced.
    ByDigest,
}

/// A blob by its descriptor, and how its presence is judged.
#[derive(Clone, Copy)]
pub(super) struct Need<'a> {
    pub(super) digest: &'a Digest,
    pub(super) size: u64,
    pub(super) presence: Presence,
}

impl Need<'_> {
    fn is_met(&self, dir: &Path) -> bool {
        match self.presence {
            Presence::BySize => size(dir, self.digest) == Some(self.size),
            Presence::ByDigest => read(dir, self.digest, Some(self.size)).is_ok(),
        }
    }
}

/// Takes the needed blob to be written, after any other process that is writing it.
pub(super) fn slot(dir: &Path, need: Need<'_>, interrupt: &Interrupt) -> Result<Slot> {
    let Need { digest, size, .. } = need;
    let unsupported =
        || Error::new(ErrorKind::Image, format!("storing blob {digest}: unknown digest algorithm"));
    let hasher = Hasher::new(digest.algorithm()).ok_or_else(unsupported)?;
    let name = format!("{}-{}", digest.algorithm(), digest.digest());
    let path = dir.join(PARTIAL).join(name);
    let Some(file) = lock_partial(dir, &path, need, interrupt)? else { return Ok(Slot::Present) };
    let (placed, dir, digest) = (self::path(dir, digest), dir.to_owned(), digest.clone());
    let mut partial = Partial { file, path, placed, dir, digest, size, hasher, written: 0 };
    partial.take_up(interrupt)?;
    Ok(Slot::Absent(Box::new(partial)))
}

/// The locked file, or `None` where the blob is there, perhaps because another process has
/// finished it meanwhile. It is judged under the lock, so that nobody replaces what another has
/// just put right.
fn lock_partial(dir: &Path, path: &Path, need: Need<'_>, interrupt: &Interrupt) -> Result<Option<File>> {
    loop {
        if need.is_met(dir) {
            return Ok(None);
        }
        let file = open_partial(dir, path).making(dir, || format!("opening {}", path.display()))?;
        lock::wait(&file, path, interrupt)?;
        // the one who held the lock may have renamed this very file to its final place
        if !is_still(&file, path) {
            continue;
        }
        if !need.is_met(dir) {
            return Ok(Some(file));
        }
        // finished between the two looks; this is the empty file made by the second
        fs::remove_file(path).doing(ErrorKind::Image, || format!("removing {}", path.display()))?;
    }
}

fn open_partial(dir: &Path, path: &Path) -> io::Result<File> {
    layout::make_dir(&dir.join(PARTIAL))?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path)
}

fn is_still(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

impl Partial {
    /// Where the bytes are until they are placed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the blob will be.
    pub fn placed(&self) -> &Path {
        &self.placed
    }

    /// How many bytes are written and hashed; the next ones belong at this offset.
    pub fn offset(&self) -> u64 {
        self.written
    }

    /// How many bytes the blob will have.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Hashes what an earlier process left.
    fn take_up(&mut self, interrupt: &Interrupt) -> Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            interrupt.check()?;
            let count = self.file.read(&mut buffer).doing(ErrorKind::Image, || self.doing("reading"))?;
            if count == 0 {
                return Ok(());
            }
            self.hasher.update(&buffer[..count]);
            self.written += count as u64;
            if self.written > self.size {
                return self.restart();
            }
        }
    }

    /// Writes the next bytes; more than the descriptor says are an error, and not written.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if self.written + bytes.len() as u64 > self.size {
            let why = format!(
                "storing blob {}: longer than its descriptor says ({} bytes)",
                self.digest, self.size
            );
            return Err(Error::new(ErrorKind::Image, why));
        }
        self.file.write_all(bytes).map_err(|error| self.write_error(&error))?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what is there.
    pub fn restart(&mut self) -> Result<()> {
        use std::io::Seek;
        let reset = self.file.set_len(0).and_then(|()| self.file.rewind());
        reset.doing(ErrorKind::Image, || self.doing("emptying"))?;
        self.hasher = fresh(&self.digest)?;
        self.written = 0;
        Ok(())
    }

    /// Makes the blob visible if size and digest are right. If not, what is there is of no use
    /// and thrown away; the partial can be filled anew.
    pub fn verify(&mut self) -> Result<Verdict> {
        if self.written < self.size {
            return Ok(Verdict::Short(self.size - self.written));
        }
        let got = self.hasher.clone().hex();
        if got == self.digest.digest() {
            return Ok(Verdict::Whole);
        }
        self.restart()?;
        Ok(Verdict::Wrong(format!("{}:{got}", self.digest.algorithm())))
    }

    /// Makes the blob visible, once it is on disk for good; fails unless it is whole.
    pub fn finish(mut self) -> Result<()> {
        let storing = format!("storing blob {}", self.digest);
        match self.verify()? {
            Verdict::Whole => publish(&self.file, &self.path, &self.dir, &self.digest),
            Verdict::Short(missing) => {
                Err(Error::new(ErrorKind::Image, format!("{storing}: truncated, {missing} bytes missing")))
            }
            Verdict::Wrong(got) => {
                Err(Error::new(ErrorKind::Image, format!("{storing}: its digest is {got}")))
            }
        }
    }

    /// Makes another file, verified and on the same file system, the blob.
    pub(super) fn replace_with(self, file: &File, path: &Path) -> Result<()> {
        publish(file, path, &self.dir, &self.digest)?;
        fs::remove_file(&self.path).doing(ErrorKind::Image, || self.doing("removing"))
    }

    fn doing(&self, gerund: &str) -> String {
        format!("{gerund} {}", self.path.display())
    }

    fn write_error(&self, error: &io::Error) -> Error {
        let storing = format!("storing blob {}", self.digest);
        match space::is_exhausted(error) {
            true => space::full(&self.dir, self.size - self.written, error).context(storing),
            false => Error::caused(ErrorKind::Image, storing, error),
        }
    }
}

/// Whether a partial has become the blob.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Whole,
    /// So many bytes are missing.
    Short(u64),
    /// All bytes were there, but this was their digest.
    Wrong(String),
}

fn fresh(digest: &Digest) -> Result<Hasher> {
    Hasher::new(digest.algorithm()).ok_or_else(|| {
        Error::new(ErrorKind::Image, format!("hashing for {digest}: unknown digest algorithm"))
    })
}

/// Moves a verified file to its place. Contents first, then the name, then the directory: no
/// loss of power leaves a name without its contents.
pub(super) fn publish(file: &File, from: &Path, dir: &Path, digest: &Digest) -> Result<()> {
    let to = path(dir, digest);
    let publish = || -> io::Result<()> {
        file.sync_all()?;
        let parent = dir.join(BLOBS).join(digest.algorithm().as_ref());
        layout::make_dir(&dir.join(BLOBS))?;
        layout::make_dir(&parent)?;
        layout::sync_dir(&dir.join(BLOBS))?;
        fs::rename(from, &to)?;
        layout::sync_dir(&parent)
    };
    publish().making(dir, || format!("storing blob {digest} in {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256_hex;
    use std::str::FromStr;

    fn of(bytes: &[u8]) -> Digest {
        Digest::from_str(&format!("sha256:{}", sha256_hex(bytes))).unwrap()
    }

    fn take(dir: &Path, digest: &Digest, size: u64) -> Result<Slot> {
        let need = Need { digest, size, presence: Presence::BySize };
        slot(dir, need, &Interrupt::manual().unwrap())
    }

    fn absent(dir: &Path, digest: &Digest, size: u64) -> Partial {
        match take(dir, digest, size).unwrap() {
            Slot::Absent(partial) => *partial,
            Slot::Present => panic!("{digest} is there"),
        }
    }

    #[test]
    fn a_blob_is_seen_when_it_is_whole_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let digest = of(b"abcdef");
        let mut partial = absent(dir.path(), &digest, 6);
        partial.append(b"abc").unwrap();
        drop(partial);
        assert_eq!(size(dir.path(), &digest), None);
        let mut partial = absent(dir.path(), &digest, 6);
        assert_eq!(partial.offset(), 3);
        partial.append(b"def").unwrap();
        partial.finish().unwrap();
        assert_eq!(read(dir.path(), &digest, Some(6)).unwrap(), b"abcdef");
        assert!(matches!(take(dir.path(), &digest, 6).unwrap(), Slot::Present));
        assert_eq!(fs::read_dir(dir.path().join(PARTIAL)).unwrap().count(), 0);
    }

    #[test]
    fn wrong_bytes_do_not_become_a_blob() {
        let dir = tempfile::tempdir().unwrap();
        let digest = of(b"abc");
        let mut partial = absent(dir.path(), &digest, 3);
        assert!(partial.append(b"abcd").unwrap_err().to_string().contains("longer"));
        partial.append(b"ab").unwrap();
        assert_eq!(partial.verify().unwrap(), Verdict::Short(1));
        partial.append(b"d").unwrap();
        assert_eq!(partial.verify().unwrap(), Verdict::Wrong(of(b"abd").to_string()));
        assert_eq!(partial.offset(), 0);
        assert!(partial.finish().unwrap_err().to_string().contains("truncated"));
        assert_eq!(size(dir.path(), &digest), None);
    }

    #[test]
    fn a_full_file_system_is_named_with_what_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let mut partial = absent(dir.path(), &of(b"abc"), 3);
        partial.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = partial.append(b"abc").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Image);
        assert!(error.to_string().contains("3 more are needed"), "{error}");
        assert!(error.to_string().contains("No space left"), "{error}");
        assert!(error.hint_text().is_some());
    }

    #[test]
    fn a_digest_of_an_unknown_algorithm_never_becomes_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let digest = Digest::from_str("md5:0123").unwrap();
        assert!(take(dir.path(), &digest, 1).is_err());
        assert!(read(dir.path(), &digest, None).is_err());
        assert_eq!(size(dir.path(), &digest), None);
    }
}
