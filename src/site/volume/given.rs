//! The checksums in metadata that a builder left some time ago.

use std::fs::File;
use std::path::Path;

use md5::Md5;
use sha2::Sha256;

use super::{metadata, outputs};
use crate::error::{Doing, Error, ErrorKind, Result};

/// Hexadecimal, lower case; of the whole image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenSums {
    pub md5: Option<String>,
    pub sha256: Option<String>,
}

/// Reads `md5sum` and `sha256sum` from a metadata file.
///
/// Errors: [`ErrorKind::Usage`], since it is the user who names the file.
pub fn given_sums(path: &Path) -> Result<GivenSums> {
    let doing = || format!("reading checksums from {}", path.display());
    let read = || {
        let mut file = File::open(path).doing(ErrorKind::Usage, || "opening it".into())?;
        let metadata = metadata::parse(&mut file, path)?;
        Ok(GivenSums {
            md5: outputs::wanted::<Md5>(metadata.md5.as_deref(), "md5sum")?,
            sha256: outputs::wanted::<Sha256>(metadata.sha256.as_deref(), "sha256sum")?,
        })
    };
    read().map_err(|error: Error| error.of_kind(ErrorKind::Usage).context(doing()))
}
