//! `--offline`: what is seen of it from outside, by the system calls too.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::common::faulty::FaultyRegistry;
use super::common::site::{BUILD, IMAGE, Site, stderr};
use super::{Bench, LARGE, built, damage_layers};

/// The sockets that a command and all its children made in this host's network, as strace writes
/// them. In the container's own network namespace they lead nowhere: its loopback interface is
/// brought up by one, libcontainer has a `notify.sock` and looks for the name service of the container,
/// and the builder does as it likes.
fn sockets(site: &Site, arguments: &[&str], code: i32) -> Vec<String> {
    let log = site.path("calls");
    let mut strace = Command::new("strace");
    let calls = "trace=socket,connect,execve,unshare,clone,clone3,fork,vfork";
    strace.args(["-f", "-qq", "--decode-pids=pidns", "-e", calls, "-e", "signal=none", "-o"]).arg(&log);
    let output = site.below(strace, arguments).output().expect("scripts/setup.sh test installs strace");
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    let log = fs::read_to_string(log).unwrap();
    // short process numbers are followed by more than one space
    let calls = log.lines().filter_map(|line| line.split_once(' '));
    let calls: Vec<(&str, &str)> = calls.map(|(process, call)| (process, call.trim_start())).collect();
    let parent: HashMap<&str, &str> = calls
        .iter()
        .filter(|(_, call)| call.contains("clone") || call.contains("fork"))
        .filter_map(|(process, call)| {
            // in a pid namespace: `= 2 /* 4711 in strace's PID NS */`
            let result = call.rsplit_once("= ")?.1;
            let child = result.split_once("/* ").map_or(result, |(_, outer)| outer);
            Some((child.split(' ').next()?, *process))
        })
        .collect();
    let left: HashSet<&str> = calls
        .iter()
        // the container's first process too: as a user strace cannot always tell whose child it is;
        // and the host's newuidmap and newgidmap, which may look names up where nscd would answer
        .filter(|(_, call)| {
            let isolated = call.contains("CLONE_NEWNET") || call.contains("CLONE_NEWUTS");
            let not_ours = call.contains("/newuidmap\"") || call.contains("/newgidmap\"");
            (call.contains("unshare") && isolated) || (call.starts_with("execve") && not_ours)
        })
        .map(|(process, _)| *process)
        .collect();
    let is_isolated = |process: &str| {
        std::iter::successors(Some(process), |it| parent.get(it).copied()).any(|it| left.contains(it))
    };
    // as a user strace cannot read what is executed by a process that keeps its memory to itself, so that
    // newuidmap is known only by its question for names, to which no nscd listens: a socket and its connect
    let is_asked = |call: &str| call.starts_with("connect(") && call.contains("/nscd/socket\"");
    let is_question = |at: usize| {
        let (process, call) = calls[at];
        let next =
            || calls[at + 1..].iter().find(|(other, call)| *other == process && !call.starts_with("<... "));
        is_asked(call)
            || (call.starts_with("socket(AF_UNIX") && next().is_some_and(|(_, next)| is_asked(next)))
    };
    let made = calls.iter().enumerate().filter(|(at, (_, call))| call.contains("AF_") && !is_question(*at));
    let made = made.map(|(_, call)| call);
    made.filter(|(process, _)| !is_isolated(process)).map(|(_, call)| (*call).to_owned()).collect()
}

#[test]
fn a_whole_offline_run_opens_no_socket() {
    let site = Site::with_builder(BUILD);
    assert_eq!(sockets(&site, &["--offline"], 0), Vec::<String>::new());
    site.assert_outputs();
}

#[test]
fn an_offline_run_that_lacks_its_image_opens_no_socket_and_one_that_is_not_does() {
    let site = Site::new();
    site.configure("registry.example/some/builder:1", "");
    assert_eq!(sockets(&site, &["--offline"], 4), Vec::<String>::new());
    // the same look at a run that may ask sees that it asks
    site.configure("127.0.0.1:9/some/builder:1", "");
    assert!(sockets(&site, &["--pull", "always"], 4).iter().any(|call| call.contains("AF_INET")));
}

#[test]
fn what_is_missing_offline_is_said_with_the_way_to_bring_it_and_nobody_is_asked() {
    let registry = FaultyRegistry::start();
    registry.add("1", &built());
    let bench = Bench::new();
    let name = format!("{}/some/builder:1", registry.host());
    let site = &bench.0;
    site.configure(&name, "");
    // a credential helper that leaves a mark
    let (mark, helper) = (site.path("asked"), site.path("docker-credential-mark"));
    fs::write(&helper, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(site.path("auth.json"), r#"{"credsStore": "mark"}"#).unwrap();
    let path = format!("{}:{}", site.path("").display(), std::env::var("PATH").unwrap());

    let ways =
        [&["bootstrap", "isogen", "--conf", "isogen.yaml", "site.yaml"][..], &["image", "pull", &name]];
    for arguments in ways {
        let mut command = site.command(arguments);
        let output =
            command.args(["--offline", "--authfile", "auth.json"]).env("PATH", &path).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains(&format!("finding image {name}: cache ")), "{said}");
        assert!(said.contains(&format!("image save {name}")) && said.contains("image load"), "{said}");
    }
    assert_eq!((registry.requests().len(), mark.exists()), (0, false));
}

#[test]
fn offline_and_always_contradict_each_other() {
    let bench = Bench::new();
    let site = &bench.0;
    site.fail(&["--offline", "--pull", "always"], 2, &["--pull always", "--offline"]);
    bench.bad(&["pull", IMAGE, "--offline", "--pull", "always"], 2, "--offline");
    let of_environment = |value: &str| {
        let mut command = site.isogen(&["--pull", "always"]);
        command.env("AIRSHIP_OFFLINE", value).output().unwrap().status.code()
    };
    assert_eq!((of_environment("1"), of_environment("0"), of_environment("")), (Some(2), Some(4), Some(4)));
}

#[test]
fn what_is_there_serves_offline() {
    let bench = Bench::new();
    bench.fill("cache", "registry.example/some/builder:1", &built());
    let pulled = bench.good(&["pull", "registry.example/some/builder:1", "--offline"]);
    assert!(pulled.starts_with("registry.example/some/builder@") || pulled.contains("@sha256:"), "{pulled}");
    bench.0.configure("registry.example/some/builder:1", "  network: host\n");
    let said = stderr(&bench.0.succeed(&["--offline"]));
    assert!(said.contains("the builder has this host's network"), "{said}");
}

#[test]
fn damage_is_named_offline_and_not_fetched_again() {
    let registry = FaultyRegistry::start();
    registry.add("1", &built());
    let bench = Bench::new();
    let name = format!("{}/some/builder:1", registry.host());
    let own = bench.fill("cache", &name, &built());
    let damaged = damage_layers(&own, LARGE);
    bench.0.configure(&name, "");
    bench.0.fail(&["--offline"], 4, &[damaged[0].to_str().unwrap()]);
    bench.bad(&["verify", "--repair", "--offline"], 4, "image save");
    assert_eq!(registry.requests().len(), 0);
}
