//! Menus on made-up volumes: each file's contents lie one after another in the image.

use super::super::tests::{codes, has, image, put};
use super::*;
use crate::iso::finding::Severity::{Error, Warning};
use crate::iso::image::Extent;

/// What a kernel for x86 begins with, as long as it says.
fn kernel() -> Vec<u8> {
    let mut bytes = vec![0; 3072];
    put(&mut bytes, 0x1f1, &[4, 0, 0, 32]);
    put(&mut bytes, 0x1fe, &[0x55, 0xaa, 0, 0, b'H', b'd', b'r', b'S']);
    bytes
}

fn tree(files: &[(&str, &[u8])], bytes: &mut Vec<u8>) -> Tree {
    let mut tree = Tree::default();
    for (path, contents) in files {
        let extent = Extent { offset: bytes.len() as u64, length: contents.len() as u64 };
        bytes.extend(*contents);
        let (kind, extents) = match contents.strip_prefix(b"-> ") {
            Some(target) => (Kind::Link(String::from_utf8_lossy(target).into()), Vec::new()),
            None => (Kind::File, vec![extent]),
        };
        let directories = path.match_indices('/').skip(1).map(|(at, _)| path[..at].to_owned());
        let entry = |kind, extents| Entry {
            kind,
            extents,
            mode: None,
            uid: None,
            gid: None,
            uncompressed: None,
            record: 0,
        };
        directories.for_each(|path| drop(tree.entries.insert(path, entry(Kind::Directory, Vec::new()))));
        tree.entries.insert((*path).into(), entry(kind, extents));
    }
    tree
}

/// The menus of a volume and of an EFI system partition.
fn both(volume: &[(&str, &[u8])], efi: &[(&str, &[u8])]) -> (Vec<MenuEntry>, Findings) {
    let mut bytes = Vec::new();
    let trees = [tree(volume, &mut bytes), tree(efi, &mut bytes)];
    let (image, mut findings) = (image(&bytes), Findings::default());
    let places = [("", &trees[0]), ("efi:", &trees[1])];
    let places = places.map(|(prefix, tree)| Place::new(&image, tree, prefix));
    (read(&places, &mut findings).unwrap(), findings)
}

/// With a kernel and two initial RAM disks where live systems have them.
fn volume(files: &[(&str, &[u8])]) -> (Vec<MenuEntry>, Findings) {
    let kernel = kernel();
    let live: [(&str, &[u8]); 3] =
        [("/live/vmlinuz", &kernel), ("/live/initrd.img", b"x"), ("/live/microcode.img", b"x")];
    both(&[&live, files].concat(), &[])
}

fn titles(entries: &[MenuEntry]) -> Vec<(&str, bool)> {
    entries.iter().map(|entry| (entry.title.as_str(), entry.default)).collect()
}

#[test]
fn the_menu_of_our_builder_is_read() {
    let text = b"serial --unit=0\nset default=0\nset timeout=0\nmenuentry \"Airship ephemeral node\" {\n\
        # a comment }\n    linux /live/vmlinuz boot=live console=tty0 ip=frommedia\n\
        initrd /live/microcode.img /live/initrd.img\n}\n";
    let (entries, findings) = volume(&[("/boot/grub/grub.cfg", text)]);
    assert_eq!(codes(&findings), [] as [&str; 0]);
    let [entry] = &entries[..] else { panic!("{entries:#?}") };
    assert_eq!(
        (entry.file.as_str(), entry.title.as_str()),
        ("/boot/grub/grub.cfg", "Airship ephemeral node")
    );
    assert_eq!((entry.kernel.as_str(), entry.default), ("/live/vmlinuz", true));
    assert_eq!(entry.initrd, ["/live/microcode.img", "/live/initrd.img"]);
    assert_eq!(entry.command_line, "boot=live console=tty0 ip=frommedia");
}

#[test]
fn scripts_of_distributions_are_followed() {
    let main = b"if [ \"${next_entry}\" ] ; then\n  set default=\"${next_entry}\"\nelse\n  set default='1>b c'\nfi\n\
        function load { insmod gzio }\nsource $prefix/options.cfg\nset timeout=5\n\
        menuentry 'First' --class debian $menuentry_id_option 'first' {\n\
        linuxefi ($root)/live/vmlinuz root=$uuid a\\ b 'c d'; initrdefi ($root)${dir}/initrd.img\n}\n\
        submenu \"More\" --id more {\n  menuentry a { chainloader +1 }\n\
        menuentry 'b c' { if x; then linux /live/vmlinuz one \\\n two; else linux /live/other; fi }\n}\n";
    let options = b"set dir=/live\nexport dir\n";
    let (entries, findings) = volume(&[("/boot/grub/grub.cfg", main), ("/boot/grub/options.cfg", options)]);
    assert_eq!(codes(&findings), [] as [&str; 0]);
    assert_eq!(titles(&entries), [("First", false), ("More>b c", true)]);
    assert_eq!(entries[0].command_line, "root=$uuid a b c d");
    assert_eq!(entries[0].initrd, ["/live/initrd.img"]);
    assert_eq!(entries[1].command_line, "one two");
}

#[test]
fn the_default_is_a_number_a_title_or_an_id() {
    let menu =
        "set timeout=1\nmenuentry a { linux /live/vmlinuz }\nmenuentry b --id=x { linux /live/vmlinuz }\n";
    for (default, expected) in
        [("", "a"), ("default=0", "a"), ("default=1", "b"), ("set default=x", "b"), ("set default=b", "b")]
    {
        let text = format!("{default}\n{menu}");
        let (entries, findings) = volume(&[("/boot/grub/grub.cfg", text.as_bytes())]);
        assert_eq!(codes(&findings), [] as [&str; 0]);
        assert_eq!(titles(&entries), [("a", expected == "a"), ("b", expected == "b")], "{default}");
    }
    let text = format!("set default=7\n{menu}");
    let (entries, findings) = volume(&[("/boot/grub/grub.cfg", text.as_bytes())]);
    has(&findings, Warning, "menu-default-missing", "the default entry \"7\" is not there");
    assert!(entries[0].default);
}

#[test]
fn files_on_other_disks_are_not_looked_for() {
    let text = b"set timeout=1\nset root=(hd0,msdos1)\nmenuentry a { linux /vmlinuz; initrd (hd1)/x }\n\
        menuentry b { set root='hd0'; search --set=root --file /live/vmlinuz; linux (cd0)/live/vmlinuz }";
    let (entries, findings) = volume(&[("/boot/grub/grub.cfg", text)]);
    assert_eq!(codes(&findings), [] as [&str; 0]);
    assert_eq!(
        (entries[0].kernel.as_str(), entries[0].initrd[0].as_str()),
        ("(hd0,msdos1)/vmlinuz", "(hd1)/x")
    );
    assert_eq!(entries[1].kernel, "/live/vmlinuz");
}

#[test]
fn what_an_entry_starts_has_to_be_there() {
    let text = b"set timeout=1\nmenuentry a {\nlinux /live/none\ninitrd /live/initrd.img /no\n}\n\
        menuentry b { linux /live/initrd.img }\nmenuentry c { linux $kernel; initrd (loop)/initrd }\n";
    let (_, findings) = volume(&[("/boot/grub/grub.cfg", text)]);
    has(
        &findings,
        Error,
        "kernel-missing",
        "/boot/grub/grub.cfg: entry \"a\": its kernel /live/none is not there",
    );
    has(&findings, Error, "initrd-missing", "entry \"a\": its initrd /no is not there");
    has(&findings, Warning, "kernel-unknown", "entry \"b\": its kernel /live/initrd.img is no Linux kernel");
    assert_eq!(findings.list().len(), 3);

    let mut short = kernel();
    short.truncate(3056);
    let text = b"set timeout=1\nmenuentry a { linux /short }";
    let (_, findings) = volume(&[("/boot/grub/grub.cfg", text), ("/short", &short)]);
    has(&findings, Error, "kernel-truncated", "it has 3056 bytes, its header tells of 3072");
}

#[test]
fn faults_of_a_menu_are_named() {
    for text in ["menuentry a {", "menuentry 'a {\n}", "}", "set x=\"$y", "{ {\n}"] {
        let (_, findings) = volume(&[("/boot/grub/grub.cfg", text.as_bytes())]);
        has(&findings, Error, "menu-syntax", "a quote or a block has no end");
    }
    let (_, findings) = volume(&[("/boot/grub/grub.cfg", b"menuentry a { linux /live/vmlinuz\n}")]);
    has(&findings, Warning, "menu-waits", "its menu has no timeout");
    let (entries, findings) = volume(&[("/boot/grub/grub.cfg", &vec![b'\n'; (1 << 20) + 1])]);
    has(&findings, Warning, "menu-too-long", "its 1048577 bytes are not read");
    assert!(entries.is_empty());
}

#[test]
fn hostile_menus_end() {
    let deep = "menuentry a {\n".repeat(10_000);
    let (_, findings) = volume(&[("/boot/grub/grub.cfg", deep.as_bytes())]);
    has(&findings, Error, "menu-syntax", "has no end");
    let many = "menuentry a { linux /live/vmlinuz\n}\n".repeat(10_000);
    let (entries, _) = volume(&[("/boot/grub/grub.cfg", many.as_bytes())]);
    assert_eq!(entries.len(), MOST_ENTRIES);
    let itself = b"source /boot/grub/grub.cfg\nset timeout=0\nmenuentry a { configfile /boot/grub/grub.cfg }";
    assert!(volume(&[("/boot/grub/grub.cfg", itself)]).0.is_empty());
    let grow = format!("set a=aaaaaaaaaaaaaaaa\n{}", "set a=$a$a$a$a\n".repeat(1000));
    volume(&[("/boot/grub/grub.cfg", grow.as_bytes())]);
}

#[test]
fn links_are_followed_and_loops_of_them_end() {
    let text = b"set timeout=1\nmenuentry a { linux /boot/kernel }\nmenuentry b { linux /loop/x }";
    let (_, findings) = volume(&[
        ("/boot/grub/grub.cfg", text),
        ("/boot/kernel", b"-> ../now/vmlinuz"),
        ("/now", b"-> /live"),
        ("/loop", b"-> loop"),
    ]);
    assert_eq!(codes(&findings), ["kernel-missing"]);
}

#[test]
fn a_menu_in_the_system_partition_may_start_from_the_volume() {
    let kernel = kernel();
    let text = b"search --set=root --file /live/vmlinuz\nset timeout=0\nmenuentry a { linux /live/vmlinuz }";
    let (entries, findings) = both(&[("/live/vmlinuz", &kernel)], &[("/efi/debian/GRUB.CFG", text)]);
    assert_eq!(codes(&findings), [] as [&str; 0]);
    assert_eq!(entries[0].file, "efi:/efi/debian/GRUB.CFG");
}

#[test]
fn isolinux_is_read_with_its_includes() {
    let main =
        b"UI vesamenu.c32\nTIMEOUT 50\nAPPEND quiet\nINCLUDE live.cfg\nMENU INCLUDE more.cfg graphics\n";
    let live = b"label live\n  menu label ^Live system\n  linux /live/vmlinuz\n  append initrd=/live/initrd.img boot=live\n\
        text help\nlabel none\nendtext\nlabel disk\n  localboot 0x80\n";
    let more =
        b"label next\nmenu default\nkernel ../live/VMLINUZ root=/dev/sda\ninitrd ../live/initrd.img,/no\n\
        label menu\nkernel menu.c32\n";
    let (entries, findings) = volume(&[
        ("/isolinux/isolinux.cfg", main),
        ("/isolinux/live.cfg", live),
        ("/isolinux/more.cfg", more),
    ]);
    assert_eq!(codes(&findings), ["initrd-missing"]);
    assert_eq!(titles(&entries), [("Live system", false), ("next", true)]);
    assert_eq!(entries[0].command_line, "initrd=/live/initrd.img boot=live");
    assert_eq!(
        (entries[0].initrd[0].as_str(), entries[1].initrd[0].as_str()),
        ("/live/initrd.img", "/live/initrd.img")
    );
    assert_eq!(entries[1].command_line, "root=/dev/sda quiet");
    assert_eq!(entries[1].file, "/isolinux/more.cfg");
}

#[test]
fn entries_of_systemd_boot_are_read_in_its_order() {
    let (entries, findings) = volume(&[
        ("/loader/loader.conf", b"timeout 3\ndefault old*\n"),
        ("/loader/entries/old.conf", b"title Old\nversion 5\nlinux /live/vmlinuz\noptions a\noptions b\n"),
        ("/loader/entries/new.conf", b"title New\nversion 6\nlinux /live/vmlinuz\ninitrd /live/initrd.img\n"),
        ("/loader/entries/uki.conf", b"title Other\nefi /EFI/Linux/x.efi\n"),
    ]);
    assert_eq!(codes(&findings), [] as [&str; 0]);
    assert_eq!(titles(&entries), [("New", false), ("Old", true)]);
    assert_eq!((entries[1].command_line.as_str(), entries[0].initrd.len()), ("a b", 1));
}

#[test]
fn other_kernels_are_known_too() {
    let arm = [&[0; 56], b"ARM\x64".as_slice()].concat();
    for kernel in [&arm, b"MZ\0\0zimg".as_slice(), b"\x1f\x8b\x08", b"\x7fELF"] {
        assert_eq!(kernel::fault(kernel, kernel.len() as u64), None);
    }
    assert!(kernel::fault(b"", 0).is_some());
}
