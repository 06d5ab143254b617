//! The directory shared with the builder container: inputs in, outputs out, secrets removed.
//!
//! ```text
//!  open ─► stage: journal ─► older outputs aside ─► inputs ─► (builder) ─► outputs ─► commit
//!                    └──────────────── whatever happens from here on ─► recover
//! ```
//! [`Volume`] is what a run holds. [`remove_inputs`] and [`recover`] work from the journal in the
//! run directory alone, so that any process can finish what another one began.

mod access;
mod beside;
mod directory;
mod given;
mod half;
mod journal;
mod metadata;
mod outputs;
mod recover;
mod reject;
mod stage;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Doing, Error, ErrorKind, Result};
use directory::Directory;
pub use given::{GivenSums, given_sums};
use journal::{Journal, State};
pub use recover::{is_unfinished, recover, remove_inputs};

/// A volume that is there, writable and locked for this run.
pub struct Volume {
    host: PathBuf,
    container: PathBuf,
    directory: Directory,
}

/// What a run puts into its volume and expects from it.
#[derive(Debug)]
pub struct Staging {
    pub inputs: Vec<Input>,
    pub outputs: OutputNames,
    pub inputs_after: InputsAfter,
}

/// A file for the builder; its bytes may be secret.
pub struct Input {
    /// Plain file name, without directories.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// The names under which the builder leaves its outputs at the top of the volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputNames {
    pub metadata: String,
    /// Only known if the configuration says it; the metadata's `bootImagePath` decides.
    pub image: Option<String>,
}

/// What becomes of the inputs when the builder has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputsAfter {
    Remove,
    Keep,
}

/// The outputs of a run, checked; absolute paths on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs {
    pub image: PathBuf,
    pub metadata: PathBuf,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({}, {} bytes)", self.name, self.bytes.len())
    }
}

impl OutputNames {
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.metadata.as_str()).chain(self.image.as_deref())
    }
}

impl Volume {
    /// Checks that `host` is a directory, writable and not in use, and locks it with flock(2).
    /// What a run that was killed left in it is finished first. Never creates the directory.
    ///
    /// Errors are of [`ErrorKind::Usage`], each with a hint.
    pub fn open(host: &Path, container: &Path) -> Result<Self> {
        let directory = access::open(host)?;
        if access::lock(host, &directory)? == access::Lock::Held {
            recover::leftovers(host, &directory)?;
        }
        access::try_writing(host, &directory)?;
        Ok(Self { host: host.to_owned(), container: container.to_owned(), directory })
    }

    /// Like [`Volume::open`], without the lock and without touching the disk: for `--dry-run`.
    pub fn check(host: &Path) -> Result<()> {
        access::ask_writing(host, &access::open(host)?)
    }

    /// The directory on this host.
    pub fn host(&self) -> &Path {
        &self.host
    }

    /// Where the builder sees it.
    pub fn container(&self) -> &Path {
        &self.container
    }

    /// The locked directory. A helper process inherits it, so that the lock outlives a killed CLI.
    pub fn lock(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Sets older outputs aside and writes the inputs, mode 0600, after a journal of both is
    /// durable in `run_dir`. If anything fails, all is undone at once.
    ///
    /// Errors: [`ErrorKind::Usage`] for the volume, [`ErrorKind::Internal`] for the run directory.
    pub fn stage(&self, run_dir: &Path, staging: &Staging) -> Result<()> {
        let doing = || format!("writing inputs to volume {}", self.host.display());
        let plan = stage::plan(self, run_dir, staging).map_err(|error| error.context(doing()))?;
        stage::carry_out(self, &plan, staging).map_err(|error| {
            // the first error is the one to tell; what cannot be undone is told by the next recovery too
            if let Err(error) = recover(run_dir) {
                tracing::warn!("{error}");
            }
            error.context(doing())
        })
    }

    /// After the builder ended well: its outputs, checked as contract section 6 says, synced and
    /// made 0600, since an ISO carries the secrets that went into it.
    ///
    /// Errors: [`ErrorKind::Output`].
    pub fn outputs(&self, run_dir: &Path) -> Result<Outputs> {
        let (journal, aside) = self.begun(run_dir).map_err(|error| error.of_kind(ErrorKind::Output))?;
        outputs::checked(&outputs::Place { volume: self, journal: &journal, aside: &aside })
            .map_err(|error| error.context(format!("checking outputs in volume {}", self.host.display())))
    }

    /// Declares the outputs good: marks the journal committed, durably, then deletes what was set
    /// aside and the inputs (unless kept). From the mark on a crash no longer brings back the old.
    pub fn commit(&self, run_dir: &Path) -> Result<()> {
        let doing = || format!("committing outputs in volume {}", self.host.display());
        self.begun(run_dir)
            .and_then(|(journal, aside)| self.finish(journal, &aside))
            .map_err(|e| e.context(doing()))
    }

    fn finish(&self, mut journal: Journal, aside: &Directory) -> Result<()> {
        journal.state = State::Committed;
        journal.save()?;
        // the copy matters only to a run that cannot read our run directory
        if let Err(error) = journal.save_copy(aside) {
            tracing::warn!("{error}");
        }
        recover::finish(&self.directory, &journal)?;
        journal.state = State::Closed;
        journal.save()
    }

    /// The journal of a run that staged and is not over, and its directory in the volume.
    fn begun(&self, run_dir: &Path) -> Result<(Journal, Directory)> {
        let journal = Journal::load(run_dir)?.filter(|journal| journal.state != State::Closed);
        let journal =
            journal.ok_or_else(|| Error::new(ErrorKind::Internal, "this run has not begun or is over"))?;
        let aside = self.directory.child(Path::new(&journal.aside));
        let aside = aside.doing(ErrorKind::Internal, || format!("opening {}", journal.aside))?;
        let gone = || Error::new(ErrorKind::Internal, format!("{} is gone from the volume", journal.aside));
        let aside = aside.ok_or_else(gone)?;
        Ok((journal, aside))
    }
}

#[cfg(test)]
mod tests;
