//! Each bit of each field that the reader of ISO 9660 interprets is flipped, one after another: there is a
//! finding, or the volume that is read is another one. What can be neither is listed with its reason.

mod common;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::Command;

use airshipctl::iso::{Findings, Image, volume};
use common::iso::Iso;

/// Fields by structure: name, offset, length in bytes.
const DESCRIPTOR: &[(&str, usize, usize)] = &[
    ("type", 0, 1),
    ("standard identifier", 1, 5),
    ("version", 6, 1),
    ("text", 40, 32),
    ("volume space size", 80, 8),
    ("volume set size", 120, 4),
    ("volume sequence number", 124, 4),
    ("logical block size", 128, 4),
    ("path table size", 132, 8),
    ("type L path table", 140, 4),
    ("optional type L path table", 144, 4),
    ("type M path table", 148, 4),
    ("optional type M path table", 152, 4),
    ("file structure version", 881, 1),
];
/// Only the primary one's are shown.
const PRIMARY: &[(&str, usize, usize)] = &[
    ("text", 318, 128),
    ("text", 446, 128),
    ("text", 574, 128),
    ("creation date", 813, 17),
    ("modification date", 830, 17),
];
const JOLIET: &[(&str, usize, usize)] = &[("escape sequences", 88, 3)];
const RECORD: &[(&str, usize, usize)] = &[
    ("length", 0, 1),
    ("extended attributes", 1, 1),
    ("location", 2, 8),
    ("data length", 10, 8),
    ("flags", 25, 1),
    ("interleave", 26, 2),
    ("volume sequence number", 28, 4),
];
const ROW: &[(&str, usize, usize)] =
    &[("identifier length", 0, 1), ("extended attributes", 1, 1), ("location", 2, 4), ("parent", 6, 2)];

/// What no reader can tell: structure, field, bits, and why.
type Blind = (&'static str, &'static str, u8, &'static str);

const BLIND: &[Blind] = &[
    (
        "record",
        "flags",
        0x01,
        "whether a file is hidden is the writer's to say, and Linux shows it all the same",
    ),
    (
        "file with Rock Ridge",
        "identifier",
        0xff,
        "it is there once, and Rock Ridge has the name that is shown",
    ),
    ("file with Rock Ridge", "identifier length", 0xff, "the same, where it counts the padding byte in"),
    (
        "record",
        "identifier length",
        0x04,
        "a version that becomes system use instead was not shown before either",
    ),
    ("primary descriptor", "text", 0x20, "spaces and zeros both fill up what is shorter"),
    ("Joliet descriptor", "text", 0x20, "the same"),
    ("NM", "flags", 0x20, "reserved in RRIP 1.12, a host name before"),
    ("NM", "moved", 0xff, "the name of a moved directory is with the file that stands for it"),
];

struct Field {
    structure: &'static str,
    name: &'static str,
    at: usize,
    length: usize,
}

#[derive(Default)]
struct Fields(Vec<Field>);

impl Fields {
    fn of(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        for at in (16..).map(|sector| sector * 2048) {
            let (more, structure) = match bytes[at] {
                1 => (PRIMARY, "primary descriptor"),
                2 => (JOLIET, "Joliet descriptor"),
                255 => {
                    found.table("terminator", &DESCRIPTOR[..3], at);
                    return found;
                }
                _ => continue,
            };
            found.table(structure, DESCRIPTOR, at);
            found.table(structure, more, at);
            found.record(bytes, at + 156, false);
            let size = number(bytes, at + 132);
            let big = u32::from_be_bytes(bytes[at + 148..at + 152].try_into().unwrap()) as usize;
            found.rows(bytes, number(bytes, at + 140) * 2048, size);
            found.rows(bytes, big * 2048, size);
            found.directory(bytes, number(bytes, at + 158), bytes[at] == 1);
        }
        unreachable!()
    }

    fn table(&mut self, structure: &'static str, table: &[(&'static str, usize, usize)], at: usize) {
        self.0.extend(table.iter().map(|(name, from, length)| Field {
            structure,
            name,
            at: at + from,
            length: *length,
        }));
    }

    fn rows(&mut self, bytes: &[u8], from: usize, size: usize) {
        let mut at = from;
        while at < from + size {
            let length = usize::from(bytes[at]);
            self.table("path table", ROW, at);
            self.table("path table", &[("identifier", 8, length)], at);
            at += 8 + length + length % 2;
        }
    }

    /// A directory, and all below it.
    fn directory(&mut self, bytes: &[u8], block: usize, rock_ridge: bool) {
        let (from, mut at) = (block * 2048, block * 2048);
        let end = from + number(bytes, from + 10);
        while at < end {
            let length = usize::from(bytes[at]);
            if length == 0 {
                at = (at / 2048 + 1) * 2048;
                continue;
            }
            self.record(bytes, at, rock_ridge);
            if bytes[at + 25] & 2 != 0 && !(bytes[at + 32] == 1 && bytes[at + 33] < 2) {
                self.directory(bytes, number(bytes, at + 2), rock_ridge);
            }
            at += length;
        }
    }

    fn record(&mut self, bytes: &[u8], at: usize, rock_ridge: bool) {
        self.table("record", RECORD, at);
        let (length, name) = (usize::from(bytes[at]), usize::from(bytes[at + 32]));
        let named = rock_ridge && bytes[at + 25] & 2 == 0;
        let structure = if named { "file with Rock Ridge" } else { "record" };
        self.table(structure, &[("identifier length", 32, 1), ("identifier", 33, name)], at);
        let head = 33 + name + (1 - name % 2);
        if rock_ridge {
            let moved = bytes[at..at + length].windows(4).any(|four| four == b"RE\x04\x01");
            self.entries(bytes, at + head, at + length, moved);
        }
    }

    fn entries(&mut self, bytes: &[u8], mut at: usize, end: usize, moved: bool) {
        while at + 4 <= end {
            let length = usize::from(bytes[at + 2]);
            let structure = match &bytes[at..at + 2] {
                b"NM" => "NM",
                b"PX" => "PX",
                b"SL" => "SL",
                b"CE" => "CE",
                b"CL" => "CL",
                b"PL" => "PL",
                b"SP" => "SP",
                b"TF" => "TF",
                b"ER" => "ER",
                _ => "other entry",
            };
            self.table(structure, &[("head", 0, 4)], at);
            match structure {
                "NM" if moved => self.table(structure, &[("moved", 4, length - 4)], at),
                "NM" => self.table(structure, &[("flags", 4, 1), ("name", 5, length - 5)], at),
                "TF" => self.table(structure, &[("flags", 4, 1)], at),
                "SP" => self.table(structure, &[("check bytes", 4, 2)], at),
                "ER" => self.table(
                    structure,
                    &[("identifier length", 4, 1), ("identifier", 8, bytes[at + 4].into())],
                    at,
                ),
                "PX" | "SL" | "CL" | "PL" => self.table(structure, &[("data", 4, length - 4)], at),
                "CE" => {
                    self.table(structure, &[("data", 4, length - 4)], at);
                    let from = number(bytes, at + 4) * 2048 + number(bytes, at + 12);
                    self.entries(bytes, from, from + number(bytes, at + 20), moved);
                }
                _ => {}
            }
            at += length;
        }
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// What is read, and whether there was something to find.
fn read(file: &File) -> (String, bool) {
    let mut findings = Findings::default();
    let volume = volume::read(&Image::new(file.try_clone().unwrap()).unwrap(), &mut findings).unwrap();
    (format!("{volume:?}"), !findings.list().is_empty())
}

fn blind(field: &Field, bit: u8) -> Option<usize> {
    BLIND.iter().position(|(structure, name, bits, _)| {
        *structure == field.structure && *name == field.name && bits & bit != 0
    })
}

/// Flips every bit of every field; which of the blind ones could indeed not be told.
fn flip_all(file: &File) -> BTreeSet<usize> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let (whole, faulty) = read(file);
    assert!(!faulty);
    let (mut untold, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let fields = Fields::of(&bytes).0;
    for field in &fields {
        for at in field.at..field.at + field.length {
            for bit in (0..8).map(|bit| 1 << bit) {
                file.write_all_at(&[bytes[at] ^ bit], at as u64).unwrap();
                let (changed, faulty) = read(file);
                match blind(field, bit) {
                    _ if faulty || changed != whole => {}
                    Some(known) => _ = seen.insert(known),
                    None => {
                        _ = untold.insert(format!("{} {} {bit:#04x} at {at}", field.structure, field.name))
                    }
                }
            }
            file.write_all_at(&bytes[at..=at], at as u64).unwrap();
        }
    }
    let lines: Vec<_> = untold.iter().map(String::as_str).collect();
    assert!(lines.is_empty(), "{} of {} fields:\n{}", lines.len(), fields.len(), lines.join("\n"));
    seen
}

#[test]
fn no_flipped_bit_of_a_made_image_stays_unseen() {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&Iso::small().bytes(), 0).unwrap();
    let seen = flip_all(&file);
    // what is listed has to be there, so that the list stays true
    let listed: BTreeSet<_> = (0..BLIND.len()).collect();
    assert_eq!(seen, listed, "{:?}", listed.difference(&seen).map(|known| BLIND[*known]).collect::<Vec<_>>());
}

#[test]
fn no_flipped_bit_of_an_image_of_xorriso_stays_unseen() {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    fs::create_dir_all(tree.join("nocloud")).unwrap();
    fs::write(tree.join("nocloud/user-data"), "#cloud-config\n").unwrap();
    symlink("../nocloud", tree.join("link")).unwrap();
    made(directory.path());
    flip_all(&File::options().read(true).write(true).open(directory.path().join("x.iso")).unwrap());
}

fn made(directory: &Path) {
    let arguments = "-as mkisofs -quiet -r -J -joliet-long -iso-level 3 -V AIRSHIP_EPH -o x.iso tree";
    let made = Command::new("xorriso").current_dir(directory).args(arguments.split(' ')).output();
    let made = made.expect("xorriso is installed by scripts/setup.sh test");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
