//! The header of an EFI program (PE/COFF 8.3; UEFI 2.10, 2.1.1).

use crate::iso::image::{u16_le, u32_le};

/// Sections are at most 96 there; hostile ones are not counted further.
const MOST_SECTIONS: usize = 96;
/// UEFI, 2.1.1: EFI application.
const APPLICATION: u16 = 10;

#[derive(Debug)]
pub(super) struct Pe {
    pub machine: Option<&'static str>,
    /// What firmware starts by itself; drivers are not.
    pub application: bool,
    /// Where the signatures are, from the file's start, and their length, in bytes.
    pub signature: Option<(u64, u64)>,
    pub sections: Vec<Section>,
}

#[derive(Debug)]
pub(super) struct Section {
    pub name: String,
    /// In the file, in bytes.
    pub offset: u64,
    pub length: u64,
}

impl Pe {
    /// `head` is the file's beginning; `None` if that is no PE executable.
    pub fn new(head: &[u8]) -> Option<Self> {
        let header = usize::try_from(u32_le(head.get(0x3c..0x40)?)).ok()?;
        let coff = head.get(header..header.checked_add(24)?)?;
        if !head.starts_with(b"MZ") || !coff.starts_with(b"PE\0\0") {
            return None;
        }
        let length = usize::from(u16_le(&coff[20..22]));
        let optional = head.get(header + 24..header + 24 + length)?;
        // PE32 has one more field of addresses, half as wide
        let directories = match u16_le(optional.get(..2)?) {
            0x10b => 96,
            0x20b => 112,
            _ => return None,
        };
        let count = usize::from(u16_le(&coff[6..8])).min(MOST_SECTIONS);
        let sections = head.get(header + 24 + length..).unwrap_or_default().chunks_exact(40).take(count);
        Some(Self {
            machine: machine(u16_le(&coff[4..6])),
            application: u16_le(optional.get(68..70)?) == APPLICATION,
            signature: signature(optional, directories),
            sections: sections.map(Section::new).collect(),
        })
    }

    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Whether all that the headers name is within a file of `size` bytes.
    pub fn is_whole(&self, size: u64) -> bool {
        let sections = self.sections.iter().map(|section| (section.offset, section.length));
        sections.chain(self.signature).all(|(offset, length)| offset + length <= size)
    }
}

/// The directory of certificates is the fifth; its address is a place in the file (PE, 3.4.3).
fn signature(optional: &[u8], directories: usize) -> Option<(u64, u64)> {
    let count = u32_le(optional.get(directories - 4..directories)?);
    let entry = optional.get(directories + 32..directories + 40).filter(|_| count > 4)?;
    let (offset, length) = (u32_le(&entry[..4]), u32_le(&entry[4..]));
    (length != 0).then_some((offset.into(), length.into()))
}

impl Section {
    fn new(bytes: &[u8]) -> Self {
        let name = bytes[..8].split(|byte| *byte == 0).next().unwrap_or_default();
        Self {
            name: String::from_utf8_lossy(name).into_owned(),
            offset: u32_le(&bytes[20..24]).into(),
            length: u32_le(&bytes[16..20]).into(),
        }
    }
}

/// As Linux names them; those for which UEFI has a path on removable media.
fn machine(number: u16) -> Option<&'static str> {
    match number {
        0x8664 => Some("x86_64"),
        0xaa64 => Some("aarch64"),
        0x014c => Some("i386"),
        0x01c2 | 0x01c4 => Some("arm"),
        0x5064 => Some("riscv64"),
        0x6264 => Some("loongarch64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::put;
    use super::*;

    /// An application for x86_64 with one section, `.text`, of 512 bytes.
    fn program() -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        put(&mut bytes, 0, b"MZ");
        bytes[0x3c] = 64;
        put(&mut bytes, 64, b"PE\0\0\x64\x86\x01");
        bytes[64 + 20] = 240;
        put(&mut bytes, 88, &[0x0b, 2]);
        bytes[88 + 68] = 10;
        bytes[88 + 108] = 16;
        put(&mut bytes, 88 + 240, b".text");
        put(&mut bytes, 88 + 240 + 16, &[0, 2, 0, 0, 0, 2, 0, 0]);
        bytes
    }

    #[test]
    fn machine_subsystem_sections_and_signature_are_read() {
        let mut bytes = program();
        let pe = Pe::new(&bytes).unwrap();
        assert_eq!((pe.machine, pe.application, pe.signature), (Some("x86_64"), true, None));
        assert!(pe.is_whole(1024) && !pe.is_whole(1023) && pe.section(".text").is_some());
        put(&mut bytes, 88 + 144, &[0, 4, 0, 0, 8]);
        let pe = Pe::new(&bytes).unwrap();
        assert_eq!(pe.signature, Some((1024, 8)));
        assert!(!pe.is_whole(1024) && pe.is_whole(1032));
        bytes[88 + 68] = 11;
        put(&mut bytes, 68, &[0x64, 0xaa]);
        let pe = Pe::new(&bytes).unwrap();
        assert_eq!((pe.machine, pe.application), (Some("aarch64"), false));
    }

    #[test]
    fn what_is_none_or_ends_early_is_refused_at_any_length() {
        let bytes = program();
        (0..88 + 240).for_each(|length| assert!(Pe::new(&bytes[..length]).is_none(), "{length}"));
        for (at, new) in [(0, 0), (64, 0), (0x3f, 0xff), (88, 0), (85, 0xff)] {
            let mut bytes = program();
            bytes[at] = new;
            assert!(Pe::new(&bytes).is_none(), "{at}");
        }
    }
}
