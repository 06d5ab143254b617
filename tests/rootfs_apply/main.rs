//! Layers applied to a rootfs: every row of the table that applying must get right, as root, as root
//! of user namespaces and as a plain user; each test watches a directory outside of the root.

mod attributes;
mod cache;
mod formats;
mod fuzz;
mod hostile;
mod layers;
mod oracle;
mod support;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use support::{Caller, caller};

/// The cases in which programs that apply layers were seen to differ, by their numbers from 1, and the
/// tests of each. All of them run as root, with many ids, with one, and as a plain user.
const ROWS: [(&str, &[&str]); 43] = [
    ("absolute names", &["absolute_names_are_relative_to_the_root"]),
    ("names that go up", &["names_that_go_up_are_refused"]),
    ("a symlinked parent that leads out", &["a_symlinked_parent_leads_to_a_place_inside_the_root"]),
    ("a symlinked parent that is valid inside", &["a_symlinked_parent_that_is_valid_inside_is_followed"]),
    ("a relative symlinked parent that leads out", &["a_symlinked_parent_leads_to_a_place_inside_the_root"]),
    ("a file over a symlink", &["a_file_or_directory_over_a_symlink_replaces_the_symlink"]),
    ("a directory over a symlink", &["a_file_or_directory_over_a_symlink_replaces_the_symlink"]),
    ("a directory over a lower layer's symlink", &["files_directories_and_symlinks_replace_each_other"]),
    ("hard links to outside", &["hard_links_to_outside_are_refused"]),
    ("a hard link to a symlink", &["a_hard_link_to_a_symlink_is_a_second_name_of_the_symlink"]),
    ("one of two hard links replaced", &["replacing_one_of_two_hard_links_leaves_the_other_alone"]),
    ("a hard link to a lower layer's file", &["a_hard_link_reaches_a_file_of_a_lower_layer"]),
    ("whiteouts", &["a_whiteout_removes_a_file_and_a_directory_with_all_in_it"]),
    ("opaque whiteouts", &["an_opaque_whiteout_keeps_this_layers_entries_wherever_it_stands"]),
    ("a whiteout after its entry", &["a_whiteout_after_an_entry_of_the_same_layer_keeps_the_entry"]),
    ("a whiteout of `..`", &["whiteouts_of_nothing_or_of_the_directory_itself_are_refused"]),
    ("a whiteout of nothing", &["whiteouts_of_nothing_or_of_the_directory_itself_are_refused"]),
    ("a whiteout through a symlink", &["a_whiteout_through_a_symlinked_parent_stays_inside"]),
    ("bookkeeping of aufs", &["bookkeeping_of_aufs_is_left_out_with_all_below_it"]),
    ("kinds that replace each other", &["files_directories_and_symlinks_replace_each_other"]),
    ("an entry below a file", &["an_entry_below_a_file_is_refused"]),
    ("missing parents", &["parents_without_an_entry_are_roots_and_0755"]),
    ("entries of one name", &["the_last_of_two_entries_of_one_name_counts"]),
    ("a root that is no directory", &["a_root_that_is_not_a_directory_is_refused"]),
    ("devices", &["devices_are_made_where_that_is_allowed_and_counted_elsewhere"]),
    ("fifos", &["fifos_are_fifos"]),
    ("setuid, setgid, sticky", &["setuid_setgid_and_sticky_bits_survive_the_change_of_owner"]),
    ("owners", &["owners_are_kept_or_counted", "ids_that_cannot_be_are_refused_with_a_way_out"]),
    ("file capabilities", &["file_capabilities_are_kept_or_counted"]),
    ("attributes of overlayfs", &["attributes_that_would_act_on_overlayfs_or_selinux_are_dropped"]),
    ("attributes of SELinux", &["attributes_that_would_act_on_overlayfs_or_selinux_are_dropped"]),
    ("0555 directories, one layer", &["a_directory_that_forbids_writing_accepts_files_of_later_layers"]),
    ("0555 directories, a later layer", &["a_directory_that_forbids_writing_accepts_files_of_later_layers"]),
    ("mode 0", &["modes_that_forbid_everything_are_kept"]),
    ("long and odd names", &["long_names_come_in_three_forms", "names_need_not_be_text"]),
    ("sparse files of the old form", &["sparse_files_of_the_old_form_are_whole"]),
    ("sparse files of PAX", &["sparse_files_of_the_three_extended_forms_are_whole"]),
    ("sizes that differ", &["the_extended_headers_size_decides_against_the_headers"]),
    (
        "damaged archives",
        &["damaged_and_unfinished_archives_are_refused", "a_size_beyond_all_reason_is_refused"],
    ),
    ("symlinks in a circle", &["symlinks_in_a_circle_are_refused"]),
    ("a dangling parent", &["a_dangling_parent_is_made_where_the_symlink_points"]),
    ("parents of what a layer changes", &["a_directorys_time_is_that_of_its_own_entry"]),
    (
        "what follows the end",
        &[
            "what_follows_the_archive_is_in_the_digest",
            "what_follows_a_compressed_stream_is_refused_be_it_garbage_or_padding",
            "the_last_entry_may_lack_its_padding_and_the_archive_its_end",
        ],
    ),
];

#[test]
fn every_row_has_a_test() {
    let sources = [
        include_str!("attributes.rs"),
        include_str!("formats.rs"),
        include_str!("hostile.rs"),
        include_str!("layers.rs"),
    ]
    .concat();
    for (number, (what, tests)) in (1..).zip(ROWS) {
        let is_there = |test: &&str| sources.contains(&format!("#[test]\nfn {test}() {{"));
        assert!(tests.iter().all(is_there), "{number}, {what}: {tests:?}");
    }
}

const OTHERS: &str = "AIRSHIPCTL_TEST_OTHERS";

/// Everything in this file again, under other ids. Ids of a namespace are written by its parent.
#[test]
fn the_suite_passes_for_every_kind_of_user() {
    // set for the processes below, which are the others
    if std::env::var_os(OTHERS).is_some() {
        return;
    }
    // a copy, as others may not reach the place of the first
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let me = home.path().join("rootfs_apply");
    std::fs::copy(std::env::current_exe().unwrap(), &me).unwrap();
    let me = me.to_str().unwrap();
    if caller() != Caller::Root {
        let single = Command::new("unshare").args(["-rm", me, "--quiet"]).env(OTHERS, "").output().unwrap();
        assert!(single.status.success(), "with one id: {}", String::from_utf8_lossy(&single.stdout));
        return;
    }
    let plain = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", me, "--quiet"])
        .current_dir("/")
        .env(OTHERS, "")
        .output()
        .unwrap();
    assert!(plain.status.success(), "as a plain user: {}", String::from_utf8_lossy(&plain.stdout));
    for map in ["0 0 1\n", "0 0 1\n1 100001 65535\n"] {
        let mut child = Command::new("unshare")
            .args(["--user", "--mount", "sh", "-c", "read go; exec \"$0\" --quiet", me])
            .env(OTHERS, "")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for_namespace(child.id());
        std::fs::write(format!("/proc/{}/uid_map", child.id()), map).unwrap();
        std::fs::write(format!("/proc/{}/gid_map", child.id()), map).unwrap();
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "with {map:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

fn wait_for_namespace(pid: u32) {
    let namespace =
        |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/user")).expect("a user namespace can be made");
    while namespace(&pid.to_string()) == namespace("self") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
