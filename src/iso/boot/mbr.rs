//! The first sector of a disk: the boot record of PCs and its partition table (UEFI 2.10, 5.2).

use std::io;

use super::loader::{self, Loader};
use super::{BootEntry, Firmware, Medium, Partition, Scheme};
use crate::iso::finding::Findings;
use crate::iso::image::{Extent, Image, u16_le, u32_le, u64_le};

/// Of the table, in bytes.
const TABLE: usize = 446;
/// A partition of this type only keeps old tools away from a GPT (UEFI, 5.2.3).
pub(super) const PROTECTIVE: u8 = 0xee;
/// isohybrid's `isolinux.bin` has it at 64, its boot record looks for it there.
const ISOHYBRID: u32 = 0x7078_c0fb;

/// What is in the first sector.
#[derive(Debug, Default)]
pub(super) struct Mbr {
    pub partitions: Vec<Partition>,
    pub entry: Option<BootEntry>,
    /// It protects a GPT, in the form that UEFI wants.
    pub protective: bool,
    /// A file system begins here: there are no partitions.
    pub file_system: bool,
}

/// Partitions and code of the first sector; nothing if it is no boot record.
pub(super) fn read(image: &Image, findings: &mut Findings) -> io::Result<Mbr> {
    let Some(sector) = image.bytes::<512>(0)? else { return Ok(Mbr::default()) };
    let records: Vec<_> = sector[TABLE..510].chunks_exact(16).map(Record::new).collect();
    if sector[510..] != [0x55, 0xaa] {
        if records.iter().all(Record::is_sane) && records.iter().any(|record| record.is_whole(image.size)) {
            findings.error("mbr-signature", 510, "the first sector has partitions, but is no boot record");
        }
        return Ok(Mbr::default());
    }
    let file_system = is_file_system(&sector);
    // boot sectors of file systems and other code end in the same two bytes
    if file_system || !records.iter().any(Record::is_sane) {
        return Ok(Mbr { entry: entry(image, &sector, findings)?, file_system, ..Mbr::default() });
    }
    check(&records, image.size, findings);
    let entry = entry(image, &sector, findings)?;
    if entry.is_some() && records.iter().all(|record| record.status != 0x80) {
        let message = "no partition is active; some BIOSes do not start from such a disk";
        findings.warning("mbr-none-active", TABLE as u64, message);
    }
    Ok(Mbr {
        protective: records.iter().any(|record| record.kind == PROTECTIVE && record.start == 1),
        partitions: (1..).zip(&records).filter_map(|(number, record)| record.partition(number)).collect(),
        entry,
        file_system,
    })
}

/// A partition record (UEFI, table 5.2). Its CHS addresses nobody reads.
#[derive(Debug)]
struct Record {
    status: u8,
    kind: u8,
    /// In sectors of 512 bytes.
    start: u32,
    length: u32,
}

impl Record {
    fn new(bytes: &[u8]) -> Self {
        Self {
            status: bytes[0],
            kind: bytes[4],
            start: u32_le(&bytes[8..12]),
            length: u32_le(&bytes[12..16]),
        }
    }

    /// 0x80 is active, 0 is not; anything else is no partition record (UEFI, table 5.2).
    fn is_sane(&self) -> bool {
        self.status & 0x7f == 0
    }

    /// By its length: isohybrid's partitions may have the type 0.
    fn is_used(&self) -> bool {
        self.length != 0
    }

    /// It looks like a partition of this image, so that a sector with it was a boot record once.
    fn is_whole(&self, size: u64) -> bool {
        self.is_used() && self.kind != 0 && self.end() <= size
    }

    fn extent(&self) -> Extent {
        Extent { offset: u64::from(self.start) * 512, length: u64::from(self.length) * 512 }
    }

    /// In bytes; two 32-bit numbers of sectors do not overflow it.
    fn end(&self) -> u64 {
        (u64::from(self.start) + u64::from(self.length)) * 512
    }

    fn partition(&self, number: u32) -> Option<Partition> {
        self.is_used().then(|| Partition {
            scheme: Scheme::Mbr,
            number,
            extent: self.extent(),
            kind: format!("{:#04x}", self.kind),
            name: String::new(),
            active: self.status == 0x80,
        })
    }
}

/// A BIOS parameter block is where boot records have code: sector and cluster size, copies, medium.
fn is_file_system(sector: &[u8; 512]) -> bool {
    matches!(sector[0], 0xeb | 0xe9)
        && matches!(u16_le(&sector[11..13]), 512 | 1024 | 2048 | 4096)
        && sector[13].is_power_of_two()
        && sector[21] >= 0xf0
}

/// What holds of each by itself; one that ends behind the image is how truncated sticks show.
fn check(records: &[Record], size: u64, findings: &mut Findings) {
    for (number, record) in (1..).zip(records) {
        let at = TABLE as u64 + 16 * (number - 1);
        if !record.is_sane() {
            let message = format!("MBR partition {number} has the status {:#04x}", record.status);
            findings.error("mbr-status", at, message);
        }
        match record.kind {
            PROTECTIVE => check_protective(number, record, at, size, findings),
            _ if record.is_used() && record.end() > size => {
                let message = format!(
                    "MBR partition {number} ends at byte {}, the image has {size}: it is truncated",
                    record.end()
                );
                findings.error("partition-outside", at, message);
            }
            _ if !record.is_used() && (record.kind != 0 || record.start != 0) => {
                let message = format!("MBR partition {number} has a type or a place, but no length");
                findings.warning("mbr-empty", at, message);
            }
            _ => {}
        }
    }
    if records.iter().filter(|record| record.status == 0x80).count() > 1 {
        findings.warning("mbr-active", TABLE as u64, "more than one MBR partition is active");
    }
    overlaps(records, findings);
}

/// UEFI, 5.2.3; EDK II insists on the start, sticks that are longer than the image do not keep the length.
fn check_protective(number: u64, record: &Record, at: u64, size: u64, findings: &mut Findings) {
    if record.start != 1 {
        let message =
            format!("MBR partition {number} protects the GPT from sector {}, not 1; UEFI ignores it", {
                record.start
            });
        findings.error("mbr-protective", at, message);
    }
    if record.length != u32::MAX && record.end() / 512 != size / 512 {
        let message = format!(
            "MBR partition {number} protects up to byte {}, not to the image's end at {size}",
            record.end()
        );
        findings.warning("mbr-protective-length", at, message);
    }
}

fn overlaps(records: &[Record], findings: &mut Findings) {
    // isohybrid's first partition is the whole image, with others in it
    let real = |record: &&Record| record.is_used() && record.kind != PROTECTIVE && record.start != 0;
    let mut used: Vec<_> = records.iter().filter(real).collect();
    used.sort_by_key(|record| record.start);
    for pair in used.windows(2).filter(|pair| pair[1].extent().offset < pair[0].end()) {
        let message = format!("MBR partitions overlap at byte {}", pair[1].extent().offset);
        match pair[1].end() <= pair[0].end() {
            true => findings.warning("partitions-nested", TABLE as u64, message),
            false => findings.error("partitions-overlap", TABLE as u64, message),
        }
    }
}

/// What a BIOS runs; data only, as in an MBR made by partitioning tools, is no way of starting.
fn entry(image: &Image, sector: &[u8; 512], findings: &mut Findings) -> io::Result<Option<BootEntry>> {
    let loader = loader::boot_sector(sector);
    let code = sector[..440].iter().any(|byte| *byte != 0) && !is_file_system(sector);
    if !code && loader.is_none() {
        return Ok(None);
    }
    match loader {
        Some(Loader::Grub) => check_grub(image, sector, findings)?,
        Some(Loader::Isolinux) => check_isohybrid(image, sector, findings)?,
        _ => {}
    }
    Ok(Some(BootEntry {
        firmware: Firmware::Bios,
        medium: Medium::Disk,
        via: "MBR".into(),
        extent: Extent { offset: 0, length: 512 },
        loader: loader.map(|loader| loader.to_string()),
        efi: Vec::new(),
    }))
}

/// GRUB's second sector says where the third is; `mkisofs --grub2-boot-info` writes it for CDs.
fn check_grub(image: &Image, sector: &[u8; 512], findings: &mut Findings) -> io::Result<()> {
    let next = loader::grub_next(sector);
    let offset = next.saturating_mul(512);
    match image.bytes::<512>(offset)?.filter(|_| next != 0) {
        Some(second) if !loader::has(&second, b"Geom\0Read\0 Error") => {
            let message = format!("GRUB's boot record goes on at byte {offset}, where GRUB is not");
            findings.error("grub-next", 0, message);
        }
        Some(second) => {
            let third = u64_le(&second[500..508]);
            if next.checked_add(1) != Some(third) {
                let message = format!("GRUB goes on in sector {third} instead of the next, {}", next + 1);
                findings.error("grub-boot-info", offset + 500, message);
            }
        }
        None => {
            let message = format!("GRUB's boot record goes on at byte {offset}, outside the image");
            findings.error("grub-next", 0, message);
        }
    }
    Ok(())
}

/// ISOLINUX's own check, which it makes before it jumps there.
fn check_isohybrid(image: &Image, sector: &[u8; 512], findings: &mut Findings) -> io::Result<()> {
    let offset = loader::isolinux_next(sector) * 512;
    let found = image.bytes::<4>(offset + 64)?;
    if found.is_none_or(|found| u32_le(&found) != ISOHYBRID) {
        let message = format!("ISOLINUX's boot record goes on at byte {offset}, where isolinux.bin is not");
        findings.error("isohybrid-pointer", 432, message);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{codes, has, image, put};
    use super::*;
    use crate::iso::finding::Severity::{self, Error, Warning};

    fn record(status: u8, kind: u8, start: u32, length: u32) -> Vec<u8> {
        let mut record = vec![status, 0, 0, 0, kind, 0, 0, 0];
        record.extend([start.to_le_bytes(), length.to_le_bytes()].concat());
        record
    }

    /// 64 sectors with these partitions.
    fn disk(records: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; 64 * 512];
        records.iter().enumerate().for_each(|(number, record)| put(&mut bytes, 446 + 16 * number, record));
        put(&mut bytes, 510, &[0x55, 0xaa]);
        bytes
    }

    fn found(bytes: &[u8]) -> (Mbr, Findings) {
        let mut findings = Findings::default();
        (read(&image(bytes), &mut findings).unwrap(), findings)
    }

    #[test]
    fn partitions_are_listed_and_code_is_an_entry() {
        let mut bytes = disk(&[record(0x80, 0x83, 8, 16), record(0, 0xef, 24, 40)]);
        bytes[0] = 0xfa;
        let (found, findings) = found(&bytes);
        assert_eq!(codes(&findings), [] as [&str; 0]);
        let listed = found.partitions.iter().map(|one| (one.number, one.kind.as_str(), one.active));
        assert_eq!(listed.collect::<Vec<_>>(), [(1, "0x83", true), (2, "0xef", false)]);
        assert_eq!(found.partitions[1].extent, Extent { offset: 24 * 512, length: 40 * 512 });
        assert_eq!(found.entry.unwrap().loader, None);
    }

    #[test]
    fn faults_of_the_table_are_named() {
        let faults: &[(&[Vec<u8>], Severity, &str, &str)] = &[
            (&[record(0x81, 0x83, 8, 8)], Error, "mbr-status", "partition 1 has the status 0x81"),
            (
                &[record(0, 0x83, 8, 57)],
                Error,
                "partition-outside",
                "ends at byte 33280, the image has 32768",
            ),
            (&[record(0, 0x83, u32::MAX, u32::MAX)], Error, "partition-outside", "it is truncated"),
            (&[record(0, 0x83, 8, 8), record(0, 0x83, 15, 8)], Error, "partitions-overlap", "at byte 7680"),
            (&[record(0, 0x83, 8, 8), record(0, 0xef, 9, 2)], Warning, "partitions-nested", "at byte 4608"),
            (&[record(0x80, 1, 8, 8), record(0x80, 1, 16, 8)], Warning, "mbr-active", "more than one"),
            (
                &[record(0, 0x83, 0, 0)],
                Warning,
                "mbr-empty",
                "partition 1 has a type or a place, but no length",
            ),
            (&[record(0, 0xee, 2, 62)], Error, "mbr-protective", "from sector 2, not 1"),
            (&[record(0, 0xee, 1, 62)], Warning, "mbr-protective-length", "up to byte 32256"),
        ];
        for (records, severity, code, part) in faults {
            // with one that is well, so that it is a table
            let records = [records, [record(0, 0, 0, 0)].as_slice()].concat();
            has(&found(&disk(&records)).1, *severity, code, part);
        }
        let mut code = disk(&[record(0, 0x83, 8, 8)]);
        code[0] = 0xfa;
        has(&found(&code).1, Warning, "mbr-none-active", "no partition is active");
        code[511] = 0;
        has(&found(&code).1, Error, "mbr-signature", "has partitions, but is no boot record");
    }

    #[test]
    fn a_whole_disk_partition_and_a_protective_one_overlap_nothing() {
        let (_, findings) = found(&disk(&[record(0, 0, 0, 64), record(0, 0xef, 8, 8)]));
        assert_eq!(codes(&findings), [] as [&str; 0]);
        let (found, findings) = found(&disk(&[record(0, 0xee, 1, 63)]));
        assert_eq!((codes(&findings).len(), found.protective), (0, true));
    }

    #[test]
    fn other_boot_sectors_are_no_tables() {
        let mut letters = vec![b'x'; 4096];
        put(&mut letters, 510, &[0x55, 0xaa]);
        let (found, findings) = found(&letters);
        assert!(found.partitions.is_empty() && !found.file_system && findings.list().is_empty());
    }

    #[test]
    fn known_loaders_have_to_find_their_next_sector() {
        let mut grub = disk(&[record(0x80, 0xcd, 1, 63)]);
        put(&mut grub, 0x188, b"Geom\0Hard Disk\0Read\0 Error");
        grub[0x1b0] = 20;
        has(&found(&grub).1, Error, "grub-next", "at byte 10240, where GRUB is not");
        put(&mut grub, 20 * 512 + 100, b"Geom\0Read\0 Error");
        has(&found(&grub).1, Error, "grub-boot-info", "in sector 0 instead of the next, 21");
        grub[20 * 512 + 500] = 21;
        let (whole, findings) = found(&grub);
        assert_eq!((codes(&findings).len(), whole.entry.unwrap().loader.as_deref()), (0, Some("GRUB 2")));
        put(&mut grub, 0x1b0, &[0xff; 8]);
        has(&found(&grub).1, Error, "grub-next", "outside the image");

        let mut isolinux = disk(&[record(0x80, 0x17, 0, 64)]);
        put(&mut isolinux, 0x100, b"isolinux.bin missing or corrupt");
        isolinux[432] = 20;
        has(&found(&isolinux).1, Error, "isohybrid-pointer", "at byte 10240, where isolinux.bin is not");
        put(&mut isolinux, 20 * 512 + 64, &ISOHYBRID.to_le_bytes());
        assert_eq!(codes(&found(&isolinux).1), [] as [&str; 0]);
    }
}
