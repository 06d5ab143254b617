//! Images that are damaged, cut off or made to be a burden.

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::common::bootable;
use super::common::site::{stderr, stdout};
use super::made::medium;
use super::{codes, document, iso};

/// Far more than any of it takes, far less than for ever.
const LONGEST: Duration = Duration::from_secs(20);

#[test]
fn a_truncated_image_is_never_good() {
    let medium = medium();
    let whole = medium.read("site.iso");
    let file = fs::OpenOptions::new().write(true).open(medium.path().join("site.iso")).unwrap();
    let ends = [whole.len() - 2048 * 151, 65536, 40_000, 34_816, 34_000, 32_800, 32_768, 600, 1, 0];
    for length in ends {
        file.set_len(length as u64).unwrap();
        for command in ["inspect", "verify"] {
            let began = Instant::now();
            let output = iso(medium.path(), &[command, "site.iso"]);
            let code = output.status.code();
            let is_right = if command == "verify" { code == Some(7) } else { matches!(code, Some(0 | 7)) };
            assert!(
                is_right,
                "{command} of {length} bytes: {code:?}: {}{}",
                stdout(&output),
                stderr(&output)
            );
            assert!(began.elapsed() < LONGEST);
        }
    }
}

/// The smallest image, with a directory that is the root again.
pub fn looping() -> Vec<u8> {
    let mut image = bootable::smallest();
    let root = 21 * 2048;
    let mut record = image[root..root + 34].to_vec();
    record[33] = b'A';
    image[root + 68..root + 102].copy_from_slice(&record);
    image
}

#[test]
fn a_directory_in_itself_is_found_and_not_followed_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("loop.iso"), looping()).unwrap();
    let began = Instant::now();
    let it = document(directory.path(), &["verify", "loop.iso"], 7);
    assert!(codes(&it).contains(&"directory-loop"), "{it}");
    document(directory.path(), &["inspect", "loop.iso"], 0);
    assert!(began.elapsed() < LONGEST);
}

#[test]
fn a_file_of_holes_is_not_summed_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.iso");
    fs::write(&path, bootable::smallest()).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(7 << 40).unwrap();
    let began = Instant::now();
    let it = document(directory.path(), &["inspect", "large.iso"], 0);
    assert!(it["sums"].is_null(), "{it}");
    assert!(began.elapsed() < LONGEST);
}

#[test]
fn a_label_does_not_steer_the_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("label.iso");
    fs::write(&path, bootable::smallest()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"\x1b[2J\x07", 16 * 2048 + 40).unwrap();
    let output = iso(directory.path(), &["inspect", "label.iso"]);
    assert!(!stdout(&output).contains(['\x1b', '\x07']), "{}", stdout(&output));
    assert!(!stderr(&output).contains(['\x1b', '\x07']), "{}", stderr(&output));
}

#[test]
fn bytes_changed_by_chance_are_no_trouble() {
    let medium = medium();
    let whole = medium.read("site.iso");
    let mut rng = super::common::fuzz::Rng::new(7);
    for _ in 0..60 {
        let mut bytes = whole.clone();
        for _ in 0..8 {
            let at = rng.below(bytes.len().min(200_000) - 32_768) + 32_768;
            bytes[at] = rng.below(256) as u8;
        }
        fs::write(medium.path().join("changed.iso"), bytes).unwrap();
        let began = Instant::now();
        let output = iso(medium.path(), &["diff", "site.iso", "changed.iso"]);
        assert!(matches!(output.status.code(), Some(0 | 7)), "{}", stderr(&output));
        assert!(began.elapsed() < LONGEST);
    }
}
