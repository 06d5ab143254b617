//! What firmware finds: El Torito, boot sectors and partitions, the EFI system partition, and the menus of the
//! boot loaders with their kernels' command lines.

mod cd;
mod eltorito;
mod esp;
mod fat;
mod gpt;
mod loader;
mod mbr;
mod menu;
mod pe;
mod systems;

use std::io;

use systems::Systems;

use super::finding::Findings;
use super::image::{Extent, Image};
use super::volume::Volume;

#[derive(Clone, Debug, Default)]
pub struct Boot {
    pub entries: Vec<BootEntry>,
    pub partitions: Vec<Partition>,
    /// From the configuration of the boot loaders on the volume and in the EFI system partition.
    pub menu: Vec<MenuEntry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    Bios,
    Uefi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    Cd,
    /// A USB stick, or any disk.
    Disk,
}

/// One way of starting from the image.
#[derive(Clone, Debug)]
pub struct BootEntry {
    pub firmware: Firmware,
    pub medium: Medium,
    /// What the firmware starts from: `El Torito entry 2`, `MBR`, `partition 2`.
    pub via: String,
    /// What is loaded.
    pub extent: Extent,
    /// Which loader was recognised, and by what: `GRUB 2`, `ISOLINUX`, `shim, GRUB 2`; `None` if none was.
    pub loader: Option<String>,
    /// The files of an EFI system partition that firmware looks for, `/EFI/BOOT/BOOTX64.EFI`, and what shim
    /// starts next.
    pub efi: Vec<EfiFile>,
}

#[derive(Clone, Debug)]
pub struct EfiFile {
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// The machine that the PE header names (`x86_64`, `aarch64`, `i386`); `None` if it is no PE executable.
    pub machine: Option<&'static str>,
    /// Whether it has an Authenticode signature, whoever's.
    pub signed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Mbr,
    Gpt,
}

#[derive(Clone, Debug)]
pub struct Partition {
    pub scheme: Scheme,
    /// From 1.
    pub number: u32,
    pub extent: Extent,
    /// `0xef`, or the type's GUID.
    pub kind: String,
    pub name: String,
    pub active: bool,
}

/// What a person or a timeout chooses.
#[derive(Clone, Debug)]
pub struct MenuEntry {
    /// The file it stands in, a path of the volume, or of the EFI system partition with `efi:` before it.
    pub file: String,
    pub title: String,
    pub kernel: String,
    pub initrd: Vec<String>,
    pub command_line: String,
    /// The one that is started when nobody chooses.
    pub default: bool,
}

/// Reads all of it. What is damaged, or leads nowhere, is among the findings; an image with no boot record
/// at all has no entries, and no finding.
pub fn read(image: &Image, volume: Option<&Volume>, findings: &mut Findings) -> io::Result<Boot> {
    let catalog = eltorito::read(image, findings)?;
    let mbr = mbr::read(image, findings)?;
    let gpt = gpt::read(image, mbr.protective, findings)?;
    let mut entries = Vec::new();
    let mut systems = Systems::default();
    for entry in catalog.iter().flatten() {
        entries.extend(match entry.firmware {
            Firmware::Bios => cd::read(image, volume, entry, findings)?,
            Firmware::Uefi => systems.cd(image, entry, findings)?,
        });
    }
    entries.extend(mbr.entry);
    let partitions: Vec<_> = mbr.partitions.into_iter().chain(gpt.unwrap_or_default().partitions).collect();
    if mbr.file_system {
        entries.extend(systems.whole(image, findings)?);
    }
    entries.extend(systems.disk(image, &partitions, findings)?);
    if catalog.is_some() && entries.is_empty() {
        findings.error("no-boot-entry", None, "the image has a boot record, but nothing that starts");
    }
    let menu = menus(image, volume, &systems, findings)?;
    Ok(Boot { entries, partitions, menu })
}

fn menus(
    image: &Image,
    volume: Option<&Volume>,
    systems: &Systems,
    findings: &mut Findings,
) -> io::Result<Vec<MenuEntry>> {
    let volume = volume.map(|volume| menu::Place::new(image, &volume.tree, ""));
    let systems = systems.read.iter().map(|esp| menu::Place::new(image, &esp.tree, "efi:"));
    menu::read(&volume.into_iter().chain(systems).collect::<Vec<_>>(), findings)
}

/// As much of an extent as the image has.
fn within(image: &Image, extent: Extent) -> io::Result<Vec<u8>> {
    let left = image.size.saturating_sub(extent.offset);
    let extent = Extent { length: extent.length.min(left), ..extent };
    Ok(image.extent(extent, extent.length)?.unwrap_or_default())
}

/// At most so many bytes of a file, from `offset` on; fewer where it ends, or the image does.
fn contents(image: &Image, extents: &[Extent], offset: u64, most: u64) -> io::Result<Vec<u8>> {
    let (mut skipped, mut bytes) = (offset, Vec::new());
    for extent in extents {
        let skip = skipped.min(extent.length);
        skipped -= skip;
        let length = (extent.length - skip).min(most - bytes.len() as u64);
        let offset = extent.offset.saturating_add(skip);
        let part = within(image, Extent { offset, length })?;
        bytes.extend(&part);
        if (part.len() as u64) < length {
            break;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
