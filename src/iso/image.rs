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

pub(super) fn u64_le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
