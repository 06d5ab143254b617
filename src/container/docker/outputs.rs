//! Whose the files in the volume are: an engine of root's makes them root's, or those of whoever the
//! image's user is. What the builder has to read becomes its own, what it leaves the caller's.

use std::collections::HashSet;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::{FchownatFlags, fchownat, getegid, geteuid};

use crate::error::{Doing, Error, ErrorKind, Result};

/// The files of others that were at the top of the volume before the run: an old one must not come
/// to look like one of this run's.
pub struct Before(HashSet<(u64, i64, i64)>);

impl Before {
    pub fn remember(volume: &Path) -> Result<Self> {
        Ok(Self(foreign(volume)?.iter().map(|(_, found)| key(found)).collect()))
    }

    /// The files of others that are new in the volume, by name.
    pub fn new_ones(&self, volume: &Path) -> Result<Vec<PathBuf>> {
        let new = foreign(volume)?.into_iter().filter(|(_, found)| !self.0.contains(&key(found)));
        Ok(new.map(|(name, _)| name).collect())
    }
}

fn key(found: &Metadata) -> (u64, i64, i64) {
    (found.ino(), found.ctime(), found.ctime_nsec())
}

/// Regular files at the top of the volume that belong to somebody else.
fn foreign(volume: &Path) -> Result<Vec<(PathBuf, Metadata)>> {
    let doing = || format!("looking for outputs in {}", volume.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(volume).doing(ErrorKind::Output, doing)? {
        let name = PathBuf::from(entry.doing(ErrorKind::Output, doing)?.file_name());
        match std::fs::symlink_metadata(volume.join(&name)) {
            Ok(file) if file.is_file() && file.uid() != geteuid().as_raw() => found.push((name, file)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).doing(ErrorKind::Output, doing),
        }
    }
    Ok(found)
}

/// Makes the named files the caller's: root just says so, others copy what they can read.
pub fn take_over(volume: &Path, names: &[PathBuf]) -> Result<()> {
    names.iter().try_for_each(|name| {
        let path = volume.join(name);
        let taken = match geteuid().is_root() {
            true => give(&path, (0, getegid().as_raw())).map_err(io::Error::from),
            false => copy(&path),
        };
        taken.doing(ErrorKind::Output, || format!("taking over {}", path.display())).map_err(|error| {
            error.hint("the engine runs builders as root; use one that leaves its outputs readable, or the built-in driver: --container-runtime oci")
        })
    })
}

/// Changes the owner, also of a link itself.
pub fn give(path: &Path, (uid, gid): (u32, u32)) -> nix::Result<()> {
    fchownat(None, path, Some(uid.into()), Some(gid.into()), FchownatFlags::AT_SYMLINK_NOFOLLOW)
}

fn copy(path: &Path) -> io::Result<()> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut from = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // with the ending of what is not complete: a recovery then removes it
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let copied = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .and_then(|mut to| io::copy(&mut from, &mut to))
        .and_then(|_| std::fs::rename(&partial, path));
    if copied.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    copied
}

/// The ids that a user of an image names by numbers: `7`, `7:8`; root for nothing.
pub fn numbers(user: &str) -> Option<(u32, u32)> {
    let (uid, gid) = user.split_once(':').unwrap_or((user, ""));
    let number = |text: &str| if text.is_empty() { Some(0) } else { text.parse().ok() };
    Some((number(uid)?, number(gid)?))
}

/// What `id` printed, as ids.
pub fn printed_numbers(stdout: &[u8]) -> Result<(u32, u32)> {
    let text = String::from_utf8_lossy(stdout);
    let mut words = text.split_whitespace().map(|word| word.parse::<u32>().ok());
    match (words.next().flatten(), words.next().flatten()) {
        (Some(uid), Some(gid)) => Ok((uid, gid)),
        _ => Err(Error::new(ErrorKind::Builder, "finding the ids of the image's user: `id` does not tell")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_by_numbers_need_no_look_into_the_image() {
        assert_eq!(numbers(""), Some((0, 0)));
        assert_eq!(numbers("1000"), Some((1000, 0)));
        assert_eq!(numbers("7:8"), Some((7, 8)));
        for named in ["build", "build:7", "7:build", "-1"] {
            assert_eq!(numbers(named), None, "{named}");
        }
        assert_eq!(printed_numbers(b"1000\n1001\n").unwrap(), (1000, 1001));
        assert!(printed_numbers(b"id: not found").is_err());
    }

    #[test]
    fn a_copy_has_another_inode_and_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.iso");
        std::fs::write(&path, "bytes").unwrap();
        let before = std::fs::metadata(&path).unwrap().ino();
        copy(&path).unwrap();
        let after = std::fs::metadata(&path).unwrap();
        assert!(after.ino() != before && after.mode() & 0o777 == 0o600);
        assert_eq!(std::fs::read(&path).unwrap(), b"bytes");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
