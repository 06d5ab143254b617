//! Many runs, one after the other and a few at once: none hangs, none fails, nothing is left, and neither
//! the builder's descriptors nor disk use grow. `AIRSHIP_TEST_RUNS` is how many (default 5).

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use common::left::{assert_nothing_left, assert_nothing_runs};
use common::site::{BUILD, Site, builder, stderr};

/// No run of this small builder takes as long, also on a machine that does much else.
const HANGING: Duration = Duration::from_secs(120);
/// So many logs are kept; up to then the state directory may grow.
const LOGS: u64 = 21;

fn times() -> u32 {
    std::env::var("AIRSHIP_TEST_RUNS").map_or(5, |text| text.parse().unwrap())
}

/// Ends a run that hangs, with what it had said.
fn finish(mut child: Child) -> Output {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > HANGING {
            child.kill().unwrap();
            panic!("a run hangs: {}", stderr(&child.wait_with_output().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

fn start(site: &Site) -> Child {
    site.isogen(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Files below a directory, and the bytes they take on disk, without the log files' own.
fn disk_use(dir: &Path) -> (u64, u64) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.fold((0, 0), |(files, bytes), entry| {
        let Ok(found) = fs::symlink_metadata(entry.path()) else { return (files, bytes) };
        let (below, inner) = if found.is_dir() { disk_use(&entry.path()) } else { (0, 0) };
        (files + 1 + below, bytes + found.blocks() * 512 + inner)
    })
}

#[test]
fn many_runs_in_a_row_neither_hang_nor_fail_nor_leave_anything() {
    let site = Site::new();
    site.load(&builder(&format!("ls /proc/self/fd | wc -l\n{BUILD}")).build());
    let mut seen = Vec::new();
    let begin = Instant::now();
    for number in 0..times() {
        let output = finish(start(&site));
        assert!(output.status.success(), "run {number}: {}", stderr(&output));
        site.assert_outputs();
        site.assert_clean();
        let logs = fs::read_dir(site.path("state/logs")).unwrap().count() as u64;
        assert!(logs <= LOGS, "{logs} logs");
        let (files, bytes) = disk_use(&site.path(""));
        // each log is a file of one block
        seen.push((files - logs, bytes - logs * 4096));
    }
    println!("{} runs in {:?}", times(), begin.elapsed());
    let (first, last) = (seen[0], seen[seen.len() - 1]);
    assert_eq!(first.0, last.0, "files: {seen:?}");
    // directories keep the blocks they once had
    assert!(last.1 <= first.1 + 65536, "disk use: {seen:?}");
    let logs = fs::read_dir(site.path("state/logs")).unwrap().flatten();
    // those that the builder inherited, which would be more if any of ours leaked
    let open: Vec<String> = logs.map(|log| fs::read_to_string(log.path()).unwrap()).collect();
    assert!(open.iter().all(|count| *count == open[0]), "descriptors of the builder: {open:?}");
    assert_nothing_left(&site, "no such marker");
}

#[test]
fn many_runs_at_once_neither_hang_nor_fail_nor_leave_anything() {
    let sites: Vec<Site> = (0..4).map(|_| Site::new()).collect();
    sites[0].load(&builder(BUILD).build());
    let begin = Instant::now();
    for number in 0..times().div_ceil(4) {
        let start = |site: &Site| {
            let mut command = site.isogen(&[]);
            command.env("AIRSHIP_ROOTFS_CACHE", sites[0].path("cache"));
            command.env("AIRSHIP_STATE_DIR", sites[0].path("state"));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children: Vec<Child> = sites.iter().map(start).collect();
        for child in children {
            let output = finish(child);
            assert!(output.status.success(), "round {number}: {}", stderr(&output));
        }
        sites.iter().for_each(Site::assert_outputs);
    }
    println!("{} rounds of 4 in {:?}", times().div_ceil(4), begin.elapsed());
    sites.iter().for_each(|site| assert_nothing_runs(site, "no such marker"));
    assert_nothing_left(&sites[0], "no such marker");
}
