//! Boot images as a builder makes them, with the tool that builders use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use airshipctl::error::ErrorKind;
use airshipctl::iso::check_complete;

/// An ISO of a small tree, made by `xorriso -as mkisofs` with further options.
fn made(directory: &Path, name: &str, options: &[&str]) -> PathBuf {
    let tree = directory.join("tree");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("data"), vec![7; 300_000]).unwrap();
    fs::write(tree.join("boot.img"), [1; 2048]).unwrap();
    fs::write(directory.join("mbr"), [2; 432]).unwrap();
    fs::write(directory.join("efi.img"), vec![3; 1_440 * 1024]).unwrap();
    let made = Command::new("xorriso")
        .current_dir(directory)
        .args(["-as", "mkisofs", "-r", "-J", "-b", "boot.img", "-no-emul-boot", "-boot-load-size", "4"])
        .args(options)
        .args(["-o", name, "tree"])
        .output()
        .expect("xorriso is installed by scripts/setup.sh test");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    directory.join(name)
}

const FORMS: &[(&str, &[&str])] = &[
    ("padded", &[]),
    ("not padded", &["-no-pad"]),
    ("appended to an MBR", &["-no-pad", "--grub2-mbr", "mbr", "-append_partition", "2", "0xef", "efi.img"]),
    (
        "appended to a GPT",
        &[
            "-isohybrid-mbr",
            "mbr",
            "-append_partition",
            "2",
            "0xef",
            "efi.img",
            "-appended_part_as_gpt",
            "-partition_offset",
            "16",
        ],
    ),
];

#[test]
fn images_as_builders_make_them_are_whole_and_truncated_anywhere_are_not() {
    let directory = tempfile::tempdir().unwrap();
    for (form, options) in FORMS {
        let path = made(directory.path(), "site.iso", options);
        check_complete(&path).unwrap_or_else(|error| panic!("{form}: {error}"));
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let whole = file.metadata().unwrap().len();
        for length in [whole - 1, whole - 2048, whole / 2, 40_000, 32_768, 600, 0] {
            file.set_len(length).unwrap();
            let error = check_complete(&path).expect_err(form);
            assert_eq!(error.kind(), ErrorKind::Output);
            let part = if length >= 40_000 { "is truncated" } else { "image" };
            assert!(error.to_string().contains(part), "{form}, {length} bytes: {error}");
        }
        fs::remove_file(&path).unwrap();
    }
}
