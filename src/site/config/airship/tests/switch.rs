//! The current context changed.

use super::*;

fn switched(text: &str, name: &str) -> String {
    let patched = config(text).with_current(text.as_bytes(), name).unwrap_or_else(|e| panic!("{text}: {e}"));
    String::from_utf8(patched).unwrap()
}

#[test]
fn nothing_changes_but_the_current_context() {
    let rest = " # keep\ncontexts: {a: {}, 'b c': {manifest: \"no\"}}\n\n# tail";
    for (before, after) in [
        ("currentContext: a", "currentContext: b"),
        ("current-context: 'a'", "current-context: 'b'"),
        ("currentContext: \"a\"", "currentContext: \"b\""),
        ("currentContext: ~", "currentContext: b"),
        ("currentContext: null", "currentContext: b"),
        ("currentContext: \"\"", "currentContext: \"b\""),
        ("currentContext:", "currentContext: b"),
        ("kind: Config", "currentContext: b\nkind: Config"),
        ("\u{feff}kind: Config", "\u{feff}currentContext: b\nkind: Config"),
        ("---\nkind: Config", "---\ncurrentContext: b\nkind: Config"),
        ("x: &x a\ncurrentContext: *x", "x: &x a\ncurrentContext: b"),
    ] {
        assert_eq!(switched(&format!("{before}{rest}"), "b"), format!("{after}{rest}"), "{before}");
    }
    for (name, written) in [
        ("b c", "b c"),
        ("no", "'no'"),
        ("1", "'1'"),
        ("a: b", "'a: b'"),
        ("a #", "'a #'"),
        ("- a", "'- a'"),
        ("\t", "'\t'"),
        ("\u{7}", "\"\\u0007\""),
    ] {
        assert_eq!(switched("currentContext: a\nx: y\n", name), format!("currentContext: {written}\nx: y\n"));
    }
}

#[test]
fn other_styles_stay_as_they_are() {
    for (before, after) in [
        ("{\"currentContext\": \"a\", \"x\": 1}", "{\"currentContext\": \"b\", \"x\": 1}"),
        ("{\"x\": 1}", "{\"currentContext\": \"b\", \"x\": 1}"),
        ("{\n  \"x\": 1\n}\n", "{\n  \"currentContext\": \"b\", \"x\": 1\n}\n"),
        ("kind: Config\r\nx: y\r\n", "currentContext: b\r\nkind: Config\r\nx: y\r\n"),
        ("  x: y\n  z: y\n", "  currentContext: b\n  x: y\n  z: y\n"),
        (
            "contexts:\n  a: {context-kubeconf: a}\n",
            "current-context: b\ncontexts:\n  a: {context-kubeconf: a}\n",
        ),
        ("\u{e9}: \u{e9}\ncurrentContext:\nx: \u{e9}\n", "\u{e9}: \u{e9}\ncurrentContext: b\nx: \u{e9}\n"),
        ("currentContext: |-\n  a\nx: y\n", "currentContext: b\nx: y\n"),
    ] {
        assert_eq!(switched(before, "b"), after, "{before}");
    }
}

#[test]
fn what_cannot_be_changed_in_place_is_told() {
    let text = "x: &x {currentContext: a}\n<<: *x\ncontexts: {}\n";
    let error = config(text).with_current(text.as_bytes(), "b").unwrap_err();
    assert_eq!(
        shown::<()>(Err(error)),
        "changing the current context: /h/.airship/config:1:24: `currentContext` cannot be set in place; write \"b\" there [current-context-not-patched]"
    );
}

#[test]
fn a_file_is_replaced_whole_with_its_mode_and_through_links() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let home = Home::new();
    let text = "currentContext: a\ncontexts: {a: {}, b: {}}\n";
    home.file("real/config", text);
    let real = home.path("real/config");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("../real/config", home.path(".airship/config")).unwrap();
    home.file("real/.config.airshipctl.tmp", "left by one that was killed");
    let open = || around(None, Some(home.0.path())).load(None, "").unwrap();
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&real, Some(1), Some(2)).unwrap();
    }
    let owner = || fs::metadata(&real).map(|found| (found.uid(), found.gid())).unwrap();
    let owner_before = owner();
    let inode = || fs::metadata(&real).unwrap().ino();
    let before = inode();
    assert_eq!(open().use_context("a").unwrap(), Switched::Unchanged);
    assert_eq!(inode(), before, "nothing to write");
    assert_eq!(open().use_context("b").unwrap(), Switched::Changed);
    assert_eq!(fs::read_to_string(&real).unwrap(), text.replace("currentContext: a", "currentContext: b"));
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(owner(), owner_before);
    assert!(home.path(".airship/config").symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read_dir(home.path("real")).unwrap().count(), 1, "nothing beside it");
    assert_eq!(
        home.shown(open().use_context("c")),
        "choosing the context: ~/.airship/config: there is no context \"c\"; there are \"a\" and \"b\" [unknown-context]"
    );
    let other = fs::File::open(&real).unwrap();
    other.lock().unwrap();
    assert_eq!(
        home.shown(open().use_context("a")),
        "changing the current context: ~/.airship/config: another process is changing the file [airshipctl-config-busy]"
    );
}

#[test]
fn a_file_that_cannot_be_written_stays_as_it_is() {
    let home = Home::new();
    let text = "currentContext: a\ncontexts: {a: {}, b: {}}\n";
    home.file("dir/config", text);
    // a directory in the way of the temporary file, which root cannot write over either
    home.directory("dir/.config.airshipctl.tmp");
    let open = || around(None, Some(home.0.path())).load(Some(&home.path("dir/config")), "").unwrap();
    assert_eq!(
        home.shown(open().use_context("b")),
        "changing the current context: ~/dir/config: writing ~/dir/config: File exists (os error 17) [airshipctl-config-not-written]"
    );
    assert_eq!(fs::read_to_string(home.path("dir/config")).unwrap(), text);
}
