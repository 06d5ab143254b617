//! The few structures that say how long an image is: ISO 9660 volume descriptors (ECMA-119),
//! partition tables of PCs (MBR) and of UEFI (UEFI specification 2.10, chapter 5, GPT).

use std::io;

use super::image::{Image, u16_le, u32_le, u64_le};

/// ECMA-119, 6.2.1: the first 16 logical sectors are the system's, the descriptors follow.
const DESCRIPTORS: u64 = 16;
/// ECMA-119, 6.1.2.
const SECTOR: u64 = 2048;
/// Real images have fewer than ten; a hostile one must not be read for ever.
const MOST_DESCRIPTORS: u64 = 64;
/// A partition of this type only keeps old tools away from a GPT (UEFI, 5.2.3).
const PROTECTIVE: u8 = 0xee;

/// The length that a structure claims for the image, in bytes, or why it is none.
pub(super) type Claim = Result<u128, String>;

impl Image {
    /// What the ISO 9660 primary volume descriptor claims; `None` if this is no ISO 9660 image.
    pub fn iso9660(&self) -> io::Result<Option<Claim>> {
        for number in 0..MOST_DESCRIPTORS {
            let descriptor = self.bytes::<2048>((DESCRIPTORS + number) * SECTOR)?;
            let standard = descriptor.as_ref().is_some_and(|bytes| &bytes[1..6] == b"CD001");
            match descriptor {
                Some(bytes) if standard && bytes[0] == 1 => return Ok(Some(volume_length(&bytes))),
                Some(bytes) if standard && bytes[0] != 255 => continue,
                _ if number == 0 && !standard => return Ok(None),
                _ => break,
            }
        }
        Ok(Some(Err("its volume descriptors have no primary one".into())))
    }

    /// What the partition tables claim; `None` if there is none.
    pub fn partitions(&self) -> io::Result<Option<Claim>> {
        let Some(first) = self.bytes::<512>(0)? else { return Ok(None) };
        let (guarded, claim) = match first[510..] == [0x55, 0xaa] {
            true => master_boot_record(&first),
            false => (false, None),
        };
        // disks with large sectors have their header in the second of those
        for sector in [512, 4096] {
            if let Some(header) = self.bytes::<92>(sector)?.filter(|header| header.starts_with(b"EFI PART")) {
                return Ok(Some(table_length(&header, sector)));
            }
        }
        match guarded {
            true => Ok(Some(Err("its GPT, which its MBR protects, is not there".into()))),
            false => Ok(claim),
        }
    }
}

/// ECMA-119, 8.4.8 and 8.4.12; both are recorded in both byte orders (7.3.3, 7.2.3).
fn volume_length(descriptor: &[u8; 2048]) -> Claim {
    let (little, big) = (&descriptor[80..84], &descriptor[84..88]);
    let (blocks, size) = (u32_le(little), u16_le(&descriptor[128..130]));
    if little.iter().ne(big.iter().rev())
        || descriptor[128] != descriptor[131]
        || descriptor[129] != descriptor[130]
    {
        return Err("its primary volume descriptor contradicts itself".into());
    }
    // ECMA-119, 6.2.2: a power of two, at most a sector
    if !matches!(size, 512 | 1024 | 2048) || u64::from(blocks) * u64::from(size) <= DESCRIPTORS * SECTOR {
        return Err(format!("its primary volume descriptor claims {blocks} blocks of {size} bytes"));
    }
    Ok(u128::from(blocks) * u128::from(size))
}

/// Whether the MBR protects a GPT, and what it claims if it is a partition table at all: boot
/// sectors of file systems end in the same two bytes.
fn master_boot_record(sector: &[u8; 512]) -> (bool, Option<Claim>) {
    let entries = sector[446..510].chunks_exact(16);
    if entries.clone().any(|entry| entry[0] & 0x7f != 0) {
        return (false, None);
    }
    let used = entries.filter(|entry| entry[4] != 0 && u32_le(&entry[12..16]) != 0);
    let guarded = used.clone().any(|entry| entry[4] == PROTECTIVE);
    let ends = used
        .filter(|entry| entry[4] != PROTECTIVE) // its length may be all ones
        .map(|entry| u128::from(u32_le(&entry[8..12])) + u128::from(u32_le(&entry[12..16])));
    (guarded, ends.max().map(|sectors| Ok(sectors * 512)))
}

/// UEFI, table 5.5: the alternate header is the last sector of the disk.
fn table_length(header: &[u8; 92], sector: u64) -> Claim {
    let (alternate, first, last) =
        (u64_le(&header[32..40]), u64_le(&header[40..48]), u64_le(&header[48..56]));
    if first > last || alternate < 2 {
        return Err(format!("its GPT claims usable sectors {first} to {last}"));
    }
    Ok((u128::from(alternate.max(last)) + 1) * u128::from(sector))
}
