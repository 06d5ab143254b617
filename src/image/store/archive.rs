//! OCI archives: an image layout as a tar file, unpacked into a staging layout inside the cache.
//!
//! One pass, since tools write `index.json` first or last as they like. Only files that belong to
//! a layout are taken, by exact name; nothing in an archive chooses where it is written.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::FromStr;

use super::layout::{self, BLOBS, INDEX, LAYOUT, PARTIAL};
use super::{blob, lock, space};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::image::digest::{Digest, Verified};
use crate::image::manifest::{self, DOCUMENT_LIMIT};
use crate::interrupt::Interrupt;

const CHUNK: usize = 128 << 10;
/// What the headers of one member may take; the parser reads extended headers into memory whole.
const HEADER_LIMIT: u64 = 1 << 20;
const STAGING: &str = "load-";

/// A layout being put together from an archive; removed when dropped. What a killed process
/// leaves is known by its missing lock and removed by the next one.
pub(super) struct Staging {
    dir: PathBuf,
    _lock: File,
}

impl Staging {
    fn create(store: &Path) -> Result<Self> {
        let doing = || format!("creating a staging directory in {}", store.display());
        // between making and locking nobody else may take the directory for a leftover
        let _index = lock::index(store)?;
        let parent = store.join(PARTIAL);
        layout::make_dir(&parent).doing(ErrorKind::Image, doing)?;
        remove_leftovers(&parent);
        let number = (0..).find(|n| !parent.join(format!("{STAGING}{n}")).exists()).unwrap_or(0);
        let dir = parent.join(format!("{STAGING}{number}"));
        let make = || -> io::Result<File> {
            fs::create_dir(&dir)?;
            fs::create_dir(dir.join(BLOBS))?;
            let lock = File::open(&dir)?;
            lock.lock()?;
            Ok(lock)
        };
        let _lock = make().doing(ErrorKind::Image, doing)?;
        Ok(Self { dir, _lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!("removing {}: {error}", self.dir.display());
        }
    }
}

fn remove_leftovers(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(STAGING));
        if ours && File::open(&path).is_ok_and(|dir| dir.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Unpacks the archive `source` into a staging layout of `store`. Every blob in it is verified.
pub(super) fn stage(store: &Path, source: &Path, interrupt: &Interrupt) -> Result<Staging> {
    let file = File::open(source).doing(ErrorKind::Usage, || "opening the archive".into())?;
    let staging = Staging::create(store)?;
    let left = Rc::new(Cell::new(0));
    let reader = decompress(file).doing(ErrorKind::Image, || "reading the archive".into())?;
    let archive = tar::Archive::new(Metered { inner: reader, left: left.clone() });
    let mut members = Members { dir: staging.path(), seen: HashSet::new(), left, interrupt };
    let reader = members.unpack(archive)?;
    drain(reader, interrupt)?;
    members.complain_unless_layout()?;
    Ok(staging)
}

/// Recognises gzip and zstd by their first bytes (RFC 1952, RFC 8878); names of archives say
/// little. Several gzip members in a row, as pigz and bgzip write them, are one stream.
fn decompress(mut file: File) -> io::Result<Box<dyn Read>> {
    let mut magic = [0; 4];
    let count = read_up_to(&mut file, &mut magic)?;
    file.rewind()?;
    let file = BufReader::with_capacity(CHUNK, file);
    Ok(match &magic[..count] {
        [0x1f, 0x8b, ..] => {
            Box::new(BufReader::with_capacity(CHUNK, flate2::bufread::MultiGzDecoder::new(file)))
        }
        [0x28, 0xb5, 0x2f, 0xfd] => {
            Box::new(BufReader::with_capacity(CHUNK, zstd::stream::read::Decoder::with_buffer(file)?))
        }
        _ => Box::new(file),
    })
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read(&mut buffer[count..])? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

/// A reader that delivers no more than it was last allowed to: headers are bounded by it, which
/// the parser's own code does not do.
struct Metered<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(buffer.len());
        if allowed == 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a member's headers are too long"));
        }
        let count = self.inner.read(&mut buffer[..allowed])?;
        self.left.set(self.left.get() - count as u64);
        Ok(count)
    }
}

struct Members<'a> {
    dir: &'a Path,
    seen: HashSet<String>,
    left: Rc<Cell<u64>>,
    interrupt: &'a Interrupt,
}

impl Members<'_> {
    fn unpack<R: Read>(&mut self, mut archive: tar::Archive<Metered<R>>) -> Result<R> {
        let reading = || "reading the archive".to_owned();
        self.left.set(HEADER_LIMIT);
        for member in archive.entries().doing(ErrorKind::Image, reading)? {
            let mut member = member.doing(ErrorKind::Image, reading)?;
            // its size is the unpacked one, which says nothing of the archive's bytes
            if member.header().entry_type().is_gnu_sparse() {
                return Err(Error::new(ErrorKind::Image, "reading the archive: it has a sparse member"));
            }
            self.left.set(member.size());
            self.take(&mut member)?;
            // what was not wanted is passed here, so that the next step reads headers only
            self.copy(&mut member, &mut io::sink()).doing(ErrorKind::Image, reading)?;
            self.left.set(HEADER_LIMIT);
        }
        Ok(archive.into_inner().inner)
    }

    /// Writes a member that belongs to a layout. A second one of the same name is an error: which
    /// of both counts would differ from tool to tool.
    fn take<R: Read>(&mut self, member: &mut tar::Entry<'_, R>) -> Result<()> {
        let path = member.path_bytes().into_owned();
        let Ok(name) = std::str::from_utf8(&path) else { return Ok(()) };
        let name = name.strip_prefix("./").unwrap_or(name).to_owned();
        let Some(wanted) = Member::by_name(&name) else { return Ok(()) };
        let doing = || format!("reading member {name:?}");
        let kind = member.header().entry_type();
        if !(kind.is_file() || kind.is_contiguous()) {
            return Err(Error::new(ErrorKind::Image, format!("{}: it is not a regular file", doing())));
        }
        if !self.seen.insert(name.clone()) {
            return Err(Error::new(ErrorKind::Image, format!("{}: it is there twice", doing())));
        }
        match wanted {
            Member::File(file) if member.size() > DOCUMENT_LIMIT => Err(Error::new(
                ErrorKind::Image,
                format!("{}: {file} has more than {DOCUMENT_LIMIT} bytes", doing()),
            )),
            Member::File(file) => self.write(member, &self.dir.join(file)).map_err(|e| e.context(doing())),
            Member::Blob(digest) => self.blob(member, &digest).map_err(|e| e.context(doing())),
        }
    }

    /// Writes a blob and holds it against the digest that is its name.
    fn blob<R: Read>(&self, member: &mut tar::Entry<'_, R>, digest: &Digest) -> Result<()> {
        space::require(self.dir, member.size())?;
        let path = blob::path(self.dir, digest);
        if let Some(parent) = path.parent() {
            layout::make_dir(parent).doing(ErrorKind::Image, || format!("creating {}", parent.display()))?;
        }
        let size = member.size();
        let mut verified =
            Verified::new(member, digest, Some(size)).doing(ErrorKind::Image, || "hashing".into())?;
        self.write(&mut verified, &path)
    }

    /// Writes a new file; `create_new` also refuses to follow whatever may lie there.
    fn write(&self, from: &mut dyn Read, path: &Path) -> Result<()> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o644).open(path);
        let mut file = file.doing(ErrorKind::Image, || format!("creating {}", path.display()))?;
        self.interrupt.check()?;
        self.copy(from, &mut file).map_err(|error| match space::is_exhausted(&error) {
            true => space::full(self.dir, self.left.get(), &error),
            false => self.interrupt.check().err().unwrap_or_else(|| {
                Error::caused(ErrorKind::Image, format!("copying to {}", path.display()), &error)
            }),
        })
    }

    fn copy(&self, from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            self.interrupt.check().map_err(io::Error::other)?;
            match from.read(&mut buffer)? {
                0 => return Ok(()),
                count => to.write_all(&buffer[..count])?,
            }
        }
    }

    /// Docker's older archives are the usual mistake.
    fn complain_unless_layout(&self) -> Result<()> {
        if self.seen.contains(LAYOUT) && self.seen.contains(INDEX) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Image,
            format!("it holds no {LAYOUT} and {INDEX}: it is not an OCI archive"),
        )
        .hint(
            "convert an archive of another kind first: skopeo copy docker-archive:FILE oci-archive:NEW:NAME",
        ))
    }
}

/// The members that make a layout.
enum Member {
    File(&'static str),
    Blob(Digest),
}

impl Member {
    fn by_name(name: &str) -> Option<Self> {
        match name {
            LAYOUT => Some(Self::File(LAYOUT)),
            INDEX => Some(Self::File(INDEX)),
            _ => {
                let (algorithm, hex) = name.strip_prefix(BLOBS)?.strip_prefix('/')?.split_once('/')?;
                let digest = Digest::from_str(&format!("{algorithm}:{hex}")).ok()?;
                manifest::check_digest(&digest).ok()?;
                Some(Self::Blob(digest))
            }
        }
    }
}

/// Reads on to the end, where a compressed stream has its checksum.
fn drain(mut reader: impl Read, interrupt: &Interrupt) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        interrupt.check()?;
        if reader.read(&mut buffer).doing(ErrorKind::Image, || "reading the end of the archive".into())? == 0
        {
            return Ok(());
        }
    }
}
