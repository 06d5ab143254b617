//! One 512-byte header block: its numbers and its checksum (POSIX.1-2017, pax, "ustar Interchange
//! Format"; GNU tar manual, "Basic Tar Format").

use std::io;

use rustix::fs::Timespec;
use tar::Header;

pub(super) const BLOCK: usize = 512;

pub(super) fn bad(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

/// A numeric field: octal text, or base 256 when the top bit is set (GNU, star). Blank means 0, as
/// writers leave fields blank that have no meaning for the type.
pub(super) fn number(field: &[u8]) -> io::Result<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => binary(*first, &field[1..]),
        _ => octal(field),
    }
}

fn binary(first: u8, rest: &[u8]) -> io::Result<i64> {
    // seven bits with a sign, then whole bytes; 12 bytes fit into 128 bits
    let start = i128::from(((first << 1) as i8) >> 1);
    let value = rest.iter().fold(start, |value, &byte| (value << 8) | i128::from(byte));
    i64::try_from(value).map_err(|_| bad("a number in the header is too large"))
}

fn octal(field: &[u8]) -> io::Result<i64> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let digits = field[start..].split(blank).next().unwrap_or_default();
    digits.iter().try_fold(0_i64, |value, digit| match digit {
        // at most 12 digits of three bits
        b'0'..=b'7' => Ok(value * 8 + i64::from(digit - b'0')),
        _ => Err(bad("a number in the header is not octal")),
    })
}

/// A number that cannot be negative, such as a size or an id.
pub(super) fn unsigned(field: &[u8], what: &str) -> io::Result<u64> {
    u64::try_from(number(field)?).map_err(|_| bad(format!("{what} is negative")))
}

/// The modification time in whole seconds.
pub(super) fn mtime(header: &Header) -> io::Result<Timespec> {
    Ok(Timespec { tv_sec: number(&header.as_old().mtime)?, tv_nsec: 0 })
}

/// Fails unless the sum of all bytes, those of the checksum counted as spaces, is what it says.
pub(super) fn verify_checksum(header: &Header) -> io::Result<()> {
    let bytes = header.as_bytes();
    let sum: i64 = bytes[..148].iter().chain(&bytes[156..]).map(|&byte| i64::from(byte)).sum();
    match number(&header.as_old().cksum) {
        Ok(want) if want == sum + 8 * i64::from(b' ') => Ok(()),
        _ => Err(bad("not a tar header, or a damaged one: its checksum is wrong")),
    }
}

/// A text field ends at its first NUL or fills its space.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_blank_or_base_256() {
        assert_eq!(number(b"0000644\0").unwrap(), 0o644);
        assert_eq!(number(b"   644 \0").unwrap(), 0o644);
        assert_eq!(number(&[0; 8]).unwrap(), 0);
        assert_eq!(number(b"        ").unwrap(), 0);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0x20, 0, 0]).unwrap(), 2 << 20);
        assert_eq!(number(&[0xff; 12]).unwrap(), -1);
    }

    #[test]
    fn numbers_that_mean_nothing_are_refused() {
        assert!(number(b"00000x4\0").is_err());
        assert!(number(&[0xbf; 12]).is_err());
        assert!(unsigned(&[0xff; 12], "the size").is_err());
    }
}
