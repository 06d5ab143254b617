//! From a registry into the cache: index, manifest, configuration, layers, and last the name.

use oci_spec::image::{Descriptor, ImageManifest, MediaType};

use super::arrival::Watch;
use super::digest::Digest;
use super::manifest::{self, DOCUMENT_LIMIT, Document, Image};
use super::registry::{Fetched, Registry};
use super::store::{Presence, Slot, Store};
use super::{Reference, Wanted, arrivals};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

/// Indexes in indexes are followed so far.
const INDEX_DEPTH: usize = 4;

/// What the registry has under a reference.
pub(super) struct Resolved {
    /// The index that the reference means, if it means one.
    index: Option<Fetched>,
    pub(super) manifest: Fetched,
    pub(super) parsed: Box<ImageManifest>,
}

/// An image of which manifest and configuration are known and verified, if perhaps not yet stored.
pub struct Known<'a> {
    store: &'a Store,
    wanted: Wanted<'a>,
    interrupt: &'a Interrupt,
    image: Image,
    /// Where it was looked for, and what was found there; `None` for one that the cache knew.
    asked: Option<(Registry<'a>, Resolved)>,
}

impl<'a> Known<'a> {
    /// One that the cache knows by name.
    pub(super) fn in_cache(
        store: &'a Store,
        wanted: Wanted<'a>,
        image: Image,
        interrupt: &'a Interrupt,
    ) -> Self {
        Self { store, wanted, interrupt, image, asked: None }
    }

    /// Asks the registry which one it is.
    pub(super) fn ask(store: &'a Store, wanted: Wanted<'a>, interrupt: &'a Interrupt) -> Result<Self> {
        let mut registry = Registry::new(wanted.reference, wanted.transfer, wanted.access, interrupt)?;
        let resolved = resolve(&mut registry, &wanted)?;
        let configuration = configuration(store, &mut registry, &resolved.parsed, interrupt)?;
        let (digest, size) = (resolved.manifest.digest.clone(), resolved.manifest.bytes.len() as u64);
        let image = manifest::image(digest, size, &resolved.parsed, configuration)?;
        if wanted.platform.fit(&image.platform()).is_none() {
            let (reference, host) = (wanted.reference, wanted.platform);
            tracing::warn!("{reference} is for {}, this host is {host}", image.platform());
        }
        Ok(Self { store, wanted, interrupt, image, asked: Some((registry, resolved)) })
    }

    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Has all layers that are wanted in the cache, and then the image's name. `watch` is told of
    /// every layer's arrival, also of those that are there. The tag is not asked again: it may
    /// have moved, and what was found is what is wanted.
    pub fn complete(mut self, watch: &mut Watch<'_>) -> Result<Image> {
        let completed = self.fetch(watch).and_then(|()| self.name());
        match completed {
            Ok(()) => Ok(self.image),
            Err(error) => Err(self.wanted.pulling(error)),
        }
    }

    /// The same without the name, where one that leads to the image is there already.
    pub(super) fn restore(mut self, watch: &mut Watch<'_>) -> Result<()> {
        let restored = self.fetch(watch).and_then(|()| match &self.asked {
            Some((_, resolved)) => self.keep(resolved),
            None => Ok(()),
        });
        restored.map_err(|error| self.wanted.pulling(error))
    }

    fn fetch(&mut self, watch: &mut Watch<'_>) -> Result<()> {
        if self.is_complete() {
            return arrivals::report(self.store, &self.image, watch);
        }
        let wanted = self.wanted;
        match &mut self.asked {
            Some((registry, _)) => arrivals::fetch(self.store, registry, &self.image, watch, self.interrupt),
            None => {
                let mut registry =
                    Registry::new(wanted.reference, wanted.transfer, wanted.access, self.interrupt)?;
                arrivals::fetch(self.store, &mut registry, &self.image, watch, self.interrupt)
            }
        }
    }

    /// An image that gets its name now gets its layers too: a run that was killed between a rootfs and
    /// the last blob it was made from has left neither documents nor name.
    fn is_complete(&self) -> bool {
        let was_whole = self.asked.is_none() || self.store.image(&self.image.manifest_digest).is_ok();
        match was_whole {
            true => self.wanted.is_complete(self.store, &self.image),
            false => self.store.missing_layers(&self.image).is_empty(),
        }
    }

    /// Blobs before documents before the name, each on disk before the next: whatever is seen is
    /// whole, also after a loss of power.
    fn name(&self) -> Result<()> {
        let Some((_, resolved)) = &self.asked else {
            return match self.wanted.may_ask() {
                true => self.store.name_found(self.wanted.reference, &self.image, self.interrupt),
                false => Ok(()),
            };
        };
        self.keep(resolved)?;
        let reference = self.wanted.reference;
        self.store.name(reference, target(reference, resolved, &self.image), self.interrupt)?;
        tracing::info!("pulled {reference} as {}", self.image.manifest_digest);
        Ok(())
    }

    fn keep(&self, resolved: &Resolved) -> Result<()> {
        for document in [Some(&resolved.manifest), resolved.index.as_ref()].into_iter().flatten() {
            self.store.put(&document.digest, &document.bytes, self.interrupt)?;
        }
        Ok(())
    }
}

/// Follows the reference to the manifest for the wanted platform.
pub(super) fn resolve(registry: &mut Registry<'_>, wanted: &Wanted<'_>) -> Result<Resolved> {
    let reference = wanted.reference;
    let name = reference.digest().map(Digest::as_ref).or(reference.tag()).unwrap_or("latest");
    let mut fetched = registry.manifest(name, DOCUMENT_LIMIT)?;
    let mut declared = fetched.media_type.clone();
    let mut outermost = None;
    for _ in 0..=INDEX_DEPTH {
        let document = manifest::parse(&fetched.bytes, declared.as_deref());
        let index = match document.map_err(|error| error.context(format!("reading {}", fetched.digest)))? {
            Document::Manifest(parsed) => {
                manifest::check_manifest(&parsed)?;
                return Ok(Resolved { index: outermost, manifest: fetched, parsed });
            }
            Document::Index(index) => index,
        };
        let Some(entry) = manifest::select(index.manifests(), wanted.platform) else {
            return Err(no_platform(wanted, &manifest::platforms(&index)));
        };
        let next = document_of(registry, entry)?;
        declared = Some(entry.media_type().to_string());
        let previous = std::mem::replace(&mut fetched, next);
        outermost.get_or_insert(previous);
    }
    Err(Error::new(ErrorKind::Image, "its indexes lie too deep in each other"))
}

fn no_platform(wanted: &Wanted<'_>, have: &str) -> Error {
    let why = format!("the image index has no image for {}; it has: {have}", wanted.platform);
    Error::new(ErrorKind::Image, why)
        .hint("choose a builder image that was made for this host's architecture")
}

/// The manifest or index of an entry, held against its size; the digest is what it was asked by.
fn document_of(registry: &mut Registry<'_>, entry: &Descriptor) -> Result<Fetched> {
    manifest::check_document(entry)?;
    let fetched = registry.manifest(entry.digest().as_ref(), entry.size())?;
    match fetched.bytes.len() as u64 == entry.size() {
        true => Ok(fetched),
        false => {
            let (got, want) = (fetched.bytes.len(), entry.size());
            Err(Error::new(ErrorKind::Image, format!("{} has {got} bytes, not {want}", entry.digest())))
        }
    }
}

/// The image configuration, by way of the cache.
fn configuration(
    store: &Store,
    registry: &mut Registry<'_>,
    manifest: &ImageManifest,
    interrupt: &Interrupt,
) -> Result<oci_spec::image::ImageConfiguration> {
    let config = manifest.config();
    let slot = store.slot(config.digest(), config.size(), Presence::ByDigest, interrupt)?;
    if let Slot::Absent(mut partial) = slot {
        registry.blob(config.digest(), &mut *partial)?;
        partial.finish()?;
    }
    manifest::parse_configuration(&store.document(config)?)
}

/// What the index of the cache says of the image. A reference with a digest must lead to just
/// that digest; a tag leads to the manifest itself, which more tools can read than an index that
/// has most of its images elsewhere.
fn target(reference: &Reference, resolved: &Resolved, image: &Image) -> Descriptor {
    match (&resolved.index, reference.digest()) {
        (Some(index), Some(_)) => described(index, MediaType::ImageIndex),
        _ => {
            let mut target = described(&resolved.manifest, MediaType::ImageManifest);
            target.set_platform(Some(manifest::described(&image.configuration)));
            target
        }
    }
}

fn described(document: &Fetched, default: MediaType) -> Descriptor {
    let media_type = manifest::stated_media_type(&document.bytes).unwrap_or(default);
    Descriptor::new(media_type, document.bytes.len() as u64, document.digest.clone())
}
