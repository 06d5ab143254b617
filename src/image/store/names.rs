//! Names in the index: `org.opencontainers.image.ref.name` (image-spec, annotations.md).

use std::path::Path;

use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, ImageIndex};
use serde::Serialize;

use super::{Store, view};
use crate::error::Result;
use crate::image::digest::Digest;
use crate::image::manifest::{self, Document};
use crate::image::platform::Platform;
use crate::image::reference::Reference;

/// One image that has a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The full reference.
    pub reference: String,
    /// Of the manifest, or of the index where the name is an index's and nothing in it is stored.
    pub digest: Digest,
    /// `None` where nothing says it.
    pub platform: Option<Platform>,
    /// Bytes of manifest and layers; `None` where they cannot be read.
    pub size: Option<u64>,
    /// The directory of the cache whose index has the name.
    pub cache: String,
}

/// The name of an entry, if it has one.
pub(super) fn of(descriptor: &Descriptor) -> Option<&str> {
    descriptor.annotations().as_ref()?.get(ANNOTATION_REF_NAME).map(String::as_str)
}

/// The entries that `reference` means: by digest if it has one, else by name.
pub(super) fn matching<'a>(index: &'a ImageIndex, reference: &Reference) -> Vec<&'a Descriptor> {
    let name = reference.to_string();
    let means = |entry: &&Descriptor| match reference.digest() {
        Some(digest) => entry.digest() == digest,
        None => of(entry) == Some(&name),
    };
    index.manifests().iter().filter(means).collect()
}

/// Names `target`, in place of every entry of that name but those for other platforms.
pub(super) fn assign(index: &mut ImageIndex, reference: &Reference, mut target: Descriptor) {
    let name = reference.to_string();
    let platform = Platform::of_descriptor(&target);
    let elsewhere = |entry: &Descriptor| match (Platform::of_descriptor(entry), &platform) {
        (Some(theirs), Some(ours)) => theirs != *ours,
        _ => false,
    };
    let mut entries = index.manifests().clone();
    entries.retain(|entry| of(entry) != Some(&name) || elsewhere(entry));
    let mut annotations = view::annotations(&target);
    annotations.insert(ANNOTATION_REF_NAME.to_owned(), name);
    target.set_annotations(Some(annotations));
    entries.push(target);
    index.set_manifests(entries);
}

/// All names of the index of `cache`, in its order.
pub(super) fn list(store: &Store, cache: &Path, index: &ImageIndex) -> Vec<Listed> {
    let cache = cache.display().to_string();
    let named = index.manifests().iter().filter_map(|entry| Some((of(entry)?, entry)));
    named
        .flat_map(|(name, entry)| rows(store, name, entry))
        .map(|row| Listed { cache: cache.clone(), ..row })
        .collect()
}

fn rows(store: &Store, name: &str, entry: &Descriptor) -> Vec<Listed> {
    let row = |entry: &Descriptor| row(store, name, entry);
    if !manifest::leads_to_index(entry) {
        return vec![row(entry)];
    }
    let stored = |entry: &&Descriptor| !manifest::leads_to_index(entry) && store.is_stored(entry.digest());
    let rows: Vec<Listed> = match nested(store, entry) {
        Ok(Document::Index(index)) => index.manifests().iter().filter(stored).map(row).collect(),
        _ => Vec::new(),
    };
    match rows.is_empty() {
        true => vec![row(entry)],
        false => rows,
    }
}

fn nested(store: &Store, entry: &Descriptor) -> Result<Document> {
    manifest::check_document(entry)?;
    let bytes = store.document(entry)?;
    manifest::parse(&bytes, Some(entry.media_type().as_ref()))
}

fn row(store: &Store, name: &str, entry: &Descriptor) -> Listed {
    let image = store.image(entry.digest()).ok();
    let platform = Platform::of_descriptor(entry).or_else(|| Some(image.as_ref()?.platform()));
    let size = image.as_ref().map(|image| image.size());
    let (reference, digest) = (name.to_owned(), entry.digest().clone());
    Listed { reference, digest, platform, size, cache: String::new() }
}
