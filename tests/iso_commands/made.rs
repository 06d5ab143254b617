//! Media as builders make them, by xorriso.

use std::fs;
use std::path::Path;
use std::process::Command;

use airshipctl::iso::sums;
use tempfile::TempDir;

/// In user-data, and on the kernel's command line.
pub const PASSWORD: &str = "s3cret-Aiph4oo";
const STAMP: &str = "2025061515064000";

/// A directory with a tree, from which images are made.
pub struct Medium(TempDir);

pub fn user_data() -> String {
    format!("#cloud-config\npassword: {PASSWORD}\n")
}

pub fn grub(password: &str) -> String {
    format!(
        "set default=0\nset timeout=0\nmenuentry \"Node\" {{\n  linux /live/vmlinuz boot=live console=ttyS0,115200 \
         password={password} quiet\n  initrd /live/initrd.img\n}}\n"
    )
}

pub fn sha256(bytes: &[u8]) -> String {
    sums::sha256(bytes)
}

/// As the command shows it.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..100_000 => format!("{bytes} bytes"),
        _ => format!("{bytes} bytes ({:.1} MB)", bytes as f64 / 1e6),
    }
}

/// What the kernel's own header has (Documentation/arch/x86/boot.rst).
fn kernel() -> Vec<u8> {
    let mut kernel = vec![0; 4096];
    kernel[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    kernel
}

/// One with all that the reference builder's have, and the image `site.iso` made of it.
pub fn medium() -> Medium {
    let kernel = kernel();
    let sums = format!("{}  live/vmlinuz\n{}  live/initrd.img\n", sha256(&kernel), sha256(b"initrd"));
    let medium = Medium::new(&[
        ("nocloud/user-data", user_data().as_bytes()),
        ("nocloud/meta-data", b"instance-id: \"iid-1\"\nlocal-hostname: \"node\"\n"),
        ("nocloud/network-config", b"version: 2\nethernets: {}\n"),
        ("boot/grub/grub.cfg", grub(PASSWORD).as_bytes()),
        ("boot/loader.img", &[0xeb; 2048]),
        ("live/vmlinuz", &kernel),
        ("live/initrd.img", b"initrd"),
        (".airship/SHA256SUMS", sums.as_bytes()),
    ]);
    medium.make("site.iso", &[]);
    medium
}

/// El Torito for BIOS.
const BOOT: [&str; 5] = ["-b", "boot/loader.img", "-no-emul-boot", "-boot-load-size", "4"];

impl Medium {
    pub fn new(files: &[(&str, &[u8])]) -> Self {
        let mut medium = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(path, bytes)| medium.add(path, bytes));
        medium
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts a file into the tree, in place of one that has this name.
    pub fn add(&mut self, path: &str, bytes: &[u8]) {
        let path = self.path().join("tree").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Makes an image of the tree; further options come after the usual ones.
    pub fn make(&self, name: &str, options: &[&str]) {
        let boot: &[&str] = if self.path().join("tree/boot/loader.img").exists() { &BOOT } else { &[] };
        let mut command = Command::new("xorriso");
        command.current_dir(self.path()).args(["-as", "mkisofs", "-r", "-J", "-V", "AIRSHIP_EPH"]);
        command.args([&format!("--modification-date={STAMP}"), "--set_all_file_dates", STAMP]);
        let made = command.args(boot).args(options).args(["-o", name, "tree"]).output();
        let made = made.expect("xorriso is installed by scripts/setup.sh test");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }
}
