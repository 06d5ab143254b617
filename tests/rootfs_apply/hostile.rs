//! Layers that try to leave the root, or make no sense. `Site` watches the directory outside.

use crate::support::*;

#[test]
fn absolute_names_are_relative_to_the_root() {
    assert_eq!(tree([Tar::new().file("/abs", "1").file("//a/./b", "2")]), "a/\na/b = 2\nabs = 1");
}

#[test]
fn names_that_go_up_are_refused() {
    for name in ["../x", "a/../../x", "a/..", ".."] {
        refused_with([Tar::new().file(name, "1")], "`..`");
    }
}

#[test]
fn a_name_must_be_one_that_can_be() {
    let long = vec![b'n'; 256];
    let pax = |value: &[u8]| Entry { pax: vec![("path", value.to_vec())], ..of("x") };
    refused_with([Tar::new().entry(pax(&long))], "longer than 255 bytes");
    refused_with([Tar::new().entry(pax(b"a\0b"))], "NUL");
    refused_with([Tar::new().file("", "1")], "empty");
    refused_with([Tar::new().entry(pax("d/".repeat(3000).as_bytes()))], "name too long");
}

#[test]
fn a_symlinked_parent_leads_to_a_place_inside_the_root() {
    let site = Site::new();
    let victim = site.victim();
    let layer = Tar::new()
        .symlink("abs", victim.to_str().unwrap())
        .file("abs/f", "1")
        .symlink("rel", "../../../victim")
        .file("rel/g", "2")
        .symlink("up", "..")
        .file("up/h", "3");
    let rootfs = site.unpack(&[site.add(layer)]).unwrap();
    let inside = |path: &str| rootfs.path().join(path.trim_start_matches('/')).exists();
    assert!(inside(victim.join("f").to_str().unwrap()));
    assert!(inside("victim/g") && inside("h"));
}

#[test]
fn a_symlinked_parent_that_is_valid_inside_is_followed() {
    let layer = Tar::new().dir("usr/bin").symlink("bin", "/usr/bin").symlink("sbin", "usr/bin");
    let layer = layer.file("bin/a", "1").file("sbin/b", "2").symlink("via", "sbin/../bin").file("via/c", "3");
    let want = "bin -> /usr/bin\nsbin -> usr/bin\nusr/\nusr/bin/\nusr/bin/a = 1\nusr/bin/b = 2\nusr/bin/c = 3\nvia -> sbin/../bin";
    assert_eq!(tree([layer]), want);
}

#[test]
fn a_dangling_parent_is_made_where_the_symlink_points() {
    let layer = Tar::new().symlink("lib", "usr/lib").file("lib/x", "1");
    assert_eq!(tree([layer]), "lib -> usr/lib\nusr/\nusr/lib/\nusr/lib/x = 1");
}

#[test]
fn symlinks_in_a_circle_are_refused() {
    refused_with([Tar::new().symlink("a", "b").symlink("b", "a").file("a/x", "1")], "symbolic link");
    refused_with([Tar::new().symlink("a", "a/a").file("a/x", "1")], "symbolic link");
}

#[test]
fn a_file_or_directory_over_a_symlink_replaces_the_symlink() {
    let site = Site::new();
    let secret = site.victim().join("secret");
    let outside = secret.to_str().unwrap();
    let layer = Tar::new()
        .symlink("f", outside)
        .file("f", "1")
        .symlink("d", site.victim().to_str().unwrap())
        .entry(Entry { kind: b'5', mode: 0o777, ..of("d") })
        .symlink("p", outside)
        .entry(Entry { kind: b'6', mode: 0o777, ..of("p") });
    let rootfs = site.unpack(&[site.add(layer)]).unwrap();
    assert_eq!(list(rootfs.path()), "d/\nf = 1\np is a fifo");
}

#[test]
fn hard_links_to_outside_are_refused() {
    let site = Site::new();
    let secret = site.victim().join("secret");
    refused_with([Tar::new().hard_link("l", secret.to_str().unwrap())], "linking to");
    refused_with([Tar::new().hard_link("l", "../victim/secret")], "`..`");
    let through = Tar::new().symlink("s", site.victim().to_str().unwrap()).hard_link("l", "s/secret");
    refused_with([through], "linking to");
    refused_with([Tar::new().hard_link("l", "missing")], "not there");
    refused_with([Tar::new().dir("d").hard_link("l", "d")], "directory");
    refused_with([Tar::new().hard_link("l", "/")], "root cannot be linked");
}

#[test]
fn a_hard_link_that_replaces_its_own_source_is_refused() {
    refused_with([Tar::new().file("d/f", "1").hard_link("d", "d/f")], "not there");
}

#[test]
fn a_hard_link_to_a_symlink_is_a_second_name_of_the_symlink() {
    let site = Site::new();
    let secret = site.victim().join("secret");
    let layer = Tar::new().symlink("s", secret.to_str().unwrap()).hard_link("l", "s");
    let rootfs = site.unpack(&[site.add(layer)]).unwrap();
    assert_eq!(std::fs::read_link(rootfs.path().join("l")).unwrap(), secret);
}

#[test]
fn whiteouts_of_nothing_or_of_the_directory_itself_are_refused() {
    for name in ["d/.wh.", "d/.wh..", "d/.wh...", ".wh...", ".wh.d/x"] {
        let lower = Tar::new().file("d/x", "1");
        refused_with([lower, Tar::new().file(name, "")], "whiteout");
    }
}

#[test]
fn an_entry_below_a_file_is_refused() {
    refused_with([Tar::new().file("x", "1").file("x/y", "2")], "Not a directory");
}

#[test]
fn a_root_that_is_not_a_directory_is_refused() {
    refused_with([Tar::new().symlink("./", "/etc")], "not a directory");
    refused_with([Tar::new().entry(Entry { kind: b'6', ..of(".") })], "not a directory");
    refused_with([Tar::new().hard_link("/", "x")], "not a directory");
}

#[test]
fn unknown_kinds_of_entries_are_refused_by_name() {
    refused_with([Tar::new().entry(Entry { kind: b'V', ..of("x") })], "type 'V'");
}

#[test]
fn a_symlink_needs_a_target() {
    refused_with([Tar::new().symlink("x", "")], "target");
    refused_with(
        [Tar::new().symlink("x", "t").entry(Entry {
            kind: b'2',
            pax: vec![("linkpath", b"a\0".to_vec())],
            ..of("y")
        })],
        "target",
    );
}

#[test]
fn a_deep_tree_is_removed_although_it_has_more_levels_than_files_can_be_open() {
    let name = "d/".repeat(2000) + "x";
    let deep = || Tar::new().entry(Entry { pax: vec![("path", name.clone().into_bytes())], ..of("x") });
    assert_eq!(tree([deep(), Tar::new().file(".wh.d", "").file("a", "1")]), "a = 1");
    refused_with([deep().file("..", "")], "`..`");
}

#[test]
fn names_in_errors_cannot_drive_a_terminal() {
    refused_with([Tar::new().file("\u{1b}[2J/..", "")], r"\u{1b}[2J");
}

/// Numbers that look random and are the same every time.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

pub fn random_layer(numbers: &mut Numbers, victim: &str) -> Tar {
    let names =
        ["a", "b", "a/b", "b/a", "a/b/a", "/a", "a/", "./b/", "a/.wh.b", ".wh.a", "b/.wh..wh..opq", "b/b"];
    let targets = ["a", "b", "..", "../..", "/", "/a", "a/b", "../a", victim, "../../../victim", "b/../.."];
    let mut layer = Tar::new();
    for _ in 0..numbers.below(7) {
        let name = numbers.of(&names);
        let link = numbers.of(&targets).as_bytes();
        let kind = [b'0', b'0', b'1', b'2', b'2', b'2', b'5', b'5', b'6', b'3'][numbers.below(10)];
        let mode = [0o777, 0, 0o555][numbers.below(3)];
        let data = if kind == b'0' { &b"overwritten"[..] } else { b"" };
        layer = layer.entry(Entry { kind, link, mode, data, device: (1, 3), ..of(name) });
    }
    layer
}

/// `Site::unpack` checks the directory outside after each.
#[test]
fn no_combination_of_links_and_names_reaches_outside() {
    let mut numbers = Numbers(1);
    let mut accepted = 0;
    for _ in 0..80 {
        let site = Site::new();
        let victim = site.victim().to_str().unwrap().to_owned();
        let layers: Vec<_> = (0..3).map(|_| site.add(random_layer(&mut numbers, &victim))).collect();
        match site.unpack(&layers) {
            Ok(_) => accepted += 1,
            Err(_) => site.check_empty(),
        }
    }
    assert!(accepted > 15, "only {accepted} were accepted: the test proves little");
}

/// Makes a damaged block a header again, so that the damage is not found at the door.
pub fn mend_checksum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

#[test]
fn no_damage_to_an_archive_is_worse_than_an_error() {
    let mut numbers = Numbers(2);
    let pax = vec![
        ("mtime", b"1.5".to_vec()),
        ("GNU.sparse.size", b"99".to_vec()),
        ("GNU.sparse.map", b"3,4".to_vec()),
    ];
    let whole =
        Tar::new().file("a", "1").symlink("b", "a").entry(Entry { data: b"1234", pax, ..of("s") }).dir("d").0;
    for _ in 0..80 {
        let mut bytes = whole.clone();
        let block = numbers.below(bytes.len() / 512) * 512;
        for _ in 0..=numbers.below(3) {
            bytes[block + numbers.below(512)] = [0, 0xff, 0x80, b'7', b'x', b'S'][numbers.below(6)];
        }
        mend_checksum(&mut bytes[block..block + 512]);
        let site = Site::new();
        let layer = site.add(Tar(bytes));
        if site.unpack(&[layer]).is_err() {
            site.check_empty();
        }
    }
}

#[test]
fn a_path_that_grows_too_long_entry_by_entry_or_through_links_is_refused() {
    // as long as a path can be at once, and from there on
    let deep = "d/".repeat(2000);
    let at =
        |name: String| Entry { kind: b'5', mode: 0o755, pax: vec![("path", name.into_bytes())], ..of("x") };
    let long = "n".repeat(250);
    let layer = Tar::new().entry(at(deep.clone())).entry(at(format!("{deep}{long}")));
    refused_with([layer], "too long");
    // short names by way of links into the deep
    let mut layer = Tar::new();
    let mut parent = String::new();
    for level in 0..24 {
        layer = layer.entry(at(format!("{parent}{long}")));
        let pax = vec![("linkpath", format!("{parent}{long}").into_bytes())];
        let link = format!("l{level}");
        layer = layer.entry(Entry { kind: b'2', link: b"x", pax, ..of(&link) });
        parent = format!("{link}/");
    }
    refused_with([layer], "too long");
}

/// ext4 has 65,000 names for one file at most; others have no bound that matters.
#[test]
fn more_hard_links_than_the_file_system_knows_are_refused_with_a_way_out() {
    if caller() != Caller::Plain {
        // once is enough: the limit is the same for everybody
        let linked =
            apply([(0..100).fold(Tar::new().file("f", "1"), |tar, n| tar.hard_link(&n.to_string(), "f"))]);
        assert_eq!(std::os::unix::fs::MetadataExt::nlink(&linked.path("f").metadata().unwrap()), 101);
        return;
    }
    let layer = (0..65_100).fold(Tar::new().file("f", "1"), |tar, n| tar.hard_link(&n.to_string(), "f"));
    let site = Site::new();
    let layers = [site.add(layer)];
    match site.unpack(&layers) {
        Ok(rootfs) => {
            let file = rootfs.path().join("f").metadata().unwrap();
            assert_eq!(std::os::unix::fs::MetadataExt::nlink(&file), 65_101);
        }
        Err(error) => {
            assert!(error.to_string().contains("Too many links"), "{error}");
            assert!(error.hint_text().unwrap().contains("another one"), "{error}");
            site.check_empty();
        }
    }
}
