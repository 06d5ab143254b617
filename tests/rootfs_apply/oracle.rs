//! A realistic tree, archived by GNU tar in its three formats and unpacked by it and by us.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use airshipctl::image::digest::sha256_hex;
use oci_spec::image::MediaType;

use crate::support::*;

fn build(root: &Path) {
    let long = "a-name-that-is-longer-than-the-field-of-one-hundred-bytes-".repeat(2);
    for directory in 0..20 {
        let path =
            root.join(format!("usr/share/d{directory}/{}", if directory % 3 == 0 { &long } else { "sub" }));
        fs::create_dir_all(&path).unwrap();
        for file in 0..10_usize {
            let content = format!("{directory} {file}\n").repeat(file * file * 50 * (directory % 4));
            let file = path.join(format!("f{file}-ü"));
            fs::write(&file, content).unwrap();
            fs::set_permissions(
                &file,
                fs::Permissions::from_mode([0o644, 0o755, 0o4755, 0o400][directory % 4]),
            )
            .unwrap();
        }
        fs::hard_link(path.join("f1-ü"), root.join(format!("usr/hard{directory}"))).unwrap();
        symlink(format!("../share/d{directory}/{long}"), root.join(format!("usr/link{directory}"))).unwrap();
    }
    symlink("usr/share", root.join("share")).unwrap();
    fs::File::create(root.join("hole")).unwrap().set_len(3 << 20).unwrap();
    nix::unistd::mkfifo(&root.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    if keeps_owners() {
        for (name, id) in [("usr/hard1", 33), ("usr/share/d2", 42), ("usr/link3", 1000)] {
            std::os::unix::fs::lchown(root.join(name), Some(id), Some(id + 1)).unwrap();
        }
    }
    fs::set_permissions(root.join("usr/share/d5"), fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(root.join("usr/share/d6"), fs::Permissions::from_mode(0o1777)).unwrap();
}

/// Everything that can be known about each path.
fn listing(root: &Path, at: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        let m = path.symlink_metadata().unwrap();
        let content = match m.file_type() {
            kind if kind.is_file() => sha256_hex(&fs::read(&path).unwrap()),
            kind if kind.is_symlink() => fs::read_link(&path).unwrap().display().to_string(),
            _ => String::new(),
        };
        let links = if m.is_dir() { 0 } else { m.nlink() };
        let size = if m.is_dir() { 0 } else { m.len() };
        let name = path.strip_prefix(root).unwrap().display();
        lines.push(format!(
            "{name} {:o} {}:{} {size} {links} {}.{} {content}",
            m.mode(),
            m.uid(),
            m.gid(),
            m.mtime(),
            m.mtime_nsec()
        ));
        if m.is_dir() {
            listing(root, &path, lines);
        }
    }
}

fn sorted_listing(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    listing(root, root, &mut lines);
    lines.sort();
    lines
}

fn gnu_tar(arguments: &[&str]) {
    let output = Command::new("tar").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_realistic_tree_comes_out_as_gnu_tar_unpacks_it() {
    let site = Site::new();
    let source = site.home.path().join("source");
    fs::create_dir(&source).unwrap();
    build(&source);
    for format in ["gnu", "pax", "posix"] {
        let archive = site.home.path().join(format!("{format}.tar"));
        let theirs = site.home.path().join(format);
        fs::create_dir(&theirs).unwrap();
        let sparse = if format == "posix" { "--sparse-version=0.1" } else { "--sparse" };
        let options = ["--sparse", sparse, "--numeric-owner", "-C"];
        let create = [
            &["-c", "--format", format, "-f", archive.to_str().unwrap()][..],
            &options,
            &[source.to_str().unwrap(), "."],
        ];
        gnu_tar(&create.concat());
        gnu_tar(&["-xpf", archive.to_str().unwrap(), "--numeric-owner", "-C", theirs.to_str().unwrap()]);
        let tar = fs::read(&archive).unwrap();
        let layer = site.add_blob(&gzip(&tar), &tar, MediaType::ImageLayerGzip);
        let rootfs = site.unpack(&[layer]).unwrap();
        assert_eq!(sorted_listing(rootfs.path()), sorted_listing(&theirs), "in format {format}");
    }
}
