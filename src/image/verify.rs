//! Finds what is damaged in the cache, and puts it right where a registry can.

use std::collections::BTreeMap;

use serde::Serialize;

use super::registry::{self, Access};
use super::rootfs::{self, Condition, Entry, Mapping, Stage};
use super::store::{Damage, Defect, Tree};
use super::{Image, Platform, PullPolicy, Reference, Store, Wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

/// How thoroughly, and what is done about it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub depth: Depth,
    pub cure: Cure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every blob that the names lead to.
    Blobs,
    /// The records of unpacked images too.
    Deep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    Report,
    /// Damaged things are removed and, where a registry has them, fetched again.
    Repair,
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// How many names were followed.
    pub names: u64,
    /// How many blobs were hashed, and their bytes.
    pub blobs: u64,
    pub bytes: u64,
    /// What is wrong now.
    pub faults: Vec<BlobFault>,
    /// Unpacked images that must not be run.
    pub rootfs: Vec<RootfsFault>,
    /// Digests and directories that were put right.
    pub repaired: Vec<String>,
}

/// A blob that is not as it should be.
#[derive(Clone, Debug, Serialize)]
pub struct BlobFault {
    #[serde(flatten)]
    pub damage: Damage,
    /// The names that need it.
    pub references: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct RootfsFault {
    pub path: String,
    pub mapping: Mapping,
    pub reason: String,
}

impl Report {
    /// Whether nothing is wrong, or no longer.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty() && self.rootfs.is_empty()
    }
}

/// Verifies what these references lead to, or with none the whole index. What is wrong is in the
/// report; with [`Cure::Repair`], what is still wrong afterwards. `access` is how registries are reached.
///
/// Fails with [`ErrorKind::Image`] for a reference that the cache has not got.
pub fn verify(
    store: &Store,
    references: &[Reference],
    options: Options,
    access: &Access,
    interrupt: &Interrupt,
) -> Result<Report> {
    let _in_use = store.lock_shared()?;
    let trees = chosen(store, references, interrupt)?;
    let report = look(store, &trees, options.depth, interrupt)?;
    if report.is_good() || options.cure == Cure::Report {
        return Ok(report);
    }
    repair(store, &trees, &report, access, interrupt)?;
    let mut after = look(store, &chosen(store, references, interrupt)?, options.depth, interrupt)?;
    after.repaired = difference(&report, &after);
    Ok(after)
}

fn chosen(store: &Store, references: &[Reference], interrupt: &Interrupt) -> Result<Vec<Tree>> {
    let mut trees = store.trees(interrupt)?;
    let missing = references.iter().find(|it| !trees.iter().any(|tree| is_meant(tree, it)));
    if let Some(reference) = missing {
        let why = format!("verifying {reference}: cache {} has it not", store.path().display());
        return Err(
            Error::new(ErrorKind::Image, why).hint("`airshipctl image ls` lists the names that are there")
        );
    }
    trees.retain(|tree| references.is_empty() || references.iter().any(|it| is_meant(tree, it)));
    Ok(trees)
}

fn is_meant(tree: &Tree, reference: &Reference) -> bool {
    match reference.digest() {
        Some(digest) => tree.digest == *digest,
        None => tree.name.as_deref() == Some(&reference.to_string()),
    }
}

fn look(store: &Store, trees: &[Tree], depth: Depth, interrupt: &Interrupt) -> Result<Report> {
    let checked = store.check(trees, interrupt)?;
    let mut damage: BTreeMap<String, Damage> = BTreeMap::new();
    for found in checked.damage.into_iter().chain(trees.iter().flat_map(|tree| tree.damage.clone())) {
        damage.entry(found.digest.to_string()).or_insert(found);
    }
    let faults = damage.into_values().map(|damage| {
        let needs = |tree: &&Tree| tree.blobs().any(|(digest, _)| *digest == damage.digest);
        let references = trees.iter().filter(needs).map(name).collect();
        BlobFault { damage, references }
    });
    Ok(Report {
        names: trees.len() as u64,
        blobs: checked.blobs,
        bytes: checked.bytes,
        faults: faults.collect(),
        rootfs: if depth == Depth::Deep { rootfs_faults(store, trees)? } else { Vec::new() },
        repaired: Vec::new(),
    })
}

/// The name for people; an entry of another tool may have none.
fn name(tree: &Tree) -> String {
    tree.name.clone().unwrap_or_else(|| tree.digest.to_string())
}

/// Only what is there can be wrong: an image that is not unpacked will be when it is run.
fn rootfs_faults(store: &Store, trees: &[Tree]) -> Result<Vec<RootfsFault>> {
    let mut faults = Vec::new();
    for (entry, image) in unpacked(store, trees)? {
        if let Condition::Invalid(reason) = rootfs::condition(store.path(), &entry.mapping, &image.layers)? {
            faults.push(RootfsFault {
                path: entry.path.display().to_string(),
                mapping: entry.mapping,
                reason,
            });
        }
    }
    Ok(faults)
}

/// The rootfs directories of these images, each once.
fn unpacked<'a>(store: &Store, trees: &'a [Tree]) -> Result<Vec<(Entry, &'a Image)>> {
    let entries = rootfs::entries(store.path())?.into_iter().filter(|it| it.stage == Stage::Complete);
    let image = |entry: &Entry| {
        trees.iter().flat_map(|tree| &tree.images).find(|image| image.chain_id() == entry.chain_id)
    };
    Ok(entries.filter_map(|entry| image(&entry).map(|image| (entry, image))).collect())
}

/// Removes what is damaged, then has each name that lacks something completed.
fn repair(
    store: &Store,
    trees: &[Tree],
    report: &Report,
    access: &Access,
    interrupt: &Interrupt,
) -> Result<()> {
    for fault in report.faults.iter().filter(|fault| fault.damage.state == Defect::Damaged) {
        store.discard(&fault.damage.digest)?;
        tracing::info!("removed {}: {}", fault.damage.digest, fault.damage.reason);
    }
    if !report.rootfs.is_empty() {
        for (entry, image) in unpacked(store, trees)? {
            interrupt.check()?;
            // files of a mapped tree stay for the next run in that mapping, which sweeps them
            if let Err(error) = rootfs::remove_invalid(store.path(), &entry.mapping, &image.layers, interrupt)
            {
                tracing::warn!("{error}");
            }
        }
    }
    for tree in trees.iter().filter(|tree| lacks(tree, report)) {
        interrupt.check()?;
        fetch(store, tree, access, interrupt)?;
    }
    store.restore_views(interrupt)
}

fn lacks(tree: &Tree, report: &Report) -> bool {
    report.faults.iter().any(|fault| tree.blobs().any(|(digest, _)| *digest == fault.damage.digest))
}

/// By the same way as a run; what cannot be had stays a fault of the report.
fn fetch(store: &Store, tree: &Tree, access: &Access, interrupt: &Interrupt) -> Result<()> {
    let Some(reference) = tree.name.as_deref().and_then(|name| Reference::parse(name).ok()) else {
        return Ok(());
    };
    if reference.is_local() {
        tracing::warn!("{reference} is in no registry; load it again");
        return Ok(());
    }
    let platform = tree.platform.clone().unwrap_or_else(Platform::host);
    let wanted = Wanted {
        reference: &reference,
        platform: &platform,
        policy: PullPolicy::Missing,
        have_rootfs: &|_| false,
        transfer: registry::Options::default(),
        access,
    };
    match super::acquire(store, wanted, interrupt) {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!("{error}");
            interrupt.check()
        }
    }
}

fn difference(before: &Report, after: &Report) -> Vec<String> {
    let things = |report: &Report| -> Vec<String> {
        let blobs = report.faults.iter().map(|fault| fault.damage.digest.to_string());
        blobs.chain(report.rootfs.iter().map(|fault| fault.path.clone())).collect()
    };
    let still = things(after);
    things(before).into_iter().filter(|thing| !still.contains(thing)).collect()
}
