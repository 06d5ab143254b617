//! The boot catalog of a CD: El Torito 1.0, and what UEFI 2.10 (13.3.2.1) adds to it.

use std::io;

use super::{Firmware, within};
use crate::iso::finding::Findings;
use crate::iso::image::{Extent, Image, u16_le, u32_le};

const SECTOR: u64 = 2048;
/// ECMA-119, 6.2.1.
const DESCRIPTORS: u64 = 16;
/// Real images have fewer than ten.
const MOST_DESCRIPTORS: u64 = 64;
/// El Torito, 2.0: boot records have a place of their own; SeaBIOS looks nowhere else.
const PLACE: u64 = 17;
/// Type, standard identifier, version and system, as firmware compares them.
const BOOT_RECORD: &[u8] = b"\0CD001\x01EL TORITO SPECIFICATION\0\0\0\0\0\0\0\0\0";
/// Of a catalog, in bytes; firmware reads a sector, real catalogs have some hundred bytes.
const MOST: u64 = 64 << 10;
const BLOCK: usize = 32;

/// What the firmware makes of the boot image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emulation {
    None,
    /// With its length in bytes.
    Floppy(u64),
    HardDisk,
}

impl Emulation {
    pub fn describe(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Floppy(_) => ", as a floppy disk",
            Self::HardDisk => ", as a hard disk",
        }
    }
}

/// A bootable entry for firmware that we know.
#[derive(Clone, Debug)]
pub(super) struct CatalogEntry {
    /// From 1, those which do not boot included.
    pub number: usize,
    pub firmware: Firmware,
    pub emulation: Emulation,
    pub load_segment: u16,
    /// To load, of 512 bytes.
    pub sectors: u16,
    /// Of the boot image, in bytes.
    pub offset: u64,
    /// Where the entry itself is.
    pub record: u64,
}

/// The entries, in the catalog's order; `None` if no boot record names a catalog.
pub(super) fn read(image: &Image, findings: &mut Findings) -> io::Result<Option<Vec<CatalogEntry>>> {
    let Some(sector) = boot_record(image, findings)? else { return Ok(None) };
    let offset = u64::from(sector) * SECTOR;
    let catalog = within(image, Extent { offset, length: MOST })?;
    if catalog.len() < 2 * BLOCK {
        let message = format!("the boot catalog is at byte {offset}, behind the image's end");
        findings.error("catalog-outside", offset, message);
        return Ok(Some(Vec::new()));
    }
    let valid = validate(&catalog, offset, findings);
    let blocks = Blocks { catalog: &catalog, offset, next: 1, found: 0 };
    Ok(Some(if valid { blocks.entries(findings) } else { Vec::new() }))
}

/// The catalog's sector, as the boot record names it (El Torito, figure 7).
fn boot_record(image: &Image, findings: &mut Findings) -> io::Result<Option<u32>> {
    let mut unknown = None;
    for number in DESCRIPTORS..DESCRIPTORS + MOST_DESCRIPTORS {
        let offset = number * SECTOR;
        let Some(descriptor) = image.bytes::<75>(offset)? else { break };
        match (&descriptor[1..6] == b"CD001", descriptor[0]) {
            (false, _) | (true, 255) => break,
            (true, 0) if descriptor.starts_with(BOOT_RECORD) => {
                if number != PLACE {
                    let message = format!("the boot record is in sector {number}; firmware looks in 17");
                    findings.warning("boot-record-place", offset, message);
                }
                return Ok(Some(u32_le(&descriptor[71..75])));
            }
            (true, 0) => unknown = Some(offset),
            _ => {}
        }
    }
    if unknown.is_some() {
        findings.error("boot-record-unknown", unknown, "the boot record is not El Torito's");
    }
    Ok(None)
}

/// El Torito, figure 2; whether the rest can be believed.
fn validate(catalog: &[u8], offset: u64, findings: &mut Findings) -> bool {
    let entry = &catalog[..BLOCK];
    let sum = entry.chunks_exact(2).fold(0_u16, |sum, word| sum.wrapping_add(u16_le(word)));
    let header = entry[0] == 1 && entry[30..] == [0x55, 0xaa];
    if !header {
        findings.error("catalog-header", offset, "no boot catalog is where the boot record says");
    } else if sum != 0 {
        let message = format!("the boot catalog's validation entry sums up to {sum:#06x}, not 0");
        findings.error("el-torito-checksum", offset, message);
    }
    header
}

/// What follows the validation entry.
struct Blocks<'a> {
    catalog: &'a [u8],
    offset: u64,
    next: usize,
    found: usize,
}

impl<'a> Blocks<'a> {
    /// A block and where it is.
    fn peek(&self) -> Option<(&'a [u8], u64)> {
        let block = self.catalog.chunks_exact(BLOCK).nth(self.next)?;
        Some((block, self.offset + (self.next * BLOCK) as u64))
    }

    fn take(&mut self) -> Option<(&'a [u8], u64)> {
        let block = self.peek();
        self.next += 1;
        block
    }

    fn entries(mut self, findings: &mut Findings) -> Vec<CatalogEntry> {
        let mut entries = Vec::new();
        entries.extend(self.entry(self.catalog[1], findings));
        let mut awaited = false;
        while let Some((header, offset)) = self.peek() {
            match header[0] {
                0x90 | 0x91 => {}
                0 if !awaited => break,
                other => {
                    let message = format!("a section of the boot catalog begins with {other:#04x}");
                    findings.error("catalog-section", offset, message);
                    break;
                }
            }
            self.next += 1;
            entries.extend(self.section(header, offset, findings));
            awaited = header[0] == 0x90;
            if !awaited {
                self.end(findings);
                break;
            }
        }
        entries
    }

    /// El Torito, figure 4: so many entries for one platform.
    fn section(&mut self, header: &[u8], offset: u64, findings: &mut Findings) -> Vec<CatalogEntry> {
        let mut entries = Vec::new();
        let count = u16_le(&header[2..4]);
        if count == 0 {
            findings.warning("catalog-section-empty", offset, "a section of the boot catalog has no entries");
        }
        for number in 1..=count {
            if self.peek().is_none_or(|(block, _)| block.iter().all(|byte| *byte == 0)) {
                let message =
                    format!("a section of the boot catalog claims {count} entries, entry {number} is empty");
                findings.error("catalog-section", offset, message);
                break;
            }
            entries.extend(self.entry(header[1], findings));
        }
        entries
    }

    /// Nothing may follow the section that calls itself the last.
    fn end(&self, findings: &mut Findings) {
        if let Some((block, offset)) = self.peek()
            && matches!(block[0], 0x88 | 0x90 | 0x91)
        {
            let message = "the boot catalog goes on behind its last section";
            findings.error("catalog-section", offset, message);
        }
    }

    /// El Torito, figures 3 and 5, with the extensions (figure 6) that may follow.
    fn entry(&mut self, platform: u8, findings: &mut Findings) -> Option<CatalogEntry> {
        let (block, record) = self.take()?;
        self.found += 1;
        let number = self.found;
        self.extensions(block, findings);
        match block[0] {
            0x88 => {}
            0 => {
                let message = format!("El Torito entry {number} is marked as not bootable");
                findings.warning("boot-entry-off", record, message);
                return None;
            }
            other => {
                let message = format!("El Torito entry {number} is neither bootable nor not: {other:#04x}");
                findings.error("boot-indicator", record, message);
                return None;
            }
        }
        let emulation = emulation(number, block, record, findings)?;
        Some(CatalogEntry {
            number,
            firmware: firmware(number, platform, record, findings)?,
            emulation,
            load_segment: u16_le(&block[2..4]),
            sectors: u16_le(&block[6..8]),
            offset: u64::from(u32_le(&block[8..12])) * SECTOR,
            record,
        })
    }

    /// El Torito, figure 6: they hold criteria for choosing, which no firmware reads.
    fn extensions(&mut self, block: &[u8], findings: &mut Findings) {
        let mut more = block[1] & 0x20 != 0;
        while more {
            match self.peek() {
                Some((block, _)) if block[0] == 0x44 => more = block[1] & 0x20 != 0,
                _ => {
                    let message = format!("El Torito entry {} has no extension, but says so", self.found);
                    findings.error("catalog-extension", self.peek().map(|(_, offset)| offset), message);
                    return;
                }
            }
            self.next += 1;
        }
    }
}

/// El Torito, figure 3, and UEFI, 13.3.2.1 for 0xef.
fn firmware(number: usize, platform: u8, record: u64, findings: &mut Findings) -> Option<Firmware> {
    match platform {
        0 => Some(Firmware::Bios),
        0xef => Some(Firmware::Uefi),
        // PowerPC and Macintosh, as the specification has them
        1 | 2 => None,
        other => {
            let message = format!("El Torito entry {number} is for an unknown platform, {other:#04x}");
            findings.warning("boot-platform", record, message);
            None
        }
    }
}

/// El Torito, figure 3: the lower half is the medium, the upper one what it needs.
fn emulation(number: usize, block: &[u8], record: u64, findings: &mut Findings) -> Option<Emulation> {
    if block[1] & 0xd0 != 0 || (block[4] != 0 && block[1] & 0xf != 4) {
        let message = format!("El Torito entry {number} asks for drivers or a file system that it has not");
        findings.warning("boot-flags", record, message);
    }
    match block[1] & 0xf {
        0 => Some(Emulation::None),
        1 => Some(Emulation::Floppy(1_228_800)),
        2 => Some(Emulation::Floppy(1_474_560)),
        3 => Some(Emulation::Floppy(2_949_120)),
        4 => Some(Emulation::HardDisk),
        other => {
            let message = format!("El Torito entry {number} has an unknown emulation, {other}");
            findings.error("boot-emulation", record, message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{codes, has, image, put};
    use super::*;
    use crate::iso::finding::Severity;

    const CATALOG: usize = 20 * 2048;

    /// A CD with an entry for BIOS and two sections, of which the first has an extension.
    fn cd() -> Vec<u8> {
        let mut bytes = vec![0; 64 * 2048];
        put(&mut bytes, 16 * 2048, b"\x01CD001\x01");
        put(&mut bytes, 17 * 2048, b"\x00CD001\x01EL TORITO SPECIFICATION");
        bytes[17 * 2048 + 71] = 20;
        put(&mut bytes, 18 * 2048, b"\xffCD001\x01");
        let blocks: [&[u8]; 7] = [
            &[1],
            &[0x88, 0, 0, 0, 0, 0, 4, 0, 24],
            &[0x90, 0, 1],
            &[0x88, 0x20 | 2, 0xc0, 7, 0, 0, 1, 0, 25],
            &[0x44],
            &[0x91, 0xef, 1],
            &[0x88, 0, 0, 0, 0, 0, 0x40, 0x0b, 26],
        ];
        blocks.iter().enumerate().for_each(|(number, block)| put(&mut bytes, CATALOG + number * 32, block));
        put(&mut bytes, CATALOG + 28, &[0xaa, 0x55, 0x55, 0xaa]);
        bytes
    }

    fn entries(bytes: &[u8]) -> (Vec<CatalogEntry>, Findings) {
        let mut findings = Findings::default();
        (read(&image(bytes), &mut findings).unwrap().unwrap_or_default(), findings)
    }

    #[test]
    fn entries_of_all_sections_are_found_with_their_fields() {
        let (found, findings) = entries(&cd());
        assert_eq!(codes(&findings), [] as [&str; 0]);
        let fields = found.iter().map(|entry| (entry.number, entry.firmware, entry.emulation, entry.offset));
        let expected = [
            (1, Firmware::Bios, Emulation::None, 24 * 2048),
            (2, Firmware::Bios, Emulation::Floppy(1_474_560), 25 * 2048),
            (3, Firmware::Uefi, Emulation::None, 26 * 2048),
        ];
        assert_eq!(fields.collect::<Vec<_>>(), expected);
        assert_eq!((found[1].load_segment, found[2].sectors, found[0].record), (0x7c0, 2880, 40992));
    }

    #[test]
    fn faults_of_the_catalog_are_named() {
        use Severity::{Error, Warning};
        let faults: &[(usize, &[u8], Severity, &str, &str)] = &[
            (17 * 2048 + 7, b"X", Error, "boot-record-unknown", "is not El Torito's"),
            (17 * 2048 + 71, &[64], Error, "catalog-outside", "at byte 131072, behind the image's end"),
            (CATALOG, &[2], Error, "catalog-header", "no boot catalog is where"),
            (CATALOG + 30, &[0], Error, "catalog-header", "no boot catalog is where"),
            (CATALOG + 4, b"x", Error, "el-torito-checksum", "sums up to 0x0078, not 0"),
            (CATALOG + 32, &[0], Warning, "boot-entry-off", "entry 1 is marked as not bootable"),
            (CATALOG + 32, &[0x77], Error, "boot-indicator", "neither bootable nor not: 0x77"),
            (CATALOG + 33, &[5], Error, "boot-emulation", "unknown emulation, 5"),
            (CATALOG + 33, &[0x40], Warning, "boot-flags", "asks for drivers"),
            (CATALOG + 36, &[0x17], Warning, "boot-flags", "or a file system that it has not"),
            (CATALOG + 33, &[0x20], Error, "catalog-extension", "entry 1 has no extension"),
            (CATALOG + 64, &[0x91], Error, "catalog-section", "goes on behind its last section"),
            (CATALOG + 64, &[0x11], Error, "catalog-section", "begins with 0x11"),
            (CATALOG + 65, &[3], Warning, "boot-platform", "unknown platform, 0x03"),
            (CATALOG + 160, &[0x90], Error, "catalog-section", "begins with 0x00"),
            (CATALOG + 162, &[2], Error, "catalog-section", "claims 2 entries, entry 2 is empty"),
            (CATALOG + 162, &[0], Warning, "catalog-section-empty", "has no entries"),
        ];
        for (at, new, severity, code, part) in faults {
            let mut bytes = cd();
            put(&mut bytes, *at, new);
            has(&entries(&bytes).1, *severity, code, part);
        }
    }

    #[test]
    fn a_boot_record_elsewhere_is_found_with_a_warning() {
        let mut bytes = cd();
        bytes.copy_within(17 * 2048..18 * 2048, 18 * 2048);
        put(&mut bytes, 17 * 2048, b"\x02CD001\x01");
        let (found, findings) = entries(&bytes);
        assert_eq!(found.len(), 3);
        has(&findings, Severity::Warning, "boot-record-place", "in sector 18; firmware looks in 17");
    }

    #[test]
    fn a_catalog_full_of_sections_ends() {
        let mut bytes = cd();
        let end = bytes.len();
        bytes[CATALOG + 64..end].fill(0x90);
        let (_, findings) = entries(&bytes);
        assert!(!findings.list().is_empty());
    }
}
