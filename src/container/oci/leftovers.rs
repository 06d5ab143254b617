//! What killed processes left behind, finished at the next start.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::protocol::Task;
use super::rung::Rung;
use super::spawn::{Helper, Surroundings};
use crate::container::record;
use crate::error::Result;
use crate::image::rootfs;

/// What a later process must know of a run to clean up after it.
#[derive(Debug, Serialize, Deserialize)]
pub struct About {
    pub version: u32,
    /// The mapping in which the run's files can be removed.
    pub rung: Rung,
}

/// Finishes the dead runs of this user: secrets removed, older outputs back in place, container and
/// record gone. A run that resists is reported and stays for the next try.
pub fn reap_dead(state: &Path) {
    for dead in record::dead::<About>(state) {
        tracing::info!("Cleaning up after run {}, which was killed", dead.dir.display());
        if let Err(error) = reap(&dead.about.rung, &dead.dir) {
            tracing::warn!("cleaning up {}: {error}", dead.dir.display());
        }
    }
}

/// Finishes one run in its own mapping.
pub fn reap(rung: &Rung, run_dir: &Path) -> Result<()> {
    let task = Task::Reap { run_dir: run_dir.to_owned() };
    Helper::spawn(rung, task, Surroundings::default())?.call(None).map(drop)
}

/// Removes what a killed unpack of this mapping left in the cache.
pub fn sweep(rung: &Rung, cache: &Path) -> Result<()> {
    if !rootfs::has_leftovers(cache, &rung.mapping()) {
        return Ok(());
    }
    let task = Task::Sweep { cache: cache.to_owned() };
    Helper::spawn(rung, task, Surroundings::default())?.call(None).map(drop)
}
