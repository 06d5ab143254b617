//! Which driver a user gets, and what is said where it cannot be the one that was asked for.

use std::os::unix::net::UnixListener;
use std::process::Output;

use super::common::site::{BUILD, IMAGE, Site, stderr};

pub const TESTS: &[(&str, fn())] = &[
    ("choice::an_engine_that_is_demanded_and_not_there_is_an_error_of_the_host", demanded),
    ("choice::the_configurations_engine_that_is_not_there_is_replaced_with_a_warning", configured),
    ("choice::an_address_that_is_none_is_an_error_of_usage", no_address),
    ("choice::an_unknown_driver_lists_those_that_there_are", unknown),
];

fn with(site: &Site, host: &str, arguments: &[&str]) -> Output {
    site.isogen(arguments).env("DOCKER_HOST", host).output().unwrap()
}

fn refused(site: &Site, host: &str, code: i32, says: &[&str]) {
    let output = with(site, host, &["--container-runtime", "docker"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    says.iter().for_each(|word| assert!(said.contains(word), "{word:?} is not in: {said}"));
    assert!(site.names().is_empty() && !site.path("state").exists(), "nothing was begun");
}

fn demanded() {
    let site = Site::with_builder(BUILD);
    let socket = site.path("docker.sock");
    let host = format!("unix://{}", socket.display());
    refused(&site, &host, 5, &[&host, "there is no such socket", "--container-runtime oci"]);
    // the file stays when nobody listens any more
    drop(UnixListener::bind(&socket).unwrap());
    refused(&site, &host, 5, &[&host, "connection refused", "systemctl start docker"]);
    if nix::unistd::geteuid().is_root() {
        println!("not as root: permission denied is for others");
    } else {
        let _listener = UnixListener::bind(site.path("mine.sock")).unwrap();
        std::fs::set_permissions(site.path("mine.sock"), std::os::unix::fs::PermissionsExt::from_mode(0o000))
            .unwrap();
        let host = format!("unix://{}", site.path("mine.sock").display());
        refused(&site, &host, 5, &[&host, "permission denied", "usermod -aG docker"]);
    }
    refused(&site, "tcp://127.0.0.1:1", 5, &["tcp://127.0.0.1:1", "refused", "DOCKER_HOST"]);
}

fn configured() {
    let site = Site::with_builder(BUILD);
    site.configure(IMAGE, "  containerRuntime: docker\n");
    for host in ["unix:///nonexistent/docker.sock", "ssh://registry.example"] {
        let output = with(&site, host, &[]);
        let said = stderr(&output);
        assert!(output.status.success(), "{said}");
        let warnings: Vec<_> = said.lines().filter(|line| line.contains("built-in driver")).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(host), "{said}");
        site.assert_outputs();
    }
    let output = with(&site, "unix:///nonexistent/docker.sock", &["--container-runtime", "oci"]);
    assert!(output.status.success() && !stderr(&output).contains("docker"), "{}", stderr(&output));
}

fn no_address() {
    let site = Site::with_builder(BUILD);
    refused(&site, "ssh://registry.example", 2, &["DOCKER_HOST=ssh://registry.example", "ssh"]);
    refused(&site, "docker.sock", 2, &["DOCKER_HOST=docker.sock", "unix:///var/run/docker.sock"]);
}

fn unknown() {
    let site = Site::with_builder(BUILD);
    let output = site.run(&["--container-runtime", "podman"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        ["podman", "oci", "docker"].iter().all(|name| stderr(&output).contains(name)),
        "{}",
        stderr(&output)
    );
    site.configure(IMAGE, "  containerRuntime: podman\n");
    site.fail(&[], 2, &["podman", "oci", "docker"]);
}
