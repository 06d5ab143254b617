//! What holds for every driver.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use airshipctl::container::{Limits, OUTPUT_LIMIT, Options, Run};
use airshipctl::error::ErrorKind;
use airshipctl::image::PullPolicy;
use airshipctl::image::registry::{Access, Reach};
use airshipctl::site::config::{ContainerRuntime, Network, Privilege};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::bench::{BUILD, Bench, SECRET, assert_says};
use super::common::docker_registry::{DockerRegistry, LOGIN};
use super::common::image::TestImage;
use super::common::site::{builder, iso};

type Row = (&'static str, fn(&Bench<'_>));

pub const ROWS: &[Row] = &[
    ("a_private_image_is_pulled_with_the_users_credentials", private_image),
    ("a_registry_is_asked_as_the_policy_says", policies),
    ("an_image_that_nobody_has_is_an_error_of_the_image", unknown_image),
    ("a_run_leaves_its_outputs_and_nothing_else", good_run),
    ("secrets_that_the_builder_prints_are_filtered", secrets_are_filtered),
    ("the_same_image_comes_out_each_time", deterministic),
    ("the_builder_has_its_environment_and_nothing_on_standard_input", environment),
    ("the_network_is_none_unless_it_is_the_hosts", network),
    ("a_failure_has_exit_code_and_last_output_and_the_older_image_is_back", failure),
    ("a_command_that_is_not_there_is_an_error_of_the_builder", no_command),
    ("death_by_a_signal_is_named", signal_death),
    ("a_builder_that_takes_too_long_is_ended", timeout),
    ("the_users_signal_reaches_the_builder", interrupt),
    ("the_images_user_reads_the_inputs_and_the_caller_owns_the_outputs", other_user),
    ("privileged_has_more_capabilities", privileged),
    ("a_volume_over_proc_is_refused", volume_over_proc),
    ("what_a_command_prints_is_returned", output),
    ("much_output_is_cut", much_output),
    ("a_command_that_takes_too_long_is_ended", slow_command),
    ("a_limit_of_memory_holds", memory),
    ("an_idle_builder_is_ended", idle),
    ("the_log_of_a_builder_that_prints_without_end_is_bounded", bounded_log),
];

fn private_image(bench: &Bench<'_>) {
    let storage = DockerRegistry::start();
    let image = builder(BUILD).build();
    storage.push("team/private", "1", &image);
    // no TLS: with a registry on this host the engine tries both, and tells what became of the last
    let registry = storage.with_login();
    let reference = format!("{}/team/private:1", registry.host());
    let pull = |auths: &str| {
        let authfile = bench.path("auth.json");
        fs::write(&authfile, auths).unwrap();
        let mut options = bench.options(&reference);
        options.access = Access { authfile: Some(authfile), ..Access::default() };
        bench.driver(options).pull()
    };
    let anonymous = pull("{}").unwrap_err();
    assert_says(&anonymous, ErrorKind::Image, &[&reference, "login"]);
    let wrong =
        json!({"auths": {registry.host(): {"username": LOGIN.0, "password": "wr0ng-Oow3"}}}).to_string();
    let refused = pull(&wrong).unwrap_err();
    assert_says(&refused, ErrorKind::Image, &[&reference]);
    assert!(!refused.to_string().contains("wr0ng-Oow3"));
    let right = json!({"auths": {registry.host(): {"username": LOGIN.0, "password": LOGIN.1}}}).to_string();
    assert_eq!(pull(&right).unwrap().to_string(), image.manifest.digest);
}

fn policies(bench: &Bench<'_>) {
    let registry = DockerRegistry::start();
    let old = builder(BUILD).build();
    let new = builder(&format!("echo new\n{BUILD}")).build();
    let reference = registry.push("team/builder", "moving", &old);
    let pull = |policy, reach| {
        let mut options = bench.options(&reference);
        options.pull = policy;
        options.access.reach = reach;
        bench.driver(options).pull()
    };
    assert_says(
        &pull(PullPolicy::Never, Reach::Online).unwrap_err(),
        ErrorKind::Image,
        &[&reference, "--pull missing"],
    );
    assert_says(&pull(PullPolicy::Missing, Reach::Offline).unwrap_err(), ErrorKind::Image, &[&reference]);
    assert_eq!(pull(PullPolicy::Missing, Reach::Online).unwrap().to_string(), old.manifest.digest);
    registry.push("team/builder", "moving", &new);
    for policy in [PullPolicy::Missing, PullPolicy::Never] {
        assert_eq!(pull(policy, Reach::Online).unwrap().to_string(), old.manifest.digest);
    }
    assert_eq!(pull(PullPolicy::Always, Reach::Online).unwrap().to_string(), new.manifest.digest);
    let by_digest = format!("{}/team/builder@{}", registry.host(), old.manifest.digest);
    let pinned = bench.driver(bench.options(&by_digest)).pull();
    assert_eq!(pinned.unwrap().to_string(), old.manifest.digest);
    let host = registry.host();
    drop(registry);
    assert_eq!(pull(PullPolicy::Missing, Reach::Online).unwrap().to_string(), new.manifest.digest);
    assert_eq!(pull(PullPolicy::Always, Reach::Offline).unwrap().to_string(), new.manifest.digest);
    assert_says(&pull(PullPolicy::Always, Reach::Online).unwrap_err(), ErrorKind::Image, &[&host]);
}

fn unknown_image(bench: &Bench<'_>) {
    let reference = format!("{}/team/nothing:1", bench.registry.host());
    let error = bench.driver(bench.options(&reference)).pull().unwrap_err();
    assert_says(&error, ErrorKind::Image, &["pulling", &reference]);
    let local = bench.driver(bench.options("localhost/nothing:1")).pull().unwrap_err();
    assert_says(&local, ErrorKind::Image, &["localhost/nothing:1"]);
}

/// What the builder prints of its inputs is neither in the log nor in the error that quotes it.
fn secrets_are_filtered(bench: &Bench<'_>) {
    let error =
        bench.fails("echo before; cat /config/user-data; busybox base64 /config/user-data; exit 3", |_| ());
    let lines: Vec<String> = bench.log().lines().map(str::to_owned).collect();
    assert!(lines[0] == "before" && lines[1].starts_with("***"), "{lines:?}");
    assert!(error.to_string().contains("| ***"), "{error}");
    let encoded = STANDARD.encode(SECRET);
    assert!(!bench.log().contains(SECRET) && !bench.log().contains(&encoded[..12]), "{lines:?}");
}

fn good_run(bench: &Bench<'_>) {
    let image = bench.builds(
        &format!("echo to-stdout; echo to-stderr >&2; stat -c '%a' /config/user-data\n{BUILD}"),
        |_| (),
    );
    assert_eq!(image, [SECRET.as_bytes(), &iso()].concat());
    let log = bench.log();
    assert!(["to-stdout\n", "to-stderr\n", "600\n"].iter().all(|line| log.contains(line)), "{log}");
    assert!(!log.contains(SECRET));
    let found = fs::metadata(bench.host_side().join("out.iso")).unwrap();
    assert_eq!((found.uid(), found.mode() & 0o777), (nix::unistd::geteuid().as_raw(), 0o600));
}

/// Each driver is held against the same bytes.
fn deterministic(bench: &Bench<'_>) {
    let script =
        "cd /config; for file in user-data meta-data; do sha256sum $file; done > out.iso; cat /iso >> out.iso
        env | grep -c . > /dev/null; echo \"bootImagePath: $HOST_SIDE/out.iso\" > output-metadata.yaml";
    let sum = |text: &str| airshipctl::image::digest::sha256_hex(text.as_bytes());
    let lines = format!("{}  user-data\n{}  meta-data\n", sum(SECRET), sum("local-hostname: x\n"));
    let wanted = [lines.as_bytes(), &iso()].concat();
    assert_eq!(bench.builds(script, |_| ()), wanted);
    assert_eq!(bench.builds(script, |_| ()), wanted, "over an older one");
}

fn environment(bench: &Bench<'_>) {
    let image = builder(&format!("env; cat; echo read; cat /proc/self/cmdline | tr '\\0' ' '\n{BUILD}"))
        .config(json!({"Entrypoint": ["/bin/builder"], "Cmd": ["given"], "WorkingDir": "/made/here",
            "Env": ["PATH=/bin", "MINE=1", "OVER=image"]}));
    let (volume, staging) = (bench.volume(), bench.staging());
    let mut driver = bench.with_image(&image);
    let mut run = bench.run(&volume, &staging);
    run.environment.push(("OVER".into(), "driver".into()));
    driver.run(&run).unwrap();
    drop(driver);
    let log = bench.log();
    for line in ["PATH=/bin", "MINE=1", "OVER=driver", "PWD=/made/here", "read"] {
        assert!(log.lines().any(|found| found == line), "{line}: {log}");
    }
    assert!(log.lines().any(|line| line.starts_with("HOME=/")), "{log}");
}

fn network(bench: &Bench<'_>) {
    let script = "ip -o link | wc -l; cat /etc/hosts 2>/dev/null | wc -l; exit 9";
    bench.fails(script, |_| ());
    assert!(bench.log().starts_with("1\n"), "{}", bench.log());
    fs::remove_dir_all(bench.path("state/logs")).unwrap();
    bench.fails("ip -o link; exit 9", |run| run.network = Network::Host);
    let ours = fs::read_dir("/sys/class/net").unwrap().count();
    assert_eq!(bench.log().lines().count(), ours, "{}", bench.log());
}

fn failure(bench: &Bench<'_>) {
    let first = bench.builds(BUILD, |_| ());
    let script = "echo half > /config/out.iso; echo last words; exit 3";
    let error = bench.attempt(script, |_| ()).unwrap_err();
    let log = bench.path("state/logs");
    assert_says(&error, ErrorKind::Builder, &["exit code 3", "| last words", log.to_str().unwrap()]);
    bench.assert_clean(&["out.iso", "output-metadata.yaml"]);
    assert_eq!(fs::read(bench.host_side().join("out.iso")).unwrap(), first);
}

fn no_command(bench: &Bench<'_>) {
    let (volume, staging) = (bench.volume(), bench.staging());
    let image = builder("true").config(json!({"Cmd": ["/bin/nothing-here"]}));
    let mut driver = bench.with_image(&image);
    let error = driver.run(&bench.run(&volume, &staging)).unwrap_err();
    assert_says(&error, ErrorKind::Builder, &["/bin/nothing-here"]);
    drop(driver);
    let mut driver = bench.with_image(&TestImage::new().layer(&[]).config(json!({})));
    let error = driver.run(&bench.run(&volume, &staging)).unwrap_err();
    assert_says(&error, ErrorKind::Builder, &[]);
    drop(driver);
    bench.assert_clean(&[]);
}

fn signal_death(bench: &Bench<'_>) {
    let error = bench.fails("echo before; kill -9 $$", |_| ());
    assert_says(&error, ErrorKind::Builder, &["signal 9", "137", "| before"]);
}

fn timeout(bench: &Bench<'_>) {
    let begun = Instant::now();
    let error = bench.fails("echo begun; sleep 60", |run| run.timeout = Some(Duration::from_secs(1)));
    assert_says(&error, ErrorKind::Builder, &["longer than 1s", "| begun", "--timeout"]);
    assert!(begun.elapsed() < Duration::from_secs(9), "SIGTERM ended it");
}

fn interrupt(bench: &Bench<'_>) {
    let started = bench.host_side().join("started");
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            while !started.exists() && begun.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(20));
            }
            bench.interrupt.raise(15);
        });
        let script = "trap 'echo trapped; exit 5' TERM; touch /config/started; while :; do sleep 0.1; done";
        bench.attempt(script, |_| ()).unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Interrupted(15), "{error}");
    assert!(bench.log().contains("trapped"));
    bench.assert_clean(&["started"]);
}

fn other_user(bench: &Bench<'_>) {
    fs::set_permissions(bench.host_side(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    for user in ["build", "1000:1000"] {
        let (volume, staging) = (bench.volume(), bench.staging());
        let image =
            builder(&format!("id -u\n{BUILD}")).config(json!({"Cmd": ["/bin/builder"], "User": user}));
        let mut driver = bench.with_image(&image);
        let run_dir = driver.run(&bench.run(&volume, &staging)).unwrap();
        volume.outputs(&run_dir).unwrap();
        drop(driver);
        bench.assert_clean(&[]);
    }
}

fn privileged(bench: &Bench<'_>) {
    let held = |change: fn(&mut airshipctl::container::Run<'_>)| {
        bench.fails("grep CapEff /proc/self/status; exit 9", change);
        let log = bench.log();
        fs::remove_dir_all(bench.path("state/logs")).unwrap();
        u64::from_str_radix(log.split_whitespace().nth(1).unwrap(), 16).unwrap().count_ones()
    };
    assert!(held(|_| ()) <= 14);
    if bench.runtime == ContainerRuntime::Docker && !has_all_capabilities() {
        let error = bench.attempt("true", |run| run.privilege = Privilege::Privileged).unwrap_err();
        assert_says(&error, ErrorKind::Host, &["unable to apply caps", "--container-runtime oci"]);
        return bench.assert_clean(&[]);
    }
    assert!(held(|run| run.privilege = Privilege::Privileged) > 30);
}

/// Docker's `privileged` is all or nothing, and some hosts for tests have not all.
fn has_all_capabilities() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap();
    let last: u32 = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap().trim().parse().unwrap();
    u64::from_str_radix(bounding.trim(), 16).unwrap().count_ones() == last + 1
}

fn volume_over_proc(bench: &Bench<'_>) {
    let staging = bench.staging();
    let volume =
        airshipctl::site::volume::Volume::open(&bench.host_side(), std::path::Path::new("/proc")).unwrap();
    let mut driver = bench.with_builder(BUILD);
    let error = driver.run(&bench.run(&volume, &staging)).unwrap_err();
    assert_says(&error, ErrorKind::Usage, &["/proc"]);
    drop(driver);
    bench.assert_clean(&[]);
}

fn output(bench: &Bench<'_>) {
    let mut driver =
        bench.with_image(&builder("echo not this").config(json!({"Entrypoint": ["/bin/builder"]})));
    let minute = Duration::from_secs(60);
    let script = "echo out; echo err >&2; cat; ls / | grep -c config; ip -o link | wc -l; exit 7";
    let output = driver.run_with_output(&["sh", "-c", script], minute).unwrap();
    assert_eq!((output.code, output.stderr.as_slice()), (7, &b"err\n"[..]));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "out\n0\n1\n");
    let killed = driver.run_with_output(&["sh", "-c", "kill -9 $$"], minute).unwrap();
    assert_eq!(killed.code, 137);
    let error = driver.run_with_output(&["/no/such/program"], minute).unwrap_err();
    assert_says(&error, ErrorKind::Builder, &["/no/such/program"]);
    drop(driver);
    bench.assert_clean(&[]);
    assert_eq!(bench.log(), "", "what a command prints is no log");
}

fn much_output(bench: &Bench<'_>) {
    let mut driver = bench.with_builder(BUILD);
    let script = "dd if=/dev/zero bs=1000000 count=3 2>/dev/null; echo end >&2";
    let output = driver.run_with_output(&["sh", "-c", script], Duration::from_secs(60)).unwrap();
    assert_eq!((output.stdout.len(), output.code), (OUTPUT_LIMIT, 0));
    assert_eq!(output.stderr, b"end\n");
}

fn slow_command(bench: &Bench<'_>) {
    let mut driver = bench.with_builder(BUILD);
    let (begun, second) = (Instant::now(), Duration::from_secs(1));
    for script in ["trap '' TERM; sleep 60", "while :; do echo x; done"] {
        let error = driver.run_with_output(&["sh", "-c", script], second).unwrap_err();
        assert_says(&error, ErrorKind::Builder, &["longer than 1s"]);
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    drop(driver);
    bench.assert_clean(&[]);
}

fn memory(bench: &Bench<'_>) {
    if bench.runtime == ContainerRuntime::Oci && !nix::unistd::geteuid().is_root() {
        return println!("only as root: a_limit_of_memory_holds: a user's container has no cgroup");
    }
    let limits = Limits { memory: Some(32 << 20), cpus: Some(1500), pids: Some(64) };
    let image = builder("dd if=/dev/zero of=/dev/null bs=200M count=1").build();
    let mut driver = bench.driver(Options { limits, ..bench.options(&bench.push(&image)) });
    driver.pull().unwrap();
    let (volume, staging) = (bench.volume(), bench.staging());
    let error = driver.run(&Run { limits, ..bench.run(&volume, &staging) }).unwrap_err();
    let says = ["ran out of memory (limit 32 MiB) and was killed by signal 9", "137", "--memory"];
    assert_says(&error, ErrorKind::Builder, &says);
    drop(driver);
    bench.assert_clean(&[]);
}

fn idle(bench: &Bench<'_>) {
    let script = "echo one; sleep 0.5; echo two; sleep 60";
    let error = bench.fails(script, |run| run.idle_timeout = Some(Duration::from_secs(1)));
    assert_says(&error, ErrorKind::Builder, &["wrote nothing for 1s", "| two", "--idle-timeout"]);
}

fn bounded_log(bench: &Bench<'_>) {
    // silent: engines keep no order between the two streams
    let script = "echo first; dd if=/dev/zero bs=1M count=70 2>/dev/null; echo; echo last; exit 3";
    let error = bench.fails(script, |_| ());
    assert_says(&error, ErrorKind::Builder, &["exit code 3", "| last"]);
    let log = bench.log();
    let (begins, ends) = (&log[..16], &log[log.len() - 100..]);
    assert!(begins.starts_with("first\n") && ends.ends_with("\nlast\n"), "{begins:?} {ends:?}");
    assert!(log.contains("bytes of output are left out here]") && log.len() < 65 << 20, "{}", log.len());
}
