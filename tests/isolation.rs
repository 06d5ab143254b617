//! What a builder can do to its host: nothing more than under Docker's defaults, and with
//! `privileged: true` as much as there is to give. Real containers, as whoever runs the tests.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use common::compiled::compiled;
use common::image::{Entry, TestImage};
use common::site::{BUILD, Site, builder, stderr};
use nix::libc::{self, ENOSYS, EPERM};
use serde_json::json;

/// Docker's fourteen, and the same without MKNOD.
const FOURTEEN: [u64; 2] = [0xa804_25fb, 0xa004_25fb];
const CAP_KILL: u64 = 1 << 5;

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether the test may go on; says so for scripts/test.sh if not.
fn only_as_root(test: &str, why: &str) -> bool {
    if !is_root() {
        println!("only as root: {test}: {why}");
    }
    is_root()
}

/// What the builder of a run printed.
fn log_of(image: &TestImage, more: &str) -> (String, String) {
    let site = Site::with_image(&image.build());
    site.configure(common::site::IMAGE, more);
    let said = stderr(&site.succeed(&[]));
    (site.log(), said)
}

fn run(script: &str) -> String {
    log_of(&builder(&format!("{script}\n{BUILD}")), "").0
}

fn run_privileged(script: &str) -> (String, String) {
    log_of(&builder(&format!("{script}\n{BUILD}")), "  privileged: true\n")
}

/// `Name: value` lines, as /proc/self/status has them.
fn fields(log: &str) -> BTreeMap<&str, &str> {
    log.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect()
}

fn mask(fields: &BTreeMap<&str, &str>, name: &str) -> u64 {
    u64::from_str_radix(fields[name], 16).unwrap()
}

/// How the system calls of tests/isolation/calls.c end.
fn calls(more: &str) -> BTreeMap<String, i32> {
    let calls = Entry::program("bin/calls", compiled(include_str!("isolation/calls.c")));
    let image = builder(&format!("calls\n{BUILD}")).layer(&[calls]);
    let (log, _) = log_of(&image, more);
    let pairs = log.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(name, errno)| (name.to_owned(), errno.parse().unwrap())).collect()
}

#[test]
fn the_default_profile_refuses_what_docker_refuses_in_64_and_32_bit() {
    let calls = calls("");
    let refused = "unshare unshare-user clone-user setns mount fsopen pivot_root add_key keyctl bpf kexec_load \
                   userfaultfd io_uring_setup perf_event_open kcmp get_mempolicy open_by_handle_at \
                   socket-vsock socket-alg personality-norandom unshare.i386 keyctl.i386 \
                   personality-norandom.i386 get_mempolicy.i386 socket-vsock.i386";
    let absent = "clone3 unknown clone3.i386";
    let allowed = "socket-inet socket-unix personality-query personality-linux32 personality-linux \
                   process_vm_readv seccomp pidfd_open memfd_create sync ptrace getpid.i386 socket-inet.i386";
    for (names, errno) in [(refused, EPERM), (absent, ENOSYS), (allowed, 0)] {
        for name in names.split_whitespace().filter(|name| has(name)) {
            assert_eq!(calls[name], errno, "{name}: {calls:?}");
        }
    }
}

fn has(name: &str) -> bool {
    cfg!(target_arch = "x86_64") || !name.ends_with(".i386")
}

/// Gives this thread, and what it starts, a session keyring with a key in it.
fn keep_a_key() {
    let (kind, name) = (c"user".as_ptr(), c"airshipctl-test".as_ptr());
    // SAFETY: KEYCTL_JOIN_SESSION_KEYRING, then add_key to KEY_SPEC_SESSION_KEYRING, with strings that last
    let key = unsafe {
        libc::syscall(libc::SYS_keyctl, 1, 0_usize);
        libc::syscall(libc::SYS_add_key, kind, name, name, 1_usize, -3)
    };
    assert!(key > 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn privileged_has_no_profile_but_a_keyring_of_its_own() {
    keep_a_key();
    let calls = calls("  privileged: true\n");
    for name in
        ["unshare", "unshare.i386", "get_mempolicy", "personality-norandom"].iter().filter(|name| has(name))
    {
        assert_eq!(calls[*name], 0, "{name}: {calls:?}");
    }
    assert_ne!(calls["clone3"], ENOSYS);
    assert_eq!(calls["keyctl-search"], libc::ENOKEY, "{calls:?}");
    assert_ne!(calls["io_uring_setup"], EPERM);
}

#[test]
fn the_builder_is_filtered_and_holds_dockers_capabilities() {
    let log = run("cat /proc/self/status");
    let fields = fields(&log);
    assert_eq!((fields["Seccomp"], fields["NoNewPrivs"]), ("2", "0"), "{log}");
    let held = mask(&fields, "CapBnd");
    assert!(FOURTEEN.contains(&held), "{held:x}");
    assert_eq!((mask(&fields, "CapEff"), mask(&fields, "CapPrm")), (held, held));
    assert_eq!((mask(&fields, "CapInh"), mask(&fields, "CapAmb")), (0, 0));
}

#[test]
fn the_containers_init_is_filtered_too_and_can_only_kill() {
    let log = run("cat /proc/1/status");
    let fields = fields(&log);
    assert_eq!(fields["Name"], "airshipctl-init");
    assert_eq!(fields["Seccomp"], "2", "{log}");
    assert_eq!((mask(&fields, "CapEff"), mask(&fields, "CapPrm")), (CAP_KILL, CAP_KILL), "{log}");
    assert!(FOURTEEN.contains(&mask(&fields, "CapBnd")), "{log}");
}

#[test]
fn another_user_than_root_starts_without_capabilities() {
    let become_root = compiled(
        "#include <stdio.h>\n#include <unistd.h>\nint main(void) { printf(\"euid: %d\\n\", geteuid()); }",
    );
    let image = builder(&format!("cat /proc/self/status; become\n{BUILD}"))
        .layer(&[Entry::program("bin/become", become_root).mode(0o4755)])
        .config(json!({"Cmd": ["/bin/builder"], "User": "build"}));
    let site = Site::with_image(&image.build());
    fs::set_permissions(site.volume(), PermissionsExt::from_mode(0o777)).unwrap();
    let single = stderr(&site.succeed(&[])).contains("single id");
    let log = site.log();
    let fields = fields(&log);
    assert_eq!((fields["Seccomp"], fields["NoNewPrivs"]), ("2", "0"), "{log}");
    assert!(FOURTEEN.contains(&mask(&fields, "CapBnd")), "{log}");
    assert_eq!(fields["euid"], "0", "set-user-ID programs work");
    // with a single id it runs as 0
    let expected = if single { mask(&fields, "CapBnd") } else { 0 };
    assert_eq!((mask(&fields, "CapEff"), mask(&fields, "CapPrm")), (expected, expected), "{log}");
}

#[test]
fn a_privileged_builder_holds_all_there_is_and_a_user_is_told_what_is_missing() {
    let (log, said) =
        run_privileged("cat /proc/self/status; if mkdir /tmp/t; then mount -t tmpfs none /tmp/t; fi");
    let fields = fields(&log);
    assert_eq!((fields["Seccomp"], fields["NoNewPrivs"]), ("0", "0"), "{log}");
    let held = mask(&fields, "CapBnd");
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let last: u32 = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap().trim().parse().unwrap();
    let all = if is_root() { mask(&self::fields(&own), "CapBnd") } else { u64::MAX >> (63 - last) };
    assert_eq!(held, all, "{log}");
    assert_eq!(mask(&fields, "CapEff"), held);
    assert_eq!(said.matches("cannot make device nodes").count(), usize::from(!is_root()), "{said}");
}

#[test]
fn parts_of_proc_and_sys_are_hidden_or_cannot_be_written() {
    let log = run("for file in interrupts keys timer_list; do if test -e /proc/$file; then wc -c < /proc/$file; fi; done
        echo 1 > /proc/sys/kernel/hostname || echo no-sys
        echo h > /proc/sysrq-trigger || echo no-sysrq
        mkdir /sys/kernel/x || echo no-sysfs
        echo files: $(busybox ls -A /sys/firmware)");
    assert!(
        log.lines().filter(|line| line.chars().all(|c| c.is_ascii_digit())).all(|line| line == "0"),
        "{log}"
    );
    for said in ["no-sys", "no-sysrq", "no-sysfs", "files:"] {
        assert!(log.lines().any(|line| line == said), "{said}: {log}");
    }
    assert!(log.contains("Read-only file system"), "{log}");
}

#[test]
fn dev_has_what_every_container_has_and_no_more() {
    let log = run("busybox ls /dev; stat -c 'shm %a' /dev/shm; stat -c 'dev %a' /dev; echo x > /dev/null
        echo x > /dev/shm/x; dd if=/dev/zero of=/dev/null bs=1 count=1; dd if=/dev/urandom of=/dev/null bs=1 count=1
        if : < /dev/ptmx; then echo terminal; fi; wc -c; busybox readlink /proc/self/fd/0");
    let has = |line: &str| log.lines().any(|found| found == line);
    for name in [
        "fd",
        "full",
        "mqueue",
        "null",
        "ptmx",
        "pts",
        "random",
        "shm",
        "stderr",
        "stdin",
        "stdout",
        "tty",
        "urandom",
        "zero",
        "shm 1777",
        "terminal",
        "dev 755",
        "0",
        "/dev/null",
    ] {
        assert!(has(name), "{name}: {log}");
    }
    for name in ["mem", "kmsg", "loop0", "sda", "vda", "fuse", "kvm"] {
        assert!(!has(name), "{name}: {log}");
    }
}

/// Makes nodes of devices that root could open, and tries.
const OPEN: &str = "for node in 'c 1 3' 'c 10 229' 'c 10 237' 'b 7 0' 'c 1 11'; do
        busybox mknod /node $node; if (: < /node) 2> /message; then echo $node: open; else
        echo $node: $(cat /message); fi; rm /node; done";

fn assert_devices_are_restricted(log: &str) {
    let fields = fields(log);
    assert_eq!(fields["c 1 3"], "open", "{log}");
    for node in ["c 10 229", "c 10 237", "b 7 0", "c 1 11"] {
        assert!(fields[node].ends_with("Operation not permitted"), "{node}: {log}");
    }
}

#[test]
fn a_builder_of_root_can_make_device_nodes_but_opens_only_the_common_ones() {
    let name = "a_builder_of_root_can_make_device_nodes_but_opens_only_the_common_ones";
    if only_as_root(name, "a user makes no device nodes") {
        assert_devices_are_restricted(&run(OPEN));
    }
}

#[test]
fn device_rules_hold_on_cgroup_version_2() {
    if !only_as_root("device_rules_hold_on_cgroup_version_2", "a user makes no device nodes") {
        return;
    }
    let site = Site::with_builder(&format!(
        "cat /proc/self/status; touch /config/started; while test ! -e /config/go; do sleep 0.1; done
         rm /config/started /config/go\n{OPEN}\n{BUILD}"
    ));
    let mut version_2 = Command::new("unshare");
    // on a host that has version 2 alone, there is nothing to bind
    let script = "if test -d /sys/fs/cgroup/unified; then mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup; fi; exec \"$@\"";
    version_2.args(["-m", "sh", "-c", script, "sh"]);
    let child = site.start_below(version_2, &[]);
    let unified =
        ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(Path::new).into_iter().find(|path| path.is_dir());
    let run = fs::read_dir(site.path("state/runs")).unwrap().next().unwrap().unwrap().file_name();
    let cgroup = unified.unwrap().join(format!("airshipctl-{}", run.to_string_lossy()));
    let processes = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap();
    fs::write(site.volume().join("go"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(processes.lines().count() >= 2, "init and builder are in {}: {processes}", cgroup.display());
    let log = site.log();
    assert_eq!(mask(&fields(&log), "CapBnd"), FOURTEEN[0], "MKNOD is given where rules hold");
    assert_devices_are_restricted(&log);
    assert!(!cgroup.exists(), "the cgroup is gone");
}

#[test]
fn a_privileged_builder_of_root_has_the_hosts_device_nodes() {
    let name = "a_privileged_builder_of_root_has_the_hosts_device_nodes";
    if !only_as_root(name, "a user opens what it may open") {
        return;
    }
    let (log, _) = run_privileged(&format!(
        "busybox find /dev -type b -o -type c\n{OPEN}\nmkdir /sys/kernel/x || true
        for file in interrupts; do wc -c < /proc/$file; done"
    ));
    let nodes: Vec<_> = fs::read_dir("/dev").unwrap().map(|entry| entry.unwrap()).collect();
    for node in nodes.iter().filter(|node| FileTypeExt::is_char_device(&node.file_type().unwrap())) {
        let path = node.path().to_string_lossy().into_owned();
        assert!(
            path == "/dev/ptmx" || path == "/dev/console" || log.lines().any(|line| line == path),
            "{path}: {log}"
        );
    }
    assert!(!fields(&log)["c 10 237"].ends_with("Operation not permitted"), "{log}");
    assert!(!log.contains("Read-only file system"), "{log}");
}

#[test]
fn what_the_host_mounts_during_a_run_stays_outside() {
    if !only_as_root("what_the_host_mounts_during_a_run_stays_outside", "a user mounts nothing") {
        return;
    }
    let site = Site::with_builder(&format!(
        "mkdir /config/below; touch /config/started; while test ! -e /config/go; do sleep 0.1; done
         busybox ls /config/below; busybox rmdir /config/below; rm /config/started /config/go\n{BUILD}"
    ));
    // a mount namespace like that of a host with systemd: everything is shared with those made of it
    let mut shared = Command::new("unshare");
    shared.args(["-m", "--propagation", "shared"]);
    let child = site.start_below(shared, &[]);
    let script = format!(
        "mount -t tmpfs none {0}/below && touch {0}/below/of-the-host && touch {0}/go",
        site.volume().display()
    );
    let mut inside = Command::new("nsenter");
    inside.args(["-t", &child.id().to_string(), "-m", "sh", "-c", &script]);
    let mounted = inside.output().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(mounted.status.success() && output.status.success(), "{}{}", stderr(&mounted), stderr(&output));
    assert!(!site.log().contains("of-the-host"), "{}", site.log());
}

#[test]
fn a_program_of_the_host_is_out_of_reach_through_proc() {
    let log = run("cat /proc/1/exe > /exe || echo no-exe; cat /proc/1/environ || echo no-environ
        for fd in 3 4 5 6 7 8 9 10; do if test -e /proc/1/fd/$fd; then echo reachable; fi; done");
    for said in ["no-exe", "no-environ"] {
        assert!(log.lines().any(|line| line == said), "{said}: {log}");
    }
    assert!(!log.contains("reachable"), "{log}");
}
