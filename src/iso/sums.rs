//! Checksums of an image, and of what is on it.

use std::io;

use md5::Md5;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::image::{Extent, Image};

/// Which checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    /// How many hexadecimal digits it has.
    pub fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 => 64,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
        }
    }
}

/// Of an image as a whole; hexadecimal, lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Over how many bytes from the start: of a device those of the image, not what is behind it.
    pub bytes: u64,
    pub md5: String,
    pub sha256: String,
}

/// Both checksums of the first `length` bytes, in one pass; `None` if the image ends before.
pub fn of_image(image: &Image, length: u64) -> io::Result<Option<Sums>> {
    let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
    let whole = Extent { offset: 0, length };
    let is_there = image.pieces(&[whole], |bytes| {
        md5.update(bytes);
        sha256.update(bytes);
    })?;
    let sums = || Sums { bytes: length, md5: hex(&md5.finalize()), sha256: hex(&sha256.finalize()) };
    Ok(is_there.then(sums))
}

/// The checksum of a file on the image; `None` if the image ends before the file does.
pub fn of_extents(image: &Image, extents: &[Extent], algorithm: Algorithm) -> io::Result<Option<String>> {
    match algorithm {
        Algorithm::Md5 => digest::<Md5>(image, extents),
        Algorithm::Sha256 => digest::<Sha256>(image, extents),
    }
}

fn digest<D: Digest>(image: &Image, extents: &[Extent]) -> io::Result<Option<String>> {
    let mut hash = D::new();
    let is_there = image.pieces(extents, |bytes| hash.update(bytes))?;
    Ok(is_there.then(|| hex(&hash.finalize())))
}

/// Of bytes in memory.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn image(bytes: &[u8]) -> Image {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Image::new(file).unwrap()
    }

    #[test]
    fn sums_are_those_of_other_tools() {
        let image = image(b"--abc--");
        let abc = [Extent { offset: 2, length: 1 }, Extent { offset: 3, length: 2 }];
        let md5 = of_extents(&image, &abc, Algorithm::Md5).unwrap().unwrap();
        assert_eq!(md5, "900150983cd24fb0d6963f7d28e17f72"); // RFC 1321, A.5
        let sha256 = of_extents(&image, &abc, Algorithm::Sha256).unwrap().unwrap();
        assert_eq!(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); // FIPS 180-4
        let sums = of_image(&image, 0).unwrap().unwrap();
        assert_eq!((sums.bytes, sums.md5.as_str()), (0, "d41d8cd98f00b204e9800998ecf8427e"));
    }

    #[test]
    fn what_is_longer_than_the_image_has_no_sum() {
        let image = image(&[0; 300_000]);
        assert!(of_image(&image, 300_000).unwrap().is_some());
        assert_eq!(of_image(&image, 300_001).unwrap(), None);
        let far = [Extent { offset: u64::MAX, length: 2 }];
        assert_eq!(of_extents(&image, &far, Algorithm::Md5).unwrap(), None);
    }
}
