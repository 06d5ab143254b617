//! What firmware finds on images as xorriso, mtools, sfdisk, sgdisk and GRUB make them, and on those that Debian
//! ships, compared with the reports of these programs.

mod common;
#[path = "iso_boot/flips.rs"]
mod flips;
#[path = "iso_boot/media.rs"]
mod media;
#[path = "iso_boot/reports.rs"]
mod reports;
#[path = "iso_boot/systems.rs"]
mod systems;

use airshipctl::iso::boot::{Firmware, Medium, Scheme};
use media::{Media, Read, loaders, read};

type Way = (Firmware, Medium, &'static str);

const BIOS_CD: Way = (Firmware::Bios, Medium::Cd, "GRUB 2");
const BIOS_DISK: Way = (Firmware::Bios, Medium::Disk, "GRUB 2");
const UEFI_CD: Way = (Firmware::Uefi, Medium::Cd, "GRUB 2");
const UEFI_DISK: Way = (Firmware::Uefi, Medium::Disk, "GRUB 2");

/// Name, options of `xorriso -as mkisofs`, ways of starting, warnings.
type Form = (&'static str, &'static [&'static str], &'static [Way], &'static [&'static str]);

const GRUB: &str = "-b boot/grub/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table";

/// Options are separated by blanks; `GRUB` stands for those of its boot image.
const FORMS: &[Form] = &[
    ("BIOS, CD", &["GRUB"], &[BIOS_CD], &[]),
    (
        "BIOS, CD and disk",
        &["GRUB", "--grub2-boot-info --grub2-mbr boot_hybrid.img"],
        &[BIOS_CD, BIOS_DISK],
        &["mbr-none-active"],
    ),
    ("UEFI, CD", &["-e boot/efi.img -no-emul-boot"], &[UEFI_CD], &[]),
    (
        "UEFI, CD and disk by MBR",
        &["-e --interval:appended_partition_2:all:: -no-emul-boot -append_partition 2 0xef efi.img"],
        &[UEFI_CD, UEFI_DISK],
        &[],
    ),
    (
        "UEFI, CD and disk by GPT",
        &[
            "-e --interval:appended_partition_2:all:: -no-emul-boot -append_partition 2 0xef efi.img",
            "-appended_part_as_gpt",
        ],
        &[UEFI_CD, UEFI_DISK],
        &[],
    ),
    ("all, as our builder", media::OURS, &[BIOS_CD, UEFI_CD, BIOS_DISK, UEFI_DISK], &["mbr-none-active"]),
    (
        "all, with an active partition",
        &[media::OURS[0], media::OURS[1], media::OURS[2], "--mbr-force-bootable"],
        &[BIOS_CD, UEFI_CD, BIOS_DISK, UEFI_DISK],
        &[],
    ),
    (
        "all, as Debian's installer",
        &[
            "-b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table",
            "-isohybrid-mbr isohdpfx.bin -eltorito-alt-boot -e boot/efi.img -no-emul-boot -isohybrid-gpt-basdat",
        ],
        &[
            (Firmware::Bios, Medium::Cd, "ISOLINUX"),
            UEFI_CD,
            (Firmware::Bios, Medium::Disk, "ISOLINUX"),
            UEFI_DISK,
        ],
        &["gpt-unprotected"],
    ),
    ("a floppy disk", &["-b boot/floppy.img"], &[(Firmware::Bios, Medium::Cd, "")], &[]),
    ("nothing", &[], &[], &[]),
];

fn ways(read: &Read) -> Vec<(Firmware, Medium, &str)> {
    let entries = read.boot.entries.iter();
    entries.map(|entry| (entry.firmware, entry.medium, entry.loader.as_deref().unwrap_or(""))).collect()
}

#[test]
fn each_form_starts_as_it_was_made_to_and_is_reported_as_xorriso_and_sfdisk_do() {
    let media = Media::new();
    for (name, options, expected, warnings) in FORMS {
        let path = media.iso("form.iso", options);
        let read = read(&path);
        assert_eq!(ways(&read), *expected, "{name}: {:?}", read.findings);
        assert_eq!(read.errors(), [] as [String; 0], "{name}");
        let codes: Vec<_> = read.findings.iter().map(|finding| finding.code).collect();
        let boot = codes.into_iter().filter(|code| *code != "menu-waits");
        assert_eq!(boot.collect::<Vec<_>>(), *warnings, "{name}");
        reports::el_torito(&path, &read.boot);
        reports::partitions(&path, &read.boot);
    }
}

#[test]
fn the_menu_of_our_medium_is_read_from_the_volume() {
    let media = Media::new();
    let read = read(&media.iso("ours.iso", media::OURS));
    let entries: Vec<_> = read.boot.menu.iter().filter(|entry| entry.file == "/boot/grub/grub.cfg").collect();
    let [entry] = &entries[..] else { panic!("{:#?}", read.boot.menu) };
    assert_eq!((entry.kernel.as_str(), entry.initrd.len(), entry.default), ("/live/vmlinuz", 1, true));
    assert_eq!(entry.title, "Airship ephemeral node");
    let isolinux: Vec<_> =
        read.boot.menu.iter().filter(|entry| entry.file == "/isolinux/isolinux.cfg").collect();
    assert_eq!((isolinux[0].command_line.as_str(), isolinux.len()), ("boot=live quiet", 1));
}

#[test]
fn images_that_debian_ships_are_reported_as_xorriso_and_sfdisk_do() {
    for (name, count) in [
        ("ipxe/ipxe.iso", 3),
        ("memtest86+/memtest86+x64.iso", 4),
        ("memtest86+/memtest86+ia32.iso", 4),
        ("grub-rescue/grub-rescue-cdrom.iso", 2),
        ("grub-rescue/grub-rescue-floppy.img", 2),
    ] {
        let path = loaders().join("usr/lib").join(name);
        let read = read(&path);
        assert_eq!(read.errors(), [] as [String; 0], "{name}");
        assert_eq!(read.boot.entries.len(), count, "{name}: {:#?}", read.boot.entries);
        reports::el_torito(&path, &read.boot);
        reports::partitions(&path, &read.boot);
    }
}

#[test]
fn disks_are_reported_as_sfdisk_does() {
    let media = Media::new();
    for (script, scheme) in [
        (
            "label: gpt\nsize=4096,type=uefi,name=\"EFI system\"\nsize=100,type=linux\nname=\"last one\"\n",
            Scheme::Gpt,
        ),
        (
            "label: dos\nsize=4096,type=ef,bootable\nsize=64,type=83\nsize=64,type=82\nsize=9,type=7\n",
            Scheme::Mbr,
        ),
    ] {
        let path = media.disk("disk.img", script);
        let read = read(&path);
        assert_eq!(read.errors(), [] as [String; 0], "{script}");
        assert_eq!(ways(&read), [UEFI_DISK], "{script}");
        assert_eq!(read.boot.partitions.last().unwrap().scheme, scheme);
        reports::partitions(&path, &read.boot);
    }
    let path = media.path("sgdisk.img");
    std::fs::File::create(&path).unwrap().set_len(4 << 20).unwrap();
    media.run(
        "sgdisk",
        &[
            "-a",
            "1",
            "-n",
            "3:64:200",
            "-c",
            "3:mitte",
            "-t",
            "3:ef02",
            "-n",
            "7:0:0",
            "-A",
            "7:set:2",
            "sgdisk.img",
        ],
    );
    let read = read(&path);
    assert_eq!(read.errors(), [] as [String; 0]);
    assert!(read.boot.partitions.iter().any(|partition| partition.number == 7 && partition.active));
    reports::partitions(&path, &read.boot);
}

#[test]
fn a_truncated_hybrid_image_is_an_error_at_any_length() {
    let media = Media::new();
    let path = media.iso("ours.iso", media::OURS);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let whole = file.metadata().unwrap().len();
    for length in [whole - 1, whole - 512, whole - 300_000, whole / 2, 200_000, 45_000, 2048, 600] {
        file.set_len(length).unwrap();
        assert!(!read(&path).errors().is_empty(), "{length}");
    }
}
