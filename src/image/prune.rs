//! Frees what nothing in the index needs.

use std::collections::HashSet;

use serde::Serialize;

use super::digest::Digest;
use super::rootfs::{self, Entry, Removal, Stage};
use super::store::{Freed, Half, Store};
use crate::error::Result;
use crate::interrupt::Interrupt;

/// What was freed, and what is left for others to remove.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Pruned {
    /// Blobs that no name led to.
    pub blobs: u64,
    /// Half downloads and half loads.
    pub partials: u64,
    /// Unpacked images that no name led to, and half ones.
    pub rootfs: u64,
    /// Bytes of file contents freed in all.
    pub bytes: u64,
    pub left: Vec<Left>,
}

/// A rootfs that this process may not remove.
#[derive(Clone, Debug, Serialize)]
pub struct Left {
    pub path: String,
    pub reason: String,
    /// What removes it.
    pub command: String,
}

/// Removes blobs, partials and rootfses that no entry of the index needs.
///
/// Fails with [`ErrorKind::Image`](crate::error::ErrorKind::Image), and removes nothing, while another
/// process uses the cache, or when a damaged manifest leaves unknown what is needed.
pub fn prune(store: &Store, half: Half, interrupt: &Interrupt) -> Result<Pruned> {
    let alone = store.lock_exclusive()?;
    let mut pruned = Pruned::default();
    let mut note = |freed: Freed| {
        pruned.bytes += freed.bytes;
        freed.count
    };
    let blobs = note(store.prune_blobs(&alone, interrupt)?);
    let partials = note(store.prune_partials(&alone, half, interrupt)?);
    (pruned.blobs, pruned.partials) = (blobs, partials);
    prune_rootfs(store, &mut pruned, interrupt)?;
    Ok(pruned)
}

fn prune_rootfs(store: &Store, pruned: &mut Pruned, interrupt: &Interrupt) -> Result<()> {
    let trees = store.trees(interrupt)?;
    let needed: HashSet<Digest> =
        trees.iter().flat_map(|tree| &tree.images).map(|image| image.chain_id()).collect();
    let mut entries = Vec::new();
    for dir in store.rootfs_dirs() {
        entries.extend(rootfs::entries(dir)?);
    }
    for entry in entries {
        interrupt.check()?;
        if entry.stage == Stage::Complete && needed.contains(&entry.chain_id) {
            continue;
        }
        if !entry.is_removable() {
            let (reason, command) = entry.remedy();
            pruned.left.push(Left { path: entry.path.display().to_string(), reason, command });
            continue;
        }
        match entry.remove() {
            Ok(Removal::Removed(bytes)) => {
                pruned.rootfs += 1;
                pruned.bytes += bytes;
            }
            Ok(Removal::Busy) => pruned.left.push(again(&entry, "a process works on it".to_owned())),
            // to the end all the same
            Err(error) => pruned.left.push(again(&entry, error.to_string())),
        }
    }
    Ok(())
}

/// What may go away with the next attempt.
fn again(entry: &Entry, reason: String) -> Left {
    Left { path: entry.path.display().to_string(), reason, command: "airshipctl image prune".to_owned() }
}
