//! Names in the index: `org.opencontainers.image.ref.name` (image-spec, annotations.md).

use std::path::Path;

use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, ImageIndex, MediaType};
use serde::Serialize;

use super::{Store, blob, layout, view};
use crate::error::Result;
use crate::image::Image;
use crate::image::digest::Digest;
use crate::image::manifest::{self, Document};
use crate::image::platform::Platform;
use crate::image::reference::Reference;
use crate::interrupt::Interrupt;

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

impl Store {
    /// Gives a name to an image that was found under another one or in another cache, since names
    /// are what keeps an image from `prune`. Nothing is done where the own cache lacks layers of it,
    /// which are only read elsewhere, or cannot be written, where nothing is pruned either.
    pub(in crate::image) fn name_found(
        &self,
        reference: &Reference,
        image: &Image,
        interrupt: &Interrupt,
    ) -> Result<()> {
        // has been said where it was looked for
        let Ok(own) = layout::read_index(&self.dir) else { return Ok(()) };
        let name = reference.to_string();
        let mut named = own.manifests().iter().filter(|entry| of(entry) == Some(&name));
        let is_ours = nix::unistd::access(&self.dir, nix::unistd::AccessFlags::W_OK).is_ok();
        if !is_ours || named.any(|entry| self.leads_to(entry, image)) {
            return Ok(());
        }
        let Some(target) = self.found_target(reference, image, &own)? else { return Ok(()) };
        for digest in self.found_documents(&target, image)? {
            self.put(&digest, &self.read(&digest, None)?, interrupt)?;
        }
        self.name(reference, target, interrupt)
    }

    fn leads_to(&self, entry: &Descriptor, image: &Image) -> bool {
        let is_it = |found: &Image| found.manifest_digest == image.manifest_digest;
        *entry.digest() == image.manifest_digest || self.tree(entry).images.iter().any(is_it)
    }

    /// What the name is to mean: what has the reference's digest, or the manifest.
    fn found_target(
        &self,
        reference: &Reference,
        image: &Image,
        own: &ImageIndex,
    ) -> Result<Option<Descriptor>> {
        let has = |digest, size| blob::size(&self.dir, digest) == Some(size);
        let other_name = own.manifests().iter().find(|entry| Some(entry.digest()) == reference.digest());
        if other_name.is_none() && !image.layers.iter().all(|layer| has(&layer.digest, layer.size)) {
            return Ok(None);
        }
        let index = self.index_with(reference)?;
        let entry = other_name.or_else(|| matching(&index, reference).into_iter().next());
        if let (Some(entry), Some(digest)) = (entry, reference.digest()) {
            let mut target = Descriptor::new(entry.media_type().clone(), entry.size(), digest.clone());
            target.set_platform(entry.platform().clone());
            return Ok(Some(target));
        }
        let bytes = self.read(&image.manifest_digest, Some(image.manifest_size))?;
        let media_type = manifest::stated_media_type(&bytes).unwrap_or(MediaType::ImageManifest);
        let mut target = Descriptor::new(media_type, image.manifest_size, image.manifest_digest.clone());
        target.set_platform(Some(manifest::described(&image.configuration)));
        Ok(Some(target))
    }

    /// The documents on the way to the image and of it.
    fn found_documents(&self, target: &Descriptor, image: &Image) -> Result<Vec<Digest>> {
        let bytes = self.read(&image.manifest_digest, Some(image.manifest_size))?;
        let mut documents = vec![image.manifest_digest.clone(), target.digest().clone()];
        if let Document::Manifest(parsed) = manifest::parse(&bytes, None)? {
            documents.push(parsed.config().digest().clone());
        }
        Ok(documents)
    }
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
