//! The rootfs cache as an OCI image layout: blobs by digest, and names for them.
//!
//! A blob is stored before anything names it, and is visible only when it is verified; the index
//! is replaced at once. Killing a process at any instant leaves nothing that looks whole.

mod archive;
mod blob;
mod docker;
mod input;
mod layout;
mod load;
mod lock;
mod names;
mod new_file;
mod prune;
mod reach;
mod remove;
mod save;
mod sources;
mod space;
mod verify;
mod view;

use std::path::{Path, PathBuf};

use super::digest::Digest;
use super::layer::Layer;
use super::manifest::{self, Document, Image};
use super::platform::Platform;
use super::reference::Reference;
use super::rootfs::{self, Place};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

use blob::Need;
pub use blob::open_plain;
pub(super) use blob::{Partial, Presence, Slot, Verdict};
pub use load::Loaded;
pub use lock::CacheLock;
pub use names::Listed;
pub use prune::{Freed, Half};
pub(super) use reach::Tree;
pub use reach::{Damage, Defect};
pub use remove::Removed;
pub use save::Target;
pub use sources::Located;
use space::Demand;

/// How deep indexes may lie in indexes; more than two have not been seen in the wild.
const INDEX_DEPTH: usize = 4;

/// A directory that is an OCI image layout; any number of processes may use it at once. Others may
/// stand behind it, from which it is only read.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
    /// Additional caches.
    others: Vec<PathBuf>,
    /// Where rootfses are that cannot be in the cache.
    local: Option<PathBuf>,
    /// Where a rootfs will be made, if one will.
    place: Option<Place>,
    spoiled: sources::Spoiled,
}

impl Store {
    /// Opens the cache in `dir`, creating it with its parents if there is nothing yet (0700).
    /// Fails with [`ErrorKind::Usage`] for a directory that is something else.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self::of(layout::create(dir)?))
    }

    /// Opens the cache in `dir` if there is one, and touches nothing.
    pub fn open_existing(dir: &Path) -> Result<Option<Self>> {
        Ok(layout::existing(dir)?.map(Self::of))
    }

    fn of(dir: PathBuf) -> Self {
        Self { dir, others: Vec::new(), local: None, place: None, spoiled: sources::Spoiled::default() }
    }

    /// The canonical path of the cache.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Says that the cache is in use: nothing is removed from it while the lock is held.
    pub fn lock_shared(&self) -> Result<CacheLock> {
        sources::lock_shared(&self.dir)
    }

    /// Makes this process the cache's only user, so that things may be removed from it. Fails with
    /// [`ErrorKind::Image`] at once where another process uses it.
    pub fn lock_exclusive(&self) -> Result<CacheLock> {
        lock::exclusive(&self.dir)
    }

    /// The image of that name (or, for a reference with a digest, of that digest) that suits
    /// `platform`, from the first cache that has it; manifest and configuration are verified, layers
    /// are not looked at.
    pub fn find(&self, reference: &Reference, platform: &Platform) -> Result<Option<Image>> {
        Ok(self.locate(reference, platform)?.map(|located| located.image))
    }

    fn find_in(
        &self,
        index: &oci_spec::image::ImageIndex,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Option<Image>> {
        let entries = names::matching(index, reference);
        // a digest means what it means, on whatever platform
        let entry = match reference.digest() {
            Some(_) => entries.first().copied(),
            None => manifest::select(entries, platform),
        };
        let Some(mut descriptor) = entry.cloned() else { return Ok(None) };
        for _ in 0..=INDEX_DEPTH {
            manifest::check_document(&descriptor)?;
            let bytes = self.document(&descriptor)?;
            let nested = match manifest::parse(&bytes, Some(descriptor.media_type().as_ref()))
                .map_err(|error| error.context(format!("reading blob {}", descriptor.digest())))?
            {
                Document::Manifest(_) => return self.image_of(descriptor.digest(), &bytes).map(Some),
                Document::Index(nested) => nested,
            };
            match manifest::select(nested.manifests(), platform) {
                // an index keeps the entries of platforms that were never stored
                Some(next) if self.is_stored(next.digest()) => descriptor = next.clone(),
                _ => return Ok(None),
            }
        }
        Err(Error::new(
            ErrorKind::Image,
            format!("reading {reference}: its indexes lie too deep in each other"),
        ))
    }

    /// Whether any cache has a file of that digest.
    fn is_stored(&self, digest: &Digest) -> bool {
        self.caches().any(|dir| blob::size(dir, digest).is_some())
    }

    /// The image of a manifest's digest, verified.
    pub fn image(&self, manifest_digest: &Digest) -> Result<Image> {
        let bytes = self.read(manifest_digest, None)?;
        self.image_of(manifest_digest, &bytes)
    }

    fn image_of(&self, digest: &Digest, bytes: &[u8]) -> Result<Image> {
        let read = || -> Result<Image> {
            let Document::Manifest(manifest) = manifest::parse(bytes, None)? else {
                return Err(Error::new(ErrorKind::Image, "it is an index, not a manifest"));
            };
            manifest::check_manifest(&manifest)?;
            let config = manifest.config();
            let configuration = self.document(config)?;
            let configuration = manifest::parse_configuration(&configuration)?;
            manifest::image(digest.clone(), bytes.len() as u64, &manifest, configuration)
        };
        read()
            .map_err(|error| error.context(format!("reading image {digest} in cache {}", self.dir.display())))
    }

    /// The layers that are absent or of the wrong size, each once. Digests are checked by those
    /// who read the layers.
    pub fn missing_layers(&self, image: &Image) -> Vec<Layer> {
        self.absent_layers(&image.layers)
    }

    fn absent_layers(&self, layers: &[Layer]) -> Vec<Layer> {
        let mut missing: Vec<Layer> = Vec::new();
        for layer in layers {
            let there = self.blob_path(layer).is_some();
            if !there && !missing.iter().any(|other| other.digest == layer.digest) {
                missing.push(layer.clone());
            }
        }
        missing
    }

    /// Opens the compressed blob of a layer; its contents are not verified yet.
    pub fn open_blob(&self, layer: &Layer) -> Result<std::fs::File> {
        manifest::check_digest(&layer.digest)?;
        let path = self.place_or_own(&layer.digest, layer.size);
        blob::open_plain(&path).doing(ErrorKind::Image, || format!("opening layer {}", path.display()))
    }

    /// Removes the own blob of a layer that was found damaged, so that it is fetched anew; one in
    /// another cache stays.
    pub fn discard_blob(&self, layer: &Layer) -> Result<()> {
        self.discard(&layer.digest)
    }

    /// The same for whatever blob.
    pub(super) fn discard(&self, digest: &Digest) -> Result<()> {
        manifest::check_digest(digest)?;
        let path = blob::path(&self.dir, digest);
        self.forget(&path);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.doing(ErrorKind::Image, || format!("removing {}", path.display())),
        }
    }

    /// Every name in the indexes of all caches; damaged images are listed too, without size.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let mut listed = names::list(self, &self.dir, &layout::read_index(&self.dir)?);
        for cache in &self.others {
            // what cannot be read has been said when it was opened
            listed.extend(layout::read_index(cache).iter().flat_map(|it| names::list(self, cache, it)));
        }
        Ok(listed)
    }

    /// Loads the named images of an OCI layout directory, or of an archive of one or of `docker save`
    /// (tar, plain or compressed).
    pub fn load(&self, source: &Path, interrupt: &Interrupt) -> Result<Vec<Loaded>> {
        self.load_as(source, None, interrupt)
    }

    /// Loads the only image of `source` under another name.
    pub fn load_as(
        &self,
        source: &Path,
        name: Option<&Reference>,
        interrupt: &Interrupt,
    ) -> Result<Vec<Loaded>> {
        load::load(self, source, name, interrupt)
            .map_err(|error| error.context(format!("loading {}", source.display())))
    }

    /// The same from standard input or another pipe, which is read once and to its end.
    pub fn load_stream(
        &self,
        source: std::fs::File,
        name: Option<&Reference>,
        interrupt: &Interrupt,
    ) -> Result<Vec<Loaded>> {
        load::load_archive(self, source, name, interrupt)
            .map_err(|error| error.context("loading standard input"))
    }

    /// A manifest, index or configuration, verified.
    pub(super) fn document(&self, descriptor: &oci_spec::image::Descriptor) -> Result<Vec<u8>> {
        self.read(descriptor.digest(), Some(descriptor.size()))
    }

    /// Takes a blob to be written; waits for another process that is writing the same one.
    pub(super) fn slot(
        &self,
        digest: &Digest,
        size: u64,
        presence: Presence,
        interrupt: &Interrupt,
    ) -> Result<Slot> {
        blob::slot(&self.dir, Need { digest, size, presence }, interrupt)
    }

    /// Stores a small blob. One that is there but damaged is replaced.
    pub(super) fn put(&self, digest: &Digest, bytes: &[u8], interrupt: &Interrupt) -> Result<()> {
        match self.slot(digest, bytes.len() as u64, Presence::ByDigest, interrupt)? {
            Slot::Present => Ok(()),
            Slot::Absent(mut partial) => {
                // the bytes are at hand: nothing is to be gained from what an earlier run left
                partial.restart()?;
                partial.append(bytes)?;
                partial.finish()
            }
        }
    }

    /// Gives `reference` to a stored manifest or index, taking it from what had it before.
    pub(super) fn name(
        &self,
        reference: &Reference,
        target: oci_spec::image::Descriptor,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let target = self.with_view(target, interrupt)?;
        layout::update_index(&self.dir, |index| {
            names::assign(index, reference, target);
            Ok(())
        })
    }

    /// Makes sure that the file system has room for the rest of these layers.
    pub(super) fn require_space(&self, layers: &[Layer]) -> Result<()> {
        space::require(&[Demand::new(&self.dir, "blobs", self.rest_of(layers))])
    }

    /// Makes sure that there is room for what this image still needs, by its manifest: for the layers
    /// that no cache has and, where it will be [unpacked](Store::for_unpacking), for its rootfs.
    ///
    /// How large that is the manifest does not say: hardly less than the compressed layers, and two or
    /// three times that by experience. Fails with [`ErrorKind::Image`] for less than the least.
    pub fn require_room(&self, image: &Image) -> Result<()> {
        let mut demands = vec![Demand::new(&self.dir, "blobs", self.rest_of(&self.missing_layers(image)))];
        if let Some(place) = &self.place
            && !rootfs::is_under_way(place.dir(), image)
        {
            let sum = |size: fn(&Layer) -> u64| image.layers.iter().map(size).fold(0, u64::saturating_add);
            let rootfs = Demand::new(place.dir(), "rootfs", sum(|layer| layer.size));
            demands.push(Demand { likely: sum(Layer::likely_unpacked), ..rootfs });
        }
        space::require(&demands)
    }

    fn rest_of(&self, layers: &[Layer]) -> u64 {
        layers.iter().fold(0, |sum, layer| sum.saturating_add(self.rest(layer)))
    }

    fn rest(&self, layer: &Layer) -> u64 {
        let name = format!("{}-{}", layer.digest.algorithm(), layer.digest.digest());
        let partial = self.dir.join(layout::PARTIAL).join(name).metadata().map_or(0, |file| file.len());
        layer.size.saturating_sub(partial)
    }
}
