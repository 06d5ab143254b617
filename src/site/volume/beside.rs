//! What the reference builder leaves beside its image, named after it: it comes and goes with the image.

use std::path::{Path, PathBuf};

/// How the names go on after the image's: the list of the volume's files, the list of its packages.
pub(super) const SUFFIXES: &[&str] = &[".files", ".spdx.json"];

/// The paths that files beside `image` have.
pub(super) fn of(image: &Path) -> impl Iterator<Item = PathBuf> {
    SUFFIXES.iter().map(|suffix| {
        let mut path = image.as_os_str().to_owned();
        path.push(suffix);
        path.into()
    })
}
