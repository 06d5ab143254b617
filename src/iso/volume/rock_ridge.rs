//! Names, modes, links and moved directories: RRIP 1.12, clause 4.1.

use super::about::About;
use super::fields::Fields;
use super::susp::Entry;
use crate::iso::image::u32_le;

/// Identifiers in ER of RRIP 1.09, 1.10 and 1.12.
const EXTENSIONS: &[&[u8]] = &[b"RRIP_1991A", b"IEEE_P1282", b"IEEE_1282"];
/// In bytes, of a link's target: PATH_MAX.
const LONGEST_TARGET: usize = 4096;
/// In bytes, of a name: NAME_MAX; what is longer cannot be looked up.
const LONGEST_NAME: usize = 255;

/// What all entries of one record say.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub name: Option<Vec<u8>>,
    pub owner: Option<Owner>,
    pub target: Option<Vec<u8>>,
    /// Of a file that stands for a directory moved elsewhere: where that is, in blocks (CL).
    pub child: Option<u32>,
    /// In `..` of a moved directory: the directory it belongs to, in blocks (PL).
    pub parent: Option<u32>,
    /// It is a directory that was moved here and belongs elsewhere (RE).
    pub moved: bool,
    /// SF, which no reader knows.
    pub sparse: bool,
    /// Bytes without zisofs (ZF).
    pub uncompressed: Option<u64>,
}

/// PX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// Whether the entries of the root's first record say that there is Rock Ridge.
pub(super) fn is_announced(entries: &[Entry], offset: u64, about: &mut About<'_>) -> bool {
    let identifier = |entry: &Entry| {
        let length = entry.data.first().copied().map_or(0, usize::from);
        entry.data.get(4..4 + length).is_some_and(|identifier| EXTENSIONS.contains(&identifier))
    };
    let announced = entries.iter().any(|entry| &entry.signature == b"ER" && identifier(entry));
    let used = entries.iter().any(|entry| &entry.signature == b"PX");
    if used && !announced {
        about.warning(
            "rock-ridge-unannounced",
            offset,
            "there is Rock Ridge, but no extension reference (ER) for it",
        );
    }
    announced || used
}

impl Attributes {
    pub fn of(entries: &[Entry], about: &mut About<'_>) -> Self {
        let (mut found, mut name, mut target) = (Self::default(), Name::default(), Target::default());
        for entry in entries {
            let fields = Fields { bytes: &entry.data, offset: entry.offset };
            match &entry.signature {
                b"NM" => name.take(fields, about),
                b"SL" => target.take(fields, about),
                b"PX" => found.owner = owner(fields, about),
                b"CL" if has(fields, 8, "CL", about) => {
                    found.child = Some(fields.both32(0, "child's location", about))
                }
                b"PL" if has(fields, 8, "PL", about) => {
                    found.parent = Some(fields.both32(0, "parent's location", about))
                }
                b"RE" => found.moved = has(fields, 0, "RE", about),
                b"SF" => found.sparse = true,
                b"ZF" => found.uncompressed = found.uncompressed.or(zisofs(fields, about)),
                b"TF" => times(fields, about),
                _ => {}
            }
        }
        found.name = name.whole(about);
        found.target = target.whole(about);
        found
    }
}

/// Whether an entry has the length it has to have (given without its first four bytes).
fn has(fields: Fields<'_>, length: usize, signature: &str, about: &mut About<'_>) -> bool {
    let fits = fields.bytes.len() == length;
    if !fits {
        let text = format_args!("its {signature} has {} bytes, not {}", fields.bytes.len() + 4, length + 4);
        about.error("susp-length", fields.offset, text);
    }
    fits
}

/// PX has a serial number since RRIP 1.12, none before.
fn owner(fields: Fields<'_>, about: &mut About<'_>) -> Option<Owner> {
    if fields.bytes.len() != 32 && !has(fields, 40, "PX", about) {
        return None;
    }
    let (mode, uid) = (fields.both32(0, "mode", about), fields.both32(16, "user id", about));
    fields.both32(8, "number of links", about);
    let gid = fields.both32(24, "group id", about);
    if fields.bytes.len() == 40 {
        fields.both32(32, "serial number", about);
    }
    Some(Owner { mode, uid, gid })
}

/// TF: as many dates as bits, of 7 or of 17 bytes (RRIP, 4.1.6). The dates themselves are not read.
fn times(fields: Fields<'_>, about: &mut About<'_>) {
    let flags = fields.bytes.first().copied().unwrap_or(0);
    let each = if flags & 0x80 != 0 { 17 } else { 7 };
    has(fields, 1 + each * (flags & 0x7f).count_ones() as usize, "TF", about);
}

/// ZF of zisofs: `pz`, header size, block size, then the size. Version 2 of libisofs (`PZ`) has 64 bits in one
/// byte order where version 1 has 32 in both.
fn zisofs(fields: Fields<'_>, about: &mut About<'_>) -> Option<u64> {
    if !has(fields, 12, "ZF", about) {
        return None;
    }
    match &fields.bytes[..2] {
        b"pz" => Some(fields.both32(4, "uncompressed size", about).into()),
        b"PZ" => Some(u64::from(u32_le(&fields.bytes[4..8])) | u64::from(u32_le(&fields.bytes[8..12])) << 32),
        _ => {
            about.warning("compression-unknown", fields.offset, "it is compressed in an unknown way");
            None
        }
    }
}

/// NM: RRIP, 4.1.4.
#[derive(Default)]
struct Name {
    bytes: Option<Vec<u8>>,
    goes_on: bool,
    at: u64,
}

const CONTINUE: u8 = 1;
const CURRENT: u8 = 2;
const PARENT: u8 = 4;
const ROOT: u8 = 8;

impl Name {
    fn take(&mut self, fields: Fields<'_>, about: &mut About<'_>) {
        let Some((flags, bytes)) = fields.bytes.split_first() else {
            has(fields, 1, "NM", about);
            return;
        };
        if self.bytes.is_some() && !self.goes_on {
            return about.error("name-continued", fields.offset, "it has a further name (NM)");
        }
        // 0x20 was a host name in RRIP 1.09
        if flags & !(CONTINUE | CURRENT | PARENT | 0x20) != 0 {
            about.warning(
                "name-flags",
                fields.offset,
                format_args!("its name's flags {flags:#04x} mean nothing"),
            );
        }
        let bytes: &[u8] = match flags & (CURRENT | PARENT) {
            CURRENT => b".",
            PARENT => b"..",
            _ => bytes,
        };
        self.bytes.get_or_insert_default().extend_from_slice(bytes);
        (self.goes_on, self.at) = (flags & CONTINUE != 0, fields.offset);
    }

    fn whole(self, about: &mut About<'_>) -> Option<Vec<u8>> {
        let bytes = self.bytes?;
        if self.goes_on {
            about.error("name-continued", self.at, "the end of its name is missing");
        }
        if bytes.len() > LONGEST_NAME {
            let text =
                format_args!("its name is {} bytes long, which is more than {LONGEST_NAME}", bytes.len());
            about.error("name-length", self.at, text);
        }
        Some(bytes)
    }
}

/// SL: RRIP, 4.1.3.
#[derive(Default)]
struct Target {
    bytes: Option<Vec<u8>>,
    /// The last component has more to come, so that no `/` follows.
    within: bool,
    goes_on: bool,
    at: u64,
}

impl Target {
    fn take(&mut self, fields: Fields<'_>, about: &mut About<'_>) {
        let Some((flags, mut components)) = fields.bytes.split_first() else {
            has(fields, 1, "SL", about);
            return;
        };
        if self.bytes.is_some() && !self.goes_on {
            about.error("link-continued", fields.offset, "it has a further link (SL)");
        }
        if flags & !CONTINUE != 0 {
            about.warning(
                "link-flags",
                fields.offset,
                format_args!("its link's flags {flags:#04x} mean nothing"),
            );
        }
        (self.goes_on, self.at) = (flags & CONTINUE != 0, fields.offset);
        self.bytes.get_or_insert_default();
        while let [flags, length, rest @ ..] = components {
            let Some((content, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
            self.component(*flags, content, fields.offset, about);
            components = rest;
        }
        if !components.is_empty() {
            about.error("link-component", fields.offset, "a component of its link is cut off");
        }
    }

    fn component(&mut self, flags: u8, content: &[u8], offset: u64, about: &mut About<'_>) {
        let bytes = self.bytes.get_or_insert_default();
        if !self.within && !bytes.is_empty() && bytes != b"/" {
            bytes.push(b'/');
        }
        match flags & !CONTINUE {
            0 => bytes.extend_from_slice(content),
            CURRENT if content.is_empty() => bytes.push(b'.'),
            PARENT if content.is_empty() => bytes.extend_from_slice(b".."),
            ROOT if content.is_empty() && bytes.is_empty() => bytes.push(b'/'),
            _ => {
                let text = format_args!(
                    "a component of its link has the flags {flags:#04x} and {} bytes",
                    content.len()
                );
                about.error("link-component", offset, text);
            }
        }
        self.within = flags & CONTINUE != 0;
    }

    fn whole(self, about: &mut About<'_>) -> Option<Vec<u8>> {
        let bytes = self.bytes?;
        if self.goes_on || self.within {
            about.error("link-continued", self.at, "the end of its link is missing");
        }
        if bytes.is_empty() || bytes.len() > LONGEST_TARGET || bytes.contains(&0) {
            let text = format_args!("its link's target has {} bytes, or a NUL in it", bytes.len());
            about.error("link-target", self.at, text);
        }
        Some(bytes)
    }
}
