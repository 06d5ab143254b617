//! What can be wrong with a run: each gets its exit code and a message that names the place, and
//! leaves the volume as it was.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use common::faulty::{Fault, FaultyRegistry};
use common::image::{Entry, TestImage, noise};
use common::site::{BUILD, Site, builder, documents, iso, program, stderr};
use serde_json::json;

const CONF: &str = "isogen.yaml";

// ---- exit 2: command line, configuration, volume

#[test]
fn the_command_line_is_checked() {
    let site = Site::new();
    for (arguments, says) in [
        (&["bootstrap", "isogen", "site.yaml"][..], "--conf"),
        (&["bootstrap", "isogen", "-c", CONF], "a directory or file with the site's documents"),
        (&["bootstrap", "isogen", "-c", CONF, "-", "site.yaml"], "`-` replaces DOCUMENTS"),
        (&["bootstrap", "isogen", "-c", CONF, "site.yaml", "--pull", "often"], "often"),
        (&["bootstrap", "isogen", "-c", CONF, "site.yaml", "--network", "bridge"], "bridge"),
        (&["bootstrap", "isogen", "-c", CONF, "site.yaml", "--timeout", "5"], "5"),
        (&["bootstrap", "isogen", "-c", CONF, "site.yaml", "--container-runtime", "podman"], "podman"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let output = site.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_wrong_configuration_is_named_with_file_line_and_column() {
    let site = Site::new();
    let good = fs::read_to_string(site.path(CONF)).unwrap();
    let bomb = (0..9).fold("a0: &a0 [x]\n".to_owned(), |text, n| {
        let many = vec![format!("*a{n}"); 10].join(",");
        format!("{text}a{}: &a{} [{many}]\n", n + 1, n + 1)
    });
    for (text, says) in [
        (String::new(), &["isogen.yaml"][..]),
        ("container: [".into(), &["isogen.yaml:"]),
        (good.replace("builder:", "builders:"), &["isogen.yaml:1:1", "builder"]),
        (good.replace("  userDataFileName: user-data\n", ""), &["isogen.yaml:", "userDataFileName"]),
        (good.replace("user-data", "[1]"), &["isogen.yaml:5:21"]),
        (
            good.replace("user-data", "../x").replace("network-config", "a/b"),
            &["isogen.yaml:5:21", "isogen.yaml:6:26"],
        ),
        (good.replace("user-data", "same").replace("network-config", "same"), &["same"]),
        (good.replace(":/config", ":config"), &["isogen.yaml:2:11"]),
        (good.replace(":/config", ":/config:ro"), &["ro"]),
        (good.replace(":/config", ":/config:rw:z"), &["isogen.yaml:2:11"]),
        (good.replace("volume: /", "volume: x/"), &["isogen.yaml:2:11"]),
        (good.replace("localhost/test-builder:1", "a//b"), &["a//b"]),
        (format!("{good}{bomb}"), &["isogen.yaml"]),
    ] {
        fs::write(site.path(CONF), text).unwrap();
        site.fail(&[], 2, says);
    }
    fs::remove_file(site.path(CONF)).unwrap();
    site.fail(&[], 2, &["isogen.yaml", "No such file"]);
}

#[test]
fn a_volume_that_cannot_be_used_is_refused_before_anything_else() {
    let site = Site::new();
    let text = fs::read_to_string(site.path(CONF)).unwrap();
    fs::write(site.path(CONF), text.replace("/volume:", "/absent:")).unwrap();
    site.fail(&[], 2, &["/absent"]);
    fs::write(site.path("absent"), "a file").unwrap();
    site.fail(&[], 2, &["/absent"]);
    site.configure("localhost/test-builder:1", "");
    if !nix::unistd::geteuid().is_root() {
        fs::set_permissions(site.volume(), PermissionsExt::from_mode(0o500)).unwrap();
        site.fail(&[], 2, &["volume", "not writable"]);
        fs::set_permissions(site.volume(), PermissionsExt::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_volume_in_use_is_refused() {
    let site = Site::with_builder("touch /config/started; sleep 30");
    let mut first = site.start(&[]);
    let output = site.run(&[]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("busy") || stderr(&output).contains("in use"), "{}", stderr(&output));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first.id() as i32), nix::sys::signal::SIGTERM).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(143));
}

#[test]
fn a_volume_over_the_containers_own_file_systems_is_refused() {
    let site = Site::with_builder(BUILD);
    let text = fs::read_to_string(site.path(CONF)).unwrap();
    fs::write(site.path(CONF), text.replace(":/config", ":/proc/x")).unwrap();
    site.fail(&[], 2, &["/proc/x"]);
}

// ---- exit 3: documents

#[test]
fn wrong_documents_are_named_with_their_selector_and_place() {
    let site = Site::new();
    let all = documents();
    let parts: Vec<&str> = all.split("---\n").collect();
    let join = |list: &[&str]| list.join("---\n");
    let bad_base64 = parts[0].replace("stringData", "data").replace("#cloud-config", "!!!");
    for (text, says) in [
        (String::new(), &["site.yaml"][..]),
        (join(&parts[..1]), &["airshipit.org/ephemeral-node"]),
        (join(&parts[1..]), &["airshipit.org/ephemeral-user-data"]),
        (parts[2].to_owned(), &["airshipit.org/ephemeral-node", "airshipit.org/ephemeral-user-data"]),
        (join(&[&all, &parts[1].replace("node-1", "node-2")]), &["node-1", "node-2"]),
        (join(&[&all, &parts[0].replace("\"user-data\"", "\"other\"")]), &["user-data", "other"]),
        (join(&parts[..2]), &["network"]),
        (all.replace("\"userData\"", "\"other\""), &["userData"]),
        (all.replace("\"networkData\":\"version", "\"other\":\"version"), &["networkData"]),
        (join(&[&bad_base64, parts[1], parts[2]]), &["base64"]),
        (all.replace("#cloud-config", "ENC[AES256_GCM,"), &["SOPS"]),
        (all.replace("kind\":\"Secret\"", "kind\":"), &["site.yaml:"]),
    ] {
        fs::write(site.path("site.yaml"), text).unwrap();
        site.fail(&[], 3, says);
    }
    fs::remove_file(site.path("site.yaml")).unwrap();
    site.fail(&[], 3, &["site.yaml", "No such file"]);
}

#[test]
fn a_bomb_on_standard_input_is_refused() {
    let site = Site::new();
    let bomb = (0..9).fold("a0: &a0 [x]\n".to_owned(), |text, n| {
        let many = vec![format!("*a{n}"); 10].join(",");
        format!("{text}a{}: &a{} [{many}]\n", n + 1, n + 1)
    });
    for input in [bomb, "[".repeat(100_000)] {
        let output = site.run_with_input(&["-"], input.as_bytes());
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    }
}

// ---- exit 4: image

#[test]
fn an_image_that_is_not_had_is_named_with_its_registry() {
    let registry = FaultyRegistry::start();
    let image = builder(BUILD).build();
    let site = Site::new();
    site.configure(&registry.add("1", &image), "");
    site.fail(&["--pull", "never"], 4, &[&registry.host(), "--pull missing"]);
    registry.fault(
        "/manifests/1",
        9,
        Fault::Status(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"gone"}]}"#),
    );
    site.fail(&[], 4, &[&registry.host()]);
    registry.heal();
    registry.fault("/manifests/1", 99, Fault::Status(500, "broken"));
    site.fail(&[], 4, &["500"]);
    site.configure("127.0.0.1:1/none:1", "");
    site.fail(&[], 4, &["127.0.0.1:1"]);
    site.configure("localhost/isogen-builder:latest", "");
    site.fail(&[], 4, &["localhost/isogen-builder:latest", "scripts/builder"]);
}

#[test]
fn wrong_bytes_and_wrong_sizes_never_become_a_rootfs() {
    let image = builder(BUILD).build();
    for fault in [Fault::Flip(1000), Fault::Shorter(10), Fault::Longer(10)] {
        let registry = FaultyRegistry::start();
        let site = Site::new();
        site.configure(&registry.add("1", &image), "");
        registry.fault(&image.layers[0].digest, 99, fault);
        site.fail(&[], 4, &[&registry.host()]);
        registry.heal();
        site.succeed(&[]);
    }
}

#[test]
fn an_index_without_this_platform_is_refused() {
    let registry = FaultyRegistry::start();
    let site = Site::new();
    let foreign = builder(BUILD).platform("linux/s390x").build();
    site.configure(&registry.add_index("1", &[&foreign]), "");
    site.fail(&[], 4, &["s390x"]);
}

#[test]
fn a_damaged_blob_in_the_cache_is_found() {
    let site = Site::with_builder(BUILD);
    let blobs = site.path("cache/blobs/sha256");
    let largest = fs::read_dir(blobs)
        .unwrap()
        .map(|e| e.unwrap().path())
        .max_by_key(|p| fs::metadata(p).unwrap().len());
    let path = largest.unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&path, bytes).unwrap();
    site.fail(&[], 4, &[&path.file_name().unwrap().to_string_lossy()]);
}

#[test]
fn a_full_cache_is_named() {
    if !nix::unistd::geteuid().is_root() {
        return full_cache_in_a_user_namespace();
    }
    full_cache_below(&["unshare", "-m"]);
}

fn full_cache_in_a_user_namespace() {
    full_cache_below(&["unshare", "-rm"]);
}

/// The cache is a tmpfs of 1 MiB in a mount namespace of its own.
fn full_cache_below(prefix: &[&str]) {
    let registry = FaultyRegistry::start();
    let site = Site::new();
    let large = Entry::file("large", noise(3 << 20));
    site.configure(&registry.add("1", &TestImage::new().layer(&[large]).build()), "");
    let cache = site.path("cache");
    fs::create_dir(&cache).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=1m tmpfs {} && exec {} bootstrap isogen -c isogen.yaml site.yaml",
        cache.display(),
        program().display()
    );
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).args(["sh", "-c", &script]).current_dir(site.path("."));
    command
        .env("AIRSHIP_ROOTFS_CACHE", &cache)
        .env("AIRSHIP_STATE_DIR", site.path("state"))
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains(&*cache.to_string_lossy()), "{}", stderr(&output));
    assert!(site.names().is_empty());
}

// ---- exit 5: host

#[test]
fn an_old_kernel_is_refused_by_name() {
    let site = Site::with_builder(BUILD);
    let mut command = Command::new("setarch");
    command.args(["--uname-2.6"]).arg(program()).args(["bootstrap", "isogen", "-c", CONF, "site.yaml"]);
    command.current_dir(site.path(".")).env("AIRSHIP_ROOTFS_CACHE", site.path("cache"));
    let output = command.env("AIRSHIP_STATE_DIR", site.path("state")).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("older than 5.12"), "{}", stderr(&output));
}

#[test]
fn a_host_without_user_namespaces_is_refused_with_the_way_out() {
    let site = Site::with_builder(BUILD);
    // everybody may read the site there, and the user in the namespace owns it
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --ambient-caps=-all \
         --bounding-set=-all {} bootstrap isogen -c isogen.yaml site.yaml",
        program().display()
    );
    let mut command = Command::new("unshare");
    command.args(["--map-user=12345", "--keep-caps", "sh", "-c", &script]).current_dir(site.path("."));
    command.env("AIRSHIP_ROOTFS_CACHE", site.path("cache")).env("AIRSHIP_STATE_DIR", site.path("state"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("user.max_user_namespaces"), "{}", stderr(&output));
}

// ---- exit 6: builder

#[test]
fn a_builder_that_cannot_start_says_why() {
    let with = |command: serde_json::Value, entries: &[Entry]| {
        Site::with_image(&builder(BUILD).layer(entries).config(json!({ "Entrypoint": command })).build())
    };
    let mut foreign = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0".to_vec();
    foreign.resize(4096, 0);
    let lost = Entry::program("bin/lost", "#!/no/such/shell\n");
    with(json!(["/bin/nope"]), &[]).fail(&[], 6, &["/bin/nope", "is not in the image"]);
    with(json!(["nope"]), &[]).fail(&[], 6, &["nope", "PATH"]);
    with(json!(["/bin/lost"]), &[lost]).fail(&[], 6, &["/bin/lost", "/no/such/shell"]);
    with(json!(["/bin/alien"]), &[Entry::program("bin/alien", foreign)]).fail(&[], 6, &["aarch64"]);
    with(json!(["/iso"]), &[]).fail(&[], 6, &["/iso", "not executable"]);
    with(json!([]), &[]).fail(&[], 6, &["neither Entrypoint nor Cmd"]);
}

#[test]
fn an_unknown_user_is_named() {
    let image = builder(BUILD).config(json!({"Cmd": ["/bin/builder"], "User": "nobody-here"}));
    Site::with_image(&image.build()).fail(&[], 6, &["nobody-here"]);
}

#[test]
fn a_builder_that_fails_is_quoted() {
    let site = Site::with_builder("echo first words; echo last words >&2; exit 3");
    let said = site.fail(&[], 6, &["ended with exit code 3", "last words", "/state/logs/"]);
    assert!(said.contains("  | first words\n  | last words"), "{said}");
}

#[test]
fn a_builder_that_is_killed_or_too_slow_is_told_apart() {
    Site::with_builder("kill -9 $$").fail(&[], 6, &["killed by signal 9"]);
    Site::with_builder("sleep 60").fail(&["--timeout", "1s"], 6, &["longer than 1s", "--timeout"]);
}

// ---- exit 7: output

#[test]
fn output_that_is_missing_stale_or_elsewhere_is_refused() {
    let metadata = |path: &str| format!("echo 'bootImagePath: {path}' > /config/output-metadata.yaml\n");
    Site::with_builder("true").fail(&[], 7, &["output-metadata.yaml"]);
    let site = Site::with_builder(&metadata("/etc/passwd"));
    site.fail(&[], 7, &["/etc/passwd"]);
    let site = Site::with_builder(&format!("{}\ncp /iso /config/out.iso", metadata("[not, a, path]")));
    site.configure_builder("  outputFileName: out.iso\n");
    site.fail(&[], 7, &["bootImagePath"]);
    let site = Site::with_builder(&format!("{BUILD}\nrm /config/out.iso"));
    site.fail(&[], 7, &["out.iso"]);
    // an image that was there before, and that no older metadata points to
    let site = Site::with_builder(
        "host=$(sed -n 's/^ *volume: *\\([^:]*\\):.*/\\1/p' $BUILDER_CONFIG)\necho \"bootImagePath: $host/old.iso\" > /config/output-metadata.yaml\n",
    );
    fs::write(site.volume().join("old.iso"), iso()).unwrap();
    site.fail(&[], 7, &["old.iso"]);
}

#[test]
fn a_truncated_image_is_refused() {
    let site = Site::with_builder(&format!("{BUILD}\nhead -c 36000 /iso > /config/out.iso"));
    let output = site.run(&[]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    for part in ["out.iso", "36000", "out.iso.rejected"] {
        assert!(stderr(&output).contains(part), "{part} is not in: {}", stderr(&output));
    }
    assert_eq!(site.names(), ["out.iso.rejected"], "for whoever wants to know why");
    site.assert_clean();
}

#[test]
fn stale_metadata_does_not_satisfy_a_later_run() {
    let script = format!("if grep -q again $BUILDER_CONFIG; then exit 0; fi\n{BUILD}");
    let site = Site::with_builder(&script);
    site.succeed(&[]);
    let text = fs::read_to_string(site.path(CONF)).unwrap();
    fs::write(site.path(CONF), format!("{text}# again\n")).unwrap();
    site.fail(&[], 7, &["output-metadata.yaml"]);
    site.assert_outputs();
}

#[test]
fn a_link_out_of_the_volume_is_refused() {
    let site = Site::with_builder(&BUILD.replace(
        "cp /iso /config/out.iso",
        "cd /config; rm -f out.iso; /bin/busybox ln -s /etc/passwd out.iso",
    ));
    site.configure_builder("  outputFileName: out.iso\n");
    site.fail(&[], 7, &["out.iso"]);
}
