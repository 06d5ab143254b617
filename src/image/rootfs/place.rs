//! Where a rootfs can be: not every file system that holds a cache can hold what runs.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statfs, statvfs};

use crate::error::{Doing, Error, ErrorKind, Result};

/// Why no rootfs is made, or run, in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A file system of another host: owners are squashed, locks and renames are not what they are
    /// locally, and overlayfs refuses some of them as a lower layer or sees files change below it.
    Remote(&'static str),
    /// One without owners, modes and symlinks.
    Poor(&'static str),
    /// Mounted `noexec`.
    NoExec,
    /// Nothing can be made there; what is there may be run.
    ReadOnly,
    /// Mounted `nodev`: root's rootfses have the image's devices. Counts only where another place is
    /// better, since few images have any.
    NoDev,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Remote(name) | Self::Poor(name) => write!(f, "its file system is {name}"),
            Self::NoExec => f.write_str("its file system is mounted noexec"),
            Self::ReadOnly => f.write_str("its file system is read-only"),
            Self::NoDev => f.write_str("its file system is mounted nodev"),
        }
    }
}

/// What the kernel says of a file system.
#[derive(Clone, Copy)]
struct FileSystem {
    /// The magic number of statfs(2).
    magic: u32,
    flags: StatVfsMountFlags,
}

/// Magic numbers (linux/magic.h) of file systems that are no good, whatever their mount options. FUSE
/// is not among them: overlayfs takes it as a lower layer, and most of it is local.
const REFUSED: [(u32, Unfit); 13] = [
    (0x6969, Unfit::Remote("NFS")),
    (0x517b, Unfit::Remote("SMB")),
    (0xff53_4d42, Unfit::Remote("CIFS")),
    (0xfe53_4d42, Unfit::Remote("SMB2")),
    (0x0102_1997, Unfit::Remote("9p")),
    (0x00c3_6400, Unfit::Remote("CephFS")),
    (0x5346_414f, Unfit::Remote("AFS")),
    (0x6b41_4653, Unfit::Remote("AFS")),
    (0x0bd0_0bd0, Unfit::Remote("Lustre")),
    (0x7375_7245, Unfit::Remote("Coda")),
    (0x4d44, Unfit::Poor("FAT")),
    (0x2011_bab0, Unfit::Poor("exFAT")),
    (0x5346_544e, Unfit::Poor("NTFS")),
];

impl FileSystem {
    /// Of a directory, or of where it would be made.
    fn of(dir: &Path) -> rustix::io::Result<Self> {
        let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
        // its type differs between architectures; the numbers have 32 bits
        let magic = statfs(there)?.f_type as u32;
        Ok(Self { magic, flags: statvfs(there)?.f_flag })
    }

    fn unfit(self, is_root: bool) -> Option<Unfit> {
        let refused = REFUSED.iter().find(|(magic, _)| *magic == self.magic).map(|(_, unfit)| *unfit);
        let has = |flag, unfit| self.flags.contains(flag).then_some(unfit);
        refused
            .or_else(|| has(StatVfsMountFlags::NOEXEC, Unfit::NoExec))
            .or_else(|| has(StatVfsMountFlags::RDONLY, Unfit::ReadOnly))
            // in a user namespace no device can be made in the first place
            .or_else(|| has(StatVfsMountFlags::NODEV, Unfit::NoDev).filter(|_| is_root))
    }
}

/// Why no rootfs can be made in `dir`; `None` also where the kernel does not say.
pub fn unfit(dir: &Path) -> Option<Unfit> {
    FileSystem::of(dir).ok()?.unfit(rustix::process::geteuid().is_root())
}

/// Whether a rootfs that is in `dir` may be run from there.
pub(super) fn may_run(dir: &Path) -> bool {
    matches!(unfit(dir), None | Some(Unfit::ReadOnly | Unfit::NoDev))
}

/// The uppermost directory on the same device, for people.
pub fn mount_point(dir: &Path) -> PathBuf {
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    let own = device(dir);
    dir.ancestors().take_while(|path| device(path) == own).last().unwrap_or(dir).to_owned()
}

/// A directory for rootfses, and why it is not the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    dir: PathBuf,
    instead: Option<(PathBuf, Unfit)>,
}

impl Place {
    /// The cache, or else `local`, a directory on this host that survives runs.
    /// Fails with [`ErrorKind::Host`] where neither will do.
    pub fn choose(cache: &Path, local: &Path) -> Result<Self> {
        Self::judge((cache, unfit(cache)), (local, unfit(local)))
    }

    fn judge(cache: (&Path, Option<Unfit>), local: (&Path, Option<Unfit>)) -> Result<Self> {
        let (dir, instead) = match (cache, local) {
            ((cache, None), _) => (cache, None),
            ((cache, Some(why)), (local, None)) => (local, Some((cache.to_owned(), why))),
            ((cache, Some(Unfit::NoDev)), _) => (cache, None),
            ((cache, Some(why)), (local, Some(Unfit::NoDev))) => (local, Some((cache.to_owned(), why))),
            ((cache, Some(why)), (local, Some(other))) => {
                let (cache, local) = (cache.display(), local.display());
                let why = format!("finding a place for the rootfs: {cache}: {why}; {local}: {other}");
                return Err(Error::new(ErrorKind::Host, why).hint(
                    "name a directory on a local file system, not mounted noexec, with --rootfs-cache or --state-dir",
                ));
            }
        };
        Ok(Self { dir: dir.to_owned(), instead })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the directory where it is not the cache itself (0700), and says why it is used.
    /// Fails with [`ErrorKind::Host`] where another user could change what is in it.
    pub fn prepare(&self) -> Result<()> {
        let Some((cache, why)) = &self.instead else { return Ok(()) };
        let dir = &self.dir;
        let doing = || format!("making {}", dir.display());
        DirBuilder::new().recursive(true).mode(0o700).create(dir).doing(ErrorKind::Host, doing)?;
        let found = fs::symlink_metadata(dir).doing(ErrorKind::Host, doing)?;
        if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o022 != 0 {
            let why = format!("using {}: it belongs to another user, or others may write it", dir.display());
            return Err(Error::new(ErrorKind::Host, why).hint("name another directory with --state-dir"));
        }
        tracing::info!("The rootfs goes to {} instead of {}: {why}", dir.display(), cache.display());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(magic: u32, flags: StatVfsMountFlags) -> FileSystem {
        FileSystem { magic, flags }
    }

    const NONE: StatVfsMountFlags = StatVfsMountFlags::empty();
    const EXT4: u32 = 0xef53;

    // NFS and the like cannot be mounted where tests run; their numbers are judged here
    #[test]
    fn file_systems_of_other_hosts_and_without_owners_are_refused_by_name() {
        for (magic, name) in [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "SMB2"), (0x4d44, "FAT")]
        {
            let unfit = of(magic, NONE).unfit(false).unwrap();
            assert_eq!(unfit.to_string(), format!("its file system is {name}"));
        }
        // ext4, tmpfs, btrfs, overlayfs, FUSE
        for magic in [EXT4, 0x0102_1994, 0x9123_683e, 0x794c_7630, 0x6573_5546] {
            assert_eq!(of(magic, NONE).unfit(true), None);
        }
    }

    #[test]
    fn noexec_counts_for_everybody_and_nodev_for_root() {
        let (noexec, nodev) = (StatVfsMountFlags::NOEXEC, StatVfsMountFlags::NODEV);
        assert_eq!(of(EXT4, noexec | nodev).unfit(false), Some(Unfit::NoExec));
        assert_eq!(of(EXT4, nodev).unfit(true), Some(Unfit::NoDev));
        assert_eq!(of(EXT4, nodev).unfit(false), None);
        assert_eq!(of(EXT4, StatVfsMountFlags::RDONLY).unfit(false), Some(Unfit::ReadOnly));
    }

    #[test]
    fn the_cache_comes_first_and_nodev_alone_drives_nobody_into_a_bad_place() {
        let chosen = |cache, local| {
            let place = Place::judge((Path::new("/cache"), cache), (Path::new("/state"), local));
            place.map(|place| place.dir.to_str().unwrap().to_owned()).map_err(|error| error.kind())
        };
        let (nfs, nodev, noexec) = (Some(Unfit::Remote("NFS")), Some(Unfit::NoDev), Some(Unfit::NoExec));
        for (cache, local, want) in [
            (None, nfs, "/cache"),
            (nfs, None, "/state"),
            (nodev, None, "/state"),
            (nodev, noexec, "/cache"),
            (nodev, nodev, "/cache"),
            (noexec, nodev, "/state"),
        ] {
            assert_eq!(chosen(cache, local), Ok(want.to_owned()), "{cache:?} {local:?}");
        }
        assert_eq!(chosen(nfs, noexec), Err(ErrorKind::Host));
    }
}
