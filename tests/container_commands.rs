//! `airshipctl container`: what runs have left is listed, read, entered and removed.

mod common;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::site::{BUILD, IMAGE, SECRET, Site, program, stderr, stdout};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A site with one kept container, and its id.
fn kept(script: &str) -> (Site, String) {
    let site = Site::with_builder(&format!("{script}\n{BUILD}"));
    let output = site.succeed(&["--debug"]);
    assert!(stderr(&output).contains("airshipctl container shell "), "{}", stderr(&output));
    let id = only_id(&site);
    (site, id)
}

fn only_id(site: &Site) -> String {
    let names: Vec<_> =
        fs::read_dir(site.path("state/runs")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1);
    names[0].to_string_lossy().into_owned()
}

fn run(site: &Site, arguments: &[&str]) -> Output {
    site.command(&["container"]).args(arguments).output().unwrap()
}

fn succeed(site: &Site, arguments: &[&str]) -> String {
    let output = run(site, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

fn fail(site: &Site, arguments: &[&str], code: i32, says: &[&str]) {
    let output = run(site, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    for text in says {
        assert!(stderr(&output).contains(text), "{arguments:?}: {text}: {}", stderr(&output));
    }
    assert_eq!(stdout(&output), "", "{arguments:?}");
}

fn list(site: &Site) -> Vec<Value> {
    let result: Value = serde_json::from_str(&succeed(site, &["ls", "--output", "json"])).unwrap();
    result["containers"].as_array().unwrap().clone()
}

#[test]
fn without_any_run_there_is_nothing() {
    let site = Site::new();
    assert_eq!(succeed(&site, &["ls"]), "");
    assert!(list(&site).is_empty());
    assert_eq!(succeed(&site, &["rm", "--all"]), "");
    assert_eq!(succeed(&site, &["prune", "--all"]), "removed 0 containers and 0 logs\n");
    for command in ["logs", "shell", "rm"] {
        fail(&site, &[command, "abc"], 2, &["abc", "there is none", "--state-dir"]);
    }
    assert!(!site.path("state").exists(), "nothing is made");
}

#[test]
fn a_kept_container_is_listed_read_entered_and_removed() {
    let (site, id) = kept(
        // with subordinate ids the caller may not look into the last of them
        "echo marker; echo x > /left-behind; mkdir /private; echo y > /private/y; chmod 700 /private; \
         busybox chown 1000:1000 /private 2> /dev/null || :",
    );
    let listed = list(&site);
    assert_eq!(listed.len(), 1);
    let run = &listed[0];
    assert_eq!((run["id"].as_str(), run["status"].as_str()), (Some(&*id), Some("kept")));
    assert_eq!((run["image"].as_str(), run["volume"].as_str()), (Some(IMAGE), site.volume().to_str()));
    assert!(
        run["started"].as_str().unwrap().starts_with("20") && run["size"].as_u64().unwrap() > 4096,
        "{run}"
    );
    assert!(succeed(&site, &["ls"]).starts_with(&format!("{id} kept 20")));
    assert_eq!(succeed(&site, &["logs", &id]), "marker\n");
    assert_eq!(succeed(&site, &["shell", &id[..5], "--", "cat", "/left-behind", "/private/y"]), "x\ny\n");
    assert_eq!(succeed(&site, &["rm", &id[..5]]), format!("{id}\n"));
    site.assert_clean();
    assert_eq!(succeed(&site, &["logs", &id]), "marker\n", "the log outlives it");
    assert!(list(&site).is_empty());
    assert!(!succeed(&site, &["ls"]).contains(SECRET));
}

#[test]
fn what_a_run_says_at_its_end_works_as_it_stands() {
    let site = Site::with_builder(&format!("echo x > /left-behind\n{BUILD}"));
    let said = stderr(&site.succeed(&["--debug", "--state-dir", "state"]));
    let command = |label: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(label)).expect(label);
        let line = line.replace("airshipctl", program().to_str().unwrap());
        let output = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        stdout(&output)
    };
    assert!(said.contains("may hold secrets"));
    command("look into it: ");
    command("its output: ");
    command("remove it: ");
    site.assert_clean();
}

#[test]
fn a_shell_leaves_nothing_and_changes_nothing() {
    let (site, id) = kept("echo x > /left-behind");
    let before = files(&site);
    let script = "rm /left-behind; echo new > /new; ls /; echo more >> /config/out.iso || echo read-only; id -u; ip link; cat /proc/self/status";
    let said = succeed(&site, &["shell", &id, "--", "/bin/sh", "-c", script]);
    assert!(
        said.contains("\nnew\n") && said.contains("read-only\n0\n") && !said.contains("left-behind"),
        "{said}"
    );
    assert!(said.contains("lo: <LOOPBACK") && !said.contains("\n2: "), "{said}");
    // the builder's capabilities, without what it takes to load its filters
    let bounding = said.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap().trim();
    assert!(["00000000a80425fb", "00000000a00425fb"].contains(&bounding), "{said}");
    assert_eq!(files(&site), before);
    assert_eq!(succeed(&site, &["shell", &id, "--", "cat", "/left-behind"]), "x\n");
    succeed(&site, &["rm", &id]);
    site.assert_clean();
}

/// Below the record of the only run.
fn files(site: &Site) -> Vec<String> {
    let top = site.path("state/runs").join(only_id(site));
    let mut names: Vec<_> =
        fs::read_dir(top).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_shell_takes_standard_input_and_gives_its_exit_code() {
    let (site, id) = kept("true");
    let mut command = site.command(&["container", "shell", &id]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"echo said $((6*7)); echo wrong >&2; exit 23\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(23), "said 42\n"));
    assert!(stderr(&output).contains("wrong"));
    assert_eq!(run(&site, &["shell", &id, "--", "false"]).status.code(), Some(1));
    assert_eq!(run(&site, &["shell", &id, "--", "sh", "-c", "kill -9 $$"]).status.code(), Some(137));
    fail(&site, &["shell", &id, "--", "/no/such"], 6, &["/no/such", &id]);
    assert_eq!(files(&site).iter().filter(|name| name.starts_with("shell-")).count(), 0);
}

#[test]
fn a_shell_has_the_network_and_the_privilege_of_its_run() {
    let site = Site::with_builder(&format!("grep CapEff /proc/self/status\n{BUILD}"));
    let own = fs::read_link("/proc/self/ns/net").unwrap().to_string_lossy().into_owned();
    let script = "grep CapEff /proc/self/status; busybox readlink /proc/self/ns/net";
    let look = |arguments: &[&str]| {
        site.succeed(&[&["--debug"], arguments].concat());
        let id = only_id(&site);
        let said = succeed(&site, &["shell", &id, "--", "sh", "-c", script]);
        let log = succeed(&site, &["logs", &id]);
        succeed(&site, &["rm", &id]);
        assert_eq!(said.lines().next(), log.lines().next(), "capabilities");
        said.lines().nth(1).unwrap().to_owned()
    };
    assert_ne!(look(&[]), own);
    assert_eq!(look(&["--network", "host"]), own);
    site.configure(IMAGE, "  privileged: true\n");
    assert_ne!(look(&[]), own);
}

#[test]
fn a_shell_ends_with_its_command_line() {
    let (site, id) = kept("true");
    let start = || {
        let mut command = site.command(&["container", "shell", &id, "--", "sh", "-c", "echo in; sleep 60"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = [0; 3];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        child
    };
    for (number, code) in [(Signal::SIGTERM, Some(143)), (Signal::SIGKILL, None)] {
        let mut child = start();
        let asked = Instant::now();
        kill(Pid::from_raw(child.id() as i32), number).unwrap();
        assert_eq!(child.wait().unwrap().code(), code);
        until(|| files(&site).iter().all(|name| !name.starts_with("shell-")));
        assert!(asked.elapsed() < Duration::from_secs(10));
    }
    // the end of the helper comes a moment after that of what it cleans up
    until(|| run(&site, &["rm", &id]).status.success());
    site.assert_clean();
}

#[test]
fn a_container_without_its_image_says_so() {
    let (site, id) = kept("true");
    fs::remove_dir_all(site.path("cache/rootfs")).unwrap();
    fail(&site, &["shell", &id, "--", "true"], 2, &["not unpacked any more", IMAGE]);
    // a run has it unpacked again
    site.succeed(&[]);
    succeed(&site, &["shell", &id, "--", "true"]);
    fs::remove_dir_all(site.path("state/runs").join(&id).join("bundle")).unwrap();
    fail(&site, &["shell", &id, "--", "true"], 6, &["config.json"]);
    succeed(&site, &["rm", &id]);
    site.assert_clean();
}

#[test]
fn a_shell_on_a_terminal_has_one_of_its_own() {
    let (site, id) = kept("true");
    let line = format!("{} container shell {id}", program().display());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(site.path("."));
    script.env("AIRSHIP_STATE_DIR", site.path("state")).env("TERM", "vt100");
    let mut child =
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    // Ctrl-C ends the sleep, not the shell
    input.write_all(b"test -t 0 && echo is-a-terminal $TERM\nsleep 100\n").unwrap();
    std::thread::sleep(Duration::from_secs(1));
    input.write_all(b"\x03").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    input.write_all(b"echo still-$((40+2)); exit 7\n").unwrap();
    let asked = Instant::now();
    let output = child.wait_with_output().unwrap();
    let said = stdout(&output);
    assert!(said.contains("is-a-terminal vt100") && said.contains("still-42"), "{said}{}", stderr(&output));
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(asked.elapsed() < Duration::from_secs(20));
    assert!(!said.contains("job control turned off"), "{said}");
}

#[test]
fn ids_may_be_short_but_not_ambiguous() {
    let site = Site::with_builder(BUILD);
    let one = site.path("state/runs/aaa111aaa111");
    for id in ["aaa111aaa111", "aaa222aaa222"] {
        let dir = site.path("state/runs").join(id);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("kept"), "").unwrap();
        fs::write(dir.join("record.json"), "{\"version\":1,\"rung\":\"root\"}").unwrap();
    }
    for wrong in ["", "b", "../aaa111aaa111", "aaa111aaa1112"] {
        fail(&site, &["rm", "--", wrong], 2, &["no container", "aaa111aaa111, aaa222aaa222"]);
    }
    fail(&site, &["rm", "aaa"], 2, &["ambiguous", "aaa111aaa111, aaa222aaa222"]);
    fail(&site, &["rm", "aaa1", "nope"], 2, &["nope"]);
    assert!(one.exists(), "all or none");
    fail(&site, &["rm"], 2, &["ID"]);
    fail(&site, &["rm", "aaa1", "--all"], 2, &["--all"]);
}

#[test]
fn a_running_container_is_listed_and_stays() {
    let site = Site::with_builder("echo begun; touch /config/started; sleep 60");
    let mut child = site.start(&[]);
    let id = only_id(&site);
    assert_eq!(list(&site)[0]["status"], "running");
    fail(&site, &["rm", &id], 2, &["it is running"]);
    fail(&site, &["shell", &id, "--", "true"], 2, &["it is running"]);
    succeed(&site, &["rm", "--all"]);
    succeed(&site, &["prune", "--all"]);
    assert_eq!(succeed(&site, &["logs", &id]), "begun\n");
    assert_eq!(list(&site).len(), 1);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(list(&site).is_empty());
}

#[test]
fn a_container_that_somebody_looks_into_stays() {
    let (site, id) = kept("true");
    let mut command = site.command(&["container", "shell", &id, "--", "sh", "-c", "echo in; read line"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(list(&site)[0]["status"], "kept");
    fail(&site, &["rm", &id], 2, &["somebody looks into it"]);
    assert_eq!(succeed(&site, &["shell", &id, "--", "echo", "me too"]), "me too\n");
    assert_eq!(succeed(&site, &["rm", "--all"]), "");
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(succeed(&site, &["rm", "--all"]), format!("{id}\n"));
    site.assert_clean();
}

#[test]
fn a_killed_run_is_listed_and_pruned() {
    let site = Site::with_builder("touch /config/started; sleep 60");
    let both_killed = || {
        let mut child = site.start(&[]);
        kill(Pid::from_raw(child.id() as i32), Signal::SIGSTOP).unwrap();
        for helper in helpers_of(child.id()) {
            kill(Pid::from_raw(helper), Signal::SIGKILL).unwrap();
        }
        kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        until(|| list(&site).iter().all(|run| run["status"] == "dead"));
        only_id(&site)
    };
    let id = both_killed();
    assert!(site.names().len() > 1, "the inputs are still there: {:?}", site.names());
    fail(&site, &["shell", &id, "--", "true"], 2, &["was killed"]);
    let pruned: Value = serde_json::from_str(&succeed(&site, &["prune", "--output", "json"])).unwrap();
    assert_eq!((&pruned["containers"][0], &pruned["logs"]), (&Value::from(id), &Value::from(0)));
    site.assert_clean();
    assert_eq!(site.names(), ["started"]);
    fs::remove_file(site.volume().join("started")).unwrap();
    let id = both_killed();
    assert_eq!(succeed(&site, &["rm", &id]), format!("{id}\n"));
    assert_eq!(site.names(), ["started"]);
    site.assert_clean();
}

#[test]
fn pruning_everything_removes_kept_containers_and_logs() {
    let (site, id) = kept("true");
    assert_eq!(succeed(&site, &["prune"]), "removed 0 containers and 0 logs\n");
    assert_eq!(succeed(&site, &["prune", "--all"]), format!("{id}\nremoved 1 containers and 1 logs\n"));
    site.assert_clean();
    fail(&site, &["logs", &id], 2, &["no log"]);
}

#[test]
fn a_killed_shell_is_removed_with_its_container() {
    let (site, id) = kept("true");
    assert_eq!(cgroups_of(&id), Vec::<PathBuf>::new(), "what is kept needs none");
    let mut command = site.command(&["container", "shell", &id, "--", "sh", "-c", "echo in; sleep 60"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGSTOP).unwrap();
    for helper in helpers_of(child.id()) {
        kill(Pid::from_raw(helper), Signal::SIGKILL).unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    until(|| run(&site, &["rm", &id]).status.success());
    site.assert_clean();
    assert_eq!(cgroups_of(&id), Vec::<PathBuf>::new());
}

fn cgroups_of(id: &str) -> Vec<PathBuf> {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let all =
        hierarchies.flat_map(|hierarchy| fs::read_dir(hierarchy.path()).into_iter().flatten().flatten());
    all.map(|cgroup| cgroup.path()).filter(|path| path.to_string_lossy().contains(id)).collect()
}

#[test]
fn a_log_is_safe_on_a_terminal_and_whole_elsewhere() {
    let (site, id) = kept("printf 'a\\033[2Jb\\n'");
    assert_eq!(succeed(&site, &["logs", &id]), "a\x1b[2Jb\n");
    let line = format!("{} container logs {id}", program().display());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env("AIRSHIP_STATE_DIR", site.path("state"));
    let output = script.stdin(Stdio::null()).output().unwrap();
    assert!(stdout(&output).contains("a\\u{1b}[2Jb"), "{}", stdout(&output));
}

/// Those of the engines are known too, and stay as long as theirs does not answer.
#[test]
fn a_run_in_an_engine_that_is_gone_is_listed_and_stays() {
    let site = Site::new();
    let dir = site.path("state/runs/abc");
    fs::create_dir_all(&dir).unwrap();
    let engine = serde_json::json!({"unix": site.path("none.sock")});
    let record = serde_json::json!({"version": 1, "engine": engine, "image": IMAGE, "volume": "/v"});
    fs::write(dir.join("record.json"), record.to_string()).unwrap();
    let listed = run(&site, &["ls"]);
    assert!(stdout(&listed).starts_with("abc dead - "), "{}", stdout(&listed));
    assert!(stdout(&listed).ends_with(&format!(" {IMAGE} /v\n")), "{}", stdout(&listed));
    assert_eq!(stderr(&listed), "");
    let says = ["removing container abc", "connecting to Docker's engine at unix://", "none.sock"];
    fail(&site, &["prune"], 5, &says);
    fail(&site, &["rm", "abc"], 5, &says);
    fail(&site, &["shell", "abc"], 2, &["was killed"]);
    assert!(dir.join("record.json").exists());
}

#[test]
fn records_that_cannot_be_read_are_named() {
    let site = Site::new();
    fs::create_dir_all(site.path("state/runs/abc")).unwrap();
    fs::write(site.path("state/runs/abc/record.json"), "{").unwrap();
    assert!(succeed(&site, &["ls"]).starts_with("abc dead - "));
    fail(&site, &["rm", "abc"], 2, &["state/runs/abc", "by hand"]);
    fs::write(site.path("file"), "").unwrap();
    fail(&site, &["ls", "--state-dir", "file"], 2, &["file/runs"]);
}

fn helpers_of(pid: u32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let parent = |pid: i32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    pids.filter(|&child| parent(child) == Some(pid)).collect()
}

fn until(what: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !what() {
        assert!(Instant::now() < end, "it does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}
