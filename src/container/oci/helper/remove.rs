//! Removal of a tree that a builder has shaped: of any depth, with modes and attributes that are in
//! the way.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, IFlags, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::{Errno, Result};

/// Directories that wait to be emptied are moved here, under names of our own: all lie side by
/// side then, so that neither the length of a path, nor the stack, nor the number of open files
/// limits the depth.
const WAITING: &str = ".airshipctl-removal-";

/// Removes `path` and all below it. Links are not followed, and other file systems not entered:
/// whatever is mounted there makes it fail.
pub fn tree(path: &Path) -> std::io::Result<()> {
    let missing = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL.into());
    };
    let parent = match File::open(parent) {
        Err(error) if missing(&error) => return Ok(()),
        other => other?,
    };
    let name = CString::new(std::os::unix::ffi::OsStrExt::as_bytes(name)).map_err(|_| Errno::INVAL)?;
    let top = match directory(&parent, &name) {
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => return Ok(unlink(&parent, &name, AtFlags::empty())?),
        other => other?,
    };
    let mut removal = Removal { top, moved: 0 };
    removal.empty()?;
    Ok(unlink(&parent, &name, AtFlags::REMOVEDIR)?)
}

struct Removal {
    top: OwnedFd,
    moved: u64,
}

impl Removal {
    /// Empties the top, then one after the other what was moved there meanwhile.
    fn empty(&mut self) -> Result<()> {
        loop {
            let names = names(&self.top)?;
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                self.remove(&name)?;
            }
        }
    }

    /// Removes an entry of the top; the full directories in it move up.
    fn remove(&mut self, name: &CStr) -> Result<()> {
        match unlink(&self.top, name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {}
            other => return gone(other),
        }
        let dir = directory(&self.top, name)?;
        for entry in names(&dir)? {
            match unlink(&dir, &entry, AtFlags::empty()) {
                Err(Errno::ISDIR | Errno::PERM) => {}
                other => {
                    gone(other)?;
                    continue;
                }
            }
            match unlink(&dir, &entry, AtFlags::REMOVEDIR) {
                Err(Errno::NOTEMPTY | Errno::EXIST) => self.move_up(&dir, &entry)?,
                other => gone(other)?,
            }
        }
        gone(unlink(&self.top, name, AtFlags::REMOVEDIR))
    }

    fn move_up(&mut self, dir: &OwnedFd, name: &CStr) -> Result<()> {
        // to be moved, a directory has to be writable, since its `..` changes
        directory(dir, name)?;
        loop {
            self.moved += 1;
            let up = format!("{WAITING}{}", self.moved);
            match renameat(dir, name, &self.top, up) {
                // the builder has used that name
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                other => return other,
            }
        }
    }
}

fn gone(result: Result<()>) -> Result<()> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn names(dir: impl AsFd) -> Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// Opens a directory to be emptied, and makes it one that can be: its owner may have no right to it.
fn directory(parent: impl AsFd, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = match openat(&parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(&parent, name, Mode::RWXU, AtFlags::empty())?;
            openat(&parent, name, flags, Mode::empty())?
        }
        other => other?,
    };
    // no harm where it was 0700 before, or where capabilities make modes moot
    let _ = rustix::fs::fchmod(&dir, Mode::RWXU);
    let _ = mutable(&dir);
    Ok(dir)
}

fn unlink(parent: impl AsFd, name: &CStr, flags: AtFlags) -> Result<()> {
    match unlinkat(&parent, name, flags) {
        Err(Errno::PERM) => {
            // immutable; opening anything but files and directories may do something
            let stat = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if !matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile | FileType::Directory) {
                return Err(Errno::PERM);
            }
            let open = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat(&parent, name, open, Mode::empty()).and_then(mutable) {
                Ok(true) => unlinkat(&parent, name, flags),
                _ => Err(Errno::PERM),
            }
        }
        other => other,
    }
}

/// Takes away the attributes of chattr(1) that forbid removal. Says whether there were any.
fn mutable(file: impl AsFd) -> Result<bool> {
    let flags = rustix::fs::ioctl_getflags(&file)?;
    let forbidding = IFlags::IMMUTABLE | IFlags::APPEND;
    if !flags.intersects(forbidding) {
        return Ok(false);
    }
    rustix::fs::ioctl_setflags(&file, flags.difference(forbidding))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_tree_goes_with_its_links_but_not_what_they_lead_to() {
        let dir = tempfile::tempdir().unwrap();
        let tree_path = dir.path().join("tree");
        std::fs::create_dir_all(tree_path.join("a/b/c")).unwrap();
        std::fs::write(dir.path().join("stays"), "").unwrap();
        symlink(dir.path(), tree_path.join("a/up")).unwrap();
        symlink("stays", tree_path.join("a/b/link")).unwrap();
        std::fs::write(tree_path.join("a/b/c/.airshipctl-removal-1"), "").unwrap();
        std::fs::create_dir_all(tree_path.join(".airshipctl-removal-1/x")).unwrap();
        tree(&tree_path).unwrap();
        assert!(!tree_path.exists() && dir.path().join("stays").exists());
        tree(&tree_path).unwrap();
        symlink(dir.path(), &tree_path).unwrap();
        tree(&tree_path).unwrap();
        assert!(dir.path().join("stays").exists());
    }

    #[test]
    fn modes_are_no_obstacle_to_the_owner() {
        let dir = tempfile::tempdir().unwrap();
        let tree_path = dir.path().join("tree");
        std::fs::create_dir_all(tree_path.join("a/b/c/d")).unwrap();
        for name in ["a/b/c", "a/b", "a", ""] {
            std::fs::set_permissions(tree_path.join(name), PermissionsExt::from_mode(0o000)).unwrap();
        }
        tree(&tree_path).unwrap();
        assert!(!tree_path.exists());
    }

    #[test]
    fn depth_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let tree_path = dir.path().join("tree");
        std::fs::create_dir(&tree_path).unwrap();
        let mut at: OwnedFd = File::open(&tree_path).unwrap().into();
        for _ in 0..2500 {
            rustix::fs::mkdirat(&at, "a-rather-long-name", Mode::RWXU).unwrap();
            at = openat(&at, "a-rather-long-name", OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        drop(at);
        tree(&tree_path).unwrap();
        assert!(!tree_path.exists());
    }
}
