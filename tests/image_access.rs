//! Registries that do not serve everybody: credentials, certificates, mirrors, proxies.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use airshipctl::error::{Error, ErrorKind};
use airshipctl::image::registry::{Access, Options, Places};
use airshipctl::image::{Image, Platform, PullPolicy, Reference, Store, Wanted, acquire};
use airshipctl::interrupt::Interrupt;
use common::faulty::{Fault, FaultyRegistry};
use common::guard::{Authority, Login, Tls};
use common::image::{Built, Entry, TestImage};
use common::proxy::Proxy;

const IMPATIENT: Options = Options {
    connect_timeout: Duration::from_secs(2),
    idle_timeout: Duration::from_secs(2),
    attempts: 2,
    backoff: Duration::from_millis(10),
    ..Options::DEFAULT
};

/// A directory with a cache and whatever files access takes.
struct Desk {
    dir: tempfile::TempDir,
    store: Store,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("cache")).unwrap();
        Self { dir, store }
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn pull(&self, reference: &str, access: &Access) -> Result<Image, Error> {
        let reference = &Reference::parse(reference).unwrap();
        let wanted = Wanted {
            reference,
            platform: &Platform::host(),
            policy: PullPolicy::Missing,
            have_rootfs: &|_| false,
            transfer: IMPATIENT,
            access,
        };
        let outcome = acquire(&self.store, wanted, &Interrupt::manual().unwrap());
        if let Err(error) = &outcome {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("s3cret") && !shown.contains("czNj"), "a secret is told: {shown}");
            assert_eq!(self.store.list().unwrap(), []);
        }
        outcome
    }

    fn refuses(&self, reference: &str, access: &Access, kind: ErrorKind, words: &[&str]) {
        let error = self.pull(reference, access).expect_err("the image was had");
        let text = format!("{error}\nhint: {}", error.hint_text().unwrap_or_default());
        assert_eq!(error.kind(), kind, "{text}");
        words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is not in: {text}"));
    }
}

fn image() -> Built {
    TestImage::new().layer(&[Entry::file("a", "a")]).layer(&[Entry::file("b", "b")]).build()
}

fn with_authfile(path: &Path) -> Access {
    Access { authfile: Some(path.to_owned()), ..Access::default() }
}

fn with_places(files: &[&Path]) -> Access {
    let auth_files = files.iter().map(|path| path.to_path_buf()).collect();
    Access { places: Places { auth_files, ..Places::default() }, ..Access::default() }
}

/// An authfile with one entry.
fn auths(key: &str, entry: &str) -> String {
    format!(r#"{{"auths":{{"{key}":{entry}}}}}"#)
}

/// `ann:s3cret` as the tools write it.
const ANN: &str = r#"{"auth":"YW5uOnMzY3JldA=="}"#;

#[test]
fn a_password_opens_a_registry_that_asks_for_one() {
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = registry.add("1", &image());
    registry.require(Login::Basic("ann:s3cret"));
    desk.refuses(&reference, &Access::default(), ErrorKind::Image, &["401", "log in", "--authfile"]);
    let wrong = desk.write("wrong.json", auths(&registry.host(), r#"{"auth":"YW5uOnMzY3JldHM="}"#));
    desk.refuses(&reference, &with_authfile(&wrong), ErrorKind::Image, &["401", "wrong.json"]);
    let right = desk.write("auth.json", auths(&registry.host(), ANN));
    desk.pull(&reference, &with_authfile(&right)).unwrap();
}

#[test]
fn a_password_buys_a_token_and_goes_nowhere_else() {
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = registry.add("1", &image());
    registry.require(Login::Token(Some("ann:s3cret")));
    desk.refuses(&reference, &Access::default(), ErrorKind::Image, &["authenticating", "who are you?"]);
    // the scope of a key is the repository
    let scoped = format!(
        r#"{{"auths":{{"{0}":{{"auth":"eDp5"}},"{0}/team":{ANN},"{0}/other":{{"auth":"eDp5"}}}}}}"#,
        registry.host()
    );
    desk.pull(&reference, &with_authfile(&desk.write("auth.json", scoped))).unwrap();
    let requests = registry.requests();
    let basic = |target: &str| {
        let mut found = requests.iter().filter(|request| request.target.starts_with(target));
        found.any(|it| it.headers.get("authorization").is_some_and(|it| it.starts_with("Basic")))
    };
    assert!(basic("/token") && !basic("/v2/"));
}

#[test]
fn an_identity_token_is_exchanged() {
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = registry.add("1", &image());
    registry.require(Login::Identity("s3cret-identity"));
    let entry = r#"{"auth":"PHRva2VuPjo=","identitytoken":"s3cret-identity"}"#;
    let file = desk.write("auth.json", auths(&registry.host(), entry));
    desk.pull(&reference, &with_authfile(&file)).unwrap();
    registry.require(Login::Basic("ann:s3cret"));
    Desk::new().refuses(&reference, &with_authfile(&file), ErrorKind::Image, &["only an identity token"]);
}

#[test]
fn a_token_that_runs_out_in_the_middle_is_renewed() {
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let image = image();
    let reference = registry.add("1", &image);
    registry.require(Login::Token(None));
    // the layers come after it
    let config = &image.config.digest;
    registry.fault(config, 1, Fault::Pause(10, Duration::from_millis(500)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while registry.count(config) == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
            registry.revoke_tokens();
        });
        desk.pull(&reference, &Access::default()).unwrap();
    });
    assert_eq!(registry.requests().iter().filter(|it| it.target.starts_with("/token")).count(), 2);
}

#[test]
fn the_first_file_that_knows_the_registry_is_followed() {
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = registry.add("1", &image());
    registry.require(Login::Basic("ann:s3cret"));
    let missing = desk.dir.path().join("nothing/auth.json");
    let other = desk.write("other.json", auths("registry.example", r#"{"auth":"eDp5"}"#));
    let right = desk.write("right.json", auths(&registry.host(), ANN));
    let wrong = desk.write("wrong.json", auths(&registry.host(), r#"{"auth":"eDp5"}"#));
    desk.refuses(&reference, &with_places(&[&wrong, &right]), ErrorKind::Image, &["401", "wrong.json"]);
    desk.pull(&reference, &with_places(&[&missing, &other, &right, &wrong])).unwrap();
}

#[test]
fn a_file_with_credentials_that_is_no_good_is_named() {
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = registry.add("1", &image());
    let bad = desk.write("bad.json", "{\"auths\": {\"s3cret\"}}");
    for access in [with_authfile(&bad), with_places(&[&bad])] {
        desk.refuses(&reference, &access, ErrorKind::Usage, &["bad.json", "line 1 column"]);
    }
    let missing = with_authfile(&desk.dir.path().join("nothing.json"));
    desk.refuses(&reference, &missing, ErrorKind::Usage, &["nothing.json", "--authfile"]);
    desk.refuses(&reference, &with_authfile(desk.dir.path()), ErrorKind::Usage, &["directory"]);
    let huge = desk.write("huge.json", vec![b' '; (4 << 20) + 1]);
    desk.refuses(&reference, &with_authfile(&huge), ErrorKind::Usage, &["huge.json", "4 MiB"]);
    assert_eq!(registry.requests().len(), 0, "something was sent");
}

/// Reruns the test in a process with these variables, since tests share their environment.
/// False in the first process, where all is done then.
fn in_process_with(test: &str, variables: &[(&str, String)]) -> bool {
    const MARK: &str = "AIRSHIPCTL_TEST_WITH";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).env(MARK, "1");
    command.envs(variables.iter().map(|(name, value)| (*name, value)));
    assert!(command.status().unwrap().success());
    false
}

#[test]
fn helpers_are_asked_and_quoted() {
    let scripts = Desk::new();
    for (name, script) in [
        (
            "good",
            "read host; case $1:$host in get:127.0.0.1:*) echo '{\"Username\":\"ann\",\"Secret\":\"s3cret\"}';; *) exit 1;; esac",
        ),
        ("token", "echo '{\"Username\":\"<token>\",\"Secret\":\"s3cret-identity\"}'"),
        ("none", "cat >/dev/null; echo 'credentials not found in native keychain'; exit 1"),
        ("broken", "echo the key ring is locked; echo not this >&2; exit 1"),
        ("odd", "echo s3cret"),
    ] {
        let path = scripts.write(&format!("docker-credential-{name}"), format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", scripts.dir.path().display(), std::env::var("PATH").unwrap());
    if !in_process_with("helpers_are_asked_and_quoted", &[("PATH", path)]) {
        return;
    }
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = registry.add("1", &image());
    registry.require(Login::Basic("ann:s3cret"));
    let host = registry.host();
    let named = |name: &str| {
        let text = format!(r#"{{"credHelpers":{{"{host}":"{name}"}},"auths":{{"{host}":{{}}}}}}"#);
        with_authfile(&desk.write(&format!("{name}.json"), text))
    };
    let broken = ["asking docker-credential-broken", "the key ring is locked", "broken.json"];
    desk.refuses(&reference, &named("broken"), ErrorKind::Usage, &broken);
    desk.refuses(&reference, &named("odd"), ErrorKind::Usage, &["docker-credential-odd", "Username"]);
    desk.refuses(&reference, &named("missing"), ErrorKind::Usage, &["docker-credential-missing", "install"]);
    desk.refuses(&reference, &named("none"), ErrorKind::Image, &["401"]);
    desk.pull(&reference, &named("good")).unwrap();
    // a store for all registries that does not work is no reason not to try
    for store in ["good", "none", "broken", "missing"] {
        let auths = auths(&host, ANN);
        let text = auths.replacen('{', &format!(r#"{{"credsStore":"{store}","#), 1);
        let file = desk.write("store.json", text);
        Desk::new().pull(&reference, &with_authfile(&file)).unwrap();
    }
    registry.require(Login::Identity("s3cret-identity"));
    Desk::new().pull(&reference, &named("token")).unwrap();
}

#[test]
fn a_redirect_to_another_host_carries_no_credentials() {
    for login in [Login::Basic("ann:s3cret"), Login::Token(Some("ann:s3cret"))] {
        let (registry, elsewhere, desk) = (FaultyRegistry::start(), FaultyRegistry::start(), Desk::new());
        let image = image();
        let reference = registry.add("1", &image);
        elsewhere.add("1", &image);
        registry.require(login);
        for digest in [&image.manifest.digest, &image.config.digest, &image.layers[0].digest] {
            registry.fault(digest, 99, Fault::Status(307, ""));
            let kind = if digest == &image.manifest.digest { "manifests" } else { "blobs" };
            let target = format!("http://{}/v2/team/builder/{kind}/{digest}", elsewhere.host());
            registry.fault(digest, 99, Fault::Header("Location", target));
        }
        let name = reference.strip_suffix(":1").unwrap();
        let by_digest = format!("{name}@{}", image.manifest.digest);
        let file = desk.write("auth.json", auths(&registry.host(), ANN));
        desk.pull(&by_digest, &with_authfile(&file)).unwrap();
        assert_eq!(elsewhere.requests().len(), 3);
        for request in elsewhere.requests() {
            assert_eq!(request.headers.get("authorization"), None, "{}", request.target);
        }
    }
}

fn with_ca(paths: &[&Path]) -> Access {
    Access { ca_files: paths.iter().map(|path| path.to_path_buf()).collect(), ..Access::default() }
}

#[test]
fn an_authority_of_ones_own_is_trusted_when_it_is_named() {
    let (lab, other, desk) = (Authority::new("Lab CA"), Authority::new("Other CA"), Desk::new());
    let registry = FaultyRegistry::with_tls(Tls::new(&lab, None));
    let reference = registry.add("1", &image());
    registry.require(Login::Token(Some("ann:s3cret")));
    let auth = desk.write("auth.json", auths(&registry.host(), ANN));
    // on this host plain HTTP is what is tried unless something says TLS
    let wrong = Access { authfile: Some(auth.clone()), ..with_ca(&[&desk.write("other.pem", other.pem())]) };
    let words = ["UnknownIssuer", "issued by CN=Lab CA", "--ca-file", "certs.d", &registry.host()];
    desk.refuses(&reference, &wrong, ErrorKind::Image, &words);
    assert!(
        registry.requests().iter().all(|it| it.target == "/v2/" && !it.headers.contains_key("authorization"))
    );
    let both = desk.write("both.pem", format!("{}\nLab:\n{}", other.pem(), lab.pem()));
    // the token's address has the wrong scheme, as it would for a registry behind a careless proxy
    let right = Access { authfile: Some(auth), ..with_ca(&[&both]) };
    desk.refuses(&reference, &right, ErrorKind::Image, &["getting a token", "from https to http"]);
    registry.require(Login::Basic("ann:s3cret"));
    desk.pull(&reference, &right).unwrap();
}

#[test]
fn authorities_do_without_those_of_the_host() {
    let nowhere = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| (name, "/nonexistent".to_owned()));
    if !in_process_with("authorities_do_without_those_of_the_host", &nowhere) {
        return;
    }
    let (lab, desk) = (Authority::new("Lab CA"), Desk::new());
    let registry = FaultyRegistry::with_tls(Tls::new(&lab, None));
    let reference = registry.add("1", &image());
    desk.pull(&reference, &with_ca(&[&desk.write("lab.pem", lab.pem())])).unwrap();
    // plain HTTP with a login, which a registry on this host may want too
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = registry.add("1", &image());
    registry.require(Login::Token(Some("ann:s3cret")));
    let auth = desk.write("auth.json", auths(&registry.host(), ANN));
    desk.pull(&reference, &with_authfile(&auth)).unwrap();
}

#[test]
fn a_file_that_is_no_certificate_is_named() {
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = registry.add("1", &image());
    let good = Authority::new("Lab CA").pem();
    let body = good.lines().nth(1).unwrap();
    for (text, word) in [
        ("", "there is no certificate in it"),
        ("junk", "there is no certificate in it"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1"),
        ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "certificate 1"),
        (&format!("{good}{}", good.replace(body, "")), "certificate 2"),
        (&good[..good.len() - 30], "certificate 1"),
    ] {
        let file = desk.write("bad.pem", text);
        desk.refuses(&reference, &with_ca(&[&file]), ErrorKind::Usage, &["bad.pem", word, "PEM"]);
    }
    desk.refuses(
        &reference,
        &with_ca(&[Path::new("/nonexistent.pem")]),
        ErrorKind::Usage,
        &["/nonexistent.pem"],
    );
    assert_eq!(registry.requests().len(), 0, "something was sent");
}

#[test]
fn certificates_are_found_in_the_registrys_own_directory() {
    let (lab, people, desk) = (Authority::new("Lab CA"), Authority::new("People CA"), Desk::new());
    let registry = FaultyRegistry::with_tls(Tls::new(&lab, Some(&people)));
    let reference = registry.add("1", &image());
    let directory = desk.dir.path().join("certs.d");
    let dirs = vec![desk.dir.path().join("nothing"), directory];
    let access =
        Access { places: Places { certificate_dirs: dirs, ..Places::default() }, ..Access::default() };
    let put = |name: &str, text: &str| desk.write(&format!("certs.d/{}/{name}", registry.host()), text);
    put("lab.crt", &lab.pem());
    desk.refuses(&reference, &access, ErrorKind::Image, &["CertificateRequired", "client.cert"]);
    let (certificate, key) = people.issue("ann");
    put("ann.cert", &certificate);
    desk.refuses(&reference, &access, ErrorKind::Usage, &["ann.key", "No such file"]);
    put("ann.key", "s3cret");
    desk.refuses(&reference, &access, ErrorKind::Usage, &["ann.cert", "not a certificate and a private key"]);
    put("ann.key", &key);
    put("readme.txt", "not for us");
    desk.pull(&reference, &access).unwrap();
    put("lab.crt", "junk");
    Desk::new().refuses(&reference, &access, ErrorKind::Usage, &["lab.crt"]);
}

#[test]
fn an_insecure_registry_needs_neither_certificate_nor_tls() {
    let (lab, desk) = (Authority::new("Lab CA"), Desk::new());
    let registry = FaultyRegistry::with_tls(Tls::for_name("registry.example", &lab, None));
    let reference = registry.add("1", &image());
    let insecure = |host: &str| Access { insecure: vec![host.to_owned()], ..Access::default() };
    let named = with_ca(&[&desk.write("lab.pem", lab.pem())]);
    desk.refuses(&reference, &named, ErrorKind::Image, &["not valid for name", "clock"]);
    desk.pull(&reference, &insecure(&registry.host())).unwrap();
    Desk::new().refuses(
        "registry.example/x:1",
        &insecure("http://registry.example"),
        ErrorKind::Usage,
        &["host"],
    );
    let plain = FaultyRegistry::start();
    let reference = plain.add("1", &image());
    Desk::new().pull(&reference, &insecure("127.0.0.1")).unwrap();
}

#[test]
fn a_server_that_is_its_own_authority_is_trusted_when_it_is_named() {
    let (lab, desk) = (Authority::for_name("127.0.0.1"), Desk::new());
    let registry = FaultyRegistry::with_tls(Tls::of_authority(&lab));
    let reference = registry.add("1", &image());
    let other = desk.write("other.pem", Authority::for_name("127.0.0.1").pem());
    desk.refuses(&reference, &with_ca(&[&other]), ErrorKind::Image, &["certificate", "--ca-file"]);
    let named = desk.write("named.pem", lab.pem());
    desk.pull(&reference, &with_ca(&[&named])).unwrap();
    // for its name only
    let lab = Authority::for_name("registry.example");
    let registry = FaultyRegistry::with_tls(Tls::of_authority(&lab));
    let reference = registry.add("1", &image());
    let named = desk.write("named.pem", lab.pem());
    Desk::new().refuses(&reference, &with_ca(&[&named]), ErrorKind::Image, &["not valid for name"]);
}

/// Access with a registries.conf of this text.
fn with_registries(desk: &Desk, text: &str) -> Access {
    let registries_file = Some(desk.write("registries.conf", text));
    Access { places: Places { registries_file, ..Places::default() }, ..Access::default() }
}

#[test]
fn mirrors_are_tried_in_order_and_the_image_keeps_its_name() {
    let (down, lacking, mirror) = (FaultyRegistry::start(), FaultyRegistry::start(), FaultyRegistry::start());
    let (origin, desk, image) = (FaultyRegistry::start(), Desk::new(), image());
    down.fault("/v2/", 99, Fault::Status(503, "being moved"));
    mirror.add("1", &image);
    mirror.require(Login::Basic("ann:s3cret"));
    // the mirror ends in the middle, and the origin goes on
    mirror.fault(&image.layers[1].digest, 99, Fault::CutAfter(20));
    origin.add("1", &image);
    let text = format!(
        "[[registry]]\nprefix = \"registry.example/some\"\nlocation = \"{}/team\"\n{}",
        origin.host(),
        [&down, &lacking, &mirror]
            .map(|it| format!("[[registry.mirror]]\nlocation = \"{}/team\"\n", it.host()))
            .concat()
    );
    let auth = desk.write("auth.json", auths(&format!("{}/team", mirror.host()), ANN));
    let access = Access { authfile: Some(auth), ..with_registries(&desk, &text) };
    desk.pull("registry.example/some/builder:1", &access).unwrap();
    assert_eq!(desk.store.list().unwrap()[0].reference, "registry.example/some/builder:1");
    assert_eq!((lacking.count("/manifests/1"), origin.count("/manifests/1")), (1, 0));
    assert_eq!((mirror.count(&image.layers[0].digest), origin.count(&image.layers[0].digest)), (1, 0));
    assert_eq!(origin.count(&image.layers[1].digest), 1);
    let range = |it: &common::http::Request| it.headers.get("range").cloned();
    let ranges: Vec<_> = origin.requests().iter().filter_map(range).collect();
    // one attempt with each is a round
    assert_eq!(ranges, ["bytes=20-"], "what the mirror had sent was asked for again");
    for other in [&origin, &lacking] {
        assert!(other.requests().iter().all(|it| !it.headers.contains_key("authorization")));
    }
}

#[test]
fn where_every_mirror_fails_the_location_has_the_last_word() {
    let (mirror, origin, desk) = (FaultyRegistry::start(), FaultyRegistry::start(), Desk::new());
    let text = format!(
        "[[registry]]\nprefix = \"registry.example\"\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
        origin.host(),
        mirror.host()
    );
    origin.fault("/manifests/1", 99, Fault::Status(403, "not for you"));
    let access = with_registries(&desk, &text);
    let words = ["pulling registry.example/x:1", &origin.host(), "not for you"];
    desk.refuses("registry.example/x:1", &access, ErrorKind::Image, &words);
    let blocked = with_registries(&desk, "[[registry]]\nlocation = \"registry.example\"\nblocked = true\n");
    desk.refuses("registry.example/x:1", &blocked, ErrorKind::Usage, &["blocked", "registries.conf"]);
    let wrong = with_registries(&desk, "[[registry]]\nlocation = 7\n");
    desk.refuses("registry.example/x:1", &wrong, ErrorKind::Usage, &["registries.conf", "line 2"]);
    let missing = Places { registries_file: Some("/nonexistent.conf".into()), ..Places::default() };
    let missing = Access { places: missing, ..Access::default() };
    desk.refuses("registry.example/x:1", &missing, ErrorKind::Usage, &["/nonexistent.conf"]);
}

/// Pulls in a process of its own, since proxies and certificates are taken from the environment:
/// `reference` with what is configured in `desk`, a home directory. Call it first in a test, which
/// is what that process runs; `None` there.
struct Elsewhere {
    test: &'static str,
    variables: Vec<(&'static str, String)>,
}

impl Elsewhere {
    const REFERENCE: &str = "AIRSHIPCTL_TEST_PULL";

    fn new(test: &'static str) -> Option<Self> {
        let Ok(reference) = std::env::var(Self::REFERENCE) else {
            return Some(Self { test, variables: Vec::new() });
        };
        let access = Access { places: Places::of_environment(), ..Access::default() };
        if let Err(error) = Desk::new().pull(&reference, &access) {
            panic!("{error}");
        }
        None
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Whether it was had, and what was said.
    fn pull(&self, reference: &str, home: &Desk) -> (bool, String) {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", self.test, "--nocapture"]).env(Self::REFERENCE, reference);
        let home = home.dir.path();
        command.env("HOME", home).env("XDG_RUNTIME_DIR", home).env_remove("XDG_CONFIG_HOME");
        for name in ["DOCKER_CONFIG", "CONTAINERS_REGISTRIES_CONF", "REGISTRY_AUTH_FILE", "NO_PROXY"] {
            command.env_remove(name);
        }
        let output =
            command.envs(self.variables.iter().map(|(name, value)| (*name, value))).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn proxies_of_the_environment_are_used_where_they_should() {
    const TEST: &str = "proxies_of_the_environment_are_used_where_they_should";
    if Elsewhere::new(TEST).is_none() {
        return;
    }
    let (lab, desk) = (Authority::new("Lab CA"), Desk::new());
    let registry = FaultyRegistry::with_tls(Tls::for_name("registry.example", &lab, None));
    registry.add("1", &image());
    let proxy = Proxy::to(registry.address());
    // the host's certificates, so that nothing is out of the ordinary but the proxy
    let roots = desk.write("roots.pem", lab.pem()).to_str().unwrap().to_owned();
    let elsewhere = || {
        let new = Elsewhere::new(TEST).unwrap().with("SSL_CERT_FILE", roots.clone());
        new.with("SSL_CERT_DIR", "/nonexistent").with("HTTPS_PROXY", proxy.url())
    };
    let (had, said) = elsewhere().pull("registry.example/team/builder:1", &desk);
    assert!(had, "{said}");
    assert!(proxy.requests().iter().all(|line| line == "CONNECT registry.example:443 HTTP/1.1"));
    let used = proxy.requests().len();
    assert!(used >= 1);
    for spared in ["registry.example", ".example", "x,registry.example:443", "*.example", "*"] {
        let (had, said) = elsewhere().with("NO_PROXY", spared).pull("registry.example/team/builder:1", &desk);
        assert!(!had && said.contains("connecting"), "{spared}: {said}");
    }
    assert_eq!(proxy.requests().len(), used, "the proxy was used in spite of NO_PROXY");
    let (had, said) =
        elsewhere().with("NO_PROXY", "registry.example:80").pull("registry.example/team/builder:1", &desk);
    assert!(had, "{said}");
    // a registry on this host is never far
    let here = FaultyRegistry::start();
    let reference = here.add("1", &image());
    let before = proxy.requests().len();
    let (had, said) = elsewhere().with("HTTP_PROXY", proxy.url()).pull(&reference, &desk);
    assert!(had, "{said}");
    assert_eq!(proxy.requests().len(), before);
}

#[test]
fn what_is_configured_at_home_leads_through_a_proxy_to_a_private_mirror() {
    const TEST: &str = "what_is_configured_at_home_leads_through_a_proxy_to_a_private_mirror";
    let Some(elsewhere) = Elsewhere::new(TEST) else { return };
    let (lab, desk) = (Authority::new("Lab CA"), Desk::new());
    let mirror = FaultyRegistry::with_tls(Tls::for_name("mirror.registry.example", &lab, None));
    mirror.add("1", &image());
    mirror.require(Login::Basic("ann:s3cret"));
    let proxy = Proxy::to(mirror.address());
    let text = "[[registry]]\nlocation = \"registry.example\"\n[[registry.mirror]]\nlocation = \"mirror.registry.example:8443\"\n";
    desk.write(".config/containers/registries.conf.d/mirror.conf", text);
    desk.write(".config/containers/certs.d/mirror.registry.example:8443/ca.crt", lab.pem());
    desk.write(".docker/config.json", auths("mirror.registry.example:8443", ANN));
    let (had, said) =
        elsewhere.with("https_proxy", proxy.url()).pull("registry.example/team/builder:1", &desk);
    assert!(had, "{said}");
    assert!(proxy.requests().iter().all(|line| line.starts_with("CONNECT mirror.registry.example:8443")));
}

#[test]
fn a_challenge_at_the_image_is_heeded_where_the_front_door_says_nothing() {
    for login in [Login::Basic("ann:s3cret"), Login::Token(Some("ann:s3cret")), Login::Token(None)] {
        let (registry, desk) = (FaultyRegistry::start(), Desk::new());
        let reference = registry.add("1", &image());
        registry.require(login);
        registry.fault("/v2/", 99, Fault::Status(200, "{}"));
        let file = desk.write("auth.json", auths(&registry.host(), ANN));
        desk.pull(&reference, &with_authfile(&file)).unwrap();
        let refused = registry.requests().iter().filter(|it| it.target.ends_with("/manifests/1")).count();
        assert_eq!(refused, 3, "asked, asked how to ask, and asked again");
    }
    // who has nothing to show is told so
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = registry.add("1", &image());
    registry.require(Login::Basic("ann:s3cret"));
    registry.fault("/v2/", 99, Fault::Status(200, "{}"));
    desk.refuses(&reference, &Access::default(), ErrorKind::Image, &["401", "log in", "--authfile"]);
    // and one that refuses without saying what it wants is not asked for ever
    registry.fault("/manifests/1", 99, Fault::Status(401, "no"));
    desk.refuses(&reference, &Access::default(), ErrorKind::Image, &["401", "no"]);
}

/// Redirects the blobs of `image` from one registry to another.
fn redirect(from: &FaultyRegistry, image: &Built, to: &str) {
    for digest in image.layers.iter().chain([&image.config]).map(|blob| &blob.digest) {
        from.fault(digest, 99, Fault::Status(307, ""));
        from.fault(digest, 99, Fault::Header("Location", format!("{to}/v2/team/builder/blobs/{digest}")));
    }
}

#[test]
fn a_redirect_takes_neither_certificate_nor_trust_along() {
    let (lab, people, desk, image) =
        (Authority::new("Lab CA"), Authority::new("People CA"), Desk::new(), image());
    let registry = FaultyRegistry::with_tls(Tls::new(&lab, Some(&people)));
    let reference = registry.add("1", &image);
    let (certificate, key) = people.issue("ann");
    let own = format!("certs.d/{}", registry.host());
    desk.write(&format!("{own}/lab.crt"), lab.pem());
    desk.write(&format!("{own}/ann.cert"), &certificate);
    desk.write(&format!("{own}/ann.key"), &key);
    let certificate_dirs = vec![desk.dir.path().join("certs.d")];
    let access = Access { places: Places { certificate_dirs, ..Places::default() }, ..Access::default() };
    // signed by the same authority, for which only the first registry's directory has a word
    let elsewhere = FaultyRegistry::with_tls(Tls::new(&lab, None));
    elsewhere.add("1", &image);
    redirect(&registry, &image, &format!("https://{}", elsewhere.host()));
    let words = ["following the registry to", "issued by CN=Lab CA", &elsewhere.host(), "certs.d"];
    desk.refuses(&reference, &access, ErrorKind::Image, &words);
    assert_eq!(elsewhere.requests().len(), 0);
    // one that wants a client certificate is not shown that of the first
    let curious = FaultyRegistry::with_tls(Tls::new(&lab, Some(&people)));
    curious.add("1", &image);
    registry.heal();
    redirect(&registry, &image, &format!("https://{}", curious.host()));
    desk.write(&format!("certs.d/{}/lab.crt", curious.host()), lab.pem());
    desk.refuses(&reference, &access, ErrorKind::Image, &["CertificateRequired", &curious.host()]);
    assert_eq!(curious.requests().len(), 0);
    // what is configured for the other host is used with it, and so is what is named for all
    registry.heal();
    redirect(&registry, &image, &format!("https://{}", elsewhere.host()));
    let named = desk.write("lab.pem", lab.pem());
    let access = Access { ca_files: vec![named], ..access };
    desk.pull(&reference, &access).unwrap();
    assert_eq!(elsewhere.requests().len(), 3);
}

/// The registry wants a token of `realm`.
fn send_for_tokens(registry: &FaultyRegistry, realm: &str) {
    registry.fault("/v2/", 99, Fault::Status(401, ""));
    let challenge = format!("Bearer realm=\"{realm}\",service=\"test\"");
    registry.fault("/v2/", 99, Fault::Header("WWW-Authenticate", challenge));
}

#[test]
fn the_realm_gets_the_password_and_neither_certificate_nor_trust_of_the_registry() {
    let (lab, people, desk, image) =
        (Authority::new("Lab CA"), Authority::new("People CA"), Desk::new(), image());
    let registry = FaultyRegistry::with_tls(Tls::new(&lab, Some(&people)));
    let reference = registry.add("1", &image);
    let (certificate, key) = people.issue("ann");
    let own = format!("certs.d/{}", registry.host());
    desk.write(&format!("{own}/lab.crt"), lab.pem());
    desk.write(&format!("{own}/ann.cert"), &certificate);
    desk.write(&format!("{own}/ann.key"), &key);
    let certificate_dirs = vec![desk.dir.path().join("certs.d")];
    let authfile = Some(desk.write("auth.json", auths(&registry.host(), ANN)));
    let places = Places { certificate_dirs, ..Places::default() };
    let access = Access { places, authfile, ..Access::default() };
    let realm = FaultyRegistry::with_tls(Tls::new(&lab, None));
    realm.require(Login::Token(Some("ann:s3cret")));
    send_for_tokens(&registry, &format!("https://{}/token", realm.host()));
    let words = ["getting a token", "issued by CN=Lab CA", &realm.host(), "certs.d"];
    desk.refuses(&reference, &access, ErrorKind::Image, &words);
    assert_eq!(realm.requests().len(), 0);
    // one that wants a client certificate is not shown the registry's
    let curious = FaultyRegistry::with_tls(Tls::new(&lab, Some(&people)));
    curious.require(Login::Token(Some("ann:s3cret")));
    registry.heal();
    send_for_tokens(&registry, &format!("https://{}/token", curious.host()));
    desk.write(&format!("certs.d/{}/lab.crt", curious.host()), lab.pem());
    desk.refuses(&reference, &access, ErrorKind::Image, &["CertificateRequired", &curious.host()]);
    assert_eq!(curious.requests().len(), 0);
    // what is configured for the realm is used with it, and the password goes there
    registry.heal();
    send_for_tokens(&registry, &format!("https://{}/token", realm.host()));
    desk.write(&format!("certs.d/{}/lab.crt", realm.host()), lab.pem());
    desk.pull(&reference, &access).unwrap();
    let sent = realm.requests();
    assert!(sent.iter().all(|it| it.headers["authorization"].starts_with("Basic ")), "{sent:?}");
    let of_registry = registry.requests();
    assert!(
        of_registry
            .iter()
            .all(|it| { it.headers.get("authorization").is_none_or(|value| value.starts_with("Bearer ")) })
    );
}

#[test]
fn a_realm_without_tls_gets_no_password_of_a_registry_with_it() {
    let (lab, desk) = (Authority::new("Lab CA"), Desk::new());
    let (registry, realm) = (FaultyRegistry::with_tls(Tls::new(&lab, None)), FaultyRegistry::start());
    let reference = registry.add("1", &image());
    realm.require(Login::Token(Some("ann:s3cret")));
    let authfile = Some(desk.write("auth.json", auths(&registry.host(), ANN)));
    let access = Access { authfile, ..with_ca(&[&desk.write("lab.pem", lab.pem())]) };
    for (address, word) in [
        (format!("http://{}/token", realm.host()), "from https to http"),
        ("file:///etc/passwd".to_owned(), "neither to http nor to https"),
        ("/token".to_owned(), "no address"),
    ] {
        registry.heal();
        send_for_tokens(&registry, &address);
        desk.refuses(&reference, &access, ErrorKind::Image, &["getting a token", word]);
    }
    assert_eq!(realm.requests().len(), 0);
    // a registry on this host may have its tokens of another port of it
    let (plain, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = plain.add("1", &image());
    send_for_tokens(&plain, &format!("http://{}/token", realm.host()));
    let auth = desk.write("auth.json", auths(&plain.host(), ANN));
    desk.pull(&reference, &with_authfile(&auth)).unwrap();
}

#[test]
fn a_challenge_of_a_host_to_which_the_registry_redirects_is_not_heeded() {
    // another name of this host
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = registry.add("1", &image());
    let thief = FaultyRegistry::start();
    send_for_tokens(&thief, &format!("http://{}/token", thief.host()));
    registry.fault("/v2/", 99, Fault::Status(307, ""));
    let elsewhere = format!("http://localhost:{}/v2/", thief.address().port());
    registry.fault("/v2/", 99, Fault::Header("Location", elsewhere));
    let auth = desk.write("auth.json", auths(&registry.host(), ANN));
    desk.pull(&reference, &with_authfile(&auth)).unwrap();
    let sent = thief.requests();
    assert!(sent.iter().all(|it| it.target == "/v2/" && !it.headers.contains_key("authorization")));
    assert!(!sent.is_empty());
}

#[test]
fn redirects_that_lead_nowhere_are_refused() {
    let (registry, lab, image) = (FaultyRegistry::start(), Authority::new("Lab CA"), image());
    let reference = registry.add("1", &image);
    for (target, word) in [
        (format!("http://{}/v2/team/builder/manifests/1", registry.host()), "10 redirects"),
        ("file:///etc/passwd".to_owned(), "neither to http nor to https"),
        ("http://".to_owned(), "no address"),
    ] {
        registry.heal();
        registry.fault("/manifests/1", 99, Fault::Status(302, ""));
        registry.fault("/manifests/1", 99, Fault::Header("Location", target));
        Desk::new().refuses(&reference, &Access::default(), ErrorKind::Image, &[word]);
    }
    let (secure, desk) = (FaultyRegistry::with_tls(Tls::new(&lab, None)), Desk::new());
    let reference = secure.add("1", &image);
    registry.heal();
    registry.add("1", &image);
    redirect(&secure, &image, &format!("http://{}", registry.host()));
    let access = with_ca(&[&desk.write("lab.pem", lab.pem())]);
    desk.refuses(&reference, &access, ErrorKind::Image, &["from https to http"]);
}

#[test]
fn answers_that_never_end_are_cut_off() {
    let big = vec![b'x'; 8 << 20];
    for login in [None, Some(Login::Token(None))] {
        let (registry, desk, image) = (FaultyRegistry::start(), Desk::new(), image());
        let reference = registry.add("1", &image);
        let suffix = match login {
            None => image.layers[0].digest.clone(),
            Some(login) => {
                registry.require(login);
                "/token".to_owned()
            }
        };
        registry.fault(&suffix, 99, Fault::Status(if suffix == "/token" { 200 } else { 404 }, ""));
        registry.fault(&suffix, 99, Fault::Body(big.clone()));
        let word = if suffix == "/token" { "longer than the 1048576 bytes" } else { "404 Not Found" };
        desk.refuses(&reference, &Access::default(), ErrorKind::Image, &[word]);
    }
}

/// The program with a home directory of its own.
fn program(desk: &Desk, arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_airshipctl"));
    command.args(arguments).env_clear().env("HOME", desk.dir.path());
    command
        .env("XDG_RUNTIME_DIR", desk.dir.path())
        .env("AIRSHIP_ROOTFS_CACHE", desk.dir.path().join("cache"));
    command
}

#[test]
fn files_that_are_named_must_be_good_though_nothing_is_asked() {
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = registry.add("1", &image());
    let pull = ["image", "pull", "--pull", "missing", &reference];
    assert!(program(&desk, &pull).output().unwrap().status.success());
    let bad = desk.write("bad.json", "{").to_str().unwrap().to_owned();
    for (option, value, word) in [
        ("--authfile", "/nonexistent/auth.json", "/nonexistent/auth.json"),
        ("--authfile", &bad, "bad.json"),
        ("--ca-file", &bad, "bad.json"),
        ("--insecure-registry", "https://registry.example", "--insecure-registry"),
    ] {
        for arguments in
            [&pull[..], &["bootstrap", "isogen", "--dry-run", "--conf", "none.yaml", "none.yaml"]]
        {
            let output = program(&desk, arguments).args([option, value]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
        assert!(program(&desk, &pull).output().unwrap().status.success());
    }
    let named = program(&desk, &pull).env("REGISTRY_AUTH_FILE", &bad).output().unwrap();
    assert_eq!(named.status.code(), Some(2));
}

#[test]
fn a_signal_ends_the_program_and_the_helper_that_it_waits_for() {
    let (registry, desk) = (FaultyRegistry::start(), Desk::new());
    let reference = registry.add("1", &image());
    let pids = desk.dir.path().join("pids");
    // a child of the helper's, too
    let script =
        format!("#!/bin/sh\nsleep 300 &\necho $$ $! > {0}.new\nmv {0}.new {0}\nwait\n", pids.display());
    let helper = desk.write("bin/docker-credential-slow", script);
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    desk.write(".docker/config.json", format!(r#"{{"credHelpers":{{"{}":"slow"}}}}"#, registry.host()));
    for (signal, code) in [(nix::sys::signal::SIGTERM, 143), (nix::sys::signal::SIGINT, 130)] {
        let _ = fs::remove_file(&pids);
        let path = format!("{}:/usr/bin:/bin", desk.dir.path().join("bin").display());
        let mut command = program(&desk, &["image", "pull", &reference]);
        let mut child = command.env("PATH", path).stderr(std::process::Stdio::piped()).spawn().unwrap();
        while !pids.exists() {
            assert!(child.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(20));
        }
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        let listed = fs::read_to_string(&pids).unwrap();
        let mut pids = listed.split_whitespace().map(|pid| pid.parse::<u32>().unwrap());
        assert!(!is_alive(pids.next().unwrap()), "the helper lives on");
        // with a terminal the helper shares it with us, and its children are its own affair
        let alone = fs::File::open("/dev/tty").is_err();
        let orphan = pids.next().unwrap();
        assert!(!alone || !is_alive(orphan), "what the helper started lives on");
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(orphan.cast_signed()),
            nix::sys::signal::SIGKILL,
        );
    }
}

/// Whether there is such a process that does not end; one that was killed takes a moment.
fn is_alive(pid: u32) -> bool {
    let ended = || {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    let tries = std::iter::repeat_with(ended).take(200);
    !tries.inspect(|_| std::thread::sleep(Duration::from_millis(5))).any(|ended| ended)
}
