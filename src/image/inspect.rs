//! One image of the cache, as people and programs want to see it.

use oci_spec::image::MediaType;
use serde::Serialize;

use super::digest::Digest;
use super::manifest::Image;
use super::rootfs::{self, Condition, Mapping, Stage};
use super::store::Located;
use super::{Platform, Reference, Store};
use crate::error::{Error, ErrorKind, Result};

/// What the cache has under a reference.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspected {
    pub reference: String,
    /// Of the manifest.
    pub digest: Digest,
    pub platform: Platform,
    /// RFC 3339, if the image says it.
    pub created: Option<String>,
    /// Bytes of manifest and layers.
    pub size: u64,
    pub chain_id: Digest,
    /// From the base up.
    pub layers: Vec<InspectedLayer>,
    pub config: InspectedConfig,
    /// Where it is unpacked.
    pub rootfs: Vec<InspectedRootfs>,
    /// The directory of the cache that has its name.
    pub cache: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectedLayer {
    pub digest: Digest,
    pub media_type: MediaType,
    /// Bytes as stored.
    pub size: u64,
    pub diff_id: Digest,
    /// Whether the cache has it, by its size.
    pub present: bool,
}

/// What the builder is run with (image-spec, config.md).
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectedConfig {
    pub env: Vec<String>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub user: String,
    pub working_dir: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct InspectedRootfs {
    pub mapping: Mapping,
    pub path: String,
    /// `valid`, `invalid`, `foreign` (of another user) or `unfinished`.
    pub state: &'static str,
}

/// Shows the image of that name that suits this host, or else the first one of that name.
///
/// Fails with [`ErrorKind::Image`] where the cache has none, or only a damaged one.
pub fn inspect(store: &Store, reference: &Reference) -> Result<Inspected> {
    let doing = || format!("inspecting {reference}");
    let located = find(store, reference).map_err(|error| error.context(doing()))?;
    let Some((image, cache)) = located else {
        let why = format!("{}: cache {} has it not", doing(), store.describe());
        return Err(
            Error::new(ErrorKind::Image, why).hint("`airshipctl image ls` lists the names that are there")
        );
    };
    let rootfs = unpacked(store, &image).map_err(|error| error.context(doing()))?;
    let missing = store.missing_layers(&image);
    let layers = image.layers.iter().map(|layer| InspectedLayer {
        digest: layer.digest.clone(),
        media_type: layer.media_type.clone(),
        size: layer.size,
        diff_id: layer.diff_id.clone(),
        present: !missing.iter().any(|other| other.digest == layer.digest),
    });
    Ok(Inspected {
        reference: reference.to_string(),
        digest: image.manifest_digest.clone(),
        platform: image.platform(),
        created: image.configuration.created().clone(),
        size: image.size(),
        chain_id: image.chain_id(),
        layers: layers.collect(),
        config: config(&image),
        rootfs,
        cache,
    })
}

fn find(store: &Store, reference: &Reference) -> Result<Option<(Image, String)>> {
    if let Some(Located { image, cache }) = store.locate(reference, &Platform::host())? {
        return Ok(Some((image, cache.display().to_string())));
    }
    let name = reference.to_string();
    match store.list()?.into_iter().find(|row| row.reference == name) {
        Some(row) => Ok(Some((store.image(&row.digest)?, row.cache))),
        None => Ok(None),
    }
}

fn config(image: &Image) -> InspectedConfig {
    let Some(config) = image.configuration.config() else { return InspectedConfig::default() };
    InspectedConfig {
        env: config.env().clone().unwrap_or_default(),
        entrypoint: config.entrypoint().clone().unwrap_or_default(),
        cmd: config.cmd().clone().unwrap_or_default(),
        user: config.user().clone().unwrap_or_default(),
        working_dir: config.working_dir().clone().unwrap_or_default(),
    }
}

fn unpacked(store: &Store, image: &Image) -> Result<Vec<InspectedRootfs>> {
    let chain_id = image.chain_id();
    let mut found = Vec::new();
    for dir in store.all_rootfs_dirs() {
        let entries = match rootfs::entries(dir) {
            // what an additional cache does not let us see is not ours to run
            Err(_) if store.additional().iter().any(|other| other == dir) => continue,
            entries => entries?,
        };
        for entry in entries.into_iter().filter(|entry| entry.chain_id == chain_id) {
            let state = match entry.stage {
                Stage::Temporary => "unfinished",
                Stage::Complete => match rootfs::condition(dir, &entry.mapping, &image.layers)? {
                    Condition::Valid => "valid",
                    Condition::Foreign => "foreign",
                    Condition::Invalid(_) | Condition::Absent => "invalid",
                },
            };
            let path = entry.path.display().to_string();
            found.push(InspectedRootfs { path, mapping: entry.mapping, state });
        }
    }
    Ok(found)
}
