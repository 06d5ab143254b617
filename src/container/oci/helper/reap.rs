//! Cleaning up after a run, by whoever is left to do it. Every step can be repeated.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::run::RunTask;
use super::{cgroup, remove, shell, user};
use crate::container::record;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::site::volume;

/// As soon as the builder has ended: the secrets go, and what it made becomes the caller's.
pub fn after_builder(task: &RunTask) -> Result<()> {
    let removed = volume::remove_inputs(&task.run_dir);
    let taken = match &task.volume {
        Some(volume) if !task.user.is_empty() => user::take_outputs(volume),
        _ => Ok(()),
    };
    removed.and(taken)
}

/// Removes the container: its layers, its state and its cgroups.
pub fn remove_container(run_dir: &Path, id: &str) -> Result<()> {
    let shells =
        shells(run_dir).into_iter().map(|(dir, number)| cgroup::remove(&dir, &format!("{id}-{number}")));
    // first, since what is in the directories tells where they are
    let cgroups: Vec<_> = std::iter::once(cgroup::remove(run_dir, id)).chain(shells).collect();
    let directories = ["overlay", "merged", "state", "bundle"].map(|name| remove_tree(&run_dir.join(name)));
    directories.into_iter().chain(cgroups).fold(Ok(()), Result::and)
}

/// Shells that were killed in this container; whoever may remove it knows that none lives.
fn shells(run_dir: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(run_dir).into_iter().flatten().flatten();
    let named = entries.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned()));
    named.filter_map(|(path, name)| Some((path, name.strip_prefix(shell::PREFIX)?.to_owned()))).collect()
}

/// Bytes on disk of everything below `dir`. What vanishes meanwhile does not count.
pub fn measure(dir: &Path) -> Result<serde_json::Value> {
    crate::container::kept::disk_usage(dir).map(serde_json::Value::from)
}

/// Finishes a run whose processes are dead: inputs removed, older outputs back in place unless the
/// run was a success, container and record gone. Of a container that `--debug` kept the files stay.
pub fn reap(run_dir: &Path) -> Result<serde_json::Value> {
    let recovered = volume::recover(run_dir);
    let removed = match (record::is_kept(run_dir), run_dir.file_name()) {
        (true, Some(id)) => cgroup::remove(run_dir, &id.to_string_lossy()),
        (false, Some(id)) => remove_container(run_dir, &id.to_string_lossy()),
        (_, None) => Err(Error::new(ErrorKind::Internal, "the run has no directory")),
    };
    recovered.and(removed)?;
    if !record::is_kept(run_dir) {
        remove_tree(run_dir)?;
    }
    Ok(serde_json::Value::Null)
}

/// Processes of a killed run may still be on their way out and write, so a few tries.
pub fn remove_tree(path: &Path) -> Result<()> {
    let mut removed = remove::tree(path);
    for _ in 0..20 {
        match &removed {
            Ok(()) => break,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(_) => {
                std::thread::sleep(Duration::from_millis(50));
                removed = remove::tree(path);
            }
        }
    }
    removed.doing(ErrorKind::Internal, || format!("removing {}", path.display()))
}
