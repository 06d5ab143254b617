//! Removes blobs that nothing leads to, and what interrupted downloads and loads left.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::layout::{BLOBS, PARTIAL};
use super::{CacheLock, Defect, Store, space};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

/// So long a download may be meant to be taken up again.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Which half downloads and half loads are removed; never one that a process works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Those untouched for a week.
    Old,
    All,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    pub count: u64,
    pub bytes: u64,
}

impl Freed {
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

impl Store {
    /// Removes the blobs that no entry of the index leads to.
    ///
    /// Fails with [`ErrorKind::Image`] where a manifest is missing or damaged: then nobody knows what
    /// it leads to.
    pub(in crate::image) fn prune_blobs(&self, _alone: &CacheLock, interrupt: &Interrupt) -> Result<Freed> {
        let trees = self.trees(interrupt)?;
        for tree in &trees {
            let lost = tree.damage.iter().find(|damage| damage.state != Defect::Unfit);
            if let Some(damage) = lost {
                let name = tree.name.as_deref().unwrap_or(tree.digest.as_ref());
                let why = format!("{name} needs cannot be known: {}", damage.reason);
                return Err(Error::new(ErrorKind::Image, format!("finding unused blobs: what {why}")).hint(
                    "repair it with `airshipctl image verify --repair`, or remove it with `image rm`",
                ));
            }
        }
        let used: HashSet<PathBuf> = trees
            .iter()
            .flat_map(|tree| tree.blobs())
            .map(|(digest, _)| Path::new(digest.algorithm().as_ref()).join(digest.digest()))
            .collect();
        self.remove_unused(&used, interrupt)
    }

    fn remove_unused(&self, used: &HashSet<PathBuf>, interrupt: &Interrupt) -> Result<Freed> {
        let (blobs, mut freed) = (self.dir.join(BLOBS), Freed::default());
        for algorithm in list(&blobs)?.into_iter().filter(|(_, found)| found.is_dir()) {
            for (path, found) in list(&algorithm.0)? {
                interrupt.check()?;
                let known = path.strip_prefix(&blobs).is_ok_and(|name| used.contains(name));
                if !known && !found.is_dir() {
                    remove(&path, &found)?;
                    freed.add(found.len());
                }
            }
        }
        Ok(freed)
    }

    /// Removes partial blobs and staging directories that nobody holds.
    pub(in crate::image) fn prune_partials(
        &self,
        _alone: &CacheLock,
        half: Half,
        interrupt: &Interrupt,
    ) -> Result<Freed> {
        let mut freed = Freed::default();
        for (path, found) in list(&self.dir.join(PARTIAL))? {
            interrupt.check()?;
            let wanted = half == Half::All || is_old(&found);
            let lock = lock(&path, &found);
            if wanted && lock.is_some() {
                let bytes = if found.is_dir() { size(&path)? } else { found.len() };
                remove(&path, &found)?;
                freed.add(bytes);
            }
        }
        Ok(freed)
    }
}

/// By the time of its last change; a clock that ran ahead makes it young.
fn is_old(found: &Metadata) -> bool {
    let age = found.modified().ok().and_then(|then| SystemTime::now().duration_since(then).ok());
    age.is_some_and(|age| age > PATIENCE)
}

/// The lock of whoever works on it, held while it is removed; `None` if somebody does. What is
/// neither file nor directory nobody works on, and opening it could do anything.
fn lock(path: &Path, found: &Metadata) -> Option<Option<File>> {
    if !found.is_file() && !found.is_dir() {
        return Some(None);
    }
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    file.try_lock().ok().map(|()| Some(file))
}

fn remove(path: &Path, found: &Metadata) -> Result<()> {
    let removed = match found.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
    removed.map_err(|error| space::write_error(path, format!("removing {}", path.display()), &error))
}

/// Bytes of the files in a staging directory.
fn size(dir: &Path) -> Result<u64> {
    let (mut bytes, mut directories) = (0, vec![dir.to_owned()]);
    while let Some(directory) = directories.pop() {
        for (path, found) in list(&directory)? {
            match found.is_dir() {
                true => directories.push(path),
                false => bytes += found.len(),
            }
        }
    }
    Ok(bytes)
}

/// The entries of a directory in order, themselves and not what they lead to.
fn list(dir: &Path) -> Result<Vec<(PathBuf, Metadata)>> {
    let read = || -> io::Result<Vec<(PathBuf, Metadata)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            found.push((entry.path(), entry.metadata()?));
        }
        Ok(found)
    };
    let mut found = match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other.doing(ErrorKind::Image, || format!("listing {}", dir.display()))?,
    };
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}
