//! A small site with its volume, cache and state in a directory of its own, a builder image made of
//! busybox, and the program run on them.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::json;
use tempfile::TempDir;

pub use super::bootable::smallest as iso;
use super::image::{Built, Entry, Layout, TestImage};

/// Stands in the user-data; must never be seen outside of the volume.
pub const SECRET: &str = "c4n4ry-Jahqu9ie";
/// Name under which tests load their image.
pub const IMAGE: &str = "localhost/test-builder:1";
/// What the inputs are called in the volume.
pub const INPUTS: [&str; 4] = ["user-data", "network-config", "meta-data", "builder-conf.yaml"];

/// Leaves an ISO and its metadata, as a builder does.
pub const BUILD: &str = "host=$(sed -n 's/^ *volume: *\\([^:]*\\):.*/\\1/p' $BUILDER_CONFIG)
cp /iso /config/out.iso
echo \"bootImagePath: $host/out.iso\" > /config/output-metadata.yaml
";

/// The directory of one test.
pub struct Site {
    dir: TempDir,
}

/// The program under test; elsewhere than cargo put it when another user runs the test.
pub fn program() -> PathBuf {
    std::env::var_os("AIRSHIPCTL").map_or_else(|| env!("CARGO_BIN_EXE_airshipctl").into(), PathBuf::from)
}

/// An image whose builder is this shell script.
pub fn builder(script: &str) -> TestImage {
    let busybox = fs::read("/bin/busybox").expect("busybox-static is installed by scripts/setup.sh test");
    let applets = "sh cat cp chmod dd echo env false grep head hostname id ip kill ls mkdir mount ps rm sed sha256sum sleep stat touch tr true wc";
    let links = applets.split(' ').map(|name| Entry::symlink(&format!("bin/{name}"), "busybox"));
    let mut entries = vec![Entry::dir("bin"), Entry::dir("etc"), Entry::dir("tmp").mode(0o1777)];
    entries.push(Entry::program("bin/busybox", busybox));
    entries.extend(links);
    entries.push(Entry::file("etc/passwd", "root:x:0:0::/root:/bin/sh\nbuild:x:1000:1000::/:/bin/sh\n"));
    let script = Entry::program("bin/builder", format!("#!/bin/sh\nset -e\n{script}"));
    TestImage::new().layer(&entries).layer(&[script, Entry::file("iso", iso())])
}

impl Site {
    /// A site for the image [`IMAGE`].
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("volume")).unwrap();
        let site = Self { dir };
        site.configure(IMAGE, "");
        fs::write(site.path("site.yaml"), documents()).unwrap();
        site
    }

    /// A site whose image, with this builder script, is in the cache.
    pub fn with_builder(script: &str) -> Self {
        Self::with_image(&builder(script).build())
    }

    pub fn with_image(image: &Built) -> Self {
        let site = Self::new();
        site.load(image);
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn volume(&self) -> PathBuf {
        self.path("volume")
    }

    /// Writes isogen.yaml; `more` goes below `container:`.
    pub fn configure(&self, image: &str, more: &str) {
        let text = format!(
            "container:\n  volume: {}:/config\n  image: {image}\n{more}builder:\n  userDataFileName: user-data\n  \
             networkConfigFileName: network-config\n  outputMetadataFileName: output-metadata.yaml\n",
            self.volume().display()
        );
        fs::write(self.path("isogen.yaml"), text).unwrap();
    }

    /// Adds lines below `builder:`.
    pub fn configure_builder(&self, more: &str) {
        let text = fs::read_to_string(self.path("isogen.yaml")).unwrap();
        fs::write(self.path("isogen.yaml"), text + more).unwrap();
    }

    /// Puts an image into the cache under [`IMAGE`].
    pub fn load(&self, image: &Built) {
        let layout = self.path("layout");
        Layout::new().named(IMAGE, image).write(&layout);
        let output = self.command(&["image", "load"]).arg(&layout).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        fs::remove_dir_all(layout).unwrap();
    }

    /// The program with this site's cache and state and a clean environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.dir.path()).env("AIRSHIP_ROOTFS_CACHE", self.path("cache"));
        command
            .env("AIRSHIP_STATE_DIR", self.path("state"))
            .stdin(Stdio::null())
            .current_dir(self.dir.path());
        command
    }

    /// `bootstrap isogen` of this site with more arguments.
    pub fn isogen(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&["bootstrap", "isogen", "--conf", "isogen.yaml"]);
        command.args(arguments);
        if !arguments.contains(&"-") {
            command.arg("site.yaml");
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.isogen(arguments).output().unwrap()
    }

    /// A run that must succeed.
    pub fn succeed(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        output
    }

    /// A run that must end with `code` and say each of `says`; nothing half-done may be left.
    pub fn fail(&self, arguments: &[&str], code: i32, says: &[&str]) -> String {
        let before = self.listing();
        let output = self.run(arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        for text in says {
            assert!(said.contains(text), "{text:?} is not in: {said}");
        }
        assert!(output.stdout.is_empty(), "only results go to standard output");
        assert!(!said.contains(SECRET), "{said}");
        assert_eq!(self.listing(), before, "the volume is as it was");
        self.assert_clean();
        said
    }

    /// Names and hashed contents of the files in the volume.
    pub fn listing(&self) -> Vec<(String, u64)> {
        let entries = fs::read_dir(self.volume()).into_iter().flatten().map(|entry| entry.unwrap());
        let read = |path: &Path| {
            let mut hasher = std::hash::DefaultHasher::new();
            let bytes = if path.is_file() { fs::read(path).unwrap_or_default() } else { Vec::new() };
            bytes.hash(&mut hasher);
            hasher.finish()
        };
        let mut all: Vec<_> =
            entries.map(|e| (e.file_name().to_string_lossy().into_owned(), read(&e.path()))).collect();
        all.sort();
        all
    }

    pub fn names(&self) -> Vec<String> {
        self.listing().into_iter().map(|(name, _)| name).collect()
    }

    /// No record of a run, no cgroup and no half rootfs is left.
    pub fn assert_clean(&self) {
        let names = |dir: PathBuf| -> Vec<String> {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names(self.path("state/runs")), Vec::<String>::new(), "records of runs");
        let half: Vec<_> =
            names(self.path("cache/rootfs")).into_iter().filter(|name| name.starts_with('.')).collect();
        assert_eq!(half, Vec::<String>::new(), "half a rootfs");
    }

    /// The only log file.
    pub fn log(&self) -> String {
        let logs: Vec<_> =
            fs::read_dir(self.path("state/logs")).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(logs.len(), 1);
        assert_eq!(fs::metadata(&logs[0]).unwrap().permissions().mode() & 0o777, 0o600);
        fs::read_to_string(&logs[0]).unwrap()
    }

    /// What a good run leaves: an ISO and its metadata, private and the caller's.
    pub fn assert_outputs(&self) {
        assert_eq!(self.names(), ["out.iso", "output-metadata.yaml"]);
        for name in self.names() {
            let found = fs::metadata(self.volume().join(name)).unwrap();
            assert_eq!(found.uid(), nix::unistd::geteuid().as_raw());
            assert_eq!(found.permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read(self.volume().join("out.iso")).unwrap(), iso());
    }

    /// The command of [`Site::isogen`] as arguments of another program.
    pub fn below(&self, mut wrapper: Command, arguments: &[&str]) -> Command {
        let command = self.isogen(arguments);
        wrapper.arg(command.get_program()).args(command.get_args()).env_clear();
        wrapper.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        wrapper.stdin(Stdio::null()).current_dir(self.dir.path());
        wrapper
    }

    /// Starts a run and waits until the builder has made the file `started` in the volume.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.wait_until_started(self.isogen(arguments))
    }

    pub fn start_below(&self, wrapper: Command, arguments: &[&str]) -> Child {
        self.wait_until_started(self.below(wrapper, arguments))
    }

    fn wait_until_started(&self, mut command: Command) -> Child {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        for _ in 0..600 {
            if self.volume().join("started").exists() {
                return child;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
            if child.try_wait().unwrap().is_some() {
                panic!("{}", stderr(&child.wait_with_output().unwrap()));
            }
        }
        panic!("the builder did not start");
    }

    /// Feeds standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = self.isogen(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // it may stop reading early, and then says why
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// User-data, network data and the host of the site.
pub fn documents() -> String {
    let user_data = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "user-data", "labels": {"airshipit.org/ephemeral-user-data": "true"}},
        "stringData": {"userData": format!("#cloud-config\npassword: {SECRET}\n")},
    });
    let host = json!({
        "apiVersion": "metal3.io/v1alpha1", "kind": "BareMetalHost",
        "metadata": {"name": "node-1", "labels": {"airshipit.org/ephemeral-node": "true"}},
        "spec": {"bootMACAddress": "52:54:00:00:00:01", "networkData": {"name": "network", "namespace": "default"}},
    });
    let network = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "network"},
        "stringData": {"networkData": "version: 2\nethernets: {e: {match: {macaddress: \"52:54:00:00:00:01\"}, dhcp4: true}}\n"},
    });
    // JSON is YAML
    format!("{user_data}\n---\n{host}\n---\n{network}\n")
}
