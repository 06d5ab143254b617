//! The default profile: what a builder may ask of the kernel, decided as Docker decides it.
//!
//! Docker's profile has one condition on the kernel's version (ptrace, 4.8), which every kernel
//! that runs containers here meets. Youngest calls answer ENOSYS as under runc, so that C libraries
//! fall back to older ones; everything else that is not allowed answers EPERM.

use nix::libc;
use oci_spec::runtime::Capability;

use super::program::{Policy, Rule, Test};
use super::table::{self, Calls};

const REFUSED: Rule = Rule::Errno(libc::EPERM as u16);
const ABSENT: Rule = Rule::Errno(libc::ENOSYS as u16);

const ALWAYS: &[Calls] = &[
    table::OWNERS,
    table::IDENTITIES,
    table::SYNCING,
    table::MKNOD,
    table::MKNODAT,
    table::FILES,
    table::WAITING,
    table::MEMORY,
    table::PROCESSES,
    table::SIGNALS,
    table::TIME,
    table::SOCKETS,
    table::IPC,
];

/// Each group is allowed to who holds one of its capabilities.
const BY_CAPABILITY: &[(&[Capability], Calls)] = &[
    (&[Capability::DacReadSearch], table::HANDLES),
    (&[Capability::SysAdmin], table::ADMINISTRATION),
    (&[Capability::SysAdmin], table::CLONE),
    (&[Capability::SysAdmin], table::CLONE3),
    (&[Capability::SysAdmin, Capability::Bpf], table::BPF),
    (&[Capability::SysAdmin, Capability::Perfmon], table::PERF),
    (&[Capability::SysAdmin, Capability::Syslog], table::LOG),
    (&[Capability::SysBoot], table::BOOT),
    (&[Capability::SysChroot], table::CHROOT),
    (&[Capability::SysModule], table::MODULES),
    (&[Capability::SysPacct], table::ACCOUNTING),
    (&[Capability::SysPtrace], table::TRACING),
    (&[Capability::SysRawio], table::PORTS),
    (&[Capability::SysTime], table::CLOCKS),
    (&[Capability::SysTtyConfig], table::TERMINALS),
    (&[Capability::SysNice], table::PLACEMENT),
];

/// No new namespace: a user namespace would give all capabilities over the others.
static FLAGS: Test = Test {
    argument: 0,
    mask: (libc::CLONE_NEWNS
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWCGROUP) as u32,
    ranges: &[(0, 0)],
    inside: Rule::Allow,
    outside: REFUSED,
};

/// PER_LINUX, PER_LINUX32, both with UNAME26, and the question for the present one. Others would
/// turn address randomisation off (ADDR_NO_RANDOMIZE) or make address 0 usable (MMAP_PAGE_ZERO).
static PERSONA: Test = Test {
    argument: 0,
    mask: u32::MAX,
    ranges: &[(0, 0), (8, 8), (0x2_0000, 0x2_0000), (0x2_0008, 0x2_0008), (u32::MAX, u32::MAX)],
    inside: Rule::Allow,
    outside: REFUSED,
};

/// Without AF_VSOCK (40), which no network namespace confines, AF_ALG (38), the kernel's ciphers,
/// and families that kernels no longer have.
static FAMILY: Test = Test {
    argument: 0,
    mask: u32::MAX,
    ranges: &[(0, 11), (13, 18), (21, 22), (24, 24), (26, 33), (35, 36), (39, 39), (41, 45)],
    inside: Rule::Allow,
    outside: REFUSED,
};

/// The profile of a container with these capabilities in its bounding set.
pub fn policy(held: &[Capability]) -> Policy {
    let mut rules: Vec<(Calls, Rule)> = ALWAYS.iter().map(|calls| (*calls, Rule::Allow)).collect();
    rules.extend([
        (table::CLONE, Rule::Test(&FLAGS)),
        // its flags lie in memory; with ENOSYS, C libraries use clone
        (table::CLONE3, ABSENT),
        (table::PERSONALITY, Rule::Test(&PERSONA)),
        (table::SOCKET, Rule::Test(&FAMILY)),
    ]);
    let allowed = BY_CAPABILITY.iter().filter(|(any, _)| any.iter().any(|one| held.contains(one)));
    rules.extend(allowed.map(|(_, calls)| (*calls, Rule::Allow)));
    Policy { rules, others: REFUSED, newer: ABSENT }
}
