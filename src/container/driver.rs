//! What a container driver does, and which one a configuration gets.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::oci::OciDriver;
use crate::error::Result;
use crate::image::digest::Digest;
use crate::image::progress::Progress;
use crate::image::reference::Reference;
use crate::image::registry::Access;
use crate::image::{Layers, PullPolicy};
use crate::interrupt::Interrupt;
use crate::site::config::{ContainerRuntime, Network, Privilege};
use crate::site::volume::{Staging, Volume};

/// A container of the builder image, in the four steps that every driver knows.
pub trait Container {
    /// Has the image ready to run, and returns the digest of its manifest. Nothing of the site is
    /// touched. Fails with `Image` when it is not had, with `Host` when this host cannot run
    /// containers.
    fn pull(&mut self) -> Result<Digest>;

    /// Writes the inputs into the volume, runs the image's command to its end and removes the
    /// inputs. Returns the directory with the volume's journal. Fails with `Builder` when the
    /// command does not end with 0.
    fn run(&mut self, run: &Run<'_>) -> Result<PathBuf>;

    /// Removes the container. What the volume's journal still holds open is undone when the driver
    /// is dropped.
    fn remove(&mut self) -> Result<()>;
}

/// Environment variables of the container, in order.
pub type Environment = Vec<(String, String)>;

/// Whether `--debug` wants to look at the container afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepContainer {
    Never,
    Always,
}

/// Which rung of the ladder a container stands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rootless {
    /// The best that holds.
    #[default]
    Auto,
    Root,
    Subid,
    Emulate,
    Single,
}

/// What a container may use of this host; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Bytes.
    pub memory: Option<u64>,
    /// Thousandths of a processor.
    pub cpus: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// One run.
pub struct Run<'a> {
    pub volume: &'a Volume,
    pub staging: &'a Staging,
    pub environment: Environment,
    pub privilege: Privilege,
    pub network: Network,
    /// How long the command may take.
    pub timeout: Option<Duration>,
    /// How long it may be silent.
    pub idle_timeout: Option<Duration>,
    pub limits: Limits,
    pub keep: KeepContainer,
}

/// What every driver is made from.
pub struct Options {
    pub reference: Reference,
    pub pull: PullPolicy,
    pub rootless: Rootless,
    /// Those of the run to come: a host that cannot hold a container to them is told before the pull.
    pub limits: Limits,
    /// Whether layers are wanted in the cache beside the rootfs that is made of them.
    pub layers: Layers,
    /// How registries may be reached.
    pub access: Access,
    /// The rootfs cache of the built-in driver.
    pub cache: PathBuf,
    /// Caches that it only reads from, searched in this order after its own.
    pub additional_caches: Vec<PathBuf>,
    /// Where records of runs and logs are kept.
    pub state: PathBuf,
    /// Who is told how far it is.
    pub progress: Arc<dyn Progress>,
    pub interrupt: Interrupt,
}

/// The one place that knows the drivers by name.
pub fn driver(runtime: ContainerRuntime, options: Options) -> Box<dyn Container> {
    if runtime == ContainerRuntime::Docker {
        tracing::warn!("the docker driver is not part of this version; running with the built-in one");
    }
    Box::new(OciDriver::new(options))
}
