//! Kernel features, by calling them in a way that does nothing: a kernel that lacks one says ENOSYS,
//! or EINVAL to a flag, and one that has it complains of the arguments or of missing privilege.

use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

use super::Check;
use crate::container::oci::kernel;
use crate::error::{Error, ErrorKind, Result};

struct Feature {
    name: &'static str,
    what: &'static str,
    /// The release that it came with.
    since: &'static str,
    call: fn() -> Result<(), Errno>,
}

const FEATURES: [Feature; 4] = [
    Feature { name: "mount-api", what: "fsopen and mount_setattr", since: "5.12", call: mount_api },
    Feature { name: "close-range", what: "close_range with CLOEXEC", since: "5.11", call: close_range },
    Feature { name: "openat2", what: "openat2", since: "5.6", call: openat2 },
    Feature { name: "seccomp", what: "seccomp filters that answer errors", since: "4.14", call: seccomp },
];

/// The kernel's release, and what a run needs of it.
pub fn features() -> Vec<Check> {
    let release = nix::sys::utsname::uname()
        .map_or_else(|errno| errno.to_string(), |name| name.release().to_string_lossy().into_owned());
    let kernel = match kernel::check() {
        Ok(()) => {
            Check::ok("kernel", format!("{release}; {}.{} is the oldest", kernel::OLDEST.0, kernel::OLDEST.1))
        }
        Err(error) => Check::fail("kernel", &error),
    };
    std::iter::once(kernel).chain(FEATURES.iter().map(Feature::check)).collect()
}

impl Feature {
    fn check(&self) -> Check {
        let Self { name, what, since, call } = self;
        match call() {
            Ok(()) => Check::ok(name, format!("{what} (since {since})")),
            Err(errno) => {
                let error = Error::caused(ErrorKind::Host, format!("calling {what}"), &errno);
                Check::fail(name, &error.hint(format!(
                    "boot kernel {since} or newer; where it is, the filter of a container around this process refuses the call"
                )))
            }
        }
    }
}

/// Only what says that there is no such call.
fn known(result: libc::c_long) -> Result<(), Errno> {
    match Errno::result(result) {
        Err(errno @ (Errno::ENOSYS | Errno::EOPNOTSUPP)) => Err(errno),
        _ => Ok(()),
    }
}

fn mount_api() -> Result<(), Errno> {
    // SAFETY: a null pointer is no file system's name, which both calls report or refuse before
    let opened = unsafe { libc::syscall(libc::SYS_fsopen, std::ptr::null::<u8>(), 0) };
    known(opened)?;
    // SAFETY: attributes of size 0 are refused before they are read
    let set =
        unsafe { libc::syscall(libc::SYS_mount_setattr, -1, c"".as_ptr(), 0, std::ptr::null::<u8>(), 0) };
    known(set)
}

fn close_range() -> Result<(), Errno> {
    let none = libc::c_uint::MAX;
    // SAFETY: there is no descriptor of that number to be marked
    let marked = unsafe { libc::syscall(libc::SYS_close_range, none, none, libc::CLOSE_RANGE_CLOEXEC) };
    // a flag that is not known is EINVAL
    Errno::result(marked).map(drop)
}

fn openat2() -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let opened = rustix::fs::openat2(CWD, Path::new("/"), flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS);
    opened.map(drop).map_err(|errno| Errno::from_raw(errno.raw_os_error()))
}

fn seccomp() -> Result<(), Errno> {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the action outlives the call, which only reads it
    let known =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    Errno::result(known).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::oci::checks::Status;

    #[test]
    fn every_feature_is_found_on_a_kernel_that_runs_the_tests() {
        let checks = features();
        assert_eq!(checks.len(), 5);
        assert!(checks.iter().all(|check| check.status == Status::Ok), "{checks:?}");
    }

    #[test]
    fn a_call_that_is_not_there_is_named_with_the_release_that_brought_it() {
        let absent = Feature { name: "x", what: "calling x", since: "9.9", call: || Err(Errno::ENOSYS) };
        let check = absent.check();
        assert_eq!((check.status, check.kind), (Status::Fail, Some(ErrorKind::Host)));
        assert!(check.fix.unwrap().contains("9.9"));
    }
}
