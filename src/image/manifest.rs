//! Manifests, indexes and configurations: what is taken, and what is refused by name.
//!
//! image-spec's documents and docker's schema 2, which differ in their media types only.

use std::str::FromStr;

use oci_spec::image::{
    Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, Platform as Described,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::digest::{Digest, Hasher};
use super::layer::{Layer, chain_id};
use super::platform::{Fit, Platform};
use crate::error::{Error, ErrorKind, Result};

/// Manifests, indexes and configurations are held in memory; none seen in the wild comes near.
/// distribution-spec asks registries to take manifests of 4 MiB.
pub(super) const DOCUMENT_LIMIT: u64 = 8 << 20;

const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";

/// What is asked of a registry, best first.
pub(super) const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    DOCKER_LIST,
    DOCKER_MANIFEST,
];

/// An image that can be run: manifest and configuration agree and every layer can be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub manifest_digest: Digest,
    /// Size of the manifest in bytes.
    pub manifest_size: u64,
    pub configuration: ImageConfiguration,
    /// The layers from the base up, never empty; media types are image-spec's, docker's translated.
    pub layers: Vec<Layer>,
}

impl Image {
    /// The digest of the whole stack of layers (image-spec, config.md, "Layer ChainID").
    pub fn chain_id(&self) -> Digest {
        // there is at least one layer, so the manifest never stands in
        chain_id(&self.layers).unwrap_or_else(|| self.manifest_digest.clone())
    }

    /// Bytes of manifest and layers, as stored.
    pub fn size(&self) -> u64 {
        self.layers.iter().fold(self.manifest_size, |sum, layer| sum.saturating_add(layer.size))
    }

    /// What the image says it runs on.
    pub fn platform(&self) -> Platform {
        Platform::of_configuration(&self.configuration)
    }
}

/// What a descriptor says of a configuration's platform, so that other tools need not read it.
pub(super) fn described(configuration: &ImageConfiguration) -> Described {
    let mut platform = Described::default();
    platform.set_os(configuration.os().clone());
    platform.set_architecture(configuration.architecture().clone());
    platform.set_variant(configuration.variant().clone());
    platform
}

/// A verified document of a registry or a layout.
#[derive(Debug)]
pub(super) enum Document {
    Index(Box<ImageIndex>),
    Manifest(Box<ImageManifest>),
}

/// The fields by which the kinds of manifest differ.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
}

/// Reads a manifest or an index. `declared` is the media type that came with it, from a
/// descriptor or a header.
pub(super) fn parse(bytes: &[u8], declared: Option<&str>) -> Result<Document> {
    let shape: Shape = json(bytes, "manifest")?;
    if shape.schema_version == Some(1) {
        return refuse("it is in the obsolete schema 1, which cannot be verified").map_err(|error| {
            error.hint("push the image again with a current tool, for instance skopeo copy")
        });
    }
    if shape.schema_version != Some(2) {
        return refuse("its schemaVersion is not 2");
    }
    // CVE-2021-41190: a document that is both would mean different images to different tools
    if shape.manifests.is_some() && (shape.layers.is_some() || shape.config.is_some()) {
        return refuse("it is a manifest and an index at once");
    }
    let stated = shape.media_type.as_deref();
    if let (Some(stated), Some(declared)) = (stated, declared.filter(|it| is_known(it)))
        && stated != declared
    {
        return refuse(&format!("it calls itself {stated:?} but was handed out as {declared:?}"));
    }
    match stated.or(declared.filter(|it| is_known(it))) {
        Some(name) if is_index(name) => json(bytes, "image index").map(|it| Document::Index(Box::new(it))),
        Some(name) if is_manifest(name) => json(bytes, "manifest").map(|it| Document::Manifest(Box::new(it))),
        Some(other) => refuse(&format!("its media type {other:?} is not an image's")),
        None if shape.manifests.is_some() => {
            json(bytes, "image index").map(|it| Document::Index(Box::new(it)))
        }
        None => json(bytes, "manifest").map(|it| Document::Manifest(Box::new(it))),
    }
}

/// The media type a document itself says it has; docker's always do, image-spec's need not.
pub(super) fn stated_media_type(bytes: &[u8]) -> Option<MediaType> {
    let shape: Shape = serde_json::from_slice(bytes).ok()?;
    shape.media_type.as_deref().map(MediaType::from)
}

/// Reads an image configuration.
pub(super) fn parse_configuration(bytes: &[u8]) -> Result<ImageConfiguration> {
    json(bytes, "image configuration")
}

fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::caused(ErrorKind::Image, format!("parsing {what}"), &error))
}

fn refuse<T>(why: &str) -> Result<T> {
    Err(Error::new(ErrorKind::Image, format!("reading manifest: {why}")))
}

fn is_index(name: &str) -> bool {
    name == MediaType::ImageIndex.as_ref() || name == DOCKER_LIST
}

fn is_manifest(name: &str) -> bool {
    name == MediaType::ImageManifest.as_ref() || name == DOCKER_MANIFEST
}

/// Registries also hand manifests out as `application/json` or plain text.
fn is_known(name: &str) -> bool {
    is_index(name) || is_manifest(name)
}

/// Whether a descriptor leads to a further index.
pub(super) fn leads_to_index(descriptor: &Descriptor) -> bool {
    is_index(descriptor.media_type().as_ref())
}

/// Whether an index's entry is an image, or an index of such, rather than an attestation: those
/// are manifests for the platform `unknown/unknown`.
pub(super) fn is_for_images(entry: &Descriptor) -> bool {
    let unknown = Platform::of_descriptor(entry).is_some_and(|platform| platform.os == "unknown");
    is_known(entry.media_type().as_ref()) && !unknown
}

/// The entry that suits `platform` best; the first of equals, as image-spec says.
pub(super) fn select<'a>(
    entries: impl IntoIterator<Item = &'a Descriptor>,
    platform: &Platform,
) -> Option<&'a Descriptor> {
    let mut best: Option<(Fit, &Descriptor)> = None;
    for entry in entries.into_iter().filter(|entry| is_known(entry.media_type().as_ref())) {
        let fit = match Platform::of_descriptor(entry) {
            Some(stated) => platform.fit(&stated),
            None => Some(Fit::Unstated),
        };
        if let Some(fit) = fit
            && best.is_none_or(|(other, _)| fit > other)
        {
            best = Some((fit, entry));
        }
    }
    best.map(|(_, entry)| entry)
}

/// The platforms an index has, for people.
pub(super) fn platforms(index: &ImageIndex) -> String {
    let names: Vec<String> =
        index.manifests().iter().filter_map(Platform::of_descriptor).map(|p| p.to_string()).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

/// Makes sure that a document's descriptor can be followed: a digest that can be checked and a
/// size that may be held in memory.
pub(super) fn check_document(descriptor: &Descriptor) -> Result<()> {
    check_digest(descriptor.digest())?;
    match descriptor.size() {
        size if size > DOCUMENT_LIMIT => refuse(&format!(
            "{} is said to have {size} bytes; more than {DOCUMENT_LIMIT} are not taken",
            descriptor.digest()
        )),
        _ => Ok(()),
    }
}

/// Makes sure that `digest` is of an algorithm that can be checked; only such become file names.
pub(super) fn check_digest(digest: &Digest) -> Result<()> {
    match Hasher::new(digest.algorithm()) {
        Some(_) => Ok(()),
        None => refuse(&format!("the algorithm of digest {digest} is not sha256, sha384 or sha512")),
    }
}

/// Makes sure that the manifest is a container image's before anything it names is fetched.
pub(super) fn check_manifest(manifest: &ImageManifest) -> Result<()> {
    let configuration = manifest.config().media_type();
    if *configuration != MediaType::ImageConfig && configuration.as_ref() != DOCKER_CONFIG {
        return refuse(&format!("it is not a container image: its configuration is {configuration}"));
    }
    check_document(manifest.config())?;
    if manifest.layers().is_empty() {
        return refuse("it has no layers");
    }
    for layer in manifest.layers() {
        check_digest(layer.digest())?;
        layer_type(layer.media_type())?;
    }
    Ok(())
}

/// A manifest of docker's in image-spec's media types, the same bytes each time; `None` for one that
/// has them already.
pub(super) fn translated(manifest: &ImageManifest) -> Result<Option<Vec<u8>>> {
    let is_translated =
        |it: &Descriptor| layer_type(it.media_type()).is_ok_and(|ours| ours == *it.media_type());
    let is_stated = manifest.media_type().as_ref().is_none_or(|it| *it == MediaType::ImageManifest);
    if is_stated
        && *manifest.config().media_type() == MediaType::ImageConfig
        && manifest.layers().iter().all(is_translated)
    {
        return Ok(None);
    }
    let mut translated = manifest.clone();
    translated.set_media_type(Some(MediaType::ImageManifest));
    let mut config = manifest.config().clone();
    config.set_media_type(MediaType::ImageConfig);
    translated.set_config(config);
    let layer = |layer: &Descriptor| {
        let mut translated = layer.clone();
        translated.set_media_type(layer_type(layer.media_type())?);
        Ok(translated)
    };
    translated.set_layers(manifest.layers().iter().map(layer).collect::<Result<_>>()?);
    sorted(&translated).map(Some)
}

/// JSON that is the same bytes each time: annotations have no order of their own.
pub(super) fn sorted(document: &impl Serialize) -> Result<Vec<u8>> {
    let bytes = serde_json::to_value(document).and_then(|mut value| {
        value.sort_all_objects();
        serde_json::to_vec(&value)
    });
    bytes.map_err(|error| Error::caused(ErrorKind::Internal, "writing a document", &error))
}

/// Puts manifest and configuration together. `digest` and `size` are the manifest's own.
pub(super) fn image(
    digest: Digest,
    size: u64,
    manifest: &ImageManifest,
    configuration: ImageConfiguration,
) -> Result<Image> {
    check_manifest(manifest)?;
    let diff_ids = configuration.rootfs().diff_ids();
    if diff_ids.len() != manifest.layers().len() {
        return refuse(&format!(
            "it has {} layers but its configuration {}",
            manifest.layers().len(),
            diff_ids.len()
        ));
    }
    let pairs = manifest.layers().iter().zip(diff_ids);
    let layers = pairs.map(|(blob, diff_id)| layer(blob, diff_id)).collect::<Result<_>>()?;
    Ok(Image { manifest_digest: digest, manifest_size: size, configuration, layers })
}

fn layer(blob: &Descriptor, diff_id: &str) -> Result<Layer> {
    let diff_id = Digest::from_str(diff_id).map_err(|error| {
        Error::caused(ErrorKind::Image, format!("reading image configuration: diff_id {diff_id:?}"), &error)
    })?;
    check_digest(&diff_id)?;
    let media_type = layer_type(blob.media_type())?;
    Ok(Layer { digest: blob.digest().clone(), size: blob.size(), media_type, diff_id })
}

/// The media type in image-spec's words.
fn layer_type(media_type: &MediaType) -> Result<MediaType> {
    match media_type {
        MediaType::ImageLayer | MediaType::ImageLayerGzip | MediaType::ImageLayerZstd => {
            Ok(media_type.clone())
        }
        MediaType::ImageLayerNonDistributable
        | MediaType::ImageLayerNonDistributableGzip
        | MediaType::ImageLayerNonDistributableZstd => not_distributable(media_type),
        MediaType::Other(name) if name.starts_with(DOCKER_FOREIGN) => not_distributable(media_type),
        MediaType::Other(name) => match name.strip_prefix(DOCKER_LAYER) {
            Some("") => Ok(MediaType::ImageLayer),
            Some(".gzip") => Ok(MediaType::ImageLayerGzip),
            Some(".zstd") => Ok(MediaType::ImageLayerZstd),
            _ => unknown_layer(media_type),
        },
        _ => unknown_layer(media_type),
    }
}

fn not_distributable<T>(media_type: &MediaType) -> Result<T> {
    refuse(&format!("it has a layer that registries do not hand out ({media_type})"))
}

fn unknown_layer<T>(media_type: &MediaType) -> Result<T> {
    refuse(&format!("it is not a container image: it has a layer of type {media_type}"))
}
