//! Directories that a run needs, and the file systems they are on.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags, accessat, statfs, statvfs};

use super::{Check, Options, Status};
use crate::error::{Doing, Error, ErrorKind};
use crate::image::Store;
use crate::image::rootfs::{self, Unfit};
use crate::site::volume::Volume;

/// Below this, a builder image or its ISO hardly fits.
const LITTLE_ROOM: u64 = 1 << 30;
/// A rootfs of a distribution has some ten thousand files.
const FEW_INODES: u64 = 20_000;

/// Magic numbers (linux/magic.h) of what is often met.
const NAMES: [(u32, &str); 12] = [
    (0xef53, "ext4"),
    (0x5846_5342, "XFS"),
    (0x9123_683e, "btrfs"),
    (0xf2f5_2010, "F2FS"),
    (0x2fc1_2fc1, "ZFS"),
    (TMPFS, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlayfs"),
    (0x6573_5546, "FUSE"),
    (0x6969, "NFS"),
    (0x7371_7368, "squashfs"),
    (0x9660, "ISO 9660"),
];
const TMPFS: u32 = 0x0102_1994;

/// The container.volume of the configuration.
pub fn volume(dir: &Path) -> Vec<Check> {
    let usable = match Volume::check(dir) {
        Ok(()) if is_locked(dir) => {
            let why = format!("opening volume {}: it is busy with another run", dir.display());
            let error = Error::new(ErrorKind::Usage, why);
            Check::fail("volume", &error.hint("wait until the other run has ended, or choose another volume"))
        }
        Ok(()) => Check::ok("volume", format!("{} can be written", dir.display())),
        Err(error) => return vec![Check::fail("volume", &error)],
    };
    let remote = matches!(rootfs::unfit(dir), Some(Unfit::Remote(_)));
    let file_system = match FileSystem::of(dir) {
        Ok(it) if remote => Check::warn("volume-file-system", it.describe())
            .with_fix("run nothing else in this volume: a file system of another host may not lock it"),
        Ok(it) => it.check("volume-file-system", "the ISO and what it is made of"),
        Err(error) => Check::warn_of("volume-file-system", &error),
    };
    vec![usable, file_system]
}

/// Whether a run has locked it. Trying to lock it would be in the way of a run that begins just now, so
/// the kernel's list is read (proc(5), /proc/locks); what that does not show is taken for free.
fn is_locked(dir: &Path) -> bool {
    let Ok(found) = dir.metadata() else { return false };
    let (major, minor) = (rustix::fs::major(found.dev()), rustix::fs::minor(found.dev()));
    let wanted = format!("{major:02x}:{minor:02x}:{}", found.ino());
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let is_it = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.contains(&"FLOCK") && fields.contains(&wanted.as_str())
    };
    locks.lines().any(is_it)
}

/// The own cache and the additional ones.
pub fn cache(options: &Options) -> Vec<Check> {
    let dir = &options.cache;
    let mut checks = vec![own_cache(dir)];
    checks.push(match FileSystem::of(dir) {
        Ok(it) => it.check("cache-file-system", "the image and its rootfs"),
        Err(error) => Check::warn_of("cache-file-system", &error),
    });
    checks.push(rootfs_place(options));
    checks
}

fn own_cache(dir: &Path) -> Check {
    let shown = dir.display();
    let store = Store::open_existing(dir);
    let tried = try_writing(dir).doing(ErrorKind::Image, || format!("writing to the cache {shown}"));
    let tried = tried.map_err(|error| {
        error.hint("name a cache that this user can write with --rootfs-cache, and this one with --additional-rootfs-cache")
    });
    match (store, tried) {
        (Err(error), _) => Check::fail("cache", &error),
        (Ok(Some(store)), Ok(())) => Check::ok("cache", format!("{} can be written", store.path().display())),
        // what is there can be run
        (Ok(Some(_)), Err(error)) => Check::warn_of("cache", &error),
        (Ok(None), Ok(())) => Check::ok("cache", format!("{shown} can be made")),
        (Ok(None), Err(error)) => Check::fail("cache", &error),
    }
}

/// Where rootfses go: the cache, or the state directory where that cannot hold them.
fn rootfs_place(options: &Options) -> Check {
    const NAME: &str = "rootfs-place";
    let store = match Store::open_existing(&options.cache) {
        Ok(Some(store)) => Ok(store),
        Ok(None) => Store::absent(&options.cache),
        Err(_) => return Check::skip(NAME, "the cache cannot be opened"),
    };
    let place = store.and_then(|store| store.with_state(&options.state).rootfs_place());
    match (place, rootfs::unfit(&options.cache)) {
        (Err(error), _) => Check::fail(NAME, &error),
        (Ok(place), Some(why)) if !place.dir().starts_with(&options.cache) => {
            Check::warn(NAME, format!("{} instead of the cache: {why}", place.dir().display()))
                .with_fix("name a directory on a local file system, not mounted noexec, with --rootfs-cache")
        }
        (Ok(_), Some(why)) => Check::warn(NAME, format!("the cache, though {why}")),
        (Ok(_), None) => Check::ok(NAME, "the cache"),
    }
}

/// Where runs keep their records, their logs and the container's own layer.
pub fn state(dir: &Path) -> Vec<Check> {
    let shown = dir.display();
    let runs = dir.join("runs");
    let tried = try_writing(&runs).doing(ErrorKind::Usage, || format!("writing to {}", runs.display()));
    let usable = match tried {
        Ok(()) if dir.exists() => Check::ok("state", format!("{shown} can be written")),
        Ok(()) => Check::ok("state", format!("{shown} can be made")),
        Err(error) => {
            Check::fail("state", &error.hint("name a directory that you can write to with --state-dir"))
        }
    };
    let file_system = match FileSystem::of(dir) {
        Ok(it) => it.check("state-file-system", "the container's own layer"),
        Err(error) => Check::warn_of("state-file-system", &error),
    };
    vec![usable, file_system]
}

/// A directory of this program's own where a trial may make something for a moment: only one that is
/// there, and that the helper does not hide below a mount of its own.
pub fn for_trial(state: &Path) -> Option<PathBuf> {
    let runs = std::fs::canonicalize(state.join("runs")).ok()?;
    (try_writing(&runs).is_ok() && !runs.starts_with("/dev") && !runs.starts_with("/proc")).then_some(runs)
}

/// The directory, or the one in which it will be made.
fn existing(dir: &Path) -> PathBuf {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// Writes a file without a name, which leaves nothing, in `dir` or where it will be made. A file
/// system that has no such files is asked instead.
fn try_writing(dir: &Path) -> io::Result<()> {
    let there = existing(dir);
    if !there.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} is no directory", there.display()),
        ));
    }
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).custom_flags(nix::libc::O_TMPFILE | nix::libc::O_EXCL);
    match options.open(&there).and_then(|mut file| file.write_all(&[0; 4096])) {
        Err(error) if error.raw_os_error() == Some(nix::libc::EOPNOTSUPP) => {
            accessat(CWD, &there, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
                .map_err(io::Error::from)
        }
        outcome => outcome,
    }
}

/// What the kernel says of a file system.
struct FileSystem {
    mount: PathBuf,
    magic: u32,
    flags: StatVfsMountFlags,
    /// Bytes and inodes that are left; `None` where it does not count them.
    bytes: Option<u64>,
    inodes: Option<u64>,
}

impl FileSystem {
    fn of(dir: &Path) -> Result<Self, Error> {
        let there = existing(dir);
        let doing = || format!("looking at the file system of {}", there.display());
        let (of, vfs) = (statfs(&there), statvfs(&there));
        let of = of.doing(ErrorKind::Internal, doing)?;
        let vfs = vfs.doing(ErrorKind::Internal, doing)?;
        Ok(Self {
            mount: rootfs::mount_point(&there),
            // its type differs between architectures; the numbers have 32 bits
            magic: of.f_type as u32,
            flags: vfs.f_flag,
            bytes: (vfs.f_blocks > 0).then(|| vfs.f_bavail.saturating_mul(vfs.f_frsize)),
            inodes: (vfs.f_files > 0).then_some(vfs.f_favail),
        })
    }

    /// `ext4 on /, noexec, 12.3 GiB and 400000 inodes left`.
    fn describe(&self) -> String {
        let name = NAMES.iter().find(|(magic, _)| *magic == self.magic).map(|(_, name)| (*name).to_owned());
        let name = name.unwrap_or_else(|| format!("type {:#x}", self.magic));
        let has = |flag, word: &'static str| self.flags.contains(flag).then_some(word);
        let options = [
            has(StatVfsMountFlags::RDONLY, "read-only"),
            has(StatVfsMountFlags::NOEXEC, "noexec"),
            has(StatVfsMountFlags::NODEV, "nodev"),
            has(StatVfsMountFlags::NOSUID, "nosuid"),
        ];
        let mut parts = vec![format!("{name} on {}", self.mount.display())];
        parts.extend(options.into_iter().flatten().map(str::to_owned));
        if let Some(bytes) = self.bytes {
            parts.push(format!("{:.1} GiB left", bytes as f64 / (1 << 30) as f64));
        }
        parts.extend(self.inodes.map(|inodes| format!("{inodes} inodes left")));
        parts.join(", ")
    }

    /// Warns of little room, and of what is only in memory.
    fn check(&self, name: &str, what: &str) -> Check {
        let mut check = Check::ok(name, self.describe());
        let warning = if self.bytes.is_some_and(|bytes| bytes < LITTLE_ROOM) {
            format!("make room on {} for {what}", self.mount.display())
        } else if self.inodes.is_some_and(|inodes| inodes < FEW_INODES) {
            format!(
                "remove files on {} (`df -i` counts them) to make inodes free for {what}",
                self.mount.display()
            )
        } else if self.magic == TMPFS {
            format!("see to it that memory has room for {what}, or choose a directory on a disk")
        } else {
            return check;
        };
        check.status = Status::Warn;
        check.with_fix(warning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_of_writing_leaves_nothing_and_makes_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        try_writing(&dir.path().join("not/there")).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        std::fs::write(dir.path().join("file"), "").unwrap();
        let error = try_writing(&dir.path().join("file/below")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn a_file_system_is_described_with_what_is_left() {
        let check = FileSystem::of(Path::new("/proc/self")).unwrap().describe();
        assert!(check.starts_with("type 0x9fa0 on /proc"), "{check}");
    }

    #[test]
    fn little_room_is_a_warning_with_the_mount_point() {
        let full = FileSystem {
            mount: "/mnt".into(),
            magic: 0xef53,
            flags: StatVfsMountFlags::NOEXEC,
            bytes: Some(1 << 20),
            inodes: Some(1 << 20),
        };
        let check = full.check("x", "it");
        assert_eq!(check.status, Status::Warn);
        assert_eq!(check.message, "ext4 on /mnt, noexec, 0.0 GiB left, 1048576 inodes left");
        let none = FileSystem { bytes: Some(u64::MAX), inodes: Some(3), ..full };
        assert!(none.check("x", "it").fix.unwrap().contains("df -i"));
    }
}
