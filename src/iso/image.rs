//! The bytes of an image, which can be read at any place.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};

/// A run of bytes of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// In bytes from the image's start.
    pub offset: u64,
    /// In bytes.
    pub length: u64,
}

impl Extent {
    /// The first byte behind it; `None` if that is no number.
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.length)
    }
}

/// An image that can be read at any place.
#[derive(Debug)]
pub struct Image {
    file: File,
    /// Length in bytes.
    pub size: u64,
}

impl Image {
    /// Most bytes that [`Self::pieces`] hands on at once.
    pub const PIECE: usize = 256 << 10;

    pub fn new(mut file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        // stat(2) gives a block device no length
        let size = match metadata.file_type().is_block_device() {
            true => file.seek(SeekFrom::End(0))?,
            false => metadata.len(),
        };
        Ok(Self { file, size })
    }

    /// Whether it is a device onto which an image was written, and which is longer than that.
    pub fn is_device(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.file_type().is_block_device())
    }

    /// The `N` bytes at `offset`; `None` if the image ends before.
    pub fn bytes<const N: usize>(&self, offset: u64) -> io::Result<Option<[u8; N]>> {
        // pread refuses offsets that are no `off_t` instead of finding nothing there
        if offset > self.size {
            return Ok(None);
        }
        let mut bytes = [0; N];
        match self.file.read_exact_at(&mut bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            read => read.map(|()| Some(bytes)),
        }
    }

    /// All bytes of an extent; `None` if the image ends before it does, or it is longer than `most` bytes.
    pub fn extent(&self, extent: Extent, most: u64) -> io::Result<Option<Vec<u8>>> {
        let fits = extent.length <= most && extent.end().is_some_and(|end| end <= self.size);
        let Some(length) = usize::try_from(extent.length).ok().filter(|_| fits) else { return Ok(None) };
        let mut bytes = vec![0; length];
        match self.file.read_exact_at(&mut bytes, extent.offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            read => read.map(|()| Some(bytes)),
        }
    }

    /// What the extents hold, one after another; `None` if the image ends before one of them does, or they are
    /// longer than `most` bytes.
    pub fn contents(&self, extents: &[Extent], most: u64) -> io::Result<Option<Vec<u8>>> {
        let total = extents.iter().try_fold(0_u64, |sum, extent| sum.checked_add(extent.length));
        if total.is_none_or(|total| total > most) || !self.holds(extents) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let whole = self.pieces(extents, |piece| bytes.extend_from_slice(piece))?;
        Ok(whole.then_some(bytes))
    }

    /// Hands on what the extents hold, one after another, in pieces of at most [`Self::PIECE`] bytes. Whether
    /// all of it was there: `false` if the image ends before one of them does, and then nothing is read.
    pub fn pieces(&self, extents: &[Extent], mut each: impl FnMut(&[u8])) -> io::Result<bool> {
        if !self.holds(extents) {
            return Ok(false);
        }
        let mut buffer = vec![0; Self::PIECE];
        for extent in extents {
            let (mut at, mut left) = (extent.offset, extent.length);
            while left > 0 {
                let most = left.min(Self::PIECE as u64) as usize;
                match self.file.read_at(&mut buffer[..most], at) {
                    Ok(0) => return Ok(false), // it became shorter
                    Ok(read) => {
                        each(&buffer[..read]);
                        (at, left) = (at + read as u64, left - read as u64);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(true)
    }

    /// Whether all extents are within the image.
    pub fn holds(&self, extents: &[Extent]) -> bool {
        extents.iter().all(|extent| extent.end().is_some_and(|end| end <= self.size))
    }

    /// At most `buffer.len()` bytes at `offset`, as [`FileExt::read_at`].
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
}

/// Numbers as the structures of images have them.
pub(super) fn u16_le(bytes: &[u8]) -> u16 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u16::from(*byte))
}

pub(super) fn u32_le(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

pub(super) fn u16_be(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |value, byte| value << 8 | u16::from(*byte))
}

pub(super) fn u32_be(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

pub(super) fn u64_le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bytes: &[u8]) -> Image {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        Image::new(file).unwrap()
    }

    fn extent(offset: u64, length: u64) -> Extent {
        Extent { offset, length }
    }

    #[test]
    fn contents_are_the_extents_one_after_another() {
        let image = image(b"0123456789");
        assert_eq!(
            image.contents(&[extent(4, 3), extent(0, 2), extent(5, 0)], 5).unwrap().unwrap(),
            b"45601"
        );
        assert_eq!(image.contents(&[], 0).unwrap().unwrap(), b"");
    }

    #[test]
    fn contents_that_are_too_long_or_not_there_are_none() {
        let image = image(b"0123456789");
        assert_eq!(image.contents(&[extent(4, 3), extent(0, 2)], 4).unwrap(), None);
        for beyond in [extent(8, 3), extent(u64::MAX, 1), extent(11, 0), extent(0, u64::MAX)] {
            assert_eq!(image.contents(&[extent(0, 1), beyond], u64::MAX).unwrap(), None);
            assert!(!image.pieces(&[extent(0, 1), beyond], |_| panic!("nothing is read")).unwrap());
        }
    }

    #[test]
    fn pieces_are_small_and_make_up_the_whole() {
        let bytes: Vec<u8> = (0..Image::PIECE * 2 + 7).map(|at| (at % 251) as u8).collect();
        let (image, mut seen) = (image(&bytes), Vec::new());
        let whole = [extent(0, 5), extent(5, bytes.len() as u64 - 5)];
        assert!(
            image
                .pieces(&whole, |piece| {
                    assert!(piece.len() <= Image::PIECE);
                    seen.extend_from_slice(piece);
                })
                .unwrap()
        );
        assert_eq!(seen, bytes);
    }

    #[test]
    fn numbers_are_read_in_both_byte_orders() {
        assert_eq!((u16_le(&[1, 2]), u16_be(&[1, 2])), (0x201, 0x102));
        assert_eq!((u32_le(&[1, 2, 3, 4]), u32_be(&[1, 2, 3, 4])), (0x0403_0201, 0x0102_0304));
    }
}
