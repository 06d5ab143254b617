//! A driver on a bench of its own: volume, state, cache, and images in the common registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use airshipctl::container::{Choice, Container, KeepContainer, Limits, Options, Rootless, Run, driver};
use airshipctl::error::{Error, ErrorKind, Result};
use airshipctl::image::progress::Silent;
use airshipctl::image::reference::Reference;
use airshipctl::image::registry::Access;
use airshipctl::image::{Layers, PullPolicy};
use airshipctl::interrupt::Interrupt;
use airshipctl::site::config::{ContainerRuntime, Network, Privilege};
use airshipctl::site::document::DocumentSet;
use airshipctl::site::secrets::SecretValues;
use airshipctl::site::volume::{Input, InputsAfter, OutputNames, Staging, Volume};

use super::common::docker_registry::DockerRegistry;
use super::common::image::{Built, TestImage};
use super::common::site::builder;

pub const SECRET: &str = "c4n4ry-Eexo9oog";

/// Leaves metadata and an image made from all that the builder was given.
pub const BUILD: &str = "cat /config/user-data /iso > /config/out.iso
echo \"bootImagePath: $HOST_SIDE/out.iso\" > /config/output-metadata.yaml
";

pub struct Bench<'a> {
    pub runtime: ContainerRuntime,
    pub registry: &'a DockerRegistry,
    pub interrupt: Interrupt,
    secrets: SecretValues,
    dir: tempfile::TempDir,
}

/// What a site with [`SECRET`] in its user-data has to hide.
fn secrets() -> SecretValues {
    let file = format!("#cloud-config\npassword: {SECRET}\n");
    SecretValues::gather(&DocumentSet::default(), &[file.as_bytes()]).unwrap()
}

impl<'a> Bench<'a> {
    pub fn new(runtime: ContainerRuntime, registry: &'a DockerRegistry) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("volume")).unwrap();
        Self { runtime, registry, interrupt: Interrupt::manual().unwrap(), secrets: secrets(), dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn host_side(&self) -> PathBuf {
        self.path("volume")
    }

    pub fn volume(&self) -> Volume {
        Volume::open(&self.host_side(), Path::new("/config")).unwrap()
    }

    /// Pushes the image under a name that nobody else uses.
    pub fn push(&self, image: &Built) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        self.registry.push("team/builder", &format!("{}-{number}", self.runtime), image)
    }

    pub fn options(&self, reference: &str) -> Options {
        Options {
            reference: Reference::parse(reference).unwrap(),
            pull: PullPolicy::Missing,
            rootless: Rootless::Auto,
            limits: Limits::default(),
            layers: Layers::AsNeeded,
            access: Access::default(),
            cache: self.path("cache"),
            additional_caches: Vec::new(),
            state: self.path("state"),
            progress: Arc::new(Silent),
            interrupt: self.interrupt.clone(),
        }
    }

    pub fn driver(&self, options: Options) -> Box<dyn Container> {
        driver(Choice::Demanded(self.runtime), options).unwrap()
    }

    /// A driver that has pulled this image.
    pub fn with_image(&self, image: &TestImage) -> Box<dyn Container> {
        let mut driver = self.driver(self.options(&self.push(&image.build())));
        driver.pull().unwrap();
        driver
    }

    /// A driver that has pulled an image with this builder script.
    pub fn with_builder(&self, script: &str) -> Box<dyn Container> {
        self.with_image(&builder(script))
    }

    pub fn staging(&self) -> Staging {
        let input = |name: &str, text: &str| Input { name: name.into(), bytes: text.into() };
        let outputs = OutputNames { metadata: "output-metadata.yaml".into(), image: Some("out.iso".into()) };
        let inputs = vec![input("user-data", SECRET), input("meta-data", "local-hostname: x\n")];
        Staging { inputs, outputs, inputs_after: InputsAfter::Remove }
    }

    pub fn run<'r>(&'r self, volume: &'r Volume, staging: &'r Staging) -> Run<'r> {
        Run {
            volume,
            staging,
            secrets: &self.secrets,
            environment: vec![("HOST_SIDE".into(), self.host_side().to_str().unwrap().into())],
            privilege: Privilege::Default,
            network: Network::None,
            timeout: None,
            idle_timeout: None,
            limits: Limits::default(),
            keep: KeepContainer::Never,
        }
    }

    /// A run with this script that must fail as a builder does; returns what it says. Whatever was in
    /// the volume is there again, and nothing else.
    pub fn fails(&self, script: &str, change: impl FnOnce(&mut Run<'_>)) -> Error {
        let error = self.attempt(script, change).expect_err("it did not fail");
        assert!(!error.to_string().contains(SECRET));
        self.assert_clean(&[]);
        error
    }

    pub fn attempt(&self, script: &str, change: impl FnOnce(&mut Run<'_>)) -> Result<PathBuf> {
        let (volume, staging) = (self.volume(), self.staging());
        let mut driver = self.with_builder(script);
        let mut run = self.run(&volume, &staging);
        change(&mut run);
        driver.run(&run)
    }

    /// A good run, committed; returns the image.
    pub fn builds(&self, script: &str, change: impl FnOnce(&mut Run<'_>)) -> Vec<u8> {
        let (volume, staging) = (self.volume(), self.staging());
        let mut driver = self.with_builder(script);
        let mut run = self.run(&volume, &staging);
        change(&mut run);
        let run_dir = driver.run(&run).unwrap();
        driver.remove().unwrap();
        let image = volume.outputs(&run_dir).unwrap().image;
        volume.commit(&run_dir).unwrap();
        drop(driver);
        self.assert_clean(&["out.iso", "output-metadata.yaml"]);
        fs::read(image).unwrap()
    }

    /// Just these files are in the volume, and neither a record of a run nor a container is left.
    pub fn assert_clean(&self, files: &[&str]) {
        assert_eq!(self.names("volume"), files);
        assert_eq!(self.names("state/runs"), Vec::<String>::new());
        if self.runtime == ContainerRuntime::Docker {
            assert_eq!(containers(), "", "containers of ours");
        }
    }

    pub fn names(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(dir)).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// All logs.
    pub fn log(&self) -> String {
        let logs = self.names("state/logs");
        logs.iter().map(|name| fs::read_to_string(self.path("state/logs").join(name)).unwrap()).collect()
    }
}

/// The containers in the engine, running or not: `id name` lines.
pub fn containers() -> String {
    let list = ["ps", "--all", "--format", "{{.ID}} {{.Names}} {{.Status}}"];
    let output = Command::new("docker").args(list).output().expect("docker.io brings it");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The error is of this kind and says each of `says`, its hint included.
pub fn assert_says(error: &Error, kind: ErrorKind, says: &[&str]) {
    let text = format!("{error}\nhint: {}", error.hint_text().unwrap_or_default());
    assert_eq!(error.kind(), kind, "{text}");
    says.iter().for_each(|word| assert!(text.contains(word), "{word:?} is not in: {text}"));
}
