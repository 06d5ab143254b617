//! The program inside other containers: one of runc's, masked as Docker's are, and one of its own.

use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::common::image::Entry;
use super::common::site::{BUILD, IMAGE, Site, builder, program, stderr};
use super::{PEEK, good, only_as_root};

const DOCKERS: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// A container of runc's default configuration with Docker's capabilities and more, in which the host's programs
/// and the site are to be seen.
fn in_runc(site: &Site, more: &[&str], arguments: &[&str]) -> Output {
    // not below the site: there the container would see its own /proc once more, without masks
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path();
    fs::create_dir_all(bundle.join("rootfs/tmp")).unwrap();
    let runc = |arguments: &[&str]| {
        let mut command = Command::new("runc");
        // installed in a directory that a clean PATH may lack
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(arguments).current_dir(bundle);
        command
    };
    assert!(runc(&["spec"]).status().expect("runc is installed by scripts/setup.sh test").success());
    let text = fs::read_to_string(bundle.join("config.json")).unwrap();
    let mut spec: Value = serde_json::from_str(&text).unwrap();
    let command = site.isogen(arguments);
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let variables = command.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
    let process = &mut spec["process"];
    process["terminal"] = json!(false);
    process["args"] = words.map(|word| json!(word.to_str().unwrap())).collect();
    process["env"] = variables.map(|(name, value)| json!(format!("{name}={value}"))).collect();
    process["cwd"] = json!(site.path(""));
    process["noNewPrivileges"] = json!(false);
    process.as_object_mut().unwrap().remove("rlimits");
    for set in ["bounding", "effective", "permitted"] {
        process["capabilities"][set] = DOCKERS.iter().chain(more).map(|name| json!(name)).collect();
    }
    let mounts = spec["mounts"].as_array_mut().unwrap();
    let program = program();
    let seen = ["/bin", "/lib", "/lib64", "/usr", "/etc"].map(std::path::PathBuf::from);
    for path in seen.iter().map(|path| path.as_path()).chain([program.parent().unwrap(), &site.path("")]) {
        mounts.push(json!({"destination": path, "type": "bind", "source": path, "options": ["rbind"]}));
    }
    fs::write(bundle.join("config.json"), spec.to_string()).unwrap();
    let id = format!(
        "ladder-{}-{}",
        std::process::id(),
        site.path("").file_name().unwrap().to_string_lossy().replace('.', "")
    );
    runc(&["run", &id]).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn in_a_container_with_masks_it_goes_without_what_is_masked() {
    if !only_as_root("in_a_container_with_masks_it_goes_without_what_is_masked", "runc as root makes it") {
        return;
    }
    let site = Site::with_builder(&format!("{PEEK}{BUILD}"));
    // Docker's rights: no namespaces but through a user namespace
    let told = good(&site, &in_runc(&site, &[], &[]));
    assert!(told.contains("with a single id") && told.contains("/proc is masked here"), "{told}");
    assert!(told.contains("trying with less") && !told.contains("leak"), "{told}");
    // and more: root as such, where cgroups are read-only
    let told = good(&site, &in_runc(&site, &["CAP_SYS_ADMIN", "CAP_NET_ADMIN"], &[]));
    assert!(
        told.contains("Containers run as root") && told.contains("limits and device rules are absent"),
        "{told}"
    );
    assert!(!told.contains("leak") && !told.contains("/proc is masked"), "{told}");
}

#[test]
fn a_builder_may_run_builders() {
    let inner = Site::with_builder(BUILD);
    let entries: Vec<_> =
        libraries().iter().map(|path| Entry::program(&path[1..], fs::read(path).unwrap())).collect();
    let command = inner.isogen(&["--rootless", "single", "--pull", "never"]);
    let words: Vec<&str> = command.get_args().map(|word| word.to_str().unwrap()).collect();
    let script = format!(
        "cp -a /config/inner/cache /tmp/cache; cp /config/inner/*.yaml /tmp; mkdir -p {volume}; cd /tmp\n\
         export AIRSHIP_ROOTFS_CACHE=/tmp/cache AIRSHIP_STATE_DIR=/tmp/state\n\
         /config/inner/airshipctl {words} >&2\ncp {volume}/out.iso /config/nested.iso; rm -rf /config/inner\n{BUILD}rm /config/nested.iso\n",
        volume = inner.volume().display(),
        words = words.join(" "),
    );
    let outer = Site::with_image(&builder(&script).layer(&entries).build());
    outer.configure(IMAGE, "  privileged: true\n");
    let copied =
        Command::new("cp").arg("-a").arg(inner.path("")).arg(outer.volume().join("inner")).status().unwrap();
    assert!(copied.success());
    fs::copy(program(), outer.volume().join("inner/airshipctl")).unwrap();
    let output = outer.run(&[]);
    let log = outer.log();
    assert!(output.status.success(), "{}\n{log}", stderr(&output));
    assert!(log.contains("ISO successfully built."), "{log}");
}

/// What the program is linked with, by ldd(1).
fn libraries() -> Vec<String> {
    let output = Command::new("ldd").arg(program()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect()
}
