//! The EFI system partitions of an image, by each way that leads to one.

use std::io;

use super::eltorito::{CatalogEntry, Emulation};
use super::esp::{self, Esp, Need};
use super::{BootEntry, Firmware, Medium, Partition, Scheme};
use crate::iso::finding::Findings;
use crate::iso::image::{Extent, Image};

/// UEFI, table 5.7: an EFI system partition.
const SYSTEM: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
/// What holds no file system itself: nothing, extended partitions, protection of a GPT.
const CONTAINERS: &[&str] = &["0x05", "0x0f", "0x85", "0xee"];
const SECTOR: u64 = 2048;

/// Each is read once, however many ways lead there.
#[derive(Debug, Default)]
pub(super) struct Systems {
    pub read: Vec<Esp>,
    /// Where none was, and that was said.
    none: Vec<u64>,
}

impl Systems {
    /// El Torito's entry for UEFI (2.10, 13.3.2.1).
    pub fn cd(
        &mut self,
        image: &Image,
        entry: &CatalogEntry,
        findings: &mut Findings,
    ) -> io::Result<Option<BootEntry>> {
        let name = format!("El Torito entry {}", entry.number);
        let left = image.size.saturating_sub(entry.offset);
        let claimed = u64::from(entry.sectors) * 512;
        if left < claimed.max(512) {
            let message = format!("{name} is a file system at byte {}, behind the image's end", entry.offset);
            findings.error("boot-image-outside", entry.record, message);
            return Ok(None);
        }
        if entry.emulation != Emulation::None {
            let message = format!("{name} is for UEFI{}; UEFI has no emulation", entry.emulation.describe());
            findings.error("efi-emulation", entry.record, message);
        }
        if entry.load_segment != 0 {
            let message = format!("{name} is for UEFI and has a load segment");
            findings.warning("load-segment", entry.record, message);
        }
        let place = Extent { offset: entry.offset, length: left };
        let Some(esp) = self.find(image, place, Need::Loader, findings)? else { return Ok(None) };
        // 0 and 1 mean all that is left
        let length = esp.extent.length;
        if entry.sectors > 1 && claimed != length && claimed != length.next_multiple_of(SECTOR) {
            let message = format!("{name} has {claimed} bytes, its file system {}", esp.extent.length);
            findings.warning("efi-size", entry.record, message);
        }
        Ok(Some(started(esp, Medium::Cd, name)))
    }

    /// By partitions, those of the GPT first: in hybrid images the MBR may have the same ones.
    pub fn disk(
        &mut self,
        image: &Image,
        partitions: &[Partition],
        findings: &mut Findings,
    ) -> io::Result<Vec<BootEntry>> {
        let mut entries: Vec<BootEntry> = Vec::new();
        let (gpt, mbr): (Vec<_>, Vec<_>) =
            partitions.iter().partition(|partition| partition.scheme == Scheme::Gpt);
        for partition in gpt.into_iter().chain(mbr) {
            let known = |entry: &BootEntry| entry.extent.offset == partition.extent.offset;
            if CONTAINERS.contains(&partition.kind.as_str()) || entries.iter().any(known) {
                continue;
            }
            let system = partition.kind == SYSTEM || partition.kind == "0xef";
            let need = if system { Need::Loader } else { Need::Nothing };
            let Some(esp) = self.find(image, partition.extent, need, findings)? else { continue };
            if esp.extent.length > partition.extent.length {
                let message = format!("the FAT of partition {} is longer than it", partition.number);
                findings.error("fat-outside", partition.extent.offset, message);
            }
            if system || !esp.files.is_empty() {
                entries.push(started(esp, Medium::Disk, format!("partition {}", partition.number)));
            }
        }
        Ok(entries)
    }

    /// A file system with no partition around it.
    pub fn whole(&mut self, image: &Image, findings: &mut Findings) -> io::Result<Option<BootEntry>> {
        let place = Extent { offset: 0, length: image.size };
        let found = self.find(image, place, Need::Nothing, findings)?;
        let starts = found.filter(|esp| !esp.files.is_empty());
        Ok(starts.map(|esp| started(esp, Medium::Disk, "the whole disk".into())))
    }

    /// One file system may be an El Torito entry, a GPT and an MBR partition at once; its findings are told once.
    fn find(
        &mut self,
        image: &Image,
        place: Extent,
        need: Need,
        findings: &mut Findings,
    ) -> io::Result<Option<&Esp>> {
        let known = self.read.iter().position(|esp| esp.extent.offset == place.offset);
        let index = match known {
            Some(index) => index,
            None if self.none.contains(&place.offset) => return Ok(None),
            None => match esp::read(image, place, need, findings)? {
                Some(esp) => {
                    self.read.push(esp);
                    self.read.len() - 1
                }
                None => {
                    self.none.push(place.offset);
                    return Ok(None);
                }
            },
        };
        Ok(self.read.get(index))
    }
}

/// UEFI starts all media alike; they differ only in how the file system was found.
fn started(esp: &Esp, medium: Medium, via: String) -> BootEntry {
    BootEntry {
        firmware: Firmware::Uefi,
        medium,
        via,
        extent: esp.extent,
        loader: esp.loader.clone(),
        efi: esp.files.clone(),
    }
}
