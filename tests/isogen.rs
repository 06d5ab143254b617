//! The whole path with a small builder: what a run does, and what it leaves.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use common::docker_registry::DockerRegistry;
use common::image::{Compression, Entry};
use common::site::{BUILD, INPUTS, SECRET, Site, builder, documents, stderr, stdout};
use serde_json::json;

#[test]
fn a_run_prints_the_path_and_leaves_the_iso_and_its_metadata() {
    let site = Site::with_builder(BUILD);
    let output = site.succeed(&[]);
    assert_eq!(stdout(&output), format!("{}/out.iso\n", site.volume().display()));
    site.assert_outputs();
    site.assert_clean();
    let said = stderr(&output);
    for line in [
        "Creating cloud-init for ephemeral K8s",
        "Running default container command. Mounted dir: [",
        "ISO successfully built.",
        "Removing container.",
        "Checking artifacts",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains(SECRET) && !site.log().contains(SECRET));
}

#[test]
fn the_builder_gets_the_inputs_byte_by_byte_and_nobody_else_can_read_them() {
    let script = format!(
        "cd /config; stat -c '%a %n' {}; cat user-data meta-data network-config; cp user-data copy\n{BUILD}",
        INPUTS.join(" ")
    );
    let site = Site::with_builder(&script);
    site.succeed(&[]);
    let log = site.log();
    for name in INPUTS {
        assert!(log.contains(&format!("600 {name}\n")), "{log}");
    }
    assert!(log.contains("#cloud-config\npassword: ***\n"), "{log}");
    let copy = fs::read_to_string(site.volume().join("copy")).unwrap();
    assert_eq!(copy, format!("#cloud-config\npassword: {SECRET}\n"));
    assert!(log.contains("local-hostname: node-1") || log.contains("local-hostname: \"node-1\""), "{log}");
    assert!(log.contains("ethernets: {e: {match: {macaddress: \"52:54:00:00:00:01\"}, dhcp4: true}}\n"));
}

#[test]
fn a_pulled_image_runs_again_without_its_registry() {
    let registry = DockerRegistry::start();
    let site = Site::new();
    site.configure(&registry.push("builder", "1", &builder(BUILD).build()), "");
    site.succeed(&[]);
    drop(registry);
    site.succeed(&[]);
    site.assert_outputs();
    site.fail(&["--pull", "always"], 4, &["127.0.0.1"]);
}

#[test]
fn a_damaged_blob_is_fetched_again_where_that_is_allowed() {
    let registry = DockerRegistry::start();
    let image = builder(BUILD).build();
    let site = Site::new();
    site.configure(&registry.push("builder", "1", &image), "");
    site.succeed(&[]);
    let damage = || {
        fs::remove_dir_all(site.path("cache/rootfs")).unwrap();
        let hex = image.layers[0].digest.strip_prefix("sha256:").unwrap();
        let path = site.path("cache/blobs/sha256").join(hex);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    damage();
    site.fail(&["--pull", "never"], 4, &[&image.layers[0].digest, "image verify"]);
    let output = site.succeed(&[]);
    assert!(stderr(&output).contains("fetching sha256:"), "{}", stderr(&output));
    site.assert_outputs();
}

#[test]
fn layers_may_be_zstd_or_plain_and_the_manifest_docker_s() {
    let registry = DockerRegistry::start();
    let image = builder("cat /a /b\n".to_owned().as_str())
        .layer_as(Compression::Zstd, &[Entry::file("a", "zstd\n")])
        .layer_as(
            Compression::None,
            &[
                Entry::file("b", "plain\n"),
                Entry::program("bin/builder", format!("#!/bin/sh -e\ncat /a /b\n{BUILD}")),
            ],
        );
    let site = Site::new();
    site.configure(&registry.push_index("builder", "1", &[&image.build()]), "");
    site.succeed(&[]);
    assert!(site.log().starts_with("zstd\nplain\n"));
}

#[test]
fn documents_come_from_standard_input_too() {
    let site = Site::with_builder(BUILD);
    let output = site.run_with_input(&["-"], documents().as_bytes());
    assert!(output.status.success(), "{}", stderr(&output));
    site.assert_outputs();
}

#[test]
fn the_environment_is_the_drivers_over_the_images() {
    let image = builder(&format!("env\n{BUILD}"))
        .config(json!({"Cmd": ["/bin/builder"], "Env": ["PATH=/bin", "MINE=1", "IMAGE_TYPE=x"]}));
    let site = Site::with_image(&image.build());
    let run = |arguments: &[&str]| {
        let output = site.isogen(arguments).env("http_proxy", "http://user:pw@127.0.0.1:1").output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let log = site.log();
        fs::remove_dir_all(site.path("state/logs")).unwrap();
        log
    };
    let log = run(&[]);
    for line in
        ["PATH=/bin", "MINE=1", "IMAGE_TYPE=iso", "BUILDER_CONFIG=/config/builder-conf.yaml", "HOME=/root"]
    {
        assert!(log.lines().any(|found| found == line), "{line}: {log}");
    }
    assert!(!log.contains("proxy"), "{log}");
    assert!(run(&["--network", "host"]).contains("http_proxy=http://user:pw@127.0.0.1:1"));
}

#[test]
fn the_container_is_alone() {
    let site = Site::with_builder(&format!(
        "ip link; ps; id -u; grep CapEff /proc/self/status; if cat /proc/1/exe > /tmp/exe || cat /proc/1/fd/3; then echo reachable; fi; {BUILD}"
    ));
    site.succeed(&[]);
    let log = site.log();
    assert!(log.contains("lo: <LOOPBACK,UP") && !log.contains("\n2: "), "only the loopback interface: {log}");
    // chown … mknod, setfcap: Docker's default fourteen; without MKNOD where nothing enforces device rules
    assert!(log.contains("00000000a80425fb") || log.contains("00000000a00425fb"), "{log}");
    assert!(
        log.contains("airshipctl-init") && !log.contains("reachable"),
        "our executable is out of reach: {log}"
    );
}

#[test]
fn a_builder_that_destroys_its_root_does_no_harm_to_the_cache() {
    let site = Site::with_builder(&format!("{BUILD}\nrm -rf /etc /iso; echo x > /bin/builder2"));
    site.succeed(&[]);
    site.succeed(&[]);
    site.assert_outputs();
}

#[test]
fn inputs_stay_only_when_asked_for() {
    let site = Site::with_builder(BUILD);
    site.succeed(&["--keep-inputs"]);
    let names = site.names();
    assert!(INPUTS.iter().all(|input| names.iter().any(|name| name == input)), "{names:?}");
    site.assert_clean();
}

#[test]
fn a_failed_run_puts_the_older_outputs_back() {
    let script =
        format!("if grep -q again $BUILDER_CONFIG; then echo half > /config/out.iso; exit 3; fi\n{BUILD}");
    let site = Site::with_builder(&script);
    site.succeed(&[]);
    let text = fs::read_to_string(site.path("isogen.yaml")).unwrap();
    fs::write(site.path("isogen.yaml"), format!("{text}# again\n")).unwrap();
    site.fail(&[], 6, &["ended with exit code 3"]);
    site.assert_outputs();
}

#[test]
fn debug_shows_the_builder_and_keeps_its_container() {
    let site =
        Site::with_builder(&format!("echo marker-out; echo marker-err >&2; echo x > /left-behind\n{BUILD}"));
    let output = site.succeed(&["--debug"]);
    let said = stderr(&output);
    assert!(said.contains("builder| marker-out") && said.contains("builder| marker-err"), "{said}");
    let command = |label: &str| -> Vec<String> {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(label)).expect(label);
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    assert_eq!(fs::read_dir(site.path("state/runs")).unwrap().count(), 1);
    site.succeed(&[]);
    assert_eq!(fs::read_dir(site.path("state/runs")).unwrap().count(), 1, "the next run leaves it alone");
    let run =
        |arguments: &[String], more: &[&str]| site.command(&[]).args(arguments).args(more).output().unwrap();
    let looked = run(&command("look into it: "), &["--", "cat", "/left-behind"]);
    assert_eq!(stdout(&looked), "x\n", "{}", stderr(&looked));
    assert!(run(&command("remove it: "), &[]).status.success());
    site.assert_clean();
}

#[test]
fn a_dry_run_tells_all_but_secrets_and_touches_nothing() {
    let site = Site::new();
    site.configure("127.0.0.1:1/builder:1", "");
    let output = site.succeed(&["--dry-run"]);
    let plan = stdout(&output);
    for part in [
        "127.0.0.1:1/builder:1",
        "digest: unknown",
        "name: user-data, type: cloud-config",
        "sha256: ",
        "IMAGE_TYPE",
        ":/config",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert!(!plan.contains(SECRET));
    assert!(site.names().is_empty() && !site.path("cache").exists() && !site.path("state").exists());
}

#[test]
fn two_runs_at_once_share_one_cache() {
    let registry = DockerRegistry::start();
    let reference = registry.push("builder", "1", &builder(BUILD).build());
    let (one, two) = (Site::new(), Site::new());
    let spawn = |site: &Site| {
        site.configure(&reference, "");
        site.isogen(&[]).env("AIRSHIP_ROOTFS_CACHE", one.path("cache")).spawn().unwrap()
    };
    let mut children: Vec<Child> = [&one, &two].into_iter().map(spawn).collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    one.assert_outputs();
    two.assert_outputs();
}

#[test]
fn the_images_user_builds_and_the_caller_owns_the_result() {
    let image = builder(&format!("id -u\n{BUILD}")).config(json!({"Cmd": ["/bin/builder"], "User": "build"}));
    let site = Site::with_image(&image.build());
    fs::set_permissions(site.volume(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let output = site.succeed(&[]);
    site.assert_outputs();
    let single = stderr(&output).contains("single id");
    assert!(site.log().starts_with(if single { "0\n" } else { "1000\n" }), "{}", site.log());
}

#[test]
fn no_other_program_is_needed() {
    let site = Site::with_builder(BUILD);
    let output = site.isogen(&[]).env("PATH", "/nonexistent").output().unwrap();
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("as root") || said.contains("with a single id"), "{said}");
    site.assert_outputs();
}

#[test]
fn a_host_name_that_only_meta_data_has_is_warned_about() {
    let site = Site::with_builder(BUILD);
    assert!(stderr(&site.succeed(&[])).contains("warning: user-data sets no hostname; \"node-1\""));
    let text = fs::read_to_string(site.path("site.yaml")).unwrap();
    fs::write(site.path("site.yaml"), text.replace("password", "hostname: x\\npassword")).unwrap();
    assert!(!stderr(&site.succeed(&[])).contains("sets no hostname"));
}

#[test]
fn a_signal_reaches_the_builder_and_ends_the_run() {
    for (number, code) in [(libc_signal::INT, 130), (libc_signal::TERM, 143), (libc_signal::HUP, 129)] {
        let site = Site::with_builder(
            "trap 'echo trapped; exit 5' INT TERM HUP; touch /config/started; while :; do sleep 0.1; done",
        );
        let child = site.start(&[]);
        signal(&child, number);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(site.log().contains("trapped"));
        assert_eq!(site.names(), ["started"], "no input is left");
        site.assert_clean();
    }
}

#[test]
fn a_signal_that_the_caller_ignores_stays_ignored() {
    let site = Site::with_builder(&format!("touch /config/started; sleep 1; rm /config/started\n{BUILD}"));
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]);
    let child = site.start_below(command, &[]);
    signal(&child, libc_signal::HUP);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_signal_while_documents_are_awaited_ends_the_program() {
    let site = Site::new();
    let mut child = site.isogen(&["-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, libc_signal::INT);
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc_signal::INT));
}

#[test]
fn the_builder_has_the_usual_umask() {
    let site = Site::with_builder(&format!("umask\n{BUILD}"));
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec \"$@\"", "sh"]);
    let output = site.below(command, &[]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(site.log().starts_with("0022\n"), "{}", site.log());
}

#[test]
fn the_second_signal_kills_a_builder_that_ignores_the_first() {
    let site = Site::with_builder("trap '' TERM; touch /config/started; while :; do sleep 0.1; done");
    let child = site.start(&[]);
    signal(&child, libc_signal::TERM);
    std::thread::sleep(Duration::from_millis(500));
    let asked = Instant::now();
    signal(&child, libc_signal::TERM);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert!(asked.elapsed() < Duration::from_secs(8));
    site.assert_clean();
}

#[test]
fn the_iso_belongs_to_whoever_ran_it() {
    let site = Site::with_builder(BUILD);
    site.succeed(&[]);
    assert_eq!(fs::metadata(site.volume().join("out.iso")).unwrap().uid(), nix::unistd::geteuid().as_raw());
}

mod libc_signal {
    pub const HUP: i32 = 1;
    pub const INT: i32 = 2;
    pub const TERM: i32 = 15;
}

fn signal(child: &Child, number: i32) {
    let signal = nix::sys::signal::Signal::try_from(number).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), signal).unwrap();
}
