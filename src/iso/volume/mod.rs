//! The ISO 9660 volume (ECMA-119) with its Rock Ridge names, modes and links (SUSP 1.12, RRIP 1.12), and the
//! Joliet tree beside it.

mod about;
mod dates;
mod descriptor;
mod directory;
mod dots;
mod fields;
mod file;
mod layout;
mod limits;
mod moves;
mod names;
mod path_table;
mod record;
mod rock_ridge;
mod susp;
mod walk;

use std::collections::BTreeMap;
use std::io;

use descriptor::Descriptor;
use names::Naming;
use serde::Serialize;
use susp::Reader;
use walk::Found;

use super::finding::Findings;
use super::image::{Extent, Image};

/// What the descriptors say, and every file.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Those of the primary descriptor.
    pub about: Identifiers,
    /// What the volume claims to be long, in bytes (blocks times block size).
    pub length: u64,
    /// In bytes.
    pub block_size: u16,
    /// Names and modes as Linux shows them: Rock Ridge where it is there, else ISO 9660's own in lower case
    /// without version (as Linux maps them).
    pub tree: Tree,
    pub rock_ridge: bool,
    pub joliet: Option<Joliet>,
}

/// What a descriptor calls the volume, without padding, and its dates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Identifiers {
    /// The volume identifier (ECMA-119, 8.4.7).
    pub label: String,
    pub publisher: String,
    pub preparer: String,
    pub application: String,
    /// As RFC 3339; `None` where it is not given (ECMA-119, 8.4.26.1).
    pub created: Option<String>,
    pub modified: Option<String>,
}

/// The supplementary volume in UCS-2.
#[derive(Clone, Debug)]
pub struct Joliet {
    pub label: String,
    /// 1 to 3.
    pub level: u8,
    pub tree: Tree,
}

/// All entries by their path, which begins with `/`; the root is `/`.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub kind: Kind,
    /// Contents of a file, in order; several where it is 4 GiB or longer (ECMA-119, 9.1.6).
    pub extents: Vec<Extent>,
    /// Rock Ridge's, with the type; `None` without Rock Ridge.
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// The size in bytes without compression, where the contents are compressed block by block (zisofs, which
    /// Linux undoes); extents are what is on the image.
    pub uncompressed: Option<u64>,
    /// Where its directory record is, in bytes from the image's start.
    pub record: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    /// With its target.
    Link(String),
    /// Device, socket or FIFO.
    Special,
}

impl Entry {
    /// In bytes, as Linux shows it.
    pub fn size(&self) -> u64 {
        self.uncompressed.unwrap_or_else(|| self.extents.iter().map(|extent| extent.length).sum())
    }
}

impl Tree {
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }
}

/// Reads the volume; `None` if the image has none. What is damaged in it is among the findings, and left out.
pub fn read(image: &Image, findings: &mut Findings) -> io::Result<Option<Volume>> {
    let Some(descriptors) = descriptor::read(image, findings)? else { return Ok(None) };
    let Some(primary) = &descriptors.primary else { return Ok(None) };
    primary.check_length(image, findings);
    let main = tree(image, primary, Naming::Iso, findings)?;
    let joliet = match &descriptors.joliet {
        Some((level, descriptor)) => {
            Some((*level, descriptor, tree(image, descriptor, Naming::Joliet, findings)?))
        }
        None => None,
    };
    let mut trees = vec![(primary, &main)];
    trees.extend(joliet.as_ref().map(|(_, descriptor, found)| (*descriptor, found)));
    layout::check(&descriptors, &trees, findings);
    Ok(Some(Volume {
        about: primary.about.clone(),
        length: primary.volume.length(),
        block_size: primary.volume.block_size,
        rock_ridge: main.rock_ridge,
        tree: main.tree,
        joliet: joliet.map(|(level, descriptor, found)| Joliet {
            label: descriptor.about.label.clone(),
            level,
            tree: found.tree,
        }),
    }))
}

/// The tree of one descriptor, and whether its path tables agree with it.
fn tree(
    image: &Image,
    descriptor: &Descriptor,
    naming: Naming,
    findings: &mut Findings,
) -> io::Result<Found> {
    let Some(root) = &descriptor.root else { return Ok(Found::default()) };
    let found = walk::read(Reader { image, frame: descriptor.volume }, root, naming, findings)?;
    if found.whole {
        path_table::check(image, descriptor, &found.directories, findings)?;
    }
    Ok(found)
}
