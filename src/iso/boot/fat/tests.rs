//! Against mtools and dosfstools: what they make is read as they read it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::super::contents;
use super::super::tests::{codes, has, image, put};
use super::*;
use crate::iso::finding::Severity::{self, Error, Warning};
use crate::iso::volume::Kind;

fn run(directory: &Path, program: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(program);
    let ran = command.current_dir(directory).env("LC_ALL", "C.UTF-8").args(arguments).output();
    let ran = ran.expect("programs are installed by scripts/setup.sh test");
    assert!(ran.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

/// Made by `how` in a file of so many KiB, with long, short and fragmented files.
fn made(directory: &Path, kib: u64, how: &[&str]) -> Vec<u8> {
    let file = std::fs::File::create(directory.join("fat")).unwrap();
    file.set_len(kib << 10).unwrap();
    run(directory, how[0], &how[1..]);
    let write = |name: &str, length: usize| {
        let bytes: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
        std::fs::write(directory.join(name), bytes).unwrap();
    };
    let copy = |from: &str, to: &str| drop(run(directory, "mcopy", &["-i", "fat", from, to]));
    run(directory, "mmd", &["-i", "fat", "::/EFI", "::/EFI/BOOT", "::/lower"]);
    for (name, length) in [("a", 3000), ("b", 100_000), ("c", 0), ("d", 150_000)] {
        write(name, length);
    }
    copy("a", "::/EFI/BOOT/BOOTX64.EFI");
    copy("a", "::/gap");
    copy("b", "::/lower/a name with spaces, longer than two pieces.of text");
    run(directory, "mdel", &["-i", "fat", "::/gap"]);
    copy("c", "::/empty");
    copy("d", "::/lower/grün und lang.config");
    std::fs::read(directory.join("fat")).unwrap()
}

const KINDS: &[(u64, &[&str])] = &[
    (1440, &["mformat", "-i", "fat", "-f", "1440", "-v", "LABEL", "::"]),
    (4096, &["mkfs.fat", "-F", "12", "-n", "LABEL", "fat"]),
    (32768, &["mkfs.fat", "-F", "16", "-s", "2", "fat"]),
    (40960, &["mkfs.fat", "-F", "32", "-s", "1", "-n", "LABEL", "fat"]),
    (40960, &["mformat", "-i", "fat", "-F", "-c", "1", "-h", "64", "-s", "32", "-T", "81920", "::"]),
    (2880, &["mkfs.fat", "-S", "1024", "fat"]),
];

fn fat(bytes: &[u8]) -> (Result<Fat, NoFat>, Findings) {
    let mut findings = Findings::default();
    let place = Extent { offset: 0, length: bytes.len() as u64 };
    (read(&image(bytes), place, &mut findings).unwrap(), findings)
}

#[test]
fn every_kind_is_listed_and_read_as_mtools_does() {
    for (kib, how) in KINDS {
        let directory = tempfile::tempdir().unwrap();
        let bytes = made(directory.path(), *kib, how);
        let (fat, findings) = fat(&bytes);
        let fat = fat.unwrap();
        assert_eq!(codes(&findings), [] as [&str; 0], "{how:?}");
        assert_eq!(fat.extent.length, kib << 10, "{how:?}");
        let listed = run(directory.path(), "mdir", &["-/", "-b", "-i", "fat", "::"]);
        let listed = String::from_utf8(listed).unwrap();
        let listed: BTreeSet<_> = listed.lines().map(|line| line[2..].trim_end_matches('/')).collect();
        let ours: BTreeSet<_> =
            fat.tree.entries.keys().map(String::as_str).filter(|path| *path != "/").collect();
        assert_eq!(ours, listed, "{how:?}");
        let image = image(&bytes);
        for (path, entry) in fat.tree.entries.iter().filter(|(_, entry)| entry.kind == Kind::File) {
            let theirs = run(directory.path(), "mcopy", &["-i", "fat", &format!("::{path}"), "-"]);
            assert!(contents(&image, &entry.extents, 0, 1 << 20).unwrap() == theirs, "{how:?} {path}");
        }
    }
}

/// The floppy, changed, has this finding.
#[track_caller]
fn changed(change: impl Fn(&mut [u8]), severity: Severity, code: &str, part: &str) {
    let directory = tempfile::tempdir().unwrap();
    let mut bytes = made(directory.path(), KINDS[0].0, KINDS[0].1);
    change(&mut bytes);
    has(&fat(&bytes).1, severity, code, part);
}

/// In the floppy: the first table, the root directory, the first cluster.
const TABLE: usize = 512;
const ROOT: usize = 19 * 512;
const DATA: usize = 33 * 512;

/// Entries of FAT12 in both copies.
fn link(bytes: &mut [u8], cluster: usize, next: u16) {
    for table in [TABLE, TABLE + 9 * 512] {
        let at = table + cluster + cluster / 2;
        let [low, high] = next.to_le_bytes();
        let pair = match cluster & 1 {
            0 => [low, bytes[at + 1] & 0xf0 | high],
            _ => [bytes[at] & 0xf | low << 4, high << 4 | low >> 4],
        };
        put(bytes, at, &pair);
    }
}

#[test]
fn damaged_tables_are_named() {
    changed(|bytes| bytes[TABLE] = 0xf8, Error, "fat-media", "does not begin with its medium");
    changed(|bytes| bytes[TABLE + 9 * 512 + 40] ^= 1, Error, "fat-copies", "the copies of the FAT differ");
    // the first file is in 5 to 10: /EFI is 2, /EFI/BOOT 3, /lower 4
    changed(
        |bytes| link(bytes, 6, 5),
        Error,
        "fat-chain",
        "BOOTX64.EFI is damaged: cluster 5 belongs to two",
    );
    changed(|bytes| link(bytes, 6, 0), Error, "fat-chain", "cluster 6 belongs to it and is free");
    changed(|bytes| link(bytes, 6, 0xff0), Error, "fat-chain", "cluster 6 leads to none");
    changed(|bytes| link(bytes, 6, 0xfff), Error, "fat-file-size", "has 3000 bytes, its clusters 1024");
    changed(|bytes| link(bytes, 2500, 0xfff), Warning, "fat-lost-clusters", "1 clusters of the FAT belong");
}

#[test]
fn damaged_directories_are_named() {
    // after the label comes /EFI
    let efi = ROOT + 32;
    changed(|bytes| bytes[efi] = b'e', Error, "fat-directory", "a record that cannot be");
    changed(|bytes| bytes[efi + 11] = 0x90, Error, "fat-directory", "a record that cannot be");
    changed(|bytes| bytes[efi + 28] = 1, Error, "fat-directory-size", "directory /EFI has a size");
    changed(|bytes| bytes[efi + 26] = 0, Error, "fat-chain", "it begins with cluster 0, which there is not");
    changed(
        |bytes| bytes[efi + 26] = 3,
        Error,
        "fat-directory-start",
        "/EFI does not begin as directories do",
    );
    changed(
        |bytes| bytes[DATA] = b'X',
        Error,
        "fat-directory-start",
        "/EFI does not begin as directories do",
    );
    let lower = DATA + 2 * 512 + 64;
    changed(|bytes| bytes[lower] ^= 2, Error, "fat-long-name", "not whole, or not its file's");
    changed(|bytes| bytes[lower + 13] ^= 1, Error, "fat-long-name", "not whole");
}

#[test]
fn boot_sectors_that_cannot_be_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let whole = made(directory.path(), KINDS[0].0, KINDS[0].1);
    for (at, new, part) in [
        (0, 0_u8, "its first instruction"),
        (12, 3, "the size of its sectors"),
        (13, 3, "the size of its clusters"),
        (14, 0, "its number of reserved sectors"),
        (16, 3, "its number of tables"),
        (17, 1, "its number of entries"),
        (19, 0x41, "it is 1475072 bytes long, its place has 1474560"),
        (32, 1, "its number of sectors"),
        (22, 1, "the size of its tables"),
        (58, b'6', "its name"),
    ] {
        let mut bytes = whole.clone();
        bytes[at] = new;
        let (Err(NoFat::Impossible(reason)), _) = fat(&bytes) else { panic!("byte {at} is accepted") };
        assert!(reason.contains(part), "{at}: {reason}");
    }
    let mut other = whole.clone();
    other[510] = 0;
    assert_eq!(fat(&other).0.unwrap_err(), NoFat::Other);
    assert_eq!(fat(&whole[..100]).0.unwrap_err(), NoFat::Other);
}

#[test]
fn the_copy_of_a_boot_sector_is_compared() {
    let directory = tempfile::tempdir().unwrap();
    let mut bytes = made(directory.path(), KINDS[3].0, KINDS[3].1);
    bytes[6 * 512 + 44] ^= 1;
    has(&fat(&bytes).1, Error, "fat-backup", "the copy of the FAT's boot sector differs");
}

/// A file of the 32 MiB file system becomes a directory: what it holds are records then.
fn directory_of(contents: &[u8]) -> Findings {
    let directory = tempfile::tempdir().unwrap();
    made(directory.path(), KINDS[2].0, KINDS[2].1);
    std::fs::write(directory.path().join("big"), contents).unwrap();
    run(directory.path(), "mcopy", &["-i", "fat", "big", "::/BIG"]);
    let mut bytes = std::fs::read(directory.path().join("fat")).unwrap();
    let at = bytes.windows(11).position(|name| name == b"BIG        ").unwrap();
    bytes[at + 11] = 0x10;
    bytes[at + 28..at + 32].fill(0);
    fat(&bytes).1
}

#[test]
fn directories_without_end_are_not_followed() {
    let record = |number: &u32| [format!("A{number:07}   \x20").as_bytes(), &[0; 20]].concat();
    let records: Vec<Vec<u8>> = (0..20_000).map(|number| record(&number)).collect();
    let findings = directory_of(&records.concat());
    has(&findings, Warning, "fat-too-many", "more files than are looked at");
    let findings = directory_of(&[record(&1), record(&1)].concat());
    has(&findings, Error, "fat-duplicate", "the FAT has /BIG/A0000001 twice");
    let findings = directory_of(&vec![0; (2 << 20) + 1]);
    has(&findings, Error, "fat-directory-long", "the FAT's directory /BIG/ is longer than any may be");
}
