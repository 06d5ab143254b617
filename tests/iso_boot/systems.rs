//! EFI system partitions which hold something else than they should.

use std::fs;
use std::path::Path;

use airshipctl::iso::Severity::{Error, Warning};

use crate::media::{Media, Read, loaders, read};

const UEFI: &[&str] = &["-e boot/efi.img -no-emul-boot"];

/// A CD whose EFI system partition, of 16 MiB, has these files.
fn cd(media: &Media, files: &[(&str, &str)]) -> Read {
    media.esp("tree/boot/efi.img", 16384, files);
    read(&media.iso("uefi.iso", UEFI))
}

/// Into the directory, changed.
fn patched(media: &Media, from: &Path, to: &str, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(from).unwrap();
    change(&mut bytes);
    fs::write(media.path(to), bytes).unwrap();
}

#[test]
fn shim_needs_grub_beside_it() {
    let media = Media::new();
    let (shim, signed) =
        ("usr/lib/shim/shimx64.efi.signed", "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed");
    patched(&media, &loaders().join(shim), "shim", |_| {});
    patched(&media, &loaders().join(signed), "grub", |_| {});
    let whole = cd(&media, &[("shim", "BOOTX64.EFI"), ("grub", "grubx64.efi")]);
    assert_eq!(whole.errors(), [] as [String; 0]);
    let entry = &whole.boot.entries[0];
    assert_eq!(entry.loader.as_deref(), Some("shim, GRUB 2"));
    let files: Vec<_> =
        entry.efi.iter().map(|file| (file.path.as_str(), file.machine, file.signed)).collect();
    let expected =
        ["/EFI/BOOT/BOOTX64.EFI", "/EFI/BOOT/grubx64.efi"].map(|path| (path, Some("x86_64"), true));
    assert_eq!(files, expected);

    let alone = cd(&media, &[("shim", "BOOTX64.EFI")]);
    alone.has(Error, "efi-next-missing", "/EFI/BOOT/BOOTX64.EFI is shim, which starts grubx64.efi");
    let unsigned = cd(&media, &[("shim", "bootx64.efi"), ("bootx64.efi", "grubx64.efi")]);
    unsigned.has(Warning, "efi-next-unsigned", "/EFI/BOOT/grubx64.efi is not signed");
    patched(&media, &media.path("shim"), "short", |bytes| bytes.truncate(500_000));
    let short = cd(&media, &[("short", "BOOTX64.EFI"), ("grub", "grubx64.efi")]);
    short.has(Error, "efi-truncated", "/EFI/BOOT/BOOTX64.EFI is truncated");
}

#[test]
fn what_uefi_cannot_start_is_an_error() {
    let media = Media::new();
    cd(&media, &[]).has(Error, "efi-loader-missing", "has no /EFI/BOOT/BOOTX64.EFI");
    fs::write(media.path("text"), "no program").unwrap();
    cd(&media, &[("text", "BOOTX64.EFI")]).has(
        Error,
        "efi-no-program",
        "/EFI/BOOT/BOOTX64.EFI is no EFI program",
    );
    let ia32 = loaders().join("boot/memtest86+ia32.efi");
    patched(&media, &ia32, "ia32", |_| {});
    cd(&media, &[("ia32", "BOOTX64.EFI")]).has(Error, "efi-machine", "is for i386, not x86_64");
    let good = cd(&media, &[("ia32", "BOOTIA32.EFI")]);
    assert_eq!((good.errors().len(), good.boot.entries[0].efi[0].machine), (0, Some("i386")));
    // the subsystem is 92 bytes behind the header's start
    patched(&media, &media.path("bootx64.efi"), "driver", |bytes| {
        let header = usize::from(bytes[0x3c]);
        bytes[header + 92] = 11;
    });
    cd(&media, &[("driver", "BOOTX64.EFI")]).has(Error, "efi-subsystem", "is no EFI application");
    fs::write(media.path("tree/boot/efi.img"), vec![9; 1 << 20]).unwrap();
    let none = read(&media.iso("uefi.iso", UEFI));
    none.has(Error, "efi-no-fat", "the EFI system partition is no FAT file system");
    none.has(Error, "no-boot-entry", "nothing that starts");
}

#[test]
fn what_leads_to_the_file_system_is_checked() {
    let media = Media::new();
    let path = media.iso("uefi.iso", UEFI);
    let catalog = catalog(&path);
    let changed = |at: u64, new: &[u8]| {
        patched(&media, &path, "changed.iso", |bytes| {
            let at = (catalog + at) as usize;
            bytes[at..at + new.len()].copy_from_slice(new);
        });
        read(&media.path("changed.iso"))
    };
    changed(33, &[2]).has(Error, "efi-emulation", "is for UEFI, as a floppy disk; UEFI has no emulation");
    changed(34, &[7]).has(Warning, "load-segment", "is for UEFI and has a load segment");
    changed(38, &[9, 0]).has(Warning, "efi-size", "has 4608 bytes, its file system 1474560");
    changed(40, &[0xff; 4]).has(Error, "boot-image-outside", "behind the image's end");

    let path = media.iso("mbr.iso", &["-append_partition 2 0xef efi.img"]);
    patched(&media, &path, "changed.iso", |bytes| {
        bytes[446 + 16 + 12..446 + 32].copy_from_slice(&[9, 0, 0, 0])
    });
    read(&media.path("changed.iso")).has(Error, "fat-boot-sector", "its place has 4608");
}

/// Where it is, by the boot record.
fn catalog(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    let at = 17 * 2048 + 71;
    u64::from(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])) * 2048
}
