//! What a BIOS loads from a CD, and whether it can run.

use std::io;

use super::eltorito::{CatalogEntry, Emulation};
use super::loader::{self, Loader};
use super::{BootEntry, Firmware, Medium, within};
use crate::iso::finding::Findings;
use crate::iso::image::{Extent, Image, u32_le};
use crate::iso::volume::Volume;

/// Where loaders say who they are, in bytes.
const HEAD: u64 = 32 << 10;
/// Longest loader that is summed up, in bytes; GRUB's has some hundred KiB.
const MOST: u64 = 16 << 20;
/// Between the load address and the video memory of a PC.
const MEMORY: u64 = 0xa0000 - 0x7c00;
/// The boot info table that `mkisofs -boot-info-table` writes: at 8, 56 bytes; the sum begins behind it.
const TABLE: usize = 8;
const SUMMED: usize = 64;

/// The entry of a BIOS; `None` if nothing of it is in the image.
pub(super) fn read(
    image: &Image,
    volume: Option<&Volume>,
    entry: &CatalogEntry,
    findings: &mut Findings,
) -> io::Result<Option<BootEntry>> {
    let extent = Extent { offset: entry.offset, length: length(entry) };
    let name = format!("El Torito entry {}", entry.number);
    if extent.end().is_none_or(|end| end > image.size) {
        let message = format!("{name} loads bytes {} to {}, behind the image's end", extent.offset, {
            extent.offset.saturating_add(extent.length)
        });
        findings.error("boot-image-outside", entry.record, message);
        return Ok(None);
    }
    let head = within(image, Extent { length: HEAD, ..extent })?;
    if head.iter().take(512).all(|byte| *byte == 0) {
        findings.error("boot-image-empty", extent.offset, format!("{name} loads zeros"));
    }
    let loader = loader::cd(&head);
    if entry.emulation == Emulation::None {
        check_loading(entry, loader, findings);
        check_table(image, volume, (entry, loader), &head, findings)?;
    }
    Ok(Some(BootEntry {
        firmware: Firmware::Bios,
        medium: Medium::Cd,
        via: format!("{name}{}", entry.emulation.describe()),
        extent,
        loader: loader.map(|loader| loader.to_string()),
        efi: Vec::new(),
    }))
}

/// What firmware takes from the image: a whole floppy disk, else so many sectors of 512 bytes (El Torito, figure 3).
fn length(entry: &CatalogEntry) -> u64 {
    match entry.emulation {
        Emulation::Floppy(length) => length,
        Emulation::None | Emulation::HardDisk => u64::from(entry.sectors) * 512,
    }
}

/// Both known loaders run at 0x7c00 only and load the rest of themselves once they have 2048 bytes.
fn check_loading(entry: &CatalogEntry, loader: Option<Loader>, findings: &mut Findings) {
    let (name, length) = (format!("El Torito entry {}", entry.number), length(entry));
    let known = matches!(loader, Some(Loader::Grub | Loader::Isolinux));
    if length == 0 || length > MEMORY || (known && length < 2048) {
        let message = format!("{name} loads {length} bytes of its boot image, which cannot run");
        findings.error("load-size", entry.record, message);
    }
    if !matches!(entry.load_segment, 0 | 0x7c0) {
        let message = format!("{name} loads to segment {:#06x} instead of 0x07c0", entry.load_segment);
        match known {
            true => findings.error("load-segment", entry.record, message),
            false => findings.warning("load-segment", entry.record, message),
        }
    }
}

/// GRUB and ISOLINUX find the rest of themselves by the table; of others it is checked where it is.
fn check_table(
    image: &Image,
    volume: Option<&Volume>,
    (entry, loader): (&CatalogEntry, Option<Loader>),
    head: &[u8],
    findings: &mut Findings,
) -> io::Result<()> {
    let Some(table) = head.get(TABLE..TABLE + 16) else { return Ok(()) };
    let [descriptor, file, length, sum] = [0, 4, 8, 12].map(|at| u32_le(&table[at..at + 4]));
    let named = (u64::from(descriptor), u64::from(file) * 2048) == (16, entry.offset);
    if !named && !matches!(loader, Some(Loader::Grub | Loader::Isolinux)) {
        return Ok(());
    }
    let at = entry.offset + TABLE as u64;
    if !named {
        let message =
            format!("the boot info table names sectors {descriptor} and {file}, not 16 and its own");
        findings.error("boot-info-table", at, message);
        return Ok(());
    }
    let extent = Extent { offset: entry.offset, length: u64::from(length) };
    let recorded = volume.and_then(|volume| file_at(volume, entry.offset));
    let contents = image.extent(extent, MOST)?.filter(|contents| contents.len() > SUMMED);
    match contents {
        Some(contents) if recorded.is_none_or(|size| size == u64::from(length)) => {
            if summed(&contents[SUMMED..]) != sum {
                findings.error("boot-info-checksum", at, "the boot loader is damaged: its sum differs");
            }
        }
        _ => {
            let message = format!("the boot info table says {length} bytes, which the file has not");
            findings.error("boot-info-length", at, message);
        }
    }
    Ok(())
}

/// Length of the file which begins there.
fn file_at(volume: &Volume, offset: u64) -> Option<u64> {
    let mut entries = volume.tree.entries.values();
    entries
        .find(|entry| entry.extents.first().is_some_and(|first| first.offset == offset))
        .map(|entry| entry.size())
}

/// All words, the last one filled up with zeros.
fn summed(bytes: &[u8]) -> u32 {
    bytes.chunks(4).fold(0, |sum: u32, word| sum.wrapping_add(u32_le(word)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{codes, has, image, put};
    use super::*;
    use crate::iso::finding::Severity::{Error, Warning};

    /// Sector 8 has what calls itself GRUB's, 5000 bytes long.
    fn bytes() -> Vec<u8> {
        let mut bytes = vec![0; 16 * 2048];
        put(&mut bytes, 16384, &[0xe8; 64]);
        put(&mut bytes, 16384 + 100, b"no boot info\0cdrom read fails\0");
        put(&mut bytes, 16384 + 4996, &[1, 2, 3, 4]);
        let sum = summed(&bytes[16384 + 64..16384 + 5000]);
        for (at, number) in [(8, 16), (12, 8), (16, 5000), (20, sum)] {
            put(&mut bytes, 16384 + at, &u32::to_le_bytes(number));
        }
        bytes
    }

    fn entry() -> CatalogEntry {
        CatalogEntry {
            number: 1,
            firmware: Firmware::Bios,
            emulation: Emulation::None,
            load_segment: 0,
            sectors: 4,
            offset: 16384,
            record: 77,
        }
    }

    fn found(bytes: &[u8], entry: CatalogEntry) -> (Option<BootEntry>, Findings) {
        let mut findings = Findings::default();
        (read(&image(bytes), None, &entry, &mut findings).unwrap(), findings)
    }

    #[test]
    fn grub_is_recognised_and_summed_up() {
        let (found, findings) = found(&bytes(), entry());
        let found = found.unwrap();
        assert_eq!(codes(&findings), [] as [&str; 0]);
        assert_eq!((found.loader.as_deref(), found.via.as_str()), (Some("GRUB 2"), "El Torito entry 1"));
        assert_eq!(found.extent, Extent { offset: 16384, length: 2048 });
    }

    #[test]
    fn an_entry_that_cannot_load_is_an_error() {
        for (entry, code, part) in [
            (
                CatalogEntry { offset: 15 << 11, sectors: 5, ..entry() },
                "boot-image-outside",
                "30720 to 33280",
            ),
            (CatalogEntry { offset: u64::MAX, ..entry() }, "boot-image-outside", "behind the image's end"),
            (CatalogEntry { offset: 0, ..entry() }, "boot-image-empty", "entry 1 loads zeros"),
            (CatalogEntry { sectors: 3, ..entry() }, "load-size", "loads 1536 bytes"),
            (CatalogEntry { sectors: 0, ..entry() }, "load-size", "loads 0 bytes"),
            (CatalogEntry { load_segment: 0x1000, ..entry() }, "load-segment", "to segment 0x1000 instead"),
            (
                CatalogEntry { emulation: Emulation::Floppy(1 << 20), ..entry() },
                "boot-image-outside",
                "16384",
            ),
        ] {
            has(&found(&bytes(), entry).1, Error, code, part);
        }
        let unknown = CatalogEntry { load_segment: 0x1000, offset: 0, ..entry() };
        has(&found(&bytes(), unknown).1, Warning, "load-segment", "to segment 0x1000");
    }

    #[test]
    fn a_wrong_boot_info_table_is_an_error() {
        for (at, new, code, part) in [
            (8, 17_u8, "boot-info-table", "names sectors 17 and 8, not 16"),
            (12, 9, "boot-info-table", "names sectors 16 and 9"),
            (18, 1, "boot-info-length", "says 70536 bytes"),
            (20, 1, "boot-info-checksum", "its sum differs"),
            (4997, 9, "boot-info-checksum", "its sum differs"),
        ] {
            let mut bytes = bytes();
            bytes[16384 + at] = new;
            has(&found(&bytes, entry()).1, Error, code, part);
        }
    }
}
