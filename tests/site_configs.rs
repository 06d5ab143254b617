//! The airshipctl config in its three shapes: each leads a run, without a word on the command line, to a
//! finished volume; and the commands that look at it and change it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::site::{Site, documents, stderr, stdout};
use serde_json::{Value, json};

/// Leaves an ISO and its metadata, whether the volume is in quotes or not.
const BUILD: &str = "host=$(sed -n 's/^ *volume: *\"\\{0,1\\}\\([^:]*\\):.*/\\1/p' $BUILDER_CONFIG)
cp /iso /config/out.iso
echo \"bootImagePath: $host/out.iso\" > /config/output-metadata.yaml
";

/// A site of tests/fixtures/sites whose builder image is in the cache.
fn fixture(name: &str) -> Site {
    let site = Site::with_builder(BUILD);
    copy(&fixtures(name).join("home"), &site.path(""));
    site
}

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sites").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() { copy(&from, &to) } else { fs::write(to, fs::read(from).unwrap()).unwrap() }
    }
}

/// `bootstrap isogen`, which has to find out everything else by itself.
fn isogen(site: &Site, arguments: &[&str]) -> Command {
    let mut command = site.command(&["bootstrap", "isogen"]);
    command.args(arguments);
    command
}

fn ran(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    output
}

/// Every input in the volume is, byte for byte, the one committed beside the fixture.
fn assert_inputs(site: &Site, name: &str) {
    let expected = fixtures(name).join("expected");
    let volume = site.volume().display().to_string();
    let mut names: Vec<String> = vec!["out.iso".into(), "output-metadata.yaml".into()];
    for entry in fs::read_dir(&expected).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let want = fs::read(entry.path()).unwrap();
        // only the volume is in another place each time
        let want = match name == "builder-conf.yaml" {
            true => String::from_utf8(want).unwrap().replace("@VOLUME@", &volume).into_bytes(),
            false => want,
        };
        let found = fs::read(site.volume().join(&name)).unwrap();
        assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&want), "{name}");
        assert_eq!(found, want, "{name}");
        names.push(name);
    }
    names.sort();
    assert_eq!(site.names(), names);
}

fn finish(site: &Site, name: &str, command: Command) -> String {
    let output = ran(command);
    assert_eq!(stdout(&output), format!("{}\n", site.volume().join("out.iso").display()));
    assert_inputs(site, name);
    stderr(&output)
}

#[test]
fn a_site_in_dashed_keys_gets_its_volume() {
    let site = fixture("dashed");
    let command = isogen(&site, &["--keep-inputs"]);
    let said = finish(&site, "dashed", command);
    let config = site.path(".airship/config");
    assert!(said.contains(&format!("Using context \"first\" of {}", config.display())), "{said}");
    assert!(
        said.contains("config:36:9: unknown key `locale` in `container` is ignored [unknown-key]"),
        "{said}"
    );
    assert_eq!(fs::read(config).unwrap(), fs::read(fixtures("dashed").join("home/.airship/config")).unwrap());
}

#[test]
fn a_site_in_camel_case_gets_its_volume() {
    let site = fixture("camel");
    let mut command = isogen(&site, &["--keep-inputs"]);
    command.env("AIRSHIPCONFIG", "conf/airship.yaml");
    finish(&site, "camel", command);
}

#[test]
fn a_site_with_phases_gets_its_volume() {
    let site = fixture("phase");
    let options = ["--keep-inputs", "--airshipconf", "etc/config", "--context", "third"];
    let mut command = isogen(&site, &options);
    command.env("AIRSHIPCONFIG", "not/there");
    finish(&site, "phase", command);
}

#[test]
fn what_is_given_goes_before_what_is_found_each_on_its_own() {
    let site = fixture("camel");
    let run = |arguments: &[&str]| {
        let mut command = isogen(&site, arguments);
        command.env("AIRSHIPCONFIG", "conf/airship.yaml");
        ran(command);
        let read = |name: &str| fs::read_to_string(site.volume().join(name)).unwrap_or_default();
        let found = (read("ud.bin"), read("user-data"), read("meta-data"));
        fs::remove_dir_all(site.volume()).unwrap();
        fs::create_dir(site.volume()).unwrap();
        found
    };
    // the configuration found asks for labels that the documents given do not have, and the other way round
    fs::write(site.path("site.yaml"), documents() + "---\n" + &labelled()).unwrap();
    let (of_found, _, meta_data) = run(&["--keep-inputs", "site.yaml"]);
    assert!(of_found == "#!/bin/true" && meta_data.contains("node-camel"), "{of_found} {meta_data}");
    let all = site.path("site/deploy/ephemeral/bootstrap");
    fs::write(all.join("kustomization.yaml"), "resources: [own.yaml]\n").unwrap();
    fs::write(all.join("own.yaml"), documents()).unwrap();
    let (_, of_given, meta_data) = run(&["--keep-inputs", "--conf", "isogen.yaml"]);
    assert!(of_given.starts_with("#cloud-config") && meta_data.contains("node-1"), "{of_given} {meta_data}");
}

/// Documents as the configuration of the fixture `camel` selects them.
fn labelled() -> String {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "labels": {"role": "bootstrap"}},
        "stringData": {"cloud": "#!/bin/true"},
    });
    let host = json!({
        "apiVersion": "metal3.io/v1alpha1", "kind": "BareMetalHost", "metadata": {"name": "node-camel"},
        "spec": {"bootMACAddress": "52:54:00:00:00:09"},
    });
    format!("{secret}\n---\n{host}\n")
}

#[test]
fn documents_from_standard_input_go_with_a_configuration_that_is_found() {
    use std::io::Write;
    use std::process::Stdio;
    let site = fixture("camel");
    let mut command = isogen(&site, &["--keep-inputs", "-"]);
    command.env("AIRSHIPCONFIG", "conf/airship.yaml").stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(labelled().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(site.volume().join("ud.bin")).unwrap(), "#!/bin/true");
}

#[test]
fn without_anything_to_go_by_all_that_was_tried_is_told() {
    let site = Site::new();
    let home = site.path("");
    for arguments in [&[][..], &["--conf", "isogen.yaml"], &["site.yaml"]] {
        let output = isogen(&site, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let says = format!(
            "error: finding the airshipctl config: tried --airshipconf (not given), $AIRSHIPCONFIG (not set) and \
             {}.airship/config (not there) [no-airshipctl-config]\nhint: give the isogen configuration with --conf FILE \
             and name a directory or file with the site's documents (`-` for standard input), or name an airshipctl \
             config with --airshipconf FILE\n",
            home.display()
        );
        assert!(stderr(&output).ends_with(&says), "{arguments:?}: {} {says}", stderr(&output));
    }
}

#[test]
fn warnings_of_the_airshipctl_config_are_errors_with_strict() {
    let site = fixture("dashed");
    fs::write(site.path(".airship/kubeconfig"), "contexts: [\n").unwrap();
    let output = isogen(&site, &["--dry-run", "--strict"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("[kubeconfig-unreadable]"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("not-for-people"));
    let output = ran(isogen(&site, &["--dry-run"]));
    assert!(stderr(&output).contains("[kubeconfig-unreadable]"), "{}", stderr(&output));
}

#[test]
fn doctor_looks_at_the_configuration_that_a_run_would_find() {
    let site = fixture("dashed");
    let check = |site: &Site| {
        let output = site.command(&["doctor", "--output", "json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["name"] == "configuration")
    };
    let volume = site.volume().display().to_string();
    assert_eq!(check(&site).unwrap()["message"], format!("volume {volume}:/config, container runtime oci"));
    fs::write(site.path(".airship/config"), "currentContext: x\n").unwrap();
    let found = check(&site).unwrap();
    assert_eq!(found["status"], "fail");
    assert!(found["message"].as_str().unwrap().contains("[unknown-context]"), "{found}");
    fs::remove_file(site.path(".airship/config")).unwrap();
    assert!(check(&site).is_none());
}

// ---- airshipctl config

fn config(site: &Site, arguments: &[&str]) -> Output {
    let mut command = site.command(&["config"]);
    command.args(arguments).output().unwrap()
}

fn printed(site: &Site, arguments: &[&str]) -> String {
    let output = config(site, arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    stdout(&output)
}

#[test]
fn contexts_are_listed_and_the_current_one_is_named() {
    let site = fixture("phase");
    let file = ["--airshipconf", "etc/config"];
    let with = |arguments: &[&str]| printed(&site, &[arguments, &file[..]].concat());
    assert_eq!(
        with(&["get-contexts"]),
        "CURRENT  NAME       MANIFEST\n*        elsewhere  gone\n         third      three\n"
    );
    assert_eq!(
        serde_json::from_str::<Value>(&with(&["get-contexts", "--output", "json"])).unwrap(),
        json!({"contexts": [
            {"name": "elsewhere", "manifest": "gone", "current": true},
            {"name": "third", "manifest": "three", "current": false},
        ]})
    );
    assert_eq!(with(&["current-context"]), "elsewhere\n");
    assert_eq!(with(&["current-context", "--output", "json"]), "{\n  \"currentContext\": \"elsewhere\"\n}\n");
}

#[test]
fn the_view_is_yaml_or_json_without_secrets() {
    let site = fixture("dashed");
    let text = printed(&site, &["view"]);
    assert!(
        text.starts_with(
            "apiVersion: airshipit.org/v1alpha1\nkind: Config\nclusters:\n  one:\n    clusterType:\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("\n    targetPath: ~/site\n") && text.contains("token: \"(redacted)\"\n"),
        "{text}"
    );
    let view: Value = serde_json::from_str(&printed(&site, &["view", "--output", "json"])).unwrap();
    assert_eq!(view["users"]["admin"], json!({"token": "(redacted)"}));
    assert_eq!(view["modulesConfig"]["bootstrapInfo"]["small"]["builder"]["release"], "0644");
    assert!(!format!("{text}{view}").contains("not-for-people"));
}

#[test]
fn the_current_context_is_changed_and_nothing_else() {
    let site = fixture("phase");
    let path = site.path("etc/config");
    let before = fs::read_to_string(&path).unwrap();
    let file = ["--airshipconf", "etc/config"];
    let with = |arguments: &[&str]| printed(&site, &[arguments, &file[..]].concat());
    assert_eq!(with(&["use-context", "third"]), "the current context is now third\n");
    let after = fs::read_to_string(&path).unwrap();
    assert_eq!(after, before.replace("currentContext: elsewhere", "currentContext: third"));
    assert_eq!(with(&["use-context", "third"]), "the current context is third already\n");
    let output = config(&site, &["use-context", "fourth", "--airshipconf", "etc/config"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "error: choosing the context: etc/config: there is no context \"fourth\"; there are \"elsewhere\" and \"third\" [unknown-context]\n"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), after);
    // and from now on it is the one that runs
    let output = ran(isogen(&site, &["--dry-run", "--airshipconf", "etc/config"]));
    assert!(
        stdout(&output).contains(&format!("- {}:/config", site.volume().display())),
        "{}",
        stdout(&output)
    );
}

#[test]
fn commands_without_a_config_say_where_it_was_looked_for() {
    let site = Site::new();
    for arguments in [&["view"][..], &["get-contexts"], &["current-context"], &["use-context", "x"]] {
        let output = config(&site, arguments);
        assert_eq!(output.status.code(), Some(2));
        let said = stderr(&output);
        assert!(
            said.contains(
                "[no-airshipctl-config]\nhint: name it with --airshipconf FILE or $AIRSHIPCONFIG\n"
            ),
            "{said}"
        );
        assert!(!site.path(".airship").exists(), "a read writes nothing");
    }
}

#[test]
fn several_that_change_it_at_once_leave_it_whole() {
    let site = fixture("phase");
    let path = site.path("etc/config");
    let whole = fs::read_to_string(&path).unwrap();
    let wholes = ["elsewhere", "third"]
        .map(|name| whole.replace("currentContext: elsewhere", &format!("currentContext: {name}")));
    for _ in 0..5 {
        let start = |name: &&str| {
            let mut command = site.command(&["config", "use-context", name, "--airshipconf", "etc/config"]);
            command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap()
        };
        let mut all: Vec<_> = ["elsewhere", "third", "elsewhere", "third"].iter().map(start).collect();
        while all.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
            let found = fs::read_to_string(&path).unwrap();
            assert!(wholes.contains(&found), "{found}");
        }
        for child in all {
            let output = child.wait_with_output().unwrap();
            let busy = stderr(&output).contains("[airshipctl-config-busy]");
            assert!(
                output.status.success() || (busy && output.status.code() == Some(2)),
                "{}",
                stderr(&output)
            );
        }
    }
    assert_eq!(fs::read_dir(site.path("etc")).unwrap().count(), 1, "nothing beside it");
}
