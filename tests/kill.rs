//! Processes killed at random instants, spread over pull, unpack, run and teardown: nothing is left
//! running, secrets go at once where somebody lives to remove them and at the next start otherwise,
//! and the next run works. `AIRSHIP_TEST_KILLS` is how often each way is tried (default 4).

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::docker_registry::DockerRegistry;
use common::image::{Entry, noise};
use common::site::{BUILD, INPUTS, Site, builder, iso, program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Who gets which signal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    CommandLinePolitely,
    CommandLine,
    Helper,
    Both,
}

#[test]
fn a_terminated_command_line_leaves_nothing() {
    try_often(Victim::CommandLinePolitely);
}

#[test]
fn a_killed_command_line_leaves_nothing() {
    try_often(Victim::CommandLine);
}

#[test]
fn a_killed_helper_leaves_nothing() {
    try_often(Victim::Helper);
}

#[test]
fn when_both_are_killed_the_next_start_cleans_up() {
    try_often(Victim::Both);
}

/// A fresh cache each time, so that every stage is met; the instants are spread evenly and jittered.
fn try_often(victim: Victim) {
    let times = std::env::var("AIRSHIP_TEST_KILLS").map_or(4, |text| text.parse().unwrap());
    let registry = DockerRegistry::start();
    let noise = Entry::file("noise", noise(24 << 20));
    let marker = format!("86400.{}{}", victim as u8, std::process::id());
    let script =
        format!("if grep -q slow $BUILDER_CONFIG; then sleep {marker} & sleep 0.4; kill $!; fi\n{BUILD}");
    let reference = registry.push("builder", "1", &builder(&script).layer(&[noise]).build());
    let whole = time_of_one_run(&reference);
    for number in 0..times {
        let instant = whole.mul_f64((f64::from(number) + jitter()) / f64::from(times));
        let site = Site::new();
        site.configure(&reference, "");
        older_outputs(&site);
        site.configure_builder("# slow\n");
        println!("{victim:?} after {instant:?} of {whole:?}");
        let ended = strike(&site, victim, instant);
        assert_nothing_runs(&site, &marker, victim);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(&*site.path("").to_string_lossy()), "{mounts}");
        if victim != Victim::Both {
            assert_undone(&site, ended);
        }
        site.succeed(&[]);
        site.assert_outputs();
        site.assert_clean();
        assert_no_cgroup(&site);
    }
}

fn time_of_one_run(reference: &str) -> Duration {
    let site = Site::new();
    site.configure(reference, "");
    site.configure_builder("# slow\n");
    let start = Instant::now();
    site.succeed(&[]);
    start.elapsed()
}

fn older_outputs(site: &Site) {
    fs::write(site.volume().join("out.iso"), "older").unwrap();
    let metadata = format!("bootImagePath: {}/out.iso\n", site.volume().display());
    fs::write(site.volume().join("output-metadata.yaml"), metadata).unwrap();
}

/// How the struck run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ended {
    Well,
    Otherwise,
}

fn strike(site: &Site, victim: Victim, instant: Duration) -> Ended {
    let mut child = site.isogen(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(instant);
    let helpers = children_of(&child);
    let send = |pid: i32, signal: Signal| {
        // it may have ended by itself
        let _ = kill(Pid::from_raw(pid), signal);
    };
    match victim {
        Victim::CommandLinePolitely => send(child.id() as i32, Signal::SIGTERM),
        Victim::CommandLine => send(child.id() as i32, Signal::SIGKILL),
        Victim::Helper => helpers.iter().for_each(|&pid| send(pid, Signal::SIGKILL)),
        Victim::Both => {
            send(child.id() as i32, Signal::SIGSTOP);
            children_of(&child).iter().for_each(|&pid| send(pid, Signal::SIGKILL));
            send(child.id() as i32, Signal::SIGKILL);
        }
    }
    let status = child.wait().unwrap();
    match status.success() {
        true => Ended::Well,
        false => Ended::Otherwise,
    }
}

/// The helper processes of a run: the children of its command line.
fn children_of(child: &Child) -> Vec<i32> {
    processes().into_iter().filter(|pid| parent_of(*pid) == Some(child.id() as i32)).collect()
}

fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Neither our processes of this site nor the builder's sleep, after a moment for the dying.
fn assert_nothing_runs(site: &Site, marker: &str, victim: Victim) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let alive: Vec<String> =
            processes().into_iter().filter_map(|pid| belongs(pid, site, marker)).collect();
        if alive.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "{victim:?}: still alive: {alive:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Helpers and workers hold a file of the site open (its lock), containers sleep with the marker.
fn belongs(pid: i32, site: &Site, marker: &str) -> Option<String> {
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    let is_ours = fs::read_link(format!("/proc/{pid}/exe"))
        .is_ok_and(|exe| exe == fs::canonicalize(program()).unwrap());
    let open = |root: &Path| -> bool {
        let fds: Vec<PathBuf> = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        fds.iter().any(|fd| fs::read_link(fd).is_ok_and(|target| target.starts_with(root)))
    };
    let found = command.contains(marker) || (is_ours && open(site.path("").as_path()));
    found.then(|| format!("{pid}: {command}"))
}

/// The secrets are gone, and the outputs are the older ones unless the run ended well. The helper
/// needs a moment when the command line was killed.
fn assert_undone(site: &Site, ended: Ended) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let names = site.names();
        let secret = names.iter().any(|name| INPUTS.contains(&name.as_str()) || name.starts_with('.'));
        // the builder may have copied them into its root, which lies below the record; one whose
        // helper was not told of it before its command line died is empty, and for the next start
        let runs = fs::read_dir(site.path("state/runs")).into_iter().flatten().flatten();
        let records = runs.filter(|run| run.path().join("overlay").exists()).count();
        if !secret && records == 0 {
            break;
        }
        assert!(Instant::now() < until, "{names:?}, {records} records");
        std::thread::sleep(Duration::from_millis(20));
    }
    let found = fs::read(site.volume().join("out.iso")).unwrap();
    match ended {
        Ended::Well => assert_eq!(found, iso()),
        // a kill after the commit comes too late to undo anything
        Ended::Otherwise => assert!(found == b"older" || found == iso()),
    }
}

fn assert_no_cgroup(site: &Site) {
    let hierarchies =
        fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
    let runs: Vec<String> = fs::read_dir(site.path("state/logs"))
        .unwrap()
        .flatten()
        .map(|log| log.path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    for hierarchy in hierarchies {
        for run in &runs {
            let cgroup = hierarchy.join(format!("airshipctl-{run}"));
            assert!(!cgroup.exists(), "{}", cgroup.display());
        }
    }
}

/// Between 0 and 1.
fn jitter() -> f64 {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    f64::from(nanos % 1000) / 1000.0
}
