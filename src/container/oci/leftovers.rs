//! What killed processes left behind, finished at the next start, or when somebody asks for it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::helper::run::{NetworkMode, Seccomp};
use super::protocol::Task;
use super::rung::Rung;
use super::spawn::{Helper, Surroundings};
use crate::container::record::{self, Reaped};
use crate::error::{Doing, ErrorKind, Result};
use crate::image::rootfs;

/// What a later process must know of a run: to clean up after it the first two, the rest to list and
/// to enter what it kept.
#[derive(Debug, Serialize, Deserialize)]
pub struct About {
    pub version: u32,
    /// The mapping in which the run's files can be removed.
    pub rung: Rung,
    /// The reference of the image.
    #[serde(default)]
    pub image: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub started: u64,
    /// Host side of the volume.
    #[serde(default)]
    pub volume: PathBuf,
    /// The tree under the container's own layer.
    #[serde(default)]
    pub rootfs: PathBuf,
    #[serde(default)]
    pub network: NetworkMode,
    #[serde(default)]
    pub seccomp: Seccomp,
}

/// Finishes the dead runs of this user: secrets removed, older outputs back in place, container and
/// record gone. A run that resists is reported and stays for the next try.
pub fn reap_dead(state: &Path) -> Vec<Reaped> {
    let finish = |dead: record::Dead<About>| {
        tracing::info!("Cleaning up after run {}, which was killed", dead.dir.display());
        let result = reap(&dead.about.rung, &dead.dir);
        if let Err(error) = &result {
            tracing::warn!("cleaning up {}: {error}", dead.dir.display());
        }
        Reaped { id: dead.id, result }
    };
    record::dead::<About>(state).into_iter().map(finish).collect()
}

/// Finishes one run in its own mapping.
pub fn reap(rung: &Rung, run_dir: &Path) -> Result<()> {
    let task = Task::Reap { run_dir: run_dir.to_owned() };
    Helper::spawn(rung, task, Surroundings::default())?.call(None).map(drop)
}

/// Bytes that a tree takes on disk, read in the mapping in which it was made.
pub fn measure(rung: &Rung, dir: &Path) -> Result<u64> {
    let task = Task::Measure { dir: dir.to_owned() };
    let said = Helper::spawn(rung, task, Surroundings::default())?.call(None)?;
    serde_json::from_value(said).doing(ErrorKind::Internal, || format!("measuring {}", dir.display()))
}

/// Removes what a killed unpack of this mapping left in the cache.
pub fn sweep(rung: &Rung, cache: &Path) -> Result<()> {
    if !rootfs::has_leftovers(cache, &rung.mapping()) {
        return Ok(());
    }
    let task = Task::Sweep { cache: cache.to_owned() };
    Helper::spawn(rung, task, Surroundings::default())?.call(None).map(drop)
}
