//! From a registry into the cache: index, manifest, configuration, layers, and last the name.

use oci_spec::image::{Descriptor, ImageManifest, MediaType};

use super::digest::Digest;
use super::layer::Layer;
use super::manifest::{self, DOCUMENT_LIMIT, Document, Image};
use super::registry::{Fetched, Registry, Sink};
use super::store::{Partial, Presence, Slot, Store, Verdict};
use super::{Reference, Wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

/// Indexes in indexes are followed so far.
const INDEX_DEPTH: usize = 4;

/// What the registry has under a reference.
struct Resolved {
    /// The index that the reference means, if it means one.
    index: Option<Fetched>,
    manifest: Fetched,
    parsed: Box<ImageManifest>,
}

/// Pulls the image and names it in the cache.
pub(super) fn image(store: &Store, wanted: &Wanted<'_>, interrupt: &Interrupt) -> Result<Image> {
    let mut registry = Registry::new(wanted.reference, wanted.transfer, wanted.access, interrupt)?;
    let resolved = resolve(&mut registry, wanted)?;
    let configuration = configuration(store, &mut registry, &resolved.parsed, interrupt)?;
    let (digest, size) = (resolved.manifest.digest.clone(), resolved.manifest.bytes.len() as u64);
    let image = manifest::image(digest, size, &resolved.parsed, configuration)?;
    if wanted.platform.fit(&image.platform()).is_none() {
        tracing::warn!("{} is for {}, this host is {}", wanted.reference, image.platform(), wanted.platform);
    }
    if !wanted.is_complete(store, &image) {
        store.require_room(&image)?;
        fetch_layers(store, &mut registry, &image, interrupt)?;
    }
    // blobs before documents before the name: whatever is seen is whole
    for document in [Some(&resolved.manifest), resolved.index.as_ref()].into_iter().flatten() {
        store.put(&document.digest, &document.bytes, interrupt)?;
    }
    store.name(wanted.reference, target(wanted.reference, &resolved, &image))?;
    tracing::info!("pulled {} as {}", wanted.reference, image.manifest_digest);
    Ok(image)
}

/// Pulls the layers that the cache lacks of an image that it knows. The tag is not asked again:
/// it may have moved, and what was found is what is wanted.
pub(super) fn layers(
    store: &Store,
    wanted: &Wanted<'_>,
    image: Image,
    interrupt: &Interrupt,
) -> Result<Image> {
    let mut registry = Registry::new(wanted.reference, wanted.transfer, wanted.access, interrupt)?;
    store.require_room(&image)?;
    fetch_layers(store, &mut registry, &image, interrupt)?;
    Ok(image)
}

/// Follows the reference to the manifest for the wanted platform.
fn resolve(registry: &mut Registry<'_>, wanted: &Wanted<'_>) -> Result<Resolved> {
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
    fill(slot, registry, config.digest())?;
    manifest::parse_configuration(&store.document(config)?)
}

fn fetch_layers(
    store: &Store,
    registry: &mut Registry<'_>,
    image: &Image,
    interrupt: &Interrupt,
) -> Result<()> {
    let missing = store.missing_layers(image);
    store.require_space(&missing)?;
    for Layer { digest, size, .. } in &missing {
        fill(store.slot(digest, *size, Presence::BySize, interrupt)?, registry, digest)?;
    }
    // a manifest may give one digest two sizes
    match store.missing_layers(image).first() {
        None => Ok(()),
        Some(layer) => {
            let why = format!("layer {} has not the {} bytes of its descriptor", layer.digest, layer.size);
            Err(Error::new(ErrorKind::Image, why))
        }
    }
}

fn fill(slot: Slot, registry: &mut Registry<'_>, digest: &Digest) -> Result<()> {
    match slot {
        Slot::Present => Ok(()),
        Slot::Absent(mut partial) => {
            registry.blob(digest, &mut *partial)?;
            partial.finish()
        }
    }
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

/// The registry fills partial blobs of the store; neither knows the other.
impl Sink for Partial {
    fn offset(&self) -> u64 {
        Partial::offset(self)
    }

    fn size(&self) -> u64 {
        Partial::size(self)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        Partial::append(self, bytes)
    }

    fn restart(&mut self) -> Result<()> {
        Partial::restart(self)
    }

    fn differs(&mut self) -> Result<Option<String>> {
        match self.verify()? {
            Verdict::Wrong(got) => Ok(Some(got)),
            Verdict::Whole | Verdict::Short(_) => Ok(None),
        }
    }
}
