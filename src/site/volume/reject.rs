//! Images that are no good, kept under another name for whoever wants to know why.

use std::path::{Path, PathBuf};

use super::Volume;
use super::directory::is_regular;
use crate::error::{Doing, Error, ErrorKind, Result};

/// How the names of rejected images end.
pub(super) const REJECTED: &str = ".rejected";

impl Volume {
    /// Renames an image of [`Volume::outputs`] to `<name>.rejected`, in place of an older one, and returns where
    /// it is. It stays 0600 and is no output any more: recovery leaves it where it is.
    ///
    /// Errors: [`ErrorKind::Output`]; then the image still has its name, and goes with the failed run.
    pub fn reject(&self, run_dir: &Path, image: &Path) -> Result<PathBuf> {
        let mut rejected = image.as_os_str().to_owned();
        rejected.push(REJECTED);
        let rejected = PathBuf::from(rejected);
        let doing = || format!("keeping the image as {}", rejected.display());
        let inside = |path: &Path| path.strip_prefix(&self.host).map(Path::to_owned);
        let (from, to) = inside(image)
            .and_then(|from| Ok((from, inside(&rejected)?)))
            .doing(ErrorKind::Internal, doing)?;
        let (journal, _aside) = self.begun(run_dir).map_err(|error| error.context(doing()))?;
        let taken = |name: &str| to == Path::new(name);
        if journal.inputs.iter().any(|name| taken(name))
            || journal.outputs.names().any(taken)
            || journal.older.contains(&to)
        {
            return Err(
                Error::new(ErrorKind::Output, "another file of this run has that name").context(doing())
            );
        }
        let there = self.directory.stat(&to).doing(ErrorKind::Output, doing)?;
        if there.is_some_and(|stat| !is_regular(&stat)) {
            return Err(Error::new(ErrorKind::Output, "what has that name is no file").context(doing()));
        }
        self.directory.rename(&from, &self.directory, &to).doing(ErrorKind::Output, doing)?;
        self.directory.sync().doing(ErrorKind::Output, doing)?;
        Ok(rejected)
    }
}
