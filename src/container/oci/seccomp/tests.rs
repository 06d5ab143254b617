//! Decisions of the compiled programs, by an interpreter of the few instructions that they have.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use nix::libc::{self, sock_filter};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, geteuid, setgroups, setresuid};
use oci_spec::runtime::Capability;

use super::program::{AARCH64, Policy, Program, Rule, Section, X86_64, native};
use super::table::{self, Abi, Calls};
use super::{emulation, profile};

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const EPERM: u32 = errno(libc::EPERM);
const ENOSYS: u32 = errno(libc::ENOSYS);
const DONE: u32 = errno(0);
const NO_ARGUMENTS: [u64; 6] = [0; 6];

const fn errno(number: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | number as u32
}

fn run(program: &Program, audit: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let load = |offset: u32| match offset {
        0 => number,
        4 => audit,
        _ => arguments[(offset as usize - 16) / 8] as u32,
    };
    let (mut a, mut at) = (0, 0);
    loop {
        let sock_filter { code, jt, jf, k } = program.0[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        match u32::from(code) {
            0x20 => a = load(k),
            0x54 => a &= k,
            0x05 => at += k as usize,
            0x15 => at += jump(a == k),
            0x25 => at += jump(a > k),
            0x35 => at += jump(a >= k),
            0x06 => return k,
            other => panic!("unknown instruction {other:#x}"),
        }
    }
}

/// A program, seen through one way into the kernel.
struct Seen(Program, u32, Abi);

impl Seen {
    fn answer(&self, number: u32, arguments: [u64; 6]) -> u32 {
        run(&self.0, self.1, number, arguments)
    }

    fn call(&self, call: &str, arguments: &[u64]) -> u32 {
        let mut all = NO_ARGUMENTS;
        all[..arguments.len()].copy_from_slice(arguments);
        self.answer(number(call, self.2), all)
    }
}

fn every() -> Vec<(&'static [Section], u32, Abi)> {
    let of = |sections: &'static [Section]| {
        sections
            .iter()
            .flat_map(move |section| section.abis.iter().map(move |abi| (sections, section.audit, *abi)))
    };
    of(X86_64).chain(of(AARCH64)).collect()
}

fn seen(policy: impl Fn() -> Policy) -> Vec<Seen> {
    let see = |(sections, audit, abi)| Seen(Program::compile(&policy(), sections), audit, abi);
    every().into_iter().map(see).collect()
}

/// All groups.
fn groups() -> Vec<Calls> {
    let all: Vec<Capability> = vec![Capability::SysAdmin];
    let mut groups: Vec<Calls> = profile::policy(&all).rules.iter().map(|(calls, _)| *calls).collect();
    groups.extend([
        table::HANDLES,
        table::BPF,
        table::PERF,
        table::LOG,
        table::BOOT,
        table::CHROOT,
        table::MODULES,
        table::ACCOUNTING,
        table::TRACING,
        table::PORTS,
        table::CLOCKS,
        table::TERMINALS,
        table::PLACEMENT,
    ]);
    groups
}

fn number(name: &str, abi: Abi) -> u32 {
    let call = groups().into_iter().flatten().find(|call| call.name == name);
    call.and_then(|call| call.number(abi)).unwrap_or_else(|| panic!("{name} on {abi:?}"))
}

#[test]
fn numbers_are_unique_on_every_architecture() {
    for (_, _, abi) in every() {
        let mut known: HashMap<u32, &str> = HashMap::new();
        for call in groups().into_iter().flatten() {
            if let Some(other) = call.number(abi).and_then(|number| known.insert(number, call.name)) {
                // arm has two names for one
                assert!(other == call.name || abi == Abi::Arm && call.name.ends_with("range2"), "{other}");
            }
        }
        assert!(known.len() > 250);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn numbers_are_those_of_the_c_library() {
    for (name, expected) in [
        ("clone3", libc::SYS_clone3),
        ("mount", libc::SYS_mount),
        ("read", libc::SYS_read),
        ("bpf", libc::SYS_bpf),
        ("setns", libc::SYS_setns),
        ("personality", libc::SYS_personality),
        ("mknodat", libc::SYS_mknodat),
        ("fchmodat2", libc::SYS_fchmodat2),
    ] {
        assert_eq!(i64::from(number(name, Abi::X86_64)), expected, "{name}");
    }
    assert_eq!(number("execve", Abi::X32), 0x4000_0000 | 520);
    assert_eq!(number("pwritev2", Abi::X32), 0x4000_0000 | 547);
    assert_eq!(number("mount", Abi::X32), 0x4000_0000 | 165);
}

#[test]
fn the_program_answers_every_number_as_the_policy_says() {
    for (policy, others, newer) in
        [(profile::policy(&[]), EPERM, ENOSYS), (emulation::policy(), ALLOW, ALLOW)]
    {
        for (sections, audit, abi) in every() {
            let program = Program::compile(&policy, sections);
            let mut rules: HashMap<u32, Rule> = HashMap::new();
            for (calls, rule) in &policy.rules {
                rules.extend(calls.iter().filter_map(|call| Some((call.number(abi)?, *rule))));
            }
            let last = rules.keys().copied().filter(|number| number & 0xf_0000 == 0).max().unwrap();
            for number in (abi.first()..abi.first() + 1200).chain(0xf_0000..0xf_0010) {
                let expected = match rules.get(&number) {
                    Some(Rule::Allow) => ALLOW,
                    Some(Rule::Errno(number)) => errno(i32::from(*number)),
                    Some(Rule::Test(_)) => continue,
                    None if number > last => newer,
                    None if number < abi.first() => continue,
                    None => others,
                };
                assert_eq!(run(&program, audit, number, NO_ARGUMENTS), expected, "{abi:?} {number}");
            }
        }
    }
}

#[test]
fn other_architectures_are_killed() {
    let program = Program::compile(&profile::policy(&[]), X86_64);
    let riscv64 = 0xc000_00f3;
    assert_eq!(run(&program, riscv64, 0, NO_ARGUMENTS), libc::SECCOMP_RET_KILL_PROCESS);
}

#[test]
fn without_capabilities_nothing_of_the_kernels_administration_is_allowed() {
    for seen in seen(|| profile::policy(&[])) {
        for name in [
            "mount",
            "umount2",
            "unshare",
            "setns",
            "bpf",
            "perf_event_open",
            "reboot",
            "chroot",
            "finit_module",
            "acct",
            "kcmp",
            "clock_settime",
            "vhangup",
            "mbind",
            "syslog",
            "open_by_handle_at",
        ] {
            assert_eq!(seen.call(name, &[]), EPERM, "{name} {:?}", seen.2);
        }
        for name in ["read", "ptrace", "process_vm_readv", "setuid", "mknodat", "seccomp", "capset"] {
            assert_eq!(seen.call(name, &[]), ALLOW, "{name} {:?}", seen.2);
        }
        assert_eq!(seen.call("clone3", &[]), ENOSYS);
    }
}

#[test]
fn a_capability_opens_its_calls_and_no_others() {
    for (held, name) in [
        (Capability::SysAdmin, "mount"),
        (Capability::SysAdmin, "clone3"),
        (Capability::SysChroot, "chroot"),
        (Capability::Bpf, "bpf"),
        (Capability::Perfmon, "perf_event_open"),
        (Capability::Syslog, "syslog"),
        (Capability::SysBoot, "reboot"),
        (Capability::SysTime, "settimeofday"),
        (Capability::SysNice, "mbind"),
        (Capability::SysPtrace, "pidfd_getfd"),
        (Capability::DacReadSearch, "open_by_handle_at"),
        (Capability::SysModule, "init_module"),
    ] {
        for seen in seen(|| profile::policy(&[held])) {
            assert_eq!(seen.call(name, &[]), ALLOW, "{name} {:?}", seen.2);
            let another = if held == Capability::SysPtrace { "acct" } else { "kcmp" };
            assert_eq!(seen.call(another, &[]), EPERM);
        }
    }
}

#[test]
fn arguments_decide_about_namespaces_personalities_and_families() {
    let new_user = libc::CLONE_NEWUSER as u64;
    for seen in seen(|| profile::policy(&[])) {
        assert_eq!(seen.call("clone", &[libc::SIGCHLD as u64]), ALLOW);
        assert_eq!(seen.call("clone", &[new_user | libc::SIGCHLD as u64]), EPERM);
        assert_eq!(seen.call("clone", &[libc::CLONE_NEWNS as u64]), EPERM);
        for value in [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff] {
            assert_eq!(seen.call("personality", &[value]), ALLOW, "{value:#x}");
        }
        for value in [1, 7, 9, 0x4_0000, 0x10_0000, 0x2_0009] {
            assert_eq!(seen.call("personality", &[value]), EPERM, "{value:#x}");
        }
        let allowed: Vec<u64> = (0..64).filter(|family| seen.call("socket", &[*family]) == ALLOW).collect();
        let refused = [12, 19, 20, 23, 25, 34, 37, 38, 40];
        let expected: Vec<u64> = (0..46).filter(|family| !refused.contains(family)).collect();
        assert_eq!(allowed, expected);
    }
    let privileged = seen(|| profile::policy(&[Capability::SysAdmin]));
    assert!(privileged.iter().all(|seen| seen.call("clone", &[new_user]) == ALLOW));
}

#[test]
fn emulation_pretends_owners_ids_and_devices_and_nothing_else() {
    let (device, pipe, socket) =
        (u64::from(libc::S_IFBLK) | 0o660, libc::S_IFIFO.into(), libc::S_IFSOCK.into());
    for seen in seen(emulation::policy) {
        for name in ["fchown", "fchownat", "setuid", "setgroups", "setresgid", "capset", "fsync", "syncfs"] {
            assert_eq!(seen.call(name, &[]), DONE, "{name} {:?}", seen.2);
        }
        for name in ["read", "mount", "fchmod", "getuid"] {
            assert_eq!(seen.call(name, &[]), ALLOW);
        }
        assert_eq!(seen.call("mknodat", &[0, 0, device, 0x0701]), DONE);
        assert_eq!(seen.call("mknodat", &[0, 0, device, 0]), ALLOW, "a whiteout is made");
        assert_eq!(seen.call("mknodat", &[0, 0, pipe, 0x0701]), ALLOW);
        assert_eq!(seen.call("mknodat", &[0, 0, socket, 0x0701]), ALLOW);
        if seen.2 != Abi::Aarch64 {
            assert_eq!(seen.call("mknod", &[0, device, 0x0701]), DONE);
            assert_eq!(seen.call("mknod", &[0, device, 0]), ALLOW);
        }
    }
}

/// Runs `steps` in a child process, in a user namespace of its own with one id and under root
/// emulation, and returns the number of the first step that was not true.
fn first_untrue_under_emulation(steps: &[&dyn Fn() -> bool]) -> Option<usize> {
    let program = Program::compile(&emulation::policy(), native().unwrap());
    // SAFETY: the child makes system calls and allocates, which glibc allows after fork
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let entered = unshare(CloneFlags::CLONE_NEWUSER).is_ok();
            let untrue = if entered && program.load().is_ok() {
                steps.iter().position(|step| !step())
            } else {
                Some(99)
            };
            // SAFETY: the destructors are the parent's
            unsafe { libc::_exit(untrue.map_or(0, |step| step as i32 + 1)) }
        }
        ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
            WaitStatus::Exited(_, 0) => None,
            WaitStatus::Exited(_, code) => Some(code as usize - 1),
            status => panic!("{status:?}"),
        },
    }
}

#[test]
fn under_emulation_calls_for_other_ids_succeed_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let (file, node, pipe) = (dir.path().join("file"), dir.path().join("node"), dir.path().join("pipe"));
    std::fs::write(&file, "").unwrap();
    let owner = std::fs::metadata(&file).unwrap().uid();
    let make = |path: &Path, kind: libc::mode_t, device: u64| {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: the path outlives the call
        unsafe { libc::mknod(path.as_ptr(), kind | 0o600, device) == 0 }
    };
    let steps: [&dyn Fn() -> bool; 8] = [
        &|| chown(&file, Some(1234), Some(5678)).is_ok(),
        &|| chown("/nowhere", Some(1), None).is_ok(),
        &|| setgroups(&[7.into()]).is_ok(),
        &|| setresuid(5.into(), 5.into(), 5.into()).is_ok(),
        // no id is mapped, and none has become 5
        &|| geteuid().as_raw() == 65534,
        &|| make(&node, libc::S_IFBLK, libc::makedev(7, 0)) && !node.exists(),
        &|| make(&pipe, libc::S_IFIFO, 0) && pipe.exists(),
        // SAFETY: capset with null pointers is not carried out
        &|| unsafe { libc::syscall(libc::SYS_capset, 0, 0) == 0 },
    ];
    assert_eq!(first_untrue_under_emulation(&steps), None);
    assert_eq!(std::fs::metadata(&file).unwrap().uid(), owner);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn under_emulation_32_bit_programs_are_fooled_as_well() {
    let gate = |number: i64, first: i64| -> i32 {
        let mut result = number;
        // SAFETY: the numbers are of calls whose arguments are no pointers; rbx is kept by hand
        unsafe {
            std::arch::asm!(
                "xchg rbx, {first}", "int 0x80", "xchg rbx, {first}",
                first = inout(reg) first => _, inout("rax") result, in("rcx") 0, in("rdx") 0,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        result as i32
    };
    let steps: [&dyn Fn() -> bool; 4] =
        [&|| gate(213, 1234) == 0, &|| gate(212, 0) == 0, &|| gate(24, 0) == 65534, &|| {
            gate(20, 0) == std::process::id() as i32
        }];
    assert_eq!(first_untrue_under_emulation(&steps), None);
}
