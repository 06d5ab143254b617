//! Owners, modes, special files, extended attributes and times.

use std::os::unix::fs::MetadataExt;

use crate::support::*;

fn owner(applied: &Applied, name: &str) -> (u32, u32) {
    let metadata = applied.path(name).symlink_metadata().unwrap();
    (metadata.uid(), metadata.gid())
}

fn me() -> (u32, u32) {
    (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw())
}

#[test]
fn owners_are_kept_or_counted() {
    let owned =
        |name, kind| Entry { kind, owner: (33, 42), link: if kind == b'2' { b"x" } else { b"" }, ..of(name) };
    let layer = Tar::new().entry(owned("f", b'0')).entry(owned("d", b'5')).entry(owned("l", b'2'));
    let applied = apply([layer.entry(owned("p", b'6'))]);
    let want = if keeps_owners() { (33, 42) } else { me() };
    for name in ["f", "d", "l", "p"] {
        assert_eq!(owner(&applied, name), want, "{name}");
    }
    assert_eq!(applied.rootfs.record().skipped.owners, if keeps_owners() { 0 } else { 4 });
}

#[test]
fn parents_without_an_entry_are_roots_and_0755() {
    let applied = apply([Tar::new().entry(Entry { owner: (33, 33), mode: 0o600, ..of("a/b/c") })]);
    for name in ["", "a", "a/b"] {
        assert_eq!((applied.mode(name), owner(&applied, name)), (0o755, me()), "{name:?}");
        assert_eq!(
            applied.path(name).metadata().unwrap().mtime(),
            if name.is_empty() { applied.path("").metadata().unwrap().mtime() } else { 1_600_000_000 }
        );
    }
}

#[test]
fn ids_that_cannot_be_are_refused_with_a_way_out() {
    let owned = |uid: u64| Entry { pax: vec![("uid", uid.to_string().into_bytes())], ..of("x") };
    // 65536 ids in the mapped namespace
    for (uid, fits) in [
        (65_535, true),
        (200_000, false),
        (4_000_000_000, false),
        (u64::from(u32::MAX), false),
        (1 << 40, false),
    ] {
        let layer = Tar::new().entry(owned(uid));
        let possible = fits || (caller() == Caller::Root && uid < u64::from(u32::MAX));
        if keeps_owners() && !possible {
            let error = refused([layer]);
            assert!(error.to_string().contains(&format!("uid {uid}")), "{error}");
            assert!(error.hint_text().unwrap().contains("/etc/subuid"));
        } else {
            assert_eq!(
                u64::from(owner(&apply([layer]), "x").0),
                if keeps_owners() { uid } else { me().0.into() }
            );
        }
    }
}

#[test]
fn setuid_setgid_and_sticky_bits_survive_the_change_of_owner() {
    let mode = |name, kind, mode| Entry { kind, mode, owner: (10, 10), ..of(name) };
    let layer = Tar::new().entry(mode("suid", b'0', 0o4755)).entry(mode("sgid", b'0', 0o2755));
    let applied = apply([layer.entry(mode("tmp", b'5', 0o1777)).entry(mode("mail", b'5', 0o2775))]);
    let modes = ["suid", "sgid", "tmp", "mail"].map(|name| applied.mode(name));
    assert_eq!(modes, [0o4755, 0o2755, 0o1777, 0o2775]);
}

#[test]
fn modes_that_forbid_everything_are_kept() {
    let layer = Tar::new().entry(Entry { mode: 0, data: b"x", ..of("f") });
    let layer = layer.entry(Entry { kind: b'5', mode: 0, ..of("d") }).file("d/x", "1");
    let applied = apply([layer]);
    assert_eq!((applied.mode("f"), applied.mode("d")), (0, 0));
}

#[test]
fn the_root_gets_the_attributes_of_its_entry() {
    let applied = apply([Tar::new()
        .entry(Entry { kind: b'5', mode: 0o711, owner: (7, 8), mtime: 5, ..of("./") })
        .file("a", "")]);
    assert_eq!(applied.mode(""), 0o711);
    assert_eq!(owner(&applied, ""), if keeps_owners() { (7, 8) } else { me() });
    assert_eq!(applied.path("").metadata().unwrap().mtime(), 5);
}

#[test]
fn others_cannot_reach_the_tree() {
    let applied = apply([Tar::new().file("a", "")]);
    let around = applied.rootfs.path().parent().unwrap();
    assert_eq!(around.metadata().unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn devices_are_made_where_that_is_allowed_and_counted_elsewhere() {
    let device = |name, kind, device| Entry { kind, device, mode: 0o620, owner: (0, 5), ..of(name) };
    let lower = Tar::new().file("null", "a file");
    let upper = Tar::new().entry(device("null", b'3', (1, 3))).entry(device("disk", b'4', (8, 1)));
    let applied = apply([lower, upper]);
    if caller() == Caller::Root {
        let null = applied.path("null").metadata().unwrap();
        assert_eq!((null.rdev(), null.mode(), null.gid()), (nix::sys::stat::makedev(1, 3), 0o20620, 5));
        assert_eq!(applied.path("disk").metadata().unwrap().mode(), 0o60620);
        assert_eq!(applied.rootfs.record().skipped.devices, 0);
    } else {
        assert_eq!(list(applied.rootfs.path()), "");
        assert_eq!(applied.rootfs.record().skipped.devices, 2);
    }
}

#[test]
fn a_device_that_overlayfs_would_take_for_a_whiteout_is_never_made() {
    let applied = apply([Tar::new().file("x", "1"), Tar::new().entry(Entry { kind: b'3', ..of("x") })]);
    assert_eq!(list(applied.rootfs.path()), "");
    assert_eq!(applied.rootfs.record().skipped.devices, 1);
}

#[test]
fn impossible_device_numbers_are_refused() {
    refused_with([Tar::new().entry(Entry { kind: b'3', device: (4096, 0), ..of("x") })], "4096:0");
}

#[test]
fn fifos_are_fifos() {
    let applied = apply([Tar::new().entry(Entry { kind: b'6', mode: 0o640, ..of("p") })]);
    assert_eq!((list(applied.rootfs.path()).as_str(), applied.mode("p")), ("p is a fifo", 0o640));
}

fn xattr(applied: &Applied, name: &str, attribute: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 1024];
    let length = rustix::fs::lgetxattr(applied.path(name), attribute, &mut value[..]).ok()?;
    Some(value[..length].to_vec())
}

fn with_xattr<'a>(name: &'a str, kind: u8, attribute: &'a str, value: &[u8]) -> Entry<'a> {
    Entry { kind, mode: 0o444, pax: vec![(attribute, value.to_vec())], ..of(name) }
}

#[test]
fn user_attributes_are_kept_also_on_what_nobody_may_write() {
    let value = b"two\nlines\0";
    let layer = Tar::new().entry(with_xattr("f", b'0', "SCHILY.xattr.user.a", value));
    let applied = apply([layer.entry(with_xattr("d", b'5', "SCHILY.xattr.user.a", value))]);
    assert_eq!(xattr(&applied, "f", "user.a").unwrap(), value);
    assert_eq!(xattr(&applied, "d", "user.a").unwrap(), value);
}

#[test]
fn file_capabilities_are_kept_or_counted() {
    // VFS_CAP_REVISION_2, effective, CAP_NET_RAW; the byte 0x20 and newlines are no trouble
    let ping = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let applied =
        apply([Tar::new().entry(with_xattr("ping", b'0', "SCHILY.xattr.security.capability", &ping))]);
    let skipped = applied.rootfs.record().skipped.capabilities;
    match caller() {
        Caller::Plain => assert_eq!((xattr(&applied, "ping", "security.capability"), skipped), (None, 1)),
        _ => assert_eq!(
            (xattr(&applied, "ping", "security.capability").as_deref(), skipped),
            (Some(&ping[..]), 0)
        ),
    }
}

#[test]
fn attributes_that_would_act_on_overlayfs_or_selinux_are_dropped() {
    let names =
        ["trusted.overlay.opaque", "user.overlay.opaque", "trusted.overlay.redirect", "security.selinux"];
    let keys = names.map(|name| format!("SCHILY.xattr.{name}"));
    let mut layer = Tar::new();
    for key in &keys {
        layer = layer.entry(with_xattr("d", b'5', key, b"y")).entry(with_xattr("f", b'0', key, b"y"));
        let applied = apply([layer.clone()]);
        for name in names {
            assert_eq!((xattr(&applied, "d", name), xattr(&applied, "f", name)), (None, None), "{name}");
        }
        assert!(applied.rootfs.record().skipped.xattrs > 0);
    }
}

#[test]
fn attributes_that_nothing_can_have_are_counted() {
    let layer = Tar::new().entry(with_xattr("f", b'0', "SCHILY.xattr.nonsense", b"y"));
    let applied = apply([layer.entry(with_xattr("g", b'0', "SCHILY.xattr.user.huge", &[b'y'; 70_000]))]);
    assert_eq!(applied.rootfs.record().skipped.xattrs, 2);
}

#[test]
fn an_access_control_list_for_new_files_is_not_inherited_while_unpacking() {
    // version 2; user:: rwx, group:: rwx, mask rwx, other rwx, user 0 rwx
    let entry =
        |tag: u16, id: u32| [&tag.to_le_bytes()[..], &7_u16.to_le_bytes(), &id.to_le_bytes()].concat();
    let entries = [entry(1, !0), entry(2, me().0), entry(4, !0), entry(16, !0), entry(32, !0)].concat();
    let acl = [&2_u32.to_le_bytes()[..], &entries].concat();
    let key = "SCHILY.xattr.system.posix_acl_default";
    let layer = Tar::new().entry(Entry { mode: 0o755, ..with_xattr("d", b'5', key, &acl) });
    let applied = apply([layer.entry(Entry { mode: 0o600, ..of("d/f") })]);
    if applied.rootfs.record().skipped.acls == 0 {
        assert!(xattr(&applied, "d", "system.posix_acl_default").is_some());
    }
    assert_eq!((xattr(&applied, "d/f", "system.posix_acl_access"), applied.mode("d/f")), (None, 0o600));
}

#[test]
fn times_are_exact_to_the_nanosecond() {
    let timed = |name, kind| Entry {
        kind,
        link: if kind == b'2' { b"x" } else { b"" },
        pax: vec![("mtime", b"1234567890.123456789".to_vec())],
        ..of(name)
    };
    let layer = Tar::new()
        .entry(timed("f", b'0'))
        .entry(timed("d", b'5'))
        .entry(timed("l", b'2'))
        .entry(timed("p", b'6'));
    let applied = apply([layer.file("d/x", "")]);
    for name in ["f", "d", "l", "p"] {
        let metadata = applied.path(name).symlink_metadata().unwrap();
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_234_567_890, 123_456_789), "{name}");
    }
}

#[test]
fn times_before_1970_are_kept() {
    let applied = apply([Tar::new().entry(Entry { pax: vec![("mtime", b"-1.5".to_vec())], ..of("f") })]);
    let metadata = applied.path("f").metadata().unwrap();
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (-2, 500_000_000));
}
