//! Path tables, which some systems and loaders read instead of directories: ECMA-119, 9.4.

use std::collections::BTreeSet;
use std::io;

use super::about::About;
use super::descriptor::Descriptor;
use super::walk::Physical;
use crate::iso::finding::Findings;
use crate::iso::image::{Extent, Image, u16_be, u16_le, u32_be, u32_le};

/// In bytes. What 200000 directories take is less.
const LARGEST: u64 = 16 << 20;
/// A parent's number has 16 bits (9.4.4).
const MOST_PARENTS: usize = 65_535;

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

/// One directory: its location, its parent's number and its own identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    location: u32,
    parent: u16,
    identifier: Vec<u8>,
}

/// Where the tables are: of the little-endian one, the big-endian one, and their copies.
pub(super) fn extents(descriptor: &Descriptor) -> Vec<Extent> {
    let tables = &descriptor.tables;
    let blocks = [tables.little, tables.big].concat().into_iter().filter(|block| *block != 0);
    let length = tables.size.into();
    blocks.map(|block| Extent { offset: descriptor.volume.offset(block), length }).collect()
}

/// Compares all tables with the directories.
pub(super) fn check(
    image: &Image,
    descriptor: &Descriptor,
    directories: &[Physical],
    findings: &mut Findings,
) -> io::Result<()> {
    let tables = &descriptor.tables;
    let all = [
        ("type L path table", tables.little[0], Order::Little),
        ("optional type L path table", tables.little[1], Order::Little),
        ("type M path table", tables.big[0], Order::Big),
        ("optional type M path table", tables.big[1], Order::Big),
    ];
    for (name, block, order) in all {
        if block == 0 && name.starts_with("optional") {
            continue;
        }
        let name = format!("{} of the {}", name, descriptor.name());
        let extent = Extent { offset: descriptor.volume.offset(block), length: tables.size.into() };
        let mut about = About::new(findings, &name);
        match image.extent(extent, LARGEST)? {
            Some(bytes) => compare(
                &rows(&bytes, order, extent.offset, &mut about),
                directories,
                extent.offset,
                &mut about,
            ),
            None => {
                let text =
                    format_args!("its {} bytes at {} are not within the image", extent.length, extent.offset);
                about.error("path-table-beyond-image", descriptor.offset + 132, text);
            }
        }
    }
    Ok(())
}

fn rows(bytes: &[u8], order: Order, offset: u64, about: &mut About<'_>) -> Vec<Row> {
    let (mut rows, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let length = usize::from(bytes[at]);
        let Some(row) = bytes.get(at..at + 8 + length).filter(|_| length > 0) else {
            about.error(
                "path-table",
                offset + at as u64,
                format_args!("row {} is cut off, or empty", rows.len() + 1),
            );
            break;
        };
        let (location, parent) = match order {
            Order::Little => (u32_le(&row[2..6]), u16_le(&row[6..8])),
            Order::Big => (u32_be(&row[2..6]), u16_be(&row[6..8])),
        };
        if row[1] != 0 {
            let text = format_args!("row {} has {} blocks of extended attributes", rows.len() + 1, row[1]);
            about.warning("extended-attributes", offset + at as u64, text);
        }
        rows.push(Row { location, parent, identifier: row[8..].to_vec() });
        // 9.4.6: a padding byte makes the length even
        at += 8 + length + length % 2;
    }
    rows
}

type Named<'a> = (u32, Option<u32>, &'a [u8]);

fn compare(rows: &[Row], directories: &[Physical], offset: u64, about: &mut About<'_>) {
    let numbered = rows.len() <= MOST_PARENTS && directories.len() <= MOST_PARENTS;
    let parent = |row: &Row| {
        rows.get(usize::from(row.parent).wrapping_sub(1)).map_or(u32::MAX, |parent| parent.location)
    };
    let has: BTreeSet<Named<'_>> = rows
        .iter()
        .map(|row| (row.location, numbered.then(|| parent(row)), row.identifier.as_slice()))
        .collect();
    let should: BTreeSet<Named<'_>> = directories
        .iter()
        .map(|directory| {
            (directory.location, numbered.then_some(directory.parent), directory.identifier.as_slice())
        })
        .collect();
    let missing = should.difference(&has).next();
    let stray = has.difference(&should).next();
    for (what, found) in [("it lacks", missing), ("it has, and no directory is,", stray)] {
        if let Some((location, _, identifier)) = found {
            let text = format_args!("{what} {} at block {location}", shown(identifier));
            about.error("path-table", offset, text);
        }
    }
    if rows.len() != directories.len() && missing.is_none() && stray.is_none() {
        about.error(
            "path-table",
            offset,
            format_args!("it has {} rows for {} directories", rows.len(), directories.len()),
        );
    }
}

fn shown(identifier: &[u8]) -> String {
    match identifier {
        [0] => "the root".into(),
        other => other.escape_ascii().to_string(),
    }
}
