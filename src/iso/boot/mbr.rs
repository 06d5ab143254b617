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

    fn is_sane(&self) -> bool {
        self.status & 0x7f == 0
    }

    fn is_used(&self) -> bool {
        self.length != 0
    }

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

fn check_isohybrid(image: &Image, sector: &[u8; 512], findings: &mut Findings) -> io::Result<()> {
    let offset = loader::isolinux_next(sector) * 512;
    let found = image.bytes::<4>(offset + 64)?;
    if found.is_none_or(|found| u32_le(&found) != ISOHYBRID) {
        let message = format!("ISOLINUX's boot record goes on at byte {offset}, where isolinux.bin is not");
        findings.error("isohybrid-pointer", 432, message);
    }
    Ok(())
}
