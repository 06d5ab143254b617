//! Applies the entries of one layer after another to a tree (image-spec, layer.md, "Applying
//! Changesets"); what the specification leaves open follows the engines, or refuses.

use std::io::{self, BufRead};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::archive::{Archive, Content, Entry, Kind};
use super::attributes::{Attributes, Policy};
use super::failure::{Failed, invalid, os, reading};
use super::name::{Meaning, Name, shown};
use super::record::{Ownership, Skipped};
use super::tree::{Missing, Place, Tree, kind_of};
use crate::error::{Error, Result};

/// What an image may ask for; beyond it is an attack, or needs another program.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub entries: u64,
    /// Bytes of each layer, uncompressed, and of the files of all layers together.
    pub bytes: u64,
    /// Bytes of memory for names and attributes.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 10_000_000, bytes: 1 << 40, memory: 256 << 20 }
    }
}

/// An image being unpacked.
pub(super) struct Unpacker {
    tree: Tree,
    policy: Policy,
    limits: Limits,
    pub entries: u64,
    pub bytes: u64,
    layers: usize,
}

impl Unpacker {
    /// `root` is an empty directory of mode 0700 that nobody else can reach.
    pub fn new(root: OwnedFd, ownership: Ownership, limits: Limits) -> Self {
        let tree = Tree::new(root, limits.memory);
        Self { tree, policy: Policy::new(ownership), limits, entries: 0, bytes: 0, layers: 0 }
    }

    pub fn skipped(&self) -> &Skipped {
        &self.policy.skipped
    }

    /// Applies one more layer and reads its archive to the last byte.
    pub fn layer(&mut self, reader: impl BufRead) -> Result<()> {
        if self.layers > 0 {
            self.tree.begin_upper_layer();
        }
        self.layers += 1;
        let mut archive = Archive::new(reader, self.limits.bytes);
        loop {
            match archive.next() {
                Ok(Some(entry)) => self.entry(entry, &mut archive)?,
                Ok(None) => break,
                Err(error) => return Err(explained(error, &mut archive)),
            }
        }
        archive.drain().map_err(reading)
    }

    fn entry(&mut self, entry: Entry, archive: &mut Archive<impl BufRead>) -> Result<()> {
        self.entries += 1;
        let raw = entry.name.clone();
        let applied = match self.entries > self.limits.entries {
            true => Err(invalid(format!("the image has more than {} entries", self.limits.entries))),
            false => self.apply(entry, archive),
        };
        applied.map_err(|error| error.context(format!("entry {}", shown(&raw))))
    }

    fn apply(&mut self, entry: Entry, archive: &mut Archive<impl BufRead>) -> Result<()> {
        let name = Name::new(&entry.name).map_err(|bad| invalid(bad.to_string()))?;
        if name.is_root() {
            return self.root(entry);
        }
        match name.meaning().map_err(|bad| invalid(bad.to_string()))? {
            Meaning::Nothing => Ok(()),
            Meaning::Whiteout(hidden) => self.whiteout(name.parent(), Some(hidden)),
            Meaning::Opaque => self.whiteout(name.parent(), None),
            Meaning::Entry => {
                let missing = Missing::Make(entry.mtime);
                let at = self.tree.directory(name.parent(), missing).failed("opening its directory")?;
                self.create(&at, name.leaf(), entry, archive)
            }
        }
    }

    fn root(&mut self, mut entry: Entry) -> Result<()> {
        match entry.kind {
            Kind::Directory => self.tree.set_root(Attributes::of(&mut entry)).failed("noting it"),
            _ => Err(invalid("the root of the image is not a directory")),
        }
    }

    fn whiteout(&mut self, parent: &[u8], hidden: Option<&[u8]>) -> Result<()> {
        if !self.tree.has_lower_layers() {
            return Ok(());
        }
        let at = match self.tree.directory(parent, Missing::Fail) {
            // nothing there to hide
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => other.failed("opening its directory")?,
        };
        let removed = match hidden {
            Some(hidden) => self.tree.hide(&at, hidden),
            None => self.tree.hide_below(at.path.clone()),
        };
        removed.failed("removing what it hides")
    }

    fn create(
        &mut self,
        at: &Place,
        name: &[u8],
        mut entry: Entry,
        archive: &mut Archive<impl BufRead>,
    ) -> Result<()> {
        let attributes = Attributes::of(&mut entry);
        match entry.kind {
            Kind::Directory => self.directory(at, name, attributes),
            Kind::File(content) => self.file(at, name, &attributes, &content, archive),
            Kind::Symlink(target) => self.symlink(at, name, &attributes, &target),
            Kind::HardLink(source) => self.hard_link(at, name, &source),
            Kind::Fifo => self.special(at, name, &attributes, FileType::Fifo, (0, 0)),
            Kind::CharDevice { major, minor } => {
                self.special(at, name, &attributes, FileType::CharacterDevice, (major, minor))
            }
            Kind::BlockDevice { major, minor } => {
                self.special(at, name, &attributes, FileType::BlockDevice, (major, minor))
            }
        }
    }

    fn directory(&mut self, at: &Place, name: &[u8], attributes: Attributes) -> Result<()> {
        self.tree.make_directory(at, name, attributes).failed("making the directory")
    }

    fn file(
        &mut self,
        at: &Place,
        name: &[u8],
        attributes: &Attributes,
        content: &Content,
        archive: &mut Archive<impl BufRead>,
    ) -> Result<()> {
        self.bytes = self.bytes.saturating_add(content.size);
        if self.bytes > self.limits.bytes {
            return Err(invalid(format!("the image's files have more than {} bytes", self.limits.bytes)));
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = self.policy.first_mode(attributes);
        let open = || rustix::fs::openat(&at.fd, name, flags, mode);
        let file = self.tree.make(at, name, open).failed("making the file")?;
        write(&file, content, archive)?;
        self.policy
            .apply_to_file(file.as_fd(), attributes)
            .map_err(|errno| attributes_failed(errno, attributes))
    }

    fn symlink(&mut self, at: &Place, name: &[u8], attributes: &Attributes, target: &[u8]) -> Result<()> {
        if target.is_empty() || target.contains(&0) {
            return Err(invalid("a symlink without a usable target"));
        }
        let make = || rustix::fs::symlinkat(target, &at.fd, name);
        self.tree.make(at, name, make).failed("making the symlink")?;
        self.policy
            .apply_to_symlink(at.fd.as_fd(), name, attributes)
            .map_err(|errno| attributes_failed(errno, attributes))
    }

    /// The link's own attributes are not applied: they are those of the file, or a lower layer's
    /// file would change under its other names.
    fn hard_link(&mut self, at: &Place, name: &[u8], source: &[u8]) -> Result<()> {
        let to = || format!("linking to {}", shown(source));
        let from = Name::new(source).map_err(|bad| invalid(bad.to_string()).context(to()))?;
        if from.is_root() {
            return Err(invalid("the root cannot be linked to").context(to()));
        }
        let source_at = self.tree.directory(from.parent(), Missing::Fail).failed(&to())?;
        if is_same(&source_at, from.leaf(), at, name) {
            return Ok(());
        }
        // flags 0: a link to a symlink is a second name of the symlink
        let make = || rustix::fs::linkat(&source_at.fd, from.leaf(), &at.fd, name, AtFlags::empty());
        match self.tree.make(at, name, make) {
            // the directory may have been inside what the link replaced
            Err(Errno::NOENT) if kind_of(&source_at, from.leaf()).is_err() => {
                Err(invalid("the file to be linked to is not there").context(to()))
            }
            Err(Errno::PERM) if kind_of(&source_at, from.leaf()) == Ok(FileType::Directory) => {
                Err(invalid("a directory cannot be linked to").context(to()))
            }
            other => other.failed(&to()),
        }
    }

    fn special(
        &mut self,
        at: &Place,
        name: &[u8],
        attributes: &Attributes,
        kind: FileType,
        number: (u64, u64),
    ) -> Result<()> {
        let Some(device) = self.device(kind, number)? else {
            return self.skip_device(at, name);
        };
        let make = || rustix::fs::mknodat(&at.fd, name, kind, Mode::RUSR | Mode::WUSR, device);
        match self.tree.make(at, name, make) {
            Err(Errno::PERM) if kind != FileType::Fifo => return self.skip_device(at, name),
            other => other.failed("making the special file")?,
        }
        self.policy
            .apply_to_special(at.fd.as_fd(), name, attributes)
            .map_err(|errno| attributes_failed(errno, attributes))
    }

    /// The device number, 0 for a fifo; `None` for what is not to be made.
    fn device(&self, kind: FileType, (major, minor): (u64, u64)) -> Result<Option<u64>> {
        if kind == FileType::Fifo {
            return Ok(Some(0));
        }
        // 12 and 20 bits in Linux
        let (Ok(major @ 0..0x1000), Ok(minor @ 0..0x10_0000)) = (u32::try_from(major), u32::try_from(minor))
        else {
            return Err(invalid(format!("device {major}:{minor} cannot be")));
        };
        // a character device 0:0 in a lower layer is overlayfs's whiteout
        let whiteout = kind == FileType::CharacterDevice && (major, minor) == (0, 0);
        match self.policy.ownership() {
            Ownership::Keep if !whiteout => Ok(Some(rustix::fs::makedev(major, minor))),
            _ => Ok(None),
        }
    }

    fn skip_device(&mut self, at: &Place, name: &[u8]) -> Result<()> {
        self.policy.skipped.devices += 1;
        // what a lower layer has there is replaced all the same
        self.tree.remove(at, name).failed("removing what it replaces")
    }

    /// Gives the directories their attributes, after the last layer.
    pub fn finish(&mut self) -> Result<()> {
        let policy = &mut self.policy;
        self.tree.take_directories(|path, fd, attributes| {
            let applied = fd.failed("opening it").and_then(|fd| {
                policy.apply(fd.as_fd(), &attributes).map_err(|e| attributes_failed(e, &attributes))
            });
            applied.map_err(|error| error.context(format!("directory {}", shown(path))))
        })
    }
}

fn is_same(a: &Place, a_name: &[u8], b: &Place, b_name: &[u8]) -> bool {
    a.path == b.path && a_name == b_name && kind_of(a, a_name).is_ok()
}

/// Writes the file's content where it belongs and leaves holes in between.
fn write(file: &OwnedFd, content: &Content, archive: &mut Archive<impl BufRead>) -> Result<()> {
    let mut end = 0;
    for extent in content.map.iter().filter(|extent| extent.length > 0) {
        let mut offset = extent.offset;
        end = extent.offset + extent.length;
        while offset < end {
            let bytes = archive.content(end - offset).map_err(reading)?;
            if bytes.is_empty() {
                return Err(reading(io::ErrorKind::UnexpectedEof.into()));
            }
            let count = rustix::io::pwrite(file, bytes, offset).failed("writing its content")?;
            archive.consume(count);
            offset += count as u64;
        }
    }
    // a hole at the end
    match end < content.size {
        true => rustix::fs::ftruncate(file, content.size).failed("setting its size"),
        false => Ok(()),
    }
}

/// Ids that the user namespace lacks are EINVAL.
fn attributes_failed(errno: Errno, attributes: &Attributes) -> Error {
    match errno {
        Errno::INVAL => invalid(format!(
            "giving it to uid {} and gid {}: this user cannot own files as those ids",
            attributes.uid, attributes.gid
        ))
        .hint(
            "the image uses higher ids than this user's subordinate ranges have: \
             extend them in /etc/subuid and /etc/subgid",
        ),
        other => os(other, "setting owner, mode and time"),
    }
}

/// Where the archive makes no sense, a wrong digest says more about why.
fn explained(error: io::Error, archive: &mut Archive<impl BufRead>) -> Error {
    match archive.drain() {
        Err(digest) => reading(digest),
        Ok(()) => reading(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies a layer of empty files, then `layer`.
    fn apply(limits: Limits, names: impl Iterator<Item = String>, rest: &[u8]) -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::File::open(dir.path()).unwrap();
        let mut unpacker = Unpacker::new(root.into(), Ownership::Own, limits);
        let mut tar = tar::Builder::new(Vec::new());
        for name in names {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            header.set_size(0);
            header.set_uid(0);
            header.set_gid(0);
            tar.append_data(&mut header, name, io::empty()).unwrap();
        }
        let layer = [tar.into_inner().unwrap(), rest.to_vec()].concat();
        unpacker.layer(&layer[..]).and_then(|()| unpacker.layer(&layer[..]))
    }

    #[test]
    fn every_limit_is_an_error_that_names_it() {
        let names = |count: u64| (0..count).map(|number| format!("{}/{number}", "d".repeat(90)));
        let small = Limits { entries: 20, bytes: 64 << 10, memory: 4 << 10 };
        apply(small, names(5), &[]).unwrap();
        // of all layers together
        let error = apply(Limits { entries: 9, ..small }, names(5), &[]).unwrap_err().to_string();
        assert!(error.contains("more than 9 entries"), "{error}");
        let error = apply(Limits { entries: 1000, ..small }, names(1), &[0; 100 << 10]).unwrap_err();
        assert!(error.to_string().contains("larger than this program unpacks"), "{error}");
        let error = apply(Limits { entries: 1000, ..small }, names(60), &[]).unwrap_err().to_string();
        assert!(error.contains("too much memory"), "{error}");
    }
}
