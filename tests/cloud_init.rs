//! What is said of user-data, beside what Debian's cloud-init says of the same.

mod common;

use std::collections::BTreeMap;

use airshipctl::site::cloudinit::CloudInit;
use airshipctl::site::config::IsoConfiguration;
use airshipctl::site::document::DocumentSet;
use airshipctl::site::report::Report;
use common::cloud_init::ask;
use serde::Deserialize;
use serde_json::json;

/// Codes of what cloud-init's schema refuses and the node will miss.
const ERRORS: [&str; 3] = ["missing-field", "wrong-type", "wrong-value"];
/// Codes of what the schema refuses too, though modules work with it, or only ignore it.
const WARNINGS: [&str; 5] =
    ["converted-type", "empty-value", "null-value", "permissions-number", "unknown-field"];
/// The modules whose settings are looked into; the examples in their documentation are changed in
/// every way.
const MODULES: &[&str] = &[
    "cc_apt_configure",
    "cc_apt_pipelining",
    "cc_bootcmd",
    "cc_byobu",
    "cc_ca_certs",
    "cc_disable_ec2_metadata",
    "cc_disk_setup",
    "cc_final_message",
    "cc_growpart",
    "cc_grub_dpkg",
    "cc_install_hotplug",
    "cc_keyboard",
    "cc_keys_to_console",
    "cc_locale",
    "cc_mounts",
    "cc_ntp",
    "cc_package_update_upgrade_install",
    "cc_phone_home",
    "cc_power_state_change",
    "cc_resizefs",
    "cc_resolv_conf",
    "cc_rsyslog",
    "cc_runcmd",
    "cc_scripts_vendor",
    "cc_seed_random",
    "cc_set_hostname",
    "cc_set_passwords",
    "cc_ssh",
    "cc_ssh_authkey_fingerprints",
    "cc_ssh_import_id",
    "cc_timezone",
    "cc_update_etc_hosts",
    "cc_update_hostname",
    "cc_users_groups",
    "cc_write_files",
];

/// What `tests/cloudinit/judge.py` says.
#[derive(Deserialize)]
struct Verdict {
    text: String,
    kind: Option<String>,
    problem: Option<String>,
    paths: Vec<String>,
}

/// Codes of what is found in user-data.
struct Found {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Found {
    fn of(user_data: &str) -> Self {
        let configuration =
            "container: {volume: /srv}\nbuilder: {userDataFileName: u, networkConfigFileName: n}\n";
        let configuration = IsoConfiguration::parse("isogen.yaml", configuration.as_bytes()).unwrap();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "user-data", "labels": {"airshipit.org/ephemeral-user-data": "true"}},
            "stringData": {"userData": user_data},
        });
        let host = json!({
            "apiVersion": "metal3.io/v1alpha1", "kind": "BareMetalHost",
            "metadata": {"name": "node", "labels": {"airshipit.org/ephemeral-node": "true"}},
            "spec": {"bootMACAddress": "52:54:00:00:00:01"},
        });
        let documents =
            DocumentSet::parse("site.yaml", format!("{secret}\n---\n{host}\n").as_bytes()).unwrap();
        let mut report = Report::default();
        CloudInit::generate(&documents, &configuration, &mut report);
        let codes = |faults: Vec<airshipctl::error::Fault>| {
            faults.into_iter().filter_map(|fault| fault.code).map(String::from).collect()
        };
        Self { errors: codes(report.errors), warnings: codes(report.warnings) }
    }

    /// What the schema's verdict is compared with.
    fn refused(&self) -> bool {
        self.errors.iter().any(|code| ERRORS.contains(&code.as_str()))
            || self.warnings.iter().any(|code| WARNINGS.contains(&code.as_str()))
    }
}

fn judge(texts: &[&str]) -> Vec<Verdict> {
    let said = ask("judge.py", &["texts"], json!(texts).to_string().as_bytes());
    serde_json::from_str(&said).unwrap()
}

#[test]
fn every_change_to_the_examples_is_taken_as_the_schema_takes_it() {
    let arguments: Vec<&str> = ["examples"].iter().chain(MODULES).copied().collect();
    let verdicts: Vec<Verdict> = serde_json::from_str(&ask("judge.py", &arguments, b"")).unwrap();
    assert!(verdicts.len() > 5000, "{}", verdicts.len());
    let mut differences = BTreeMap::new();
    for verdict in &verdicts {
        let found = Found::of(&verdict.text);
        if found.refused() != !verdict.paths.is_empty() {
            differences.insert(&verdict.text, (&verdict.paths, found.errors, found.warnings));
        }
    }
    let shown: Vec<String> =
        differences.iter().take(200).map(|(text, why)| format!("{text}\n   {why:?}")).collect();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), shown.join("\n"));
}
