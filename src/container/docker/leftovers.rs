//! What killed processes left in an engine and in their volumes, finished at the next start.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::connection::Connection;
use super::create;
use crate::container::record::{self, Reaped};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::interrupt::Interrupt;
use crate::site::volume;

/// The version of the record.
pub const VERSION: u32 = 1;

/// What a later process must know of a run: to clean up after it the first two, the rest to list it.
#[derive(Debug, Serialize, Deserialize)]
pub struct About {
    pub version: u32,
    pub engine: Address,
    /// The reference of the image.
    #[serde(default)]
    pub image: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub started: u64,
    /// Host side of the volume.
    #[serde(default)]
    pub volume: PathBuf,
}

/// Finishes the dead runs of this user in engines: container gone, secrets removed, older outputs
/// back in place, record gone. A run that resists is reported and stays for the next try.
pub fn reap_dead(state: &Path, interrupt: &Interrupt) -> Vec<Reaped> {
    let finish = |dead: record::Dead<About>| {
        tracing::info!("Cleaning up after run {}, which was killed", dead.dir.display());
        let result = reap(&dead.about, &dead.dir, interrupt);
        if let Err(error) = &result {
            let hint = error.hint_text().map(|hint| format!(" ({hint})")).unwrap_or_default();
            tracing::warn!("cleaning up {}: {error}{hint}", dead.dir.display());
        }
        Reaped { id: dead.id, result }
    };
    record::dead::<About>(state).into_iter().map(finish).collect()
}

/// Finishes one run in the engine that has its container.
pub fn reap(about: &About, run_dir: &Path, interrupt: &Interrupt) -> Result<()> {
    let connected = Connection::open(about.engine.clone(), interrupt);
    let connection = connected.map_err(|error| error.context("removing its container"));
    finish(connection.as_ref(), run_dir)
}

/// Finishes one run, whose record lies in `run_dir`. The container first: it may still write. What
/// is in the volume is finished even where the engine does not answer.
pub fn finish(connection: Result<&Connection, &Error>, run_dir: &Path) -> Result<()> {
    let id = run_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let removed = connection.map_err(Error::clone).and_then(|connection| create::remove(connection, &id));
    let recovered = volume::recover(run_dir);
    removed.and(recovered)?;
    forget(run_dir)
}

/// The same for a run whose container is kept.
pub fn finish_volume(run_dir: &Path) -> Result<()> {
    volume::recover(run_dir)?;
    forget(run_dir)
}

fn forget(run_dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(run_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.doing(ErrorKind::Internal, || format!("removing {}", run_dir.display())),
    }
}
