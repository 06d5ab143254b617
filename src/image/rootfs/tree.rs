//! The tree that layers are applied to, and the only way into it.
//!
//! Below the root's descriptor no path with a symlink in it is ever given to the kernel: openat2
//! refuses them (`NO_SYMLINKS`, `BENEATH`), and [`Tree::walk`] follows them by hand, one component
//! at a time, with the root as `/` and `..` clamped to it. So every directory has one canonical
//! path, which its attributes and the record of this layer's changes are kept under.
//!
//! Until [`Tree::take_directories`] every directory is 0700 and the caller's: what a layer says of
//! it may forbid the next layer to add a file (0555, 0000), and a default ACL or a setgid bit would
//! be inherited by what is made below.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Timespec};
use rustix::io::{Errno, Result};

use super::attributes::Attributes;
use super::name::{components, join, push, split};
use super::remove::remove_tree;

/// As in the kernel, path_resolution(7).
const MOST_LINKS: u32 = 40;
/// PATH_MAX without the NUL: what is deeper could not be opened by its path later.
const LONGEST_PATH: usize = 4095;

/// An open directory of the tree and its canonical path.
pub(super) struct Place {
    pub fd: OwnedFd,
    pub path: Vec<u8>,
}

/// What to do about a directory that is not there.
#[derive(Clone, Copy)]
pub(super) enum Missing {
    Fail,
    /// Make it, 0755 and with this time: archives may leave out parents.
    Make(Timespec),
}

pub(super) struct Tree {
    root: OwnedFd,
    directories: BTreeMap<Vec<u8>, Attributes>,
    /// Canonical paths that this layer made, with their parents; `None` in the lowest layer, where
    /// whiteouts can hide nothing.
    touched: Option<HashSet<Vec<u8>>>,
    /// The parent of the last entry, which is most often that of the next: its name and place.
    parent: Option<(Vec<u8>, Rc<Place>)>,
    /// How many more bytes may be kept in memory for all this.
    budget: usize,
}

impl Tree {
    /// `root` is an empty directory of mode 0700; `budget` in bytes of memory.
    pub fn new(root: OwnedFd, budget: usize) -> Self {
        let directories = BTreeMap::from([(Vec::new(), Attributes::implied(None))]);
        Self { root, directories, touched: None, parent: None, budget }
    }

    /// From now on what is there belongs to lower layers.
    pub fn begin_upper_layer(&mut self) {
        if let Some(touched) = self.touched.replace(HashSet::new()) {
            self.budget += touched.iter().map(Vec::len).sum::<usize>();
        }
    }

    /// Whether whiteouts can hide anything.
    pub fn has_lower_layers(&self) -> bool {
        self.touched.is_some()
    }

    /// The directory `path` with symlinks in it followed inside the root. ELOOP, ENOTDIR, ENOENT
    /// (only with [`Missing::Fail`]) and ENAMETOOLONG as in open(2).
    pub fn directory(&mut self, path: &[u8], missing: Missing) -> Result<Rc<Place>> {
        if let Some((_, place)) = self.parent.as_ref().filter(|(known, _)| known == path) {
            return Ok(place.clone());
        }
        let place = match self.open(path) {
            Ok(fd) => Place { fd, path: path.to_vec() },
            // a symlink is in the way, or something is missing
            Err(Errno::LOOP | Errno::NOENT | Errno::NOTDIR) => self.walk(path, missing)?,
            Err(error) => return Err(error),
        };
        let place = Rc::new(place);
        self.parent = Some((path.to_vec(), place.clone()));
        Ok(place)
    }

    /// Opens a canonical path.
    fn open(&self, path: &[u8]) -> Result<OwnedFd> {
        let path = if path.is_empty() { b"." } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve())
    }

    fn walk(&mut self, path: &[u8], missing: Missing) -> Result<Place> {
        let mut at = Place { fd: self.open(b"")?, path: Vec::new() };
        let mut todo: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == b".." {
                // of the root it is the root
                let above = split(&at.path).0.to_vec();
                at = Place { fd: self.open(&above)?, path: above };
                continue;
            }
            match self.step(&at, &part, missing)? {
                Step::Into(fd) => {
                    push(&mut at.path, &part);
                    at.fd = fd;
                }
                Step::Link(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP);
                    }
                    if target.starts_with(b"/") {
                        at = Place { fd: self.open(b"")?, path: Vec::new() };
                    }
                    todo.extend(components(&target).rev().map(<[u8]>::to_vec));
                }
            }
        }
        Ok(at)
    }

    fn step(&mut self, at: &Place, part: &[u8], missing: Missing) -> Result<Step> {
        match (kind_of(at, part), missing) {
            (Ok(FileType::Directory), _) => {}
            (Ok(FileType::Symlink), _) => {
                return Ok(Step::Link(rustix::fs::readlinkat(&at.fd, part, Vec::new())?.into_bytes()));
            }
            (Ok(_), _) => return Err(Errno::NOTDIR),
            (Err(Errno::NOENT), Missing::Make(time)) => {
                self.make_directory(at, part, Attributes::implied(Some(time)))?;
            }
            (Err(error), _) => return Err(error),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&at.fd, part, flags, Mode::empty()).map(Step::Into)
    }

    /// Makes a directory, or keeps the one that is there, and notes the attributes it will get.
    pub fn make_directory(&mut self, at: &Place, name: &[u8], attributes: Attributes) -> Result<()> {
        let path = join(&at.path, name);
        if path.len() > LONGEST_PATH {
            return Err(Errno::NAMETOOLONG);
        }
        if !self.directories.contains_key(&path) {
            self.replace(at, name, || rustix::fs::mkdirat(&at.fd, name, Mode::RWXU))?;
        }
        self.touch(&path)?;
        self.set_attributes(path, attributes)
    }

    /// Notes what the root directory will be like.
    pub fn set_root(&mut self, attributes: Attributes) -> Result<()> {
        self.set_attributes(Vec::new(), attributes)
    }

    fn set_attributes(&mut self, path: Vec<u8>, attributes: Attributes) -> Result<()> {
        self.remember(path.len() + attributes.weight())?;
        let before = self.directories.insert(path, attributes);
        self.budget += before.as_ref().map_or(0, Attributes::weight);
        Ok(())
    }

    /// Makes something that is not a directory, in place of whatever has its name. `make` must
    /// fail with EEXIST rather than change what is there.
    pub fn make<T>(&mut self, at: &Place, name: &[u8], make: impl Fn() -> Result<T>) -> Result<T> {
        let made = self.replace(at, name, make)?;
        if self.touched.is_some() {
            self.touch(&join(&at.path, name))?;
        }
        Ok(made)
    }

    fn replace<T>(&mut self, at: &Place, name: &[u8], make: impl Fn() -> Result<T>) -> Result<T> {
        match make() {
            // removed, never truncated or written through: other names may share the inode
            Err(Errno::EXIST) => {
                self.remove(at, name)?;
                make()
            }
            other => other,
        }
    }

    /// Removes whatever has the name, also nothing.
    pub fn remove(&mut self, at: &Place, name: &[u8]) -> Result<()> {
        remove_tree(at.fd.as_fd(), name)?;
        let path = join(&at.path, name);
        // what the last parent was found through may just have gone
        self.parent = None;
        if self.directories.remove(&path).is_some() {
            self.forget_below(path);
        }
        Ok(())
    }

    fn forget_below(&mut self, mut path: Vec<u8>) {
        path.push(b'/');
        let mut end = path.clone();
        // the byte after the slash: the range holds exactly the paths that begin with `path`
        end.pop();
        end.push(b'/' + 1);
        let range = (Bound::Included(path), Bound::Excluded(end));
        let gone: Vec<_> = self.directories.range(range).map(|(path, _)| path.clone()).collect();
        for path in gone {
            let weight = self.directories.remove(&path).map_or(0, |attributes| attributes.weight());
            self.budget += path.len() + weight;
        }
    }

    /// Removes what lower layers have under the name, and keeps what this layer made there, also
    /// when the whiteout comes after it.
    pub fn hide(&mut self, at: &Place, name: &[u8]) -> Result<()> {
        let path = join(&at.path, name);
        match self.is_touched(&path) {
            false => self.remove(at, name),
            true if self.directories.contains_key(&path) => self.hide_below(path),
            true => Ok(()),
        }
    }

    /// Removes what lower layers have in the directory of this canonical path.
    pub fn hide_below(&mut self, path: Vec<u8>) -> Result<()> {
        // not recursive: one descriptor at a time, whatever the depth
        let mut todo = vec![path];
        while let Some(path) = todo.pop() {
            let at = Place { fd: self.open(&path)?, path };
            for name in self.list(&at)? {
                let below = join(&at.path, &name);
                if !self.is_touched(&below) {
                    self.remove(&at, &name)?;
                } else if self.directories.contains_key(&below) {
                    todo.push(below);
                }
            }
        }
        Ok(())
    }

    fn list(&self, at: &Place) -> Result<Vec<Vec<u8>>> {
        // a descriptor with O_PATH cannot be read
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&at.fd, ".", flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn is_touched(&self, path: &[u8]) -> bool {
        // without lower layers everything is this layer's
        self.touched.as_ref().is_none_or(|touched| touched.contains(path))
    }

    fn touch(&mut self, mut path: &[u8]) -> Result<()> {
        while let Some(touched) = self.touched.as_mut().filter(|touched| !touched.contains(path)) {
            touched.insert(path.to_vec());
            self.remember(path.len())?;
            path = split(path).0;
        }
        Ok(())
    }

    fn remember(&mut self, bytes: usize) -> Result<()> {
        // a hostile layer may have millions of directories with attributes of 64 KiB
        self.budget = self.budget.checked_sub(bytes).ok_or(Errno::NOMEM)?;
        Ok(())
    }

    /// Gives each directory to `finish`, children before their parents: after that parents may be
    /// unreadable, and their times no longer change.
    pub fn take_directories<E>(
        &mut self,
        mut finish: impl FnMut(&[u8], Result<OwnedFd>, Attributes) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // a path sorts before all that begin with it
        for (path, attributes) in std::mem::take(&mut self.directories).into_iter().rev() {
            let name = if path.is_empty() { b"." } else { path.as_slice() };
            let fd = rustix::fs::openat2(&self.root, name, flags, Mode::empty(), resolve());
            finish(&path, fd, attributes)?;
        }
        Ok(())
    }
}

enum Step {
    Into(OwnedFd),
    Link(Vec<u8>),
}

fn resolve() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV
}

pub(super) fn kind_of(at: &Place, name: &[u8]) -> Result<FileType> {
    let stat = rustix::fs::statat(&at.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}
