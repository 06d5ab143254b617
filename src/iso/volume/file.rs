//! One entry of the tree, made from its record and what Rock Ridge adds.

use super::about::About;
use super::names::text;
use super::record::Record;
use super::rock_ridge::{Attributes, Owner};
use super::susp::Reader;
use super::{Entry, Kind};
use crate::iso::image::Extent;

/// POSIX file types, as PX has them (RRIP, 4.1.1).
const TYPE: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const SPECIAL: [u32; 4] = [0o020_000, 0o060_000, 0o010_000, 0o140_000];

/// A file of which further records tell more: ECMA-119, 6.5.1.
pub(super) struct Open {
    pub path: String,
    pub identifier: Vec<u8>,
    pub entry: Entry,
}

impl Open {
    /// Adds the next part, if the record is one.
    pub fn takes(&mut self, record: &Record, reader: Reader<'_>, about: &mut About<'_>) -> bool {
        let same = self.identifier == record.identifier && !record.is_directory() && !record.is_associated();
        if same && record.is_readable(reader.frame, about) {
            let extent = record.extent(reader.frame);
            check(reader, record, extent, about);
            self.entry.extents.extend((extent.length > 0).then_some(extent));
        }
        same
    }

    pub fn unfinished(&self, about: &mut About<'_>) {
        let text = format_args!("the last part of {} is missing", self.path.escape_debug());
        about.error("multi-extent", self.entry.record, text);
    }
}

pub(super) fn directory(extent: Extent, owner: Option<Owner>, record: u64) -> Entry {
    Entry {
        kind: Kind::Directory,
        extents: vec![extent],
        mode: owner.map(|owner| owner.mode),
        uid: owner.map(|owner| owner.uid),
        gid: owner.map(|owner| owner.gid),
        uncompressed: None,
        record,
    }
}

/// The entry of a record, the first one if there are several; `None` if it has to be left out, with a finding.
pub(super) fn entry(
    reader: Reader<'_>,
    record: &Record,
    extent: Extent,
    attributes: &Attributes,
    about: &mut About<'_>,
) -> Option<Entry> {
    if attributes.sparse {
        about.error("sparse-file", record.offset, "it is sparse (SF), which no system reads; it is left out");
        return None;
    }
    if !record.is_readable(reader.frame, about) {
        return None;
    }
    let kind = kind(record, attributes, about)?;
    if record.goes_on() && kind != Kind::File {
        about.error("multi-extent", record.offset, "it is no file, and cannot have several extents");
    }
    let mut entry = directory(extent, attributes.owner, record.offset);
    match kind {
        Kind::Directory => {}
        Kind::File if extent.length > 0 => {
            check(reader, record, extent, about);
            entry.uncompressed = attributes.uncompressed;
        }
        // empty files, and those that are only a name, are nowhere
        _ => entry.extents.clear(),
    }
    Some(Entry { kind, ..entry })
}

fn kind(record: &Record, attributes: &Attributes, about: &mut About<'_>) -> Option<Kind> {
    let is_directory = record.is_directory() || attributes.child.is_some();
    let by_flag = if is_directory { Kind::Directory } else { Kind::File };
    let mode = attributes.owner.map(|owner| owner.mode & TYPE);
    if attributes.target.is_some() && mode != Some(LINK) {
        about.error("link-type", record.offset, "it has a link's target (SL), but is none by its mode");
    }
    match mode {
        // the mode of a moved directory is in the directory
        _ if attributes.child.is_some() => Some(Kind::Directory),
        None => Some(by_flag),
        Some(DIRECTORY) if is_directory => Some(Kind::Directory),
        Some(REGULAR) if !is_directory => Some(Kind::File),
        Some(LINK) if !is_directory => link(record, attributes, about),
        Some(special) if SPECIAL.contains(&special) && !is_directory => Some(Kind::Special),
        Some(other) => {
            let what = if is_directory { "a directory" } else { "a file" };
            about.error(
                "mode-type",
                record.offset,
                format_args!("it is {what}, but has the type {other:o} in its mode"),
            );
            Some(by_flag)
        }
    }
}

fn link(record: &Record, attributes: &Attributes, about: &mut About<'_>) -> Option<Kind> {
    match &attributes.target {
        Some(target) => Some(Kind::Link(text(target, record.offset, about))),
        None => {
            about.error("link-target", record.offset, "it is a link without target (SL), and left out");
            None
        }
    }
}

/// Whether contents are within the image and the volume.
fn check(reader: Reader<'_>, record: &Record, extent: Extent, about: &mut About<'_>) {
    let (Extent { offset, length }, end) = (extent, reader.frame.length());
    if !reader.image.holds(&[extent]) {
        let text = format_args!("its {length} bytes at {offset} go beyond the image's {}", reader.image.size);
        about.error("extent-beyond-image", record.offset, text);
    } else if extent.end().is_none_or(|last| last > end) {
        let text = format_args!("its {length} bytes at {offset} go beyond the volume's {end}");
        about.error("extent-beyond-volume", record.offset, text);
    }
    if record.goes_on() && length % u64::from(reader.frame.block_size) != 0 {
        let text = format_args!("a part of {length} bytes, not whole blocks, is followed by another");
        about.error("multi-extent", record.offset, text);
    }
}
