//! The reader of ISO 9660 over images that xorriso and genisoimage make, in all their variants: the tree is the
//! one that xorriso reads, entry by entry, and there is nothing to find.

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use airshipctl::iso::volume::{self, Entry, Kind, Tree, Volume};
use airshipctl::iso::{Findings, Image};

/// Runs a program that `scripts/setup.sh test` installs; its output.
fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let ran = Command::new(program)
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} is installed by scripts/setup.sh test: {error}"));
    let output = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    output
}

/// Something of everything: depth, links, long and foreign names, modes.
fn tree(directory: &Path) -> PathBuf {
    let tree = directory.join("tree");
    let deep = tree.join("d1/d2/d3/d4/d5/d6/d7/d8/d9/d10");
    fs::create_dir_all(&deep).unwrap();
    fs::create_dir_all(tree.join("many")).unwrap();
    for (path, content) in [
        ("a.txt", "hello\n".to_owned()),
        ("empty", String::new()),
        ("UPPER.Case.tar.gz", "x".repeat(5000)),
        ("it's a \"name\" of; words", "x".into()),
        ("größe-日本", "x".into()),
        ("d1/d2/d3/d4/d5/d6/d7/d8/d9/d10/deep", "deep".into()),
        ("d1/run", "#!/bin/sh\n".into()),
    ] {
        fs::write(tree.join(path), content).unwrap();
    }
    fs::write(tree.join("n".repeat(250)), "long").unwrap();
    (0..150).for_each(|number| fs::write(tree.join(format!("many/file-number-{number}")), [number]).unwrap());
    for (link, target) in [("link", "../a.txt"), ("d1/absolute", "/b c/./'d"), ("many/root", "/")] {
        symlink(target, tree.join(link)).unwrap();
    }
    symlink("t/".repeat(400), tree.join("long-link")).unwrap();
    run(&tree, "mkfifo", &["fifo"]);
    fs::set_permissions(tree.join("d1/run"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(tree.join("many"), fs::Permissions::from_mode(0o1777)).unwrap();
    tree
}

fn read(path: &Path) -> (Volume, Findings) {
    let mut findings = Findings::default();
    let image = Image::new(File::open(path).unwrap()).unwrap();
    (volume::read(&image, &mut findings).unwrap().expect("it is an ISO 9660 image"), findings)
}

/// A line for an entry, as far as the other program tells of it: path, kind and mode, owner, size and target.
type Lines = BTreeMap<String, (String, String)>;

fn ours(tree: &Tree) -> Lines {
    tree.entries.iter().map(|(path, entry)| (path.clone(), (attributes(entry), layout(entry)))).collect()
}

fn attributes(entry: &Entry) -> String {
    let (kind, size, target) = match &entry.kind {
        Kind::File => ('-', entry.size(), String::new()),
        Kind::Directory => ('d', 0, String::new()),
        Kind::Link(target) => ('l', 0, format!(" -> {target}")),
        Kind::Special => ('p', 0, String::new()),
    };
    let owner =
        entry.mode.map(|mode| format!("{} {} {} ", letters(mode), entry.uid.unwrap(), entry.gid.unwrap()));
    format!("{kind}{}{size}{target}", owner.unwrap_or_default())
}

/// As `ls -l` has them.
fn letters(mode: u32) -> String {
    let bit = |shift: u32, letter: char| if mode >> shift & 1 == 1 { letter } else { '-' };
    let special =
        |shift: u32, flag: u32, (with, without): (char, char)| match (mode >> flag & 1, mode >> shift & 1) {
            (1, 1) => with,
            (1, _) => without,
            _ => bit(shift, 'x'),
        };
    [
        bit(8, 'r'),
        bit(7, 'w'),
        special(6, 11, ('s', 'S')),
        bit(5, 'r'),
        bit(4, 'w'),
        special(3, 10, ('s', 'S')),
        bit(2, 'r'),
        bit(1, 'w'),
        special(0, 9, ('t', 'T')),
    ]
    .into_iter()
    .collect()
}

/// Where contents are: block and bytes of each extent.
fn layout(entry: &Entry) -> String {
    let extents = entry.extents.iter().filter(|_| entry.kind == Kind::File);
    extents.map(|extent| format!("{}+{} ", extent.offset / 2048, extent.length)).collect()
}

/// The same as xorriso reports it. `names`: from which of an image's trees.
fn xorriso(image: &Path, names: &str) -> Lines {
    let find = |action: &str| {
        let arguments =
            ["-read_fs", names, "-indev", image.to_str().unwrap(), "-find", "/", "-exec", action, "--"];
        run(Path::new("/"), "xorriso", &arguments)
    };
    let mut lines = Lines::new();
    for line in find("lsdl").lines() {
        let (head, quoted) = line.split_once(" '").unwrap();
        let words: Vec<_> = head.split_whitespace().collect();
        let mut names = unquoted(quoted);
        let target = if names.len() == 2 { format!(" -> {}", names.remove(1)) } else { String::new() };
        let attributes = match names_modes(words[0]) {
            Some((kind, mode)) => format!("{kind}{mode} {} {} {}{target}", words[2], words[3], words[4]),
            None => panic!("{line}"),
        };
        // the boot catalog, which xorriso makes anew and tells no place of
        if !line.starts_with('e') {
            lines.insert(names.remove(0), (attributes, String::new()));
        }
    }
    let mut rest: BTreeMap<String, u64> = BTreeMap::new();
    for line in find("report_lba").lines().filter_map(|line| line.strip_prefix("File data lba:")) {
        let fields: Vec<_> = line.splitn(5, ',').map(str::trim).collect();
        let path = unquoted(&fields[4][1..]).remove(0);
        let number = |field: usize| fields[field].parse::<u64>().unwrap();
        let left = rest.entry(path.clone()).or_insert(number(3));
        let length = (number(2) * 2048).min(*left);
        *left -= length;
        if length > 0 {
            lines.get_mut(&path).unwrap().1 += &format!("{}+{length} ", number(1));
        }
    }
    lines
}

/// `drwxr-xr-x` in two; xorriso has `+` behind it where there is an access control list.
fn names_modes(word: &str) -> Option<(char, &str)> {
    let kind = word.chars().next()?;
    Some((kind, word.get(1..10)?))
}

/// What a shell makes of words in single quotes, the first of which is opened already: a path, or `path' -> 'target`.
fn unquoted(quoted: &str) -> Vec<String> {
    let text = quoted.trim_end().strip_suffix('\'').unwrap().replace("'\"'\"'", "\0");
    text.split("' -> '").map(|part| part.replace('\0', "'")).collect()
}

fn without_owners(lines: Lines) -> Lines {
    let bare = |attributes: &str| {
        let kind = &attributes[..1];
        let size = attributes.split(' ').nth(3).unwrap_or(&attributes[1..]);
        format!("{kind}{size}")
    };
    lines.into_iter().map(|(path, (attributes, layout))| (path, (bare(&attributes), layout))).collect()
}

#[track_caller]
fn same(form: &str, ours: &Lines, theirs: &Lines) {
    let differ: Vec<_> = ours
        .keys()
        .chain(theirs.keys())
        .filter(|path| ours.get(*path) != theirs.get(*path))
        .map(|path| format!("{path}: {:?}, of xorriso {:?}", ours.get(path), theirs.get(path)))
        .take(10)
        .collect();
    assert!(differ.is_empty(), "{form}:\n{}", differ.join("\n"));
}

#[track_caller]
fn nothing_to_find(form: &str, findings: &Findings) {
    assert!(findings.list().is_empty(), "{form}: {:#?}", findings.list());
}

const ROCK_RIDGE: &[(&str, &[&str])] = &[
    ("modes for all", &["-r"]),
    ("modes as they are", &["-R"]),
    ("level 1", &["-r", "-iso-level", "1"]),
    ("level 2", &["-R", "-iso-level", "2"]),
    ("level 3", &["-R", "-iso-level", "3"]),
    ("level 4", &["-R", "-iso-level", "4"]),
    ("names as they are", &["-R", "-U"]),
    ("deep directories moved", &["-R", "-rr_reloc_dir", "/rr_moved"]),
    ("deep directories moved to the root", &["-R", "-rr_reloc_dir", "/"]),
    ("deep directories moved to a hidden one", &["-R", "-rr_reloc_dir", "/.rr_moved", "-iso-level", "2"]),
    ("no padding", &["-R", "-no-pad"]),
    ("one partition from 16 on", &["-R", "-J", "-joliet-long", "-partition_offset", "16"]),
    ("grafts", &["-R", "-graft-points", "/x/y=tree/a.txt", "/z=tree/a.txt"]),
    ("a partition behind it", &["-R", "-J", "-joliet-long", "-append_partition", "2", "0xef", "tree/a.txt"]),
    (
        "El Torito",
        &["-R", "-J", "-b", "UPPER.Case.tar.gz", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"],
    ),
    ("checksums and attributes", &["-R", "--md5", "--for_backup"]),
    ("both trees", &["-R", "-J"]),
    ("both trees, long names", &["-R", "-J", "-joliet-long"]),
    ("one hidden from Joliet", &["-R", "-J", "-joliet-long", "-hide-joliet", "tree/many"]),
];

#[test]
fn rock_ridge_is_read_as_xorriso_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    tree(directory.path());
    let path = directory.path().join("x.iso");
    for (form, options) in ROCK_RIDGE {
        let arguments =
            [&["-as", "mkisofs", "-quiet", "-V", "LABEL", "-o", "x.iso"], *options, &["tree"]].concat();
        run(directory.path(), "xorriso", &arguments);
        let (volume, findings) = read(&path);
        nothing_to_find(form, &findings);
        assert!(volume.rock_ridge && volume.about.label == "LABEL", "{form}");
        let (mut mine, theirs) = (ours(&volume.tree), xorriso(&path, "any"));
        mine.remove("/boot.catalog");
        same(form, &mine, &theirs);
        assert_eq!(volume.joliet.is_some(), options.contains(&"-J"), "{form}");
        if let Some(joliet) = volume.joliet {
            let mut mine = ours(&joliet.tree);
            mine.remove("/boot.catalog");
            same(form, &without_owners(mine), &without_owners(xorriso(&path, "norock")));
        }
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn what_genisoimage_makes_is_read_too() {
    let directory = tempfile::tempdir().unwrap();
    // it cuts off what is longer than one entry of Rock Ridge can be
    fs::remove_file(tree(directory.path()).join("long-link")).unwrap();
    let path = directory.path().join("g.iso");
    for (form, options) in [
        ("modes for all", ["-r"].as_slice()),
        ("both trees", &["-R", "-J", "-joliet-long"]),
        ("deep directories moved and hidden", &["-R", "-hide-rr-moved"]),
        ("deep directories where they are", &["-R", "-D"]),
    ] {
        let arguments = [&["-quiet", "-input-charset", "utf-8", "-o", "g.iso"], options, &["tree"]].concat();
        run(directory.path(), "genisoimage", &arguments);
        let (volume, findings) = read(&path);
        nothing_to_find(form, &findings);
        let mut theirs = xorriso(&path, "any");
        // Linux does not show it where it is hidden, and neither do we
        if !volume.tree.entries.contains_key("/rr_moved") {
            theirs.remove("/rr_moved");
        }
        same(form, &ours(&volume.tree), &theirs);
        fs::remove_file(&path).unwrap();
    }
}

/// Paths as `isoinfo` lists them.
fn isoinfo(image: &Path, options: &[&str]) -> Vec<String> {
    let arguments = [options, &["-f", "-i", image.to_str().unwrap()]].concat();
    let mut paths: Vec<_> = run(Path::new("/"), "isoinfo", &arguments).lines().map(str::to_owned).collect();
    paths.push("/".into());
    paths.sort();
    paths
}

#[test]
fn plain_names_are_those_of_isoinfo_in_lower_case() {
    let directory = tempfile::tempdir().unwrap();
    tree(directory.path());
    let path = directory.path().join("x.iso");
    for (form, options) in [
        ("level 1", ["-iso-level", "1"].as_slice()),
        ("level 2", &["-iso-level", "2"]),
        ("level 3", &["-iso-level", "3"]),
        ("long names", &["-l", "-D"]),
        ("versions left out", &["-N", "-d"]),
    ] {
        let arguments = [&["-as", "mkisofs", "-quiet", "-R", "-o", "x.iso"], options, &["tree"]].concat();
        // xorriso always adds Rock Ridge by itself
        let arguments: Vec<_> = arguments
            .into_iter()
            .map(|argument| if argument == "-R" { "--norock" } else { argument })
            .collect();
        run(directory.path(), "xorriso", &arguments);
        let (volume, findings) = read(&path);
        nothing_to_find(form, &findings);
        assert!(!volume.rock_ridge, "{form}");
        let mapped = |path: &String| {
            let path = path.to_lowercase();
            path.strip_suffix(";1")
                .map_or(path.clone(), |path| path.strip_suffix('.').unwrap_or(path).to_owned())
        };
        let theirs: Vec<_> = isoinfo(&path, &[]).iter().map(mapped).collect();
        let mut ours: Vec<_> = volume.tree.entries.keys().cloned().collect();
        ours.sort();
        let mut theirs = theirs;
        theirs.sort();
        assert_eq!(ours, theirs, "{form}");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn paths_are_those_of_isoinfo() {
    let directory = tempfile::tempdir().unwrap();
    tree(directory.path());
    let path = directory.path().join("x.iso");
    run(directory.path(), "xorriso", &["-as", "mkisofs", "-quiet", "-R", "-J", "-o", "x.iso", "tree"]);
    let (volume, _) = read(&path);
    assert_eq!(volume.tree.entries.keys().cloned().collect::<Vec<_>>(), isoinfo(&path, &["-R"]));
}

#[test]
fn a_file_of_more_than_4_gib_has_several_extents() {
    let directory = tempfile::tempdir().unwrap();
    let size = (4 << 30) + 12_345_u64;
    fs::create_dir(directory.path().join("tree")).unwrap();
    File::create(directory.path().join("tree/big")).unwrap().set_len(size).unwrap();
    fs::write(directory.path().join("tree/small"), "x").unwrap();
    // the image is of zeros but for its structures: written through cp, it takes no room
    let command = "xorriso -as mkisofs -quiet -R -J -iso-level 3 tree | cp --sparse=always /dev/stdin x.iso";
    run(directory.path(), "bash", &["-o", "pipefail", "-c", command]);
    let path = directory.path().join("x.iso");
    let (volume, findings) = read(&path);
    nothing_to_find("big", &findings);
    let big = volume.tree.get("/big").unwrap();
    assert!(big.extents.len() > 1 && big.size() == size, "{big:?}");
    same("big", &ours(&volume.tree), &xorriso(&path, "any"));
    assert_eq!(volume.joliet.unwrap().tree.get("/big").unwrap().extents, big.extents);
}

#[test]
fn compressed_files_have_the_size_of_what_is_in_them() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("tree")).unwrap();
    fs::write(directory.path().join("tree/zeros"), vec![0; 300_000]).unwrap();
    let arguments =
        ["-outdev", "x.iso", "-map", "tree", "/", "-set_filter_r", "--zisofs", "/", "--", "-commit"];
    run(directory.path(), "xorriso", &arguments);
    let (volume, findings) = read(&directory.path().join("x.iso"));
    nothing_to_find("zisofs", &findings);
    let file = volume.tree.get("/zeros").unwrap();
    assert_eq!((file.size(), file.uncompressed), (300_000, Some(300_000)));
    assert!(file.extents[0].length < 10_000);
}

#[test]
fn a_second_session_shows_what_it_added() {
    let directory = tempfile::tempdir().unwrap();
    tree(directory.path());
    run(directory.path(), "xorriso", &["-as", "mkisofs", "-quiet", "-R", "-o", "x.iso", "tree"]);
    run(
        directory.path(),
        "xorriso",
        &["-dev", "x.iso", "-map", "tree/a.txt", "/added", "-rm", "/empty", "--", "-commit"],
    );
    let path = directory.path().join("x.iso");
    let (volume, findings) = read(&path);
    nothing_to_find("two sessions", &findings);
    assert!(volume.tree.get("/added").is_some() && volume.tree.get("/empty").is_none());
    same("two sessions", &ours(&volume.tree), &xorriso(&path, "any"));
}
