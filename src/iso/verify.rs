//! Whether a boot image is whole.

mod all;

use std::fs::File;
use std::path::Path;

use super::claims::Claim;
use super::image::Image;
use crate::error::{Doing, Error, ErrorKind, Result};

pub use all::{Verification, Wanted, verify};

/// Checks that the file is an ISO 9660 or a disk image and as long as its own descriptors say:
/// the volume descriptor, and the partition tables of hybrid and disk images. What the sectors
/// hold is not looked at; trailing padding is fine.
///
/// Errors: [`ErrorKind::Output`].
pub fn check_complete(path: &Path) -> Result<()> {
    let doing = || format!("checking image {}", path.display());
    let image = File::open(path).and_then(Image::new).doing(ErrorKind::Output, doing)?;
    let claims = [
        ("ISO 9660 volume", image.iso9660().doing(ErrorKind::Output, doing)?),
        ("partition table", image.partitions().doing(ErrorKind::Output, doing)?),
    ];
    if claims.iter().all(|(_, claim)| claim.is_none()) {
        return Err(Error::new(ErrorKind::Output, "it is neither an ISO 9660 nor a disk image")
            .context(doing())
            .hint(
                "the builder's metadata names the wrong file, or the builder did not finish it: see its log",
            ));
    }
    let mut claims = claims.into_iter().filter_map(|(what, claim)| claim.map(|claim| (what, claim)));
    claims.try_for_each(|(what, claim)| hold(what, claim, image.size)).map_err(|error| error.context(doing()))
}

fn hold(what: &str, claim: Claim, size: u64) -> Result<()> {
    let hint = "the builder did not finish it: see its log, and whether the volume's disk is full";
    let damaged = |reason| Error::new(ErrorKind::Output, reason).hint(hint);
    match claim.map_err(damaged)? {
        length if length <= u128::from(size) => Ok(()),
        length => {
            Err(damaged(format!("it is truncated: its {what} is {length} bytes long, the file only {size}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn checked(bytes: &[u8]) -> Result<()> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        check_complete(file.path())
    }

    #[track_caller]
    fn refused(bytes: &[u8], part: &str) {
        let error = checked(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Output);
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.hint_text().is_some());
    }

    /// An ISO 9660 image of `blocks` blocks, nothing in it but descriptors.
    fn iso(blocks: u32) -> Vec<u8> {
        let mut bytes = vec![0; blocks as usize * 2048];
        let descriptor = &mut bytes[32768..];
        descriptor[..7].copy_from_slice(b"\x01CD001\x01");
        descriptor[80..84].copy_from_slice(&blocks.to_le_bytes());
        descriptor[84..88].copy_from_slice(&blocks.to_be_bytes());
        descriptor[128..132].copy_from_slice(&[0, 8, 8, 0]);
        descriptor[2048..2055].copy_from_slice(b"\xffCD001\x01");
        bytes
    }

    /// A disk with one partition of this type, from sector 8 to its end.
    fn disk(sectors: u32, kind: u8) -> Vec<u8> {
        let mut bytes = vec![0; sectors as usize * 512];
        bytes[446] = 0x80;
        bytes[450] = kind;
        bytes[454..458].copy_from_slice(&8_u32.to_le_bytes());
        bytes[458..462].copy_from_slice(&(sectors - 8).to_le_bytes());
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        bytes
    }

    fn with_gpt(mut bytes: Vec<u8>, sector: usize) -> Vec<u8> {
        let alternate = (bytes.len() / sector - 1) as u64;
        let header = &mut bytes[sector..];
        header[..8].copy_from_slice(b"EFI PART");
        header[32..40].copy_from_slice(&alternate.to_le_bytes());
        header[40..48].copy_from_slice(&6_u64.to_le_bytes());
        header[48..56].copy_from_slice(&(alternate - 1).to_le_bytes());
        bytes
    }

    #[test]
    fn whole_images_are_accepted_padded_or_not() {
        for mut bytes in [
            iso(64),
            disk(64, 0x83),
            with_gpt(disk(64, 0xee), 512),
            with_gpt(disk(64, 0xee), 4096),
            with_gpt(vec![0; 32768], 512),
        ] {
            checked(&bytes).unwrap();
            bytes.extend([0; 1000]);
            checked(&bytes).unwrap();
        }
    }

    #[test]
    fn truncated_images_are_refused_with_both_sizes() {
        let whole = iso(64);
        for length in [whole.len() - 1, 65536, 34816] {
            refused(&whole[..length], "is truncated");
            refused(&whole[..length], &length.to_string());
            refused(&whole[..length], "131072");
        }
        for whole in [disk(64, 0x83), with_gpt(disk(64, 0xee), 512), with_gpt(disk(64, 0x83), 4096)] {
            for length in [whole.len() - 1, whole.len() / 2] {
                refused(&whole[..length], "is truncated");
            }
        }
    }

    #[test]
    fn other_files_are_neither() {
        let mut boot_sector = vec![b'x'; 4096];
        boot_sector[510..512].copy_from_slice(&[0x55, 0xaa]);
        let mut no_partitions = vec![0; 4096];
        no_partitions[510..512].copy_from_slice(&[0x55, 0xaa]);
        let whole = iso(64);
        for bytes in [b"".as_slice(), b"text", &[0; 100_000], &boot_sector, &no_partitions, &whole[..34000]] {
            refused(bytes, "neither an ISO 9660 nor a disk image");
        }
    }

    #[test]
    fn a_hybrid_image_is_as_long_as_the_longer_of_its_claims() {
        let mut hybrid = iso(64);
        hybrid.extend(vec![0; 4096]);
        let sectors = (hybrid.len() / 512) as u32;
        hybrid[..512].copy_from_slice(&disk(sectors, 0x17)[..512]);
        checked(&hybrid).unwrap();
        refused(&hybrid[..hybrid.len() - 512], "its partition table is 135168 bytes long");
    }

    #[test]
    fn descriptors_that_cannot_be_true_are_refused() {
        let changed = |offset: usize, value: u8| {
            let mut bytes = iso(64);
            bytes[32768 + offset] = value;
            bytes
        };
        refused(&changed(84, 1), "contradicts itself");
        refused(&changed(129, 0), "contradicts itself");
        refused(&changed(0, 0), "no primary one");
        let mut empty = iso(64);
        empty[32768 + 80..32768 + 88].fill(0);
        refused(&empty, "claims 0 blocks");
        let mut endless = Vec::from([0; 32768]);
        (0..100).for_each(|_| {
            endless.extend(iso(64)[32768..34816].iter().enumerate().map(|(i, b)| if i == 0 { 2 } else { *b }))
        });
        refused(&endless, "no primary one");
        refused(&disk(64, 0xee), "GPT, which its MBR protects");
        let mut overflow = with_gpt(disk(64, 0xee), 512);
        overflow[512 + 32..512 + 40].fill(0xff);
        refused(&overflow, "is truncated");
    }

    #[test]
    fn what_is_missing_or_a_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().to_owned(), directory.path().join("missing")] {
            assert_eq!(check_complete(&path).unwrap_err().kind(), ErrorKind::Output);
        }
    }
}
