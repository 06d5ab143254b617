//! Processes killed at random instants, spread over pull, unpack, run and teardown: nothing is left
//! running, secrets go at once where somebody lives to remove them and at the next start otherwise,
//! and the next run works. `AIRSHIP_TEST_KILLS` is how often each way is tried (default 4).

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::docker_registry::DockerRegistry;
use common::image::{Entry, noise};
use common::left::{
    assert_cache_is_good, assert_namespaces_gone, assert_no_cgroup, assert_no_mount, assert_nothing_runs,
    children_of, network_namespaces,
};
use common::site::{BUILD, INPUTS, Site, builder, iso};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Who gets which signal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    CommandLinePolitely,
    CommandLine,
    Helper,
    /// Pid 1 of the namespace around the container, the helper's child.
    Worker,
    /// Pid 1 of the container, the worker's child.
    Init,
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
fn a_killed_worker_leaves_nothing() {
    try_often(Victim::Worker);
}

#[test]
fn a_killed_init_leaves_nothing() {
    try_often(Victim::Init);
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
        assert_nothing_runs(&site, &marker);
        assert_namespaces_gone(&ended.networks);
        assert_no_mount(&site);
        if victim != Victim::Both {
            assert_undone(&site, ended.how);
        }
        site.succeed(&[]);
        site.assert_outputs();
        site.assert_clean();
        assert_no_cgroup(&site);
        assert_cache_is_good(&site);
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

struct Struck {
    how: Ended,
    /// The network namespaces of the run at the instant.
    networks: Vec<PathBuf>,
}

/// How the struck run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ended {
    Well,
    Otherwise,
}

fn strike(site: &Site, victim: Victim, instant: Duration) -> Struck {
    let mut child = site.isogen(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(instant);
    let line = child.id() as i32;
    let children = |pids: &[i32]| -> Vec<i32> { pids.iter().flat_map(|&pid| children_of(pid)).collect() };
    let send = |pids: &[i32], signal: Signal| {
        for &pid in pids {
            // it may have ended by itself
            let _ = kill(Pid::from_raw(pid), signal);
        }
    };
    let helpers = children(&[line]);
    let workers = children(&helpers);
    let networks = network_namespaces(&workers);
    match victim {
        Victim::CommandLinePolitely => send(&[line], Signal::SIGTERM),
        Victim::CommandLine => send(&[line], Signal::SIGKILL),
        Victim::Helper => send(&helpers, Signal::SIGKILL),
        Victim::Worker => send(&workers, Signal::SIGKILL),
        Victim::Init => send(&children(&workers), Signal::SIGKILL),
        Victim::Both => {
            send(&[line], Signal::SIGSTOP);
            send(&children(&[line]), Signal::SIGKILL);
            send(&[line], Signal::SIGKILL);
        }
    }
    let how = match child.wait().unwrap().success() {
        true => Ended::Well,
        false => Ended::Otherwise,
    };
    Struck { how, networks }
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

/// Between 0 and 1.
fn jitter() -> f64 {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    f64::from(nanos % 1000) / 1000.0
}
