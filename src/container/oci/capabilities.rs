//! The capabilities that this process may give to a container.

use oci_spec::runtime::Capability;

use super::rung::Rung;

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
    }
}
