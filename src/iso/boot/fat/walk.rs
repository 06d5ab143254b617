//! All directories from the root on.

use std::io;

use super::directory::{self, Record, Slot};
use super::geometry::{Geometry, Root, Width};
use super::table::Table;
use crate::iso::finding::Findings;
use crate::iso::image::{Extent, Image};
use crate::iso::volume::{Entry, Kind, Tree};

/// Of a directory, in bytes (FAT, 6).
const MOST_BYTES: u64 = 65536 * 32;
/// Files and directories; a system partition has some ten.
const MOST_ENTRIES: usize = 10_000;
/// Directories within each other; longest path that UEFI takes is shorter.
const DEEPEST: usize = 32;

struct Walk<'a> {
    image: &'a Image,
    geometry: &'a Geometry,
    table: Table,
    tree: Tree,
    /// Records that may still be entered.
    left: usize,
}

/// A directory that is still to be read.
struct Pending {
    path: String,
    extents: Vec<Extent>,
    cluster: u32,
    parent: u32,
    depth: usize,
}

/// Every file that can be had, and whether all clusters are in use as the table says.
pub(super) fn walk(
    image: &Image,
    geometry: &Geometry,
    table: Table,
    findings: &mut Findings,
) -> io::Result<Tree> {
    let mut walk = Walk { image, geometry, table, tree: Tree::default(), left: MOST_ENTRIES };
    let mut pending: Vec<_> = walk.root(findings).into_iter().collect();
    while let Some(directory) = pending.pop() {
        let slots = walk.slots(&directory, findings)?;
        let mut records = directory::records(&slots, findings);
        check_dots(&directory, &mut records, findings);
        for record in records {
            if walk.left == 0 || directory.depth >= DEEPEST {
                findings.warning("fat-too-many", record.at, "the FAT has more files than are looked at");
                return Ok(walk.tree);
            }
            pending.extend(walk.enter(&directory, record, findings));
        }
    }
    let lost = walk.table.lost();
    if lost != 0 {
        let message = format!("{lost} clusters of the FAT belong to no file");
        findings.warning("fat-lost-clusters", geometry.table(0).offset, message);
    }
    Ok(walk.tree)
}

impl Walk<'_> {
    /// FAT12 and FAT16 have it at a fixed place, FAT32 in clusters like any other.
    fn root(&mut self, findings: &mut Findings) -> Option<Pending> {
        let (extents, cluster) = match self.geometry.root {
            Root::Fixed(extent) => (vec![extent], 0),
            Root::Cluster(cluster) => (self.chain("/", cluster, findings)?, cluster),
        };
        self.insert("/".into(), Kind::Directory, Vec::new(), self.geometry.extent.offset);
        Some(Pending { path: String::new(), extents, cluster, parent: 0, depth: 0 })
    }

    /// The raw records with their places, which findings name.
    fn slots(&self, directory: &Pending, findings: &mut Findings) -> io::Result<Vec<Slot>> {
        let mut slots = Vec::new();
        let mut left = MOST_BYTES;
        for extent in &directory.extents {
            let length = extent.length.min(left);
            left -= length;
            let bytes = self.image.extent(Extent { length, ..*extent }, length)?.unwrap_or_default();
            let places = (extent.offset..).step_by(32);
            slots.extend(places.zip(bytes.as_chunks::<32>().0.iter().copied()));
        }
        let whole: u64 = directory.extents.iter().map(|extent| extent.length).sum();
        if whole > MOST_BYTES {
            let message =
                format!("the FAT's directory {}/ is longer than any may be", directory.path.escape_debug());
            findings.error(
                "fat-directory-long",
                directory.extents.first().map(|first| first.offset),
                message,
            );
        }
        Ok(slots)
    }

    /// Puts it into the tree; a directory is to be read next.
    fn enter(&mut self, within: &Pending, record: Record, findings: &mut Findings) -> Option<Pending> {
        self.left -= 1;
        let path = format!("{}/{}", within.path, record.name);
        if self.tree.get(&path).is_some() {
            let message = format!("the FAT has {} twice", path.escape_debug());
            findings.error("fat-duplicate", record.at, message);
        }
        let extents = match (record.directory, record.cluster, record.size) {
            (false, 0, 0) => Vec::new(),
            _ => self.chain(&path, self.cluster(&record), findings).unwrap_or_default(),
        };
        if record.directory {
            if record.size != 0 {
                let message = format!("the FAT's directory {} has a size", path.escape_debug());
                findings.error("fat-directory-size", record.at, message);
            }
            self.insert(path.clone(), Kind::Directory, Vec::new(), record.at);
            let cluster = self.cluster(&record);
            return Some(Pending { path, extents, cluster, parent: within.cluster, depth: within.depth + 1 });
        }
        let extents = self.cut(&path, extents, &record, findings);
        self.insert(path, Kind::File, extents, record.at);
        None
    }

    /// The upper half is something else on the small ones.
    fn cluster(&self, record: &Record) -> u32 {
        if self.geometry.width == Width::Fat32 { record.cluster } else { record.cluster & 0xffff }
    }

    /// The clusters of a file; a damaged chain is told and gives none, since what it led to is unknown.
    fn chain(&mut self, path: &str, first: u32, findings: &mut Findings) -> Option<Vec<Extent>> {
        let chain = self.table.take(first, self.geometry);
        let report = |reason| {
            let message = format!("the FAT's file {} is damaged: {reason}", path.escape_debug());
            findings.error("fat-chain", self.geometry.table(0).offset, message);
        };
        chain.map_err(report).ok()
    }

    /// As long as the record says, for which the chain has to have just the right length.
    fn cut(
        &self,
        path: &str,
        mut extents: Vec<Extent>,
        record: &Record,
        findings: &mut Findings,
    ) -> Vec<Extent> {
        let (size, length) =
            (u64::from(record.size), extents.iter().map(|extent| extent.length).sum::<u64>());
        if size.div_ceil(self.geometry.cluster) * self.geometry.cluster != length {
            let message =
                format!("the FAT's file {} has {size} bytes, its clusters {length}", path.escape_debug());
            findings.error("fat-file-size", record.at, message);
        }
        let mut left = size;
        for extent in &mut extents {
            extent.length = extent.length.min(left);
            left -= extent.length;
        }
        extents.retain(|extent| extent.length != 0);
        extents
    }

    /// FAT has neither modes nor owners.
    fn insert(&mut self, path: String, kind: Kind, extents: Vec<Extent>, record: u64) {
        let entry = Entry { kind, extents, mode: None, uid: None, gid: None, uncompressed: None, record };
        self.tree.entries.insert(path, entry);
    }
}

/// FAT, 6.5: a directory other than the root begins with itself and the one it is in.
fn check_dots(directory: &Pending, records: &mut Vec<Record>, findings: &mut Findings) {
    let is = |record: Option<&Record>, name: &str, cluster: u32| {
        record.is_some_and(|record| {
            record.name == name
                && record.directory
                && record.size == 0
                && record.cluster & 0xffff == cluster & 0xffff
        })
    };
    // the root is cluster 0 there, on FAT32 too
    let parent = if directory.depth == 1 { 0 } else { directory.parent };
    let whole = is(records.first(), ".", directory.cluster) && is(records.get(1), "..", parent);
    let at = directory.extents.first().map(|extent| extent.offset);
    if directory.depth > 0 && !whole && at.is_some() {
        let message =
            format!("the FAT's directory {} does not begin as directories do", directory.path.escape_debug());
        findings.error("fat-directory-start", at, message);
    }
    records.retain(|record| record.name != "." && record.name != "..");
}
