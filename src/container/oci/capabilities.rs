//! The capabilities that this process may give to a container, and giving them up.

use std::collections::HashSet;

use nix::errno::Errno;
use nix::libc;
use oci_spec::runtime::{Capability, Process};

use super::rung::Rung;
use crate::error::{Error, ErrorKind, Result};

/// In the kernel's numbering (linux/capability.h).
const ALL: [Capability; 41] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::DacReadSearch,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::LinuxImmutable,
    Capability::NetBindService,
    Capability::NetBroadcast,
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::IpcLock,
    Capability::IpcOwner,
    Capability::SysModule,
    Capability::SysRawio,
    Capability::SysChroot,
    Capability::SysPtrace,
    Capability::SysPacct,
    Capability::SysAdmin,
    Capability::SysBoot,
    Capability::SysNice,
    Capability::SysResource,
    Capability::SysTime,
    Capability::SysTtyConfig,
    Capability::Mknod,
    Capability::Lease,
    Capability::AuditWrite,
    Capability::AuditControl,
    Capability::Setfcap,
    Capability::MacOverride,
    Capability::MacAdmin,
    Capability::Syslog,
    Capability::WakeAlarm,
    Capability::BlockSuspend,
    Capability::AuditRead,
    Capability::Perfmon,
    Capability::Bpf,
    Capability::CheckpointRestore,
];

/// As root those of our bounding set; a new user namespace has all that the kernel knows.
pub fn held(rung: &Rung) -> Vec<Capability> {
    let mask = match rung {
        Rung::Root => bounding_set(),
        _ => {
            let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").ok();
            let last = last.and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(37);
            u64::MAX >> (63 - last.min(63))
        }
    };
    of_mask(mask)
}

/// What a filter is loaded with, and what the bounding set is shrunk with.
const TO_CONFINE: [Capability; 2] = [Capability::SysAdmin, Capability::Setpcap];

/// Adds to the sets of a process what it needs to put itself under filters. Otherwise the kernel
/// wants no_new_privs, which would break su and sudo in the container. The executor gives them back.
pub fn lend(process: &mut Process) {
    let Some(mut sets) = process.capabilities().clone() else { return };
    let more = |set: &Option<HashSet<Capability>>| {
        Some(set.iter().flatten().copied().chain(TO_CONFINE).collect::<HashSet<_>>())
    };
    sets.set_bounding(more(sets.bounding()));
    sets.set_effective(more(sets.effective()));
    sets.set_permitted(more(sets.permitted()));
    process.set_capabilities(Some(sets));
}

/// Takes back what [`lend`] added to a process that has the default capabilities.
pub fn take_back(process: &mut Process) {
    let Some(mut sets) = process.capabilities().clone() else { return };
    let less = |set: &Option<HashSet<Capability>>| {
        let kept = set.iter().flatten().copied().filter(|one| *one != Capability::SysAdmin);
        Some(kept.collect::<HashSet<_>>())
    };
    sets.set_bounding(less(sets.bounding()));
    sets.set_effective(less(sets.effective()));
    sets.set_permitted(less(sets.permitted()));
    process.set_capabilities(Some(sets));
}

/// The bounding set of a process, in the kernel's order.
pub fn bounding(process: Option<&Process>) -> Vec<Capability> {
    let sets = process.and_then(|process| process.capabilities().as_ref());
    let held = sets.and_then(|sets| sets.bounding().clone()).unwrap_or_default();
    ALL.into_iter().filter(|capability| held.contains(capability)).collect()
}

/// Takes all but `keep` out of the bounding set of this process, so that no program it executes can
/// have them. Needs CAP_SETPCAP where there is anything to take.
pub fn limit(keep: &[Capability]) -> Result<()> {
    let keep = mask(keep);
    for number in (0..64).filter(|number| keep >> number & 1 == 0) {
        // SAFETY: prctl with plain numbers
        let held = unsafe { libc::prctl(libc::PR_CAPBSET_READ, number, 0, 0, 0) };
        if held == 1 {
            // SAFETY: as above
            let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) };
            Errno::result(dropped).map_err(|errno| giving_up(&errno))?;
        }
    }
    Ok(())
}

/// Effective, permitted and inheritable, the low half of each, then the high ones.
type Sets = [u32; 6];

/// `_LINUX_CAPABILITY_VERSION_3`, and the calling thread.
const HEADER: [u32; 2] = [0x2008_0522, 0];

/// Leaves this process with `keep` only.
pub fn keep(keep: &[Capability]) -> Result<()> {
    let [low, high] = [mask(keep) as u32, (mask(keep) >> 32) as u32];
    set([low, low, 0, high, high, 0])
}

/// Does `work` with no capability in effect: the kernel then answers as after exec by another user
/// than 0.
pub fn without<T>(work: impl FnOnce() -> T) -> Result<T> {
    let (mut header, mut held): ([u32; 2], Sets) = (HEADER, [0; 6]);
    // SAFETY: both are laid out as capget(2) says, and outlive the call
    let got = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), held.as_mut_ptr()) };
    Errno::result(got).map_err(|errno| giving_up(&errno))?;
    let [_, permitted, inheritable, _, high_permitted, high_inheritable] = held;
    set([0, permitted, inheritable, 0, high_permitted, high_inheritable])?;
    let done = work();
    set(held).map(|()| done)
}

fn set(sets: Sets) -> Result<()> {
    // SAFETY: both are laid out as capset(2) says, and outlive the call
    let set = unsafe { libc::syscall(libc::SYS_capset, HEADER.as_ptr(), sets.as_ptr()) };
    Errno::result(set).map(drop).map_err(|errno| giving_up(&errno))
}

fn giving_up(errno: &Errno) -> Error {
    Error::caused(ErrorKind::Host, "giving up capabilities", errno)
}

fn mask(capabilities: &[Capability]) -> u64 {
    let bits = ALL.iter().enumerate().filter(|(_, capability)| capabilities.contains(capability));
    bits.fold(0, |mask, (number, _)| mask | 1 << number)
}

fn of_mask(mask: u64) -> Vec<Capability> {
    ALL.iter()
        .enumerate()
        .filter(|(number, _)| mask >> number & 1 == 1)
        .map(|(_, capability)| *capability)
        .collect()
}

fn bounding_set() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    field.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_the_kernels_numbers() {
        assert_eq!(of_mask(1), [Capability::Chown]);
        assert_eq!(of_mask(1 << 21 | 1 << 27), [Capability::SysAdmin, Capability::Mknod]);
        assert_eq!(of_mask(u64::MAX).len(), 41);
        assert_eq!(mask(&of_mask(0xa804_25fb)), 0xa804_25fb);
    }
}
