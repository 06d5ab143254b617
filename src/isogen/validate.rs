//! `airshipctl bootstrap validate`: everything that is wrong with a site, and what would be made of
//! it. Needs neither network nor privilege nor this host's volume, and writes nothing.

use serde::Serialize;

use super::plan::SitePlan;
use super::site::faults_of;
use super::{Examination, SiteOptions, privacy};
use crate::error::{Error, ErrorKind, Fault};
use crate::site::volume::Volume;

/// All that was found, errors first, each part by file and line.
#[derive(Debug, Serialize)]
pub struct Validation {
    /// 1; keys are only added to it.
    pub version: u32,
    /// The exit code: 0 with warnings alone.
    pub code: u8,
    pub findings: Vec<Finding>,
    /// The ways out.
    pub hints: Vec<String>,
    /// What a run would do; `None` with errors.
    pub plan: Option<SitePlan>,
    #[serde(skip)]
    kind: Option<ErrorKind>,
}

/// One thing that is wrong, or looks so.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// The file as it was given; `-` for standard input.
    pub file: Option<String>,
    /// From 1, as document and column.
    pub line: Option<usize>,
    pub column: Option<usize>,
    pub document: Option<usize>,
    pub message: String,
    /// What kind of fault it is; the same in every release.
    pub code: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Error,
    Warning,
}

impl Finding {
    fn new(severity: Severity, fault: &Fault) -> Self {
        let at = fault.at.as_ref();
        let place = at.filter(|at| at.line > 0);
        Self {
            severity,
            file: at.map(|at| at.file.clone()),
            line: place.map(|at| at.line),
            column: place.map(|at| at.column),
            document: at.and_then(|at| at.document),
            message: fault.message.clone(),
            code: fault.code.as_ref().map(ToString::to_string),
        }
    }
}

/// Examines a site.
pub fn validate(options: &SiteOptions) -> Validation {
    privacy::keep_to_ourselves();
    let Examination { errors, mut warnings, site } = Examination::of(options);
    // the host that runs it may be another one, so that not even `--strict` makes it an error
    warnings.extend(site.as_ref().and_then(|site| volume(&site.configuration.container.volume.host)));
    let faults: Vec<Fault> = errors.iter().flat_map(faults_of).collect();
    let found = faults.iter().map(|fault| Finding::new(Severity::Error, fault));
    let found = found.chain(warnings.iter().map(|fault| Finding::new(Severity::Warning, fault)));
    let mut findings: Vec<Finding> = found.collect();
    findings.sort();
    let mut hints: Vec<String> = errors.iter().filter_map(Error::hint_text).map(str::to_owned).collect();
    hints.dedup();
    let kind = errors.first().map(Error::kind);
    let code = kind.map_or(0, ErrorKind::exit_code);
    Validation { version: 1, code, findings, hints, plan: site.as_ref().map(SitePlan::of), kind }
}

fn volume(host: &std::path::Path) -> Option<Fault> {
    let error = Volume::check(host).err()?;
    Some(Fault::new(None, format!("{error}; a run on this host needs it")).coded("volume-unusable"))
}

impl Validation {
    /// How many findings there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The error of the command, which says how many there are; the rest has been told.
    pub fn failure(&self) -> Option<Error> {
        let plural =
            |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let errors = plural(self.count(Severity::Error), "error");
        let warnings = plural(self.count(Severity::Warning), "warning");
        Some(Error::new(self.kind?, format!("validating the site: {errors}, {warnings}")))
    }
}
