//! Volume descriptors: ECMA-119, clause 8; the Joliet Specification for the supplementary one.

use std::io;

use super::Identifiers;
use super::about::About;
use super::dates::volume_date;
use super::fields::Fields;
use super::record::Record;
use crate::iso::finding::Findings;
use crate::iso::image::{Extent, Image, u32_be, u32_le};

/// In bytes, of a logical sector: ECMA-119, 6.1.2.
pub(super) const SECTOR: u64 = 2048;
/// ECMA-119, 6.2.1: the sectors before are the system's.
const FIRST: u64 = 16;
/// Real images have fewer than ten; a hostile one must not be read for ever.
const MOST: u64 = 64;

/// Those that describe a tree.
#[derive(Default)]
pub(super) struct Descriptors {
    pub primary: Option<Descriptor>,
    pub joliet: Option<(u8, Descriptor)>,
    /// The first byte behind all of them.
    pub end: u64,
}

/// A primary or a supplementary one.
pub(super) struct Descriptor {
    /// Where it is in the image, in bytes.
    pub offset: u64,
    pub about: Identifiers,
    pub volume: Frame,
    pub tables: PathTables,
    pub root: Option<Record>,
}

/// What all addresses of a volume are measured in.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// In bytes.
    pub block_size: u16,
    /// Of the volume, in blocks.
    pub blocks: u32,
    /// Which volume of a set this is.
    pub sequence: u16,
}

impl Frame {
    /// In bytes.
    pub fn length(self) -> u64 {
        u64::from(self.blocks) * u64::from(self.block_size)
    }

    /// Where a block begins, in bytes from the image's start.
    pub fn offset(self, block: u32) -> u64 {
        u64::from(block) * u64::from(self.block_size)
    }
}

/// ECMA-119, 8.4.13 to 8.4.17; locations in blocks, 0 where there is no optional one.
pub(super) struct PathTables {
    /// In bytes, of each.
    pub size: u32,
    pub little: [u32; 2],
    pub big: [u32; 2],
}

impl Descriptor {
    /// What messages call it.
    pub fn name(&self) -> &'static str {
        if self.offset == FIRST * SECTOR { PRIMARY } else { JOLIET }
    }
}

const PRIMARY: &str = "primary volume descriptor";
const JOLIET: &str = "Joliet volume descriptor";
const ALL: &str = "volume descriptors";

/// All up to their terminator; `None` if this is no ISO 9660 image.
pub(super) fn read(image: &Image, findings: &mut Findings) -> io::Result<Option<Descriptors>> {
    let mut found = Descriptors::default();
    for number in 0..MOST {
        let offset = (FIRST + number) * SECTOR;
        found.end = offset + SECTOR;
        let bytes = image.bytes::<2048>(offset)?;
        let standard = bytes.as_ref().is_some_and(|bytes| &bytes[1..6] == b"CD001");
        match bytes {
            Some(bytes) if standard && bytes[0] == 255 => {
                version(&Fields { bytes: &bytes, offset }, findings);
                return Ok(Some(ended(found, findings)));
            }
            Some(bytes) if standard => found.take(&Fields { bytes: &bytes, offset }, findings),
            _ if number == 0 && !follows(image)? => return Ok(None),
            Some(_) if number == 0 => {
                About::new(findings, &ALL).error(
                    "descriptor-identifier",
                    offset,
                    "the first has not the identifier CD001",
                );
            }
            _ => break,
        }
    }
    About::new(findings, &ALL).error("no-terminator", found.end - SECTOR, "they have no end");
    Ok(Some(ended(found, findings)))
}

/// Whether the second descriptor is one, so that the first should be one too.
fn follows(image: &Image) -> io::Result<bool> {
    let identifier = image.bytes::<5>((FIRST + 1) * SECTOR + 1)?;
    Ok(identifier.is_some_and(|identifier| &identifier == b"CD001"))
}

fn ended(found: Descriptors, findings: &mut Findings) -> Descriptors {
    if found.primary.is_none() {
        About::new(findings, &ALL).error(
            "no-primary-descriptor",
            FIRST * SECTOR,
            "none of them is the primary one",
        );
    }
    if let (Some(primary), Some((_, joliet))) = (&found.primary, &found.joliet)
        && (primary.volume.block_size != joliet.volume.block_size
            // libisofs counts partitions that are appended in the primary descriptor alone
            || primary.volume.blocks < joliet.volume.blocks)
    {
        About::new(findings, &JOLIET).error(
            "descriptors-differ",
            joliet.offset + 80,
            format_args!(
                "it says that the volume is {} bytes long, the primary one says {}",
                joliet.volume.length(),
                primary.volume.length()
            ),
        );
    }
    found
}

impl Descriptors {
    fn take(&mut self, fields: &Fields<'_>, findings: &mut Findings) {
        let (kind, enhanced) = (fields.bytes[0], fields.bytes[6] == 2);
        version(fields, findings);
        let mut about = About::new(findings, &ALL);
        match kind {
            // boot records are the boot reader's
            0 => {}
            1 if self.primary.is_some() => {
                about.warning("several-primary-descriptors", fields.offset, "there is a further primary one");
            }
            1 => {
                self.primary = Some(Descriptor::parse(
                    *fields,
                    PRIMARY,
                    |fields, from, length| fields.text(from, length),
                    findings,
                ))
            }
            2 if enhanced => {}
            2 => self.supplementary(fields, findings),
            _ => about.warning(
                "descriptor-type",
                fields.offset,
                format_args!("one has the unknown type {kind}"),
            ),
        }
    }

    /// Joliet Specification: the escape sequence in the descriptor says which level of UCS-2 it is.
    fn supplementary(&mut self, fields: &Fields<'_>, findings: &mut Findings) {
        let level = match &fields.bytes[88..91] {
            b"%/@" => 1,
            b"%/C" => 2,
            b"%/E" => 3,
            _ => {
                let text = "a supplementary one is not Joliet, and is not read";
                return About::new(findings, &ALL).warning("supplementary-unknown", fields.offset + 88, text);
            }
        };
        if self.joliet.is_some() {
            let text = "there is a further Joliet one";
            return About::new(findings, &ALL).warning("several-joliet-descriptors", fields.offset, text);
        }
        self.joliet = Some((
            level,
            Descriptor::parse(
                *fields,
                JOLIET,
                |fields, from, length| fields.wide_text(from, length),
                findings,
            ),
        ));
    }
}

/// 8.1.3 and so on: it is 1. 2 is the enhanced descriptor of ISO 9660:1999, whose tree is the primary one with
/// longer names.
fn version(fields: &Fields<'_>, findings: &mut Findings) {
    let (kind, version) = (fields.bytes[0], fields.bytes[6]);
    if !(version == 1 || version == 2 && kind == 2) {
        let text = format_args!("one of type {kind} has version {version}");
        About::new(findings, &ALL).error("descriptor-version", fields.offset + 6, text);
    }
}

type Text = fn(Fields<'_>, usize, usize) -> String;

impl Descriptor {
    fn parse(fields: Fields<'_>, name: &'static str, text: Text, findings: &mut Findings) -> Self {
        let mut about = About::new(findings, &name);
        let root =
            Record::parse(fields.bytes.get(156..190).unwrap_or_default(), fields.offset + 156, &mut about);
        if fields.bytes[881] != 1 {
            let text = format_args!("its file structure has version {}", fields.bytes[881]);
            about.error("structure-version", fields.offset + 881, text);
        }
        let volume = frame(fields, &mut about);
        Self {
            offset: fields.offset,
            about: identifiers(fields, text, &mut about),
            volume,
            tables: path_tables(fields, &mut about),
            root: root.filter(|root| root.is_root(volume, &mut about)),
        }
    }

    /// Whether the image is as long as the volume (ECMA-119, 8.4.8).
    pub fn check_length(&self, image: &Image, findings: &mut Findings) {
        let (name, length, offset) = (self.name(), self.volume.length(), self.offset + 80);
        let mut about = About::new(findings, &name);
        if length > image.size {
            let text = format_args!("the volume is {length} bytes long, the image only {}", image.size);
            about.error("truncated", offset, text);
        }
        if length <= self.offset {
            about.error("volume-length", offset, format_args!("the volume is only {length} bytes long"));
        }
    }
}

/// ECMA-119, 8.4.7, 8.4.20 to 8.4.22, 8.4.26 and 8.4.27.
fn identifiers(fields: Fields<'_>, text: Text, about: &mut About<'_>) -> Identifiers {
    Identifiers {
        label: text(fields, 40, 32),
        publisher: text(fields, 318, 128),
        preparer: text(fields, 446, 128),
        application: text(fields, 574, 128),
        created: date(fields, 813, "creation", about),
        modified: date(fields, 830, "modification", about),
    }
}

/// ECMA-119, 6.2.2 and 8.4.8 to 8.4.12.
fn frame(fields: Fields<'_>, about: &mut About<'_>) -> Frame {
    let blocks = fields.both32(80, "volume space size", about);
    let (set, sequence) =
        (fields.both16(120, "volume set size", about), fields.both16(124, "volume sequence number", about));
    let block_size = fields.both16(128, "logical block size", about);
    if set != 1 || sequence != 1 {
        let text = format_args!("it is volume {sequence} of a set of {set}, and the others are not read");
        about.warning("volume-set", fields.offset + 120, text);
    }
    let is_size = matches!(block_size, 512 | 1024 | 2048);
    if !is_size {
        about.error(
            "block-size",
            fields.offset + 128,
            format_args!("blocks of {block_size} bytes; 2048 is assumed"),
        );
    }
    Frame { block_size: if is_size { block_size } else { 2048 }, blocks, sequence }
}

fn path_tables(fields: Fields<'_>, about: &mut About<'_>) -> PathTables {
    let at = |from: usize| &fields.bytes[from..from + 4];
    PathTables {
        size: fields.both32(132, "path table size", about),
        little: [u32_le(at(140)), u32_le(at(144))],
        big: [u32_be(at(148)), u32_be(at(152))],
    }
}

fn date(fields: Fields<'_>, at: usize, name: &str, about: &mut About<'_>) -> Option<String> {
    let bytes = fields.bytes[at..].first_chunk::<17>()?;
    volume_date(bytes).unwrap_or_else(|()| {
        about.warning("date", fields.offset + at as u64, format_args!("its {name} date is none"));
        None
    })
}

/// The sectors that descriptors and the system have for themselves.
pub(super) fn own(descriptors: &Descriptors) -> Extent {
    Extent { offset: FIRST * SECTOR, length: descriptors.end - FIRST * SECTOR }
}
