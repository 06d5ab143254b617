//! Entering the id mapping of a rung: the user namespace, its maps, and id 0 inside.

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::Channels;
use super::check::step;
use crate::container::oci::idmap;
use crate::container::oci::protocol::{Down, Up, send};
use crate::container::oci::rung::Rung;
use crate::error::{Doing, Error, ErrorKind, Result};

/// Enters the mapping of `rung`; afterwards this process is user 0 with all capabilities of it.
pub fn mapping(rung: &Rung, channels: &mut Channels) -> Result<()> {
    match rung {
        Rung::Root => step("user-0", || idmap::require_all_ids().and_then(|()| drop_groups())),
        Rung::Emulated { uid, gid } | Rung::Single { uid, gid } => {
            // inside they can no longer be dropped; outside only root may, and others keep theirs
            let _ = drop_groups();
            step("user-namespace", new_user_namespace)?;
            step("id-maps", || map_one(*uid, *gid))?;
            step("user-0", become_zero)
        }
        Rung::Subordinate { .. } => {
            step("user-namespace", new_user_namespace)?;
            send(&channels.up, &Up::NeedMaps { pid: std::process::id() as i32 })?;
            match channels.down.next()? {
                Some(Down::Mapped) => {}
                _ => return Err(Error::new(ErrorKind::Host, "the id maps were not written")),
            }
            step("user-0", || drop_groups().and_then(|()| become_zero()))
        }
    }
}

fn map_one(uid: u32, gid: u32) -> Result<()> {
    idmap::write_single(uid, gid).map_err(|error| match uid {
        // since Linux 5.12, user_namespaces(7)
        0 => error.hint("root can map itself only with CAP_SETFCAP; run as another user, or with more"),
        _ => restricted(error),
    })
}

fn new_user_namespace() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| {
        let error = Error::caused(ErrorKind::Host, "creating a user namespace", &errno);
        match errno {
            Errno::ENOSPC | Errno::EUSERS => error.hint(
                "the sysctl user.max_user_namespaces allows no more of them here; raise it, or run as root",
            ),
            _ => restricted(error),
        }
    })
}

/// The switches that distributions put in front of user namespaces, named when they are on.
pub fn restricted(error: Error) -> Error {
    let reads =
        |path: &str, value: &str| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    if reads("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return error.hint(
            "AppArmor restricts user namespaces here: give this program a profile with `userns,`, \
             set the sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run as root",
        );
    }
    if reads("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return error.hint("set the sysctl kernel.unprivileged_userns_clone=1, or run as root");
    }
    error.hint("this host does not let this user make containers; run as root, or ask for user namespaces")
}

/// The supplementary groups of the caller are not the container's: libcontainer keeps them when
/// the image names none.
fn drop_groups() -> Result<()> {
    setgroups(&[]).doing(ErrorKind::Host, || "dropping supplementary groups".into())
}

fn become_zero() -> Result<()> {
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(gid, gid, gid)
        .and_then(|()| setresuid(uid, uid, uid))
        .doing(ErrorKind::Host, || "becoming user 0 of the user namespace".into())
        .map_err(restricted)
}
