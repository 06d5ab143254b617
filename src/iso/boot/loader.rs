//! Which boot loader some bytes are, by what is always in them.

use std::fmt;

use crate::iso::image::{u32_le, u64_le};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loader {
    Grub,
    Isolinux,
    Syslinux,
    Ipxe,
}

impl fmt::Display for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grub => "GRUB 2",
            Self::Isolinux => "ISOLINUX",
            Self::Syslinux => "SYSLINUX",
            Self::Ipxe => "iPXE",
        })
    }
}

pub(super) fn has(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

/// By the first bytes of an El Torito boot image.
pub(super) fn cd(head: &[u8]) -> Option<Loader> {
    let first = &head[..head.len().min(2048)];
    // what GRUB's cdboot says when it has no boot info table
    if has(first, b"no boot info\0") && has(first, b"cdrom read fails\0") {
        return Some(Loader::Grub);
    }
    let named = [
        (b"ISOLINUX ".as_slice(), Loader::Isolinux),
        (b"SYSLINUX ", Loader::Syslinux),
        (b"iPXE", Loader::Ipxe),
    ];
    named.into_iter().find(|(name, _)| has(head, name)).map(|(_, loader)| loader)
}

/// By the boot sector of a disk or partition.
pub(super) fn boot_sector(sector: &[u8; 512]) -> Option<Loader> {
    let named = [
        (b"Geom\0Hard Disk\0Read\0 Error".as_slice(), Loader::Grub),
        (b"isolinux.bin missing or corrupt", Loader::Isolinux),
        (b"SYSLINUX", Loader::Syslinux),
        (b"iPXE", Loader::Ipxe),
    ];
    named.into_iter().find(|(name, _)| has(sector, name)).map(|(_, loader)| loader)
}

/// The sector of 512 bytes where GRUB's boot record goes on. Its hybrid form for CDs keeps the number
/// right before the disk's serial number, the one for disks has a zero there.
pub(super) fn grub_next(sector: &[u8; 512]) -> u64 {
    match u64_le(&sector[0x1b0..0x1b8]) {
        0 => u64_le(&sector[0x5c..0x64]),
        next => next,
    }
}

/// The sector of 512 bytes where isohybrid's boot record finds `isolinux.bin`.
pub(super) fn isolinux_next(sector: &[u8; 512]) -> u64 {
    u64::from(u32_le(&sector[432..436]))
}
