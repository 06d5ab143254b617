//! Takes names away; what they led to stays until it is pruned.

use std::collections::HashSet;

use oci_spec::image::{Descriptor, ImageIndex};
use serde::Serialize;

use super::reach::Tree;
use super::{Store, layout, names};
use crate::error::{Error, ErrorKind, Result};
use crate::image::digest::Digest;
use crate::image::reference::Reference;

/// A name that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    pub reference: String,
    pub digest: Digest,
    /// Other names of the same digest, which stay.
    pub also_named: Vec<String>,
    /// Bytes of blobs that names which stay lead to as well.
    pub shared: u64,
    /// Bytes of blobs that nothing leads to any more.
    pub unused: u64,
}

impl Store {
    /// Takes all these names out of the index, for every platform, or none if one is not there.
    ///
    /// Fails with [`ErrorKind::Image`] for a name that the cache has not got.
    pub fn remove(&self, references: &[Reference]) -> Result<Vec<Removed>> {
        layout::update_index(&self.dir, |index| {
            let (gone, kept) = split(index, references)
                .map_err(|error| error.context(format!("removing from cache {}", self.dir.display())))?;
            let removed = self.account(&gone, &kept);
            index.set_manifests(kept);
            Ok(removed)
        })
    }

    /// What becomes unused is given to the first of several names that shared it.
    fn account(&self, gone: &[Descriptor], kept: &[Descriptor]) -> Vec<Removed> {
        let mut counted = HashSet::new();
        let staying: Vec<Tree> = kept.iter().map(|entry| self.tree(entry)).collect();
        let used: HashSet<&Digest> =
            staying.iter().flat_map(|tree| tree.blobs().map(|(digest, _)| digest)).collect();
        let account = |entry: &Descriptor| {
            let (mut shared, mut unused) = (0, 0);
            for (digest, size) in self.tree(entry).blobs() {
                match used.contains(digest) {
                    true => shared += size,
                    false if counted.insert(digest.clone()) => unused += size,
                    false => {}
                }
            }
            let same = staying.iter().filter(|tree| tree.digest == *entry.digest());
            Removed {
                reference: names::of(entry).unwrap_or_default().to_owned(),
                digest: entry.digest().clone(),
                also_named: same.filter_map(|tree| tree.name.clone()).collect(),
                shared,
                unused,
            }
        };
        gone.iter().map(account).collect()
    }
}

fn split(index: &ImageIndex, references: &[Reference]) -> Result<(Vec<Descriptor>, Vec<Descriptor>)> {
    for reference in references {
        if !index.manifests().iter().any(|entry| is_meant(entry, reference)) {
            return Err(Error::new(ErrorKind::Image, format!("there is no {reference}")).hint(
                "`airshipctl image ls` lists the names that are there; additional caches are never changed",
            ));
        }
    }
    let meant = |entry: &Descriptor| references.iter().any(|reference| is_meant(entry, reference));
    Ok(index.manifests().iter().cloned().partition(meant))
}

/// By its very name; or by digest, if the entry's name is of the same repository: a digest alone
/// would take the names of others away.
fn is_meant(entry: &Descriptor, reference: &Reference) -> bool {
    let Some(name) = names::of(entry) else { return false };
    let same_place = |other: Reference| {
        (other.registry(), other.repository()) == (reference.registry(), reference.repository())
            && (reference.tag().is_none() || reference.tag() == other.tag())
    };
    name == reference.to_string()
        || reference.digest() == Some(entry.digest()) && Reference::parse(name).is_ok_and(same_place)
}
