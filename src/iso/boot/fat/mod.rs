//! The file system of UEFI: FAT12, FAT16 and FAT32 with long names (Microsoft's FAT specification 1.03;
//! UEFI 2.10, 13.3), read only.
//!
//! ```text
//!  boot sector ─► Geometry ─► Table (cluster chains) ─► walk (directories) ─► Tree
//! ```
//!
//! Every cluster is taken at most once, so that no chain is endless and the whole is bounded by the image.

mod directory;
mod geometry;
mod table;
mod walk;

use std::io;

use geometry::{Geometry, Width};
use table::Table;

use crate::iso::finding::Findings;
use crate::iso::image::{Extent, Image};
use crate::iso::volume::Tree;

/// Compared at a time, in bytes.
const PIECE: u64 = 64 << 10;

#[derive(Debug)]
pub(super) struct Fat {
    /// As long as its boot sector says.
    pub extent: Extent,
    /// Names as they were given; FAT itself does not tell upper from lower case.
    pub tree: Tree,
}

/// Why there is no file system to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoFat {
    /// It is something else.
    Other,
    /// It calls itself FAT, which cannot be.
    Impossible(String),
}

/// Reads what begins there and may be as long as `place`.
pub(super) fn read(image: &Image, place: Extent, findings: &mut Findings) -> io::Result<Result<Fat, NoFat>> {
    let Some(sector) = image.bytes::<512>(place.offset)? else { return Ok(Err(NoFat::Other)) };
    let geometry = match Geometry::new(&sector, place.offset) {
        Ok(geometry) => geometry,
        Err(no) => return Ok(Err(no)),
    };
    let extent = geometry.extent;
    if extent.length > place.length || extent.end().is_none_or(|end| end > image.size) {
        let message = format!(
            "it is {} bytes long, its place has {}: it is truncated",
            extent.length,
            place.length.min(image.size.saturating_sub(place.offset))
        );
        return Ok(Err(NoFat::Impossible(message)));
    }
    let Some(bytes) = image.extent(geometry.table(0), Table::MOST)? else {
        let message = format!("its table of {} bytes is longer than any real one", geometry.table_length);
        return Ok(Err(NoFat::Impossible(message)));
    };
    let table = Table::new(bytes, geometry.width, geometry.clusters);
    check_start(&table, &geometry, &sector, findings);
    check_copies(image, &geometry, findings)?;
    if geometry.width == Width::Fat32 {
        check_backup(image, &geometry, &sector, findings)?;
    }
    Ok(Ok(Fat { extent, tree: walk::walk(image, &geometry, table, findings)? }))
}

/// The first two entries are no clusters: the medium, and the mark for an end (FAT, 4).
fn check_start(table: &Table, geometry: &Geometry, sector: &[u8; 512], findings: &mut Findings) {
    let [first, second] = table.reserved();
    let ones = geometry.width.ones();
    // these two say whether it was unmounted and without errors
    let flags = match geometry.width {
        Width::Fat12 => 0,
        Width::Fat16 => 0xc000,
        Width::Fat32 => 0x0c00_0000,
    };
    if first != (ones & !0xff | u32::from(sector[21])) || (second | flags) < ones - 7 {
        let at = geometry.table(0).offset;
        findings.error("fat-media", at, "the FAT does not begin with its medium and the mark for an end");
    }
}

fn check_copies(image: &Image, geometry: &Geometry, findings: &mut Findings) -> io::Result<()> {
    for copy in 1..geometry.tables {
        let (first, other) = (geometry.table(0), geometry.table(copy));
        for at in (0..first.length).step_by(PIECE as usize) {
            let length = PIECE.min(first.length - at);
            let piece = |table: Extent| image.extent(Extent { offset: table.offset + at, length }, PIECE);
            if piece(first)? != piece(other)? {
                let message = "the copies of the FAT differ";
                findings.error("fat-copies", other.offset + at, message);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// FAT, 3.4: a copy of the boot sector is in the reserved sectors, mostly in the sixth.
fn check_backup(
    image: &Image,
    geometry: &Geometry,
    sector: &[u8; 512],
    findings: &mut Findings,
) -> io::Result<()> {
    let Some(offset) = geometry.backup else { return Ok(()) };
    if image.bytes::<512>(offset)?.is_none_or(|copy| copy[..90] != sector[..90]) {
        findings.error("fat-backup", offset, "the copy of the FAT's boot sector differs");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
