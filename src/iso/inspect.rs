//! What an image is, for people and programs: facts, no verdict beyond the findings.

mod command_line;
mod facts;
mod space;

use std::io;

use serde::Serialize;

use super::examine::Examined;
use super::finding::{Finding, Severity};
use super::image::Image;
use super::lists;
use super::sums::{self, Sums};

pub use facts::{
    Contents, EfiFacts, EntryFacts, JolietFacts, MenuFacts, PartitionFacts, SeedFacts, SeedFileFacts,
    VolumeFacts,
};
pub use space::{Space, claimed};

/// A file of holes costs its maker nothing, and whoever sums it up hours.
pub const LARGEST_SUMMED: u64 = 64 << 30;

/// Whether secrets are shown: cloud-init data, and passwords on command lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reveal {
    Nothing,
    Secrets,
}

/// Everything about an image. As JSON the document that `iso inspect --help` describes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// 1; keys are only added to it.
    pub version: u32,
    pub space: Space,
    /// `None` for an image that is too large to be summed up.
    pub sums: Option<Sums>,
    pub volume: Option<VolumeFacts>,
    pub boot: Vec<EntryFacts>,
    pub partitions: Vec<PartitionFacts>,
    pub menu: Vec<MenuFacts>,
    pub cloud_init: Vec<SeedFacts>,
    pub checksum_lists: Vec<ListFacts>,
    pub findings: Vec<Finding>,
    /// How many findings there are beyond those in the list.
    pub more_findings: u64,
}

/// A list of checksums on the volume; `iso verify` goes by it.
#[derive(Clone, Debug, Serialize)]
pub struct ListFacts {
    pub path: String,
    pub algorithm: sums::Algorithm,
    /// How many files it names.
    pub files: usize,
}

/// Puts together what `examined` and the bytes of the image say.
pub fn inspect(image: &Image, examined: &Examined, reveal: Reveal) -> io::Result<Inspection> {
    let mut findings = examined.findings.clone();
    let lists = lists::read(image, examined.volume.as_ref(), &mut findings)?;
    let summed = claimed(image)?;
    let sums = if summed <= LARGEST_SUMMED { sums::of_image(image, summed)? } else { None };
    let seeds = examined.seeds.iter().map(|seed| SeedFacts::new(image, seed, reveal));
    Ok(Inspection {
        version: 1,
        space: Space::of(image, examined),
        sums,
        volume: examined.volume.as_ref().map(VolumeFacts::new),
        boot: examined.boot.entries.iter().map(EntryFacts::new).collect(),
        partitions: examined.boot.partitions.iter().map(PartitionFacts::new).collect(),
        menu: examined.boot.menu.iter().map(|entry| MenuFacts::new(entry, reveal)).collect(),
        cloud_init: seeds.collect::<io::Result<_>>()?,
        checksum_lists: lists.iter().map(ListFacts::new).collect(),
        findings: sorted(findings.list()),
        more_findings: findings.more(),
    })
}

/// Errors first, otherwise in the order in which they were met.
pub fn sorted(findings: &[Finding]) -> Vec<Finding> {
    let mut sorted = findings.to_vec();
    sorted.sort_by_key(|finding| match finding.severity {
        Severity::Error => 0,
        Severity::Warning => 1,
    });
    sorted
}

impl ListFacts {
    pub(super) fn new(list: &lists::List) -> Self {
        Self { path: list.path.to_owned(), algorithm: list.algorithm, files: list.files.len() }
    }
}
