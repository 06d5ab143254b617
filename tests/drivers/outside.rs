//! The program with an engine, and what may happen between the two: both live on without the other.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::bench::containers;
use super::common::docker_registry::DockerRegistry;
use super::common::guard::Authority;
use super::common::image::{Entry, TestImage};
use super::common::site::{BUILD, INPUTS, SECRET, Site, builder, iso, program, stderr, stdout};
use super::{SOCKET, TCP};

type Test = (&'static str, fn(&DockerRegistry));

pub const TESTS: &[Test] = &[
    ("engine::a_run_leaves_what_the_built_in_driver_leaves", good_run),
    ("engine::over_tcp_both_sides_show_their_certificates", over_tcp),
    ("engine::after_a_kill_the_next_start_removes_container_and_inputs", killed),
    ("engine::debug_keeps_the_container_and_says_how_to_look_into_it", kept),
    ("engine::outputs_of_roots_engine_become_the_users", other_user),
    ("engine::an_engine_that_does_not_see_the_volume_is_told_apart", unseen),
];

/// A site whose builder this engine pulls.
fn site(registry: &DockerRegistry, tag: &str, image: &TestImage) -> Site {
    let site = Site::new();
    site.configure(&registry.push("team/engine", tag, &image.build()), "  containerRuntime: docker\n");
    site
}

/// Adds the engine to the environment.
fn with_engine(mut command: Command) -> Command {
    command.env("DOCKER_HOST", std::env::var_os("DOCKER_HOST").unwrap());
    command
}

fn succeed(command: Command) -> Output {
    let output = with_engine(command).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    output
}

fn good_run(registry: &DockerRegistry) {
    let site = site(registry, "good", &builder(BUILD));
    let output = succeed(site.isogen(&[]));
    assert_eq!(stdout(&output), format!("{}/out.iso\n", site.volume().display()));
    assert!(!stderr(&output).contains("built-in"), "{}", stderr(&output));
    site.assert_outputs();
    site.assert_clean();
    assert!(!site.path("cache").exists(), "the rootfs cache is not used");
    let by_engine = fs::read(site.volume().join("out.iso")).unwrap();
    succeed(site.isogen(&["--container-runtime", "oci"]));
    assert_eq!(fs::read(site.volume().join("out.iso")).unwrap(), by_engine, "the same image");
    assert_eq!(containers(), "");
}

fn over_tcp(registry: &DockerRegistry) {
    let site = site(registry, "tcp", &builder(BUILD));
    let over_tcp = |certificates: &Path| {
        let mut command = site.isogen(&["--container-runtime", "docker"]);
        command.env("DOCKER_HOST", std::env::var_os(TCP).unwrap()).env("DOCKER_CERT_PATH", certificates);
        command.env("DOCKER_TLS_VERIFY", "1").output().unwrap()
    };
    let certificates = PathBuf::from(std::env::var_os("DOCKER_CERT_PATH").unwrap());
    let output = over_tcp(&certificates);
    assert!(output.status.success(), "{}", stderr(&output));
    site.assert_outputs();
    // a certificate of somebody else's, and none at all
    let (others, (certificate, key)) = (site.path("others"), Authority::new("Other CA").issue("127.0.0.1"));
    fs::create_dir(&others).unwrap();
    fs::copy(certificates.join("ca.pem"), others.join("ca.pem")).unwrap();
    fs::write(others.join("cert.pem"), certificate).unwrap();
    fs::write(others.join("key.pem"), key).unwrap();
    for dir in [others, site.path("nothing")] {
        let output = over_tcp(&dir);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(said.contains("tcp://127.0.0.1:") && said.contains("hint: "), "{said}");
    }
}

fn killed(registry: &DockerRegistry) {
    let script = format!(
        "if grep -q slow $BUILDER_CONFIG; then echo half > /config/out.iso; touch /config/started; sleep 86400; fi\n{BUILD}"
    );
    let site = site(registry, "killed", &builder(&script));
    for next in ["docker", "oci", "prune"] {
        succeed(site.isogen(&[]));
        site.assert_outputs();
        let configuration = fs::read_to_string(site.path("isogen.yaml")).unwrap();
        fs::write(site.path("isogen.yaml"), format!("{configuration}# slow\n")).unwrap();
        let mut child = with_engine(site.isogen(&[])).spawn().unwrap();
        while !site.volume().join("started").exists() {
            assert!(child.try_wait().unwrap().is_none());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(containers().contains("airshipctl-"), "the engine's containers outlive us");
        let listed = stdout(&succeed(site.command(&["container", "ls"])));
        assert!(listed.contains(" dead 20") && listed.contains("/team/engine:killed "), "{listed}");
        assert!(listed.trim_end().ends_with(site.volume().to_str().unwrap()), "{listed}");
        assert!(INPUTS.iter().all(|name| site.volume().join(name).exists()));
        fs::write(site.path("isogen.yaml"), configuration).unwrap();
        fs::remove_file(site.volume().join("started")).unwrap();
        let output = match next {
            "prune" => succeed(site.command(&["container", "prune"])),
            _ => succeed(site.isogen(&["--container-runtime", next])),
        };
        assert!(stderr(&output).contains("Cleaning up after run"), "{}", stderr(&output));
        assert!(!stderr(&output).contains("warning: cleaning"), "{}", stderr(&output));
        assert_eq!(containers(), "");
        site.assert_outputs();
        site.assert_clean();
    }
}

fn kept(registry: &DockerRegistry) {
    let site = site(
        registry,
        "kept",
        &builder(&format!(
            "echo marker-out; echo marker-err >&2; cat /kept || true; echo x > /kept\n{BUILD}"
        )),
    );
    let output = succeed(site.isogen(&["--debug"]));
    let said = stderr(&output);
    assert!(said.contains("builder| marker-out") && said.contains("builder| marker-err"), "{said}");
    assert!(!said.contains(SECRET));
    site.assert_outputs();
    site.assert_clean();
    let hint =
        |what: &str| said.lines().find_map(|line| line.trim().strip_prefix(what)).expect("a hint").to_owned();
    let shell = |command: &str| Command::new("sh").args(["-c", command]).output().unwrap();
    let looked = shell(&hint("look into it: "));
    assert!(stdout(&looked).contains("marker-out\nx\n"), "{}{}", stdout(&looked), stderr(&looked));
    succeed(site.isogen(&[]));
    assert!(containers().contains("airshipctl-"), "the next run leaves it alone");
    assert!(shell(&hint("remove it: ")).status.success());
    assert_eq!(containers(), "");
}

/// Of the builder's files one user can read none, and the other has no chown in the image.
fn other_user(registry: &DockerRegistry) {
    const UID: u32 = 54321;
    let socket = std::env::var_os(SOCKET).unwrap();
    fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
    let private = builder(&format!("umask 077\n{BUILD}")).layer(&[Entry::symlink("bin/chown", "busybox")]);
    let readable = builder(&format!("umask 022\n{BUILD}"));
    for (tag, image) in [("private", private), ("readable", readable)] {
        let site = site(registry, tag, &image);
        let ours = site.path("airshipctl");
        fs::copy(program(), &ours).unwrap();
        for path in ["", "volume", "isogen.yaml", "site.yaml", "airshipctl"] {
            chown(site.path(path), Some(UID), Some(UID)).unwrap();
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &UID.to_string(), "--regid", &UID.to_string(), "--clear-groups", "env"]);
        let isogen = site.isogen(&[]);
        command.arg(&ours).args(isogen.get_args()).env_clear().current_dir(site.path(""));
        command.envs(isogen.get_envs().filter_map(|(name, value)| Some((name, value?))));
        succeed(command);
        assert_eq!(site.names(), ["out.iso", "output-metadata.yaml"]);
        for name in site.names() {
            let found = fs::metadata(site.volume().join(name)).unwrap();
            assert_eq!((found.uid(), found.permissions().mode() & 0o777), (UID, 0o600), "{tag}");
        }
        assert_eq!(fs::read(site.volume().join("out.iso")).unwrap(), iso());
        site.assert_clean();
        assert_eq!(containers(), "");
    }
    fs::set_permissions(&socket, PermissionsExt::from_mode(0o660)).unwrap();
}

/// As in a container that was given the engine's socket, or with an engine elsewhere.
fn unseen(registry: &DockerRegistry) {
    let site = site(registry, "unseen", &builder(BUILD));
    let volume = site.volume();
    for script in [
        format!("mount -t tmpfs none {} && exec \"$@\"", volume.display()),
        format!(
            "mount -t tmpfs none {0} && mkdir {0}/inner && sed -i 's,volume:/config,volume/inner:/config,' isogen.yaml && exec \"$@\"",
            volume.display()
        ),
    ] {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script, "sh"]);
        let output = with_engine(site.below(command, &[])).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(
            said.contains("does not see the volume") && said.contains("--container-runtime oci"),
            "{said}"
        );
        site.assert_clean();
        assert_eq!((containers().as_str(), site.names().len()), ("", 0));
    }
}
