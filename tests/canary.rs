//! Secrets planted wherever a site can have them, and looked for wherever they could get to: while a
//! run goes on they are in the volume and in the container's own layer, afterwards in the ISO alone.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use aho_corasick::AhoCorasick;
use airshipctl::isogen::Strictness;
use airshipctl::isogen::validate::validate;
use airshipctl::site::volume::InputsAfter;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::left::{assert_no_mount, assert_nothing_runs, children_of, processes};
use common::site::{BUILD, Site, builder, stderr, stdout};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

const PASSWORD: &str = "c4n4ry-Password-oo7Que";
const HASH: &str = "$6$rounds=4096$c4n4ry$HashuW0aek1theiZ2ohb";
const FILE: &str = "c4n4ry-File-Thoh5eet";
const KEY: &str = "MIIEvQc4n4ryKeyBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTU";
const COMMAND: &str = "c4n4ry.tokeni7aephoh";
const AIR: &str = "c4n4ry-Air-Xoo4aiku";
const OTHER: &str = "c4n4ry-Other-Yah0ohwe";
const CANARIES: [&str; 7] = [PASSWORD, HASH, FILE, KEY, COMMAND, AIR, OTHER];

/// Prints its inputs in every way and copies them into its own root; then waits for the file `go`.
const SHOW: &str = "cd /config
cat user-data network-config builder-conf.yaml >&2
busybox base64 user-data; busybox base64 -w 0 network-config; echo
while read -r line; do echo \"$line\" | busybox base64; done < user-data
dd if=user-data bs=3 2>/dev/null; sed -n p network-config
mkdir -p /root /var; cp user-data network-config /var; cat user-data > /tmp/copy
echo printed
touch started; while [ ! -e go ]; do sleep 0.05; done; rm -f started go; sleep 0.1
";

/// A site whose builder shows all that it has; `then` is what it does at last.
fn site(then: &str) -> Site {
    let script = format!("{SHOW}{then}");
    let site = Site::with_image(&builder(&script).build());
    fs::write(site.path("site.yaml"), documents()).unwrap();
    fs::create_dir(site.path("tmp")).unwrap();
    site
}

/// Makes an ISO in which the inputs are, as real ones do.
fn iso_script() -> String {
    format!("{BUILD}cat /config/user-data /config/network-config >> /config/out.iso\n")
}

fn documents() -> String {
    let user_data = format!(
        "#cloud-config
hostname: node-1
password: {PASSWORD}
users: [{{name: administrator, hashed_passwd: '{HASH}'}}]
write_files:
- {{path: /etc/token, permissions: '0600', content: {FILE}}}
- path: /etc/key.pem
  permissions: '0600'
  content: |
    -----BEGIN PRIVATE KEY-----
    {KEY}
    -----END PRIVATE KEY-----
runcmd: [[kubeadm, join, --token, {COMMAND}]]
"
    );
    let network = format!(
        "version: 2\nwifis: {{w0: {{match: {{macaddress: \"52:54:00:00:00:01\"}}, dhcp4: true, access-points: {{site: {{password: {AIR}}}}}}}}}\n"
    );
    let secrets = [
        json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "user-data", "labels": {"airshipit.org/ephemeral-user-data": "true"}},
            "stringData": {"userData": user_data}}),
        json!({"apiVersion": "metal3.io/v1alpha1", "kind": "BareMetalHost",
            "metadata": {"name": "node-1", "labels": {"airshipit.org/ephemeral-node": "true"}},
            "spec": {"bootMACAddress": "52:54:00:00:00:01", "networkData": {"name": "network", "namespace": "default"}}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "network"},
            "data": {"networkData": STANDARD.encode(network)}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bmc"},
            "stringData": {"username": "root", "password": OTHER}}),
    ];
    // JSON is YAML
    secrets.map(|document| document.to_string()).join("\n---\n")
}

/// `bootstrap isogen` of the site, with a directory for temporary files that can be searched.
fn isogen(site: &Site, arguments: &[&str]) -> Command {
    let mut command = site.isogen(arguments);
    command.env("TMPDIR", site.path("tmp")).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run under way; a test that fails leaves none behind.
struct Running(Option<Child>);

impl Running {
    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    fn pid(&self) -> i32 {
        self.0.as_ref().unwrap().id() as i32
    }

    fn output(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // it may be over
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A run whose builder has shown everything and waits.
fn started(site: &Site, command: &mut Command) -> Running {
    let mut run = Running(Some(command.spawn().unwrap()));
    let until = Instant::now() + Duration::from_secs(60);
    let has_printed = || {
        let logs = fs::read_dir(site.path("state/logs")).into_iter().flatten().flatten();
        let mut logs = logs.filter_map(|log| fs::read_to_string(log.path()).ok());
        logs.any(|log| log.contains("\nprinted\n"))
    };
    while !(site.volume().join("started").exists() && has_printed()) {
        if let Some(status) = run.child().try_wait().unwrap() {
            panic!("{status}: {}", stderr(&run.output()));
        }
        assert!(Instant::now() < until, "the builder did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    run
}

/// Lets the builder go on, and waits for the end of the run.
fn finish(site: &Site, run: Running) -> Output {
    fs::write(site.volume().join("go"), "").unwrap();
    let output = run.output();
    assert_silent(&output);
    output
}

/// The canaries as they are searched for: plain or in base64, a part of either being too much already.
static SIGNS: LazyLock<(AhoCorasick, Vec<&'static str>)> = LazyLock::new(|| {
    let encoded = |canary: &str, before: usize| {
        let text = STANDARD.encode([&b"   "[..before], canary.as_bytes()].concat());
        // but for what depends on its neighbours
        text.as_bytes()[4..16].to_vec()
    };
    let signs = CANARIES.into_iter().flat_map(|canary| {
        let plain = canary.as_bytes()[..canary.len() - 2].to_vec();
        let signs = (0..3).map(move |before| encoded(canary, before)).chain([plain]);
        signs.map(move |sign| (sign, canary))
    });
    let (signs, names): (Vec<_>, Vec<_>) = signs.unzip();
    (AhoCorasick::new(signs).unwrap(), names)
});

/// What of the canaries is in these bytes.
fn canaries_in(bytes: &[u8]) -> BTreeSet<&'static str> {
    let (search, names) = &*SIGNS;
    search.find_iter(bytes).map(|found| names[found.pattern().as_usize()]).collect()
}

/// All files of the test but the site's own documents, as paths below its directory, that have canaries
/// in them.
fn tainted(site: &Site) -> Vec<PathBuf> {
    let (root, mut found) = (site.path(""), Vec::new());
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        let entries = match fs::read_dir(&directory) {
            // files of other ids of the container, in its own layer; or it has just gone
            Err(_) if is_layer(directory.strip_prefix(&root).unwrap()) || !directory.exists() => continue,
            entries => entries.unwrap(),
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.strip_prefix(&root).unwrap().to_owned();
            let Ok(kind) = fs::symlink_metadata(&path) else { continue };
            if kind.is_dir() {
                directories.push(path);
            } else if kind.is_file() && name != Path::new("site.yaml") {
                match fs::read(&path) {
                    Ok(bytes) if !canaries_in(&bytes).is_empty() => found.push(name),
                    Err(error) => assert!(is_layer(&name) || !path.exists(), "{}: {error}", name.display()),
                    Ok(_) => {}
                }
            }
        }
    }
    found.sort();
    found
}

/// Below the container's own layer.
fn is_layer(name: &Path) -> bool {
    let mut parts = name.components().map(|part| part.as_os_str());
    let parts: Vec<_> = parts.by_ref().take(4).collect();
    matches!(parts.as_slice(), [state, runs, _, layer, ..]
        if *state == "state" && *runs == "runs" && (*layer == "overlay" || *layer == "merged"))
}

fn is_input(name: &Path) -> bool {
    name.starts_with("volume")
        && name.file_name().is_some_and(|name| name == "user-data" || name == "network-config")
}

/// Only the ISO has secrets in it; whoever may read it is the caller.
fn assert_only_in_iso(site: &Site) {
    assert_eq!(tainted(site), [Path::new("volume/out.iso")]);
    let mode = fs::metadata(site.volume().join("out.iso")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

fn assert_nowhere(site: &Site) {
    assert_eq!(tainted(site), Vec::<PathBuf>::new());
}

/// The helper needs a moment when its command line was killed.
fn assert_soon_nowhere(site: &Site) {
    let until = Instant::now() + Duration::from_secs(20);
    while (!tainted(site).is_empty() || site.path("state/runs").read_dir().unwrap().count() > 0)
        && Instant::now() < until
    {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_nowhere(site);
}

/// While the builder runs: the inputs in the volume, the container's own layer, and nothing else, no
/// process's arguments and environment among it.
fn assert_confined(site: &Site) {
    let tainted = tainted(site);
    assert!(tainted.iter().all(|name| is_input(name) || is_layer(name)), "{tainted:?}");
    assert!(tainted.iter().any(|name| is_input(name)), "{tainted:?}");
    for pid in processes() {
        for file in ["cmdline", "environ"] {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            assert_eq!(canaries_in(&bytes), BTreeSet::new(), "/proc/{pid}/{file}");
        }
    }
    assert_private(site);
}

/// Inputs are 0600, and the container's layer lies in a directory that is 0700.
fn assert_private(site: &Site) {
    for name in ["user-data", "network-config", "meta-data", "builder-conf.yaml"] {
        let mode = fs::metadata(site.volume().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let runs = fs::read_dir(site.path("state/runs")).unwrap().map(|run| run.unwrap().path());
    let directories: Vec<_> = runs.chain([site.path("state/logs")]).collect();
    for directory in directories {
        let mode = fs::metadata(&directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", directory.display());
    }
}

/// What the program said.
fn assert_silent(output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        assert_eq!(canaries_in(text), BTreeSet::new(), "{}", String::from_utf8_lossy(text));
    }
}

/// The log was written, and secrets are struck out of it.
fn assert_filtered(site: &Site) {
    let logs = fs::read_dir(site.path("state/logs")).unwrap().map(|log| log.unwrap().path());
    for log in logs {
        let text = fs::read_to_string(log).unwrap();
        assert!(text.contains("password: ***\n"), "{text}");
        assert!(text.contains("hostname: node-1\n"), "what is no secret can be read: {text}");
        assert_eq!(canaries_in(text.as_bytes()), BTreeSet::new(), "{text}");
    }
}

#[test]
fn during_a_run_secrets_are_in_volume_and_overlay_and_after_it_in_the_iso() {
    let site = site(&iso_script());
    let run = started(&site, &mut isogen(&site, &[]));
    assert_confined(&site);
    let output = finish(&site, run);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_filtered(&site);
    assert_only_in_iso(&site);
    site.assert_clean();
}

#[test]
fn secrets_that_a_kustomization_generates_are_kept_as_well() {
    let site = site(&iso_script());
    let documents = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(documents.path().join(name), text).unwrap();
    write("user-data", format!("#cloud-config\nhostname: node-1\npassword: {PASSWORD}\n"));
    write(
        "network-data",
        format!("version: 2\nwifis: {{w0: {{dhcp4: true, access-points: {{site: {{password: {AIR}}}}}}}}}\n"),
    );
    let host = json!({"apiVersion": "metal3.io/v1alpha1", "kind": "BareMetalHost",
        "metadata": {"name": "node-1", "labels": {"airshipit.org/ephemeral-node": "true"}},
        "spec": {"bootMACAddress": "52:54:00:00:00:01", "networkData": {"name": "network"}}});
    write("host.yaml", host.to_string());
    let generators = json!([
        {"name": "user-data", "files": ["userData=user-data"],
            "options": {"labels": {"airshipit.org/ephemeral-user-data": "true"}}},
        {"name": "network", "files": ["networkData=network-data"]},
        {"name": "bmc", "literals": [format!("password={OTHER}")]},
    ]);
    let kustomization = json!({"resources": ["host.yaml"], "secretGenerator": generators,
        "generatorOptions": {"disableNameSuffixHash": true}});
    write("kustomization.yaml", kustomization.to_string());
    let path = documents.path().to_str().unwrap();
    let mut command = site.command(&["bootstrap", "isogen", "--conf", "isogen.yaml", path]);
    command.env("TMPDIR", site.path("tmp")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = started(&site, &mut command);
    assert_confined(&site);
    let output = finish(&site, run);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_filtered(&site);
    assert_only_in_iso(&site);
}

#[test]
fn a_builder_that_fails_is_quoted_without_secrets() {
    let site = site("cat /config/user-data; exit 3");
    let run = started(&site, &mut isogen(&site, &[]));
    let output = finish(&site, run);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("  | password: ***\n"), "{said}");
    assert!(said.contains("  | runcmd: [[kubeadm, join, --token, ***]]"), "{said}");
    assert_filtered(&site);
    assert_nowhere(&site);
}

#[test]
fn debug_shows_the_output_without_secrets_and_keeps_them_in_the_overlay_alone() {
    let site = site(&iso_script());
    let running = started(&site, &mut isogen(&site, &["--debug"]));
    assert_confined(&site);
    let output = finish(&site, running);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("builder| password: ***\n"), "{}", stderr(&output));
    let tainted = tainted(&site);
    assert!(tainted.iter().all(|name| is_layer(name) || name == Path::new("volume/out.iso")), "{tainted:?}");
    let id = fs::read_dir(site.path("state/runs")).unwrap().next().unwrap().unwrap().file_name();
    let run = |arguments: &[&str]| site.command(arguments).arg(&id).output().unwrap();
    let log = run(&["container", "logs"]);
    assert!(stdout(&log).contains("password: ***\n"), "{}", stdout(&log));
    assert_silent(&log);
    assert!(run(&["container", "rm"]).status.success());
    assert_only_in_iso(&site);
    site.assert_clean();
}

#[test]
fn inputs_that_are_kept_are_in_the_volume_alone() {
    let site = site(&iso_script());
    let run = started(&site, &mut isogen(&site, &["--keep-inputs"]));
    let output = finish(&site, run);
    assert!(output.status.success(), "{}", stderr(&output));
    let expected = ["network-config", "out.iso", "user-data"].map(|name| Path::new("volume").join(name));
    assert_eq!(tainted(&site), expected);
    for name in expected {
        assert_eq!(fs::metadata(site.path("").join(name)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn after_a_signal_secrets_are_nowhere() {
    // a shell may ignore others for what it runs in the background
    let signal = Signal::SIGTERM;
    let site = site(&iso_script());
    let run = started(&site, &mut isogen(&site, &["--debug"]));
    kill(Pid::from_raw(run.pid()), signal).unwrap();
    // the builder has no handler, and pid 1 ignores what it does not handle
    kill(Pid::from_raw(run.pid()), signal).unwrap();
    let output = run.output();
    assert_eq!(output.status.code(), Some(128 + signal as i32), "{}", stderr(&output));
    assert_silent(&output);
    let tainted = tainted(&site);
    assert!(tainted.iter().all(|name| is_layer(name)), "--debug keeps the container: {tainted:?}");
    assert!(site.command(&["container", "prune", "--all"]).output().unwrap().status.success());
    assert_nowhere(&site);
}

#[test]
fn after_a_kill_of_the_command_line_the_helper_removes_them() {
    let site = site(&iso_script());
    let mut run = started(&site, &mut isogen(&site, &[]));
    run.child().kill().unwrap();
    run.child().wait().unwrap();
    assert_soon_nowhere(&site);
    assert_filtered(&site);
}

#[test]
fn after_a_kill_of_everything_secrets_stay_until_the_next_start_and_no_longer() {
    let site = site(&iso_script());
    let mut run = started(&site, &mut isogen(&site, &[]));
    let line = run.pid();
    kill(Pid::from_raw(line), Signal::SIGSTOP).unwrap();
    children_of(line).into_iter().for_each(|pid| kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap());
    kill(Pid::from_raw(line), Signal::SIGKILL).unwrap();
    run.child().wait().unwrap();
    assert_nothing_runs(&site, "no marker");
    let left = tainted(&site);
    assert!(left.iter().all(|name| is_input(name) || is_layer(name)), "{left:?}");
    assert!(left.iter().any(|name| is_input(name)), "{left:?}");
    let _ = fs::remove_file(site.volume().join("started"));
    let run = started(&site, &mut isogen(&site, &[]));
    let output = finish(&site, run);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_only_in_iso(&site);
    assert_no_mount(&site);
    site.assert_clean();
}

/// As the shell that users have may be told to.
fn with_core_files(site: &Site) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited || ulimit -S -c $(ulimit -H -c); exec \"$@\"", "sh"]);
    let mut command = site.below(shell, &[]);
    command.env("TMPDIR", site.path("tmp")).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn core_files_and_other_processes_of_the_user_do_not_see_them() {
    let site = site(&format!("busybox sh -c 'kill -ABRT $$' || true; ls /config / /tmp\n{}", iso_script()));
    let mut run = started(&site, &mut with_core_files(&site));
    let line = run.pid();
    let limits = |pid: i32| fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    for pid in [line].into_iter().chain(children_of(line)) {
        let limits = limits(pid);
        let core = limits.lines().find(|text| text.starts_with("Max core file size")).unwrap();
        assert!(matches!(core.split_whitespace().nth(4), Some("0" | "1")), "{core}");
    }
    if !nix::unistd::geteuid().is_root() {
        for file in ["mem", "environ", "maps"] {
            assert!(fs::File::open(format!("/proc/{line}/{file}")).is_err(), "{file}");
        }
    }
    kill(Pid::from_raw(line), Signal::SIGABRT).unwrap();
    let status = run.child().wait().unwrap();
    assert!(status.signal() == Some(6) && !status.core_dumped(), "{status}");
    assert_soon_nowhere(&site);
    let _ = fs::remove_file(site.volume().join("started"));
    let run = started(&site, &mut with_core_files(&site));
    let output = finish(&site, run);
    assert!(output.status.success(), "{}", stderr(&output));
    let log = fs::read_dir(site.path("state/logs"))
        .unwrap()
        .map(|log| fs::read_to_string(log.unwrap().path()).unwrap());
    assert!(log.into_iter().all(|log| !log.lines().any(|name| name.starts_with("core"))));
    assert_only_in_iso(&site);
}

#[test]
fn what_is_only_checked_is_not_told_either() {
    let site = site(&iso_script());
    for arguments in [
        &["bootstrap", "validate", "--conf", "isogen.yaml", "site.yaml"][..],
        &["bootstrap", "validate", "--conf", "isogen.yaml", "site.yaml", "--strict", "--output", "json"],
        &["bootstrap", "isogen", "--dry-run", "--conf", "isogen.yaml", "site.yaml"],
        &[
            "bootstrap",
            "isogen",
            "--dry-run",
            "--output",
            "json",
            "--debug",
            "--conf",
            "isogen.yaml",
            "site.yaml",
        ],
    ] {
        let output = site.command(arguments).output().unwrap();
        assert!(!output.stdout.is_empty(), "{}", stderr(&output));
        assert_silent(&output);
    }
    assert_nowhere(&site);
}

/// What is put into a text to break it: all that means something in YAML.
const DAMAGE: [&str; 14] = ["", "{", "}", "[", ",", ": ", "\"", "'", "&", "*", "!", "\n", "\t", "- "];

#[test]
fn no_damage_to_the_documents_makes_a_message_quote_them() {
    let site = site("");
    let (whole, mut refused) = (yaml_documents(), 0);
    let options = airshipctl::isogen::SiteOptions {
        configuration: Some(site.path("isogen.yaml")),
        documents: Some(airshipctl::site::document::Source::Path(site.path("damaged.yaml"))),
        airship: Default::default(),
        network: None,
        strictness: Strictness::Lenient,
        inputs_after: InputsAfter::Remove,
    };
    let is_character = |at: &usize| whole.is_char_boundary(*at) && whole.is_char_boundary(at + 1);
    for (number, at) in (0..whole.len()).step_by(3).filter(is_character).enumerate() {
        let damage = DAMAGE[number % DAMAGE.len()];
        let text = format!("{}{damage}{}", &whole[..at], &whole[at + 1..]);
        fs::write(site.path("damaged.yaml"), &text).unwrap();
        let found = validate(&options);
        refused += usize::from(found.code != 0);
        let told = serde_json::to_string(&found).unwrap();
        for part in ["oo7Que", "W0aek1theiZ2", "Thoh5eet", "MIIEvQ", "eni7aep", "Xoo4aik", "Yah0ohw"] {
            assert!(!told.contains(part), "{part} of\n{text}\nis in\n{told}");
        }
    }
    assert!(refused > 100, "{refused}");
}

/// The documents as people write them.
fn yaml_documents() -> String {
    let documents = documents();
    let documents: Vec<serde_json::Value> =
        documents.split("\n---\n").map(|text| serde_json::from_str(text).unwrap()).collect();
    let block = |text: &str| text.replace('\n', "\n    ");
    let user_data = block(documents[0]["stringData"]["userData"].as_str().unwrap());
    let network = documents[2]["data"]["networkData"].as_str().unwrap();
    let network = block(&String::from_utf8(STANDARD.decode(network).unwrap()).unwrap());
    format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: user-data, labels: {{airshipit.org/ephemeral-user-data: 'true'}}}}
stringData:
  userData: |
    {user_data}
---
{}
---
apiVersion: v1
kind: Secret
metadata: {{name: network}}
stringData:
  networkData: |
    {network}
---
apiVersion: v1
kind: Secret
metadata: {{name: bmc}}
stringData: {{password: {OTHER}}}
",
        documents[1]
    )
}
