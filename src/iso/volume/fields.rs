//! Fields of descriptors and records. Most numbers are recorded twice, which tells much of what can be damaged.

use super::about::About;
use crate::iso::image::{u16_be, u16_le, u32_be, u32_le};

/// A structure's bytes, and where they are in the image.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub bytes: &'a [u8],
    /// In bytes.
    pub offset: u64,
}

impl Fields<'_> {
    /// The eight bytes at `at`, which have to be there: ECMA-119, 7.3.3. Where the halves disagree it is the
    /// little-endian one, which Linux reads.
    pub fn both32(self, at: usize, name: &str, about: &mut About<'_>) -> u32 {
        let (little, big) = (u32_le(&self.bytes[at..at + 4]), u32_be(&self.bytes[at + 4..at + 8]));
        self.compare(at, name, (little, big), about)
    }

    /// The four bytes at `at`, likewise: ECMA-119, 7.2.3.
    pub fn both16(self, at: usize, name: &str, about: &mut About<'_>) -> u16 {
        let (little, big) = (u16_le(&self.bytes[at..at + 2]), u16_be(&self.bytes[at + 2..at + 4]));
        // both were 16 bits
        self.compare(at, name, (little.into(), big.into()), about) as u16
    }

    fn compare(self, at: usize, name: &str, (little, big): (u32, u32), about: &mut About<'_>) -> u32 {
        if little != big {
            about.error(
                "both-endian",
                self.offset + at as u64,
                format_args!("its {name} is {little} in one byte order and {big} in the other"),
            );
        }
        little
    }

    /// Text without the spaces, and of some writers zeros, that fill it up (ECMA-119, 7.4.3).
    pub fn text(self, from: usize, length: usize) -> String {
        let bytes = self.bytes[from..from + length].trim_ascii_end();
        String::from_utf8_lossy(bytes).trim_end_matches(['\0', ' ']).to_owned()
    }

    /// The same in UCS-2 (Joliet Specification, "Escape Sequences").
    pub fn wide_text(self, from: usize, length: usize) -> String {
        wide(&self.bytes[from..from + length]).trim_end_matches(['\0', ' ']).to_owned()
    }
}

/// UCS-2, or UTF-16, big-endian; what is none becomes U+FFFD.
pub(super) fn wide(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(u16_be);
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
