//! System use entries: SUSP 1.12. Rock Ridge is made of them, and others live beside it.

use super::about::About;
use super::descriptor::Frame;
use super::fields::Fields;
use super::limits::{Budget, Stop};
use super::record::Record;
use crate::iso::image::{Extent, Image};

/// Linux follows as many (CVE-2014-5471, CVE-2014-9420: these can be loops).
const MOST_AREAS: usize = 32;
/// In bytes, of one continuation area; Linux reads none that is longer than a block.
const LONGEST_AREA: u64 = 64 << 10;

/// Signatures that writers are known to use: SUSP, RRIP, AAIP of libisofs, zisofs, and those of Apple and Amiga.
const KNOWN: &[&[u8; 2]] = &[
    b"CE", b"PD", b"SP", b"ST", b"ER", b"ES", b"PX", b"PN", b"SL", b"NM", b"CL", b"PL", b"RE", b"TF", b"SF",
    b"RR", b"AL", b"AA", b"BA", b"AS", b"ZF", b"XA", b"MR",
];

/// One entry without its first four bytes.
pub(super) struct Entry {
    pub signature: [u8; 2],
    pub data: Vec<u8>,
    /// Where `data` is in the image, in bytes.
    pub offset: u64,
}

/// How a volume uses system use areas.
#[derive(Clone, Copy)]
pub(super) struct Susp {
    /// SP's LEN_SKP: bytes at the start of each area that are somebody else's (SUSP, 5.3).
    skip: usize,
}

impl Susp {
    /// What the first record of the root directory says (SUSP, 5.3); `None` if there are no such entries.
    pub fn of(first: &Record, about: &mut About<'_>) -> Option<Self> {
        let (area, offset) = &first.system_use;
        // of CD-ROM XA, 14 bytes come before
        for at in [0, 14] {
            match area.get(at..at + 7) {
                Some([b'S', b'P', 7, 1, 0xbe, 0xef, skip]) => return Some(Self { skip: usize::from(*skip) }),
                Some([b'S', b'P', ..]) => {
                    about.error(
                        "susp-indicator",
                        offset + at as u64,
                        "its system use indicator (SP) is damaged",
                    );
                    return None;
                }
                _ => {}
            }
        }
        if area.first_chunk::<2>().is_some_and(|signature| KNOWN.contains(&signature)) {
            about.error("susp-indicator", *offset, "there is Rock Ridge, but no system use indicator (SP)");
        }
        None
    }

    /// All entries of a record, those of its continuation areas too. `first` is the record that has SP, which
    /// skips nothing.
    pub fn entries(
        self,
        reader: &Reader<'_>,
        record: &Record,
        budget: &mut Budget,
        about: &mut About<'_>,
    ) -> Result<Vec<Entry>, Stop> {
        let (area, offset) = &record.system_use;
        let skip = if holds_indicator(area) { 0 } else { self.skip.min(area.len()) };
        let mut found = Vec::new();
        let mut next =
            split(Fields { bytes: &area[skip..], offset: offset + skip as u64 }, &mut found, about);
        let mut areas = 0;
        while let Some(extent) = next.take().and_then(|entry| continuation(reader, &entry, about)) {
            areas += 1;
            if areas > MOST_AREAS {
                about.error(
                    "continuation-loop",
                    extent.offset,
                    format_args!("it has more than {MOST_AREAS} continuation areas"),
                );
                break;
            }
            budget.data(extent.length)?;
            let Some(bytes) = reader.image.extent(extent, LONGEST_AREA)? else { break };
            next = split(Fields { bytes: &bytes, offset: extent.offset }, &mut found, about);
        }
        Ok(found)
    }
}

/// What entries that lead elsewhere are read with.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub image: &'a Image,
    pub frame: Frame,
}

fn holds_indicator(area: &[u8]) -> bool {
    [0, 14].iter().any(|at| area.get(*at..at + 6) == Some(b"SP\x07\x01\xbe\xef"))
}

/// Splits one area into its entries; that which continues it is returned.
fn split(area: Fields<'_>, found: &mut Vec<Entry>, about: &mut About<'_>) -> Option<Entry> {
    let (mut at, mut continuation) = (0, None);
    // SUSP, 4: less than four bytes at the end are nobody's
    while let Some([first, second, length, version]) = area.bytes.get(at..at + 4) {
        let (signature, offset, length) = ([*first, *second], area.offset + at as u64, usize::from(*length));
        let Some(data) = area.bytes.get(at + 4..at + length).filter(|_| length >= 4) else {
            let text =
                format_args!("its system use entry {} has a length of {length}", signature.escape_ascii());
            match area.bytes[at..].iter().all(|byte| *byte == 0) {
                true => {
                    about.warning("susp-padding", offset, "there are zeros behind its system use entries")
                }
                false => about.error("susp-length", offset, text),
            }
            return continuation;
        };
        check(signature, *version, offset, about);
        let entry = Entry { signature, data: data.to_vec(), offset: offset + 4 };
        at += length;
        match &signature {
            b"ST" => return continuation,
            b"CE" if continuation.is_none() => continuation = Some(entry),
            b"CE" => about.error("continuation", offset, "one area has two continuations (CE)"),
            _ => found.push(entry),
        }
    }
    let rest = &area.bytes[at..];
    if rest.iter().any(|byte| *byte != 0) || rest.len() > 1 {
        about.warning(
            "susp-padding",
            area.offset + at as u64,
            "there are bytes behind its system use entries",
        );
    }
    continuation
}

fn check(signature: [u8; 2], version: u8, offset: u64, about: &mut About<'_>) {
    if !KNOWN.contains(&&signature) {
        let text = format_args!("its system use entry {} is unknown", signature.escape_ascii());
        about.warning("susp-unknown", offset, text);
    } else if version == 0 || version > 2 || version == 2 && &signature != b"ZF" && &signature != b"AA" {
        let text = format_args!("its system use entry {} has version {version}", signature.escape_ascii());
        about.warning("susp-version", offset + 3, text);
    }
}

/// Where a CE leads (SUSP, 5.1): block, offset in it and length, each in both byte orders.
fn continuation(reader: &Reader<'_>, entry: &Entry, about: &mut About<'_>) -> Option<Extent> {
    if entry.data.len() != 24 {
        about.error(
            "susp-length",
            entry.offset,
            format_args!("its CE has {} bytes, not 28", entry.data.len() + 4),
        );
        return None;
    }
    let fields = Fields { bytes: &entry.data, offset: entry.offset };
    let block = fields.both32(0, "continuation's block", about);
    let within = fields.both32(8, "continuation's offset", about);
    let length = fields.both32(16, "continuation's length", about);
    let extent = Extent { offset: reader.frame.offset(block) + u64::from(within), length: length.into() };
    let size = u32::from(reader.frame.block_size);
    if within >= size || length == 0 || extent.length > LONGEST_AREA || !reader.image.holds(&[extent]) {
        let text =
            format_args!("its continuation of {length} bytes at offset {within} of block {block} cannot be");
        about.error("continuation", entry.offset, text);
        return None;
    }
    if within + length > size {
        let text = format_args!(
            "its continuation of {length} bytes crosses into another block, which Linux does not read"
        );
        about.warning("continuation-crosses", entry.offset, text);
    }
    Some(extent)
}
