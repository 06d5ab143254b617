//! The oldest kernel that can run a container here.

use crate::error::{Doing, Error, ErrorKind, Result};

/// The mount API as libcontainer uses it (`mount_setattr`) came with this release.
pub const OLDEST: (u32, u32) = (5, 12);

/// Fails with [`ErrorKind::Host`] on a kernel older than [`OLDEST`].
pub fn check() -> Result<()> {
    let name =
        nix::sys::utsname::uname().doing(ErrorKind::Host, || "asking for the kernel's release".into())?;
    check_release(&name.release().to_string_lossy())
}

fn check_release(release: &str) -> Result<()> {
    match parse(release) {
        Some(version) if version < OLDEST => Err(Error::new(
            ErrorKind::Host,
            format!(
                "kernel {release} is older than {}.{}, the oldest with the mount API",
                OLDEST.0, OLDEST.1
            ),
        )
        .hint("boot a newer kernel; the README lists the kernel features and their versions")),
        // an unreadable release is left to the trial that follows
        _ => Ok(()),
    }
}

fn parse(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_kernels_are_refused_by_name() {
        let error = check_release("5.10.0-28-amd64").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Host);
        assert!(error.to_string().contains("kernel 5.10.0-28-amd64 is older than 5.12"));
    }

    #[test]
    fn new_and_unreadable_releases_pass() {
        for release in ["5.12.0", "6.18.3-foo", "10.0", "custom"] {
            assert!(check_release(release).is_ok(), "{release}");
        }
    }
}
