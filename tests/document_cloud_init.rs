//! `airshipctl document cloud-init`.

mod common;

use std::fs;
use std::process::Output;

use common::site::{SECRET, Site, stderr, stdout};

fn run(site: &Site, arguments: &[&str]) -> Output {
    let command = ["document", "cloud-init", "site.yaml"];
    site.command(&[&command, arguments].concat()).output().unwrap()
}

fn printed(site: &Site, arguments: &[&str]) -> String {
    let output = run(site, arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!stderr(&output).contains(SECRET));
    stdout(&output)
}

/// The site's network data in place of its network-config.
fn with_network(data: &str) -> Site {
    let site = Site::new();
    let text = fs::read_to_string(site.path("site.yaml")).unwrap();
    let end = text.rfind("\"networkData\":").unwrap();
    fs::write(
        site.path("site.yaml"),
        format!("{}\"networkData\":{}}}}}\n", &text[..end], serde_json::json!(data)),
    )
    .unwrap();
    site
}

const NETWORK_DATA: &str = "links: [{id: a, type: phy, ethernet_mac_address: '52:54:00:00:00:01'}]\nnetworks: [{id: n, type: ipv4_dhcp, link: a}]\n";

#[test]
fn by_default_all_files_are_printed_and_no_secrets() {
    let site = Site::new();
    let text = printed(&site, &[]);
    assert!(text.starts_with("meta-data: |\n  instance-id: "), "{text}");
    assert!(text.contains("\nnetwork-config: |\n  version: 2\n"), "{text}");
    assert!(text.ends_with(" bytes, which --reveal shows\n"), "{text}");
    assert!(!text.contains(SECRET));
    let all = printed(&site, &["--reveal"]);
    assert!(all.ends_with(&format!("\nuser-data: |\n  #cloud-config\n  password: {SECRET}\n")), "{all}");
    assert_eq!(printed(&site, &["--conf", "isogen.yaml"]), text);
}

#[test]
fn each_file_is_printed_byte_for_byte() {
    let site = with_network(NETWORK_DATA);
    for name in ["network-config", "as-is"] {
        assert_eq!(printed(&site, &["--format", name]), NETWORK_DATA);
    }
    assert!(printed(&site, &["--format", "meta-data"]).ends_with("local-hostname: \"node-1\"\n"));
    let user_data = printed(&site, &["--format", "user-data", "--reveal"]);
    assert_eq!(user_data, format!("#cloud-config\npassword: {SECRET}\n"));
    let refused = run(&site, &["--format", "user-data"]);
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(2), ""));
    assert!(stderr(&refused).contains("--reveal is not given"), "{}", stderr(&refused));
}

#[test]
fn network_data_is_converted_to_version_2() {
    let site = with_network(NETWORK_DATA);
    let expected =
        "version: 2\nethernets:\n  \"a\":\n    match: {macaddress: \"52:54:00:00:00:01\"}\n    dhcp4: true\n";
    for name in ["network-config-v2", "v2"] {
        assert_eq!(printed(&site, &["--format", name]), expected);
    }
}

#[test]
fn wrong_network_data_ends_with_3_and_says_where() {
    let site = with_network("links: [{id: a, type: phy}]\nnetworks: []\n");
    for format in ["files", "v2"] {
        let output = run(&site, &["--format", format]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(3), ""));
        assert!(
            stderr(&output).contains("line 1 of `networkData`: `links[0]`: the link has neither"),
            "{}",
            stderr(&output)
        );
        assert!(stderr(&output).contains("[network-link-unidentified]"), "{}", stderr(&output));
    }
}

#[test]
fn warnings_are_told_and_with_strict_they_are_errors() {
    let site = with_network(&NETWORK_DATA.replace("link: a", "link: b"));
    let output = run(&site, &["--format", "v2"]);
    assert!(
        output.status.success() && stderr(&output).contains("[network-unknown-link]"),
        "{}",
        stderr(&output)
    );
    let output = run(&site, &["--format", "v2", "--strict"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}

#[test]
fn without_documents_there_is_nothing_to_print() {
    let site = Site::new();
    let output = site.command(&["document", "cloud-init"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}
