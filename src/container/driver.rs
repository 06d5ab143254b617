//! What a container driver does, and which one a configuration gets.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::engine::EngineDriver;
use super::oci::OciDriver;
use crate::error::{Error, ErrorKind, Result};
use crate::image::digest::Digest;
use crate::image::progress::Progress;
use crate::image::reference::Reference;
use crate::image::registry::Access;
use crate::image::{Layers, PullPolicy};
use crate::interrupt::Interrupt;
use crate::site::config::{ContainerRuntime, Network, Privilege};
use crate::site::secrets::SecretValues;
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

    /// Runs `command` in the image instead of its own: without volume, inputs or network, with nothing
    /// on standard input, as the image's user. What it prints is no log, and its exit code is no
    /// error. Fails with `Builder` when it cannot be started or takes longer than `timeout`.
    fn run_with_output(&mut self, command: &[&str], timeout: Duration) -> Result<CommandOutput>;

    /// Removes the container. What the volume's journal still holds open is undone when the driver
    /// is dropped.
    fn remove(&mut self) -> Result<()>;
}

/// What a command printed, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutput {
    /// The first [`OUTPUT_LIMIT`] bytes.
    pub stdout: Vec<u8>,
    /// The same.
    pub stderr: Vec<u8>,
    /// Its exit code, or 128 + the number of the signal that killed it.
    pub code: i32,
}

/// How much is kept of each stream of a command, in bytes.
pub const OUTPUT_LIMIT: usize = 1 << 20;

/// Appends what is still within [`OUTPUT_LIMIT`].
pub(super) fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = OUTPUT_LIMIT.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// The error for a command that had to be killed.
pub(super) fn too_long(timeout: Duration) -> Error {
    Error::new(ErrorKind::Builder, format!("the command took longer than {timeout:?}"))
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
    /// What is taken out of the builder's output before anybody sees it.
    pub secrets: &'a SecretValues,
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

/// Which driver is wanted, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// By the configuration, which may be older than this program: where no engine answers, the
    /// built-in driver will do.
    Configured(ContainerRuntime),
    /// By the command line: this one or none.
    Demanded(ContainerRuntime),
}

/// The one place that knows the drivers by name. Removes the containers that killed runs left in an
/// engine, and finds out whether one answers; nothing else has happened then.
///
/// Fails with `Host` when an engine is demanded and none answers.
pub fn driver(choice: Choice, options: Options) -> Result<Box<dyn Container>> {
    super::docker::reap_dead(&options.state, &options.interrupt);
    let (Choice::Configured(runtime) | Choice::Demanded(runtime)) = choice;
    if runtime == ContainerRuntime::Oci {
        return Ok(Box::new(OciDriver::new(options)));
    }
    match (EngineDriver::connect(options), choice) {
        (Ok(driver), _) => Ok(Box::new(driver)),
        (Err((error, options)), Choice::Configured(_)) if !is_interrupt(&error) => {
            tracing::warn!("{error}; running with the built-in driver");
            Ok(Box::new(OciDriver::new(*options)))
        }
        (Err((error, _)), _) => Err(error),
    }
}

fn is_interrupt(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_up_to_its_limit() {
        let mut kept = vec![0; OUTPUT_LIMIT - 2];
        keep(&mut kept, b"abc");
        keep(&mut kept, b"d");
        assert_eq!((kept.len(), &kept[OUTPUT_LIMIT - 2..]), (OUTPUT_LIMIT, &b"ab"[..]));
    }
}
