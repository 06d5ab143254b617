//! ManifestMetadata: where in a repository the phases are, and the documents that they apply.

use std::path::Path;

use super::{locate, read};
use crate::error::Result;
use crate::site::config::isogen;
use crate::site::yaml::{Fields, Origin};

/// What of it is read; in some releases it stands below `spec`, in others at the top.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// `phase.path`: the phase bundle, below the repository.
    pub phase_path: Option<String>,
    /// `phase.docEntryPointPrefix`, below the repository.
    pub prefix: Option<String>,
}

const DOING: &str = "reading the manifest metadata";
const CODE: &str = "manifest-metadata";

impl Metadata {
    /// Reads a file that is there.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let bytes = isogen::read(path).map_err(|error| locate::unreadable_file(DOING, CODE, path, &error))?;
        Self::parse(&path.display().to_string(), &bytes)
    }

    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Self> {
        let mut faults = Vec::new();
        let origin = Origin::new(file, None);
        let found = isogen::root(&origin, bytes, &mut faults).and_then(|node| {
            let root = Fields::of_root(&node, &origin, &mut faults)?;
            let spec = root.section("spec", &mut faults);
            let phase = spec.as_ref().unwrap_or(&root).section("phase", &mut faults);
            let mut text = |key: &str| read::text(phase.as_ref()?, key, &mut faults).map(|it| it.text);
            Some(Self { phase_path: text("path"), prefix: text("docEntryPointPrefix") })
        });
        match found {
            Some(found) if faults.is_empty() => Ok(found),
            _ => Err(read::refusal(DOING, CODE, faults)),
        }
    }
}
