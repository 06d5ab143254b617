//! What upper layers do to lower ones.

use crate::support::*;

#[test]
fn a_whiteout_removes_a_file_and_a_directory_with_all_in_it() {
    let lower = Tar::new().file("a", "1").file("d/e/f", "2").file("keep", "3");
    assert_eq!(tree([lower, Tar::new().file(".wh.a", "").file(".wh.d", "")]), "keep = 3");
}

#[test]
fn a_whiteout_of_what_is_not_there_is_nothing() {
    let upper = Tar::new().file(".wh.b", "").file("x/y/.wh.z", "").file("a/.wh.b", "");
    assert_eq!(tree([Tar::new().file("a", "1"), upper]), "a = 1");
}

#[test]
fn a_whiteout_through_a_symlinked_parent_stays_inside() {
    let lower = Tar::new().file("real/x", "1").symlink("abs", "/real").symlink("out", "../../victim");
    let upper = Tar::new().file("abs/.wh.x", "").file("out/.wh.secret", "");
    assert_eq!(tree([lower, upper]), "abs -> /real\nout -> ../../victim\nreal/");
}

#[test]
fn an_opaque_whiteout_keeps_this_layers_entries_wherever_it_stands() {
    let lower = || Tar::new().file("d/old", "1").file("d/sub/old", "2").file("d/both", "3");
    let before = Tar::new().dir("d").file("d/.wh..wh..opq", "").file("d/new", "n").file("d/sub/new", "n");
    let after = Tar::new().dir("d").file("d/new", "n").file("d/sub/new", "n").file("d/.wh..wh..opq", "");
    let want = "d/\nd/new = n\nd/sub/\nd/sub/new = n";
    assert_eq!(tree([lower(), before]), want);
    assert_eq!(tree([lower(), after]), want);
}

#[test]
fn an_opaque_whiteout_knows_entries_made_through_a_symlink() {
    let lower = Tar::new().file("usr/bin/old", "1").symlink("bin", "usr/bin");
    let upper = Tar::new().file("bin/new", "n").file("usr/bin/.wh..wh..opq", "");
    assert_eq!(tree([lower, upper]), "bin -> usr/bin\nusr/\nusr/bin/\nusr/bin/new = n");
}

#[test]
fn an_opaque_root_removes_everything_below() {
    assert_eq!(
        tree([Tar::new().file("a/b", "1"), Tar::new().file(".wh..wh..opq", "").file("c", "2")]),
        "c = 2"
    );
}

#[test]
fn a_whiteout_after_an_entry_of_the_same_layer_keeps_the_entry() {
    let upper = Tar::new().file("x", "new").file(".wh.x", "").file("d/new", "n").file(".wh.d", "");
    let lower = Tar::new().file("x", "old").file("d/old", "1");
    assert_eq!(tree([lower, upper]), "d/\nd/new = n\nx = new");
}

#[test]
fn a_whiteout_before_an_entry_of_the_same_layer_replaces_it() {
    let upper = Tar::new().file(".wh.d", "").dir("d").file("d/new", "n");
    assert_eq!(tree([Tar::new().file("d/old", "1"), upper]), "d/\nd/new = n");
}

#[test]
fn whiteouts_in_the_lowest_layer_hide_nothing() {
    assert_eq!(tree([Tar::new().file("x", "1").file(".wh.x", "").file(".wh..wh..opq", "")]), "x = 1");
}

#[test]
fn bookkeeping_of_aufs_is_left_out_with_all_below_it() {
    let layer =
        Tar::new().dir(".wh..wh.plnk").file(".wh..wh.plnk/1.2", "x").file(".wh..wh.aufs", "").file("a", "1");
    assert_eq!(tree([layer]), "a = 1");
}

#[test]
fn files_directories_and_symlinks_replace_each_other() {
    let lower =
        Tar::new().file("a/x", "1").file("b", "2").file("c/x", "3").symlink("d", "c").symlink("e", "b");
    let upper = Tar::new().file("a", "file").dir("b").symlink("c", "a").dir("d").file("e", "file");
    assert_eq!(tree([lower, upper]), "a = file\nb/\nc -> a\nd/\ne = file");
}

#[test]
fn a_directory_over_a_directory_keeps_its_contents() {
    assert_eq!(
        tree([Tar::new().file("d/x", "1"), Tar::new().dir("d").file("d/y", "2")]),
        "d/\nd/x = 1\nd/y = 2"
    );
}

#[test]
fn a_hard_link_reaches_a_file_of_a_lower_layer() {
    let applied = apply([Tar::new().file("a", "1"), Tar::new().hard_link("b", "a")]);
    assert_eq!(list(applied.rootfs.path()), "a = 1\nb = 1");
    assert_eq!(std::os::unix::fs::MetadataExt::nlink(&applied.path("b").metadata().unwrap()), 2);
}

#[test]
fn replacing_one_of_two_hard_links_leaves_the_other_alone() {
    let lower = Tar::new().file("a", "old").hard_link("b", "a");
    assert_eq!(tree([lower, Tar::new().file("b", "new")]), "a = old\nb = new");
}

#[test]
fn an_entry_may_link_to_itself() {
    assert_eq!(tree([Tar::new().file("a", "1").hard_link("a", "./a")]), "a = 1");
}

#[test]
fn the_last_of_two_entries_of_one_name_counts() {
    let layer = Tar::new().file("a", "long content").file("a", "2").symlink("b", "x").symlink("b", "y");
    assert_eq!(tree([layer]), "a = 2\nb -> y");
}

#[test]
fn a_directory_that_forbids_writing_accepts_files_of_later_layers() {
    let closed = |name, mode| Entry { kind: b'5', mode, ..of(name) };
    let lower = Tar::new().entry(closed("d", 0o555)).file("d/a", "1").entry(closed("e", 0)).file("e/a", "1");
    let applied = apply([lower, Tar::new().file("d/b", "2").file("e/.wh.a", "")]);
    assert!(applied.path("d/b").exists());
    assert_eq!((applied.mode("d"), applied.mode("e")), (0o555, 0));
}

#[test]
fn a_directorys_time_is_that_of_its_own_entry() {
    let dir = |mtime| Entry { kind: b'5', mode: 0o755, mtime, ..of("d") };
    let time =
        |applied: &Applied| std::os::unix::fs::MetadataExt::mtime(&applied.path("d").metadata().unwrap());
    let lower = || Tar::new().entry(dir(1_000)).file("d/a", "1").file("d/b", "2");
    assert_eq!(time(&apply([lower(), Tar::new().file("d/.wh.a", "").file("d/c", "3")])), 1_000);
    assert_eq!(time(&apply([lower(), Tar::new().entry(dir(2_000))])), 2_000);
}

#[test]
fn a_directory_that_was_removed_leaves_no_attributes_behind() {
    let lower = Tar::new().entry(Entry { kind: b'5', mode: 0o700, ..of("d") }).file("d/x/y", "1");
    let applied = apply([lower, Tar::new().file(".wh.d", ""), Tar::new().file("d/z", "2")]);
    assert_eq!((list(applied.rootfs.path()).as_str(), applied.mode("d")), ("d/\nd/z = 2", 0o755));
}
