//! Owner, mode, extended attributes and time of what was unpacked.
//!
//! In this order: chown(2) clears setuid bits and `security.capability`, chmod(2) changes an ACL's
//! mask, and each of them the ctime only, so that the mtime can be set last.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::{Errno, Result};

use super::archive::Entry;
use super::pax::Xattr;
use super::record::{Ownership, Skipped};

/// What a layer says of an inode.
#[derive(Clone)]
pub(super) struct Attributes {
    pub uid: u64,
    pub gid: u64,
    pub mode: u32,
    /// `None` leaves the time as it is.
    pub mtime: Option<Timespec>,
    pub xattrs: Vec<Xattr>,
}

impl Attributes {
    pub fn of(entry: &mut Entry) -> Self {
        Self {
            uid: entry.uid,
            gid: entry.gid,
            mode: entry.mode,
            mtime: Some(entry.mtime),
            xattrs: std::mem::take(&mut entry.xattrs),
        }
    }

    /// Those of a directory that no layer has an entry for.
    pub fn implied(mtime: Option<Timespec>) -> Self {
        Self { uid: 0, gid: 0, mode: 0o755, mtime, xattrs: Vec::new() }
    }

    /// Bytes of memory, roughly.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

/// How attributes are applied for this caller, and what could not be.
pub(super) struct Policy {
    ownership: Ownership,
    uid: u64,
    gid: u64,
    /// What open(2) takes from the modes it is given.
    umask: u32,
    pub skipped: Skipped,
}

impl Policy {
    pub fn new(ownership: Ownership) -> Self {
        let uid = rustix::process::geteuid().as_raw().into();
        let gid = rustix::process::getegid().as_raw().into();
        Self { ownership, uid, gid, umask: umask(), skipped: Skipped::default() }
    }

    pub fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// The mode to make a file with, so that most need no chmod(2) afterwards.
    pub fn first_mode(&self, attributes: &Attributes) -> Mode {
        match attributes.xattrs.is_empty() {
            true => Mode::from_raw_mode(attributes.mode & 0o777),
            // writing a `user.` attribute needs write permission, which the mode may take away
            false => Mode::RUSR | Mode::WUSR,
        }
    }

    /// All attributes of a file that was just made with its first mode, in a directory that hands
    /// nothing down.
    pub fn apply_to_file(&mut self, fd: BorrowedFd<'_>, attributes: &Attributes) -> Result<()> {
        if self.first_mode(attributes).as_raw_mode() & !self.umask != attributes.mode {
            return self.apply(fd, attributes);
        }
        if let Some((uid, gid)) = self.owner(attributes)? {
            rustix::fs::fchown(fd, Some(uid), Some(gid))?;
        }
        self.set_time(fd, attributes)
    }

    /// All attributes of an open file or directory.
    pub fn apply(&mut self, fd: BorrowedFd<'_>, attributes: &Attributes) -> Result<()> {
        if let Some((uid, gid)) = self.owner(attributes)? {
            rustix::fs::fchown(fd, Some(uid), Some(gid))?;
        }
        // see `first_mode`
        let (early, late): (Vec<_>, Vec<_>) =
            attributes.xattrs.iter().partition(|(name, _)| name.starts_with(b"user."));
        early.into_iter().try_for_each(|xattr| self.set_xattr(fd, xattr))?;
        rustix::fs::fchmod(fd, Mode::from_raw_mode(attributes.mode))?;
        late.into_iter().try_for_each(|xattr| self.set_xattr(fd, xattr))?;
        self.set_time(fd, attributes)
    }

    fn set_time(&self, fd: BorrowedFd<'_>, attributes: &Attributes) -> Result<()> {
        match attributes.mtime {
            Some(mtime) => rustix::fs::futimens(fd, &times(mtime)),
            None => Ok(()),
        }
    }

    /// The attributes of a device or fifo that was just made: nothing may open those.
    pub fn apply_to_special(
        &mut self,
        at: BorrowedFd<'_>,
        name: &[u8],
        attributes: &Attributes,
    ) -> Result<()> {
        self.chown_at(at, name, attributes)?;
        // follows symlinks, but this is none: nobody else can reach the tree
        rustix::fs::chmodat(at, name, Mode::from_raw_mode(attributes.mode), AtFlags::empty())?;
        self.finish_without_fd(at, name, attributes)
    }

    /// The attributes of a symlink that was just made; it has no mode.
    pub fn apply_to_symlink(
        &mut self,
        at: BorrowedFd<'_>,
        name: &[u8],
        attributes: &Attributes,
    ) -> Result<()> {
        self.chown_at(at, name, attributes)?;
        self.finish_without_fd(at, name, attributes)
    }

    fn chown_at(&mut self, at: BorrowedFd<'_>, name: &[u8], attributes: &Attributes) -> Result<()> {
        if let Some((uid, gid)) = self.owner(attributes)? {
            rustix::fs::chownat(at, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    fn finish_without_fd(&mut self, at: BorrowedFd<'_>, name: &[u8], attributes: &Attributes) -> Result<()> {
        // `user.` is not allowed on them, and nothing else in images concerns them
        attributes.xattrs.iter().for_each(|(name, _)| self.skip_xattr(name));
        match attributes.mtime {
            Some(mtime) => rustix::fs::utimensat(at, name, &times(mtime), AtFlags::SYMLINK_NOFOLLOW),
            None => Ok(()),
        }
    }

    /// The ids to set; `None` where the inode has them already. EINVAL for ids that cannot be.
    fn owner(&mut self, attributes: &Attributes) -> Result<Option<(Uid, Gid)>> {
        match self.ownership {
            Ownership::Own => {
                self.skipped.owners += u64::from((attributes.uid, attributes.gid) != (0, 0));
                Ok(None)
            }
            Ownership::Keep if (attributes.uid, attributes.gid) == (self.uid, self.gid) => Ok(None),
            Ownership::Keep => {
                let (uid, gid) = (id(attributes.uid)?, id(attributes.gid)?);
                Ok(Some((Uid::from_raw(uid), Gid::from_raw(gid))))
            }
        }
    }

    fn set_xattr(&mut self, fd: BorrowedFd<'_>, (name, value): &Xattr) -> Result<()> {
        if is_dropped(name) {
            self.skip_xattr(name);
            return Ok(());
        }
        match rustix::fs::fsetxattr(fd, name.as_slice(), value, XattrFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::NOSPC) if is_full(fd) => Err(Errno::NOSPC),
            Err(error @ (Errno::DQUOT | Errno::IO | Errno::ROFS)) => Err(error),
            // a namespace that this file system, this id or this user namespace cannot have, or a
            // value that means nothing here
            Err(_) => {
                self.skip_xattr(name);
                Ok(())
            }
        }
    }

    fn skip_xattr(&mut self, name: &[u8]) {
        let count = match name {
            b"security.capability" => &mut self.skipped.capabilities,
            _ if name.starts_with(b"system.posix_acl_") => &mut self.skipped.acls,
            _ => &mut self.skipped.xattrs,
        };
        *count += 1;
    }
}

/// Attributes that would act on this host instead of describing the image: overlayfs's own, with
/// which a layer could hide directories (or redirect to others) once the tree is a lower layer, and
/// SELinux labels of another host's policy.
fn is_dropped(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") || name == b"security.selinux"
}

/// ext4 says ENOSPC also for attributes that do not fit into one block.
fn is_full(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatvfs(fd).is_ok_and(|stat| stat.f_bavail < 16)
}

/// The highest number means "leave as it is" to chown(2).
fn id(id: u64) -> Result<u32> {
    u32::try_from(id).ok().filter(|&id| id != u32::MAX).ok_or(Errno::INVAL)
}

fn times(mtime: Timespec) -> Timestamps {
    let unchanged = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    Timestamps { last_access: unchanged, last_modification: mtime }
}

/// This process' umask, looked at without changing it for other threads; where /proc does not say,
/// one with which every mode is set again.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    mask.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0o777)
}
