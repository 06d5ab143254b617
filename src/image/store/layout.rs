//! The directory itself (image-spec, image-layout.md): made, recognised, or refused.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use oci_spec::image::{ImageIndex, OciLayout};

use super::blob::read_plain;
use super::space::Making;
use super::{lock, space, view};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::image::manifest::DOCUMENT_LIMIT;

pub(super) const LAYOUT: &str = "oci-layout";
pub(super) const INDEX: &str = "index.json";
pub(super) const BLOBS: &str = "blobs";
pub(super) const PARTIAL: &str = ".partial";
const VERSION: &str = "1.0.0";

/// What may lie in a directory that is about to become a cache: what an interrupted first use
/// leaves, what a repository or a fresh file system brings along.
const HARMLESS: [&str; 11] = [
    LAYOUT_TMP,
    INDEX,
    INDEX_TMP,
    BLOBS,
    PARTIAL,
    "rootfs",
    "lock",
    ".index.lock",
    "README.md",
    ".gitignore",
    "lost+found",
];
const LAYOUT_TMP: &str = ".oci-layout.tmp";
const INDEX_TMP: &str = ".index.json.tmp";

/// Makes `dir` a layout unless it is one, and returns its canonical path.
pub(super) fn create(dir: &Path) -> Result<PathBuf> {
    let doing = || format!("creating cache {}", dir.display());
    // other users must not meet setuid programs of images, nor change what root will run
    DirBuilder::new().recursive(true).mode(0o700).create(dir).making(dir, doing)?;
    let dir = canonical(dir)?;
    check_owner(&dir)?;
    if !is_layout(&dir)? {
        refuse_strangers(&dir)?;
        let _lock = lock::index(&dir)?;
        for name in [BLOBS, PARTIAL] {
            make_dir(&dir.join(name)).making(&dir, doing)?;
        }
        replace(&dir, LAYOUT, LAYOUT_TMP, &header())?;
    }
    Ok(dir)
}

/// The contents of the file by which a layout is known.
pub(super) fn header() -> Vec<u8> {
    serde_json::json!({ "imageLayoutVersion": VERSION }).to_string().into_bytes()
}

/// The canonical path of an existing layout; `None` where there is nothing, or an empty directory.
pub(super) fn existing(dir: &Path) -> Result<Option<PathBuf>> {
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let dir = canonical(dir)?;
    if is_layout(&dir)? {
        return check_owner(&dir).map(|()| Some(dir));
    }
    refuse_strangers(&dir).map(|()| None)
}

fn canonical(dir: &Path) -> Result<PathBuf> {
    fs::canonicalize(dir).doing(ErrorKind::Image, || format!("opening cache {}", dir.display()))
}

/// Whether `dir` says that it is a layout; a version that is not known is an error.
pub(super) fn is_layout(dir: &Path) -> Result<bool> {
    let path = dir.join(LAYOUT);
    let bytes = match read_plain(&path, DOCUMENT_LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.doing(ErrorKind::Image, || format!("reading {}", path.display()))?,
    };
    check_header(&bytes).map_err(|error| error.context(format!("reading {}", path.display())))?;
    Ok(true)
}

fn check_header(bytes: &[u8]) -> Result<()> {
    let layout: OciLayout = serde_json::from_slice(bytes)
        .map_err(|error| Error::caused(ErrorKind::Image, "parsing the layout's header", &error))?;
    match layout.image_layout_version().as_str() {
        VERSION => Ok(()),
        other => Err(Error::new(ErrorKind::Image, format!("layout version {other:?} is not {VERSION:?}"))),
    }
}

/// Who may write a cache says which image a name means, and so what will be run; blobs are verified,
/// and a rootfs counts only for its owner. Root does not take that from everybody. A directory of one
/// other user, such as a checkout that is mounted into a container, is warned of; so is one with the
/// sticky bit, such as a fresh tmpfs, as long as nobody else has made anything of a cache in it.
fn check_owner(dir: &Path) -> Result<()> {
    let doing = || format!("opening cache {}", dir.display());
    let found = fs::metadata(dir).doing(ErrorKind::Image, doing)?;
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let is_for_all = found.mode() & 0o002 != 0;
    let is_mine = |owner: u32| [0, uid.as_raw()].contains(&owner);
    let is_planted = [LAYOUT, INDEX, BLOBS, PARTIAL, "rootfs"]
        .iter()
        .any(|name| fs::symlink_metadata(dir.join(name)).is_ok_and(|found| !is_mine(found.uid())));
    if uid.is_root() && is_for_all && (found.mode() & 0o1000 == 0 || is_planted) {
        let why = format!("{}: every user may write it (mode {:o})", doing(), found.mode() & 0o7777);
        return Err(Error::new(ErrorKind::Usage, why)
            .hint(format!("take that away with `chmod go-w {}`, or name another cache", dir.display())));
    }
    // many users have a group of their own
    let is_for_group = found.mode() & 0o020 != 0 && found.gid() != gid.as_raw();
    if is_for_all || is_for_group || !is_mine(found.uid()) {
        let (owner, mode) = (found.uid(), found.mode() & 0o7777);
        tracing::warn!(
            "cache {} can be written by other users (owner {owner}, mode {mode:o}): they can change what its names mean",
            dir.display()
        );
    }
    Ok(())
}

/// Refuses a directory with files of others, unless another process has made it a cache since the caller looked.
fn refuse_strangers(dir: &Path) -> Result<()> {
    let doing = || format!("opening cache {}", dir.display());
    for entry in fs::read_dir(dir).doing(ErrorKind::Image, doing)? {
        let name = entry.doing(ErrorKind::Image, doing)?.file_name();
        if !HARMLESS.iter().any(|harmless| name == *harmless) && !is_layout(dir)? {
            let why = format!("{}: it is not a rootfs cache and holds {name:?}", doing());
            return Err(Error::new(ErrorKind::Usage, why)
                .hint("name an empty or absent directory, or an OCI image layout, as the rootfs cache"));
        }
    }
    Ok(())
}

/// The index, as it is in memory; an empty one where there is none yet.
pub(super) fn read_index(dir: &Path) -> Result<ImageIndex> {
    let path = dir.join(INDEX);
    let reading = || format!("reading {}", path.display());
    let bytes = match read_plain(&path, DOCUMENT_LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return empty_index(),
        other => other.doing(ErrorKind::Image, reading)?,
    };
    let mut index = serde_json::from_slice(&bytes).doing(ErrorKind::Image, reading)?;
    view::turn(&mut index);
    Ok(index)
}

fn empty_index() -> Result<ImageIndex> {
    serde_json::from_str(r#"{"schemaVersion":2,"manifests":[]}"#)
        .doing(ErrorKind::Internal, || "making an empty index".into())
}

/// Lets `change` edit the index while no other process does; if it fails, the index stays.
pub(super) fn update_index<T>(dir: &Path, change: impl FnOnce(&mut ImageIndex) -> Result<T>) -> Result<T> {
    let _lock = lock::index(dir)?;
    let mut index = read_index(dir)?;
    let changed = change(&mut index)?;
    view::turn(&mut index);
    let bytes = serde_json::to_vec(&index).doing(ErrorKind::Internal, || "writing an index".into())?;
    replace(dir, INDEX, INDEX_TMP, &bytes)?;
    Ok(changed)
}

/// Replaces a file of the layout at once and for good. The caller holds the index lock, so the
/// temporary name is this process' own and one left by a killed process is written over.
fn replace(dir: &Path, name: &str, temporary: &str, bytes: &[u8]) -> Result<()> {
    let (path, temporary) = (dir.join(name), dir.join(temporary));
    let write = || -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644).custom_flags(nix::libc::O_NOFOLLOW);
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        sync_dir(dir)
    };
    write().map_err(|error| space::write_error(dir, format!("writing {}", path.display()), &error))
}

pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Makes renames within the directory survive a loss of power.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_another_process_made_since_is_no_stranger() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("notes.txt"), "").unwrap();
        refuse_strangers(dir.path()).unwrap_err();
        fs::write(dir.path().join(LAYOUT), header()).unwrap();
        refuse_strangers(dir.path()).unwrap();
        fs::write(dir.path().join(LAYOUT), "{}").unwrap();
        refuse_strangers(dir.path()).unwrap_err();
    }
}
