//! The records of a directory, with their long names (FAT, 6 and 7).

use crate::iso::finding::Findings;
use crate::iso::image::{u16_le, u32_le};

const LONG: u8 = 0x0f;
const LABEL: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
/// A long name has 255 characters at most, 13 in each record.
const MOST_PIECES: u8 = 20;

/// 32 bytes and where they are.
pub(super) type Slot = (u64, [u8; 32]);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub name: String,
    pub directory: bool,
    /// The first one, 0 if there is none.
    pub cluster: u32,
    /// In bytes; 0 for directories.
    pub size: u32,
    pub at: u64,
}

/// A long name of which the last pieces are still to come.
#[derive(Default)]
struct Pieces {
    units: Vec<u16>,
    /// Number of the piece that was last, 1 when complete, 0 when there is none.
    last: u8,
    sum: u8,
    /// Of its first piece.
    at: u64,
}

/// All records but deleted ones and the volume's label.
pub(super) fn records(slots: &[Slot], findings: &mut Findings) -> Vec<Record> {
    let mut records = Vec::new();
    let mut long = Pieces::default();
    for (at, slot) in slots.iter().take_while(|(_, slot)| slot[0] != 0) {
        match (slot[0], slot[11]) {
            (0xe5, _) => long.drop(findings),
            (_, LONG) => long.add(slot, *at, findings),
            (_, attributes) => {
                let name = long.end(&slot[..11], findings);
                check(slot, *at, findings);
                if attributes & LABEL == 0 {
                    records.push(record(name, slot, *at));
                }
            }
        }
    }
    long.drop(findings);
    records
}

/// The long name counts where there is one; the short one is for systems that do not know it.
fn record(long: Option<String>, slot: &[u8; 32], at: u64) -> Record {
    Record {
        name: long.unwrap_or_else(|| short(slot)),
        directory: slot[11] & DIRECTORY != 0,
        cluster: u32::from(u16_le(&slot[20..22])) << 16 | u32::from(u16_le(&slot[26..28])),
        size: u32_le(&slot[28..32]),
        at,
    }
}

/// FAT, 6.1: what a short name may consist of; the two upper attributes are reserved.
fn check(slot: &[u8; 32], at: u64, findings: &mut Findings) {
    let dots = matches!(&slot[..11], b".          " | b"..         ");
    let allowed = |byte: &u8| {
        matches!(byte, 5 | b'0'..=b'9' | b'A'..=b'Z' | 0x80..) || b" !#$%&'()-@^_`{}~".contains(byte)
    };
    let label = slot[11] & LABEL != 0;
    let named = dots || (slot[0] != b' ' && slot[..11].iter().all(allowed));
    if (!named && !label) || slot[11] & 0xc0 != 0 {
        findings.error("fat-directory", at, "a directory of the FAT has a record that cannot be");
    }
}

/// In upper case, or as the two bits for a lower-case name or extension say.
fn short(slot: &[u8; 32]) -> String {
    let part = |bytes: &[u8], lower: bool| {
        let text: String = bytes.iter().map(|byte| oem(*byte)).collect();
        let text = text.trim_end_matches(' ');
        if lower { text.to_ascii_lowercase() } else { text.to_owned() }
    };
    let (name, extension) = (part(&slot[..8], slot[12] & 8 != 0), part(&slot[8..11], slot[12] & 0x10 != 0));
    if extension.is_empty() { name } else { format!("{name}.{extension}") }
}

/// Which code page it was nobody knows; nothing that firmware looks for has such letters.
fn oem(byte: u8) -> char {
    if byte < 0x80 { byte.into() } else { char::REPLACEMENT_CHARACTER }
}

impl Pieces {
    /// FAT, 7.1: the piece with the last part of the name comes first and is marked with 0x40.
    fn add(&mut self, slot: &[u8; 32], at: u64, findings: &mut Findings) {
        let number = slot[0] & 0x3f;
        if slot[0] & 0x40 != 0 {
            self.drop(findings);
            *self = Self { units: Vec::new(), last: number.saturating_add(1), sum: slot[13], at };
        }
        let fits = number != 0 && number <= MOST_PIECES && number.checked_add(1) == Some(self.last);
        if !fits || slot[13] != self.sum || slot[12] != 0 || slot[26..28] != [0, 0] || slot[0] & 0x80 != 0 {
            broken(at, findings);
            *self = Self::default();
            return;
        }
        self.last = number;
        let parts = [&slot[1..11], &slot[14..26], &slot[28..32]];
        let piece = parts.iter().flat_map(|part| part.chunks_exact(2).map(u16_le));
        // they come in reverse order
        self.units = piece.chain(self.units.iter().copied()).collect();
    }

    /// The name, if it belongs to this short one.
    fn end(&mut self, short: &[u8], findings: &mut Findings) -> Option<String> {
        let pieces = std::mem::take(self);
        if pieces.last == 0 {
            return None;
        }
        let end = pieces.units.iter().position(|unit| *unit == 0).unwrap_or(pieces.units.len());
        let padded = pieces.units[end..].iter().skip(1).all(|unit| *unit == 0xffff);
        let name = String::from_utf16(&pieces.units[..end]).ok();
        let name = name.filter(|name| !name.is_empty() && !name.contains(['/', '\\', '\0']));
        if pieces.last != 1 || pieces.sum != checksum(short) || !padded || name.is_none() {
            broken(pieces.at, findings);
            return None;
        }
        name
    }

    /// A name whose record is not there.
    fn drop(&mut self, findings: &mut Findings) {
        if std::mem::take(self).last != 0 {
            broken(self.at, findings);
        }
    }
}

fn broken(at: u64, findings: &mut Findings) {
    findings.error("fat-long-name", at, "a long name in the FAT is not whole, or not its file's");
}

/// FAT, 7.2.
pub(super) fn checksum(short: &[u8]) -> u8 {
    short.iter().fold(0, |sum: u8, byte| sum.rotate_right(1).wrapping_add(*byte))
}
