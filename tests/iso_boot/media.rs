//! Images of every kind, made on the spot.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use airshipctl::iso::boot::{self, Boot};
use airshipctl::iso::volume::{self, Volume};
use airshipctl::iso::{Finding, Findings, Image, Severity};

/// As scripts/builder/build_iso/medium.py has them.
pub const OURS: &[&str] = &[
    "GRUB --grub2-boot-info --grub2-mbr boot_hybrid.img -append_partition 2 0xef efi.img -appended_part_as_gpt",
    "-eltorito-alt-boot -e --interval:appended_partition_2:all:: -no-emul-boot -isohybrid-gpt-basdat",
    "-partition_offset 16 --gpt_disk_guid 41495253-4849-5021-8000-000000000001",
];

/// What scripts/setup.sh unpacked of Debian's packages.
pub fn loaders() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/loaders");
    assert!(path.exists(), "scripts/setup.sh test unpacks boot loaders into target/loaders");
    path
}

/// All that is read of an image.
pub struct Read {
    pub boot: Boot,
    pub findings: Vec<Finding>,
}

impl Read {
    pub fn errors(&self) -> Vec<String> {
        let errors = self.findings.iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(|finding| format!("{}: {}", finding.code, finding.message)).collect()
    }

    #[track_caller]
    pub fn has(&self, severity: Severity, code: &str, part: &str) {
        let mut findings = self.findings.iter().filter(|finding| finding.code == code);
        let found = findings.any(|finding| finding.message.contains(part) && finding.severity == severity);
        assert!(found, "no {code} with {part:?} in {:#?}", self.findings);
    }
}

pub fn volume(path: &Path) -> Option<Volume> {
    let image = Image::new(fs::File::open(path).unwrap()).unwrap();
    volume::read(&image, &mut Findings::default()).unwrap()
}

pub fn read(path: &Path) -> Read {
    let image = Image::new(fs::File::open(path).unwrap()).unwrap();
    let mut findings = Findings::default();
    let boot = boot::read(&image, volume(path).as_ref(), &mut findings).unwrap();
    Read { boot, findings: findings.list().to_vec() }
}

/// A directory with a tree to put on images, and boot loaders.
pub struct Media {
    directory: tempfile::TempDir,
}

impl Media {
    pub fn new() -> Self {
        let media = Self { directory: tempfile::tempdir().unwrap() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for directory in ["tree/boot/grub", "tree/live", "tree/isolinux"] {
            fs::create_dir_all(media.path(directory)).unwrap();
        }
        let mut kernel = vec![0; 300_000];
        kernel[0x1f1..0x206].copy_from_slice(b"\x04\0\0\x10\0\0\0\0\0\0\0\0\0\x55\xaa\0\0HdrS");
        fs::write(media.path("tree/live/vmlinuz"), kernel).unwrap();
        fs::write(media.path("tree/live/initrd.img"), [7; 5000]).unwrap();
        fs::copy(root.join("scripts/builder/grub.cfg"), media.path("tree/boot/grub/grub.cfg")).unwrap();
        fs::copy("/usr/lib/grub/i386-pc/boot_hybrid.img", media.path("boot_hybrid.img")).unwrap();
        let isolinux = loaders().join("usr/lib/ISOLINUX");
        fs::copy(isolinux.join("isolinux.bin"), media.path("tree/isolinux/isolinux.bin")).unwrap();
        fs::copy(isolinux.join("isohdpfx.bin"), media.path("isohdpfx.bin")).unwrap();
        let menu = "default live\nlabel live\n linux /live/vmlinuz\n initrd /live/initrd.img\n append boot=live quiet\n";
        fs::write(media.path("tree/isolinux/isolinux.cfg"), menu).unwrap();
        media.grub();
        media.esp("efi.img", 1440, &[("bootx64.efi", "BOOTX64.EFI")]);
        fs::copy(media.path("efi.img"), media.path("tree/boot/efi.img")).unwrap();
        fs::write(media.path("tree/boot/floppy.img"), vec![1; 1440 << 10]).unwrap();
        media
    }

    fn grub(&self) {
        let modules = ["normal", "configfile", "linux", "iso9660"];
        for (format, output) in
            [("i386-pc-eltorito", "tree/boot/grub/eltorito.img"), ("x86_64-efi", "bootx64.efi")]
        {
            let mut arguments = vec!["-O", format, "-o", output, "-p", "/boot/grub"];
            arguments.extend(modules);
            arguments.extend(format.starts_with("i386").then_some("biosdisk"));
            self.run("grub-mkimage", &arguments);
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        let ran = command.current_dir(self.directory.path()).args(arguments).stdin(Stdio::null()).output();
        let ran = ran.unwrap_or_else(|error| panic!("{program}, of scripts/setup.sh test: {error}"));
        assert!(ran.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// An EFI system partition of so many KiB with these files in `/EFI/BOOT`.
    pub fn esp(&self, name: &str, kib: u64, files: &[(&str, &str)]) -> PathBuf {
        let path = self.path(name);
        fs::File::create(&path).unwrap().set_len(kib << 10).unwrap();
        match kib {
            1440 => self.run("mformat", &["-i", name, "-f", "1440", "-v", "SYSTEM", "::"]),
            _ => self.run("mkfs.fat", &["-n", "SYSTEM", name]),
        };
        self.run("mmd", &["-i", name, "::/EFI", "::/EFI/BOOT"]);
        for (from, to) in files {
            self.run("mcopy", &["-i", name, from, &format!("::/EFI/BOOT/{to}")]);
        }
        path
    }

    pub fn iso(&self, name: &str, options: &[&str]) -> PathBuf {
        let grub = options.join(" ").replace("GRUB", super::GRUB);
        let mut arguments = vec!["-as", "mkisofs", "-r", "-J", "-V", "MADE"];
        arguments.extend(grub.split_whitespace());
        arguments.extend(["-o", name, "tree"]);
        self.run("xorriso", &arguments);
        self.path(name)
    }

    /// Partitioned by sfdisk, the first partition being an EFI system partition.
    pub fn disk(&self, name: &str, script: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(self.path("script"), script).unwrap();
        fs::File::create(&path).unwrap().set_len(8 << 20).unwrap();
        self.run("sh", &["-c", &format!("sfdisk -q {name} <script")]);
        let start = super::reports::first_sector(&path);
        let seek = format!("seek={start}");
        self.run("dd", &["if=efi.img", &format!("of={name}"), "conv=notrunc", &seek, "status=none"]);
        path
    }
}
