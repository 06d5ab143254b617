//! `bootstrap validate` and `--dry-run`: what they say, word for word, and where.

mod common;

use std::fs;
use std::process::Output;

use common::site::{SECRET, Site, documents, stderr, stdout};
use serde_json::{Value, json};

/// With it somebody can log in.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f a@b";

/// Documents in which nothing looks wrong.
fn sound() -> String {
    let user_data = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "user-data", "labels": {"airshipit.org/ephemeral-user-data": "true"}},
        "stringData": {"userData": format!("#cloud-config\nhostname: node-1\nssh_authorized_keys: [{KEY}]\n")},
    });
    let host = json!({
        "apiVersion": "metal3.io/v1alpha1", "kind": "BareMetalHost",
        "metadata": {"name": "node-1", "labels": {"airshipit.org/ephemeral-node": "true"}},
        "spec": {"bootMACAddress": "52:54:00:00:00:01"},
    });
    format!("{user_data}\n---\n{host}\n")
}

/// A site with these documents, and no cache.
fn site(documents: &str) -> Site {
    let site = Site::new();
    fs::write(site.path("site.yaml"), documents).unwrap();
    site
}

fn validate(site: &Site, arguments: &[&str]) -> Output {
    let mut command = site.command(&["bootstrap", "validate", "--conf", "isogen.yaml"]);
    command.args(arguments).arg("site.yaml").output().unwrap()
}

/// What is printed, with the site's directory as `DIR`.
fn said(site: &Site, output: &Output) -> String {
    let dir = site.path("").to_string_lossy().trim_end_matches('/').to_owned();
    stdout(output).replace(&dir, "DIR")
}

const PLAN: &str = "\
container:
  image: localhost/test-builder:1
  runtime: oci
  network: none
  privileged: false
  mounts:
  - DIR/volume:/config
  environment:
    BUILDER_CONFIG: \"/config/builder-conf.yaml\"
    IMAGE_TYPE: \"iso\"
    USER_DATA_FILE: \"user-data\"
    NET_CONFIG_FILE: \"network-config\"
    OUTPUT_METADATA_FILE_NAME: \"output-metadata.yaml\"
inputs:
- {name: user-data, type: cloud-config, size: 139, sha256: \"HASH\", mode: \"0600\"}
- {name: network-config, type: network-config v2 (generated), size: SIZE, sha256: \"HASH\", mode: \"0600\"}
- {name: meta-data, type: meta-data, size: SIZE, sha256: \"HASH\", mode: \"0600\"}
- {name: builder-conf.yaml, type: configuration, size: SIZE, sha256: \"HASH\", mode: \"0600\"}
outputs:
  metadata: output-metadata.yaml
";

/// The plan's text with digests and the sizes of generated files left out.
fn plain(plan: &str) -> String {
    let lines = plan.lines().map(|line| match line.split_once("sha256: \"") {
        Some((before, after)) => {
            let (digest, rest) = after.split_once('"').unwrap();
            assert!(digest.len() == 8 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{line}");
            let (head, size) = before.split_once("size: ").unwrap();
            let size = if line.contains("user-data") { size } else { "SIZE, " };
            format!("{head}size: {size}sha256: \"HASH\"{rest}\n")
        }
        None => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn a_sound_site_is_a_plan_and_nothing_else() {
    let site = site(&sound());
    let output = validate(&site, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = said(&site, &output).replace("warning: user-data sets no hostname", "unexpected");
    assert_eq!(plain(&text), PLAN);
    assert_eq!(stderr(&output), "Creating cloud-init for ephemeral K8s\n");
    assert!(!site.path("cache").exists() && !site.path("state").exists() && site.names().is_empty());
}

#[test]
fn a_name_that_only_meta_data_has_is_told_where_the_builder_may_ignore_it() {
    let site = site(&sound().replace("hostname: node-1\\n", ""));
    let output = validate(&site, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        stdout(&output).lines().next(),
        Some(
            "warning: user-data sets no hostname; \"node-1\" is in meta-data, which builders other than the reference one may ignore [host-name-in-meta-data]"
        )
    );
}

#[test]
fn warnings_come_first_and_do_not_fail_unless_strict() {
    let site = site(&sound());
    site.configure_builder("  colour: red\n");
    let warning = "isogen.yaml:8:3: unknown key `colour` in `builder` is ignored [unknown-key]\n";
    let output = validate(&site, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = said(&site, &output);
    assert!(text.starts_with(&format!("warning: {warning}")), "{text}");
    assert_eq!(plain(text.split_once('\n').unwrap().1), PLAN);
    let output = validate(&site, &["--strict"]);
    assert_eq!(output.status.code(), Some(3));
    let text = said(&site, &output);
    assert_eq!(text, format!("error: {warning}"));
    assert!(
        stderr(&output).ends_with("error: validating the site: 1 error, 0 warnings\n"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_missing_volume_is_a_warning_even_with_strict_and_an_error_of_a_run() {
    let site = site(&sound());
    fs::remove_dir(site.volume()).unwrap();
    for arguments in [&[][..], &["--strict"]] {
        let output = validate(&site, arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = said(&site, &output);
        let (first, plan) = text.split_once('\n').unwrap();
        assert_eq!(
            first,
            "warning: opening volume DIR/volume: there is no such directory; a run on this host needs it [volume-unusable]"
        );
        assert_eq!(plain(plan), PLAN);
    }
    assert_eq!(site.run(&["--dry-run"]).status.code(), Some(2));
}

#[test]
fn faults_of_the_configuration_do_not_hide_those_of_the_documents() {
    let site = site(&documents().replace("\"stringData\":{\"userData\"", "\"data\":{\"userData\""));
    let text = fs::read_to_string(site.path("isogen.yaml")).unwrap();
    fs::write(site.path("isogen.yaml"), text.replace("  image:", "  privileged: maybe\n  image:")).unwrap();
    let output = validate(&site, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let text = said(&site, &output);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("error: isogen.yaml:3:15: `container.privileged`"), "{text}");
    assert!(lines[1].starts_with("error: site.yaml:1:") && lines[1].contains("is not base64"), "{text}");
    assert!(
        stderr(&output).ends_with("error: validating the site: 2 errors, 0 warnings\n"),
        "{}",
        stderr(&output)
    );
    let said = site.fail(&[], 2, &["reading the site\n", "isogen.yaml:3:15", "is not base64"]);
    assert!(!said.contains(SECRET));
}

#[test]
fn what_a_broken_configuration_would_select_is_not_guessed() {
    let site = site("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n");
    fs::write(site.path("isogen.yaml"), "container: 1\n").unwrap();
    let output = validate(&site, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!stdout(&output).contains("no document matches"), "{}", stdout(&output));
}

#[test]
fn faults_of_several_files_are_sorted_by_file_and_line() {
    let site = Site::new();
    fs::create_dir(site.path("docs")).unwrap();
    fs::write(site.path("docs/b.yaml"), "a: [\n").unwrap();
    fs::write(site.path("docs/a.yaml"), "kind: A\n---\nkind: B\n").unwrap();
    let output = site.command(&["bootstrap", "validate", "--conf", "isogen.yaml", "docs"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let places: Vec<String> = stdout(&output)
        .lines()
        .filter_map(|line| Some(line.strip_prefix("error: ")?.split(": ").next()?.to_owned()))
        .collect();
    assert_eq!(places[..2], ["docs/a.yaml:1:1 (document 1)", "docs/a.yaml:3:1 (document 2)"]);
    assert!(places[2].starts_with("docs/b.yaml:"), "{places:?}");
}

#[test]
fn documents_come_from_standard_input() {
    let site = site("");
    let mut command = site.command(&["bootstrap", "validate", "-c", "isogen.yaml", "-"]);
    let input = fs::File::open({
        fs::write(site.path("stream.yaml"), sound().replace("52:54", "nonsense")).unwrap();
        site.path("stream.yaml")
    });
    let output = command.stdin(input.unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("error: -:3:"), "{}", stdout(&output));
    assert!(stdout(&output).contains("(document 2): `spec.bootMACAddress`"), "{}", stdout(&output));
}

#[test]
fn nothing_to_check_is_told_with_both_ways_out() {
    let site = Site::new();
    let output = site.command(&["bootstrap", "validate"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let output = validate(&site, &["another.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("more than one DOCUMENTS is given"), "{}", stderr(&output));
}

#[test]
fn json_has_the_documented_keys() {
    let site = site(&sound());
    site.configure_builder("  colour: red\n");
    let output = validate(&site, &["--output", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["version"], &report["code"]), (&json!(1), &json!(0)));
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["severity"], &finding["code"], &finding["file"], &finding["document"]),
        (&json!("warning"), &json!("unknown-key"), &json!("isogen.yaml"), &Value::Null)
    );
    assert_eq!((&finding["line"], &finding["column"]), (&json!(8), &json!(3)));
    assert!(finding["message"].as_str().unwrap().contains("colour"));
    let input = &report["plan"]["inputs"][0];
    assert_eq!(
        (&input["name"], &input["type"], &input["size"]),
        (&json!("user-data"), &json!("cloud-config"), &json!(139))
    );
    assert_eq!(input["sha256"].as_str().unwrap().len(), 8);
    fs::write(site.path("site.yaml"), "a: [").unwrap();
    let output = validate(&site, &["--output", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["code"], &report["plan"]), (&json!(3), &Value::Null));
    assert_eq!(report["findings"][0]["severity"], "error");
    assert_eq!(report["findings"].as_array().unwrap().len(), 2);
}

#[test]
fn a_dry_run_says_the_same_of_the_site_and_more_of_the_image() {
    let site = site(&sound());
    let output = site.succeed(&["--dry-run"]);
    let image = "image:\n  reference: localhost/test-builder:1\n  rootfsCache: DIR/cache\n  from: nowhere\n  \
                 digest: unknown, the image is not in the rootfs cache\n";
    assert_eq!(plain(&said(&site, &output)), format!("{image}{PLAN}"));
    let output = site.succeed(&["--dry-run", "--output", "json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["image"]["from"], "nowhere");
    let report: Value = serde_json::from_slice(&validate(&site, &["--output", "json"]).stdout).unwrap();
    for part in ["container", "inputs", "outputs"] {
        assert_eq!(plan[part], report["plan"][part], "{part}");
    }
    let output = site.run(&["--output", "json"]);
    assert_eq!(output.status.code(), Some(2), "only with --dry-run: {}", stderr(&output));
}

#[test]
fn strict_stops_a_run_before_anything_is_pulled() {
    let site = site(&sound());
    site.configure_builder("  colour: red\n");
    let said = site.fail(&["--strict"], 3, &[]);
    let warning = "isogen.yaml:8:3: unknown key `colour` in `builder` is ignored [unknown-key]";
    assert!(said.ends_with(&format!("error: checking the site, with --strict: {warning}\n")), "{said}");
    assert!(!said.contains("warning"), "{said}");
}
