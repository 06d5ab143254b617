//! Directory records: ECMA-119, 9.1.

use super::about::About;
use super::descriptor::Frame;
use super::fields::Fields;
use crate::iso::image::Extent;

/// ECMA-119, 9.1: what is before the identifier, which has at least one byte.
const HEAD: usize = 33;

const DIRECTORY: u8 = 1 << 1;
const ASSOCIATED: u8 = 1 << 2;
/// Of an extended attribute record, without which these two mean nothing (ECMA-119, 9.1.6).
const RECORD_OR_PROTECTION: u8 = 1 << 3 | 1 << 4;
const RESERVED: u8 = 1 << 5 | 1 << 6;
const NOT_LAST: u8 = 1 << 7;

pub(super) struct Record {
    /// Where it is in the image, in bytes.
    pub offset: u64,
    /// Of its extent, in blocks; extended attributes come first there.
    pub location: u32,
    /// Of its extent, without extended attributes, in bytes.
    pub length: u32,
    /// Of the extended attribute record, in blocks.
    attributes: u8,
    flags: u8,
    /// File unit size and interleave gap size.
    interleave: [u8; 2],
    sequence: u16,
    pub identifier: Vec<u8>,
    /// What extensions have there, and where it begins in the image.
    pub system_use: (Vec<u8>, u64),
}

impl Record {
    /// The record that `bytes` begin with; `None`, and a finding, if its own lengths cannot be true.
    pub fn parse(bytes: &[u8], offset: u64, about: &mut About<'_>) -> Option<Self> {
        let (length, name) =
            (bytes.first().copied().map_or(0, usize::from), bytes.get(32).copied().map_or(0, usize::from));
        // 9.1.12: a padding byte makes the head even
        let head = HEAD + name + (1 - name % 2);
        if name == 0 || length < HEAD + name || length > bytes.len() {
            let text = format_args!(
                "a record of {length} bytes with an identifier of {name}, where {} are",
                bytes.len()
            );
            about.error("record-length", offset, text);
            return None;
        }
        if length % 2 != 0 {
            about.warning("record-odd", offset, format_args!("its record has the odd length {length}"));
        }
        let fields = Fields { bytes: &bytes[..length], offset };
        let record = Self {
            offset,
            location: fields.both32(2, "location", about),
            length: fields.both32(10, "length", about),
            attributes: bytes[1],
            flags: bytes[25],
            interleave: [bytes[26], bytes[27]],
            sequence: fields.both16(28, "volume sequence number", about),
            identifier: bytes[HEAD..HEAD + name].to_vec(),
            system_use: (bytes[head.min(length)..length].to_vec(), offset + head as u64),
        };
        record.check_flags(about);
        Some(record)
    }

    fn check_flags(&self, about: &mut About<'_>) {
        let without = if self.attributes == 0 { RECORD_OR_PROTECTION } else { 0 };
        // a directory is one thing, in one piece: ECMA-119, 6.8.1
        let of_files = if self.is_directory() { ASSOCIATED | NOT_LAST } else { 0 };
        let wrong = self.flags & (RESERVED | without | of_files);
        if wrong != 0 {
            about.warning(
                "record-flags",
                self.offset + 25,
                format_args!("its flags {wrong:#04x} mean nothing"),
            );
        }
        if self.attributes != 0 {
            let text =
                format_args!("it has {} blocks of extended attributes, which are not read", self.attributes);
            about.warning("extended-attributes", self.offset + 1, text);
        }
    }

    /// Whether it can be the record of a root, that of a descriptor (ECMA-119, 8.4.18).
    pub fn is_root(&self, frame: Frame, about: &mut About<'_>) -> bool {
        let is_root = self.is_directory() && self.identifier == [0];
        if !is_root {
            about.error("root-record", self.offset, "its root is no directory");
        }
        is_root && self.is_readable(frame, about)
    }

    /// Whether its contents can be read: they are in one piece, and on this volume. Says why not.
    pub fn is_readable(&self, frame: Frame, about: &mut About<'_>) -> bool {
        if self.sequence != frame.sequence {
            let text = format_args!("it is on volume {}, this is {}", self.sequence, frame.sequence);
            about.warning("volume-sequence", self.offset + 28, text);
        }
        // ECMA-119, 6.4.3
        let [unit, gap] = self.interleave;
        if unit != 0 || gap != 0 {
            let text = format_args!("it is interleaved ({unit} blocks, gaps of {gap}), and left out");
            about.error("interleaved", self.offset + 26, text);
        }
        unit == 0 && gap == 0
    }

    /// Its contents, wherever that is.
    pub fn extent(&self, frame: Frame) -> Extent {
        let offset = frame.offset(self.location) + u64::from(self.attributes) * u64::from(frame.block_size);
        Extent { offset, length: self.length.into() }
    }

    pub fn is_directory(&self) -> bool {
        self.flags & DIRECTORY != 0
    }

    /// A resource fork or its like, which Linux does not show.
    pub fn is_associated(&self) -> bool {
        self.flags & ASSOCIATED != 0
    }

    /// Whether a further record has more of the same file.
    pub fn goes_on(&self) -> bool {
        self.flags & NOT_LAST != 0
    }
}
