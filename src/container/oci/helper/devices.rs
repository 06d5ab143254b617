//! Device rules on cgroup version 2: a BPF program of our own that the kernel asks before a device
//! node is made or opened. Version 1 has files for that, which libcontainer writes.

use std::ffi::c_long;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use oci_spec::runtime::Spec;

use super::cgroup;
use crate::error::{Doing, Error, ErrorKind, Result};

/// Character devices that every container may use, as runc allows them: null, zero, full, random,
/// urandom, tty, console, ptmx and the terminals of /dev/pts (any minor number).
const ALLOWED: [(i32, Option<i32>); 9] = [
    (1, Some(3)),
    (1, Some(5)),
    (1, Some(7)),
    (1, Some(8)),
    (1, Some(9)),
    (5, Some(0)),
    (5, Some(1)),
    (5, Some(2)),
    (136, None),
];

/// Holds the container, which exists but has not started, to the rules of its config.json. Nothing to
/// do where that has none, and on version 1.
pub fn restrict(spec: &Spec) -> Result<()> {
    let Some(linux) = spec.linux().as_ref().filter(|_| denies(spec)) else { return Ok(()) };
    let (Some(path), Some(root)) = (linux.cgroups_path(), cgroup::version_2_root()) else { return Ok(()) };
    let directory = root.join(path.strip_prefix("/").unwrap_or(path));
    let doing = || format!("restricting devices in the cgroup {}", directory.display());
    let cgroup = File::open(&directory).doing(ErrorKind::Host, doing)?;
    let program = load().map_err(|errno| Error::caused(ErrorKind::Host, doing(), &errno))?;
    attach(&program, &cgroup).map_err(|errno| Error::caused(ErrorKind::Host, doing(), &errno))
}

/// Whether this process may load such a program.
pub fn loadable() -> bool {
    load().is_ok()
}

fn denies(spec: &Spec) -> bool {
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    let rules = resources.and_then(|resources| resources.devices().as_ref());
    rules.is_some_and(|rules| rules.iter().any(|rule| !rule.allow()))
}

/// `struct bpf_insn`
#[repr(C)]
#[derive(Clone, Copy)]
struct Instruction {
    code: u8,
    /// Destination in the lower half, source in the upper one.
    registers: u8,
    offset: i16,
    value: i32,
}

const fn instruction(code: u8, registers: u8, offset: i16, value: i32) -> Instruction {
    Instruction { code, registers, offset, value }
}

// BPF_LDX|BPF_MEM|BPF_W, and so on (linux/bpf_common.h, linux/bpf.h)
const LOAD: u8 = 0x61;
const MOVE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const IF_EQUAL: u8 = 0x15;
const IF_NOT_EQUAL: u8 = 0x55;
const EXIT: u8 = 0x95;

/// `BPF_DEVCG_ACC_MKNOD`: making a node opens nothing yet
const MAKING: i32 = 1;
/// `BPF_DEVCG_DEV_CHAR`
const CHARACTER: i32 = 2;

/// Register 1 points to a `struct bpf_cgroup_dev_ctx`: access << 16 | type, major, minor. The answer
/// is in register 0: 1 allows.
fn program() -> Vec<Instruction> {
    let exit = instruction(EXIT, 0, 0, 0);
    let mut code = vec![
        instruction(LOAD, 0x12, 0, 0),
        instruction(LOAD, 0x14, 4, 0),
        instruction(LOAD, 0x15, 8, 0),
        instruction(MOVE_REGISTER, 0x23, 0, 0),
        instruction(SHIFT_RIGHT, 0x03, 0, 16),
        instruction(AND, 0x02, 0, 0xffff),
        instruction(MOVE, 0x00, 0, 1),
        instruction(IF_NOT_EQUAL, 0x03, 1, MAKING),
        exit,
    ];
    let rules: Vec<_> = ALLOWED.iter().flat_map(|(major, minor)| rule(*major, *minor)).collect();
    code.extend([instruction(IF_EQUAL, 0x02, 2, CHARACTER), instruction(MOVE, 0x00, 0, 0), exit]);
    code.extend(rules);
    code.extend([instruction(MOVE, 0x00, 0, 0), exit]);
    code
}

/// Leaves with register 0 as it is if the numbers are these.
fn rule(major: i32, minor: Option<i32>) -> Vec<Instruction> {
    let after = if minor.is_some() { 2 } else { 1 };
    let minor = minor.map(|minor| instruction(IF_NOT_EQUAL, 0x05, 1, minor));
    let exit = instruction(EXIT, 0, 0, 0);
    [instruction(IF_NOT_EQUAL, 0x04, after, major)].into_iter().chain(minor).chain([exit]).collect()
}

/// The start of `union bpf_attr` for BPF_PROG_LOAD; the kernel takes the rest as 0.
#[repr(C)]
struct Load {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
}

/// The same for BPF_PROG_ATTACH.
#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
}

fn load() -> std::result::Result<OwnedFd, Errno> {
    const BPF_PROG_LOAD: c_long = 5;
    const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
    let (program, license) = (program(), c"Apache-2.0");
    let request = Load {
        program_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        instruction_count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: license.as_ptr() as u64,
    };
    let fd = bpf(BPF_PROG_LOAD, &request)?;
    // SAFETY: the kernel just made it, close-on-exec, and nobody else knows it
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

fn attach(program: &OwnedFd, cgroup: &File) -> std::result::Result<(), Errno> {
    const BPF_PROG_ATTACH: c_long = 8;
    const BPF_CGROUP_DEVICE: u32 = 6;
    // beside those of the cgroups above, of which each may still refuse
    const BPF_F_ALLOW_MULTI: u32 = 2;
    let request = Attach {
        target: cgroup.as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        attach_type: BPF_CGROUP_DEVICE,
        flags: BPF_F_ALLOW_MULTI,
    };
    bpf(BPF_PROG_ATTACH, &request).map(drop)
}

fn bpf<T>(command: c_long, request: &T) -> std::result::Result<c_long, Errno> {
    // SAFETY: the request is the command's, and what it points to outlives the call
    Errno::result(unsafe { libc::syscall(libc::SYS_bpf, command, request, size_of::<T>()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the few instructions that the program has.
    fn allows(access: u32, kind: u32, major: u32, minor: u32) -> bool {
        let context = [access << 16 | kind, major, minor];
        let (mut registers, mut at, program) = ([0_u64; 16], 0_usize, program());
        loop {
            let Instruction { code, registers: pair, offset, value } = program[at];
            let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
            at += 1;
            match code {
                LOAD => registers[to] = u64::from(context[offset as usize / 4]),
                MOVE => registers[to] = value as u64,
                MOVE_REGISTER => {
                    registers[to] = registers[from];
                }
                AND => registers[to] &= value as u64,
                SHIFT_RIGHT => registers[to] >>= value,
                IF_EQUAL if registers[to] == value as u64 => at += offset as usize,
                IF_NOT_EQUAL if registers[to] != value as u64 => at += offset as usize,
                IF_EQUAL | IF_NOT_EQUAL => {}
                EXIT => return registers[0] == 1,
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn common_devices_can_be_opened_and_others_only_made() {
        const READ_WRITE: u32 = 6;
        let (block, character) = (1, 2);
        for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, 0), (136, 77)] {
            assert!(allows(READ_WRITE, character, major, minor), "c {major}:{minor}");
            assert!(!allows(READ_WRITE, block, major, minor), "b {major}:{minor}");
        }
        for (major, minor) in [(1, 1), (1, 11), (10, 200), (10, 229), (4, 64), (137, 3)] {
            assert!(!allows(READ_WRITE, character, major, minor), "c {major}:{minor}");
            assert!(allows(MAKING as u32, character, major, minor));
        }
        assert!(allows(MAKING as u32, block, 7, 0) && !allows(READ_WRITE, block, 7, 0));
        assert!(!allows(MAKING as u32 | READ_WRITE, block, 7, 0));
    }
}
