//! Root emulation: in a user namespace with one id, calls that need others seem to succeed, so that
//! dpkg, tar and their like come through. What they were asked to do is not done, and nobody is
//! told: every file stays 0:0, and a device node is not there.

use nix::libc;

use super::program::{Policy, Rule, Test};
use super::table;

const DONE: Rule = Rule::Errno(0);

/// Of the nodes that mknod makes, devices are pretended; pipes, sockets and files are made.
const fn node(mode: u32, device: &'static Test) -> Test {
    Test {
        argument: mode,
        mask: libc::S_IFMT,
        ranges: &[(libc::S_IFCHR, libc::S_IFCHR), (libc::S_IFBLK, libc::S_IFBLK)],
        inside: Rule::Test(device),
        outside: Rule::Allow,
    }
}

/// Device 0:0 is a whiteout of an overlay, which a user namespace may make.
const fn device(argument: u32) -> Test {
    Test { argument, mask: u32::MAX, ranges: &[(0, 0)], inside: Rule::Allow, outside: DONE }
}

static MKNOD_DEVICE: Test = device(2);
static MKNOD: Test = node(1, &MKNOD_DEVICE);
static MKNODAT_DEVICE: Test = device(3);
static MKNODAT: Test = node(2, &MKNODAT_DEVICE);

/// Loaded over the profile, whose refusals stay: of two answers the kernel takes the stricter.
pub fn policy() -> Policy {
    let rules = vec![
        (table::OWNERS, DONE),
        (table::IDENTITIES, DONE),
        (table::SYNCING, DONE),
        (table::MKNOD, Rule::Test(&MKNOD)),
        (table::MKNODAT, Rule::Test(&MKNODAT)),
    ];
    Policy { rules, others: Rule::Allow, newer: Rule::Allow }
}
