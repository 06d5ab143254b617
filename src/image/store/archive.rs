//! Archives, of a layout or of `docker save`, unpacked into a staging layout inside the cache.
//!
//! One pass, since tools write `index.json` first or last as they like and a pipe is read once. Only
//! files that may belong to an image are taken; nothing in an archive chooses where it is written.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::FromStr;

use super::docker::{self, Link, Parts};
use super::input::{self, CHUNK};
use super::layout::{self, BLOBS, INDEX, LAYOUT, PARTIAL};
use super::space::{Demand, Making};
use super::{blob, lock, space};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::image::digest::{Digest, Hasher, Verified};
use crate::image::manifest::{self, DOCUMENT_LIMIT};
use crate::interrupt::Interrupt;

/// What the headers of one member may take; the parser reads extended headers into memory whole.
const HEADER_LIMIT: u64 = 1 << 20;
const STAGING: &str = "load-";
/// A file of a staging directory whose digest is not known yet.
const PART: &str = "part";

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
        layout::make_dir(&parent).making(&parent, doing)?;
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
        let _lock = make().map_err(|error| space::write_error(&parent, doing(), &error))?;
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

/// Unpacks the archive `source`, a file or a pipe, into a staging layout of `store`. Every blob in
/// it is verified.
pub(super) fn stage(store: &Path, source: File, interrupt: &Interrupt) -> Result<Staging> {
    let staging = Staging::create(store)?;
    let unpacked = unpack(&staging, source, interrupt);
    // whatever failed after a signal failed because of it
    unpacked.map_err(|error| interrupt.check().err().unwrap_or(error))?;
    Ok(staging)
}

fn unpack(staging: &Staging, source: File, interrupt: &Interrupt) -> Result<()> {
    let left = Rc::new(Cell::new(0));
    let reader = input::open(source, interrupt).doing(ErrorKind::Image, || "reading the archive".into())?;
    let archive = tar::Archive::new(Metered { inner: reader, left: left.clone() });
    let (seen, parts) = (HashSet::new(), Parts::default());
    let mut members = Members { dir: staging.path(), seen, parts, left, interrupt };
    let reader = members.unpack(archive)?;
    drain(reader, interrupt)?;
    match members.kind()? {
        Kind::Layout => Ok(()),
        Kind::Docker => docker::convert(staging.path(), &members.parts),
    }
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
    /// What a docker archive's images are made of.
    parts: Parts,
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
        let link = link(member, &wanted).map_err(|error| error.context(doing()))?;
        if !self.seen.insert(name.clone()) {
            return Err(Error::new(ErrorKind::Image, format!("{}: it is there twice", doing())));
        }
        let size = member.size();
        let taken = match (wanted, link) {
            (_, Some(link)) => self.parts.add_link(name.clone(), link),
            (Member::File(_), _) if size > DOCUMENT_LIMIT => {
                Err(Error::new(ErrorKind::Image, format!("it has more than {DOCUMENT_LIMIT} bytes")))
            }
            (Member::File(file), _) => self.write(member, &self.dir.join(file)),
            (Member::Blob(digest), _) => {
                self.blob(member, &digest).and_then(|()| self.parts.add_file(name.clone(), digest, size))
            }
            (Member::Part, _) => self.part(member, name.clone()),
        };
        taken.map_err(|error| error.context(doing()))
    }

    /// Writes what may be a docker image's, as a blob of whatever digest it has.
    fn part<R: Read>(&mut self, member: &mut tar::Entry<'_, R>, name: String) -> Result<()> {
        let size = member.size();
        space::require(&[Demand::new(self.dir, "this member", size)])?;
        docker::make_dir(self.dir)?;
        let path = self.dir.join(PART);
        let mut hashing = Hashing { inner: member, hasher: Hasher::Sha256(Default::default()), count: 0 };
        self.write(&mut hashing, &path)?;
        if hashing.count != size {
            return Err(Error::new(ErrorKind::Image, "it is truncated"));
        }
        let digest = docker::sha256(&hashing.hasher.hex())?;
        let to = blob::path(self.dir, &digest);
        // equal contents under several names are one blob
        fs::rename(&path, &to).doing(ErrorKind::Image, || format!("moving it to {}", to.display()))?;
        self.parts.add_file(name, digest, size)
    }

    /// Writes a blob and holds it against the digest that is its name.
    fn blob<R: Read>(&self, member: &mut tar::Entry<'_, R>, digest: &Digest) -> Result<()> {
        space::require(&[Demand::new(self.dir, "this member", member.size())])?;
        let path = blob::path(self.dir, digest);
        if let Some(parent) = path.parent() {
            layout::make_dir(parent).making(parent, || format!("creating {}", parent.display()))?;
        }
        let size = member.size();
        let mut verified =
            Verified::new(member, digest, Some(size)).doing(ErrorKind::Image, || "hashing".into())?;
        // by way of another name: a file that is no blob may have had the same contents
        let part = self.dir.join(PART);
        self.write(&mut verified, &part)?;
        fs::rename(&part, &path).doing(ErrorKind::Image, || format!("moving it to {}", path.display()))
    }

    /// Writes a new file; `create_new` also refuses to follow whatever may lie there.
    fn write(&self, from: &mut dyn Read, path: &Path) -> Result<()> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o644).open(path);
        let mut file = file.making(self.dir, || format!("creating {}", path.display()))?;
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

    /// What the archive is; docker writes both kinds into one, and then the layout says more.
    fn kind(&self) -> Result<Kind> {
        if self.seen.contains(LAYOUT) && self.seen.contains(INDEX) {
            return Ok(Kind::Layout);
        }
        if self.seen.contains(docker::MANIFEST) {
            return Ok(Kind::Docker);
        }
        let why = format!(
            "it holds no {LAYOUT} and {INDEX}, so it is not an OCI archive, and no {}, so it is not docker's",
            docker::MANIFEST
        );
        Err(Error::new(ErrorKind::Image, why).hint(
            "make one with `airshipctl image save`, `skopeo copy … oci-archive:FILE:NAME` or `docker save`",
        ))
    }
}

enum Kind {
    Layout,
    Docker,
}

/// Older docker archives have links in place of layers that are there already.
fn link<R: Read>(member: &tar::Entry<'_, R>, wanted: &Member) -> Result<Option<Link>> {
    let kind = member.header().entry_type();
    if kind.is_file() || kind.is_contiguous() {
        return Ok(None);
    }
    let target = member.link_name_bytes().and_then(|it| String::from_utf8(it.into_owned()).ok());
    match (wanted, target) {
        (Member::Part, Some(target)) if kind.is_symlink() => Ok(Some(Link::Symbolic(target))),
        (Member::Part, Some(target)) if kind.is_hard_link() => Ok(Some(Link::Hard(target))),
        _ => Err(Error::new(ErrorKind::Image, "it is not a regular file")),
    }
}

/// A reader that says afterwards what it delivered.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
    count: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.count += count as u64;
        Ok(count)
    }
}

/// The members that make a layout, or may make a docker image.
enum Member {
    File(&'static str),
    Blob(Digest),
    Part,
}

impl Member {
    fn by_name(name: &str) -> Option<Self> {
        match name {
            LAYOUT => Some(Self::File(LAYOUT)),
            INDEX => Some(Self::File(INDEX)),
            docker::MANIFEST => Some(Self::File(docker::MANIFEST)),
            _ if Parts::is_one(name) => Some(Self::Part),
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
