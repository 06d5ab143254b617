//! The directory of the volume itself, which a builder can make inaccessible for its owner.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{FchownatFlags, fchownat};

use crate::error::{Doing, ErrorKind, Result};

/// Owner and mode as they were before the builder.
pub struct Attributes {
    volume: PathBuf,
    found: Option<std::fs::Metadata>,
}

impl Attributes {
    pub fn of(volume: &Path) -> Self {
        Self { volume: volume.to_owned(), found: std::fs::metadata(volume).ok() }
    }

    /// Puts them back. Nothing else uses the volume by then.
    pub fn restore(&self) -> Result<()> {
        let doing = || format!("giving volume {} its owner and mode back", self.volume.display());
        let Some(before) = &self.found else { return Ok(()) };
        let after = std::fs::metadata(&self.volume).doing(ErrorKind::Output, doing)?;
        let owner = |found: &std::fs::Metadata| (found.uid(), found.gid());
        if owner(&after) != owner(before) {
            let (uid, gid) = owner(before);
            fchownat(
                None,
                &self.volume,
                Some(uid.into()),
                Some(gid.into()),
                FchownatFlags::AT_SYMLINK_NOFOLLOW,
            )
            .doing(ErrorKind::Output, doing)?;
        }
        if (owner(&after), after.mode()) != (owner(before), before.mode()) {
            tracing::warn!("the builder changed owner or mode of the volume; they are put back");
            let mode = PermissionsExt::from_mode(before.mode() & 0o7777);
            std::fs::set_permissions(&self.volume, mode).doing(ErrorKind::Output, doing)?;
        }
        Ok(())
    }
}
