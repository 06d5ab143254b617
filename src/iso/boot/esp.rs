//! What UEFI starts from an EFI system partition of removable media (UEFI 2.10, 3.5.1.1).

use std::io;

use super::fat::{self, NoFat};
use super::pe::Pe;
use super::{EfiFile, contents};
use crate::iso::finding::Findings;
use crate::iso::image::{Extent, Image};
use crate::iso::volume::{Entry, Kind, Tree};

const DIRECTORY: &str = "/EFI/BOOT/";
/// By machine: what firmware starts, and what shim starts then.
const FILES: &[(&str, &str, &str)] = &[
    ("x86_64", "BOOTX64.EFI", "grubx64.efi"),
    ("aarch64", "BOOTAA64.EFI", "grubaa64.efi"),
    ("i386", "BOOTIA32.EFI", "grubia32.efi"),
    ("arm", "BOOTARM.EFI", "grubarm.efi"),
    ("riscv64", "BOOTRISCV64.EFI", "grubriscv64.efi"),
    ("loongarch64", "BOOTLOONGARCH64.EFI", "grubloongarch64.efi"),
];
/// Headers of a program, in bytes.
const HEAD: u64 = 64 << 10;
/// `.sbat` is a few lines.
const MOST_SBAT: u64 = 64 << 10;

/// A file system that firmware reads.
#[derive(Debug)]
pub(super) struct Esp {
    /// As long as the file system.
    pub extent: Extent,
    pub tree: Tree,
    pub files: Vec<EfiFile>,
    pub loader: Option<String>,
}

/// What has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It is for firmware: something to start, whatever it takes.
    Loader,
    /// Any partition: what is no FAT, or holds no program, is nobody's business.
    Nothing,
}

/// The file system at `place` and the programs in it.
pub(super) fn read(
    image: &Image,
    place: Extent,
    need: Need,
    findings: &mut Findings,
) -> io::Result<Option<Esp>> {
    let fat = match fat::read(image, place, findings)? {
        Ok(fat) => fat,
        Err(no) => {
            report(no, place.offset, need, findings);
            return Ok(None);
        }
    };
    let mut esp = Esp { extent: fat.extent, tree: fat.tree, files: Vec::new(), loader: None };
    for (machine, name, next) in FILES {
        esp.add(image, machine, name, next, findings)?;
    }
    if esp.files.is_empty() && need == Need::Loader {
        let message =
            format!("the EFI system partition has no {DIRECTORY}BOOTX64.EFI, nor another machine's");
        findings.error("efi-loader-missing", place.offset, message);
    }
    Ok(Some(esp))
}

/// A FAT that is damaged is told wherever it is; that there is none only where firmware needs one.
fn report(no: NoFat, offset: u64, need: Need, findings: &mut Findings) {
    match (no, need) {
        (NoFat::Other, Need::Nothing) => {}
        (NoFat::Other, Need::Loader) => {
            findings.error("efi-no-fat", offset, "the EFI system partition is no FAT file system");
        }
        (NoFat::Impossible(reason), _) => {
            findings.error("fat-boot-sector", offset, format!("the FAT is damaged: {reason}"));
        }
    }
}

/// A program and what is known of it.
struct Program {
    file: EfiFile,
    name: Option<&'static str>,
}

impl Esp {
    /// The program for one machine, and what comes after it.
    fn add(
        &mut self,
        image: &Image,
        machine: &str,
        name: &str,
        next: &str,
        findings: &mut Findings,
    ) -> io::Result<()> {
        let Some(first) = self.program(image, &format!("{DIRECTORY}{name}"), machine, findings)? else {
            return Ok(());
        };
        let mut loader = first.name.map(str::to_owned);
        let shim = first.name == Some("shim");
        self.files.push(first.file);
        if shim {
            let second = self.program(image, &format!("{DIRECTORY}{next}"), machine, findings)?;
            loader = Some(self.after_shim(second, name, next, findings));
        }
        self.loader = self.loader.take().or(loader);
        Ok(())
    }

    /// shim starts GRUB, or its own fallback, which makes an entry in the firmware's menu.
    fn after_shim(
        &mut self,
        second: Option<Program>,
        name: &str,
        next: &str,
        findings: &mut Findings,
    ) -> String {
        let Some(second) = second else {
            let fallback = next.replacen("grub", "fb", 1);
            if find(&self.tree, &format!("{DIRECTORY}{fallback}")).is_none() {
                let message = format!("{DIRECTORY}{name} is shim, which starts {next}; that is not there");
                findings.error("efi-next-missing", self.extent.offset, message);
            }
            return "shim".into();
        };
        if !second.file.signed {
            let message =
                format!("{} is not signed; shim does not start it with Secure Boot", second.file.path);
            findings.warning("efi-next-unsigned", self.extent.offset, message);
        }
        let loader = second.name.map_or("shim".into(), |name| format!("shim, {name}"));
        self.files.push(second.file);
        loader
    }

    /// Only its headers are read: programs with a kernel in them have a hundred MiB.
    fn program(
        &self,
        image: &Image,
        path: &str,
        machine: &str,
        findings: &mut Findings,
    ) -> io::Result<Option<Program>> {
        let Some((path, entry)) = find(&self.tree, path).filter(|(_, entry)| entry.kind == Kind::File) else {
            return Ok(None);
        };
        let head = contents(image, &entry.extents, 0, HEAD)?;
        let pe = Pe::new(&head);
        check(path, entry, pe.as_ref(), machine, findings);
        let name = match &pe {
            Some(pe) => recognise(image, entry, pe)?,
            None => None,
        };
        let (found, signed) = pe.map_or((None, false), |pe| (pe.machine, pe.signature.is_some()));
        let file = EfiFile { path: path.into(), size: entry.size(), machine: found, signed };
        Ok(Some(Program { file, name }))
    }
}

/// What firmware refuses to load (UEFI, 7.4.1), by machine, kind and length.
fn check(path: &str, entry: &Entry, pe: Option<&Pe>, machine: &str, findings: &mut Findings) {
    let Some(pe) = pe else {
        findings.error("efi-no-program", entry.record, format!("{path} is no EFI program"));
        return;
    };
    if pe.machine != Some(machine) {
        let found = pe.machine.unwrap_or("an unknown machine");
        findings.error("efi-machine", entry.record, format!("{path} is for {found}, not {machine}"));
    }
    if !pe.application {
        findings.error("efi-subsystem", entry.record, format!("{path} is no EFI application"));
    }
    if !pe.is_whole(entry.size()) {
        let message = format!("{path} is truncated: its headers name bytes behind its end");
        findings.error("efi-truncated", entry.record, message);
    }
}

/// By what its maker says for revocations (`.sbat`), else by sections that only it has.
fn recognise(image: &Image, entry: &Entry, pe: &Pe) -> io::Result<Option<&'static str>> {
    if let Some(section) = pe.section(".sbat") {
        let sbat = contents(image, &entry.extents, section.offset, section.length.min(MOST_SBAT))?;
        let sbat = String::from_utf8_lossy(&sbat);
        let names: Vec<_> = sbat.lines().filter_map(|line| line.split(',').next()).collect();
        let known = [("shim", "shim"), ("grub", "GRUB 2"), ("systemd", "systemd-boot")];
        let found = known.iter().find(|(component, _)| names.contains(component));
        // a unified kernel image carries systemd's stub and its component
        let linux = pe.section(".linux").map(|_| "Linux");
        if let Some(name) = linux.or(found.map(|(_, name)| *name)) {
            return Ok(Some(name));
        }
    }
    let known =
        [("mods", "GRUB 2"), (".vendor_cert", "shim"), (".sdmagic", "systemd-boot"), (".linux", "Linux")];
    Ok(known.iter().find(|(section, _)| pe.section(section).is_some()).map(|(_, name)| *name))
}

/// FAT does not tell upper from lower case.
fn find<'a>(tree: &'a Tree, path: &str) -> Option<(&'a str, &'a Entry)> {
    let mut entries = tree.entries.iter();
    entries.find(|(name, _)| name.eq_ignore_ascii_case(path)).map(|(name, entry)| (name.as_str(), entry))
}
