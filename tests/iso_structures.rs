//! The reader of ISO 9660 over images made structure by structure: what is right is read, and everything that
//! can be wrong is told by its code, in these words, and where it is.

mod common;

use std::io::Write as _;

use airshipctl::iso::volume::{self, Kind, Tree, Volume};
use airshipctl::iso::{Findings, Image};
use common::iso::{
    CONTINUATION, DIRECTORY, FILE, Iso, JOLIET_ROOT, KEEPER, LENGTH, MOVED, ROOT, SECTOR, SUB, TABLES,
    both16, both32, ce, entry, nm, px, record, sl, wide,
};

const REGULAR: u32 = 0o100_644;

fn read(bytes: &[u8]) -> (Option<Volume>, Findings) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let mut findings = Findings::default();
    let volume = volume::read(&Image::new(file).unwrap(), &mut findings).unwrap();
    (volume, findings)
}

fn sound(iso: &Iso) -> Volume {
    let (volume, findings) = read(&iso.bytes());
    assert!(findings.list().is_empty(), "{:#?}", findings.list());
    volume.unwrap()
}

/// One line for each entry.
fn listing(tree: &Tree) -> Vec<String> {
    let line = |(path, entry): (&String, &volume::Entry)| {
        let kind = match &entry.kind {
            Kind::File => format!("{} bytes", entry.size()),
            Kind::Directory => "directory".into(),
            Kind::Link(target) => format!("-> {target}"),
            Kind::Special => "special".into(),
        };
        let mode = entry.mode.map(|mode| format!(" {mode:o} {}:{}", entry.uid.unwrap(), entry.gid.unwrap()));
        format!("{path} {kind}{}", mode.unwrap_or_default())
    };
    tree.entries.iter().map(line).collect()
}

#[test]
fn a_sound_image_is_read_without_findings() {
    let volume = sound(&Iso::small());
    assert_eq!((volume.about.label.as_str(), volume.about.publisher.as_str()), ("LABEL", "PUBLISHER"));
    assert_eq!(
        (volume.about.preparer.as_str(), volume.about.application.as_str()),
        ("PREPARER", "APPLICATION")
    );
    assert_eq!(volume.about.created.as_deref(), Some("2025-06-15T15:06:40Z"));
    assert_eq!(volume.about.modified.as_deref(), Some("2025-06-15T15:06:40.50+01:00"));
    assert_eq!((volume.length, volume.block_size), (u64::from(LENGTH) * 2048, 2048));
    assert!(volume.rock_ridge);
    assert_eq!(
        listing(&volume.tree),
        [
            "/ directory 40755 1000:100",
            "/Sub directory 40755 1000:100",
            "/Sub/b 2048 bytes 100600 1000:100",
            "/a.txt 6 bytes 100640 1000:100",
            "/deep directory 40700 1000:100",
            "/deep/c 6 bytes 100600 1000:100",
            "/link -> ../a.txt 120777 1000:100",
        ]
    );
    let joliet = volume.joliet.unwrap();
    assert_eq!((joliet.label.as_str(), joliet.level), ("LABEL", 3));
    assert_eq!(
        listing(&joliet.tree),
        ["/ directory", "/Süb directory", "/Süb/b 2048 bytes", "/a.txt 6 bytes"]
    );
}

#[test]
fn extents_and_records_are_where_they_are_in_the_image() {
    let volume = sound(&Iso::small());
    let file = volume.tree.get("/a.txt").unwrap();
    assert_eq!((file.extents[0].offset, file.extents[0].length), (u64::from(FILE) * 2048, 6));
    let image = Iso::small().bytes();
    assert_eq!(&image[file.record as usize + 33..][..7], b"A.TXT;1");
    assert_eq!(volume.tree.get("/").unwrap().record, 32768 + 156);
    assert!(volume.tree.get("/link").unwrap().extents.is_empty());
}

#[test]
fn without_rock_ridge_names_are_in_lower_case_and_without_version() {
    let volume = sound(&Iso::plain());
    assert!(!volume.rock_ridge && volume.joliet.is_none());
    assert_eq!(
        listing(&volume.tree),
        ["/ directory", "/a.txt 6 bytes", "/sub directory", "/sub/b 2048 bytes"]
    );
}

#[test]
fn blocks_may_be_smaller_than_sectors() {
    let mut iso = Iso::plain();
    let scale = |bytes: &mut [u8], at: usize| {
        let block = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) * 4;
        bytes[at..at + 8].copy_from_slice(&both32(block));
    };
    let primary = &mut iso.descriptors[0];
    primary[128..132].copy_from_slice(&both16(512));
    primary[140..144].copy_from_slice(&(TABLES * 4).to_le_bytes());
    primary[148..152].copy_from_slice(&((TABLES + 1) * 4).to_be_bytes());
    scale(primary, 80);
    scale(primary, 158);
    iso.directories.values_mut().flatten().for_each(|record| scale(record, 2));
    iso.rows[0].iter_mut().for_each(|row| row.1 *= 4);
    let volume = sound(&iso);
    assert_eq!((volume.length, volume.block_size), (u64::from(LENGTH) * 2048, 512));
    assert_eq!(volume.tree.get("/a.txt").unwrap().extents[0].offset, u64::from(FILE) * 2048);
}

#[test]
fn a_file_of_several_extents_is_one_entry() {
    let mut iso = Iso::plain();
    iso.add(record(b"Z.;1", FILE, 2048, 0x80, &[]));
    iso.add(record(b"Z.;1", FILE + 1, 7, 0, &[]));
    iso.others.insert(FILE, vec![b'x'; 2048]);
    iso.record(ROOT, 2)[10..18].copy_from_slice(&both32(2048));
    iso.record(SUB, 2)[10..18].copy_from_slice(&both32(7));
    let volume = sound(&iso);
    let file = volume.tree.get("/z").unwrap();
    assert_eq!((file.size(), file.extents.len()), (2055, 2));
}

#[test]
fn a_long_directory_goes_over_sectors() {
    let mut iso = Iso::plain();
    let (end, length) = (LENGTH, 20 * 2048);
    let mut records =
        vec![record(&[0], end, length, DIRECTORY, &[]), record(&[1], ROOT, 2048, DIRECTORY, &[])];
    records.extend((0..600).map(|number| record(format!("FILE{number:03}.;1").as_bytes(), FILE, 6, 0, &[])));
    iso.directories.insert(end, records);
    iso.add(record(b"Z", end, length, DIRECTORY, &[]));
    iso.rows[0].push((b"Z".into(), end, 1));
    iso.descriptors[0][132..140].copy_from_slice(&both32(32));
    iso.descriptors[0][80..88].copy_from_slice(&both32(end + 20));
    iso.others.insert(end + 19, vec![0; SECTOR]);
    assert_eq!(sound(&iso).tree.entries.len(), 605);
}

#[test]
fn names_and_links_go_on_in_further_entries_and_areas() {
    let mut iso = Iso::small();
    let long = "n".repeat(200);
    let area = [entry(b"NM", &[&[0], long.as_bytes()].concat()), sl("deep/./c")].concat();
    iso.add(record(
        b"Z.;1",
        FILE,
        0,
        0,
        &[
            px(0o120_777),
            entry(b"NM", b"\x01long-"),
            entry(b"SL", b"\x01\x00\x02..\x01\x03abc\x00\x02de"),
            ce(LENGTH, 40, area.len() as u32),
        ]
        .concat(),
    ));
    iso.others.insert(LENGTH, [vec![0; 40], area].concat());
    let volume = sound(&iso);
    let entry = volume.tree.get(&format!("/long-{long}")).unwrap();
    assert_eq!(entry.kind, Kind::Link("../abcde/deep/./c".into()));
}

#[test]
fn compressed_files_have_the_size_that_linux_shows() {
    let mut iso = Iso::small();
    let zf = entry(b"ZF", &[b"pz\x04\x0f".as_slice(), &both32(100_000)].concat());
    iso.add(record(b"Z.;1", FILE, 6, 0, &[px(REGULAR), nm("z"), zf].concat()));
    let volume = sound(&iso);
    let file = volume.tree.get("/z").unwrap();
    assert_eq!((file.size(), file.extents[0].length), (100_000, 6));
}

#[test]
fn what_has_no_descriptors_is_no_volume() {
    for bytes in [vec![], vec![0; 100], vec![0; 32768], vec![0; 40960], vec![0xff; 65536]] {
        let (volume, findings) = read(&bytes);
        assert!(volume.is_none() && findings.list().is_empty(), "{findings:?}");
    }
}

#[test]
fn an_image_cut_off_anywhere_is_told_from_a_whole_one() {
    let whole = Iso::small().bytes();
    for length in (16 * SECTOR + 6..whole.len()).step_by(97) {
        let (_, findings) = read(&whole[..length]);
        assert!(length < 17 * SECTOR || !findings.list().is_empty(), "{length}");
    }
}

type Change = fn(&mut Iso);

/// A change to the small image, and the finding that it must lead to: its code, the sector it is in, its words.
type Fault = (Change, &'static str, Option<u32>, &'static str);

#[track_caller]
fn each_is_told(faults: &[Fault]) {
    let mut untold = Vec::new();
    for (change, code, sector, message) in faults {
        let mut iso = Iso::small();
        change(&mut iso);
        let (_, findings) = read(&iso.bytes());
        let told = findings.list().iter().any(|finding| {
            let place = finding.offset.map(|offset| (offset / 2048) as u32);
            (finding.code, finding.message.as_str(), place) == (*code, *message, *sector)
        });
        if !told {
            untold.push(format!("{code} {sector:?}: {message}\nhas {:#?}", findings.list()));
        }
    }
    assert!(untold.is_empty(), "{}", untold.join("\n\n"));
}

fn set(bytes: &mut [u8], at: usize, content: &[u8]) {
    bytes[at..at + content.len()].copy_from_slice(content);
}

/// A file of the root with these system use entries.
fn file(entries: &[Vec<u8>]) -> Vec<u8> {
    record(b"Z.;1", FILE, 6, 0, &entries.concat())
}

#[test]
fn faults_of_descriptors() {
    each_is_told(&[
        (
            |iso| iso.descriptors[0][1] = b'X',
            "descriptor-identifier",
            Some(16),
            "volume descriptors: the first has not the identifier CD001",
        ),
        (
            |iso| iso.descriptors[0][0] = 4,
            "no-primary-descriptor",
            Some(16),
            "volume descriptors: none of them is the primary one",
        ),
        (
            |iso| iso.descriptors[0][0] = 4,
            "descriptor-type",
            Some(16),
            "volume descriptors: one has the unknown type 4",
        ),
        (
            |iso| drop(iso.descriptors.pop()),
            "no-terminator",
            Some(18),
            "volume descriptors: they have no end",
        ),
        (
            |iso| iso.descriptors[0][6] = 2,
            "descriptor-version",
            Some(16),
            "volume descriptors: one of type 1 has version 2",
        ),
        (
            |iso| iso.descriptors[1] = iso.descriptors[0].clone(),
            "several-primary-descriptors",
            Some(17),
            "volume descriptors: there is a further primary one",
        ),
        (
            |iso| iso.descriptors.insert(2, iso.descriptors[1].clone()),
            "several-joliet-descriptors",
            Some(18),
            "volume descriptors: there is a further Joliet one",
        ),
        (
            |iso| iso.descriptors[1][90] = b'F',
            "supplementary-unknown",
            Some(17),
            "volume descriptors: a supplementary one is not Joliet, and is not read",
        ),
        (
            |iso| set(&mut iso.descriptors[0], 80, &both32(31)),
            "descriptors-differ",
            Some(17),
            "Joliet volume descriptor: it says that the volume is 65536 bytes long, the primary one says 63488",
        ),
        (
            |iso| iso.descriptors[0][881] = 2,
            "structure-version",
            Some(16),
            "primary volume descriptor: its file structure has version 2",
        ),
        (
            |iso| set(&mut iso.descriptors[0], 80, &both32(33)),
            "truncated",
            Some(16),
            "primary volume descriptor: the volume is 67584 bytes long, the image only 65536",
        ),
        (
            |iso| set(&mut iso.descriptors[0], 80, &both32(3)),
            "volume-length",
            Some(16),
            "primary volume descriptor: the volume is only 6144 bytes long",
        ),
        (
            |iso| set(&mut iso.descriptors[0], 120, &both16(2)),
            "volume-set",
            Some(16),
            "primary volume descriptor: it is volume 1 of a set of 2, and the others are not read",
        ),
        (
            |iso| set(&mut iso.descriptors[0], 128, &both16(4096)),
            "block-size",
            Some(16),
            "primary volume descriptor: blocks of 4096 bytes; 2048 is assumed",
        ),
        (
            |iso| iso.descriptors[0][817] = b'4',
            "date",
            Some(16),
            "primary volume descriptor: its creation date is none",
        ),
        (
            |iso| iso.descriptors[0][836] = b'4',
            "date",
            Some(16),
            "primary volume descriptor: its modification date is none",
        ),
        (
            |iso| iso.descriptors[0][181] = 0,
            "root-record",
            Some(16),
            "primary volume descriptor: its root is no directory",
        ),
        (
            |iso| iso.descriptors[0][80] = 33,
            "both-endian",
            Some(16),
            "primary volume descriptor: its volume space size is 33 in one byte order and 32 in the other",
        ),
        (
            |iso| iso.descriptors[1][131] = 7,
            "both-endian",
            Some(17),
            "Joliet volume descriptor: its logical block size is 2048 in one byte order and 2055 in the other",
        ),
    ]);
}

#[test]
fn faults_of_records() {
    each_is_told(&[
        (
            |iso| iso.record(ROOT, 2)[0] = 37,
            "record-length",
            Some(ROOT),
            "directory /: a record of 37 bytes with an identifier of 7, where 1872 are",
        ),
        (
            |iso| iso.record(ROOT, 2)[32] = 0,
            "record-length",
            Some(ROOT),
            "directory /: a record of 86 bytes with an identifier of 0, where 1872 are",
        ),
        (
            |iso| iso.record(ROOT, 6)[0] += 1,
            "record-odd",
            Some(ROOT),
            "directory /: its record has the odd length 81",
        ),
        (
            |iso| iso.record(ROOT, 6)[0] = 0,
            "directory-padding",
            Some(ROOT),
            "directory /: something stands behind the last record of a sector",
        ),
        (
            |iso| iso.record(ROOT, 2)[3] = 9,
            "both-endian",
            Some(ROOT),
            "directory /: its location is 2332 in one byte order and 28 in the other",
        ),
        (
            |iso| iso.record(ROOT, 2)[25] = 0x48,
            "record-flags",
            Some(ROOT),
            "directory /: its flags 0x48 mean nothing",
        ),
        (
            |iso| iso.record(ROOT, 2)[1] = 1,
            "extended-attributes",
            Some(ROOT),
            "directory /: it has 1 blocks of extended attributes, which are not read",
        ),
        (
            |iso| set(iso.record(ROOT, 2), 28, &both16(2)),
            "volume-sequence",
            Some(ROOT),
            "/: A.TXT;1: it is on volume 2, this is 1",
        ),
        (
            |iso| iso.record(ROOT, 2)[26] = 3,
            "interleaved",
            Some(ROOT),
            "/: A.TXT;1: it is interleaved (3 blocks, gaps of 0), and left out",
        ),
        (
            |iso| set(iso.record(ROOT, 2), 2, &both32(40)),
            "extent-beyond-image",
            Some(ROOT),
            "/: A.TXT;1: its 6 bytes at 81920 go beyond the image's 65536",
        ),
        (
            |iso| set(iso.record(ROOT, 2), 10, &both32(u32::MAX)),
            "extent-beyond-image",
            Some(ROOT),
            "/: A.TXT;1: its 4294967295 bytes at 57344 go beyond the image's 65536",
        ),
        (
            |iso| {
                set(iso.record(ROOT, 2), 2, &both32(40));
                iso.others.insert(40, vec![1]);
            },
            "extent-beyond-volume",
            Some(ROOT),
            "/: A.TXT;1: its 6 bytes at 81920 go beyond the volume's 65536",
        ),
        (
            |iso| iso.record(SUB, 2)[25] = 0x80,
            "multi-extent",
            Some(SUB),
            "directory /Sub: the last part of /Sub/b is missing",
        ),
        (
            |iso| iso.record(ROOT, 2)[25] = 0x80,
            "multi-extent",
            Some(ROOT),
            "/: A.TXT;1: a part of 6 bytes, not whole blocks, is followed by another",
        ),
        (
            |iso| iso.add(record(b"A2.;1", FILE, 6, 0, &[px(REGULAR), nm("a.txt")].concat())),
            "duplicate-name",
            Some(ROOT),
            "/: A2.;1: /a.txt is there already, and this one is left out",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("a/../b")])),
            "name",
            Some(ROOT),
            "/: Z.;1: its name has a slash in it; it is left out",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), entry(b"NM", &[4])])),
            "name",
            Some(ROOT),
            "/: Z.;1: its name is that of a directory itself or of its parent; it is left out",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), entry(b"NM", b"\0\xe4")])),
            "name-encoding",
            Some(ROOT),
            "/: Z.;1: its name, or its link's target, is not UTF-8",
        ),
        (
            |iso| {
                iso.add(record(
                    b"Z\x1b[2J",
                    FILE,
                    6,
                    0,
                    &[px(REGULAR), nm("a.txt"), vec![b'Q', b'Q', 9, 9]].concat(),
                ))
            },
            "susp-length",
            Some(ROOT),
            "/: Z\\x1b[2J: its system use entry QQ has a length of 9",
        ),
    ]);
}

#[test]
fn faults_of_directories() {
    each_is_told(&[
        (
            |iso| iso.record(ROOT, 6)[25] = 0x86,
            "record-flags",
            Some(ROOT),
            "directory /: its flags 0x84 mean nothing",
        ),
        (
            |iso| iso.record(ROOT, 4)[25] = 0x80,
            "multi-extent",
            Some(ROOT),
            "/: LINK.;1: it is no file, and cannot have several extents",
        ),
        (
            |iso| iso.record(JOLIET_ROOT, 2)[32] += 1,
            "name-odd",
            Some(JOLIET_ROOT),
            "/: a.txt: its name is half a character too long",
        ),
        (
            |iso| iso.record(JOLIET_ROOT + 1, 2)[0] += 4,
            "record-padding",
            Some(JOLIET_ROOT + 1),
            "/Süb: b;1: its record is longer than what is in it",
        ),
        (
            |iso| set(iso.record(ROOT, 6), 2, &both32(99)),
            "directory-beyond-image",
            Some(ROOT),
            "directory /Sub: its 2048 bytes at 202752 are not all within the image",
        ),
        (
            |iso| set(iso.record(ROOT, 6), 10, &both32(u32::MAX)),
            "directory-beyond-image",
            Some(ROOT),
            "directory /Sub: its 4294967295 bytes at 49152 are not all within the image",
        ),
        (
            |iso| set(iso.record(ROOT, 6), 10, &both32(0)),
            "directory-beyond-image",
            Some(ROOT),
            "directory /Sub: its 0 bytes at 49152 are not all within the image",
        ),
        (
            |iso| set(iso.record(ROOT, 6), 2, &both32(ROOT)),
            "directory-loop",
            Some(ROOT),
            "directory /Sub: another one has the same location 23; it is a loop",
        ),
        (
            |iso| set(iso.record(ROOT, 6), 2, &both32(FILE)),
            "directory-self",
            Some(FILE),
            "/Sub: .: there is no directory",
        ),
        (
            |iso| set(iso.record(ROOT, 6), 10, &both32(4096)),
            "directory-self",
            Some(SUB),
            "/Sub: .: it is said to be 2048 bytes at block 24, but is 4096 at 24",
        ),
        (
            |iso| set(iso.record(SUB, 0), 2, &both32(25)),
            "directory-self",
            Some(SUB),
            "/Sub: .: it is said to be 2048 bytes at block 25, but is 2048 at 24",
        ),
        (
            |iso| set(iso.record(SUB, 1), 2, &both32(25)),
            "directory-parent",
            Some(SUB),
            "/Sub: ..: it is said to be 2048 bytes at block 25, but is 2048 at 23",
        ),
        (
            |iso| drop(iso.directories.get_mut(&SUB).unwrap().remove(1)),
            "directory-parent",
            Some(SUB),
            "/Sub: ..: it has no parent, and is left out",
        ),
        (
            |iso| iso.rows[0].swap(1, 2),
            "path-table",
            Some(TABLES),
            "type L path table of the primary volume descriptor: it lacks DEEP at block 31",
        ),
        (
            |iso| iso.rows[0][2].0 = b"SUQ".into(),
            "path-table",
            Some(TABLES + 1),
            "type M path table of the primary volume descriptor: it lacks SUB at block 24",
        ),
        (
            |iso| iso.rows[0][2].0 = b"SUQ".into(),
            "path-table",
            Some(TABLES),
            "type L path table of the primary volume descriptor: it has, and no directory is, SUQ at block 24",
        ),
        (
            |iso| iso.rows[1][1].0.clear(),
            "path-table",
            Some(TABLES + 2),
            "type L path table of the Joliet volume descriptor: row 2 is cut off, or empty",
        ),
        (
            |iso| iso.descriptors[0][144] = 25,
            "path-table",
            Some(25),
            "optional type L path table of the primary volume descriptor: it lacks the root at block 23",
        ),
        (
            |iso| iso.descriptors[0][141] = 9,
            "path-table-beyond-image",
            Some(16),
            "type L path table of the primary volume descriptor: its 50 bytes at 4757504 are not within the image",
        ),
        (
            |iso| iso.add(record(b"Z.;1", FILE, 7, 0, &[px(REGULAR), nm("z")].concat())),
            "extent-overlap",
            Some(FILE),
            "/a.txt and /z overlap",
        ),
        (
            |iso| iso.add(record(b"Z.;1", 16, 7, 0, &[px(REGULAR), nm("z")].concat())),
            "structure-overlap",
            Some(16),
            "/z and the volume descriptors overlap",
        ),
        (
            |iso| iso.add(record(b"Z.;1", SUB, 7, 0, &[px(REGULAR), nm("z")].concat())),
            "structure-overlap",
            Some(SUB),
            "/z and directory /Sub overlap",
        ),
        (
            |iso| iso.add(record(b"Z.;1", TABLES, 3000, 0, &[px(REGULAR), nm("z")].concat())),
            "structure-overlap",
            Some(TABLES),
            "a path table and /z overlap",
        ),
        (
            |iso| iso.record(JOLIET_ROOT, 2)[36] = b'/',
            "name",
            Some(JOLIET_ROOT),
            "/: a/txt: its name has a slash in it; it is left out",
        ),
    ]);
}

#[test]
fn faults_of_system_use_entries() {
    each_is_told(&[
        (
            |iso| iso.record(ROOT, 0)[38] = 0,
            "susp-indicator",
            Some(ROOT),
            "/: .: its system use indicator (SP) is damaged",
        ),
        (
            |iso| iso.record(ROOT, 0).drain(34..41).for_each(drop),
            "susp-indicator",
            Some(ROOT),
            "/: .: there is Rock Ridge, but no system use indicator (SP)",
        ),
        (
            |iso| iso.others.get_mut(&CONTINUATION).unwrap()[8] = b'X',
            "rock-ridge-unannounced",
            Some(ROOT),
            "/: .: there is Rock Ridge, but no extension reference (ER) for it",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), entry(b"QQ", &[])])),
            "susp-unknown",
            Some(ROOT),
            "/: Z.;1: its system use entry QQ is unknown",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), b"RE\x04\x02".into()])),
            "susp-version",
            Some(ROOT),
            "/: Z.;1: its system use entry RE has version 2",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), b"RE\x03\x01".into()])),
            "susp-length",
            Some(ROOT),
            "/: Z.;1: its system use entry RE has a length of 3",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), vec![0; 8]])),
            "susp-padding",
            Some(ROOT),
            "/: Z.;1: there are zeros behind its system use entries",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), b"xy".into()])),
            "susp-padding",
            Some(ROOT),
            "/: Z.;1: there are bytes behind its system use entries",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), ce(99, 0, 9)])),
            "continuation",
            Some(ROOT),
            "/: Z.;1: its continuation of 9 bytes at offset 0 of block 99 cannot be",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), ce(25, 2048, 9)])),
            "continuation",
            Some(ROOT),
            "/: Z.;1: its continuation of 9 bytes at offset 2048 of block 25 cannot be",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), ce(25, 0, 1 << 20)])),
            "continuation",
            Some(ROOT),
            "/: Z.;1: its continuation of 1048576 bytes at offset 0 of block 25 cannot be",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), ce(30, 2000, 100)])),
            "continuation-crosses",
            Some(ROOT),
            "/: Z.;1: its continuation of 100 bytes crosses into another block, which Linux does not read",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), ce(25, 0, 18), ce(25, 0, 18)])),
            "continuation",
            Some(ROOT),
            "/: Z.;1: one area has two continuations (CE)",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), entry(b"CE", &[0; 20])])),
            "susp-length",
            Some(ROOT),
            "/: Z.;1: its CE has 24 bytes, not 28",
        ),
        (
            |iso| {
                iso.add(file(&[px(REGULAR), nm("z"), ce(CONTINUATION, 100, 28)]));
                let er = iso.others[&CONTINUATION].clone();
                iso.others.insert(
                    CONTINUATION,
                    [er.clone(), vec![0; 100 - er.len()], ce(CONTINUATION, 100, 28)].concat(),
                );
            },
            "continuation-loop",
            Some(CONTINUATION),
            "/: Z.;1: it has more than 32 continuation areas",
        ),
    ]);
}

#[test]
fn faults_of_rock_ridge() {
    each_is_told(&[
        (
            |iso| iso.add(file(&[nm("z")])),
            "no-attributes",
            Some(ROOT),
            "/: Z.;1: it has no mode and no owner (PX)",
        ),
        (
            |iso| iso.add(file(&[entry(b"PX", &[0; 24]), nm("z")])),
            "susp-length",
            Some(ROOT),
            "/: Z.;1: its PX has 28 bytes, not 44",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), entry(b"TF", &[3; 8])])),
            "susp-length",
            Some(ROOT),
            "/: Z.;1: its TF has 12 bytes, not 19",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), entry(b"ZF", b"xx\x04\x0f\0\0\0\0\0\0\0\0")])),
            "compression-unknown",
            Some(ROOT),
            "/: Z.;1: it is compressed in an unknown way",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), entry(b"SF", &[0; 17])])),
            "sparse-file",
            Some(ROOT),
            "/: Z.;1: it is sparse (SF), which no system reads; it is left out",
        ),
        (
            |iso| iso.add(file(&[px(0o040_755), nm("z")])),
            "mode-type",
            Some(ROOT),
            "/: Z.;1: it is a file, but has the type 40000 in its mode",
        ),
        (
            |iso| set(iso.record(ROOT, 6), 34 + 2 + 4, &both32(0o100_755)),
            "mode-type",
            Some(ROOT),
            "/: SUB: it is a directory, but has the type 100000 in its mode",
        ),
        (
            |iso| set(iso.record(SUB, 0), 34 + 4, &both32(0o040_700)),
            "attributes-differ",
            Some(SUB),
            "/Sub: .: mode 40700 and owner 1000:100, where its parent has 40755 and 1000:100",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), nm("y")])),
            "name-continued",
            Some(ROOT),
            "/: Z.;1: it has a further name (NM)",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), entry(b"NM", b"\x01z")])),
            "name-continued",
            Some(ROOT),
            "/: Z.;1: the end of its name is missing",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), entry(b"NM", b"\x40z")])),
            "name-flags",
            Some(ROOT),
            "/: Z.;1: its name's flags 0x40 mean nothing",
        ),
        (
            |iso| {
                let part = |length: usize| entry(b"NM", &[&[1], vec![b'z'; length].as_slice()].concat());
                iso.add(file(&[px(REGULAR), part(50), ce(LENGTH, 0, 306)]));
                iso.others.insert(LENGTH, [part(149), part(147)].concat());
            },
            "name-length",
            Some(LENGTH),
            "/: Z.;1: its name is 346 bytes long, which is more than 255",
        ),
        (
            |iso| iso.add(file(&[px(0o120_777), nm("z")])),
            "link-target",
            Some(ROOT),
            "/: Z.;1: it is a link without target (SL), and left out",
        ),
        (
            |iso| iso.add(file(&[px(0o120_777), nm("z"), entry(b"SL", &[0])])),
            "link-target",
            Some(ROOT),
            "/: Z.;1: its link's target has 0 bytes, or a NUL in it",
        ),
        (
            |iso| iso.add(file(&[px(REGULAR), nm("z"), sl("a")])),
            "link-type",
            Some(ROOT),
            "/: Z.;1: it has a link's target (SL), but is none by its mode",
        ),
        (
            |iso| iso.add(file(&[px(0o120_777), nm("z"), sl("a"), sl("b")])),
            "link-continued",
            Some(ROOT),
            "/: Z.;1: it has a further link (SL)",
        ),
        (
            |iso| iso.add(file(&[px(0o120_777), nm("z"), entry(b"SL", b"\x01\x00\x01a")])),
            "link-continued",
            Some(ROOT),
            "/: Z.;1: the end of its link is missing",
        ),
        (
            |iso| iso.add(file(&[px(0o120_777), nm("z"), entry(b"SL", b"\x02\x00\x01a")])),
            "link-flags",
            Some(ROOT),
            "/: Z.;1: its link's flags 0x02 mean nothing",
        ),
        (
            |iso| iso.add(file(&[px(0o120_777), nm("z"), entry(b"SL", b"\x00\x00\x09a")])),
            "link-component",
            Some(ROOT),
            "/: Z.;1: a component of its link is cut off",
        ),
        (
            |iso| iso.add(file(&[px(0o120_777), nm("z"), entry(b"SL", b"\x00\x10\x01a")])),
            "link-component",
            Some(ROOT),
            "/: Z.;1: a component of its link has the flags 0x10 and 1 bytes",
        ),
    ]);
}

#[test]
fn faults_of_moved_directories() {
    each_is_told(&[
        (
            |iso| set(iso.record(ROOT, 3), 34 + 6 + 4, &both32(FILE)),
            "moved-missing",
            Some(ROOT),
            "/: DEEP.;1: its directory, at block 28, is none",
        ),
        (
            |iso| set(iso.record(ROOT, 3), 34 + 6 + 4, &both32(SUB)),
            "moved-missing",
            Some(ROOT),
            "/deep: its directory, at block 24, was not moved anywhere (RE)",
        ),
        (
            |iso| set(iso.record(MOVED, 1), 34 + 36 + 4, &both32(SUB)),
            "moved-parent",
            Some(MOVED),
            "/deep: ..: a moved directory's parent (PL) is not at block 23",
        ),
        (
            |iso| set(iso.record(MOVED, 1), 2, &both32(SUB)),
            "moved-parent",
            Some(ROOT),
            "/deep: its directory is at block 31, and its own `..` leads to another than block 30",
        ),
        (
            |iso| drop(iso.directories.get_mut(&ROOT).unwrap().remove(3)),
            "moved-orphan",
            Some(KEEPER),
            "/: RR_MOVED: DEEP: it was moved here (RE), and no directory has it (CL)",
        ),
        (
            |iso| iso.directories.get_mut(&KEEPER).unwrap().push(file(&[px(REGULAR), nm("z")])),
            "moved-stranger",
            Some(KEEPER),
            "/: RR_MOVED: Z.;1: it is among moved directories, but was not moved; it is left out",
        ),
    ]);
}

#[test]
fn too_many_entries_end_the_reading() {
    let mut iso = Iso::plain();
    let (at, sectors) = (LENGTH, 200_001_u32.div_ceil(51));
    let length = sectors * 2048;
    let mut records =
        vec![record(&[0], at, length, DIRECTORY, &[]), record(&[1], ROOT, 2048, DIRECTORY, &[])];
    records.extend((0..200_010).map(|number| record(format!("F{number:06}").as_bytes(), 0, 0, 0, &[])));
    iso.directories.insert(at, records);
    iso.others.insert(at + sectors, vec![0; SECTOR]);
    iso.add(record(b"Z", at, length, DIRECTORY, &[]));
    iso.descriptors[0][80..88].copy_from_slice(&both32(at + sectors));
    let (volume, findings) = read(&iso.bytes());
    let messages: Vec<_> =
        findings.list().iter().map(|finding| (finding.code, finding.message.as_str())).collect();
    assert_eq!(messages, [("too-much", "the volume has more than 200000 entries; the rest is left out")]);
    assert!(volume.unwrap().tree.entries.len() > 199_990);
}

#[test]
fn a_chain_of_directories_ends_where_paths_are_too_long() {
    let mut iso = Iso::plain();
    iso.rows[0].clear();
    let name = [b'D'; 100];
    let first = LENGTH;
    for at in first..first + 60 {
        let parent = if at == first { ROOT } else { at - 1 };
        iso.directories.insert(
            at,
            vec![
                record(&[0], at, 2048, DIRECTORY, &[]),
                record(&[1], parent, 2048, DIRECTORY, &[]),
                record(&name, at + 1, 2048, DIRECTORY, &[]),
            ],
        );
    }
    iso.add(record(&name, first, 2048, DIRECTORY, &[]));
    iso.descriptors[0][80..88].copy_from_slice(&both32(first + 60));
    let (volume, findings) = read(&iso.bytes());
    let text = format!("{}: its path has 4141 bytes, more than 4096; it is left out", "D".repeat(100));
    assert!(
        findings
            .list()
            .iter()
            .any(|finding| finding.code == "path-length" && finding.message.ends_with(&text)),
        "{findings:?}"
    );
    assert_eq!(volume.unwrap().tree.entries.keys().map(String::len).max(), Some(4040));
}

#[test]
fn messages_cannot_tell_a_terminal_what_to_do() {
    let mut iso = Iso::small();
    iso.add(record(b"\x1b[2J;1", 99, 6, 0, &[px(REGULAR), nm("\u{1b}[31m")].concat()));
    iso.add(record(b"\x1b[2K;1", 99, 6, 0, &[px(REGULAR), nm("\u{1b}[31m")].concat()));
    iso.record(ROOT, 6)[34 + 2 + 36 + 5] = 0x1b;
    set(iso.record(SUB, 2), 2, &both32(77));
    let (_, findings) = read(&iso.bytes());
    assert!(findings.list().len() == 3, "{findings:?}");
    assert!(findings.list().iter().all(|finding| !finding.message.contains('\x1b')), "{findings:?}");
}

#[test]
fn a_joliet_name_may_be_anything_that_utf_16_can_say() {
    let mut iso = Iso::small();
    let records = iso.directories.get_mut(&JOLIET_ROOT).unwrap();
    records.push(record(&wide("日本 𝄞;1"), FILE, 6, 0, &[]));
    let volume = sound(&iso);
    assert!(volume.joliet.unwrap().tree.get("/日本 𝄞").is_some());
}
