//! What a run must not leave on the host, however it ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::site::{Site, program, stderr};

/// How long the dying may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until no process of this site is left: neither ours, nor one among its mounts, nor one with
/// `marker` on its command line.
pub fn assert_nothing_runs(site: &Site, marker: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        let alive: Vec<String> =
            processes().into_iter().filter_map(|pid| belongs(pid, site, marker)).collect();
        if alive.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "still alive: {alive:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

pub fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

pub fn children_of(parent: i32) -> Vec<i32> {
    processes().into_iter().filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

/// Helpers and workers hold a file of the site open (its lock), containers have the volume mounted or
/// sleep with the marker.
fn belongs(pid: i32, site: &Site, marker: &str) -> Option<String> {
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    let is_ours = fs::read_link(format!("/proc/{pid}/exe"))
        .is_ok_and(|exe| exe == fs::canonicalize(program()).unwrap());
    let has_mount = pid != std::process::id() as i32
        && fs::read_to_string(format!("/proc/{pid}/mountinfo"))
            .is_ok_and(|mounts| mounts.contains(&*site.volume().to_string_lossy()));
    let found = command.contains(marker) || has_mount || (is_ours && has_open(pid, &site.path("")));
    found.then(|| format!("{pid}: {command}"))
}

fn has_open(pid: i32, root: &Path) -> bool {
    let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = fds.filter_map(|fd| fs::read_link(fd.path()).ok());
    targets.into_iter().any(|target| target.starts_with(root))
}

/// The network namespaces that these processes are in, other than ours.
pub fn network_namespaces(pids: &[i32]) -> Vec<PathBuf> {
    let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let own = of("self");
    pids.iter().filter_map(|pid| of(&pid.to_string())).filter(|found| Some(found) != own.as_ref()).collect()
}

/// A namespace lives as long as a process is in it, has it open, or it is mounted.
pub fn assert_namespaces_gone(namespaces: &[PathBuf]) {
    let until = Instant::now() + PATIENCE;
    let alive = || {
        processes().into_iter().find(|&pid| {
            let is_in = network_namespaces(&[pid]).iter().any(|found| namespaces.contains(found));
            is_in || namespaces.iter().any(|namespace| has_open(pid, namespace))
        })
    };
    while let Some(pid) = alive() {
        assert!(Instant::now() < until, "{pid} holds one of {namespaces:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounted = namespaces.iter().any(|namespace| mounts.contains(&*namespace.to_string_lossy()));
    assert!(!mounted, "{namespaces:?} is mounted");
}

pub fn assert_no_mount(site: &Site) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&*site.path("").to_string_lossy()), "{mounts}");
}

/// Of every run that has a log.
pub fn assert_no_cgroup(site: &Site) {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|e| e.path());
    let hierarchies: Vec<_> = hierarchies.chain([PathBuf::from("/sys/fs/cgroup")]).collect();
    let logs = fs::read_dir(site.path("state/logs")).into_iter().flatten().flatten();
    for log in logs {
        let run = log.path().file_stem().unwrap().to_string_lossy().into_owned();
        for hierarchy in &hierarchies {
            let cgroup = hierarchy.join(format!("airshipctl-{run}"));
            assert!(!cgroup.exists(), "{}", cgroup.display());
        }
    }
}

/// Every blob and every file of every unpacked tree in the cache is as its digest says.
pub fn assert_cache_is_good(site: &Site) {
    let output = site.command(&["image", "verify", "--deep"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

/// All of it, after a run that cleaned up after itself.
pub fn assert_nothing_left(site: &Site, marker: &str) {
    assert_nothing_runs(site, marker);
    assert_no_mount(site);
    assert_no_cgroup(site);
    site.assert_clean();
    assert_cache_is_good(site);
}

/// A process of this user for builders to aim at; gone when dropped.
pub struct Decoy(std::process::Child);

impl Decoy {
    pub fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Decoy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
