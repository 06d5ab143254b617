//! The image's WorkingDir, made where the image lacks it, as Docker-compatible engines do.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Spec;
use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2};
use rustix::io::Errno;

use crate::error::{Doing, Error, ErrorKind, Result};

/// Makes `dir`, absolute in the container, and its parents below `root`; symlinks resolve inside.
pub fn make(root: &Path, dir: &Path) -> Result<()> {
    let doing = || format!("making the image's working directory {}", dir.display());
    let top = File::open(root).doing(ErrorKind::Builder, doing)?;
    make_below(&top, dir).map_err(|errno| {
        let error = Error::caused(ErrorKind::Builder, doing(), &errno);
        match errno {
            Errno::NOTDIR => error.hint("the image's WorkingDir names a file, or something below one"),
            Errno::LOOP => error.hint("it is reached through a loop of symbolic links"),
            _ => error,
        }
    })
}

fn make_below(top: &File, dir: &Path) -> rustix::io::Result<()> {
    let mut path = PathBuf::new();
    for component in dir.components() {
        let Component::Normal(name) = component else { continue };
        let parent = open(top, &path)?;
        match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            // whether it is a directory shows at the next step
            Ok(()) | Err(Errno::EXIST) => path.push(name),
            Err(errno) => return Err(errno),
        }
    }
    open(top, &path).map(drop)
}

/// The volume is mounted on a directory, or on what can become one.
pub fn check_mount_points(root: &Path, spec: &Spec, volume: &Path) -> Result<()> {
    let mounts = spec.mounts().iter().flatten();
    let mut volumes = mounts.filter(|mount| mount.source().as_deref() == Some(volume));
    volumes.try_for_each(|mount| check_mount_point(root, mount.destination()))
}

fn check_mount_point(root: &Path, inside: &Path) -> Result<()> {
    let doing = || format!("mounting the volume on {}", inside.display());
    let top = File::open(root).doing(ErrorKind::Builder, doing)?;
    let mut path = PathBuf::new();
    for component in inside.components().filter(|part| matches!(part, Component::Normal(_))) {
        path.push(component);
        match open(&top, &path) {
            Ok(_) => {}
            Err(Errno::NOENT) => return Ok(()),
            Err(Errno::NOTDIR) => {
                let text = format!("{}: /{} is a file of the image", doing(), path.display());
                return Err(Error::new(ErrorKind::Usage, text)
                    .hint("choose another container side for container.volume"));
            }
            Err(errno) => return Err(errno).doing(ErrorKind::Builder, doing),
        }
    }
    Ok(())
}

fn open(top: &File, path: &Path) -> rustix::io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat2(top, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parents_are_made_inside_the_root() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/elsewhere", root.path().join("link")).unwrap();
        std::fs::create_dir(root.path().join("elsewhere")).unwrap();
        make(root.path(), Path::new("/a/b")).unwrap();
        make(root.path(), Path::new("/link/c")).unwrap();
        assert!(root.path().join("a/b").is_dir() && root.path().join("elsewhere/c").is_dir());
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("file"), "").unwrap();
        assert!(make(root.path(), Path::new("/file")).is_err());
        assert!(make(root.path(), Path::new("/file/x")).is_err());
    }
}
