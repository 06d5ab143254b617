//! The boot sector: where everything is (FAT, 3.1 to 3.3).

use super::NoFat;
use crate::iso::image::{Extent, u16_le, u32_le};

/// Bits of an entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Fat12,
    Fat16,
    Fat32,
}

impl Width {
    /// All bits that count: FAT32 has 28.
    pub fn ones(self) -> u32 {
        match self {
            Self::Fat12 => 0xfff,
            Self::Fat16 => 0xffff,
            Self::Fat32 => 0x0fff_ffff,
        }
    }

    /// Length of a table with so many entries, in bytes.
    fn length(self, entries: u64) -> u64 {
        match self {
            Self::Fat12 => (entries * 3).div_ceil(2),
            Self::Fat16 => entries * 2,
            Self::Fat32 => entries * 4,
        }
    }

    fn name(self) -> &'static [u8] {
        match self {
            Self::Fat12 => b"FAT12   ",
            Self::Fat16 => b"FAT16   ",
            Self::Fat32 => b"FAT32   ",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Fixed(Extent),
    Cluster(u32),
}

/// Offsets are in bytes from the image's start.
#[derive(Debug)]
pub(super) struct Geometry {
    pub extent: Extent,
    pub width: Width,
    /// How many of them; they are numbered from 2.
    pub clusters: u32,
    /// Of a cluster, in bytes.
    pub cluster: u64,
    /// Copies.
    pub tables: u8,
    /// Of each copy, in bytes.
    pub table_length: u64,
    pub root: Root,
    /// Of the boot sector's copy.
    pub backup: Option<u64>,
    first_table: u64,
    data: u64,
}

/// The fields as they are.
struct Fields {
    sector: u64,
    cluster: u8,
    reserved: u64,
    tables: u8,
    root: u64,
    total: (u16, u32),
    table: (u16, u32),
}

impl Fields {
    fn new(sector: &[u8; 512]) -> Self {
        let short = |at: usize| u16_le(&sector[at..at + 2]);
        let long = |at: usize| u32_le(&sector[at..at + 4]);
        Self {
            sector: short(11).into(),
            cluster: sector[13],
            reserved: short(14).into(),
            tables: sector[16],
            root: short(17).into(),
            total: (short(19), long(32)),
            table: (short(22), long(36)),
        }
    }

    /// FAT, 3.1: what each of them may be.
    fn fault(&self) -> Option<&'static str> {
        let faults = [
            (!matches!(self.sector, 512 | 1024 | 2048 | 4096), "the size of its sectors"),
            (!self.cluster.is_power_of_two(), "the size of its clusters"),
            (self.reserved == 0, "its number of reserved sectors"),
            (!matches!(self.tables, 1..=2), "its number of tables"),
            (
                !(self.root * 32).is_multiple_of(self.sector.max(1)),
                "its number of entries in the root directory",
            ),
            ((self.total.0 == 0) == (self.total.1 == 0), "its number of sectors"),
            (self.table.0 == 0 && self.table.1 == 0, "the size of its tables"),
            ((self.root == 0) != (self.table.0 == 0), "its kind of root directory"),
        ];
        faults.into_iter().find(|(wrong, _)| *wrong).map(|(_, what)| what)
    }

    /// One of both fields is 0, which [`Self::fault`] made sure of.
    fn total(&self) -> u64 {
        u64::from(self.total.0).max(self.total.1.into())
    }

    /// FAT32 has the longer field; Linux and EDK II tell it by that.
    fn table(&self) -> u64 {
        if self.table.0 == 0 { self.table.1.into() } else { self.table.0.into() }
    }
}

impl Geometry {
    /// Of a file system which begins at `start`.
    pub fn new(sector: &[u8; 512], start: u64) -> Result<Self, NoFat> {
        let fields = Fields::new(sector);
        if sector[510..] != [0x55, 0xaa] || !is_likely(sector) {
            return Err(NoFat::Other);
        }
        if !matches!(sector[0], 0xeb | 0xe9) {
            return Err(impossible("its first instruction"));
        }
        match fields.fault() {
            Some(what) => Err(impossible(what)),
            None => Self::of(&fields, sector, start),
        }
    }

    /// All numbers have at most 32 bits, so that no product overflows.
    fn of(fields: &Fields, sector: &[u8; 512], start: u64) -> Result<Self, NoFat> {
        let root = fields.root * 32 / fields.sector;
        let before = fields.reserved + u64::from(fields.tables) * fields.table() + root;
        let data = fields.total().checked_sub(before).ok_or_else(|| impossible("its number of sectors"))?;
        let clusters = u32::try_from(data / u64::from(fields.cluster)).unwrap_or(u32::MAX);
        let width = match (fields.table.0, clusters) {
            (0, _) => Width::Fat32,
            (_, ..4085) => Width::Fat12,
            _ => Width::Fat16,
        };
        let table_length = fields.table() * fields.sector;
        let most = width.ones() - 15;
        if clusters == 0 || clusters > most || table_length < width.length(u64::from(clusters) + 2) {
            return Err(impossible("the size of its tables"));
        }
        // 0x29: serial number, label and name follow
        let (named, name) = match width {
            Width::Fat32 => (sector[66], &sector[82..90]),
            _ => (sector[38], &sector[54..62]),
        };
        if named == 0x29 && name != width.name() && name != b"FAT     " {
            return Err(impossible("its name"));
        }
        let place = start + before * fields.sector;
        Ok(Self {
            extent: Extent { offset: start, length: fields.total() * fields.sector },
            width,
            clusters,
            cluster: u64::from(fields.cluster) * fields.sector,
            tables: fields.tables,
            table_length,
            root: match width {
                Width::Fat32 => Root::Cluster(u32_le(&sector[44..48])),
                _ => {
                    Root::Fixed(Extent { offset: place - root * fields.sector, length: root * fields.sector })
                }
            },
            backup: backup(sector, fields, width).map(|number| start + number * fields.sector),
            first_table: start + fields.reserved * fields.sector,
            data: place,
        })
    }

    /// Each copy follows the one before.
    pub fn table(&self, copy: u8) -> Extent {
        let offset = self.first_table + u64::from(copy) * self.table_length;
        Extent { offset, length: self.table_length }
    }

    /// Of a cluster whose number is at least 2.
    pub fn place(&self, cluster: u32) -> Extent {
        let number = u64::from(cluster.saturating_sub(2));
        Extent { offset: self.data + number * self.cluster, length: self.cluster }
    }
}

fn impossible(what: &str) -> NoFat {
    NoFat::Impossible(format!("{what} cannot be"))
}

/// Other boot sectors end in 0x55aa too: either it names itself or its medium is one of FAT's.
fn is_likely(sector: &[u8; 512]) -> bool {
    let named = sector[54..57] == *b"FAT" || sector[82..85] == *b"FAT";
    let medium = matches!(sector[21], 0xf0 | 0xf8..);
    let sized = matches!(u16_le(&sector[11..13]), 512 | 1024 | 2048 | 4096);
    named || (medium && sized && matches!(sector[0], 0xeb | 0xe9) && sector[13].is_power_of_two())
}

/// Its sector; 0 and what is outside the reserved ones mean that there is none.
fn backup(sector: &[u8; 512], fields: &Fields, width: Width) -> Option<u64> {
    let number = u64::from(u16_le(&sector[50..52]));
    (width == Width::Fat32 && (1..fields.reserved).contains(&number)).then_some(number)
}
