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
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::site::volume;

const KEPT: &str = "kept";
const RECORD: &str = "record.json";
/// A record that is still being made has this prefix.
const NEW: &str = ".new-";
/// A directory in which `doctor` tries things.
pub const TRIAL: &str = ".new-doctor-";

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
        let _making = File::open(&runs).and_then(|runs| runs.lock_shared().map(|()| runs));
        DirBuilder::new().mode(0o700).create(&new).doing(ErrorKind::Internal, doing)?;
        let lock = lock(&new, Hold::Exclusive)?.ok_or_else(|| Error::new(ErrorKind::Internal, doing()))?;
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

    /// The state directory that it is in.
    pub fn state(&self) -> &Path {
        self.dir.parent().and_then(Path::parent).unwrap_or(&self.dir)
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

/// Makes a kept run one of the dead, which the next start removes if nobody does before.
pub fn give_up(run_dir: &Path) -> Result<()> {
    match std::fs::remove_file(run_dir.join(KEPT)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).doing(ErrorKind::Internal, || format!("giving up {}", run_dir.display()))
        }
        _ => Ok(()),
    }
}

/// What has become of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// A process of it lives.
    Running,
    /// Over, but for its container, which `--debug` kept.
    Kept,
    /// None of its processes lives, and they have left things behind.
    Dead,
}

/// How a run's record is taken hold of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// To look into what it kept.
    Shared,
    /// To remove it.
    Exclusive,
}

/// A run that has a record below the state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub id: String,
    pub dir: PathBuf,
}

/// A record that is held against others.
pub struct Held(File);

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// All runs below `state`, by id. No state directory has none.
pub fn all(state: &Path) -> Result<Vec<Found>> {
    let runs = state.join("runs");
    let doing = || format!("reading {}", runs.display());
    let entries = match std::fs::read_dir(&runs) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.doing(ErrorKind::Usage, doing)?,
    };
    // whoever makes a record shares this lock, so with it to ourselves there is nobody left who does
    let alone = File::open(&runs).ok().filter(|runs| runs.try_lock().is_ok());
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.doing(ErrorKind::Usage, doing)?;
        let (id, dir) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        match id.starts_with(NEW) {
            true => remove_stillborn(&dir, &id, alone.is_some()),
            false => found.push(Found { id, dir }),
        }
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(found)
}

impl Found {
    /// What has become of it, as far as that shows without waiting. Runs hold their records for
    /// themselves, whoever looks into a kept one shares it.
    pub fn status(&self) -> Status {
        match lock(&self.dir, Hold::Shared) {
            Ok(Some(_)) if is_kept(&self.dir) && !volume::is_unfinished(&self.dir) => Status::Kept,
            Ok(Some(_)) => Status::Dead,
            _ => Status::Running,
        }
    }

    /// `None` when somebody else's hold does not allow it.
    pub fn hold(&self, hold: Hold) -> Result<Option<Held>> {
        Ok(lock(&self.dir, hold)?.map(Held))
    }

    /// What the run's maker recorded; `None` if it cannot be read.
    pub fn about<T: DeserializeOwned>(&self) -> Option<T> {
        let json = std::fs::read(self.dir.join(RECORD)).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

/// A run none of whose processes lives.
pub struct Dead<T> {
    pub id: String,
    pub dir: PathBuf,
    pub about: T,
    _held: Held,
}

/// A dead run, and what came of finishing it.
pub struct Reaped {
    pub id: String,
    pub result: Result<()>,
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The dead runs below `state` that are not kept and of which `T` tells, locked against anyone else who looks for them.
pub fn dead<T: DeserializeOwned>(state: &Path) -> Vec<Dead<T>> {
    all(state).unwrap_or_default().into_iter().filter_map(examine).collect()
}

fn examine<T: DeserializeOwned>(found: Found) -> Option<Dead<T>> {
    let held = found.hold(Hold::Exclusive).ok()??;
    if is_kept(&found.dir) && !volume::is_unfinished(&found.dir) {
        return None;
    }
    let json = std::fs::read(found.dir.join(RECORD)).unwrap_or_default();
    match serde_json::from_slice(&json) {
        Ok(about) => Some(Dead { id: found.id, dir: found.dir, about, _held: held }),
        Err(_) if is_record(&json) => None,
        Err(_) => {
            tracing::warn!("{} is no readable record of a run; remove it by hand", found.dir.display());
            None
        }
    }
}

/// Whether any driver wrote it: all say which version it is of.
fn is_record(json: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(json).is_ok_and(|about| about.get("version").is_some())
}

/// A directory whose maker died before it had its name holds nothing yet. Where there are no such locks,
/// and for a trial of `doctor`, only its age tells.
fn remove_stillborn(dir: &Path, name: &str, is_nobodys: bool) {
    let age =
        std::fs::metadata(dir).and_then(|found| found.modified()).ok().and_then(|made| made.elapsed().ok());
    let is_old = age.is_some_and(|age| age > Duration::from_secs(600));
    if is_old || (is_nobodys && !name.starts_with(TRIAL)) {
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// `None` when somebody else's lock is in the way.
fn lock(dir: &Path, hold: Hold) -> Result<Option<File>> {
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
    let taken = match hold {
        Hold::Shared => file.try_lock_shared(),
        Hold::Exclusive => file.try_lock(),
    };
    match taken {
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

/// The caller's home directory as passwd(5) has it, for cron jobs and services without HOME.
fn home() -> Option<PathBuf> {
    let table = std::fs::read_to_string("/etc/passwd").ok()?;
    home_of(&table, nix::unistd::geteuid().as_raw())
}

fn home_of(passwd: &str, uid: u32) -> Option<PathBuf> {
    let rows = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row.get(2).is_some_and(|field| field.parse() == Ok(uid)))?;
    row.get(5).map(PathBuf::from).filter(|home| home.is_absolute())
}

/// This program's directory: below `system` for root, else below the directory that `variable` names
/// or, without one, `fallback` in the home directory (XDG base directory specification).
pub fn program_dir(system: &str, variable: &str, fallback: &str) -> Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = match nix::unistd::geteuid().is_root() {
        true => Some(PathBuf::from(system)),
        false => absolute(variable).or_else(|| absolute("HOME").or_else(home).map(|it| it.join(fallback))),
    };
    base.map(|base| base.join("airshipctl")).ok_or_else(|| {
        let why = format!("neither {variable} nor HOME is set, and this user has no home directory");
        Error::new(ErrorKind::Usage, why)
    })
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
    fn a_home_directory_is_found_without_a_variable() {
        let table = "root:x:0:0::/root:/bin/sh\nbad\nbob:x:7:7::/home/bob:/bin/sh\nno:x:8:8:::/bin/sh\n";
        assert_eq!(home_of(table, 7), Some("/home/bob".into()));
        assert_eq!((home_of(table, 8), home_of(table, 9)), (None, None));
    }

    #[test]
    fn a_record_without_a_name_is_removed_when_nobody_makes_one() {
        let state = tempfile::tempdir().unwrap();
        let new = state.path().join("runs/.new-0");
        std::fs::create_dir_all(&new).unwrap();
        let maker = File::open(state.path().join("runs")).unwrap();
        maker.lock_shared().unwrap();
        assert!(all(state.path()).unwrap().is_empty() && new.exists());
        drop(maker);
        assert!(all(state.path()).unwrap().is_empty() && !new.exists());
    }

    #[test]
    fn a_kept_run_is_left_alone() {
        let state = tempfile::tempdir().unwrap();
        Record::create(state.path(), &"about").unwrap().keep().unwrap();
        assert!(dead::<String>(state.path()).is_empty());
    }

    #[test]
    fn runs_are_listed_with_what_has_become_of_them() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(all(state.path()).unwrap(), []);
        let running = Record::create(state.path(), &"about").unwrap();
        let kept = Record::create(state.path(), &"about").unwrap();
        kept.keep().unwrap();
        assert_eq!(kept.state(), state.path());
        let of = |record: &Record| Found { id: record.id().to_owned(), dir: record.dir().to_owned() };
        let (running_found, kept_found) = (of(&running), of(&kept));
        assert_eq!(kept_found.status(), Status::Running);
        drop(kept);
        assert_eq!(all(state.path()).unwrap().len(), 2);
        assert_eq!((running_found.status(), kept_found.status()), (Status::Running, Status::Kept));
        let looking = kept_found.hold(Hold::Shared).unwrap().unwrap();
        assert_eq!(kept_found.status(), Status::Kept);
        assert!(kept_found.hold(Hold::Shared).unwrap().is_some());
        assert!(kept_found.hold(Hold::Exclusive).unwrap().is_none());
        drop(looking);
        give_up(&kept_found.dir).unwrap();
        assert_eq!(kept_found.status(), Status::Dead);
        assert_eq!(kept_found.about::<String>().as_deref(), Some("about"));
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
