//! What is said of user-data, beside what Debian's cloud-init says of the same.

mod common;

use std::collections::BTreeMap;

use airshipctl::site::cloudinit::{CloudInit, UserDataKind};
use airshipctl::site::config::IsoConfiguration;
use airshipctl::site::document::{DocumentSet, Source};
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
        if found.refused() == verdict.paths.is_empty() {
            differences.insert(&verdict.text, (&verdict.paths, found.errors, found.warnings));
        }
    }
    let shown: Vec<String> =
        differences.iter().take(200).map(|(text, why)| format!("{text}\n   {why:?}")).collect();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), shown.join("\n"));
}

/// Texts in which readers of YAML differ, or which are none.
const TEXTS: &[&str] = &[
    "",
    "{}",
    "a: 1",
    "- a",
    "just words",
    "5",
    "~",
    "a: [",
    "a: b: c",
    "a:\n\t- b",
    "a: \tb",
    "a: b\t",
    "a: b\tc",
    "a: 'b\tc'",
    "a: |\n  b\tc",
    "a: b # c\td",
    "a:\n- b\n\t\n- c",
    "a: 1\na: 2",
    "a: 1\n---\nb: 2",
    "a: 1\n---\n",
    "---\na: 1\n...\n",
    "a: =",
    "a: [=]",
    "a: @b",
    "a: `b`",
    "a: %b",
    "{{ a }}: b",
    "a: {{ b }}",
    "[a]: b",
    "a: &x [1]\nb: *x",
    "a: *x",
    "a: {<<: {b: 1}, c: 2}",
    "a: !!binary aGVsbG8=",
    "a: !!str 5",
    "a: !!python/unicode b",
    "a: !!timestamp 2001-01-01",
    "a: !local b",
    "a: !!python/object:os.system b",
    "a: 'it''s'",
    "a: 'x\n\n  y'",
    "a: \"\\/\"",
    "a: \"\\q\"",
    "a: |\n  b\n c",
    "a: |2\n    b",
    "a: >-\n  b",
    "a: b #c",
    "a: b#c",
    "? a\n: b",
    "\"a\":b",
    "{\"a\":1}",
    "{a, b}",
    "a: [b, c,]",
    "a: [b,, c]",
    "a: \u{7}",
    "a: \u{1f600}",
    "a: b\r\nc: d\r\n",
    "a: - b",
    "a:b",
    "a : b",
    "  a: b\n c: d",
];

#[test]
fn what_cloud_init_cannot_read_is_an_error_and_nothing_else_is() {
    let texts: Vec<String> = TEXTS.iter().map(|text| format!("#cloud-config\n{text}\n")).collect();
    let verdicts = judge(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let unreadable =
        ["cloud-config-syntax", "cloud-config-not-a-mapping", "several-documents", "cloud-config-empty"];
    let mut differences = Vec::new();
    for verdict in verdicts {
        let found = Found::of(&verdict.text);
        let mut codes = found.errors.iter().chain(&found.warnings).map(String::as_str);
        let ours = codes.any(|code| unreadable.contains(&code));
        // a mapping without keys can be read, and says as little as nothing
        let theirs = verdict.problem.is_some() || verdict.text.ends_with("{}\n");
        if ours != theirs {
            differences.push(format!("{:?}: {:?}, {:?}", verdict.text, verdict.problem, found.errors));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn plain_words_have_the_types_that_cloud_init_finds() {
    let words = "yes no on off y n true True TRUE tRUE null ~ 0 7 -7 +7 0644 0o644 0888 0x1f 0x 0b11 1_000 _1 1e3 1.5 1.5e3 1.5e+3 .5 -.5 1. . .inf -.inf .nan \
                 12:30 12:99 0:30 1:2:3 190:20:30.15 0:30.5 52:54:00:bf 2022-01-01 2022-1-1 2022-01-01T10:11:12Z 1.2.3 1.2.3.4 fe80::1 - a=b 12e03 0_7 +12:30 1,000 0.";
    let texts: Vec<String> =
        words.split_whitespace().map(|word| format!("#cloud-config\ntimezone: {word}\n")).collect();
    for verdict in judge(&texts.iter().map(String::as_str).collect::<Vec<_>>()) {
        let found = Found::of(&verdict.text);
        let readable = verdict.problem.is_none();
        assert_eq!(
            found.refused(),
            readable && !verdict.paths.is_empty(),
            "{:?}: {:?}",
            verdict.text,
            verdict.paths
        );
    }
}

#[test]
fn kinds_are_told_as_cloud_init_tells_them() {
    let texts = [
        "#cloud-config\na: b",
        "\n \t#Cloud-CONFIG\n",
        "#cloud-configuration",
        "#cloud-config-archive\n",
        "#cloud-config-jsonp\n",
        "#!/bin/sh\n",
        " #!/bin/sh\n",
        "#include\n",
        "#include-once\n",
        "#cloud-boothook\n",
        "#part-handler\n",
        "## template: jinja\n",
        "##template: jinja\n",
        "# cloud-config\n",
        "\u{feff}#cloud-config\n",
        "\u{a0}#cloud-config\n",
        "users: []\n",
        "Content-Type: multipart/mixed\n",
        "x",
    ];
    for verdict in judge(&texts) {
        let kind = UserDataKind::detect(verdict.text.as_bytes());
        let expected = match verdict.kind.as_deref() {
            None => UserDataKind::Unknown,
            Some("text/cloud-config") => UserDataKind::CloudConfig,
            Some("text/cloud-config-archive") => UserDataKind::CloudConfigArchive,
            Some("text/cloud-config-jsonp") => UserDataKind::JsonPatch,
            Some("text/x-shellscript") => UserDataKind::Script,
            Some("text/x-include-url" | "text/x-include-once-url") => UserDataKind::Include,
            Some("text/cloud-boothook") => UserDataKind::Boothook,
            Some("text/part-handler") => UserDataKind::PartHandler,
            Some("text/jinja2") => UserDataKind::Jinja,
            Some(other) => panic!("{other}"),
        };
        assert_eq!(kind, expected, "{:?}", verdict.text);
    }
}

#[test]
fn the_example_site_is_accepted_by_both() {
    let site = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/example-site");
    let configuration = IsoConfiguration::load(&site.join("isogen.yaml")).unwrap();
    let documents = DocumentSet::read(&Source::Path(site.join("documents"))).unwrap();
    let mut report = Report::default();
    let data = CloudInit::generate(&documents, &configuration, &mut report).unwrap();
    assert_eq!(report, Report::default());
    let verdicts = judge(&[std::str::from_utf8(&data.user_data).unwrap()]);
    assert_eq!((&verdicts[0].problem, verdicts[0].paths.len()), (&None, 0));
}
