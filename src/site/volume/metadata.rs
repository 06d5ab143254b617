//! The metadata file with which a builder says what it built (contract, section 6).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::OFlags;
use serde::Deserialize;

use super::directory::{Directory, is_regular};
use crate::error::{Doing, Error, ErrorKind, Fault, Position, Result};

/// A builder writes a few lines.
const LIMIT: u64 = 1 << 20;

/// What the file says; other keys are the builder's own affair.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a mapping with the key bootImagePath")]
pub(super) struct Metadata {
    pub boot_image_path: String,
    #[serde(rename = "md5sum")]
    pub md5: Option<String>,
    #[serde(rename = "sha256sum")]
    pub sha256: Option<String>,
}

/// Opens the metadata file for reading.
pub(super) fn open(volume: &Directory, path: &Path) -> Result<File> {
    let failed = |what: &str| Error::new(ErrorKind::Output, format!("metadata {} {what}", path.display()));
    let doing = || format!("opening metadata {}", path.display());
    let stat = volume.stat(path).doing(ErrorKind::Output, doing)?;
    let missing = || {
        failed("was not written by the builder")
            .hint("see the builder's log; builder.outputMetadataFileName must name the file it writes")
    };
    if !is_regular(&stat.ok_or_else(missing)?) {
        return Err(failed("is not a regular file"));
    }
    let file = volume.file(path, OFlags::RDONLY).doing(ErrorKind::Output, doing)?;
    Ok(File::from(file.ok_or_else(missing)?))
}

/// Reads the metadata file at `path` below the volume.
pub(super) fn read(volume: &Directory, path: &Path) -> Result<Metadata> {
    parse(&mut open(volume, path)?, path)
}

/// Parses an open metadata file; `path` is for messages.
pub(super) fn parse(file: &mut File, path: &Path) -> Result<Metadata> {
    let failed = |what: &str| Error::new(ErrorKind::Output, format!("metadata {} {what}", path.display()));
    let mut bytes = Vec::new();
    let doing = || format!("reading metadata {}", path.display());
    file.take(LIMIT + 1).read_to_end(&mut bytes).doing(ErrorKind::Output, doing)?;
    if bytes.len() as u64 > LIMIT {
        return Err(failed("is larger than 1 MiB"));
    }
    if bytes.is_empty() {
        return Err(failed("is empty").hint("the builder ended before it wrote its content: see its log"));
    }
    serde_yaml::from_slice(&bytes).map_err(|error| not_understood(&error, path))
}

fn not_understood(error: &serde_yaml::Error, path: &Path) -> Error {
    let at = error.location().map(|at| Position {
        file: path.display().to_string(),
        document: None,
        line: at.line() as usize,
        column: at.column() as usize,
    });
    let text = error.without_snippet().to_string();
    // the position is told once, in front; advice to programmers is not for users
    let text = text.split(" at line ").next().and_then(|text| text.split("; use ").next());
    let text = text.unwrap_or_default();
    Error::faults(ErrorKind::Output, "parsing metadata", vec![Fault::new(at, text)])
        .hint("the builder has to write YAML with the key bootImagePath")
}
