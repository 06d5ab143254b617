//! From decisions to a classic BPF program (Documentation/userspace-api/seccomp_filter.rst).
//!
//! For every architecture a binary search over ranges of numbers: about seven comparisons for a
//! call, and most calls are not even looked up, since the kernel remembers those which a filter
//! always allows.

use std::io;

use nix::libc::{self, sock_filter};

use super::table::{Abi, Calls};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Allow,
    /// It fails with this number; with 0 it seems to succeed.
    Errno(u16),
    /// It depends on an argument.
    Test(&'static Test),
}

/// A look at one argument. Only its lower half, which is all that the kernel reads of flags,
/// families, modes and devices.
#[derive(Debug, PartialEq, Eq)]
pub struct Test {
    pub argument: u32,
    /// The bits looked at.
    pub mask: u32,
    /// First and last of each range.
    pub ranges: &'static [(u32, u32)],
    pub inside: Rule,
    pub outside: Rule,
}

/// Which rule a call has.
pub struct Policy {
    /// The last entry that names a call counts.
    pub rules: Vec<(Calls, Rule)>,
    /// For calls between those in the rules.
    pub others: Rule,
    /// For numbers above all in the rules: calls that are younger than these.
    pub newer: Rule,
}

/// An architecture as the kernel tells it to a filter, with its ways in by ascending numbers.
pub struct Section {
    /// `AUDIT_ARCH_*`
    pub audit: u32,
    pub abis: &'static [Abi],
}

#[cfg_attr(not(any(target_arch = "x86_64", test)), allow(dead_code))]
pub const X86_64: &[Section] = &[
    Section { audit: 0xc000_003e, abis: &[Abi::X86_64, Abi::X32] },
    Section { audit: 0x4000_0003, abis: &[Abi::I386] },
];
#[cfg_attr(not(any(target_arch = "aarch64", test)), allow(dead_code))]
pub const AARCH64: &[Section] = &[
    Section { audit: 0xc000_00b7, abis: &[Abi::Aarch64] },
    Section { audit: 0x4000_0028, abis: &[Abi::Arm] },
];

/// The architectures that programs of this host may have; `None` where the tables know none.
pub fn native() -> Option<&'static [Section]> {
    #[cfg(target_arch = "x86_64")]
    return Some(X86_64);
    #[cfg(target_arch = "aarch64")]
    return Some(AARCH64);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return None;
}

/// Where the numbers of arm's private calls start: not younger than others, only apart.
const ARM_PRIVATE: u32 = 0x000f_0000;

/// A compiled filter.
#[derive(Clone, Debug)]
pub struct Program(pub(super) Vec<sock_filter>);

impl Program {
    pub fn compile(policy: &Policy, sections: &[Section]) -> Self {
        let mut code = vec![load(ARCH)];
        for section in sections {
            let segments: Vec<_> = section.abis.iter().flat_map(|abi| segments(policy, *abi)).collect();
            let mut body = vec![load(NUMBER)];
            body.extend(search(&merged(segments)));
            code.extend([jump(libc::BPF_JEQ, section.audit, 1, 0), skip(body.len())]);
            code.extend(body);
        }
        // no such program can run here, whatever it is
        code.push(answer(libc::SECCOMP_RET_KILL_PROCESS));
        Self(code)
    }

    /// Puts this process, and all that it starts, under the filter. Needs CAP_SYS_ADMIN or
    /// no_new_privs.
    pub fn load(&self) -> io::Result<()> {
        let program = libc::sock_fprog { len: self.0.len() as u16, filter: self.0.as_ptr().cast_mut() };
        // without it, kernels before 5.16 would slow the builder down against Spectre; runc has it too
        let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
        // SAFETY: the program outlives the call, which only reads it
        let done =
            unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &program) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// The rule of every number, as the first numbers of ranges.
fn segments(policy: &Policy, abi: Abi) -> Vec<(u32, Rule)> {
    let mut rules: Vec<(u32, Rule)> = Vec::new();
    for (calls, rule) in &policy.rules {
        rules.extend(calls.iter().filter_map(|call| Some((call.number(abi)?, *rule))));
    }
    // stable: of the same number, the last stays last
    rules.sort_by_key(|(number, _)| *number);
    let last = rules.iter().map(|(number, _)| *number).filter(|number| not_private(*number)).max();
    let gap = |first: u32| if Some(first) > last { policy.newer } else { policy.others };
    let mut next = abi.first();
    let mut found = Vec::with_capacity(2 * rules.len());
    for (at, (number, rule)) in rules.iter().enumerate() {
        if rules.get(at + 1).is_some_and(|(following, _)| following == number) {
            continue;
        }
        if *number > next {
            found.push((next, gap(next)));
        }
        found.push((*number, *rule));
        next = number + 1;
    }
    found.push((next, policy.newer));
    found
}

fn not_private(number: u32) -> bool {
    number < ARM_PRIVATE || number >= Abi::X32.first()
}

fn merged(mut segments: Vec<(u32, Rule)>) -> Vec<(u32, Rule)> {
    segments.dedup_by(|later, earlier| later.1 == earlier.1);
    segments
}

/// Finds the segment that the number, which is loaded, lies in.
fn search(segments: &[(u32, Rule)]) -> Vec<sock_filter> {
    match segments {
        [] => Vec::new(),
        [(_, rule)] => leaf(*rule),
        _ => {
            let (lower, upper) = segments.split_at(segments.len() / 2);
            let below = search(lower);
            let mut code = branch(libc::BPF_JGE, upper[0].0, below.len());
            code.extend(below);
            code.extend(search(upper));
            code
        }
    }
}

fn leaf(rule: Rule) -> Vec<sock_filter> {
    match rule {
        Rule::Allow => vec![answer(libc::SECCOMP_RET_ALLOW)],
        Rule::Errno(number) => vec![answer(libc::SECCOMP_RET_ERRNO | u32::from(number))],
        Rule::Test(test) => examine(test),
    }
}

fn examine(test: &Test) -> Vec<sock_filter> {
    let mut code = leaf(test.outside);
    // from the last range to the first, so that the way to `inside` is known
    for (first, last) in test.ranges.iter().rev() {
        let mut range = branch(libc::BPF_JGE, *first, code.len());
        if first == last {
            range = branch(libc::BPF_JEQ, *first, code.len());
        } else {
            range.insert(0, jump(libc::BPF_JGT, *last, range.len() as u8, 0));
        }
        range.extend(code);
        code = range;
    }
    code.extend(leaf(test.inside));
    let mut whole = vec![load(ARGUMENTS + 8 * test.argument)];
    if test.mask != u32::MAX {
        whole.push(instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, test.mask, 0, 0));
    }
    whole.extend(code);
    whole
}

// offsets in struct seccomp_data; the lower half of an argument comes first on all that are here
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

fn answer(value: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, value, 0, 0)
}

fn skip(count: usize) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JA, count as u32, 0, 0)
}

fn jump(condition: u32, value: u32, then: u8, otherwise: u8) -> sock_filter {
    instruction(libc::BPF_JMP | condition | libc::BPF_K, value, then, otherwise)
}

/// Skips `ahead` instructions if the condition holds; conditional jumps reach no further than 255.
fn branch(condition: u32, value: u32, ahead: usize) -> Vec<sock_filter> {
    match u8::try_from(ahead) {
        Ok(near) => vec![jump(condition, value, near, 0)],
        Err(_) => vec![jump(condition, value, 0, 1), skip(ahead)],
    }
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    // all codes are below 256
    sock_filter { code: code as u16, jt, jf, k }
}
