//! Images as other tools read them.
//!
//! skopeo and umoci read image-spec's own media types from a layout, and one image by one name. What
//! a registry has in docker's schema 2, or as an index of which one image is stored, keeps its bytes
//! and its digest here all the same: that is what is pinned, verified and saved. So on disk an entry
//! of the index leads to a *view*, a manifest of image-spec with the same configuration and layers,
//! and its annotation [`OTHER`] has the descriptor of what the registry sent. In memory it is the
//! other way round, and nothing else knows of views.

use std::collections::HashMap;
use std::str::FromStr;

use oci_spec::image::{Descriptor, ImageIndex, MediaType};

use super::{Store, blob, layout};
use crate::error::{Doing, ErrorKind, Result};
use crate::image::digest::{Digest, sha256_hex};
use crate::image::manifest::{self, Document};
use crate::image::platform::Platform;
use crate::interrupt::Interrupt;

/// The descriptor, as JSON, that stands behind an entry: the registry's own on disk, the view's in
/// memory.
const OTHER: &str = "org.airshipit.airshipctl.manifest";

/// Puts what was read from disk as it is in memory, or back.
pub(super) fn turn(index: &mut ImageIndex) {
    let turned = index.manifests().iter().map(|entry| turned(entry).unwrap_or_else(|| entry.clone()));
    index.set_manifests(turned.collect());
}

/// `None` for an entry that has no other side.
pub(super) fn turned(entry: &Descriptor) -> Option<Descriptor> {
    let mut annotations = entry.annotations().clone()?;
    let mut turned = other(entry)?;
    annotations.insert(OTHER.to_owned(), plain(entry).ok()?);
    turned.set_annotations(Some(annotations));
    turned.set_platform(entry.platform().clone());
    Some(turned)
}

/// The descriptor behind an entry.
pub(super) fn other(entry: &Descriptor) -> Option<Descriptor> {
    serde_json::from_str(entry.annotations().as_ref()?.get(OTHER)?).ok()
}

/// The annotations of `entry` that belong to its view, for a new name.
pub(super) fn annotations(entry: &Descriptor) -> HashMap<String, String> {
    let other = entry.annotations().as_ref().and_then(|all| all.get(OTHER));
    other.map(|other| (OTHER.to_owned(), other.clone())).into_iter().collect()
}

/// The descriptor alone, in a form that is the same each time.
fn plain(entry: &Descriptor) -> serde_json::Result<String> {
    let alone = Descriptor::new(entry.media_type().clone(), entry.size(), entry.digest().clone());
    serde_json::to_string(&alone)
}

impl Store {
    /// Makes the view of an entry that needs one, and notes it in the entry.
    pub(super) fn with_view(&self, mut entry: Descriptor, interrupt: &Interrupt) -> Result<Descriptor> {
        let Some(view) = self.view(&entry, interrupt)? else { return Ok(entry) };
        let plain = plain(&view).doing(ErrorKind::Internal, || "writing a descriptor".into())?;
        let mut annotations = entry.annotations().clone().unwrap_or_default();
        annotations.insert(OTHER.to_owned(), plain);
        entry.set_annotations(Some(annotations));
        Ok(entry)
    }

    /// Makes all views anew, after the loss of one. What one is made of may be lost itself.
    pub(in crate::image) fn restore_views(&self, interrupt: &Interrupt) -> Result<()> {
        let index = layout::read_index(&self.dir)?;
        for entry in index.manifests().iter().filter(|entry| other(entry).is_some()) {
            if let Err(error) = self.view(entry, interrupt) {
                interrupt.check()?;
                tracing::warn!("{error}");
            }
        }
        Ok(())
    }

    fn view(&self, entry: &Descriptor, interrupt: &Interrupt) -> Result<Option<Descriptor>> {
        let Some((behind, bytes)) = self.manifest_behind(entry)? else { return Ok(None) };
        let parsed = manifest::parse(&bytes, Some(behind.media_type().as_ref()))?;
        let Document::Manifest(parsed) = parsed else { return Ok(None) };
        let Some(text) = manifest::translated(&parsed)? else {
            // an image of an index, which is in image-spec's form already
            return Ok((behind.digest() != entry.digest()).then_some(behind));
        };
        let digest = Digest::from_str(&format!("sha256:{}", sha256_hex(&text)))
            .doing(ErrorKind::Internal, || "making a digest".into())?;
        self.put(&digest, &text, interrupt)?;
        Ok(Some(Descriptor::new(MediaType::ImageManifest, text.len() as u64, digest)))
    }

    /// The manifest itself, or the only one of an index that is stored, with its descriptor.
    fn manifest_behind(&self, entry: &Descriptor) -> Result<Option<(Descriptor, Vec<u8>)>> {
        let bytes = self.document(entry)?;
        let index = match manifest::parse(&bytes, Some(entry.media_type().as_ref()))? {
            Document::Manifest(_) => return Ok(Some((entry.clone(), bytes))),
            Document::Index(index) => index,
        };
        let stored = |it: &&Descriptor| {
            manifest::is_for_images(it)
                && !manifest::leads_to_index(it)
                && blob::size(&self.dir, it.digest()).is_some()
        };
        let stored: Vec<&Descriptor> = index.manifests().iter().filter(stored).collect();
        let chosen = match stored.as_slice() {
            [only] => Some(*only),
            // other tools choose from an index, if it is of image-spec
            _ if *entry.media_type() == MediaType::ImageIndex => None,
            many => manifest::select(many.iter().copied(), &Platform::host()),
        };
        chosen.map(|it| self.document(it).map(|bytes| (it.clone(), bytes))).transpose()
    }
}
