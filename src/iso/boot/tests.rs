//! What the tests of all structures share: images made of bytes, and their findings.

use std::io::Write;

use super::*;
use crate::iso::finding::Severity;

pub(super) fn image(bytes: &[u8]) -> Image {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Image::new(file).unwrap()
}

pub(super) fn codes(findings: &Findings) -> Vec<&'static str> {
    findings.list().iter().map(|finding| finding.code).collect()
}

/// That there is a finding of this severity and code, which says this and where.
#[track_caller]
pub(super) fn has(findings: &Findings, severity: Severity, code: &str, part: &str) {
    let all = findings.list();
    let found = all.iter().find(|finding| finding.code == code && finding.message.contains(part));
    let found = found.unwrap_or_else(|| panic!("no {code} with {part:?} in {all:#?}"));
    assert_eq!(found.severity, severity, "{found:?}");
}

pub(super) fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}

#[test]
fn an_image_without_boot_records_has_neither_entries_nor_findings() {
    for bytes in [vec![], vec![0; 100], vec![0; 100_000], b"text".repeat(20_000)] {
        let mut findings = Findings::default();
        let boot = read(&image(&bytes), None, &mut findings).unwrap();
        assert!(boot.entries.is_empty() && boot.partitions.is_empty() && boot.menu.is_empty());
        assert_eq!(codes(&findings), [] as [&str; 0]);
    }
}

#[test]
fn contents_are_read_across_extents_and_end_with_them() {
    let image = image(b"0123456789");
    let extents = [Extent { offset: 8, length: 2 }, Extent { offset: 0, length: 3 }];
    assert_eq!(contents(&image, &extents, 0, 100).unwrap(), b"89012");
    assert_eq!(contents(&image, &extents, 1, 3).unwrap(), b"901");
    assert_eq!(contents(&image, &extents, 3, 1).unwrap(), b"1");
    assert_eq!(contents(&image, &extents, 9, 1).unwrap(), b"");
    let outside = [Extent { offset: u64::MAX, length: u64::MAX }, Extent { offset: 9, length: 5 }];
    assert_eq!(contents(&image, &outside, 0, 8).unwrap(), b"");
}
