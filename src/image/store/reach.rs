//! What an entry of the index leads to: documents and layers, and what is wrong with them.

use std::io;
use std::path::Path;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde::Serialize;

use super::{INDEX_DEPTH, Store, blob, layout, names, view};
use crate::error::Result;
use crate::image::digest::Digest;
use crate::image::manifest::{self, Document, Image};
use crate::image::platform::Platform;
use crate::interrupt::Interrupt;

/// What is wrong with a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    pub digest: Digest,
    pub state: Defect,
    /// For people.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Defect {
    /// It is not there.
    Missing,
    /// Its bytes are not those of its digest or size.
    Damaged,
    /// Its bytes are right but no image can be made of them.
    Unfit,
}

/// One entry of the index with all that it leads to. Documents have been read and verified;
/// of the layers, only what the manifests say is known.
#[derive(Clone, Debug)]
pub(in crate::image) struct Tree {
    pub(in crate::image) name: Option<String>,
    pub(in crate::image) platform: Option<Platform>,
    pub(in crate::image) digest: Digest,
    /// Manifests, indexes and configurations, each with its size.
    pub(in crate::image) documents: Vec<(Digest, u64)>,
    /// Layers, each with its size; those of attestations too.
    pub(in crate::image) layers: Vec<(Digest, u64)>,
    pub(in crate::image) images: Vec<Image>,
    /// What is wrong with the documents.
    pub(in crate::image) damage: Vec<Damage>,
}

impl Tree {
    fn new(entry: &Descriptor) -> Self {
        Self {
            name: names::of(entry).map(str::to_owned),
            platform: Platform::of_descriptor(entry),
            digest: entry.digest().clone(),
            documents: Vec::new(),
            layers: Vec::new(),
            images: Vec::new(),
            damage: Vec::new(),
        }
    }

    /// All blobs, each once.
    pub(in crate::image) fn blobs(&self) -> impl Iterator<Item = &(Digest, u64)> {
        self.documents.iter().chain(&self.layers)
    }

    fn is_new(&self, digest: &Digest) -> bool {
        self.blobs().all(|(known, _)| known != digest)
    }

    fn add_layer(&mut self, digest: &Digest, size: u64) {
        if self.is_new(digest) {
            self.layers.push((digest.clone(), size));
        }
    }

    fn fault(&mut self, digest: &Digest, state: Defect, reason: String) {
        self.damage.push(Damage { digest: digest.clone(), state, reason });
    }
}

impl Store {
    /// The trees of all entries of the index, with a name or without.
    pub(in crate::image) fn trees(&self, interrupt: &Interrupt) -> Result<Vec<Tree>> {
        let index = layout::read_index(&self.dir)?;
        index
            .manifests()
            .iter()
            .map(|entry| {
                interrupt.check()?;
                Ok(self.tree(entry))
            })
            .collect()
    }

    pub(super) fn tree(&self, entry: &Descriptor) -> Tree {
        let mut tree = Tree::new(entry);
        self.visit(&mut tree, entry, 0);
        // what other tools read has the same configuration and layers
        if let Some(view) = view::other(entry)
            && tree.is_new(view.digest())
        {
            self.take(&mut tree, &view);
        }
        tree
    }

    fn visit(&self, tree: &mut Tree, entry: &Descriptor, depth: usize) {
        let digest = entry.digest();
        // also ends an index that would contain itself
        if !tree.is_new(digest) {
            return;
        }
        let Some(bytes) = self.take(tree, entry) else { return };
        match manifest::parse(&bytes, Some(entry.media_type().as_ref())) {
            Err(error) => tree.fault(digest, Defect::Unfit, error.to_string()),
            Ok(Document::Index(_)) if depth == INDEX_DEPTH => {
                tree.fault(digest, Defect::Unfit, "its indexes lie too deep in each other".to_owned());
            }
            Ok(Document::Index(index)) => self.visit_index(tree, entry, &index, depth),
            Ok(Document::Manifest(parsed)) => self.visit_manifest(tree, entry, &parsed),
        }
    }

    /// Only what is stored: an index keeps the entries of platforms that nobody asked for.
    fn visit_index(&self, tree: &mut Tree, entry: &Descriptor, index: &ImageIndex, depth: usize) {
        let before = tree.images.len() + tree.damage.len();
        for nested in index.manifests() {
            if self.is_stored(nested.digest()) {
                self.visit(tree, nested, depth + 1);
            }
        }
        if depth == 0 && tree.images.len() + tree.damage.len() == before {
            tree.fault(
                entry.digest(),
                Defect::Unfit,
                "it is an index and none of its images is there".into(),
            );
        }
    }

    fn visit_manifest(&self, tree: &mut Tree, entry: &Descriptor, parsed: &ImageManifest) {
        let config = parsed.config();
        for layer in parsed.layers() {
            tree.add_layer(layer.digest(), layer.size());
        }
        if !manifest::is_for_images(entry) {
            return tree.add_layer(config.digest(), config.size());
        }
        let known = tree.blobs().any(|(digest, _)| digest == config.digest());
        let bytes = match known {
            true => self.document(config).ok(),
            false => self.take(tree, config),
        };
        let Some(bytes) = bytes else { return };
        let image = manifest::parse_configuration(&bytes)
            .and_then(|it| manifest::image(entry.digest().clone(), entry.size(), parsed, it));
        match image {
            Ok(image) => tree.images.push(image),
            Err(error) => tree.fault(entry.digest(), Defect::Unfit, error.to_string()),
        }
    }

    /// Reads a document, noting it and what is wrong with it.
    fn take(&self, tree: &mut Tree, descriptor: &Descriptor) -> Option<Vec<u8>> {
        let digest = descriptor.digest();
        tree.documents.push((digest.clone(), descriptor.size()));
        let read = manifest::check_document(descriptor).and_then(|()| self.document(descriptor));
        read.map_err(|error| tree.fault(digest, self.defect(digest), error.to_string())).ok()
    }

    /// Whether a blob that could not be used is there at all.
    pub(super) fn defect(&self, digest: &Digest) -> Defect {
        if manifest::check_digest(digest).is_err() {
            return Defect::Unfit;
        }
        let is_missing = |dir: &Path| {
            let found = std::fs::symlink_metadata(blob::path(dir, digest));
            found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        match self.caches().all(is_missing) {
            true => Defect::Missing,
            false => Defect::Damaged,
        }
    }
}
