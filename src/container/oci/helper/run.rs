//! The run as the helper sees it: a worker does everything, and the helper cleans up after it.

use std::fs::DirBuilder;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitStatus;
use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use super::user::User;
use super::volume::Attributes;
use super::worker::{self, Worker};
use super::{Channels, reap};
use crate::container::oci::capabilities;
use crate::container::oci::protocol::{Down, Up, send};
use crate::container::oci::rung::Rung;
use crate::container::oci::seccomp;
use crate::error::{Doing, Error, ErrorKind, Result};

/// What the helper must know to run a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunTask {
    pub id: String,
    /// The directory of the run's record, absolute; everything temporary lies below it.
    pub run_dir: PathBuf,
    /// The cached tree, never written to.
    pub rootfs: PathBuf,
    /// config.json but for root path and user, which only the helper can know.
    pub spec: Spec,
    /// `User` of the image configuration.
    pub user: String,
    pub network: NetworkMode,
    pub seccomp: Seccomp,
    /// Host side of the volume, if there is one.
    pub volume: Option<PathBuf>,
    /// Names of the input files in it.
    pub inputs: Vec<String>,
    /// The inherited descriptor that becomes the standard output; else that is where errors go.
    pub stdout: Option<i32>,
}

/// The filters between the builder and the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seccomp {
    /// The default profile: not for privileged containers.
    pub profile: bool,
    /// Root emulation of [`Rung::Emulated`].
    pub emulation: bool,
}

impl Seccomp {
    /// What of it can be had on this rung, by trying: with a single id a builder goes without the profile,
    /// told by a warning, where none can be loaded. It is nobody but the caller then, whatever it
    /// asks of the kernel; the other rungs hold more, and their trial has failed.
    #[must_use]
    pub fn to_be_had(self, rung: &Rung) -> Self {
        if !self.profile || !matches!(rung, Rung::Single { .. }) {
            return self;
        }
        match seccomp::probe(self) {
            Ok(()) => self,
            Err(error) => {
                tracing::warn!("{error}; the builder runs without the seccomp profile");
                Self { profile: false, ..self }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// A namespace with the loopback interface only.
    #[default]
    None,
    /// The host's.
    Host,
}

/// Runs the container, then waits until the command line has judged the outputs and closes the
/// pipe; then finishes what the journal of the volume says, and removes the record.
pub fn run(channels: &mut Channels, rung: &Rung, task: &RunTask) -> Result<serde_json::Value> {
    if let Some(stdout) = task.stdout {
        nix::unistd::dup2(stdout, 1).doing(ErrorKind::Internal, || "setting up standard output".into())?;
    }
    let volume = task.volume.as_deref().map(Attributes::of);
    if let Err(error) = supervise(channels, rung, task) {
        tell(channels, &Up::Failed(error));
    }
    warn_of(volume.map_or(Ok(()), |volume| volume.restore()));
    warn_of(reap::after_builder(task));
    tell(channels, &Up::Stopped);
    while let Ok(Some(message)) = channels.down.next() {
        if matches!(message, Down::Remove) {
            warn_of(reap::remove_container(&task.run_dir, &task.id));
            tell(channels, &Up::Removed);
        }
    }
    reap::reap(&task.run_dir)
}

/// The command line may have been killed: then nobody listens, and all the more has to be cleaned up.
fn tell(channels: &Channels, message: &Up) {
    if let Err(error) = send(&channels.up, message) {
        tracing::debug!("{error}");
    }
}

fn warn_of(result: Result<()>) {
    if let Err(error) = result {
        tracing::warn!("{error}");
    }
}

fn supervise(channels: &mut Channels, rung: &Rung, task: &RunTask) -> Result<()> {
    let worker = Worker::start(channels, |channels| worker::work(channels, rung, task))?;
    watch(channels, &worker)
}

/// Waits for the worker's end, and brings it about when the command line is gone.
pub fn watch(channels: &Channels, worker: &Worker) -> Result<()> {
    loop {
        let mut ready = [
            PollFd::new(worker.life.as_fd(), PollFlags::POLLIN),
            // no events asked for: the worker reads the messages, only the end is our business
            PollFd::new(channels.down.as_fd(), PollFlags::empty()),
        ];
        let _ = poll(&mut ready, PollTimeout::NONE);
        let [life, gone] = ready.map(|fd| fd.any().unwrap_or(false));
        if gone && !life {
            let _ = kill(worker.pid, Signal::SIGKILL);
        }
        if gone || life {
            break;
        }
    }
    match worker.wait()? {
        // with an exit code of its own it has said why
        WaitStatus::Exited(..) => Ok(()),
        status => Err(Error::new(ErrorKind::Builder, format!("the container was killed ({status:?})"))),
    }
}

/// Writes the bundle's config.json.
pub fn write_config(task: &RunTask, root: &Path, user: &User) -> Result<()> {
    let bundle = task.run_dir.join("bundle");
    let doing = || format!("writing the bundle {}", bundle.display());
    DirBuilder::new().mode(0o700).recursive(true).create(&bundle).doing(ErrorKind::Host, doing)?;
    let mut spec = task.spec.clone();
    if let Some(root_of_spec) = spec.root_mut() {
        root_of_spec.set_path(root.to_owned());
    }
    if let Some(process) = spec.process_mut() {
        process.set_user(user.to_spec()?);
        if task.seccomp.profile || task.seccomp.emulation {
            capabilities::lend(process);
        }
    }
    spec.save(bundle.join("config.json")).doing(ErrorKind::Host, doing)
}
