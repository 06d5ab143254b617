//! A private image behind everything that stands between people and registries, with the real
//! programs: `docker-registry` with TLS and passwords, `skopeo login`, a proxy, and ours.

mod common;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::docker_registry::{DockerRegistry, LOGIN};
use common::guard::Authority;
use common::image::{Built, Entry, TestImage};
use common::proxy::Proxy;
use common::site::{Site, stderr, stdout};

/// What is pulled; no registry of this name exists but behind the proxy.
const IMAGE: &str = "origin.registry.example/team/builder:1";
/// The registry that has it, and its own authority.
const MIRROR: &str = "mirror.registry.example";
const AUTHORITY: &str = "Lab CA";

/// A user's desk, and the network it stands in.
struct Office {
    site: Site,
    image: Built,
    authority: Authority,
    proxy: Proxy,
    _registry: DockerRegistry,
    _storage: DockerRegistry,
}

impl Office {
    fn new() -> Self {
        let (site, storage, authority) = (Site::new(), DockerRegistry::start(), Authority::new(AUTHORITY));
        let image = TestImage::new().layer(&[Entry::file("a", "a")]).layer(&[Entry::file("b", "b")]).build();
        storage.push("team/builder", "1", &image);
        // the location has the name of the certificate too, so that every failure is the mirror's
        let (certificate, key) = authority.issue("*.registry.example");
        let registry = storage.guarded((&certificate, &key));
        let proxy = Proxy::to(registry.address());
        let office = Self { site, image, authority, proxy, _registry: registry, _storage: storage };
        let mirror = format!(
            "[[registry]]\nlocation = \"origin.registry.example\"\n[[registry.mirror]]\nlocation = \"{MIRROR}\"\n"
        );
        office.write("registries.conf", mirror);
        office.write("ca/ca.crt", office.authority.pem());
        office
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.site.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What people have in their environment here.
    fn equip(&self, command: &mut Command) {
        command.env("HTTPS_PROXY", self.proxy.url()).env("XDG_RUNTIME_DIR", self.site.path("run"));
        command.env("CONTAINERS_REGISTRIES_CONF", self.site.path("registries.conf"));
    }

    /// `skopeo login`, which asks the registry whether the password is right.
    fn skopeo_login(&self, authfile: &str) {
        let authfile = self.site.path(authfile);
        let mut command = Command::new("skopeo");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.site.path(""));
        self.equip(&mut command);
        command.args(["login", "--username", LOGIN.0, "--password-stdin", "--authfile"]).arg(authfile);
        command.arg("--cert-dir").arg(self.site.path("ca")).arg(MIRROR).stdin(Stdio::piped());
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("skopeo is installed by scripts/setup.sh test");
        child.stdin.take().unwrap().write_all(LOGIN.1.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }

    fn pull(&self, arguments: &[&str], variables: &[(&str, PathBuf)]) -> Output {
        let mut command = self.site.command(&["image", "pull", IMAGE]);
        self.equip(&mut command);
        let output =
            command.args(arguments).envs(variables.iter().map(|(name, value)| (*name, value))).output();
        let output = output.unwrap();
        let told = stderr(&output) + &stdout(&output);
        assert!(!told.contains(LOGIN.1) && !told.contains(&pair()), "a secret is told: {told}");
        output
    }

    fn has(&self, arguments: &[&str], variables: &[(&str, PathBuf)]) {
        let before = self.proxy.requests().len();
        let output = self.pull(arguments, variables);
        assert!(output.status.success(), "{}", stderr(&output));
        // by the name it was asked for, with the registry's own digest
        assert_eq!(stdout(&output).trim(), format!("{IMAGE}@{}", self.image.manifest.digest));
        let requests = self.proxy.requests();
        assert!(requests.len() > before, "the proxy was not used");
        let tunnel = format!("CONNECT {MIRROR}:443 HTTP/1.1");
        assert!(requests.iter().all(|line| *line == tunnel), "{requests:?}");
        let verified = self.site.command(&["image", "verify", IMAGE]).output().unwrap();
        assert!(verified.status.success(), "{}", stderr(&verified));
    }

    fn lacks(&self, arguments: &[&str], variables: &[(&str, PathBuf)], words: &[&str]) {
        let output = self.pull(arguments, variables);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(4), "{said}");
        words.iter().for_each(|word| assert!(said.contains(word), "{word:?} is not in: {said}"));
        let listed = self.site.command(&["image", "ls"]).output().unwrap();
        assert_eq!(stdout(&listed), "");
    }

    fn ca_file(&self) -> String {
        self.site.path("ca/ca.crt").to_str().unwrap().to_owned()
    }
}

fn pair() -> String {
    STANDARD.encode(format!("{}:{}", LOGIN.0, LOGIN.1))
}

/// The file that `docker login` leaves.
fn docker_config() -> String {
    format!(r#"{{"auths":{{"{MIRROR}":{{"auth":"{}"}}}},"HttpHeaders":{{"User-Agent":"Docker"}}}}"#, pair())
}

#[test]
fn who_logged_in_with_skopeo_pulls_through_proxy_and_mirror() {
    let office = Office::new();
    office.skopeo_login("auth.json");
    let auth = office.site.path("auth.json");
    assert!(std::fs::read_to_string(&auth).unwrap().contains(&pair()));
    office.has(&["--authfile", auth.to_str().unwrap(), "--ca-file", &office.ca_file()], &[]);
}

#[test]
fn what_skopeo_leaves_at_its_own_place_is_found_there() {
    let office = Office::new();
    office.skopeo_login("run/containers/auth.json");
    let place = format!(".config/containers/certs.d/{MIRROR}/lab.crt");
    office.write(&place, office.authority.pem());
    office.has(&[], &[]);
}

#[test]
fn who_logged_in_with_docker_pulls_through_proxy_and_mirror() {
    let office = Office::new();
    office.write("docker/config.json", docker_config());
    office.has(&["--ca-file", &office.ca_file()], &[("DOCKER_CONFIG", office.site.path("docker"))]);
    // without the variable, at home
    let office = Office::new();
    office.write(".docker/config.json", docker_config());
    office.has(&["--ca-file", &office.ca_file()], &[]);
}

#[test]
fn who_did_not_log_in_is_told_how_to() {
    let office = Office::new();
    let words = ["401 Unauthorized", MIRROR, "hint: ", "--authfile", "podman login"];
    office.lacks(&["--ca-file", &office.ca_file()], &[], &words);
    let wrong = office.write("wrong.json", docker_config().replace(&pair(), &STANDARD.encode("ann:other")));
    let arguments = ["--authfile", wrong.to_str().unwrap(), "--ca-file", &office.ca_file()];
    office.lacks(&arguments, &[], &["401 Unauthorized", MIRROR]);
}

#[test]
fn who_does_not_know_the_authority_is_told_its_name() {
    let office = Office::new();
    office.write("docker/config.json", docker_config());
    let docker = [("DOCKER_CONFIG", office.site.path("docker"))];
    office.lacks(&[], &docker, &[&format!("issued by CN={AUTHORITY}"), "--ca-file", "certs.d", MIRROR]);
}

#[test]
fn a_proxy_that_is_not_there_is_an_error_of_the_connection() {
    let office = Office::new();
    office.write("docker/config.json", docker_config());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let variables =
        [("DOCKER_CONFIG", office.site.path("docker")), ("HTTPS_PROXY", format!("http://{nobody}").into())];
    office.lacks(&["--ca-file", &office.ca_file()], &variables, &["connecting", MIRROR]);
    assert_eq!(office.proxy.requests().len(), 0);
}
