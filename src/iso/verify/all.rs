//! Everything that can be checked of an image: its structures, whether it boots, and every checksum there is.

use std::io;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::iso::examine::Examined;
use crate::iso::finding::{Finding, Findings, Severity};
use crate::iso::image::Image;
use crate::iso::inspect::{ListFacts, claimed, sorted};
use crate::iso::lists;
use crate::iso::sums::{self, Algorithm, Sums};

/// What the image as a whole shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Hexadecimal, lower case.
    pub md5: Option<String>,
    /// The same.
    pub sha256: Option<String>,
}

/// What came out. As JSON the document that `iso verify --help` describes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// 1; keys are only added to it.
    pub version: u32,
    /// Whether there are no errors among the findings.
    pub good: bool,
    /// In bytes.
    pub size: u64,
    /// Of the whole; only where there was something to compare them with.
    pub sums: Option<Sums>,
    /// With which the files on the volume were compared.
    pub checksum_lists: Vec<ListFacts>,
    pub findings: Vec<Finding>,
    /// How many findings there are beyond those in the list.
    pub more_findings: u64,
}

impl Wanted {
    /// Checksums that a person or a program gave.
    ///
    /// Errors: [`ErrorKind::Usage`] for what is none.
    pub fn new(md5: Option<&str>, sha256: Option<&str>) -> Result<Self> {
        let one = |given: Option<&str>, algorithm| given.map(|given| digits(given, algorithm)).transpose();
        Ok(Self { md5: one(md5, Algorithm::Md5)?, sha256: one(sha256, Algorithm::Sha256)? })
    }

    /// These, and those of `other` for what is not given here.
    pub fn or(self, other: Self) -> Self {
        Self { md5: self.md5.or(other.md5), sha256: self.sha256.or(other.sha256) }
    }

    fn is_empty(&self) -> bool {
        self.md5.is_none() && self.sha256.is_none()
    }
}

fn digits(given: &str, algorithm: Algorithm) -> Result<String> {
    let is_sum = given.len() == algorithm.digits() && given.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_sum {
        true => Ok(given.to_ascii_lowercase()),
        false => {
            let (name, digits) = (algorithm.name(), algorithm.digits());
            Err(Error::new(
                ErrorKind::Usage,
                format!("{given:?} is no {name} checksum of {digits} hexadecimal digits"),
            ))
        }
    }
}

/// Checks all of it. Files are read only where a checksum is given for them.
pub fn verify(image: &Image, examined: &Examined, wanted: &Wanted) -> io::Result<Verification> {
    let mut findings = examined.findings.clone();
    let lists = lists::read(image, examined.volume.as_ref(), &mut findings)?;
    if let Some(volume) = &examined.volume {
        lists::compare(image, volume, &lists, &mut findings)?;
    }
    let sums = if wanted.is_empty() { None } else { sums::of_image(image, claimed(image)?)? };
    compare(sums.as_ref(), wanted, &mut findings);
    let good = findings.list().iter().all(|finding| finding.severity != Severity::Error);
    Ok(Verification {
        version: 1,
        good,
        size: image.size,
        sums,
        checksum_lists: lists.iter().map(ListFacts::new).collect(),
        findings: sorted(findings.list()),
        more_findings: findings.more(),
    })
}

fn compare(sums: Option<&Sums>, wanted: &Wanted, findings: &mut Findings) {
    let Some(sums) = sums else { return };
    let both = [("md5", &sums.md5, &wanted.md5), ("sha256", &sums.sha256, &wanted.sha256)];
    for (name, have, want) in both {
        if let Some(want) = want.as_ref().filter(|want| *want != have) {
            let message = format!("{name} of the image is {have}, it should be {want}");
            findings.error("image-checksum-differs", None, message);
        }
    }
}

impl Verification {
    /// The error of a command whose findings have been told.
    pub fn failure(&self) -> Option<Error> {
        let errors = self.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        let warnings = self.findings.len() - errors;
        let plural =
            |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let more = match self.more_findings {
            0 => String::new(),
            more => format!(", {more} more"),
        };
        let text = format!("{}, {}{more}", plural(errors, "error"), plural(warnings, "warning"));
        (!self.good).then(|| Error::new(ErrorKind::Output, text))
    }
}
