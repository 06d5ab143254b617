//! How a run is bounded: in time, in memory, in processes, in what it may write; and what is said
//! when a bound is met.

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use common::site::{BUILD, Site, stderr};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Writes until it is stopped.
const ENDLESS: &str = "busybox yes filling-the-log";

// ---- time

#[test]
fn a_silent_builder_is_ended_and_an_eloquent_one_is_not() {
    let site = Site::with_builder("echo first; sleep 60");
    let asked = Instant::now();
    site.fail(&["--idle-timeout", "1s"], 6, &["wrote nothing for 1s", "--idle-timeout", "| first"]);
    assert!(asked.elapsed() < Duration::from_secs(20));
    let site = Site::with_builder(&format!("for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done; {BUILD}"));
    site.succeed(&["--idle-timeout", "2s"]);
    site.assert_outputs();
}

#[test]
fn the_time_that_is_up_first_is_named() {
    let site = Site::with_builder("while :; do echo again; sleep 0.1; done");
    let said = site.fail(&["--idle-timeout", "5s", "--timeout", "1s"], 6, &["longer than 1s"]);
    assert!(said.contains("with --timeout") && !said.contains("--idle-timeout"), "{said}");
}

#[test]
fn a_builder_that_ignores_its_end_is_killed_after_the_grace() {
    let site = Site::with_builder("trap 'echo not yet' TERM; while :; do sleep 0.1; done");
    let asked = Instant::now();
    site.fail(&["--timeout", "1s"], 6, &["longer than 1s", "not yet", "Killing the builder"]);
    assert!((10..25).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
}

#[test]
fn the_users_signal_has_a_grace_and_then_an_end() {
    let site = Site::with_builder("trap '' INT; touch /config/started; while :; do sleep 0.1; done");
    let child = site.start(&[]);
    signal(&child, Signal::SIGINT);
    let asked = Instant::now();
    let output = child.wait_with_output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!((9..25).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
    for text in ["Passing SIGINT on", "killed in 10s, or at once with another signal", "Killing the builder"]
    {
        assert!(said.contains(text), "{text}: {said}");
    }
    site.assert_clean();
}

#[test]
fn exit_codes_and_signals_of_the_builder_are_told() {
    for (script, says) in [
        ("exit 1", "ended with exit code 1\n"),
        ("exit 255", "ended with exit code 255"),
        ("kill -TERM $$", "killed by signal 15 (exit code 143)"),
        ("kill -SEGV $$", "killed by signal 11 (exit code 139)"),
    ] {
        let site = Site::with_builder(&format!("echo says; {script}"));
        site.fail(&[], 6, &[says.trim_end()]);
    }
}

// ---- the log

#[test]
fn a_builder_that_fills_the_log_fills_no_disk() {
    let site = Site::with_builder(&format!(
        "echo the-beginning; {ENDLESS} | head -c 80000000; echo; echo the-end; exit 3"
    ));
    let said = site.fail(&[], 6, &["ended with exit code 3", "| the-end"]);
    assert!(said.len() < 20_000, "{}", said.len());
    let log = site.log();
    assert!(log.starts_with("the-beginning\n") && log.ends_with("\nthe-end\n"));
    assert!(log.contains("bytes of output are left out here]"));
    assert!(log.len() <= (64 << 20) + 200, "{}", log.len());
}

#[test]
fn a_builder_that_writes_without_end_meets_its_timeout() {
    let site = Site::with_builder(ENDLESS);
    let asked = Instant::now();
    site.fail(&["--timeout", "2s"], 6, &["longer than 2s", "| filling-the-log"]);
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    assert!(site.log().len() <= (64 << 20) + 200);
}

// ---- limits

#[test]
fn hostile_limits_are_usage_errors() {
    let site = Site::new();
    for (option, values) in [
        ("--memory", &["", "0", "1", "1k", "-64m", "NaN", "1e9", "64q", "99999999999999999999g"][..]),
        ("--cpus", &["", "0", "-1", "NaN", "inf", "0.001", "1e3", "99999999999999999999"]),
        ("--pids", &["", "0", "-1", "1.5", "max", "99999999999999999999"]),
        ("--idle-timeout", &["", "0s", "5", "-1s", "99999999999h"]),
    ] {
        for value in values {
            site.fail(&[&format!("{option}={value}")], 2, &[option]);
        }
    }
}

#[test]
fn limits_that_this_user_cannot_set_are_refused_before_the_pull() {
    let site = Site::new();
    // nobody listens there, which would be exit code 4
    site.configure("127.0.0.1:1/none:1", "");
    if nix::unistd::geteuid().is_root() {
        // root may
        return;
    }
    for (option, value) in [("--memory", "64m"), ("--cpus", "1"), ("--pids", "100")] {
        site.fail(&[option, value], 5, &[&format!("limiting the builder with {option}: "), "run as root"]);
    }
}

#[test]
fn a_host_without_controllers_is_named() {
    if !root_only("a_host_without_controllers_is_named") {
        return;
    }
    let site = Site::new();
    site.configure("127.0.0.1:1/none:1", "");
    // a version 2 tree without controllers for containers is all that is there
    let script = "mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec \"$@\"";
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]);
    let output = site.below(command, &["--memory", "64m"]).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(
        said.contains("limiting the builder with --memory: this host has no cgroup controller memory"),
        "{said}"
    );
    assert!(said.contains("leave --memory out"), "{said}");
}

#[test]
fn a_builder_that_runs_out_of_memory_is_told_so() {
    if !root_only("a_builder_that_runs_out_of_memory_is_told_so") {
        return;
    }
    let site = Site::with_builder("dd if=/dev/zero of=/dev/null bs=200000000 count=1");
    site.fail(&["--memory", "32m"], 6, &["ran out of memory (limit 32 MiB)", "--memory"]);
    assert_no_cgroups(&site);
    // the same with enough of it, and a builder that can do without the process that was killed
    let site =
        Site::with_builder(&format!("dd if=/dev/zero of=/dev/null bs=200000000 count=1 || :\n{BUILD}"));
    site.succeed(&["--memory", "1g"]);
    let output = site.succeed(&["--memory", "32m"]);
    assert!(
        stderr(&output).contains("killed a process of the builder for want of memory"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_least_memory_is_enough_for_a_small_builder() {
    if !root_only("the_least_memory_is_enough_for_a_small_builder") {
        return;
    }
    let site = Site::with_builder(BUILD);
    for _ in 0..5 {
        site.succeed(&["--memory", "8m", "--pids", "5", "--cpus", "0.5"]);
    }
    site.assert_outputs();
}

#[test]
fn a_kill_that_memory_had_no_part_in_is_not_laid_to_it() {
    let site = Site::with_builder("kill -9 $$");
    let said = site.fail(&[], 6, &["killed by signal 9 (exit code 137)"]);
    assert!(!said.contains("memory"), "{said}");
}

#[test]
fn processes_are_limited() {
    if !root_only("processes_are_limited") {
        return;
    }
    let bomb = "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done; wait";
    let site = Site::with_builder(&format!("{bomb}\n{BUILD}"));
    site.fail(&["--pids", "20"], 6, &["can't fork"]);
    assert_no_cgroups(&site);
}

#[test]
fn limits_are_the_kernels() {
    if !root_only("limits_are_the_kernels") {
        return;
    }
    let site = Site::with_builder("touch /config/started; sleep 60");
    let mut child = site.start(&["--memory", "100m", "--cpus", "0.5", "--pids", "50"]);
    let id = fs::read_dir(site.path("state/runs")).unwrap().next().unwrap().unwrap().file_name();
    let name = format!("airshipctl-{}", id.to_string_lossy());
    let read = |controller: &str, version_1: &str, version_2: &str| {
        let root = Path::new("/sys/fs/cgroup");
        let (one, two) =
            (root.join(controller).join(&name).join(version_1), root.join(&name).join(version_2));
        fs::read_to_string(&one).or_else(|_| fs::read_to_string(&two)).unwrap().trim().to_owned()
    };
    let memory = read("memory", "memory.limit_in_bytes", "memory.max");
    let cpu = read("cpu", "cpu.cfs_quota_us", "cpu.max");
    let pids = read("pids", "pids.max", "pids.max");
    signal(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(memory, (100 << 20).to_string());
    assert!(cpu == "50000" || cpu == "50000 100000", "{cpu}");
    assert_eq!(pids, "51", "the builder's and the init");
    assert_no_cgroups(&site);
}

fn root_only(name: &str) -> bool {
    if !nix::unistd::geteuid().is_root() {
        // past the harness, which keeps what passing tests print; scripts/test.sh counts these lines
        let why = format!("only as root: {name}: a user's container has no cgroup");
        return writeln!(std::io::stderr(), "{why}").is_err();
    }
    true
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

/// Of the runs that have a log.
fn assert_no_cgroups(site: &Site) {
    let logs = fs::read_dir(site.path("state/logs")).unwrap().map(|entry| entry.unwrap().path());
    let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().map(|entry| entry.unwrap().path());
    let hierarchies: Vec<PathBuf> = hierarchies.chain([PathBuf::from("/sys/fs/cgroup")]).collect();
    for id in logs.map(|log| log.file_stem().unwrap().to_string_lossy().into_owned()) {
        for hierarchy in &hierarchies {
            let cgroup = hierarchy.join(format!("airshipctl-{id}"));
            assert!(!cgroup.exists(), "{}", cgroup.display());
        }
    }
}
