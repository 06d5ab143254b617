//! `airshipctl doctor`: its report, its exit codes, and that it leaves nothing behind.

mod common;
#[path = "doctor/engine.rs"]
mod engine;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::docker_registry::DockerRegistry;
use common::faulty::{Fault, FaultyRegistry};
use common::guard::{Authority, Login, Tls};
use common::image::Layout;
use common::site::{BUILD, IMAGE, Site, builder, program, stderr, stdout};
use nix::unistd::geteuid;
use serde_json::Value;

/// The report and the exit code.
struct Report {
    json: Value,
    code: i32,
}

fn doctor(site: &Site, arguments: &[&str]) -> Command {
    let mut command = site.command(&["doctor", "--output", "json"]);
    command.args(arguments);
    command
}

fn report(output: &Output) -> Report {
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", stdout(output), stderr(output)));
    Report { json, code: output.status.code().unwrap() }
}

/// Examines a site, which has to be as it was afterwards.
fn examine(site: &Site, arguments: &[&str]) -> Report {
    let before = all_below(&site.path(""));
    let output = doctor(site, arguments).args(["--conf", "isogen.yaml"]).output().unwrap();
    assert_eq!(all_below(&site.path("")), before, "nothing is left behind");
    report(&output)
}

impl Report {
    fn check(&self, name: &str) -> &Value {
        let checks = self.json["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["name"] == name);
        found.unwrap_or_else(|| panic!("no check {name}: {:#}", self.json))
    }

    /// A run would fail at this check, which says `says`.
    fn assert_fails(&self, name: &str, code: i32, says: &str) {
        let run = &self.json["run"];
        assert_eq!((self.code, run["code"].as_i64()), (code, Some(i64::from(code))), "{:#}", self.json);
        assert_eq!(run["check"], name, "{run:#}");
        let check = self.check(name);
        assert_eq!(check["status"], "fail");
        assert!(check["message"].as_str().unwrap().contains(says), "{check:#}");
        assert!(check["fix"].is_string(), "{check:#}");
    }

    fn assert_good(&self) {
        assert_eq!((self.code, &self.json["run"]["check"]), (0, &Value::Null), "{:#}", self.json);
        assert!(self.json["run"]["rung"].is_string());
    }
}

fn all_below(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut all: Vec<String> = entries
        .flat_map(|entry| {
            let (path, length) = (entry.path(), entry.metadata().map_or(0, |found| found.len()));
            let below = if path.is_dir() { all_below(&path) } else { Vec::new() };
            let length = if path.is_dir() { 0 } else { length };
            below.into_iter().chain([format!("{} {length}", path.display())])
        })
        .collect();
    all.sort();
    all
}

/// Whether a test of what only root can do goes on.
fn is_root(what: &str) -> bool {
    if !geteuid().is_root() {
        println!("only as root: {what}");
    }
    geteuid().is_root()
}

#[test]
fn a_good_host_gets_a_rung_and_every_check_has_its_keys() {
    let site = Site::with_builder(BUILD);
    let report = examine(&site, &[]);
    report.assert_good();
    assert_eq!(report.json["version"], 1);
    for check in report.json["checks"].as_array().unwrap() {
        for key in ["area", "name", "status", "message"] {
            assert!(check[key].is_string(), "{check:#}");
        }
        assert!(check.get("fix").is_some());
    }
    let rungs: Vec<&str> =
        report.json["rungs"].as_array().unwrap().iter().map(|rung| rung["rung"].as_str().unwrap()).collect();
    assert_eq!(rungs, ["root", "subid", "emulate", "single"]);
    assert_eq!(report.check("image")["status"], "ok");
    assert_eq!(report.check("registry")["status"], "skip");
}

#[test]
fn the_rung_is_the_one_that_a_run_then_takes() {
    let site = Site::with_builder(BUILD);
    for how in ["auto", "single", "emulate"] {
        let report = examine(&site, &["--rootless", how]);
        report.assert_good();
        let said = stderr(&site.succeed(&["--rootless", how]));
        let line = format!("Containers run {}\n", report.json["run"]["description"].as_str().unwrap());
        assert!(said.contains(&line), "{line}{said}");
    }
    // the state directory is there now: an upper layer is tried in it
    let report = examine(&site, &["--rootless", "single"]);
    let rungs = report.json["rungs"].as_array().unwrap();
    let single = rungs.iter().find(|rung| rung["rung"] == "single").unwrap();
    let steps = single["checks"].as_array().unwrap();
    let step = |name: &str| steps.iter().find(|step| step["name"] == name).map(|step| &step["status"]);
    assert_eq!(step("user-namespace"), Some(&Value::from("ok")), "{single:#}");
    assert_eq!(step("overlay-upper"), Some(&Value::from("ok")), "{single:#}");
}

#[test]
fn a_rung_out_of_reach_is_foretold_as_a_run_fails() {
    let site = Site::with_builder(BUILD);
    let how = if geteuid().is_root() { "subid" } else { "root" };
    let output = doctor(&site, &["--rootless", how, "--conf", "isogen.yaml"]).output().unwrap();
    let report = report(&output);
    assert_eq!(report.json["run"]["rung"], Value::Null);
    site.fail(&["--rootless", how], report.code, &[]);
}

#[test]
fn without_a_configuration_the_host_is_looked_at_alone() {
    let site = Site::new();
    let report = report(&doctor(&site, &[]).output().unwrap());
    report.assert_good();
    let checks = report.json["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["area"] != "image" && check["area"] != "volume"));
    assert!(!site.path("cache").exists() && !site.path("state").exists());
}

#[test]
fn text_ends_with_the_rung_and_names_what_fails_with_its_fix() {
    let site = Site::with_builder(BUILD);
    let text = |site: &Site| site.command(&["doctor", "--conf", "isogen.yaml"]).output().unwrap();
    let good = text(&site);
    let last = stdout(&good).lines().last().unwrap().to_owned();
    assert!(last.starts_with("a run would take: "), "{last}");
    fs::remove_dir(site.volume()).unwrap();
    let bad = text(&site);
    assert_eq!(bad.status.code(), Some(2));
    let said = stdout(&bad);
    assert!(said.contains("  fail volume ") && said.contains("fix: create it: mkdir -p"), "{said}");
    assert!(said.contains("a run would fail with exit code 2: check volume: "), "{said}");
    assert!(stderr(&bad).contains("error: a run would fail at check volume\n"), "{}", stderr(&bad));
}

#[test]
fn a_wrong_configuration_is_a_check_with_its_faults() {
    let site = Site::new();
    fs::write(site.path("isogen.yaml"), "container: {volume: relative}\n").unwrap();
    let output = doctor(&site, &["--conf", "isogen.yaml"]).output().unwrap();
    let found = report(&output);
    assert_eq!((found.code, &found.json["run"]["check"]), (2, &Value::from("configuration")));
    assert!(found.check("configuration")["message"].as_str().unwrap().contains("isogen.yaml:"));
    let output = doctor(&site, &["--conf", "absent.yaml"]).output().unwrap();
    assert_eq!(report(&output).json["run"]["check"], "configuration");
}

#[test]
fn an_image_that_is_nowhere_is_foretold() {
    let site = Site::new();
    examine(&site, &[]).assert_fails("image", 4, IMAGE);
    site.configure("registry.example/builder:1", "");
    examine(&site, &["--offline"]).assert_fails("image", 4, "registry.example/builder:1");
}

#[test]
fn a_registry_is_asked_and_nothing_is_stored() {
    let registry = DockerRegistry::start();
    let site = Site::new();
    let reference = registry.push("builder", "1", &builder(BUILD).build());
    site.configure(&reference, "");
    let report = examine(&site, &[]);
    report.assert_good();
    assert!(report.check("image")["message"].as_str().unwrap().contains("would be pulled"));
    assert_eq!(report.check("registry")["status"], "ok");
    assert_eq!(report.check("architecture")["status"], "ok");
    assert!(!site.path("cache").exists());
    site.succeed(&[]);
    drop(registry);
    // a run does not ask it any more, so this is no more than a warning
    let report = examine(&site, &[]);
    report.assert_good();
    assert_eq!(report.check("registry")["status"], "warn");
    site.configure(&reference.replace("builder", "other"), "");
    examine(&site, &[]).assert_fails("registry", 4, "127.0.0.1");
}

#[test]
fn only_manifest_and_configuration_are_fetched() {
    let registry = FaultyRegistry::start();
    let image = builder(BUILD).build();
    let site = Site::new();
    site.configure(&registry.add("1", &image), "");
    examine(&site, &[]).assert_good();
    for layer in &image.layers {
        assert_eq!(registry.count(&layer.digest), 0);
    }
    // what is not as its digest says is noticed all the same
    registry.fault(&image.config.digest, 9, Fault::Flip(3));
    examine(&site, &[]).assert_fails("registry", 4, "other bytes");
}

#[test]
fn credentials_and_certificates_are_those_of_a_pull() {
    let image = builder(BUILD).build();
    let registry = FaultyRegistry::start();
    registry.require(Login::Basic("ann:s3cret"));
    let site = Site::new();
    site.configure(&registry.add("1", &image), "");
    examine(&site, &[]).assert_fails("registry", 4, "401");
    let auth = format!("{{\"auths\": {{\"{}\": {{\"auth\": \"YW5uOnMzY3JldA==\"}}}}}}", registry.host());
    fs::write(site.path("auth.json"), auth).unwrap();
    examine(&site, &["--authfile", "auth.json"]).assert_good();
    let (lab, other) = (Authority::new("Lab CA"), Authority::new("Other CA"));
    let registry = FaultyRegistry::with_tls(Tls::new(&lab, None));
    site.configure(&registry.add("1", &image), "");
    fs::write(site.path("lab.crt"), lab.pem()).unwrap();
    fs::write(site.path("other.crt"), other.pem()).unwrap();
    let report = examine(&site, &["--ca-file", "other.crt"]);
    report.assert_fails("registry", 4, "CN=Lab CA");
    examine(&site, &["--ca-file", "lab.crt"]).assert_good();
}

#[test]
fn an_image_for_another_architecture_is_foretold() {
    let registry = DockerRegistry::start();
    let site = Site::new();
    let foreign = builder(BUILD).platform("linux/s390x").build();
    site.configure(&registry.push("builder", "1", &foreign), "");
    examine(&site, &[]).assert_fails("architecture", 6, "linux/s390x");
    site.configure(&registry.push_index("both", "1", &[&foreign]), "");
    examine(&site, &[]).assert_fails("registry", 4, "linux/s390x");
}

#[test]
fn a_state_directory_and_a_cache_in_the_way_of_a_run_are_foretold() {
    let site = Site::with_builder(BUILD);
    fs::write(site.path("file"), "").unwrap();
    let file = site.path("file/state");
    let arguments = ["--state-dir", file.to_str().unwrap()];
    examine(&site, &arguments).assert_fails("state", 2, "is no directory");
    site.fail(&arguments, 2, &[]);
    fs::write(site.path("volume/stranger"), "").unwrap();
    let volume = site.volume();
    let arguments = ["--rootfs-cache", volume.to_str().unwrap()];
    let report = examine(&site, &arguments);
    assert_eq!((report.code, &report.json["run"]["check"]), (2, &Value::from("cache")), "{:#}", report.json);
    site.fail(&arguments, 2, &["stranger"]);
}

#[test]
fn a_volume_that_another_run_has_is_foretold() {
    let site = Site::with_builder(BUILD);
    let volume = fs::File::open(site.volume()).unwrap();
    volume.lock().unwrap();
    examine(&site, &[]).assert_fails("volume", 2, "busy with another run");
    site.fail(&[], 2, &["busy with another run"]);
    volume.unlock().unwrap();
    examine(&site, &[]).assert_good();
}

#[test]
fn no_value_of_a_proxy_variable_is_shown() {
    let site = Site::new();
    site.configure("registry.example/builder:1", "");
    let output = doctor(&site, &["--conf", "isogen.yaml"])
        .env("HTTPS_PROXY", "http://ann:s3cret@127.0.0.1:1")
        .output()
        .unwrap();
    let report = report(&output);
    assert_eq!(report.code, 4);
    assert!(report.check("proxies")["message"].as_str().unwrap().contains("HTTPS_PROXY"));
    assert!(!stdout(&output).contains("s3cret") && !stderr(&output).contains("s3cret"));
}

/// `sh -c script` in a mount namespace of its own, with the site's directory as `$1` and its program
/// and arguments behind.
fn in_mount_namespace(site: &Site, script: &str, arguments: &[&str]) -> Report {
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        &format!("{script}; shift; exec \"$@\""),
    ]);
    unshare.arg("sh").arg(site.path("")).arg(program());
    unshare.args(["doctor", "--output", "json", "--conf", "isogen.yaml"]).args(arguments).env_clear();
    unshare.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", site.path(""));
    unshare.env("AIRSHIP_ROOTFS_CACHE", site.path("cache")).env("AIRSHIP_STATE_DIR", site.path("state"));
    report(&unshare.current_dir(site.path("")).output().unwrap())
}

#[test]
fn a_cache_that_cannot_be_made_is_foretold() {
    if !is_root("a read-only file system") {
        return;
    }
    let site = Site::new();
    let script = "mkdir $1/disk; mount -t tmpfs -o ro tmpfs $1/disk";
    let cache = site.path("disk/cache");
    let report = in_mount_namespace(&site, script, &["--rootfs-cache", cache.to_str().unwrap()]);
    report.assert_fails("cache", 4, "Read-only file system");
}

#[test]
fn a_full_cache_is_foretold() {
    if !is_root("a file system of its own") {
        return;
    }
    let registry = DockerRegistry::start();
    let site = Site::new();
    site.configure(&registry.push("builder", "1", &builder(BUILD).build()), "");
    let script = "mkdir $1/disk; mount -t tmpfs -o size=256k,mode=700 tmpfs $1/disk";
    let cache = site.path("disk/cache");
    let report = in_mount_namespace(&site, script, &["--rootfs-cache", cache.to_str().unwrap()]);
    report.assert_fails("room", 4, "more are needed");
    assert_eq!(report.check("cache-file-system")["status"], "warn");
}

#[test]
fn a_noexec_cache_has_its_rootfs_elsewhere_and_noexec_everywhere_is_no_host() {
    if !is_root("file systems mounted noexec") {
        return;
    }
    let site = Site::with_builder(BUILD);
    let over = |name: &str| {
        format!(
            "mkdir -p $1/{name}; mount --bind $1/{name} $1/{name}; mount -o remount,bind,noexec $1/{name}"
        )
    };
    let report = in_mount_namespace(&site, &over("cache"), &[]);
    report.assert_good();
    assert_eq!(report.check("rootfs-place")["status"], "warn");
    let both = format!("{}; {}", over("cache"), over("state"));
    in_mount_namespace(&site, &both, &[]).assert_fails("rootfs-place", 5, "noexec");
}

#[test]
fn where_user_namespaces_are_used_up_the_check_has_the_command() {
    if !is_root("a user namespace that allows no further ones") {
        return;
    }
    let site = Site::with_builder(BUILD);
    let script = "echo 0 >/proc/sys/user/max_user_namespaces; exec \"$@\"";
    let arguments = ["--user", "--map-root-user", "sh", "-ec", script, "sh"];
    let mut doctored = Command::new("unshare");
    doctored.args(arguments).arg(program()).args(["doctor", "--output", "json", "--conf", "isogen.yaml"]);
    doctored.env("AIRSHIP_ROOTFS_CACHE", site.path("cache")).env("AIRSHIP_STATE_DIR", site.path("state"));
    let report = report(&doctored.current_dir(site.path("")).output().unwrap());
    assert_eq!((report.code, &report.json["run"]["rung"]), (5, &Value::Null), "{:#}", report.json);
    assert_eq!(report.json["run"]["check"], "user-namespace");
    // the worst, even where a run would not come so far
    fs::rename(site.volume(), site.path("away")).unwrap();
    let worst = doctored.output().unwrap();
    assert_eq!(worst.status.code(), Some(5));
    let json: Value = serde_json::from_slice(&worst.stdout).unwrap();
    assert_eq!((&json["code"], &json["run"]["code"]), (&Value::from(5), &Value::from(2)));
    fs::rename(site.path("away"), site.volume()).unwrap();
    let fix = report.check("namespace-limits")["fix"].as_str().unwrap();
    assert_eq!(fix, "as root: sysctl -w user.max_user_namespaces=15000");
    let mut wrapper = Command::new("unshare");
    wrapper.args(arguments);
    let run = site.below(wrapper, &[]).output().unwrap();
    assert_eq!(run.status.code(), Some(5), "{}", stderr(&run));
    assert!(
        stderr(&run).contains("`airshipctl doctor` explains it: check user-namespace\n"),
        "{}",
        stderr(&run)
    );
}

#[test]
fn the_image_may_be_in_an_additional_cache() {
    let site = Site::new();
    let layout = site.path("other");
    Layout::new().named(IMAGE, &builder(BUILD).build()).write(&layout);
    let report = examine(&site, &["--additional-rootfs-cache", layout.to_str().unwrap()]);
    report.assert_good();
    assert!(report.check("image")["message"].as_str().unwrap().contains("/other"));
}
