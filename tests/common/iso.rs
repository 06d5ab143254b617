//! A small ISO 9660 image, structure by structure, so that tests can damage any of it: Rock Ridge with a moved
//! directory, a link and a continuation area, and a Joliet tree beside it.
//!
//! ```text
//! let mut iso = Iso::small();
//! iso.directories.get_mut(&ROOT).unwrap()[2] = record(b"B.;1", FILE, 5, 0, &[]);
//! let image = iso.bytes();
//! ```

use std::collections::BTreeMap;

pub const SECTOR: usize = 2048;
/// What is in which sector; two descriptors and a terminator come first.
pub const TABLES: u32 = 19;
pub const ROOT: u32 = 23;
pub const SUB: u32 = 24;
pub const CONTINUATION: u32 = 25;
pub const JOLIET_ROOT: u32 = 26;
pub const FILE: u32 = 28;
pub const KEEPER: u32 = 30;
pub const MOVED: u32 = 31;
/// Of the image, in sectors.
pub const LENGTH: u32 = 32;

pub const DIRECTORY: u8 = 2;

/// Identifier, location, number of the parent.
type Row = (Vec<u8>, u32, u16);

#[derive(Clone)]
pub struct Iso {
    /// What begins with the first descriptor, one each.
    pub descriptors: Vec<Vec<u8>>,
    /// Of the primary volume, and of the Joliet one.
    pub rows: [Vec<Row>; 2],
    /// Records by the sector of the directory.
    pub directories: BTreeMap<u32, Vec<Vec<u8>>>,
    /// Anything else by its sector.
    pub others: BTreeMap<u32, Vec<u8>>,
}

impl Iso {
    pub fn small() -> Self {
        let rock = |name: &str, mode: u32| [px(mode), nm(name)].concat();
        let own = |mode: u32| px(0o040_000 | mode);
        let er = entry(b"ER", &[&[10, 0, 0, 1], b"RRIP_1991A".as_slice()].concat());
        let first =
            [entry(b"SP", &[0xbe, 0xef, 0]), own(0o755), ce(CONTINUATION, 0, er.len() as u32)].concat();
        let moved = [entry(b"CL", &both32(MOVED)), rock("deep", 0o100_644)].concat();
        let root = vec![
            record(&[0], ROOT, 2048, DIRECTORY, &first),
            record(&[1], ROOT, 2048, DIRECTORY, &own(0o755)),
            record(b"A.TXT;1", FILE, 6, 0, &rock("a.txt", 0o100_640)),
            record(b"DEEP.;1", FILE, 0, 0, &moved),
            record(b"LINK.;1", FILE, 0, 0, &[rock("link", 0o120_777), sl("../a.txt")].concat()),
            record(
                b"RR_MOVED",
                KEEPER,
                2048,
                DIRECTORY,
                &[rock("rr_moved", 0o040_755), entry(b"RE", &[])].concat(),
            ),
            record(b"SUB", SUB, 2048, DIRECTORY, &rock("Sub", 0o040_755)),
        ];
        let sub = vec![
            record(&[0], SUB, 2048, DIRECTORY, &own(0o755)),
            record(&[1], ROOT, 2048, DIRECTORY, &own(0o755)),
            record(b"B.;1", FILE + 1, 2048, 0, &rock("b", 0o100_600)),
        ];
        let keeper = vec![
            record(&[0], KEEPER, 2048, DIRECTORY, &own(0o755)),
            record(&[1], ROOT, 2048, DIRECTORY, &own(0o755)),
            record(b"DEEP", MOVED, 2048, DIRECTORY, &[rock("deep", 0o040_700), entry(b"RE", &[])].concat()),
        ];
        let kept = vec![
            record(&[0], MOVED, 2048, DIRECTORY, &own(0o700)),
            record(&[1], KEEPER, 2048, DIRECTORY, &[own(0o755), entry(b"PL", &both32(ROOT))].concat()),
            record(b"C.;1", FILE, 6, 0, &rock("c", 0o100_600)),
        ];
        let wide_root = vec![
            record(&[0], JOLIET_ROOT, 2048, DIRECTORY, &[]),
            record(&[1], JOLIET_ROOT, 2048, DIRECTORY, &[]),
            record(&wide("a.txt"), FILE, 6, 0, &[]),
            record(&wide("Süb"), JOLIET_ROOT + 1, 2048, DIRECTORY, &[]),
        ];
        let wide_sub = vec![
            record(&[0], JOLIET_ROOT + 1, 2048, DIRECTORY, &[]),
            record(&[1], JOLIET_ROOT, 2048, DIRECTORY, &[]),
            record(&wide("b;1"), FILE + 1, 2048, 0, &[]),
        ];
        let directories = [root, sub, wide_root, wide_sub, keeper, kept];
        let rows = [
            vec![
                (vec![0], ROOT, 1),
                (b"RR_MOVED".into(), KEEPER, 1),
                (b"SUB".into(), SUB, 1),
                (b"DEEP".into(), MOVED, 2),
            ],
            vec![(vec![0], JOLIET_ROOT, 1), (wide("Süb"), JOLIET_ROOT + 1, 1)],
        ];
        Self {
            descriptors: vec![
                descriptor(1, ROOT, TABLES, table(&rows[0], false).len()),
                descriptor(2, JOLIET_ROOT, TABLES + 2, table(&rows[1], false).len()),
                [b"\xffCD001\x01".as_slice(), &[0; SECTOR - 7]].concat(),
            ],
            rows,
            directories: [ROOT, SUB, JOLIET_ROOT, JOLIET_ROOT + 1, KEEPER, MOVED]
                .into_iter()
                .zip(directories)
                .collect(),
            others: [(CONTINUATION, er), (FILE, b"hello\n".into()), (FILE + 1, vec![7; 5])].into(),
        }
    }

    /// The same without Rock Ridge and Joliet.
    pub fn plain() -> Self {
        let mut iso = Self::small();
        iso.descriptors.remove(1);
        iso.rows[1].clear();
        iso.directories = [
            (
                ROOT,
                vec![
                    record(&[0], ROOT, 2048, DIRECTORY, &[]),
                    record(&[1], ROOT, 2048, DIRECTORY, &[]),
                    record(b"A.TXT;1", FILE, 6, 0, &[]),
                    record(b"SUB", SUB, 2048, DIRECTORY, &[]),
                ],
            ),
            (
                SUB,
                vec![
                    record(&[0], SUB, 2048, DIRECTORY, &[]),
                    record(&[1], ROOT, 2048, DIRECTORY, &[]),
                    record(b"B.;1", FILE + 1, 2048, 0, &[]),
                ],
            ),
        ]
        .into();
        iso.rows[0] = vec![(vec![0], ROOT, 1), (b"SUB".into(), SUB, 1)];
        let size = table(&iso.rows[0], false).len() as u32;
        iso.descriptors[0][132..140].copy_from_slice(&both32(size));
        iso
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH as usize * SECTOR];
        let mut put = |sector: u32, content: &[u8]| {
            let at = sector as usize * SECTOR;
            if bytes.len() < at + content.len() {
                bytes.resize((at + content.len()).next_multiple_of(SECTOR), 0);
            }
            bytes[at..at + content.len()].copy_from_slice(content);
        };
        for (sector, descriptor) in (16..).zip(&self.descriptors) {
            put(sector, descriptor);
        }
        for (sector, rows) in [TABLES, TABLES + 2].into_iter().zip(&self.rows) {
            put(sector, &table(rows, false));
            put(sector + 1, &table(rows, true));
        }
        self.directories.iter().for_each(|(sector, records)| put(*sector, &directory(records)));
        self.others.iter().for_each(|(sector, content)| put(*sector, content));
        bytes
    }
}

/// Records as they lie in sectors, which none crosses.
fn directory(records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    for record in records {
        if bytes.len() % SECTOR + record.len() > SECTOR {
            bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
        }
        bytes.extend(record);
    }
    bytes
}

fn table(rows: &[Row], big: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (identifier, location, parent) in rows {
        bytes.extend([identifier.len() as u8, 0]);
        bytes.extend(if big { location.to_be_bytes() } else { location.to_le_bytes() });
        bytes.extend(if big { parent.to_be_bytes() } else { parent.to_le_bytes() });
        bytes.extend(identifier);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
    }
    bytes
}

fn descriptor(kind: u8, root: u32, tables: u32, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; SECTOR];
    let text = |text: &str| if kind == 2 { wide(text) } else { text.into() };
    let mut put = |at: usize, content: &[u8]| bytes[at..at + content.len()].copy_from_slice(content);
    for (at, length) in [(8, 32), (40, 32), (190, 128), (318, 128), (446, 128), (574, 128), (702, 111)] {
        put(at, &if kind == 2 { [0, b' '].repeat(length / 2) } else { vec![b' '; length] });
    }
    put(0, &[kind]);
    put(1, b"CD001\x01");
    put(40, &text("LABEL"));
    put(80, &both32(LENGTH));
    if kind == 2 {
        put(88, b"%/E");
    }
    put(120, &both16(1));
    put(124, &both16(1));
    put(128, &both16(2048));
    put(132, &both32(size as u32));
    put(140, &tables.to_le_bytes());
    put(148, &(tables + 1).to_be_bytes());
    put(156, &record(&[0], root, 2048, DIRECTORY, &[]));
    put(318, &text("PUBLISHER"));
    put(446, &text("PREPARER"));
    put(574, &text("APPLICATION"));
    put(813, b"2025061515064000\x00");
    put(830, b"2025061515064050\x04");
    put(847, b"0000000000000000\x00");
    put(864, b"0000000000000000\x00");
    put(881, &[1]);
    bytes
}

/// A directory record with what extensions have in it.
pub fn record(identifier: &[u8], location: u32, length: u32, flags: u8, system_use: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 2];
    bytes.extend(both32(location));
    bytes.extend(both32(length));
    bytes.extend([125, 6, 15, 15, 6, 40, 0, flags, 0, 0]);
    bytes.extend(both16(1));
    bytes.push(identifier.len() as u8);
    bytes.extend(identifier);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes.extend(system_use);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes[0] = u8::try_from(bytes.len()).expect("a record has at most 255 bytes");
    bytes
}

/// A system use entry.
pub fn entry(signature: &[u8; 2], data: &[u8]) -> Vec<u8> {
    [signature, [data.len() as u8 + 4, 1].as_slice(), data].concat()
}

pub fn px(mode: u32) -> Vec<u8> {
    entry(b"PX", &[mode, 1, 1000, 100].map(both32).concat())
}

pub fn nm(name: &str) -> Vec<u8> {
    entry(b"NM", &[&[0], name.as_bytes()].concat())
}

pub fn ce(block: u32, offset: u32, length: u32) -> Vec<u8> {
    entry(b"CE", &[block, offset, length].map(both32).concat())
}

/// A link's target, a component for each part of it.
pub fn sl(target: &str) -> Vec<u8> {
    let component = |part: &str| match part {
        "" => vec![8, 0],
        "." => vec![2, 0],
        ".." => vec![4, 0],
        other => [&[0, other.len() as u8], other.as_bytes()].concat(),
    };
    entry(b"SL", &[vec![0], target.split('/').flat_map(component).collect()].concat())
}

pub fn both32(number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub fn both16(number: u16) -> [u8; 4] {
    let mut bytes = [0; 4];
    bytes[..2].copy_from_slice(&number.to_le_bytes());
    bytes[2..].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

impl Iso {
    /// A record of the directory at a sector.
    pub fn record(&mut self, sector: u32, number: usize) -> &mut Vec<u8> {
        &mut self.directories.get_mut(&sector).expect("a directory is there")[number]
    }

    /// Adds a file or directory at the end of the root directory.
    pub fn add(&mut self, record: Vec<u8>) {
        self.directories.get_mut(&ROOT).expect("there is a root").push(record);
    }
}
