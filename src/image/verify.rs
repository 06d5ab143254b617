//! Finds what is damaged in the cache, and puts it right where a registry can.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::progress::{self, Progress};
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
    /// The directory of the cache that has these names.
    pub cache: String,
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

    fn add(&mut self, other: Self) {
        self.names += other.names;
        self.blobs += other.blobs;
        self.bytes += other.bytes;
        self.faults.extend(other.faults);
        self.rootfs.extend(other.rootfs);
    }
}

/// Verifies what these references lead to, or with none the indexes of all caches. What is wrong is in
/// the report; with [`Cure::Repair`], what is still wrong afterwards. `access` is how registries are
/// reached, `progress` is told of what is fetched. Additional caches are looked at and never repaired.
///
/// Fails with [`ErrorKind::Image`] for a reference that no cache has got.
pub fn verify(
    store: &Store,
    references: &[Reference],
    options: Options,
    access: &Access,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Report> {
    let _in_use = store.lock_shared()?;
    let report = look_everywhere(store, references, options.depth, interrupt)?;
    if report.is_good() || options.cure == Cure::Report {
        return Ok(report);
    }
    let trees = chosen(store, references, interrupt)?;
    repair(store, &trees, &report, access, progress, interrupt)?;
    let mut after = look_everywhere(store, references, options.depth, interrupt)?;
    after.repaired = difference(&report, &after);
    Ok(after)
}

/// Each cache's names as a process would follow them that has this cache as its own.
fn look_everywhere(
    store: &Store,
    references: &[Reference],
    depth: Depth,
    interrupt: &Interrupt,
) -> Result<Report> {
    let own = chosen(store, references, interrupt)?;
    let mut report = look(store, &own, depth, interrupt)?;
    let mut seen = own;
    for cache in store.additional() {
        let view = store.seen_from(cache);
        let trees = chosen(&view, references, interrupt)?;
        report.add(look(&view, &trees, depth, interrupt)?);
        seen.extend(trees);
    }
    match references.iter().find(|it| !seen.iter().any(|tree| is_meant(tree, it))) {
        None => Ok(report),
        Some(reference) => {
            let why = format!("verifying {reference}: cache {} has it not", store.describe());
            Err(Error::new(ErrorKind::Image, why)
                .hint("`airshipctl image ls` lists the names that are there"))
        }
    }
}

fn chosen(store: &Store, references: &[Reference], interrupt: &Interrupt) -> Result<Vec<Tree>> {
    let mut trees = store.trees(interrupt)?;
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
    let cache = store.path().display().to_string();
    let faults = damage.into_values().map(|damage| {
        let needs = |tree: &&Tree| tree.blobs().any(|(digest, _)| *digest == damage.digest);
        let references = trees.iter().filter(needs).map(name).collect();
        BlobFault { damage, references, cache: cache.clone() }
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
    for (dir, entry, image) in unpacked(store, trees)? {
        if let Condition::Invalid(reason) = rootfs::condition(dir, &entry.mapping, &image.layers)? {
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
fn unpacked<'a>(store: &'a Store, trees: &'a [Tree]) -> Result<Vec<(&'a Path, Entry, &'a Image)>> {
    let image = |entry: &Entry| {
        trees.iter().flat_map(|tree| &tree.images).find(|image| image.chain_id() == entry.chain_id)
    };
    let mut found = Vec::new();
    for dir in store.rootfs_dirs() {
        let entries = rootfs::entries(dir)?.into_iter().filter(|it| it.stage == Stage::Complete);
        found.extend(entries.filter_map(|entry| image(&entry).map(|image| (dir, entry, image))));
    }
    Ok(found)
}

/// Removes what is damaged in the own cache, then has each of its names that lacks something completed.
fn repair(
    store: &Store,
    trees: &[Tree],
    report: &Report,
    access: &Access,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<()> {
    let own = store.path().display().to_string();
    for BlobFault { damage, .. } in report.faults.iter().filter(|fault| fault.cache == own) {
        let blobs = trees.iter().flat_map(Tree::blobs);
        for (digest, size) in blobs.filter(|(digest, _)| *digest == damage.digest).take(1) {
            if damage.state == Defect::Damaged && store.put_away(digest, *size, interrupt)? {
                tracing::info!("removed {digest}: {}", damage.reason);
            }
        }
    }
    if !report.rootfs.is_empty() {
        for (dir, entry, image) in unpacked(store, trees)? {
            interrupt.check()?;
            // files of a mapped tree stay for the next run in that mapping, which sweeps them
            if let Err(error) = rootfs::remove_invalid(dir, &entry.mapping, &image.layers, interrupt) {
                tracing::warn!("{error}");
            }
        }
    }
    for tree in trees.iter().filter(|tree| lacks(tree, report)) {
        interrupt.check()?;
        fetch(store, tree, access, progress, interrupt)?;
    }
    store.restore_views(interrupt)
}

fn lacks(tree: &Tree, report: &Report) -> bool {
    report.faults.iter().any(|fault| tree.blobs().any(|(digest, _)| *digest == fault.damage.digest))
}

/// By digest, as the tag may have moved and its newer image is not the one that was damaged. What
/// cannot be had stays a fault of the report.
fn fetch(
    store: &Store,
    tree: &Tree,
    access: &Access,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<()> {
    let Some(name) = tree.name.as_deref() else { return Ok(()) };
    let Ok(reference) = Reference::parse(name) else { return Ok(()) };
    if reference.is_local() {
        tracing::warn!("{reference} is in no registry; load it again");
        return Ok(());
    }
    let Ok(pinned) = Reference::parse(&format!("{}@{}", name.split('@').next().unwrap_or(name), tree.digest))
    else {
        return Ok(());
    };
    for platform in platforms(tree) {
        let of = |reference, policy| wanted(reference, &platform, policy, access);
        let known = progress::know(progress, store, of(&pinned, PullPolicy::Missing), interrupt);
        let restored = known.and_then(|known| progress::restore(progress, known));
        let Err(error) = restored else { continue };
        let hint = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
        tracing::warn!("{error}{hint}");
        interrupt.check()?;
        if reference.digest().is_none()
            && let Ok(now) = super::know(store, of(&reference, PullPolicy::Always), interrupt)
            && is_another(tree, now.image())
        {
            let digest = &now.image().manifest_digest;
            tracing::warn!("{reference} is {digest} by now, which `airshipctl image pull` takes");
        }
    }
    Ok(())
}

fn wanted<'a>(
    reference: &'a Reference,
    platform: &'a Platform,
    policy: PullPolicy,
    access: &'a Access,
) -> Wanted<'a> {
    let transfer = registry::Options::default();
    Wanted { reference, platform, policy, have_rootfs: &|_| false, transfer, access }
}

/// Of the images that are still known, and where none is, of the one that was asked for.
fn platforms(tree: &Tree) -> Vec<Platform> {
    let mut platforms: Vec<Platform> = Vec::new();
    for platform in tree.images.iter().map(Image::platform) {
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    if platforms.is_empty() {
        platforms.push(tree.platform.clone().unwrap_or_else(Platform::host));
    }
    platforms
}

fn is_another(tree: &Tree, image: &Image) -> bool {
    let same = |known: &Image| known.manifest_digest == image.manifest_digest;
    tree.digest != image.manifest_digest && !tree.images.iter().any(same)
}

/// By cache too: what is right again in the own one may still be wrong in another.
fn difference(before: &Report, after: &Report) -> Vec<String> {
    let things = |report: &Report| -> Vec<(String, String)> {
        let blob = |fault: &BlobFault| (fault.cache.clone(), fault.damage.digest.to_string());
        let rootfs = report.rootfs.iter().map(|fault| (String::new(), fault.path.clone()));
        report.faults.iter().map(blob).chain(rootfs).collect()
    };
    let still = things(after);
    let gone = things(before).into_iter().filter(|thing| !still.contains(thing));
    gone.map(|(_, thing)| thing).collect()
}
