//! The record of a run: a directory that outlives every process of it, so that whoever comes next
//! can finish what was begun.
//!
//! `<state>/runs/<id>/` (0700) holds `record.json`, the lock that living processes hold (flock(2)),
//! the volume's journal, and everything temporary of the container.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::site::volume;

const KEPT: &str = "kept";
const RECORD: &str = "record.json";
/// A record that is still being made has this prefix.
const NEW: &str = ".new-";

/// The record of a run of this process.
pub struct Record {
    id: String,
    dir: PathBuf,
    lock: File,
}

impl Record {
    /// Makes a record below `state`, durable before this returns. `about` is what a later process
    /// needs to clean up.
    pub fn create<T: Serialize>(state: &Path, about: &T) -> Result<Self> {
        let runs = state.join("runs");
        make_dirs(&runs)?;
        let id = random_id()?;
        let (new, dir) = (runs.join(format!("{NEW}{id}")), runs.join(&id));
        let doing = || format!("recording the run in {}", dir.display());
        DirBuilder::new().mode(0o700).create(&new).doing(ErrorKind::Internal, doing)?;
        let lock = take_lock(&new)?.ok_or_else(|| Error::new(ErrorKind::Internal, doing()))?;
        let json = serde_json::to_vec(about).doing(ErrorKind::Internal, doing)?;
        write_durably(&new.join(RECORD), &json).doing(ErrorKind::Internal, doing)?;
        // locked before it has its name, or the next start would take it for a dead one
        std::fs::rename(&new, &dir)
            .and_then(|()| File::open(&runs)?.sync_all())
            .doing(ErrorKind::Internal, doing)?;
        Ok(Self { id, dir, lock })
    }

    /// Twelve hexadecimal digits, also the container's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The lock, for the helper to hold too.
    pub fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// Removes a record under which nothing was begun. Failing that, the next start does it.
    pub fn discard(self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::debug!("removing {}: {error}", self.dir.display());
        }
    }

    /// Keeps the container of this run when everything else is cleaned up.
    pub fn keep(&self) -> Result<()> {
        write_durably(&self.dir.join(KEPT), b"")
            .doing(ErrorKind::Internal, || format!("keeping {}", self.dir.display()))
    }
}

/// Whether `--debug` kept the container of this run.
pub fn is_kept(run_dir: &Path) -> bool {
    run_dir.join(KEPT).exists()
}

/// A run none of whose processes lives.
pub struct Dead<T> {
    pub dir: PathBuf,
    pub about: T,
    _lock: File,
}

/// The dead runs below `state` that are not kept and of which `T` tells, locked against anyone else who looks for them.
pub fn dead<T: DeserializeOwned>(state: &Path) -> Vec<Dead<T>> {
    let entries = std::fs::read_dir(state.join("runs")).into_iter().flatten().flatten();
    entries.filter_map(|entry| examine(&entry.path())).collect()
}

fn examine<T: DeserializeOwned>(dir: &Path) -> Option<Dead<T>> {
    let name = dir.file_name()?.to_string_lossy().into_owned();
    if name.starts_with(NEW) {
        remove_stillborn(dir);
        return None;
    }
    let lock = take_lock(dir).ok()??;
    if is_kept(dir) && !volume::is_unfinished(dir) {
        return None;
    }
    let json = std::fs::read(dir.join(RECORD)).unwrap_or_default();
    match serde_json::from_slice(&json) {
        Ok(about) => Some(Dead { dir: dir.to_owned(), about, _lock: lock }),
        Err(_) if is_record(&json) => None,
        Err(_) => {
            tracing::warn!("{} is no readable record of a run; remove it by hand", dir.display());
            None
        }
    }
}

/// Whether any driver wrote it: all say which version it is of.
fn is_record(json: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(json).is_ok_and(|about| about.get("version").is_some())
}

/// A directory whose maker died before it had its name holds nothing yet.
fn remove_stillborn(dir: &Path) {
    let age =
        std::fs::metadata(dir).and_then(|found| found.modified()).ok().and_then(|made| made.elapsed().ok());
    if age.is_some_and(|age| age > Duration::from_secs(600)) {
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// `None` when somebody else holds it.
fn take_lock(dir: &Path) -> Result<Option<File>> {
    let path = dir.join("lock");
    let doing = || format!("locking {}", path.display());
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .doing(ErrorKind::Internal, doing)?;
    // released when the last process that holds it has ended
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).doing(ErrorKind::Internal, doing),
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// Creates a directory and its parents, for the caller alone.
pub fn make_dirs(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .doing(ErrorKind::Usage, || format!("creating {}", dir.display()))
        .map_err(|error| error.hint("set XDG_STATE_HOME to a directory that you can write to"))
}

fn random_id() -> Result<String> {
    let mut bytes = [0; 6];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .doing(ErrorKind::Host, || "reading /dev/urandom".into())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where records and logs of this user are: `/var/lib/airshipctl` for root,
/// `$XDG_STATE_HOME/airshipctl` (default `~/.local/state`) for others.
pub fn state_dir() -> Result<PathBuf> {
    program_dir("/var/lib", "XDG_STATE_HOME", ".local/state")
        .map_err(|error| error.hint("set HOME, or give --state-dir"))
}

/// This program's directory: below `system` for root, else below the directory that `variable` names
/// or, without one, `fallback` in the home directory (XDG base directory specification).
pub fn program_dir(system: &str, variable: &str, fallback: &str) -> Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = match nix::unistd::geteuid().is_root() {
        true => Some(PathBuf::from(system)),
        false => absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(fallback))),
    };
    base.map(|base| base.join("airshipctl"))
        .ok_or_else(|| Error::new(ErrorKind::Usage, format!("neither {variable} nor HOME is set")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_run_is_not_dead_and_a_dropped_one_is() {
        let state = tempfile::tempdir().unwrap();
        let record = Record::create(state.path(), &"about").unwrap();
        assert!(dead::<String>(state.path()).is_empty());
        let dir = record.dir().to_owned();
        drop(record);
        let found = dead::<String>(state.path());
        assert_eq!((found[0].dir.clone(), found[0].about.as_str()), (dir, "about"));
    }

    #[test]
    fn a_kept_run_is_left_alone() {
        let state = tempfile::tempdir().unwrap();
        Record::create(state.path(), &"about").unwrap().keep().unwrap();
        assert!(dead::<String>(state.path()).is_empty());
    }

    #[test]
    fn a_dead_run_is_found_by_one_process_only() {
        let state = tempfile::tempdir().unwrap();
        drop(Record::create(state.path(), &"about").unwrap());
        let first = dead::<String>(state.path());
        assert_eq!(first.len(), 1);
        assert!(dead::<String>(state.path()).is_empty());
    }
}
