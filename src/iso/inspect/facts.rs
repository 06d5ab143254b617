//! Volume, boot records and cloud-init data as they are shown.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::Reveal;
use super::command_line::redacted;
use crate::iso::boot::{BootEntry, EfiFile, Firmware, Medium, MenuEntry, Partition, Scheme};
use crate::iso::cloud::{self, Seed, SeedFile};
use crate::iso::image::Image;
use crate::iso::sums;
use crate::iso::volume::{Identifiers, Kind, Volume};

/// Hexadecimal digits of the checksum of a secret file that are shown: enough to compare two by.
const DIGITS: usize = 8;
/// A file of a seed that is larger is neither looked at nor shown; cloud-init data are far smaller.
const MOST_SHOWN: u64 = 16 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeFacts {
    #[serde(flatten)]
    pub about: Identifiers,
    /// In bytes.
    pub block_size: u16,
    pub rock_ridge: bool,
    pub joliet: Option<JolietFacts>,
    pub files: usize,
    pub directories: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JolietFacts {
    pub label: String,
    /// 1 to 3.
    pub level: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntryFacts {
    /// `BIOS` or `UEFI`.
    pub firmware: &'static str,
    /// `CD` or `disk`.
    pub medium: &'static str,
    pub via: String,
    /// In bytes, as the length.
    pub offset: u64,
    pub length: u64,
    pub loader: Option<String>,
    pub efi: Vec<EfiFacts>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EfiFacts {
    pub path: String,
    pub size: u64,
    pub machine: Option<&'static str>,
    pub signed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionFacts {
    /// `MBR` or `GPT`.
    pub scheme: &'static str,
    pub number: u32,
    /// In bytes, as the length.
    pub offset: u64,
    pub length: u64,
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    pub active: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MenuFacts {
    pub file: String,
    pub title: String,
    pub kernel: String,
    pub initrd: Vec<String>,
    /// With `(hidden)` for what looks secret, unless all is to be shown.
    pub command_line: String,
    pub default: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeedFacts {
    /// `NoCloud` or `config drive`.
    pub source: String,
    pub directory: String,
    pub files: Vec<SeedFileFacts>,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct SeedFileFacts {
    pub role: String,
    pub path: String,
    /// `cloud-config`, `network-config version 2`, ...; `None` for meta-data.
    pub kind: Option<&'static str>,
    pub size: u64,
    /// The first eight digits; `None` for what is far too large for cloud-init.
    pub sha256: Option<String>,
    /// Octal, without the type; `None` without Rock Ridge.
    pub mode: Option<String>,
    /// Only if it is to be shown.
    #[serde(flatten)]
    pub contents: Option<Contents>,
}

/// As text where it is UTF-8, else in base64.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Contents {
    Contents(String),
    ContentsBase64(String),
}

/// Without the contents, which hold keys and passwords.
impl std::fmt::Debug for SeedFileFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SeedFileFacts({}, {} bytes)", self.path, self.size)
    }
}

impl VolumeFacts {
    pub fn new(volume: &Volume) -> Self {
        let of = |is_directory: bool| {
            volume
                .tree
                .entries
                .values()
                .filter(|entry| (entry.kind == Kind::Directory) == is_directory)
                .count()
        };
        Self {
            about: volume.about.clone(),
            block_size: volume.block_size,
            rock_ridge: volume.rock_ridge,
            joliet: volume.joliet.as_ref().map(|it| JolietFacts { label: it.label.clone(), level: it.level }),
            files: of(false),
            directories: of(true),
        }
    }
}

impl EntryFacts {
    pub fn new(entry: &BootEntry) -> Self {
        Self {
            firmware: match entry.firmware {
                Firmware::Bios => "BIOS",
                Firmware::Uefi => "UEFI",
            },
            medium: match entry.medium {
                Medium::Cd => "CD",
                Medium::Disk => "disk",
            },
            via: entry.via.clone(),
            offset: entry.extent.offset,
            length: entry.extent.length,
            loader: entry.loader.clone(),
            efi: entry.efi.iter().map(EfiFacts::new).collect(),
        }
    }
}

impl EfiFacts {
    fn new(file: &EfiFile) -> Self {
        Self { path: file.path.clone(), size: file.size, machine: file.machine, signed: file.signed }
    }
}

impl PartitionFacts {
    pub fn new(partition: &Partition) -> Self {
        Self {
            scheme: match partition.scheme {
                Scheme::Mbr => "MBR",
                Scheme::Gpt => "GPT",
            },
            number: partition.number,
            offset: partition.extent.offset,
            length: partition.extent.length,
            kind: partition.kind.clone(),
            name: partition.name.clone(),
            active: partition.active,
        }
    }
}

impl MenuFacts {
    pub fn new(entry: &MenuEntry, reveal: Reveal) -> Self {
        Self {
            file: entry.file.clone(),
            title: entry.title.clone(),
            kernel: entry.kernel.clone(),
            initrd: entry.initrd.clone(),
            command_line: match reveal {
                Reveal::Nothing => redacted(&entry.command_line),
                Reveal::Secrets => entry.command_line.clone(),
            },
            default: entry.default,
        }
    }
}

impl SeedFacts {
    /// Reads the files of the seed, to name their kinds.
    pub fn new(image: &Image, seed: &Seed, reveal: Reveal) -> io::Result<Self> {
        let files = seed.files.iter().map(|file| SeedFileFacts::new(image, file, reveal));
        Ok(Self {
            source: seed.source.to_string(),
            directory: seed.directory.clone(),
            files: files.collect::<io::Result<_>>()?,
        })
    }
}

impl SeedFileFacts {
    fn new(image: &Image, file: &SeedFile, reveal: Reveal) -> io::Result<Self> {
        let bytes = file.read(image, MOST_SHOWN)?;
        let sha256 = bytes.as_ref().map(|bytes| sums::sha256(bytes).chars().take(DIGITS).collect());
        Ok(Self {
            role: file.role.to_string(),
            path: file.path.clone(),
            kind: bytes.as_ref().and_then(|bytes| cloud::kind(file.role, bytes)),
            size: file.size(),
            sha256,
            mode: file.mode.map(|mode| format!("{:04o}", mode & 0o7777)),
            contents: match reveal {
                Reveal::Nothing => None,
                Reveal::Secrets => bytes.map(Contents::new),
            },
        })
    }
}

impl Contents {
    fn new(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Contents(text),
            Err(error) => Self::ContentsBase64(STANDARD.encode(error.as_bytes())),
        }
    }
}
