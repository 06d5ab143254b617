//! Where things are looked for: in the own cache, then in additional ones, which are only read.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Image, Store, blob, layout, lock, names};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::image::digest::{Digest, sha256_hex};
use crate::image::layer::Layer;
use crate::image::platform::Platform;
use crate::image::reference::Reference;
use crate::image::rootfs::Place;

/// An image and the cache whose index has its name.
#[derive(Clone, Debug)]
pub struct Located {
    pub image: Image,
    pub cache: PathBuf,
}

impl Store {
    /// The same with further caches, which are searched in this order after the own one, and never
    /// written to or locked. One that cannot be used is named in a warning and left out.
    #[must_use]
    pub fn with_additional(mut self, dirs: &[PathBuf]) -> Self {
        for dir in dirs {
            match additional(dir) {
                Ok(dir) if dir == self.dir || self.others.contains(&dir) => {}
                Ok(dir) => self.others.push(dir),
                Err(error) => tracing::warn!("leaving out additional cache {}: {error}", dir.display()),
            }
        }
        self
    }

    /// The same with a directory below `state` for those rootfses that cannot be in the cache itself;
    /// one for each cache, so that `prune` takes no other cache's away.
    #[must_use]
    pub fn with_state(self, state: &Path) -> Self {
        let key = sha256_hex(self.dir.as_os_str().as_encoded_bytes());
        Self { local: Some(state.join("rootfs-cache").join(&key[..16])), ..self }
    }

    /// The same for one who will unpack images: the place for their rootfses is chosen, and counts
    /// when room is asked for. Fails with [`ErrorKind::Host`] where no place will do.
    pub fn for_unpacking(self) -> Result<Self> {
        Ok(Self { place: Some(self.rootfs_place()?), ..self })
    }

    /// Where new rootfses of this cache go. Fails as [`Store::for_unpacking`] does.
    pub fn rootfs_place(&self) -> Result<Place> {
        match &self.place {
            Some(place) => Ok(place.clone()),
            None => Place::choose(&self.dir, self.local.as_deref().unwrap_or(&self.dir)),
        }
    }

    /// A cache that is not there yet and is not made: all that can be had is in additional ones.
    /// Fails with [`ErrorKind::Usage`] for a path that cannot be made absolute.
    pub fn absent(dir: &Path) -> Result<Self> {
        let dir = std::path::absolute(dir)
            .doing(ErrorKind::Usage, || format!("locating cache {}", dir.display()))?;
        Ok(Self::of(dir))
    }

    /// The canonical paths of the additional caches, in order.
    pub fn additional(&self) -> &[PathBuf] {
        &self.others
    }

    /// All caches, the own one first.
    pub fn caches(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.dir).chain(&self.others).map(PathBuf::as_path)
    }

    /// Where rootfses of this cache are, to be used and cleaned up.
    pub fn rootfs_dirs(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.dir).chain(&self.local).map(PathBuf::as_path)
    }

    /// The same, and then the additional caches, whose rootfses are only used.
    pub fn all_rootfs_dirs(&self) -> impl Iterator<Item = &Path> {
        self.rootfs_dirs().chain(self.others.iter().map(PathBuf::as_path))
    }

    /// For messages: the own cache, and how many more were searched.
    pub(in crate::image) fn describe(&self) -> String {
        match self.others.as_slice() {
            [] => self.dir.display().to_string(),
            [one] => format!("{} (with {})", self.dir.display(), one.display()),
            many => format!("{} (with {} additional ones)", self.dir.display(), many.len()),
        }
    }

    /// The same caches as one of the additional ones sees them: itself first.
    pub(in crate::image) fn seen_from(&self, cache: &Path) -> Self {
        let others = self.caches().filter(|dir| *dir != cache).map(Path::to_owned).collect();
        Self { others, ..Self::of(cache.to_owned()) }
    }

    /// See [`Store::find`]; a cache that cannot say gives way to the next one.
    ///
    /// Fails with the first cache's reason where some could not say and no other has it.
    pub fn locate(&self, reference: &Reference, platform: &Platform) -> Result<Option<Located>> {
        let mut failed: Option<Error> = None;
        for cache in self.caches() {
            let found = layout::read_index(cache).and_then(|index| self.find_in(&index, reference, platform));
            match found {
                Ok(Some(image)) => {
                    failed.iter().for_each(|error| tracing::warn!("{error}; taking {}", cache.display()));
                    return Ok(Some(Located { image, cache: cache.to_owned() }));
                }
                Ok(None) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// The index of the first cache that has this name; the own one where none has.
    pub(super) fn index_with(&self, reference: &Reference) -> Result<oci_spec::image::ImageIndex> {
        let has = |index: &oci_spec::image::ImageIndex| !names::matching(index, reference).is_empty();
        let own = layout::read_index(&self.dir)?;
        if has(&own) {
            return Ok(own);
        }
        let mut others = self.others.iter().filter_map(|cache| layout::read_index(cache).ok());
        Ok(others.find(has).unwrap_or(own))
    }

    /// A blob's file, in the first cache that has one of that size; for those who verify what they
    /// read. `None` also where the only one was [passed over](Store::pass_over).
    pub fn blob_path(&self, layer: &Layer) -> Option<PathBuf> {
        self.place(&layer.digest, Some(layer.size))
    }

    /// The same by digest, of that size if it is known.
    pub(super) fn place(&self, digest: &Digest, size: Option<u64>) -> Option<PathBuf> {
        let fits = |dir: &&Path| blob::size(dir, digest).is_some_and(|it| size.is_none_or(|size| it == size));
        let paths = self.caches().filter(fits).map(|dir| blob::path(dir, digest));
        let spoiled = self.spoiled.lock().map(|it| it.clone()).unwrap_or_default();
        paths.into_iter().find(|path| !spoiled.contains(path))
    }

    /// Where a reader looks, or would have looked: for messages that name a file.
    pub(super) fn place_or_own(&self, digest: &Digest, size: u64) -> PathBuf {
        let any = || self.caches().find(|dir| blob::size(dir, digest).is_some());
        self.place(digest, Some(size))
            .unwrap_or_else(|| blob::path(any().unwrap_or(self.dir.as_path()), digest))
    }

    /// Has this process no longer take the files of these layers that it would take now: they were
    /// found damaged. Returns whether other caches have all of them.
    pub fn pass_over(&self, layers: &[Layer]) -> bool {
        for layer in layers {
            if let Some(path) = self.blob_path(layer) {
                tracing::warn!("{} is damaged", path.display());
                self.spoil(path);
            }
        }
        self.absent_layers(layers).is_empty()
    }

    pub(super) fn spoil(&self, path: PathBuf) -> bool {
        // poisoned by a panic only, and then nobody asks any more
        self.spoiled.lock().is_ok_and(|mut spoiled| spoiled.insert(path))
    }

    /// Forgets that the own file was bad, as it is gone.
    pub(super) fn forget(&self, path: &Path) {
        if let Ok(mut spoiled) = self.spoiled.lock() {
            spoiled.remove(path);
        }
    }

    /// A manifest, index or configuration, verified, from the first cache that has it whole.
    pub(super) fn read(&self, digest: &Digest, size: Option<u64>) -> Result<Vec<u8>> {
        let mut failed: Option<Error> = None;
        for cache in self.caches() {
            match blob::read(cache, digest, size) {
                Ok(bytes) => return Ok(bytes),
                // the file that is there and no good says more than those that are not
                Err(error) if blob::size(cache, digest).is_some() => {
                    if !self.others.is_empty() && self.spoil(blob::path(cache, digest)) {
                        tracing::warn!("{error}; looking elsewhere");
                    }
                    failed = failed.or(Some(error));
                }
                Err(_) => {}
            }
        }
        match failed {
            Some(error) => Err(error),
            None => blob::read(&self.dir, digest, size),
        }
    }
}

/// The canonical path of a cache that can be read.
fn additional(dir: &Path) -> Result<PathBuf> {
    let missing = || Error::new(ErrorKind::Image, "there is no cache, or not any more");
    let dir = match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
        _ => fs::canonicalize(dir).doing(ErrorKind::Image, || "opening it".to_owned())?,
    };
    match layout::is_layout(&dir)? {
        true => layout::read_index(&dir).map(|_| dir),
        false => Err(Error::new(ErrorKind::Image, format!("it has no {}: it is no cache", layout::LAYOUT))),
    }
}

/// Paths of files that turned out to be damaged, shared by the copies of a store.
pub(super) type Spoiled = std::sync::Arc<std::sync::Mutex<HashSet<PathBuf>>>;

/// Locks a cache, or one that is not there: then nobody can remove anything from it.
pub(super) fn lock_shared(dir: &Path) -> Result<lock::CacheLock> {
    match dir.exists() {
        true => lock::shared(dir),
        false => lock::shared(dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"))),
    }
}
