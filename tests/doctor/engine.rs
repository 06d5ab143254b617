//! What is said of Docker's engine: of one that answers, made here, and of none.

use std::fs;
use std::io::{BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use super::common::http::read_request;
use super::common::site::{BUILD, IMAGE, Site, stderr, stdout};
use super::{Report, doctor, report};
use serde_json::{Value, json};

const NOWHERE: &str = "unix:///no/such";
const DEMANDED: [&str; 2] = ["--container-runtime", "docker"];

/// An engine that can say who it is, and no more.
fn start_engine(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // a knock asks for nothing
            let Some(request) = read_request(&mut BufReader::new(stream.try_clone().unwrap())) else {
                continue;
            };
            let body = match request.target.ends_with("/version") {
                true => json!({"Version": "28.1", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}),
                false => json!({"ID": "x", "ServerVersion": "28.1\u{7}x"}),
            };
            let body = body.to_string();
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length:";
            stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
        }
    });
}

fn with_host(mut command: Command, host: &str) -> Report {
    report(&command.env("DOCKER_HOST", host).output().unwrap())
}

fn examined(site: &Site, host: &str, arguments: &[&str]) -> Report {
    let mut command = doctor(site, arguments);
    command.args(["--conf", "isogen.yaml"]);
    with_host(command, host)
}

#[test]
fn a_configured_engine_that_is_not_there_is_a_warning_and_the_rungs_decide() {
    let site = Site::with_builder(BUILD);
    site.configure(IMAGE, "  containerRuntime: docker\n");
    let report = examined(&site, NOWHERE, &[]);
    report.assert_good();
    let check = report.check("engine");
    assert_eq!((check["area"].as_str(), check["status"].as_str()), (Some("engine"), Some("warn")));
    let said = check["message"].as_str().unwrap();
    assert!(said.contains(NOWHERE) && said.contains("no such socket"), "{said}");
    let run = site.isogen(&[]).env("DOCKER_HOST", NOWHERE).output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    let line = format!("Containers run {}\n", report.json["run"]["description"].as_str().unwrap());
    assert!(stderr(&run).contains(&line), "{}", stderr(&run));
}

#[test]
fn a_demanded_engine_that_is_not_there_is_foretold_with_the_way_out_of_a_run() {
    let site = Site::with_builder(BUILD);
    let report = examined(&site, NOWHERE, &DEMANDED);
    report.assert_fails("engine", 5, "there is no such socket");
    let run = site.isogen(&DEMANDED).env("DOCKER_HOST", NOWHERE).output().unwrap();
    assert_eq!(run.status.code(), Some(5));
    let fix = report.check("engine")["fix"].as_str().unwrap().to_owned();
    assert!(stderr(&run).contains(&fix), "{fix}: {}", stderr(&run));
    let report = examined(&site, "ssh://registry.example", &DEMANDED);
    report.assert_fails("engine", 2, "engines behind ssh");
}

#[test]
fn an_engine_that_answers_is_named_and_takes_the_run_whatever_the_rungs_say() {
    let site = Site::new();
    site.configure(IMAGE, "  containerRuntime: docker\n");
    let socket = site.path("docker.sock");
    start_engine(&socket);
    let host = format!("unix://{}", socket.display());
    let report = examined(&site, &host, &[]);
    assert_eq!((report.code, &report.json["run"]["rung"]), (0, &Value::Null), "{:#}", report.json);
    assert_eq!(report.check("engine")["message"], format!("version 28.1 x answers at {host}"));
    assert_eq!(report.check("image")["status"], "skip");
    let mut text = site.command(&["doctor", "--conf", "isogen.yaml"]);
    let text = stdout(&text.env("DOCKER_HOST", &host).output().unwrap());
    assert!(text.ends_with(&format!("a run would take: docker (by Docker's engine at {host})\n")), "{text}");
    // the command line has the last word
    let report = examined(&site, &host, &["--container-runtime", "oci"]);
    assert!(report.json["checks"].as_array().unwrap().iter().all(|check| check["area"] != "engine"));
    report.assert_fails("image", 4, IMAGE);
    fs::remove_file(socket).unwrap();
}
